// Random weights of a named shape: values that are quick to make and keep the activations in range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "engine/model.h"

namespace mixoscope {

/// Bytes of all weights of a model of this shape, in memory or on disk.
std::int64_t weightBytes(const ModelConfig& config, kernels::DataType type);

/// Weights drawn from `seed`, stored in `storage`, one block for the embeddings and one a layer. Row-wise uniform with
/// variance 1 / columns, norms 1.
struct RandomWeights {
    Weights weights;
    std::vector<TensorInfo> tensors;
    std::vector<std::vector<std::byte>> storage;
};
RandomWeights makeRandomWeights(const ModelConfig& config, kernels::DataType type, std::uint64_t seed);

/// The shape that random:NAME has. Throws Error for an unknown name.
ModelConfig randomModelConfig(std::string_view name);

}  // namespace mixoscope
