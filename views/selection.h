// What is selected and pointed at, shared by all views: select in one and it is selected in all.
#pragma once

#include <QObject>
#include <cstdint>

#include "engine/ids.h"

namespace mixoscope {

/// Positions [first, last).
struct TokenRange {
    std::int32_t first = 0;
    std::int32_t last = 0;

    bool isEmpty() const { return last <= first; }
    std::int32_t size() const { return isEmpty() ? 0 : last - first; }
    bool contains(std::int32_t position) const { return position >= first && position < last; }
    bool operator==(const TokenRange&) const = default;
};

/// What the pointer is over; −1 where it is over none.
struct Hover {
    std::int32_t token = -1;
    std::int32_t layer = -1;
    std::int32_t expert = -1;

    bool operator==(const Hover&) const = default;
};

/// Layers are trace layers (MoE layers counted from 0), tokens are positions in the lane.
class Selection : public QObject {
    Q_OBJECT

public:
    explicit Selection(QObject* parent = nullptr);

    LaneId lane() const { return m_lane; }
    /// The turn whose sequence is shown; −1: the newest. Earlier turns have positions of their own, as the next turn's
    /// prompt leaves out their thinking.
    std::int32_t turn() const { return m_turn; }
    /// The cursor, −1: none.
    std::int32_t token() const { return m_token; }
    /// Filters what covers many tokens; empty: no filter. It may lie elsewhere than the cursor.
    TokenRange range() const { return m_range; }
    std::int32_t layer() const { return m_layer; }
    /// −1: none.
    std::int32_t expert() const { return m_expert; }
    const Hover& hover() const { return m_hover; }
    /// The token to show details of: the one pointed at, else the cursor.
    std::int32_t shownToken() const { return m_hover.token >= 0 ? m_hover.token : m_token; }

public Q_SLOTS:
    void setLane(mixoscope::LaneId lane);
    /// Drops cursor, range and hover, which belonged to another sequence.
    void setTurn(std::int32_t turn);
    /// Click: moves the cursor. Does not touch the range.
    void setToken(std::int32_t position);
    /// Shift+click: selects from the cursor (or the range's far end) to `position`, both included.
    void extendTo(std::int32_t position);
    void setRange(mixoscope::TokenRange range);
    void setLayer(std::int32_t layer);
    void setExpert(std::int32_t expert);
    void setHover(const mixoscope::Hover& hover);
    /// Esc: no token, no range, no expert. Lane and layer stay, as every view shows one.
    void clear();
    /// Drops whatever a lane of this many tokens, layers and experts does not have (after a restart or another model).
    void limitTo(std::int32_t tokens, std::int32_t layers, std::int32_t experts);

Q_SIGNALS:
    void laneChanged(mixoscope::LaneId lane);
    void turnChanged(std::int32_t turn);
    void tokenChanged(std::int32_t position);
    void rangeChanged(mixoscope::TokenRange range);
    void layerChanged(std::int32_t layer);
    void expertChanged(std::int32_t expert);
    void hoverChanged();
    /// After any of the above except hoverChanged.
    void changed();

private:
    LaneId m_lane = 0;
    std::int32_t m_turn = -1;
    std::int32_t m_token = -1;
    TokenRange m_range;
    std::int32_t m_anchor = -1;  // where the range under construction began
    std::int32_t m_layer = 0;
    std::int32_t m_expert = -1;
    Hover m_hover;
};

}  // namespace mixoscope
