#include "views/session_thumbnails.h"

#include <algorithm>

#include "views/colour_map.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

constexpr float kEvenSharesAtFull = 4.0F;
constexpr std::size_t kMostWanted = 64;  // what scrolled by long ago is asked for again when it is seen again

}  // namespace

QImage thumbnailImage(const SessionThumbnail& picture, bool dark) {
    QImage image(picture.experts, picture.layers, QImage::Format_RGB32);
    const ColourMap& map = ColourMap::get(ColourMapName::kTide, dark);
    const float scale = static_cast<float>(picture.experts) / kEvenSharesAtFull;
    std::size_t cell = 0;
    for (int layer = 0; layer < picture.layers; ++layer) {
        auto* pixels = reinterpret_cast<QRgb*>(image.scanLine(layer));
        for (int expert = 0; expert < picture.experts; ++expert)
            pixels[expert] = map.at(static_cast<double>(picture.shares[cell++] * scale));
    }
    return image;
}

SessionThumbnails::SessionThumbnails(QObject* parent) : QObject(parent) {
    m_pool.setMaxThreadCount(1);
    m_pool.setThreadPriority(QThread::LowPriority);
}

SessionThumbnails::~SessionThumbnails() {
    m_pool.waitForDone();  // of one picture, whose rows are few
}

QImage SessionThumbnails::find(const ListedSession& session) {
    if (session.error.has_value()) return {};
    Picture& picture = m_pictures[session.path];
    if (picture.modified_ns != session.modified_ns) ask(session);
    if (picture.shown == nullptr) return {};
    if (const bool dark = Theme::instance().isDark(); picture.image.isNull() || picture.dark != dark) {
        picture.image = thumbnailImage(*picture.shown, dark);
        picture.dark = dark;
    }
    return picture.image;
}

void SessionThumbnails::ask(const ListedSession& session) {
    std::erase_if(m_wanted, [&](const Wanted& wanted) { return wanted.path == session.path; });
    m_wanted.push_back({.path = session.path, .modified_ns = session.modified_ns});
    if (m_wanted.size() > kMostWanted) m_wanted.erase(m_wanted.begin());
    makeNext();
}

void SessionThumbnails::makeNext() {
    if (m_making || m_wanted.empty()) return;
    m_making = true;
    const Wanted wanted = m_wanted.back();
    m_wanted.pop_back();
    m_pool.start([this, wanted] {
        std::shared_ptr<const SessionThumbnail> picture;
        try {
            SessionThumbnail made = thumbnailOf(wanted.path);
            if (made.rows > 0 && made.layers > 0 && made.experts > 0)
                picture = std::make_shared<const SessionThumbnail>(std::move(made));
        } catch (const std::exception&) {
            // The list says what is wrong with a file; here it has no picture.
        }
        QMetaObject::invokeMethod(
            this, [this, wanted, picture] { keep(wanted, picture); }, Qt::QueuedConnection);
    });
}

void SessionThumbnails::keep(const Wanted& wanted, std::shared_ptr<const SessionThumbnail> picture) {
    m_pictures[wanted.path] = {
        .modified_ns = wanted.modified_ns, .shown = std::move(picture), .image = {}, .dark = false};
    m_making = false;
    Q_EMIT made(QString::fromStdString(wanted.path.string()));
    makeNext();
}

}  // namespace mixoscope
