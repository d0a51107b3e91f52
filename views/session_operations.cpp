#include "views/session_operations.h"

#include <QFileInfo>

#include "sessions/session_list.h"
#include "views/format.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

QString nameOf(const QString& file) {
    return QFileInfo(file).fileName();
}

std::filesystem::path pathOf(const QString& file) {
    return file.toStdString();
}

QString textOf(const std::filesystem::path& path) {
    return QString::fromStdString(path.string());
}

/// What is wrong first, then where; a bar is read from its beginning.
QString failureText(const Error& error) {
    const ErrorParts& parts = error.parts();
    QStringList facts;
    if (!parts.where.empty()) facts << format::plainText(parts.where);
    if (!parts.found.empty()) facts << format::plainText(parts.found);
    if (!parts.advice.empty()) facts << format::plainText(parts.advice);
    return format::plainText(parts.what) + u".\n"_s + facts.join(u". "_s);
}

}  // namespace

SessionOperations::SessionOperations(QObject* parent) : QObject(parent) {
    m_pool.setMaxThreadCount(1);
}

SessionOperations::~SessionOperations() {
    m_pool.waitForDone();
}

void SessionOperations::start(const QString& file, const QString& state, std::function<Outcome()> work,
                              std::function<void()> otherwise) {
    ++m_running;
    Q_EMIT stateChanged(file, state);
    m_pool.start([this, file, work = std::move(work), otherwise = std::move(otherwise)] {
        Outcome outcome{.message = {}, .file = {}, .then = otherwise};
        QString failure;
        try {
            outcome = work();
        } catch (const Error& error) {
            failure = failureText(error);
        } catch (const std::exception& exception) {
            failure = file + u": "_s + format::plainText(exception.what());
        }
        QMetaObject::invokeMethod(
            this, [this, file, outcome, failure] { end(file, outcome, failure); }, Qt::QueuedConnection);
    });
}

void SessionOperations::end(const QString& file, const Outcome& outcome, const QString& failure) {
    --m_running;
    if (outcome.then) outcome.then();
    Q_EMIT stateChanged(file, {});
    // After a failure too: the file may not be there any more.
    Q_EMIT changed();
    if (failure.isEmpty()) {
        Q_EMIT done(outcome.message, outcome.file);
    } else {
        Q_EMIT failed(failure);
    }
}

void SessionOperations::rename(const QString& file, const QString& title) {
    start(file, tr("Renaming…"), [file, title] {
        renameSession(pathOf(file), title.toStdString());
        return Outcome{.message = {}, .file = file, .then = {}};
    });
}

void SessionOperations::setTags(const QString& file, const QStringList& tags) {
    start(file, tr("Changing tags…"), [file, tags] {
        std::vector<std::string> names;
        for (const QString& tag : tags) names.push_back(tag.toStdString());
        setSessionTags(pathOf(file), names);
        return Outcome{.message = {}, .file = file, .then = {}};
    });
}

void SessionOperations::duplicate(const QString& file, const QString& title) {
    start(file, tr("Copying…"), [file, title] {
        const QString copy = textOf(duplicateSession(pathOf(file)));
        return Outcome{.message = tr("Copied “%1” to %2").arg(title, nameOf(copy)), .file = copy, .then = {}};
    });
}

void SessionOperations::importFile(const QString& file, const QString& directory) {
    start(file, tr("Importing %1…").arg(nameOf(file)), [file, directory] {
        const QString copy = textOf(importSession(pathOf(file), pathOf(directory)));
        return Outcome{.message = tr("Imported %1").arg(nameOf(copy)), .file = copy, .then = {}};
    });
}

void SessionOperations::compact(const QString& file, const QString& title) {
    start(file, tr("Compacting…"), [file, title] {
        const std::int64_t saved = compactSession(pathOf(file));
        const std::int64_t left = sessionBytes(pathOf(file));
        const QString message =
            saved > 0 ? tr("Compacted “%1”: %2 less, from %3 to %4")
                            .arg(title, format::bytes(saved), format::bytes(left + saved), format::bytes(left))
                      : tr("“%1” is as small as it can be: %2").arg(title, format::bytes(left));
        return Outcome{.message = message, .file = file, .then = {}};
    });
}

void SessionOperations::trash(const QString& file, const QString& title) {
    start(file, tr("Deleting…"), [this, file, title] {
        const TrashedSession session = trashSession(pathOf(file));
        return Outcome{.message = tr("Deleted “%1”").arg(title), .file = {}, .then = [this, session, title] {
                           m_deleted.push_back({.session = session, .title = title});
                       }};
    });
}

void SessionOperations::undo() {
    if (m_deleted.empty()) return;
    // Taken out at once: whoever asks twice brings back two.
    const Deleted deleted = m_deleted.back();
    m_deleted.pop_back();
    start(
        textOf(deleted.session.original), tr("Bringing back “%1”…").arg(deleted.title),
        [deleted] {
            const QString file = textOf(restoreSession(deleted.session));
            return Outcome{.message = tr("“%1” is back").arg(deleted.title), .file = file, .then = {}};
        },
        [this, deleted] {
            std::error_code ignored;
            if (std::filesystem::exists(deleted.session.trashed, ignored)) m_deleted.push_back(deleted);
        });
}

void SessionOperations::emptyTrash(const QString& directory) {
    start(directory, tr("Emptying the trash…"), [this, directory] {
        const SessionTrash trash = sessionTrash(pathOf(directory));
        emptySessionTrash(pathOf(directory));
        const SessionTrash left = sessionTrash(pathOf(directory));
        if (left.sessions > 0)
            throw Error({.what = "The trash cannot be emptied",
                         .where = directory.toStdString() + "/.trash",
                         .found = std::to_string(left.sessions) + " sessions that cannot be removed"});
        return Outcome{.message = tr("Emptied the trash: %1").arg(format::bytes(trash.bytes)),
                       .file = {},
                       .then = [this] { m_deleted.clear(); }};
    });
}

QString SessionOperations::undoTitle() const {
    return m_deleted.empty() ? QString() : m_deleted.back().title;
}

}  // namespace mixoscope
