// Pictures of recorded sessions for lists: how the first rows were spread over the experts of each layer. They are made
// on a thread of their own, one after the other, of what was asked for last first, and kept.
#pragma once

#include <QImage>
#include <QObject>
#include <QThreadPool>
#include <map>
#include <memory>
#include <vector>

#include "sessions/session_library.h"
#include "sessions/session_list.h"

namespace mixoscope {

/// One pixel a cell, layers from the top, experts from the left; the darkest (dark theme: brightest) colour is four
/// times the even share or more.
QImage thumbnailImage(const SessionThumbnail& picture, bool dark);

class SessionThumbnails : public QObject {
    Q_OBJECT

public:
    explicit SessionThumbnails(QObject* parent = nullptr);
    ~SessionThumbnails() override;

    /// Null while there is none; it is then made, and made() says when. That of a file that has changed stays until the
    /// new one is there.
    QImage find(const ListedSession& session);

Q_SIGNALS:
    void made(const QString& file);

private:
    struct Picture {
        std::int64_t modified_ns = -1;                  // of the file that it shows
        std::shared_ptr<const SessionThumbnail> shown;  // null: the file has none
        QImage image;
        bool dark = false;  // the theme of the image
    };
    struct Wanted {
        std::filesystem::path path;
        std::int64_t modified_ns = 0;
    };
    void ask(const ListedSession& session);
    void makeNext();
    void keep(const Wanted& wanted, std::shared_ptr<const SessionThumbnail> picture);

    std::map<std::filesystem::path, Picture> m_pictures;
    std::vector<Wanted> m_wanted;  // what was asked for last at the end
    bool m_making = false;
    QThreadPool m_pool;
};

}  // namespace mixoscope
