#include "engine/recorded_routing.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of one lane's ids and weights

std::mutex& readerMutex() {
    static std::mutex mutex;
    return mutex;
}

RecordedRoutingReader& currentReader() {
    static RecordedRoutingReader reader;
    return reader;
}

}  // namespace

std::size_t RecordedRouting::cell(std::int64_t position, int layer) const {
    return static_cast<std::size_t>(position) * static_cast<std::size_t>(m_shape.moe_layers) +
           static_cast<std::size_t>(layer);
}

void RecordedRouting::add(std::int64_t position, std::span<const std::int16_t> ids, std::span<const float> weights,
                          std::span<const RouterFacts> router) {
    const auto layers = static_cast<std::size_t>(m_shape.moe_layers);
    const std::size_t selections = layers * static_cast<std::size_t>(m_shape.slots);
    if (position < 0 || ids.size() != selections || weights.size() != selections || router.size() != layers) return;
    const auto at = static_cast<std::size_t>(position);
    if (at >= m_known.size()) {
        if ((at + 1) * selections * (sizeof(std::int16_t) + sizeof(float)) > kMostBytes)
            throw Error({.what = "The recorded routing is too large to be executed again",
                         .expected = "at most " + std::to_string(kMostBytes) + " bytes"});
        m_known.resize(at + 1, false);
        m_ids.resize((at + 1) * selections, -1);
        m_weights.resize((at + 1) * selections, 0.0F);
        m_flags.resize((at + 1) * layers, 0);
    }
    m_known[at] = true;
    std::ranges::copy(ids, m_ids.begin() + static_cast<std::ptrdiff_t>(at * selections));
    std::ranges::copy(weights, m_weights.begin() + static_cast<std::ptrdiff_t>(at * selections));
    for (std::size_t layer = 0; layer < layers; ++layer) m_flags[at * layers + layer] = router[layer].flags;
}

void RecordedRouting::copyFrom(const RecordedRouting& other, std::int64_t position) {
    *this = other;
    const auto rows = static_cast<std::size_t>(std::clamp<std::int64_t>(position, 0, other.rowCount()));
    const auto layers = static_cast<std::size_t>(m_shape.moe_layers);
    m_known.resize(rows);
    m_ids.resize(rows * layers * static_cast<std::size_t>(m_shape.slots));
    m_weights.resize(m_ids.size());
    m_flags.resize(rows * layers);
}

std::span<const std::int16_t> RecordedRouting::ids(std::int64_t position, int layer) const {
    const auto slots = static_cast<std::size_t>(m_shape.slots);
    return std::span(m_ids).subspan(cell(position, layer) * slots, slots);
}

std::span<const float> RecordedRouting::weights(std::int64_t position, int layer) const {
    const auto slots = static_cast<std::size_t>(m_shape.slots);
    return std::span(m_weights).subspan(cell(position, layer) * slots, slots);
}

std::uint8_t RecordedRouting::flags(std::int64_t position, int layer) const {
    return m_flags[cell(position, layer)];
}

void setRecordedRoutingReader(RecordedRoutingReader reader) {
    const std::lock_guard lock(readerMutex());
    currentReader() = std::move(reader);
}

std::shared_ptr<const RecordedRouting> readRecordedRouting(const std::filesystem::path& session, std::int32_t lane) {
    RecordedRoutingReader reader;
    {
        const std::lock_guard lock(readerMutex());
        reader = currentReader();
    }
    if (!reader) throw Error({.what = "This program cannot read sessions", .where = session.string()});
    return reader(session, lane);
}

}  // namespace mixoscope
