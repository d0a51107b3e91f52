// Element types and the plain array views that all kernels take. Views own nothing.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace mixoscope::kernels {

enum class DataType : std::uint8_t { kF32, kF16, kBF16 };

constexpr std::size_t bytesPerElement(DataType type) { return type == DataType::kF32 ? 4 : 2; }

/// A weight matrix as stored in a checkpoint: (rows, columns), row-major, contiguous, read-only.
struct Matrix {
    const void* data = nullptr;
    DataType type = DataType::kF32;
    std::int64_t rows = 0;
    std::int64_t columns = 0;

    bool empty() const { return data == nullptr; }
    std::int64_t bytes() const { return rows * columns * static_cast<std::int64_t>(bytesPerElement(type)); }
    const std::byte* row(std::int64_t index) const {
        assert(index >= 0 && index < rows);
        return static_cast<const std::byte*>(data) + index * columns * static_cast<std::int64_t>(bytesPerElement(type));
    }
};

/// Activations: (count, columns) f32 with a row stride in elements.
template <typename T>
struct Rows {
    T* data = nullptr;
    std::int64_t count = 0;
    std::int64_t columns = 0;
    std::int64_t stride = 0;

    Rows() = default;
    Rows(T* rows_data, std::int64_t rows_count, std::int64_t rows_columns, std::int64_t rows_stride)
        : data(rows_data), count(rows_count), columns(rows_columns), stride(rows_stride) {}
    Rows(T* rows_data, std::int64_t rows_count, std::int64_t rows_columns)
        : Rows(rows_data, rows_count, rows_columns, rows_columns) {}
    template <typename U>
        requires std::is_same_v<T, const U>
    Rows(Rows<U> other) : Rows(other.data, other.count, other.columns, other.stride) {}  // NOLINT: view to const view

    T* row(std::int64_t index) const {
        assert(index >= 0 && index < count);
        return data + index * stride;
    }
};
using RowsOut = Rows<float>;
using RowsIn = Rows<const float>;

/// Tokens in one page of the KV cache.
constexpr std::int64_t kKvPageTokens = 16;

/// One layer's part of the paged KV cache: keys and values, each (pages, kv_heads, kKvPageTokens, head_dim) f32.
struct KvLayer {
    float* keys = nullptr;
    float* values = nullptr;
    std::int64_t kv_heads = 0;
    std::int64_t head_dim = 0;

    std::int64_t offset(std::int64_t page, std::int64_t head, std::int64_t slot) const {
        return ((page * kv_heads + head) * kKvPageTokens + slot) * head_dim;
    }
};

/// Where one row of a batch stands in its sequence: its position and the pages that hold positions 0 … position.
struct SequencePosition {
    std::span<const std::int32_t> pages;  // page of position p is pages[p / kKvPageTokens]
    std::int64_t position = 0;
};

/// One expert's SwiGLU weights.
struct ExpertMatrices {
    Matrix gate;  // (moe_intermediate_size, hidden_size)
    Matrix up;    // (moe_intermediate_size, hidden_size)
    Matrix down;  // (hidden_size, moe_intermediate_size)
};

/// Experts chosen for a batch of rows: (rows, slots) row-major; unused slots have id −1 and weight 0 and come last.
struct ExpertChoice {
    const std::int32_t* ids = nullptr;
    const float* weights = nullptr;
    std::int64_t slots = 0;
};

}  // namespace mixoscope::kernels
