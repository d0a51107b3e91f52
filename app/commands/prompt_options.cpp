#include "app/commands/prompt_options.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/commands/model_options.h"
#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::size_t kMostMessageBytes = 16U * 1024 * 1024;

[[noreturn]] void badMessages(const std::string& where, const std::string& what, const std::string& expected,
                              const std::string& found) {
    throw Error({.what = what, .where = where, .expected = expected, .found = found});
}

Role parseRole(const nlohmann::json& value, const std::string& where) {
    if (value == "system") return Role::kSystem;
    if (value == "user") return Role::kUser;
    if (value == "assistant") return Role::kAssistant;
    badMessages(where + ", role", "this is no role", "\"system\", \"user\" or \"assistant\"", value.dump());
}

std::string readText(const std::string& file_name) {
    std::ifstream file(file_name, std::ios::binary);
    std::string text(kMostMessageBytes + 1, '\0');
    if (!file.is_open() || (!file.read(text.data(), std::ssize(text)) && !file.eof())) {
        badMessages(file_name, "the file cannot be read", "a JSON file with messages", "");
    }
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMostMessageBytes) {
        badMessages(file_name, "the file is too large", "at most " + std::to_string(kMostMessageBytes) + " bytes", "");
    }
    return text;
}

bool mayThink(const Model& model, ThinkingMode mode, const std::vector<Message>& messages, std::int32_t budget) {
    const bool thinking = resolveThinking(mode, messages);
    switch (model.thinking_support) {
        case ThinkingSupport::kNever:
            if (mode == ThinkingMode::kThink) {
                badMessages("--mode", "this checkpoint never thinks", "no_think or auto", "think");
            }
            return false;
        case ThinkingSupport::kAlways:
            if (mode == ThinkingMode::kNoThink) {
                badMessages("--mode", "this checkpoint always thinks", "think or auto", "no_think");
            }
            return true;
        case ThinkingSupport::kHybrid:
            break;
    }
    return thinking && budget > 0;
}

CLI::Validator notEmpty(const std::string& expected) {
    return CLI::Validator(
        [expected](const std::string& text) {
            const bool blank = text.find_first_not_of(" \t\r\n") == std::string::npos;
            return blank ? "This is empty; expected " + expected : std::string();
        },
        "");
}

}  // namespace

std::vector<Message> parseMessages(const std::string& json, const std::string& file_name) {
    const nlohmann::json parsed = nlohmann::json::parse(json, nullptr, false);
    if (!parsed.is_array() || parsed.empty()) {
        badMessages(file_name, "these are no messages", R"([{"role": "user", "content": "..."}])",
                    parsed.is_discarded() ? "no valid JSON" : std::string(parsed.type_name()));
    }
    std::vector<Message> messages;
    for (const nlohmann::json& entry : parsed) {
        const std::string where = file_name + ", message " + std::to_string(messages.size() + 1);
        if (!entry.is_object()) badMessages(where, "a message is an object", "role and content", entry.type_name());
        for (const auto& [key, value] : entry.items()) {
            if (key != "role" && key != "content")
                badMessages(where, "unknown field", "role and content", "\"" + key + "\"");
            if (!value.is_string()) badMessages(where + ", " + key, "this is no text", "a string", value.type_name());
        }
        if (!entry.contains("role") || !entry.contains("content")) {
            badMessages(where, "a field is missing", "role and content",
                        entry.contains("role") ? "role alone" : "no role");
        }
        const Role role = parseRole(entry["role"], where);
        if (role == Role::kSystem && !messages.empty()) {
            badMessages(where + ", role", "only the first message may be the system's", "\"user\" or \"assistant\"",
                        "\"system\"");
        }
        messages.push_back({.role = role, .content = entry["content"].get<std::string>()});
    }
    return messages;
}

CLI::Option_group& PromptOptions::add(CLI::App& command) {
    CLI::Option_group* source = command.add_option_group("prompt");
    source->add_option("--prompt", prompt, "What the user says")->check(notEmpty("a text"));
    source->add_option("--messages", messages_file, R"(JSON file: [{"role": "user", "content": "..."}, ...])")
        ->check(notEmpty("a file's path"));
    source->add_option("--ids", ids, "Token ids as they are fed, separated by commas; needs no tokenizer")
        ->check(notEmpty("token ids"));
    source->require_option(1);
    command.add_option("--system", system, "The system's message, before the others");
    return *source;
}

Prompt PromptOptions::make(const Model& model, ThinkingMode mode, std::int32_t budget) const {
    Prompt made;
    if (!ids.empty()) {
        made.ids = parseIds(ids, "--ids", model.config.vocab_size);
        made.thinking = mode != ThinkingMode::kNoThink && model.thinking_support != ThinkingSupport::kNever;
        return made;
    }
    if (!model.tokenizer) {
        throw Error({.what = "This model has no tokenizer",
                     .where = model.name,
                     .expected = "a file tokenizer.json",
                     .advice = "Give token ids with --ids"});
    }
    if (messages_file.empty()) {
        made.messages = {{.role = Role::kUser, .content = prompt}};
    } else {
        made.messages = parseMessages(readText(messages_file), messages_file);
    }
    if (!system.empty()) {
        if (made.messages.front().role == Role::kSystem) {
            badMessages("--system", "the messages already begin with a system message", "one of the two", "both");
        }
        made.messages.insert(made.messages.begin(), {.role = Role::kSystem, .content = system});
    }
    made.thinking = mayThink(model, mode, made.messages, budget);
    made.ids = model.tokenizer->encode(renderChat(made.messages, made.thinking, model.thinking_support));
    return made;
}

}  // namespace mixoscope
