#include "views/selection.h"

#include <algorithm>

namespace mixoscope {

Selection::Selection(QObject* parent) : QObject(parent) {}

void Selection::setLane(LaneId lane) {
    if (lane == m_lane) return;
    m_lane = lane;
    Q_EMIT laneChanged(lane);
    Q_EMIT changed();
}

void Selection::setTurn(std::int32_t turn) {
    turn = std::max(turn, -1);
    if (turn == m_turn) return;
    m_turn = turn;
    setHover({});
    setToken(-1);
    setRange({});
    Q_EMIT turnChanged(turn);
    Q_EMIT changed();
}

void Selection::setToken(std::int32_t position) {
    position = std::max(position, -1);
    m_anchor = position;
    if (position == m_token) return;
    m_token = position;
    Q_EMIT tokenChanged(position);
    Q_EMIT changed();
}

void Selection::extendTo(std::int32_t position) {
    if (position < 0) return;
    if (m_anchor < 0) m_anchor = m_token >= 0 ? m_token : position;
    const std::int32_t anchor = m_anchor;
    setRange({std::min(anchor, position), std::max(anchor, position) + 1});
    setToken(position);
    m_anchor = anchor;
}

void Selection::setRange(TokenRange range) {
    if (range.isEmpty()) range = {};
    range.first = std::max(range.first, 0);
    if (range == m_range) return;
    m_range = range;
    Q_EMIT rangeChanged(range);
    Q_EMIT changed();
}

void Selection::setLayer(std::int32_t layer) {
    layer = std::max(layer, 0);
    if (layer == m_layer) return;
    m_layer = layer;
    Q_EMIT layerChanged(layer);
    Q_EMIT changed();
}

void Selection::setExpert(std::int32_t expert) {
    expert = std::max(expert, -1);
    if (expert == m_expert) return;
    m_expert = expert;
    Q_EMIT expertChanged(expert);
    Q_EMIT changed();
}

void Selection::setHover(const Hover& hover) {
    if (hover == m_hover) return;
    m_hover = hover;
    Q_EMIT hoverChanged();
}

void Selection::clear() {
    setToken(-1);
    setRange({});
    setExpert(-1);
}

void Selection::limitTo(std::int32_t tokens, std::int32_t layers, std::int32_t experts) {
    if (m_token >= tokens) setToken(-1);
    if (m_range.last > tokens) setRange({m_range.first, tokens});
    if (m_layer >= layers && layers > 0) setLayer(0);
    if (m_expert >= experts) setExpert(-1);
    if (m_hover.token >= tokens || m_hover.layer >= layers || m_hover.expert >= experts) setHover({});
}

}  // namespace mixoscope
