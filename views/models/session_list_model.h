// Recorded sessions as a list, and the part of it that a search leaves.
#pragma once

#include <QAbstractListModel>
#include <QSortFilterProxyModel>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

#include "sessions/session_list.h"

namespace mixoscope {

class SessionThumbnails;

class SessionListModel : public QAbstractListModel {
    Q_OBJECT

public:
    enum Role {
        kFileRole = Qt::UserRole,
        kTagsRole,       // QStringList
        kSubtitleRole,   // model and length; of a file that cannot be read: why
        kDateRole,       // when it was recorded
        kSizeRole,       // of the file
        kBrokenRole,     // it cannot be read
        kRecordingRole,  // by this window, right now
        kStateRole,      // what is being done with it: "Copying…"; empty: nothing
        kSearchRole,     // everything that a search looks at
    };

    /// Makes pictures (Qt::DecorationRole) of the sessions that are drawn.
    explicit SessionListModel(QObject* parent = nullptr);

    /// Rows that stay keep their selection, their editor and their place on the screen.
    void showSessions(std::vector<ListedSession> sessions);
    /// Files that are being recorded right now, by this window.
    void setRecording(QStringList files);
    /// Empty: nothing is being done with it any more.
    void setState(const QString& file, const QString& state);
    const ListedSession& session(int row) const { return m_sessions[static_cast<std::size_t>(row)]; }
    /// Invalid if it is not listed.
    QModelIndex indexOf(const QString& file) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;

private:
    void removeOthers(const std::set<std::filesystem::path>& kept);
    void redraw(const QString& file);
    QString toolTip(const ListedSession& session) const;

    SessionThumbnails* m_thumbnails;
    std::vector<ListedSession> m_sessions;
    QStringList m_recording;
    std::map<QString, QString> m_states;  // by file
};

/// Sessions in which every word of the search occurs: in title, tags, model, prompts or the file's name.
class SessionFilter : public QSortFilterProxyModel {
    Q_OBJECT

public:
    using QSortFilterProxyModel::QSortFilterProxyModel;

    void setSearch(const QString& text);
    bool isSearching() const { return !m_words.isEmpty(); }

protected:
    bool filterAcceptsRow(int row, const QModelIndex& parent) const override;

private:
    QStringList m_words;
};

}  // namespace mixoscope
