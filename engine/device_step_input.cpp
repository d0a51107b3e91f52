#include "engine/device_step_input.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "engine/kv_cache.h"
#include "engine/lane_routing.h"

namespace mixoscope {

namespace {

using kernels::cuda::RowSelection;
using kernels::cuda::StepHeader;
using kernels::cuda::StepRow;

constexpr std::int64_t kAlignment = 16;

std::int64_t rounded(std::int64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Hands out the block's arrays one after the other.
class BlockWriter {
public:
    explicit BlockWriter(std::span<std::byte> block) : m_block(block), m_bytes(rounded(sizeof(StepHeader))) {}

    template <typename T>
    std::span<T> take(std::int64_t count, std::int32_t& at) {
        at = static_cast<std::int32_t>(m_bytes);
        const std::int64_t bytes = count * static_cast<std::int64_t>(sizeof(T));
        assert(m_bytes + bytes <= std::ssize(m_block));
        auto* values = reinterpret_cast<T*>(m_block.data() + m_bytes);
        m_bytes += rounded(bytes);
        return {values, static_cast<std::size_t>(count)};
    }
    std::int64_t bytes() const { return m_bytes; }

private:
    std::span<std::byte> m_block;
    std::int64_t m_bytes;
};

void fillRotary(const RotaryTable& rotary, std::int64_t position, std::span<float> values) {
    const std::size_t half = rotary.inverse_frequencies.size();
    for (std::size_t i = 0; i < half; ++i) {
        // As the reference implementation: the angle in f32.
        const auto angle = static_cast<double>(static_cast<float>(position) * rotary.inverse_frequencies[i]);
        values[i] = static_cast<float>(std::cos(angle)) * rotary.attention_scaling;
        values[half + i] = static_cast<float>(std::sin(angle)) * rotary.attention_scaling;
    }
}

/// Whether the device can choose all experts of the row.
bool fillSelection(const ForwardRow& row, std::span<RowSelection> layers) {
    RoutedRow token;
    token.phase = row.phase;
    token.token_flags = row.token_flags;
    token.position = row.sequence.position;
    bool all = true;
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        const auto likeliest = row.routing->likeliestAt(static_cast<int>(layer), token);
        all = all && likeliest.has_value();
        layers[layer] =
            likeliest
                ? RowSelection{static_cast<std::int16_t>(likeliest->count),
                               static_cast<std::int16_t>(likeliest->renormalise == kernels::Renormalise::kYes ? 1 : 0)}
                : RowSelection{};
    }
    return all;
}

bool sameSequence(const ForwardRow& a, const ForwardRow& b) {
    return a.sequence.pages.data() == b.sequence.pages.data();
}

}  // namespace

std::int64_t deviceStepInputBytes(const ModelConfig& config, std::int64_t rows, std::int64_t pages) {
    const std::int64_t moe_layers = config.moeLayerCount();
    return rounded(sizeof(StepHeader)) + rounded(rows * static_cast<std::int64_t>(sizeof(StepRow))) +
           rounded(rows * static_cast<std::int64_t>(sizeof(std::int32_t))) +
           rounded(rows * moe_layers * static_cast<std::int64_t>(sizeof(RowSelection))) +
           rounded(rows * config.head_dim * static_cast<std::int64_t>(sizeof(float))) +
           rounded(pages * static_cast<std::int64_t>(sizeof(std::int32_t)));
}

PackedStep packDeviceStep(const ModelConfig& config, const RotaryTable& rotary, std::span<const ForwardRow> rows,
                          std::span<std::byte> block) {
    PackedStep packed;
    StepHeader header;
    BlockWriter writer(block);
    const auto moe_layers = static_cast<std::size_t>(config.moeLayerCount());
    const auto head_dim = static_cast<std::size_t>(config.head_dim);
    const auto count = std::ssize(rows);
    const auto wanted = std::ranges::count_if(rows, [](const ForwardRow& row) { return row.wants_logits; });
    const auto step_rows = writer.take<StepRow>(count, header.rows_at);
    const auto logit_rows = writer.take<std::int32_t>(wanted, header.logit_rows_at);
    const auto selection =
        writer.take<RowSelection>(count * static_cast<std::int64_t>(moe_layers), header.selection_at);
    const auto angles = writer.take<float>(count * config.head_dim, header.rotary_at);

    std::int64_t pages = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        const ForwardRow& fed = rows[row];
        step_rows[row] = {.token = fed.token,
                          .position = static_cast<std::int32_t>(fed.sequence.position),
                          .first_page = static_cast<std::int32_t>(pages)};
        if (fed.wants_logits)
            logit_rows[static_cast<std::size_t>(packed.logit_rows++)] = static_cast<std::int32_t>(row);
        fillRotary(rotary, fed.sequence.position, angles.subspan(row * head_dim, head_dim));
        if (moe_layers > 0 && !fillSelection(fed, selection.subspan(row * moe_layers, moe_layers)))
            packed.routed_by_device = false;
        if (row + 1 < rows.size() && sameSequence(fed, rows[row + 1])) {
            packed.independent_rows = false;  // the last row of a sequence has all of its pages
        } else {
            pages += kvPagesFor(fed.sequence.position + 1);
        }
    }
    const auto listed = writer.take<std::int32_t>(pages, header.pages_at);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        const std::span<const std::int32_t> own = rows[row].sequence.pages;
        const auto used = static_cast<std::size_t>(kvPagesFor(rows[row].sequence.position + 1));
        std::ranges::copy(own.first(used), listed.begin() + step_rows[row].first_page);
    }
    header.rows = static_cast<std::int32_t>(count);
    header.logit_rows = packed.logit_rows;
    header.independent_rows = packed.independent_rows ? 1 : 0;
    std::memcpy(block.data(), &header, sizeof header);
    packed.bytes = writer.bytes();
    return packed;
}

}  // namespace mixoscope
