// Geometry of a horizontal token axis: positions ↔ pixels, zoom, pan. No widget, so a zoom bug is a one-line test.
#pragma once

#include <cstdint>

namespace mixoscope {

class TokenAxis {
public:
    /// Pixels that the axis covers.
    void setWidth(double left, double width);
    /// Tokens there are. While following, the newest stays in view.
    void setTokenCount(std::int32_t count);
    void setFollow(bool follow);
    bool follow() const { return m_follow; }
    /// Smallest width of a token in pixels while following everything; then older tokens leave on the left.
    void setComfortableTokenWidth(double pixels);

    double left() const { return m_left; }
    double width() const { return m_width; }
    std::int32_t tokenCount() const { return m_count; }
    /// Visible positions [begin, end), which need not be whole.
    double begin() const { return m_begin; }
    double end() const { return m_begin + m_span; }
    double tokenWidth() const { return m_width / m_span; }
    std::int32_t firstVisible() const;
    /// Behind the last position that is visible and exists.
    std::int32_t endVisible() const;

    double toX(double position) const { return m_left + (position - m_begin) * tokenWidth(); }
    double toPosition(double x) const { return m_begin + (x - m_left) / tokenWidth(); }
    /// The existing token at x, −1 if there is none.
    std::int32_t tokenAt(double x) const;
    /// The existing token nearest to x, −1 if there is none at all.
    std::int32_t nearestToken(double x) const;

    /// factor > 1 zooms in; the position under x stays there.
    void zoomAbout(double x, double factor);
    void panBy(double tokens);
    /// The same by turns of a wheel; forwards zooms in and pans towards older tokens.
    void zoomByNotches(double x, double notches);
    void panByNotches(double notches);
    /// Moves as little as needed to show the token.
    void reveal(std::int32_t position);
    /// Everything, and follow.
    void resetZoom();
    bool isZoomed() const { return m_zoomed; }

private:
    void fitWhileFollowing();
    void clampView();

    double m_left = 0.0;
    double m_width = 1.0;
    std::int32_t m_count = 0;
    bool m_follow = true;
    bool m_zoomed = false;  // the span was chosen by hand
    double m_comfortable = 2.0;
    double m_begin = 0.0;
    double m_span = 1.0;
};

/// Tokens that share a column when a token is narrower than `smallest_width`: the smallest sufficient power of two, so
/// that columns keep their borders while tokens arrive.
std::int32_t tokensPerColumn(double token_width, double smallest_width);

}  // namespace mixoscope
