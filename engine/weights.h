// From named tensors to the weights of a model: names, shapes, element types and values are checked here.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/model.h"
#include "engine/safetensors.h"

namespace mixoscope {

/// A tensor and the file that it came from, for messages.
struct NamedTensor {
    TensorView view;
    std::string file_name;
};

/// What loading a checkpoint's tensors gives. Matrices point into the tensors' bytes or into `copies`.
struct LoadedWeights {
    Weights weights;
    std::vector<TensorInfo> tensors;             // those that the model uses
    std::vector<std::vector<std::byte>> copies;  // tensors whose place in the file is not aligned to their elements
    std::size_t unused = 0;                      // tensors that the model does not use
};

/// How much of the matrices is looked at for NaN and infinity; norms and biases always are.
enum class FiniteCheck : std::uint8_t { kEveryValue, kOneRow };

/// Throws Error naming the tensor when one is missing, has another shape than config.json says, an element type that
/// cannot be used, a value that is no finite number, or appears twice.
LoadedWeights loadWeights(const ModelConfig& config, std::vector<NamedTensor> tensors, FiniteCheck check);

}  // namespace mixoscope
