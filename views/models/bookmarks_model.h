// The bookmarks of a recording, a row each: token, phase, note. Notes can be edited.
#pragma once

#include <QAbstractTableModel>
#include <memory>
#include <vector>

#include "sessions/playback.h"
#include "sessions/session_bookmarks.h"

namespace mixoscope {

class BookmarksModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { kToken, kPhase, kNote, kColumns };

    using QAbstractTableModel::QAbstractTableModel;

    /// Rows that stay keep their selection and their editor.
    void show(std::vector<SessionBookmark> bookmarks);
    void setIndex(std::shared_ptr<const PlaybackIndex> index);
    const std::vector<SessionBookmark>& bookmarks() const { return m_bookmarks; }

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;
    /// Says what was typed; whoever keeps the bookmarks shows it.
    bool setData(const QModelIndex& index, const QVariant& value, int role = Qt::EditRole) override;

Q_SIGNALS:
    void noteEdited(qint64 row, const QString& note);

private:
    std::vector<SessionBookmark> m_bookmarks;
    std::shared_ptr<const PlaybackIndex> m_index;
};

}  // namespace mixoscope
