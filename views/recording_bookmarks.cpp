#include "views/recording_bookmarks.h"

#include <algorithm>

#include "sessions/session_file.h"
#include "views/format.h"

namespace mixoscope {
namespace {

std::filesystem::path pathOf(const QString& file) {
    return file.toStdString();
}

}  // namespace

RecordingBookmarks::RecordingBookmarks(QObject* parent) : QObject(parent) {
    m_pool.setMaxThreadCount(1);
}

RecordingBookmarks::~RecordingBookmarks() {
    m_pool.waitForDone();
}

void RecordingBookmarks::open(const QString& file) {
    ++m_opened;
    m_running = 0;
    m_file = file;
    show({});
    // What is wrong with a file that cannot be read is said where it is shown.
    if (isOpen()) {
        run([file]() -> std::vector<SessionBookmark> {
            try {
                return sessionBookmarks(SessionReader(pathOf(file)));
            } catch (const Error&) {
                return {};
            }
        });
    }
}

const SessionBookmark* RecordingBookmarks::at(std::int64_t row) const {
    const auto found = std::ranges::find(m_list, row, &SessionBookmark::row);
    return found == m_list.end() ? nullptr : &*found;
}

void RecordingBookmarks::set(const SessionBookmark& bookmark) {
    if (!isOpen()) return;
    std::vector<SessionBookmark> list = m_list;
    std::erase_if(list, [&](const SessionBookmark& there) { return there.row == bookmark.row; });
    list.insert(std::ranges::upper_bound(list, bookmark.row, {}, &SessionBookmark::row), bookmark);
    show(std::move(list));
    run([file = m_file, bookmark] { return setSessionBookmark(pathOf(file), bookmark); });
}

void RecordingBookmarks::remove(std::int64_t row) {
    if (!isOpen()) return;
    std::vector<SessionBookmark> list = m_list;
    std::erase_if(list, [row](const SessionBookmark& there) { return there.row == row; });
    show(std::move(list));
    run([file = m_file, row] { return removeSessionBookmark(pathOf(file), row); });
}

void RecordingBookmarks::run(std::function<std::vector<SessionBookmark>()> work) {
    ++m_running;
    m_pool.start([this, file = m_file, opened = m_opened, work = std::move(work)] {
        std::vector<SessionBookmark> list;
        QString failure;
        try {
            list = work();
        } catch (const std::exception& exception) {
            failure = format::plainText(exception.what());
            try {
                list = sessionBookmarks(SessionReader(pathOf(file)));
            } catch (const std::exception&) {
                // It has none that anybody could read.
            }
        }
        QMetaObject::invokeMethod(
            this,
            [this, opened, list = std::move(list), failure] {
                if (opened == m_opened && --m_running == 0) show(list);  // the last answer knows of all before it
                if (!failure.isEmpty()) Q_EMIT failed(failure);
            },
            Qt::QueuedConnection);
    });
}

void RecordingBookmarks::show(std::vector<SessionBookmark> list) {
    if (list == m_list) return;
    m_list = std::move(list);
    Q_EMIT changed();
}

}  // namespace mixoscope
