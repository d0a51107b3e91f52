// What a step on a CUDA device works on: weights, buffers, the rows of the step and the list of its phases. Plain
// structs that host code fills and kernels read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace mixoscope::kernels::cuda {

/// A weight matrix on the device, (rows, columns) row-major. Rows are padded with zeros to whole pieces of 16 bytes, so
/// that every load is one piece.
struct DeviceMatrix {
    const std::byte* data = nullptr;
    std::int32_t rows = 0;
    std::int32_t columns = 0;
    std::int32_t row_pieces = 0;
    DataType type = DataType::kF32;
};
constexpr std::int32_t kPieceBytes = 16;

constexpr std::int32_t piecesOfRow(std::int64_t columns, DataType type) {
    const std::int64_t bytes = columns * static_cast<std::int64_t>(bytesPerElement(type));
    return static_cast<std::int32_t>((bytes + kPieceBytes - 1) / kPieceBytes);
}
constexpr std::int64_t deviceBytes(std::int64_t rows, std::int64_t columns, DataType type) {
    return rows * piecesOfRow(columns, type) * kPieceBytes;
}
/// Floats of a row of activations that is multiplied with weights: whole pieces of any type, padded with zeros.
constexpr std::int32_t paddedColumns(std::int64_t columns) {
    return static_cast<std::int32_t>((columns + 7) / 8 * 8);
}

struct DeviceExpert {
    DeviceMatrix gate;  // (intermediate, hidden_size)
    DeviceMatrix up;    // (intermediate, hidden_size)
    DeviceMatrix down;  // (hidden_size, intermediate)
};

struct DeviceLayer {
    const float* input_norm = nullptr;           // (hidden_size)
    const float* post_attention_norm = nullptr;  // (hidden_size)
    const float* q_norm = nullptr;               // (head_dim), null: no QK-norm
    const float* k_norm = nullptr;               // (head_dim), null: no QK-norm
    const float* q_bias = nullptr;               // null: none
    const float* k_bias = nullptr;
    const float* v_bias = nullptr;
    const float* o_bias = nullptr;
    DeviceMatrix q_proj;
    DeviceMatrix k_proj;
    DeviceMatrix v_proj;
    DeviceMatrix o_proj;
    DeviceMatrix router;                    // no data: a dense layer
    const DeviceExpert* experts = nullptr;  // all of the layer; one in a dense layer
    std::int32_t intermediate = 0;
    std::int32_t moe_layer = -1;  // trace index, −1: a dense layer
    float* keys = nullptr;        // (pages, kv_heads, kKvPageTokens, head_dim)
    float* values = nullptr;
};

/// The parts of a forward pass. Within one no block waits for another; between two every block has seen the results of
/// all, by a barrier over the grid or by the end of a launch.
enum class StepPhase : std::uint8_t {
    kEmbed,
    kQueryKeyValue,    // RMSNorm and the three projections
    kStoreKeyValue,    // key norm, rotation, into the cache
    kAttention,        // query norm, rotation, attention over the cache
    kAttentionOutput,  // output projection, added to the hidden state
    kRouterLogits,     // RMSNorm and the router
    kRoute,            // softmax, choice and weights
    kGateUp,           // RMSNorm, gate and up projection of the chosen experts, SwiGLU
    kDown,             // down projection, weighted sum, added to the hidden state
    kLogits,           // final RMSNorm and output projection of the rows that want it
};

struct PhaseOfLayer {
    StepPhase phase = StepPhase::kEmbed;
    std::int32_t layer = 0;
};

/// How a row's experts are chosen in a layer.
struct RowSelection {
    std::int16_t count = 0;  // the likeliest so many
    std::int16_t renormalise = 0;
};

struct StepRow {
    std::int32_t token = 0;
    std::int32_t position = 0;
    std::int32_t first_page = 0;  // of its sequence in the step's list of pages
};

/// Begins the block of a step's input; the arrays follow at these offsets in bytes.
struct StepHeader {
    std::int32_t rows = 0;
    std::int32_t logit_rows = 0;
    /// 1: no row's keys are read by another row of the step, so a row's own attention may store them.
    std::int32_t independent_rows = 0;
    std::int32_t rows_at = 0;        // StepRow (rows)
    std::int32_t logit_rows_at = 0;  // int32 (logit_rows): rows whose logits are wanted
    std::int32_t selection_at = 0;   // RowSelection (rows, moe_layers)
    std::int32_t rotary_at = 0;      // float (rows, head_dim): head_dim / 2 cosines, then as many sines
    std::int32_t pages_at = 0;       // int32
};

/// Longest list of parts that one sequence's attention is cut into.
constexpr std::int32_t kMaxAttentionParts = 32;
/// Tokens of the cache that a block works on at once.
constexpr std::int32_t kAttentionTile = 64;
/// Rows times key-value heads whose attention has room in parts, for each block of the grid: with so many, blocks that
/// take one whole each are busy enough.
constexpr std::int32_t kAttentionSlotsPerBlock = 4;
/// Rows that are multiplied with a weight while it is in registers.
constexpr std::int32_t kRowsAtOnce = 8;

/// The argument of the kernel, passed by value. Buffers have room for the largest step.
struct StepArguments {
    std::int32_t hidden_size = 0;
    std::int32_t heads = 0;
    std::int32_t kv_heads = 0;
    std::int32_t head_dim = 0;
    std::int32_t experts = 0;  // of a MoE layer
    std::int32_t slots = 0;    // room for a row's experts
    std::int32_t moe_layers = 0;
    float norm_epsilon = 1e-6F;
    const DeviceLayer* layers = nullptr;
    DeviceMatrix embedding;
    DeviceMatrix output;
    const float* final_norm = nullptr;

    const std::byte* input = nullptr;  // StepHeader and its arrays
    const PhaseOfLayer* program = nullptr;
    std::int32_t program_begin = 0;
    std::int32_t program_end = 0;
    std::int32_t row_tile = 1;        // rows whose activations a block holds at once, at most kRowsAtOnce
    std::int32_t entry_capacity = 0;  // chosen experts that a block sorts at once, at least `slots`
    std::int32_t prefetch = 0;        // 1: ask for the next phase's weights before waiting for the grid
    /// Rows times key-value heads that have room in attention_parts: those of the largest step, or at least the blocks
    /// of the grid.
    std::int32_t attention_slots = 0;

    float* hidden = nullptr;                // (rows, hidden_size)
    float* queries = nullptr;               // (rows, heads * head_dim)
    float* keys = nullptr;                  // (rows, kv_heads * head_dim)
    float* values = nullptr;                // (rows, kv_heads * head_dim)
    float* attended = nullptr;              // (rows, heads * head_dim)
    float* attention_parts = nullptr;       // (attention_slots, heads / kv_heads, kMaxAttentionParts, head_dim + 2):
                                            // sums, highest, total
    float* router_logits = nullptr;         // (rows, experts)
    std::int32_t* expert_ids = nullptr;     // (rows, slots)
    float* expert_weights = nullptr;        // (rows, slots)
    float* expert_hidden = nullptr;         // (rows, slots, paddedColumns(intermediate))
    float* logits = nullptr;                // (logit rows, vocabulary)
    std::uint32_t* parts_done = nullptr;    // (rows, kv_heads), zero between steps
    std::uint32_t* grid_arrived = nullptr;  // zero when a launch begins

    // In the host's memory, where the device can write; null: not wanted.
    std::int16_t* trace_ids = nullptr;     // (rows, moe_layers, slots)
    float* trace_weights = nullptr;        // (rows, moe_layers, slots)
    float* trace_logits = nullptr;         // (rows, moe_layers, experts)
    float* trace_probabilities = nullptr;  // (rows, moe_layers, experts)
    std::uint64_t* phase_times = nullptr;  // (phases of the program + 1) nanoseconds
};

}  // namespace mixoscope::kernels::cuda
