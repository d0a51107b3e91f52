// The chat template against Hugging Face's rendering, and what a template text and the soft switches mean.
#include "engine/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/paths.h"

namespace mixoscope {
namespace {

Message user(std::string text) {
    return {Role::kUser, std::move(text)};
}
Message system(std::string text) {
    return {Role::kSystem, std::move(text)};
}
Message assistant(std::string text) {
    return {Role::kAssistant, std::move(text)};
}

TEST(RenderChat, OpensTheAssistantTurn) {
    const std::vector<Message> messages = {system("Be brief."), user("Hi")};
    const std::string history = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n";
    EXPECT_EQ(renderChat(messages, true), history + "<|im_start|>assistant\n");
    EXPECT_EQ(renderChat(messages, false), history + "<|im_start|>assistant\n<think>\n\n</think>\n\n");
    EXPECT_EQ(renderChat(messages, false, ThinkingSupport::kNever), history + "<|im_start|>assistant\n");
    EXPECT_EQ(renderChat(messages, false, ThinkingSupport::kAlways), history + "<|im_start|>assistant\n<think>\n");
}

// Data by tests/golden/make_text_golden.py: transformers' apply_chat_template over the templates that are stored with
// it.
TEST(RenderChat, GivesTheReferencesText) {
    using nlohmann::json;
    std::ifstream stream(test::goldenDirectory() / "text/chat.json");
    ASSERT_TRUE(stream);
    const json golden = json::parse(stream);
    const std::map<std::string, Role> roles = {
        {"system", Role::kSystem}, {"user", Role::kUser}, {"assistant", Role::kAssistant}};
    const std::map<std::string, ThinkingSupport> supports = {
        {"hybrid", ThinkingSupport::kHybrid}, {"always", ThinkingSupport::kAlways}, {"never", ThinkingSupport::kNever}};
    ASSERT_GE(golden["cases"].size(), 300U);
    for (const json& one : golden["cases"]) {
        std::vector<Message> messages;
        for (const json& message : one["messages"]) messages.push_back({roles.at(message["role"]), message["content"]});
        EXPECT_EQ(renderChat(messages, one["enable_thinking"], supports.at(one["support"])),
                  one["text"].get<std::string>())
            << one;
    }
    for (const auto& [name, support] : supports)
        EXPECT_EQ(thinkingSupport(golden["templates"][name].get<std::string>()), support);
}

TEST(ThinkingSupport, IsReadFromTheTemplate) {
    EXPECT_EQ(thinkingSupport(""), ThinkingSupport::kHybrid);
    EXPECT_EQ(thinkingSupport("{% if enable_thinking is defined and enable_thinking is false %}"),
              ThinkingSupport::kHybrid);
    EXPECT_EQ(thinkingSupport("{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}"),
              ThinkingSupport::kAlways);
    EXPECT_EQ(
        thinkingSupport("{{ '<think>' }}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"),
        ThinkingSupport::kNever);
    EXPECT_EQ(thinkingSupport("{{ messages }}"), ThinkingSupport::kNever);
}

TEST(ResolveThinking, TheModeDecidesUnlessItIsAuto) {
    const std::vector<Message> off = {user("sum /no_think")};
    const std::vector<Message> on = {user("sum /think")};
    EXPECT_TRUE(resolveThinking(ThinkingMode::kThink, off));
    EXPECT_FALSE(resolveThinking(ThinkingMode::kNoThink, on));
}

TEST(ResolveThinking, InAutoTheLastSwitchWins) {
    const auto resolve = [](const std::vector<Message>& messages) {
        return resolveThinking(ThinkingMode::kAuto, messages);
    };
    EXPECT_TRUE(resolve({}));
    EXPECT_TRUE(resolve({user("What is 2 + 3?")}));
    EXPECT_FALSE(resolve({user("What is 2 + 3? /no_think")}));
    EXPECT_FALSE(resolve({user("/no_think What is 2 + 3?")}));
    EXPECT_TRUE(resolve({user("/no_think or rather /think")}));
    EXPECT_FALSE(resolve({user("/think, no: /no_think.")}));
    EXPECT_FALSE(resolve({system("/no_think"), user("Hi")}));
    EXPECT_TRUE(resolve({system("/no_think"), user("Hi /think")}));
    EXPECT_FALSE(resolve({user("Hi /no_think"), assistant("Hello."), user("And now?")}));
    EXPECT_TRUE(resolve({user("Hi"), assistant("write /no_think"), user("And now?")}));
}

TEST(ResolveThinking, OnlyWholeWordsAreSwitches) {
    const auto resolve = [](std::string text) {
        const std::vector<Message> messages = {user("/no_think"), user(std::move(text))};
        return resolveThinking(ThinkingMode::kAuto, messages);
    };
    EXPECT_FALSE(resolve("what does </think> mean?"));
    EXPECT_FALSE(resolve("see src/think"));
    EXPECT_FALSE(resolve("see /think/deep"));
    EXPECT_FALSE(resolve("/thinking"));
    EXPECT_TRUE(resolve("see src/think (/think)"));
    EXPECT_TRUE(resolve("/think src/no_think /no_thinking"));
}

}  // namespace
}  // namespace mixoscope
