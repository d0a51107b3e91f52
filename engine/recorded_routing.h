// Routing that was recorded, to be executed again by the policy `replay`. The engine reads no session files: whoever
// can gives it a reader of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope {

/// The routing of one lane by position, as the lane had it last.
class RecordedRouting {
public:
    explicit RecordedRouting(const TraceShape& shape) : m_shape(shape) {}

    const TraceShape& shape() const { return m_shape; }
    /// Takes a row over, in place of an earlier one at its position.
    void add(std::int64_t position, std::span<const std::int16_t> ids, std::span<const float> weights,
             std::span<const RouterFacts> router);
    /// Becomes `other`'s rows before `position`.
    void copyFrom(const RecordedRouting& other, std::int64_t position);
    /// Positions [0, rowCount()) may be recorded.
    std::int64_t rowCount() const { return static_cast<std::int64_t>(m_known.size()); }
    bool has(std::int64_t position) const {
        return position >= 0 && position < rowCount() && m_known[static_cast<std::size_t>(position)];
    }
    // Of a position that it has.
    std::span<const std::int16_t> ids(std::int64_t position, int layer) const;  // (slots), as in StepTrace
    std::span<const float> weights(std::int64_t position, int layer) const;     // (slots)
    std::uint8_t flags(std::int64_t position, int layer) const;                 // layer_flag

private:
    std::size_t cell(std::int64_t position, int layer) const;

    TraceShape m_shape;
    std::vector<bool> m_known;          // (positions)
    std::vector<std::int16_t> m_ids;    // (positions, layers, slots)
    std::vector<float> m_weights;       // (positions, layers, slots)
    std::vector<std::uint8_t> m_flags;  // (positions, layers)
};

/// Reads what a session holds of a lane; throws Error naming the file and what is wrong.
using RecordedRoutingReader =
    std::function<std::shared_ptr<const RecordedRouting>(const std::filesystem::path& session, std::int32_t lane)>;
/// To be called before any policy text is read.
void setRecordedRoutingReader(RecordedRoutingReader reader);
/// Throws Error, also when there is no reader.
std::shared_ptr<const RecordedRouting> readRecordedRouting(const std::filesystem::path& session, std::int32_t lane);

}  // namespace mixoscope
