// Qwen3's template written out by hand: a template interpreter would be a second language to secure, for one text.
#include "engine/chat_template.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <optional>

namespace mixoscope {

namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

std::string_view roleName(Role role) {
    switch (role) {
        case Role::kSystem:
            return "system";
        case Role::kUser:
            return "user";
        case Role::kAssistant:
            return "assistant";
    }
    return "";
}

std::string_view withoutLeadingNewlines(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    return text;
}

std::string_view withoutTrailingNewlines(std::string_view text) {
    const std::size_t last = text.find_last_not_of('\n');
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

/// An assistant message taken apart: what stood in its thinking block, and what follows the last close tag.
struct AssistantParts {
    std::string_view thinking;
    std::string_view answer;
};

AssistantParts takeApart(std::string_view content) {
    const std::size_t first_close = content.find(kClose);
    if (first_close == std::string_view::npos) return {{}, content};
    std::string_view thinking = withoutTrailingNewlines(content.substr(0, first_close));
    const std::size_t last_open = thinking.rfind(kOpen);
    if (last_open != std::string_view::npos) thinking.remove_prefix(last_open + kOpen.size());
    const std::string_view answer = content.substr(content.rfind(kClose) + kClose.size());
    return {withoutLeadingNewlines(thinking), withoutLeadingNewlines(answer)};
}

bool isToolResponse(std::string_view content) {
    return content.starts_with("<tool_response>") && content.ends_with("</tool_response>");
}

/// The last message that asks something; thinking is kept only behind it. Without one: the last message.
std::size_t lastQuery(std::span<const Message> messages) {
    for (std::size_t index = messages.size(); index-- > 0;) {
        if (messages[index].role == Role::kUser && !isToolResponse(messages[index].content)) return index;
    }
    return messages.empty() ? 0 : messages.size() - 1;
}

void appendAssistant(std::string& text, std::string_view content, bool after_query, bool last) {
    const AssistantParts parts = takeApart(content);
    if (after_query && (last || !parts.thinking.empty())) {
        text.append(kOpen).append("\n").append(withoutTrailingNewlines(parts.thinking)).append("\n").append(kClose);
        text.append("\n\n").append(withoutLeadingNewlines(parts.answer));
    } else {
        text.append(parts.answer);
    }
}

bool isSwitchNeighbour(char byte) {
    const auto character = static_cast<unsigned char>(byte);
    return std::isalnum(character) != 0 || character == '_' || character == '<' || character == '>' || character == '/';
}

/// Where `name` last stands as a word of its own: neither in a path nor in a tag such as </think>.
std::size_t lastWord(std::string_view text, std::string_view name) {
    for (std::size_t at = text.rfind(name); at != std::string_view::npos;
         at = at == 0 ? at - 1 : text.rfind(name, at - 1)) {
        const std::size_t behind = at + name.size();
        const bool begins = at == 0 || !isSwitchNeighbour(text[at - 1]);
        if (begins && (behind == text.size() || !isSwitchNeighbour(text[behind]))) return at;
    }
    return std::string_view::npos;
}

/// Whether the last switch in a text turns thinking on or off.
std::optional<bool> lastSwitch(std::string_view text) {
    const std::size_t on = lastWord(text, "/think");
    const std::size_t off = lastWord(text, "/no_think");
    if (on == std::string_view::npos && off == std::string_view::npos) return std::nullopt;
    if (off == std::string_view::npos) return true;
    return on != std::string_view::npos && on > off;
}

}  // namespace

ThinkingSupport thinkingSupport(std::string_view chat_template) {
    if (chat_template.empty() || chat_template.find("enable_thinking") != std::string_view::npos) {
        return ThinkingSupport::kHybrid;
    }
    const std::size_t tail = chat_template.rfind("add_generation_prompt");
    if (tail != std::string_view::npos && chat_template.find(kOpen, tail) != std::string_view::npos) {
        return ThinkingSupport::kAlways;
    }
    return ThinkingSupport::kNever;
}

bool resolveThinking(ThinkingMode mode, std::span<const Message> messages) {
    if (mode != ThinkingMode::kAuto) return mode == ThinkingMode::kThink;
    for (std::size_t index = messages.size(); index-- > 0;) {
        if (messages[index].role == Role::kAssistant) continue;
        if (const auto thinking = lastSwitch(messages[index].content)) return *thinking;
    }
    return true;
}

std::string renderChat(std::span<const Message> messages, bool enable_thinking, ThinkingSupport support) {
    const std::size_t query = lastQuery(messages);
    std::string text;
    for (std::size_t index = 0; index < messages.size(); ++index) {
        const Message& message = messages[index];
        text.append("<|im_start|>").append(roleName(message.role)).append("\n");
        if (message.role == Role::kAssistant && support != ThinkingSupport::kNever) {
            appendAssistant(text, message.content, index > query, index + 1 == messages.size());
        } else {
            text.append(message.content);
        }
        text.append("<|im_end|>\n");
    }
    text.append("<|im_start|>assistant\n");
    if (support == ThinkingSupport::kAlways) {
        text.append("<think>\n");
    } else if (support == ThinkingSupport::kHybrid && !enable_thinking) {
        text.append("<think>\n\n</think>\n\n");
    }
    return text;
}

}  // namespace mixoscope
