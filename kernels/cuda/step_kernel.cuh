// The kernel: phases of a forward pass, one after the other, with a barrier over the grid between them. Launched once
// for a whole step (cooperatively) or once for each phase; the bits are the same.
#pragma once

#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/experts.cuh"
#include "kernels/cuda/projection.cuh"
#include "kernels/cuda/router.cuh"

namespace mixoscope::kernels::cuda::inline MIXO_KERNELS {

__device__ inline float elementOf(const DeviceMatrix& w, std::int64_t row, int column) {
    const std::byte* elements = w.data + row * w.row_pieces * kPieceBytes;
    if (w.type == DataType::kF32) return reinterpret_cast<const float*>(elements)[column];
    const std::uint16_t bits = reinterpret_cast<const std::uint16_t*>(elements)[column];
    if (w.type == DataType::kF16) return PieceOf<DataType::kF16>::floatOfHalf(bits);
    return floatOfBits(static_cast<std::uint32_t>(bits) << 16);
}

__device__ inline void embed(const StepArguments& step) {
    const StepInput input(step);
    const auto threads = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    const std::int64_t values = static_cast<std::int64_t>(input.rows()) * step.hidden_size;
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < values; i += threads) {
        const auto row = static_cast<int>(i / step.hidden_size);
        step.hidden[i] = elementOf(step.embedding, input.row(row).token, static_cast<int>(i % step.hidden_size));
    }
}

__device__ inline ProjectionInput hiddenRows(const StepArguments& step, const float* norm) {
    return {.rows = step.hidden,
            .columns = step.hidden_size,
            .stride = step.hidden_size,
            .count = StepInput(step).rows(),
            .norm = norm,
            .norm_epsilon = step.norm_epsilon};
}

__device__ inline void projectQueryKeyValue(const StepArguments& step, const DeviceLayer& layer, const RowTile& tile) {
    const ProjectionParts parts{{{layer.q_proj, layer.q_bias, step.queries},
                                 {layer.k_proj, layer.k_bias, step.keys},
                                 {layer.v_proj, layer.v_bias, step.values}},
                                3};
    project(hiddenRows(step, layer.input_norm), parts, step.row_tile, tile);
}

__device__ inline void projectAttention(const StepArguments& step, const DeviceLayer& layer, const RowTile& tile) {
    const int columns = step.heads * step.head_dim;
    const ProjectionParts parts{{{layer.o_proj, layer.o_bias, step.hidden, true}}, 1};
    project({.rows = step.attended, .columns = columns, .stride = columns, .count = StepInput(step).rows()}, parts,
            step.row_tile, tile);
}

__device__ inline void projectRouter(const StepArguments& step, const DeviceLayer& layer, const RowTile& tile) {
    const ProjectionParts parts{{{layer.router, nullptr, step.router_logits}}, 1};
    project(hiddenRows(step, layer.post_attention_norm), parts, step.row_tile, tile);
}

__device__ inline void projectLogits(const StepArguments& step, const RowTile& tile) {
    const StepInput input(step);
    ProjectionInput in = hiddenRows(step, step.final_norm);
    in.count = input.logitRows();
    in.gather = input.wantedRows();
    const ProjectionParts parts{{{step.output, nullptr, step.logits}}, 1};
    project(in, parts, step.row_tile, tile);
}

/// The most columns that any phase brings into shared memory.
__host__ __device__ inline int widestRow(const StepArguments& step) {
    const int attended = step.heads * step.head_dim;
    return step.hidden_size > attended ? step.hidden_size : attended;
}

/// Shared memory of a phase; the same code sizes it and hands it out.
struct PhaseMemory {
    SharedArrays shared;

    __host__ __device__ explicit PhaseMemory(std::byte* memory) : shared(memory) {}
    __host__ __device__ RowTile rows(const StepArguments& step) {
        return RowTile(shared, step.row_tile, widestRow(step));
    }
    __host__ __device__ AttentionTile attention(const StepArguments& step) {
        return AttentionTile(shared, step.heads / step.kv_heads, step.head_dim);
    }
    __host__ __device__ RouterTile router(const StepArguments& step) {
        return RouterTile(shared, step.experts, step.slots);
    }
    __host__ __device__ EntryGroups entries(const StepArguments& step) {
        return EntryGroups(shared, step.entry_capacity);
    }
    __host__ __device__ float* results(const StepArguments& step, int warps) {
        return shared.take<float>(static_cast<std::int64_t>(warps) * step.entry_capacity);
    }
};

/// Shared memory that a block of `warps` warps needs for all phases.
__host__ __device__ inline std::int64_t sharedBytesOf(const StepArguments& step, int warps) {
    PhaseMemory gate_up(nullptr);
    gate_up.rows(step);
    gate_up.entries(step);
    PhaseMemory down(nullptr);
    down.entries(step);
    down.results(step, warps);
    PhaseMemory attention(nullptr);
    attention.attention(step);
    PhaseMemory router(nullptr);
    router.router(step);
    std::int64_t most = gate_up.shared.bytes();
    for (const std::int64_t bytes : {down.shared.bytes(), attention.shared.bytes(), router.shared.bytes()})
        most = bytes > most ? bytes : most;
    return most;
}

__device__ inline void runPhase(const StepArguments& step, PhaseOfLayer at) {
    const DeviceLayer& layer = step.layers[at.layer];
    PhaseMemory memory(sharedMemory());
    switch (at.phase) {
        case StepPhase::kEmbed:
            return embed(step);
        case StepPhase::kQueryKeyValue:
            return projectQueryKeyValue(step, layer, memory.rows(step));
        case StepPhase::kStoreKeyValue:
            return storeKeyValues(step, layer);
        case StepPhase::kAttention:
            return attend(step, layer, memory.attention(step));
        case StepPhase::kAttentionOutput:
            return projectAttention(step, layer, memory.rows(step));
        case StepPhase::kRouterLogits:
            return projectRouter(step, layer, memory.rows(step));
        case StepPhase::kRoute:
            return route(step, layer, memory.router(step));
        case StepPhase::kGateUp: {
            const RowTile tile = memory.rows(step);
            return gateUp(step, layer, tile, memory.entries(step));
        }
        case StepPhase::kDown: {
            const EntryGroups groups = memory.entries(step);
            return down(step, layer, groups, memory.results(step, warpsOfBlock()));
        }
        case StepPhase::kLogits:
            return projectLogits(step, memory.rows(step));
    }
}

/// Asks for this thread's share of a matrix.
__device__ inline void prefetchMatrix(const DeviceMatrix& w) {
    constexpr int kLineBytes = 128;
    const std::int64_t bytes = static_cast<std::int64_t>(w.rows) * w.row_pieces * kPieceBytes;
    const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x * kLineBytes;
    const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (std::int64_t at = thread * kLineBytes; at < bytes; at += stride) prefetchLine(w.data + at);
}

/// The weights that a phase reads whatever the rows are, so that the memory has work while the grid waits.
__device__ inline void prefetchPhase(const StepArguments& step, PhaseOfLayer at) {
    const DeviceLayer& layer = step.layers[at.layer];
    if (at.phase == StepPhase::kQueryKeyValue) {
        prefetchMatrix(layer.q_proj);
        prefetchMatrix(layer.k_proj);
        prefetchMatrix(layer.v_proj);
    } else if (at.phase == StepPhase::kAttention) {
        prefetchMatrix(layer.o_proj);  // while few blocks attend
    } else if (at.phase == StepPhase::kAttentionOutput) {
        prefetchMatrix(layer.router);
    }
}

__device__ inline void notePhaseTime(const StepArguments& step, int index) {
    if (step.phase_times != nullptr && blockIdx.x == 0 && threadIdx.x == 0) step.phase_times[index] = nanoseconds();
}

/// Phases [program_begin, program_end) of the program; more than one only in a cooperative launch.
__device__ inline void runStep(const StepArguments& step) {
    std::uint32_t barriers = 0;
    for (int index = step.program_begin; index < step.program_end; ++index) {
        notePhaseTime(step, index);
        runPhase(step, step.program[index]);
        if (index + 1 == step.program_end) break;
        if (step.prefetch != 0) prefetchPhase(step, step.program[index + 1]);
        waitForGrid(step.grid_arrived, barriers++);
    }
    notePhaseTime(step, step.program_end);
}

}  // namespace mixoscope::kernels::cuda::inline MIXO_KERNELS
