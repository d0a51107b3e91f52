// Responses of vLLM and SGLang servers that tell which experts their tokens were sent to, as their clients store them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/ids.h"
#include "engine/step_trace.h"

namespace mixoscope {

/// One sequence of a response: a prompt and what was generated for it.
struct RoutedResponse {
    std::string engine;  // "vLLM" or "SGLang"
    std::vector<TokenId> prompt;
    std::vector<TokenId> generated;
    /// (rows, MoE layers, experts per token) of the sequence's first rows: all but the last token, or all; −1 where the
    /// engine recorded none, which is then so for a whole layer of a row.
    std::vector<std::int16_t> expert_ids;
    std::int64_t rows = 0;
    StopReason stop_reason = StopReason::kNone;  // kNone also where it is not told
};

/// Reads a JSON value (a response or a list of them) or JSON lines, a response each, and gives their sequences one by
/// one, in order. `config` is that of the model that was served. Throws Error naming file, response and field.
///   vLLM     prompt_token_ids, token_ids and routed_experts of each choice: base64 of .npy, or lists, over all tokens
///            but the last; or over the generated ones beside the response's prompt_routed_experts
///   SGLang   output_ids and meta_info.routed_experts: base64 of int32 over all tokens but the last and all layers
void readRoutedResponses(const std::filesystem::path& file, const ModelConfig& config,
                         const std::function<void(const RoutedResponse&)>& visit);

}  // namespace mixoscope
