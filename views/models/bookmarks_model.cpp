#include "views/models/bookmarks_model.h"

#include <algorithm>

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {

void BookmarksModel::show(std::vector<SessionBookmark> bookmarks) {
    for (int row = rowCount() - 1; row >= 0; --row) {
        const std::int64_t place = m_bookmarks[static_cast<std::size_t>(row)].row;
        if (std::ranges::find(bookmarks, place, &SessionBookmark::row) != bookmarks.end()) continue;
        beginRemoveRows({}, row, row);
        m_bookmarks.erase(m_bookmarks.begin() + row);
        endRemoveRows();
    }
    for (int row = 0; row < static_cast<int>(bookmarks.size()); ++row) {
        const SessionBookmark& wanted = bookmarks[static_cast<std::size_t>(row)];
        if (row < rowCount() && m_bookmarks[static_cast<std::size_t>(row)].row == wanted.row) continue;
        beginInsertRows({}, row, row);
        m_bookmarks.insert(m_bookmarks.begin() + row, wanted);
        endInsertRows();
    }
    m_bookmarks = std::move(bookmarks);
    if (rowCount() > 0) Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumns - 1));
}

void BookmarksModel::setIndex(std::shared_ptr<const PlaybackIndex> index) {
    if (index == m_index) return;
    m_index = std::move(index);
    if (rowCount() > 0) Q_EMIT dataChanged(this->index(0, kPhase), this->index(rowCount() - 1, kPhase));
}

int BookmarksModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_bookmarks.size());
}

int BookmarksModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kColumns;
}

QVariant BookmarksModel::data(const QModelIndex& index, int role) const {
    if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
    const SessionBookmark& bookmark = m_bookmarks[static_cast<std::size_t>(index.row())];
    if (role == Qt::FontRole && index.column() == kToken) return monoFont();
    if (role == Qt::TextAlignmentRole && index.column() == kToken) return int(Qt::AlignRight | Qt::AlignVCenter);
    if (role == Qt::ToolTipRole && index.column() == kNote) return format::plainText(bookmark.note);
    if (role != Qt::DisplayRole && role != Qt::EditRole) return {};
    switch (index.column()) {
        case kToken:
            return format::count(bookmark.row);
        case kPhase:
            if (m_index == nullptr || m_index->count() == 0) return format::kAbsent;
            return phaseName(m_index->step(m_index->stepOfRow(bookmark.row)).phase);
        case kNote:
            return format::plainText(bookmark.note);
        default:
            return {};
    }
}

QVariant BookmarksModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) return {};
    if (role == Qt::TextAlignmentRole)
        return int((section == kToken ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    if (role != Qt::DisplayRole) return {};
    switch (section) {
        case kToken:
            return tr("Token");
        case kPhase:
            return tr("Phase");
        case kNote:
            return tr("Note");
        default:
            return {};
    }
}

Qt::ItemFlags BookmarksModel::flags(const QModelIndex& index) const {
    Qt::ItemFlags flags = QAbstractTableModel::flags(index);
    if (index.isValid() && index.column() == kNote) flags |= Qt::ItemIsEditable;
    return flags;
}

bool BookmarksModel::setData(const QModelIndex& index, const QVariant& value, int role) {
    if (role != Qt::EditRole || !index.isValid() || index.column() != kNote) return false;
    const SessionBookmark& bookmark = m_bookmarks[static_cast<std::size_t>(index.row())];
    const QString note = value.toString().trimmed();
    if (note != format::plainText(bookmark.note)) Q_EMIT noteEdited(bookmark.row, note);
    return true;
}

}  // namespace mixoscope
