#include "views/token_axis.h"

#include <algorithm>
#include <cmath>

namespace mixoscope {
namespace {

constexpr double kFewestTokens = 24.0;  // an axis of a few tokens is not stretched over the whole width
constexpr double kFewestWhenZoomed = 4.0;
constexpr double kZoomOfNotch = 1.2;
constexpr double kPanOfNotch = 0.1;  // of what is visible

}  // namespace

void TokenAxis::setWidth(double left, double width) {
    m_left = left;
    m_width = std::max(width, 1.0);
    fitWhileFollowing();
    clampView();
}

void TokenAxis::setTokenCount(std::int32_t count) {
    m_count = std::max(count, 0);
    fitWhileFollowing();
    clampView();
}

void TokenAxis::setFollow(bool follow) {
    m_follow = follow;
    fitWhileFollowing();
    clampView();
}

void TokenAxis::setComfortableTokenWidth(double pixels) {
    m_comfortable = pixels;
    fitWhileFollowing();
    clampView();
}

void TokenAxis::fitWhileFollowing() {
    if (!m_zoomed) {
        const double most = std::max(m_width / m_comfortable, kFewestTokens);
        m_span = std::clamp(static_cast<double>(m_count), kFewestTokens, most);
    }
    if (m_follow) m_begin = m_count - m_span;
}

void TokenAxis::clampView() {
    const double everything = std::max(static_cast<double>(m_count), kFewestTokens);
    m_span = std::clamp(m_span, std::min(kFewestWhenZoomed, everything), everything);
    m_begin = std::clamp(m_begin, 0.0, everything - m_span);
}

std::int32_t TokenAxis::firstVisible() const {
    return std::clamp(static_cast<std::int32_t>(std::floor(m_begin)), 0, m_count);
}

std::int32_t TokenAxis::endVisible() const {
    return std::clamp(static_cast<std::int32_t>(std::ceil(end())), 0, m_count);
}

std::int32_t TokenAxis::tokenAt(double x) const {
    if (x < m_left || x >= m_left + m_width) return -1;
    const auto position = static_cast<std::int32_t>(std::floor(toPosition(x)));
    return position >= 0 && position < m_count ? position : -1;
}

std::int32_t TokenAxis::nearestToken(double x) const {
    const double position = std::floor(toPosition(std::clamp(x, m_left, m_left + m_width)));
    return std::clamp(static_cast<std::int32_t>(position), -1, m_count - 1) < 0 && m_count > 0
               ? 0
               : std::min(static_cast<std::int32_t>(position), m_count - 1);
}

void TokenAxis::zoomAbout(double x, double factor) {
    const double anchor = toPosition(x);
    const double share = (x - m_left) / m_width;
    const double everything = std::max(static_cast<double>(m_count), kFewestTokens);
    m_span = std::clamp(m_span / factor, std::min(kFewestWhenZoomed, everything), everything);
    m_zoomed = true;
    m_begin = anchor - share * m_span;
    if (m_follow) m_begin = m_count - m_span;
    clampView();
}

void TokenAxis::panBy(double tokens) {
    m_zoomed = true;
    m_follow = false;
    m_begin += tokens;
    clampView();
}

void TokenAxis::zoomByNotches(double x, double notches) {
    zoomAbout(x, std::pow(kZoomOfNotch, notches));
}

void TokenAxis::panByNotches(double notches) {
    panBy(-notches * kPanOfNotch * m_span);
}

void TokenAxis::reveal(std::int32_t position) {
    if (position < 0 || position >= m_count) return;
    if (position >= m_begin && position + 1 <= end()) return;
    m_follow = false;
    m_zoomed = true;
    m_begin = position < m_begin ? position : position + 1 - m_span;
    clampView();
}

void TokenAxis::resetZoom() {
    m_zoomed = false;
    m_follow = true;
    fitWhileFollowing();
    clampView();
}

std::int32_t tokensPerColumn(double token_width, double smallest_width) {
    std::int32_t tokens = 1;
    while (token_width * tokens < smallest_width && tokens < (1 << 24)) tokens *= 2;
    return tokens;
}

}  // namespace mixoscope
