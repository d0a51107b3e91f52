#include "views/models/session_list_model.h"

#include <QDateTime>
#include <QFileInfo>
#include <QLocale>
#include <QRegularExpression>
#include <algorithm>

#include "views/format.h"
#include "views/session_thumbnails.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

QString fileOf(const ListedSession& session) {
    return QString::fromStdString(session.path.string());
}

QString dateText(std::int64_t seconds) {
    const QDateTime time = QDateTime::fromSecsSinceEpoch(seconds);
    const qint64 days = time.date().daysTo(QDate::currentDate());
    if (days == 0) return QObject::tr("today %1").arg(time.toString(u"HH:mm"_s));
    if (days == 1) return QObject::tr("yesterday");
    return QLocale::c().toString(time.date(), u"d MMM yyyy"_s);
}

QString titleOf(const ListedSession& session) {
    return session.title.empty() ? QFileInfo(fileOf(session)).fileName() : format::plainText(session.title);
}

QStringList tagsOf(const ListedSession& session) {
    QStringList tags;
    for (const std::string& tag : session.tags) tags << format::plainText(tag);
    return tags;
}

QString subtitleOf(const ListedSession& session) {
    if (session.error.has_value()) return QObject::tr("⚠ %1").arg(format::plainText(session.error->what));
    return QObject::tr("%1 · %2 tokens").arg(format::plainText(session.model), format::count(session.tokens));
}

std::set<std::filesystem::path> filesOf(const std::vector<ListedSession>& sessions) {
    std::set<std::filesystem::path> files;
    for (const ListedSession& session : sessions) files.insert(session.path);
    return files;
}

}  // namespace

SessionListModel::SessionListModel(QObject* parent)
    : QAbstractListModel(parent), m_thumbnails(new SessionThumbnails(this)) {
    connect(m_thumbnails, &SessionThumbnails::made, this, &SessionListModel::redraw);
}

void SessionListModel::showSessions(std::vector<ListedSession> sessions) {
    if (m_sessions.empty()) {
        beginResetModel();
        m_sessions = std::move(sessions);
        return endResetModel();
    }
    removeOthers(filesOf(sessions));
    const std::set<std::filesystem::path> there = filesOf(m_sessions);
    for (int row = 0; row < static_cast<int>(sessions.size()); ++row) {
        const ListedSession& wanted = sessions[static_cast<std::size_t>(row)];
        if (!there.contains(wanted.path)) {
            beginInsertRows({}, row, row);
            m_sessions.insert(m_sessions.begin() + row, wanted);
            endInsertRows();
        } else if (session(row).path != wanted.path) {
            const auto found = std::ranges::find(m_sessions, wanted.path, &ListedSession::path);
            const auto from = static_cast<int>(found - m_sessions.begin());
            beginMoveRows({}, from, from, {}, row);
            std::rotate(m_sessions.begin() + row, found, found + 1);
            endMoveRows();
        }
    }
    m_sessions = std::move(sessions);
    if (rowCount() > 0) Q_EMIT dataChanged(index(0), index(rowCount() - 1));
}

void SessionListModel::removeOthers(const std::set<std::filesystem::path>& kept) {
    for (int row = rowCount() - 1; row >= 0; --row) {
        if (kept.contains(session(row).path)) continue;
        beginRemoveRows({}, row, row);
        m_sessions.erase(m_sessions.begin() + row);
        endRemoveRows();
    }
}

void SessionListModel::setRecording(QStringList files) {
    if (files == m_recording) return;
    m_recording = std::move(files);
    if (rowCount() > 0) Q_EMIT dataChanged(index(0), index(rowCount() - 1));
}

void SessionListModel::setState(const QString& file, const QString& state) {
    if (state.isEmpty()) {
        m_states.erase(file);
    } else {
        m_states[file] = state;
    }
    redraw(file);
}

void SessionListModel::redraw(const QString& file) {
    if (const QModelIndex row = indexOf(file); row.isValid()) Q_EMIT dataChanged(row, row);
}

QModelIndex SessionListModel::indexOf(const QString& file) const {
    for (int row = 0; row < rowCount(); ++row) {
        if (fileOf(session(row)) == file) return index(row);
    }
    return {};
}

int SessionListModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_sessions.size());
}

QString SessionListModel::toolTip(const ListedSession& session) const {
    const QString file = fileOf(session);
    if (session.error.has_value()) return file + u'\n' + format::plainText(Error(*session.error).what());
    QStringList lines{titleOf(session), subtitleOf(session)};
    if (!session.tags.empty()) lines << tr("Tags: %1").arg(tagsOf(session).join(u", "_s));
    lines << tr("Recorded %1, %2")
                 .arg(QLocale::c().toString(QDateTime::fromSecsSinceEpoch(session.created_s), u"d MMM yyyy HH:mm"_s),
                      format::bytes(session.bytes))
          << file;
    return lines.join(u'\n');
}

QVariant SessionListModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
    const ListedSession& shown = session(index.row());
    const auto state = [&] {
        const auto found = m_states.find(fileOf(shown));
        return found == m_states.end() ? QString() : found->second;
    };
    switch (role) {
        case Qt::DisplayRole:
            return titleOf(shown);
        case Qt::EditRole:
            return format::plainText(shown.title);
        case Qt::DecorationRole:
            return m_thumbnails->find(shown);
        case Qt::ToolTipRole:
            return toolTip(shown);
        case Qt::AccessibleTextRole:
            return QStringList{titleOf(shown),
                               dateText(shown.created_s),
                               subtitleOf(shown),
                               format::bytes(shown.bytes),
                               tagsOf(shown).join(u", "_s),
                               m_recording.contains(fileOf(shown)) ? tr("recording") : QString(),
                               state()}
                .filter(QRegularExpression(u"."_s))
                .join(u", "_s);
        case kFileRole:
            return fileOf(shown);
        case kTagsRole:
            return tagsOf(shown);
        case kSubtitleRole:
            return subtitleOf(shown);
        case kDateRole:
            return dateText(shown.created_s);
        case kSizeRole:
            return format::bytes(shown.bytes);
        case kBrokenRole:
            return shown.error.has_value();
        case kRecordingRole:
            return m_recording.contains(fileOf(shown));
        case kStateRole:
            return state();
        case kSearchRole:
            return QStringList{titleOf(shown), tagsOf(shown).join(u'\n'), format::plainText(shown.model),
                               QFileInfo(fileOf(shown)).fileName(), format::plainText(shown.prompts)}
                .join(u'\n');
        default:
            return {};
    }
}

Qt::ItemFlags SessionListModel::flags(const QModelIndex& index) const {
    Qt::ItemFlags flags = QAbstractListModel::flags(index) | Qt::ItemNeverHasChildren;
    if (index.isValid() && !session(index.row()).error.has_value()) flags |= Qt::ItemIsEditable;
    return flags;
}

void SessionFilter::setSearch(const QString& text) {
    m_words = text.simplified().split(u' ', Qt::SkipEmptyParts);
    invalidateFilter();
}

bool SessionFilter::filterAcceptsRow(int row, const QModelIndex& parent) const {
    if (m_words.isEmpty()) return true;
    const QString text = sourceModel()->index(row, 0, parent).data(SessionListModel::kSearchRole).toString();
    return std::ranges::all_of(m_words, [&](const QString& word) { return text.contains(word, Qt::CaseInsensitive); });
}

}  // namespace mixoscope
