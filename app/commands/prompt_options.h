// --prompt, --messages, --system and --ids: the options that become a turn's prompt.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/chat_template.h"
#include "engine/model.h"

namespace mixoscope {

/// A prompt ready to be fed.
struct Prompt {
    std::vector<TokenId> ids;
    bool thinking = true;           // the prompt leaves the model free to think
    std::vector<Message> messages;  // empty when ids were given
};

struct PromptOptions {
    std::string prompt;
    std::string messages_file;
    std::string system;
    std::string ids;

    /// Returns the group of what a turn can begin with, one of which must be given.
    CLI::Option_group& add(CLI::App& command);

    /// Renders and tokenises. A budget of 0 is the same as no_think. Throws Error naming option or file.
    Prompt make(const Model& model, ThinkingMode mode, std::int32_t budget) const;
};

/// [{"role": "user", "content": "…"}, …] → messages. `file_name` appears in messages of errors.
std::vector<Message> parseMessages(const std::string& json, const std::string& file_name);

}  // namespace mixoscope
