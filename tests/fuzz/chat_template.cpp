// Any messages: 0x01, 0x02 and 0x03 begin a system, user and assistant message; what comes before the first is a
// template text.
#include "engine/chat_template.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mixoscope;
    std::string template_text;
    std::vector<Message> messages;
    for (const std::uint8_t byte : std::basic_string_view<std::uint8_t>(data, size)) {
        if (byte >= 1 && byte <= 3) {
            messages.push_back({static_cast<Role>(byte - 1), ""});
        } else {
            std::string& text = messages.empty() ? template_text : messages.back().content;
            text.push_back(static_cast<char>(byte));
        }
    }
    const ThinkingSupport support = thinkingSupport(template_text);
    const std::string thinking = renderChat(messages, true, support);
    const std::string direct = renderChat(messages, false, support);
    const std::string tail = support == ThinkingSupport::kHybrid ? "<think>\n\n</think>\n\n" : "";
    MIXO_REQUIRE(direct == thinking + tail);

    std::size_t at = 0;
    for (const Message& message : messages) {
        at = thinking.find("<|im_start|>", at);
        MIXO_REQUIRE(at != std::string::npos);
        if (message.role == Role::kAssistant) continue;
        MIXO_REQUIRE(thinking.find(message.content + "<|im_end|>\n", at) != std::string::npos);
    }
    const bool resolved = resolveThinking(ThinkingMode::kAuto, messages);
    messages.push_back({Role::kUser, "and so on"});
    MIXO_REQUIRE(resolveThinking(ThinkingMode::kAuto, messages) == resolved);
    messages.push_back({Role::kUser, resolved ? "/no_think" : "/think"});
    MIXO_REQUIRE(resolveThinking(ThinkingMode::kAuto, messages) != resolved);
    return 0;
}
