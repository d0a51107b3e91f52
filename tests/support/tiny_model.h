// A small random Qwen3-MoE checkpoint with a byte-level tokenizer, as real Hugging Face files: what tests run on that
// need a model but not a trained one.
#pragma once

#include <cstdint>
#include <filesystem>

#include "engine/model.h"
#include "support/safetensors_writer.h"

namespace mixoscope::test {

/// Ids of the tiny tokenizer: a byte is its own id, the tokens of Qwen3's chat format follow.
constexpr TokenId kTinyEndOfText = 256;   // <|endoftext|>
constexpr TokenId kTinyStart = 257;       // <|im_start|>
constexpr TokenId kTinyEnd = 258;         // <|im_end|>, the end of a turn
constexpr TokenId kTinyThinkOpen = 259;   // <think>
constexpr TokenId kTinyThinkClose = 260;  // </think>

struct TinyModelOptions {
    std::uint64_t seed = 1;
    std::int64_t layers = 3;
    std::int64_t hidden = 32;
    std::int64_t experts = 8;  // 0: a dense model
    std::int64_t experts_per_token = 2;
    std::int64_t vocabulary = 304;
    std::int64_t positions = 512;
    bool norm_topk_prob = true;
    bool tied = true;
    bool attention_bias = false;
    bool fused_experts = false;
    bool tokenizer = true;
    kernels::DataType type = kernels::DataType::kF32;
};

/// Its config.json, for tests that change a field.
nlohmann::json tinyConfig(const TinyModelOptions& options = {});
/// Its tensors, for tests that damage one.
SafetensorsWriter tinyTensors(const TinyModelOptions& options = {});
/// The text of its tokenizer.json.
std::string tinyTokenizerJson();

/// Writes the whole checkpoint into an existing directory.
void writeTinyModel(const std::filesystem::path& directory, const TinyModelOptions& options = {});

/// Written, opened and deleted again: the mapped weights stay.
Model openTinyModel(const TinyModelOptions& options = {});

}  // namespace mixoscope::test
