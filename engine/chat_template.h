// Qwen3's chat template: messages → prompt text, with the thinking of past turns dropped.
#pragma once

#include "engine/lane_settings.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mixoscope {

enum class Role : std::uint8_t { kSystem, kUser, kAssistant };

struct Message {
    Role role = Role::kUser;
    std::string content;  // an assistant's may begin with <think>…</think>
    bool operator==(const Message&) const = default;
};

/// What a checkpoint's template can do; decides which mode controls are offered.
enum class ThinkingSupport : std::uint8_t { kHybrid, kNever, kAlways };

/// Thinking support as read from tokenizer_config.json's chat_template text (`enable_thinking` present: hybrid; a prompt
/// tail that opens <think>: always; else never). Empty text: Qwen3's hybrid template is assumed.
ThinkingSupport thinkingSupport(std::string_view chat_template);

/// The mode that applies to the next turn: for kAuto the last /think or /no_think in the user's or system's text wins,
/// none means think.
bool resolveThinking(ThinkingMode mode, std::span<const Message> messages);

/// Text identical to Hugging Face apply_chat_template(add_generation_prompt=True, enable_thinking=…) of Qwen3's template.
std::string renderChat(std::span<const Message> messages, bool enable_thinking,
                       ThinkingSupport support = ThinkingSupport::kHybrid);

}  // namespace mixoscope
