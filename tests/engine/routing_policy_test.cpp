// The text form of policies, their descriptions, where their parts act, and what edits do.
#include "engine/routing_policy.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/error.h"
#include "engine/policy_view.h"
#include "support/policy_runner.h"

namespace mixoscope {
namespace {

using test::moeConfig;
using test::PolicyChoice;
using test::PolicyRow;
using test::PolicyRunner;
using test::randomLogits;

constexpr unsigned kSeed = 42;

std::string normal(const std::string& text, const ModelConfig& config = moeConfig()) {
    return parsePolicy(text, config)->text();
}

std::string messageFor(const std::string& text, const ModelConfig& config = moeConfig()) {
    try {
        parsePolicy(text, config);
    } catch (const Error& error) {
        return error.what();
    }
    return "(accepted)";
}

/// A text of the policy with every parameter at its default; what has none gets a value that fits.
std::string fullText(const PolicySpec& spec) {
    std::string text = spec.name;
    for (const ParameterSpec& parameter : spec.parameters) {
        text += (text == spec.name ? ":" : ",") + parameter.key + "=" +
                (parameter.default_value.empty() ? "1" : parameter.default_value);
    }
    return text;
}

TEST(PolicyText, NormalFormKeepsWhatMattersAndIsItsOwnNormalForm) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"model", "model"},
        {"top-k", "top-k:k=4"},
        {"top-k:k=007", "top-k:k=7"},
        {"top-k:renorm=true,k=3", "top-k:k=3"},
        {"top-k:k=3,renorm=false", "top-k:k=3,renorm=false"},
        {"top-k:k=1,capacity=1.250", "top-k:k=1,capacity=1.25"},
        {"top-k:k=1,drop=score,capacity=inf", "top-k:k=1,drop=score"},
        {"top-p:p=0.70", "top-p:p=0.7"},
        {"ban:experts=5/3-4/17", "ban:experts=3-5/17"},
        {"ban:experts=1,layers=0-1", "ban:experts=1"},
        {"ban:experts=1,layers=1", "ban:experts=1,layers=1"},
        {"ban:experts=1,phase=answer/prompt", "ban:experts=1,phase=prompt/answer"},
        {"ban:experts=1,phase=answer/prompt/thinking", "ban:experts=1"},
        {"ban:experts=1,positions=9/7-8/30", "ban:experts=1,positions=7-9/30"},
        {"ban:experts=1,positions=0-1023", "ban:experts=1"},
        {"top-k:k=8,phase=thinking+top-k:k=4,phase=answer", "top-k:k=8,phase=thinking+top-k:k=4,phase=answer"},
        {"force:experts=2+random:seed=3", "force:experts=2+random:k=4,seed=3"},
        {"prune:experts=none", "prune"},
    };
    for (const auto& [text, expected] : cases) {
        EXPECT_EQ(normal(text), expected);
        EXPECT_EQ(normal(normal(text)), expected);
    }
    EXPECT_EQ(normal("top-k", moeConfig(128, 8)), "top-k:k=8");
}

TEST(PolicyText, EveryDescribedDefaultParsesAndIsTheDefault) {
    for (const PolicySpec& spec : policySpecs(moeConfig())) {
        EXPECT_FALSE(spec.help.empty()) << spec.name;
        EXPECT_FALSE(spec.source.empty()) << spec.name;
        EXPECT_FALSE(spec.cost.empty()) << spec.name;
        for (const ParameterSpec& parameter : spec.parameters) {
            EXPECT_FALSE(parameter.help.empty()) << spec.name << ' ' << parameter.key;
            EXPECT_LE(parameter.minimum, parameter.maximum);
        }
        const std::string text = fullText(spec);
        const bool needs_value = text.find("experts=1") != std::string::npos;
        EXPECT_EQ(normal(text), normal(needs_value ? spec.name + ":experts=1" : spec.name)) << text;
    }
}

TEST(PolicyText, TheTableHoldsEveryPolicyOnceChoosingOnesFirst) {
    std::vector<std::string> names;
    for (const PolicySpec& spec : policySpecs(moeConfig())) names.push_back(spec.name);
    EXPECT_EQ(names, (std::vector<std::string>{"model", "top-k", "any-experts", "bias-balanced", "entropy",
                                               "expert-choice", "hash", "random", "replay", "round-robin", "sigmoid",
                                               "skip", "top-p", "ban", "bias", "force", "prune"}));
}

TEST(PolicyText, WhatAChoiceDependsOnIsSaidOfItsSettings) {
    const auto view = [](const std::string& text) { return viewOf(splitPolicy(text).front(), moeConfig()); };
    for (const char* text :
         {"model", "top-k", "top-k:k=2,second=0.5", "top-k:k=2,drop=score", "top-p", "entropy", "skip", "sigmoid",
          "random", "hash", "round-robin", "replay", "ban:experts=3", "prune", "any-experts:importance=constant",
          "any-experts:importance=uncertainty", "any-experts:min=4,max=4,virtual=0"}) {
        EXPECT_EQ(view(text), RuleView::kRow) << text;
    }
    for (const char* text : {"top-k:capacity=1.25", "top-k:capacity=1,drop=score", "expert-choice"})
        EXPECT_EQ(view(text), RuleView::kStep) << text;
    for (const char* text : {"any-experts", "any-experts:importance=norm", "bias-balanced"})
        EXPECT_EQ(view(text), RuleView::kHistory) << text;
    EXPECT_TRUE(isCausal(RuleView::kRow) && isCausal(RuleView::kHistory));
    EXPECT_FALSE(isCausal(RuleView::kStep));
    EXPECT_THROW(view("top-k:k=99"), Error);
}

TEST(PolicyText, RangesAreTheModels) {
    const PolicySpec spec = policySpecs(moeConfig(128, 8)).at(1);
    EXPECT_EQ(spec.parameters[0].key, "k");
    EXPECT_EQ(spec.parameters[0].type, ParameterType::kInteger);
    EXPECT_EQ(spec.parameters[0].minimum, 1.0);
    EXPECT_EQ(spec.parameters[0].maximum, 128.0);
    EXPECT_EQ(spec.parameters[0].default_value, "8");
    EXPECT_EQ(spec.parameters.back().key, "positions");
    EXPECT_TRUE(spec.parameters.back().scope);
}

TEST(PolicyText, ErrorsNameTheKeyTheRangeAndWhatWasFound) {
    EXPECT_EQ(
        messageFor("top-k:k=0"),
        "routing policy \"top-k:k=0\", k: the value does not fit; expected a whole number from 1 to 32; found \"0\"");
    EXPECT_EQ(
        messageFor("top-k:k=33"),
        "routing policy \"top-k:k=33\", k: the value does not fit; expected a whole number from 1 to 32; found \"33\"");
    EXPECT_EQ(messageFor("top-q:p=0.7"),
              "routing policy \"top-q:p=0.7\": there is no such policy; expected one of model, top-k, any-experts, "
              "bias-balanced, entropy, expert-choice, hash, random, replay, round-robin, sigmoid, skip, top-p, ban, "
              "bias, force, "
              "prune; found \"top-q\"");
    EXPECT_EQ(messageFor("round-robin:n=3"),
              "routing policy \"round-robin:n=3\": round-robin has no parameter of that name; expected one of the keys "
              "k, renorm, layers, phase, tokens, positions; found \"n\"");
    EXPECT_EQ(messageFor("top-k:k=3,k=4"), "routing policy \"top-k:k=3,k=4\": a parameter is given twice; found \"k\"");
    EXPECT_EQ(messageFor("model:3"),
              "routing policy \"model:3\": a parameter is written key=value; expected one of the keys layers, phase, "
              "tokens, positions; found \"3\"");
    EXPECT_EQ(messageFor("top-k:capacity=0"),
              "routing policy \"top-k:capacity=0\", capacity: the value does not fit; expected a number from 0.01 to "
              "1000, or inf; found \"0\"");
    EXPECT_EQ(
        messageFor("ban"),
        "routing policy \"ban\", experts: ban needs this parameter; expected numbers and ranges from 0 to 31 such "
        "as 3-5/17; found nothing");
    EXPECT_EQ(
        messageFor("ban:experts=7-32"),
        "routing policy \"ban:experts=7-32\", experts: the value does not fit; expected numbers and ranges from 0 "
        "to 31 such as 3-5/17; found \"7-32\"");
    EXPECT_EQ(messageFor("top-k:phase=think"),
              "routing policy \"top-k:phase=think\", phase: the value does not fit; expected some of prompt, thinking, "
              "answer, separated by /, or all; found \"think\"");
    EXPECT_EQ(messageFor("top-p:min=5,max=4"),
              "routing policy \"top-p:min=5,max=4\", min: the fewest are more than the most; expected at most max, 4; "
              "found 5");
    EXPECT_EQ(
        messageFor("skip:min=9"),
        "routing policy \"skip:min=9\", min: more are never skipped than are chosen; expected at most k, 4; found "
        "9");
    EXPECT_EQ(messageFor("skip:k=9,min=9"), "(accepted)");
    EXPECT_EQ(
        messageFor("top-k:k=3,second=0.5"),
        "routing policy \"top-k:k=3,second=0.5\", second: only a second choice of two can be drawn; expected k=2; "
        "found k=3");
    EXPECT_EQ(messageFor("sigmoid:groups=5"),
              "routing policy \"sigmoid:groups=5\", groups: groups must be of one size; expected a divisor of 32; "
              "found 5");
    EXPECT_EQ(messageFor("sigmoid:groups=16,k=4"),
              "routing policy \"sigmoid:groups=16,k=4\", k: the kept groups have too few experts; expected at most 2; "
              "found 4");
    EXPECT_EQ(
        messageFor("prune:share=0.5"),
        "routing policy \"prune:share=0.5\", share: removing a share of the experts takes a calibration; expected "
        "calibration=FILE, made by mixoscope calibrate; found none");
}

TEST(PolicyText, PartsThatCannotBeMeantAreRefused) {
    EXPECT_EQ(
        messageFor("top-k:k=3+top-k:k=4"),
        "routing policy \"top-k:k=3+top-k:k=4\": this part never acts, because those before it decide everywhere; "
        "found \"top-k:k=4\"");
    EXPECT_NE(messageFor("top-k:k=3,phase=prompt/thinking+random:phase=thinking"), "(accepted)");
    EXPECT_EQ(messageFor("top-k:k=3,layers=0+random:layers=0-1"), "(accepted)");
    EXPECT_EQ(messageFor("ban:experts=0-30+ban:experts=31,layers=1"),
              "routing policy \"ban:experts=0-30+ban:experts=31,layers=1\", layer 1, prompt: no expert is left to "
              "choose; expected at least one of 32; found all of them taken away");
    EXPECT_EQ(messageFor("ban:experts=0-30,phase=prompt+ban:experts=31,phase=answer"), "(accepted)");
    EXPECT_NE(messageFor("ban:experts=0-31"), "(accepted)");
    EXPECT_EQ(messageFor("force:experts=3+ban:experts=2-3,phase=answer"),
              "routing policy \"force:experts=3+ban:experts=2-3,phase=answer\", layer 0, answer: an expert is forced "
              "and taken away at once; found expert 3");
    // Edits that meet at no position take nothing from each other.
    EXPECT_EQ(messageFor("force:experts=3,positions=5-9+ban:experts=2-3,positions=10"), "(accepted)");
    EXPECT_EQ(messageFor("force:experts=3,positions=5-9+ban:experts=2-3,positions=9-12"),
              "routing policy \"force:experts=3,positions=5-9+ban:experts=2-3,positions=9-12\", layer 0, prompt, "
              "position 9: an expert is forced and taken away at once; found expert 3");
    EXPECT_NE(messageFor("ban:experts=0-30+ban:experts=31,positions=8"), "(accepted)");
    EXPECT_EQ(messageFor("top-k:k=3,positions=4+top-k:k=4"), "(accepted)");
    EXPECT_EQ(
        messageFor("ban:experts=3,positions=1024"),
        "routing policy \"ban:experts=3,positions=1024\", positions: the value does not fit; expected numbers and "
        "ranges from 0 to 1023 such as 3-5/17, or all; found \"1024\"");
    // A long list of positions is one set of edits, however many there are: this returns before one is impatient.
    std::string odd = "1";
    for (int position = 3; position < 1024; position += 2) odd += "/" + std::to_string(position);
    EXPECT_EQ(messageFor("ban:experts=0-30,positions=" + odd), "(accepted)");
    EXPECT_NE(messageFor("ban:experts=0-30,positions=" + odd + "+ban:experts=31,positions=1023"), "(accepted)");
    ModelConfig sparse = moeConfig(32, 4, true, 4);
    sparse.mlp_only_layers = {0, 2};
    EXPECT_EQ(messageFor("random:layers=0/2", sparse),
              "routing policy \"random:layers=0/2\", layers: none of these layers has experts to choose; found "
              "\"0/2\"");
    EXPECT_EQ(messageFor("random:layers=0-1", sparse), "(accepted)");
}

TEST(PolicyText, MalformedTextIsRefused) {
    for (const char* text : {"",
                             ":",
                             "top-k:",
                             "top-k:k",
                             "top-k:k=",
                             "top-k:=3",
                             "top-k:k=3,",
                             "top-k:,k=3",
                             "top-k:k=3x",
                             "top-k:k= 3",
                             "top-k:k=3.0",
                             "top-k:k=1e1",
                             "top-k:k=-1",
                             "top-k:k=+3",
                             "top-k:k=0x3",
                             "top-k:k=99999999999999999999",
                             "Top-k:k=3",
                             " model",
                             "model ",
                             "model:",
                             "top-k:k=3:k=4",
                             "model+",
                             "+model",
                             "+",
                             "model++ban:experts=1",
                             "top-p:p=nan",
                             "top-p:p=inf",
                             "top-p:p=-0.1",
                             "top-p:p=1.01",
                             "ban:experts=",
                             "ban:experts=3-",
                             "ban:experts=-3",
                             "ban:experts=5-3",
                             "ban:experts=3//4",
                             "ban:experts=3/",
                             "ban:experts=none",
                             "ban:experts=1,layers=2",
                             "top-k:phase=",
                             "top-k:phase=prompt/",
                             "top-k:drop=",
                             "top-k:renorm=1",
                             "skip:calibration=",
                             "skip:calibration=\"",
                             "skip:calibration=\"a",
                             "skip:calibration=a\"b",
                             "skip:calibration=\"a\"b",
                             "top-k:k=\"3\"+"}) {
        EXPECT_NE(messageFor(text), "(accepted)") << '"' << text << '"';
    }
}

TEST(PolicyText, AnEndlessTextIsRefused) {
    std::string text = "model";
    while (text.size() <= 4096) text += "+ban:experts=1";
    EXPECT_NE(messageFor(text).find("the text is too long; expected at most 4096 bytes"), std::string::npos);
}

TEST(PolicyText, QuotesKeepSeparatorsInAPath) {
    const std::string message = messageFor("skip:calibration=\"no,such+\"\"file\"\".json\",k=3");
    EXPECT_NE(message.find("no,such+\"file\".json"), std::string::npos) << message;
    EXPECT_EQ(messageFor("top-k:k=\"3\""), "(accepted)");
}

TEST(PolicyText, PartsAreReadAsWrittenAndWrittenAsRead) {
    const std::string text = R"(top-k:k=99,phase=thinking+skip:calibration="a,b+c.json"+no-such)";
    const std::vector<PolicyPart> parts = splitPolicy(text);
    const std::vector<PolicyPart> expected = {{.name = "top-k", .values = {{"k", "99"}, {"phase", "thinking"}}},
                                              {.name = "skip", .values = {{"calibration", "a,b+c.json"}}},
                                              {.name = "no-such", .values = {}}};
    EXPECT_EQ(parts, expected) << "values are not checked";
    EXPECT_EQ(joinPolicy(parts), text);
    for (const PolicySpec& spec : policySpecs(moeConfig()))
        EXPECT_EQ(joinPolicy(splitPolicy(fullText(spec))), fullText(spec));
    EXPECT_THROW(splitPolicy("top-k:k"), Error);
    EXPECT_THROW(splitPolicy("top-k:"), Error);
    EXPECT_THROW(splitPolicy("ban:experts=\"3"), Error);
}

TEST(PolicyText, ADenseModelHasTheModelsOwnRuleOnly) {
    const ModelConfig dense = moeConfig(0, 0);
    ASSERT_EQ(policySpecs(dense).size(), 1U);
    EXPECT_EQ(policySpecs(dense)[0].name, "model");
    EXPECT_TRUE(policySpecs(dense)[0].parameters.empty());
    EXPECT_EQ(parsePolicy("model", dense)->maxSlots(), 0);
    for (const char* text : {"top-k:k=1", "random", "ban:experts=0", "model+ban:experts=0"})
        EXPECT_NE(messageFor(text, dense).find("this model has no experts to choose; expected \"model\""),
                  std::string::npos)
            << messageFor(text, dense);
    EXPECT_NE(messageFor("model:layers=0", dense).find("expected no parameters"), std::string::npos);
}

// --- where parts act -----------------------------------------------------------------------------------------------

TEST(PolicyScopes, EachPhaseAndLayerGetsTheFirstPartThatCoversIt) {
    std::mt19937 random(kSeed);
    PolicyRunner runner("top-k:k=8,phase=thinking+top-k:k=6,layers=1,phase=thinking/answer+top-k:k=2,phase=answer",
                        moeConfig());
    const std::vector<float> logits = randomLogits(random, 32);
    const auto count = [&](Phase phase, int layer) {
        return runner.one(PolicyRow{.logits = logits, .phase = phase}, layer).ids.size();
    };
    EXPECT_EQ(count(Phase::kPrompt, 0), 4U) << "the checkpoint's own";
    EXPECT_EQ(count(Phase::kThinking, 0), 8U);
    EXPECT_EQ(count(Phase::kThinking, 1), 8U) << "the first part decides";
    EXPECT_EQ(count(Phase::kAnswer, 0), 2U);
    EXPECT_EQ(count(Phase::kAnswer, 1), 6U);
    EXPECT_EQ(runner.policy().maxSlots(), 8);
    EXPECT_TRUE(runner.policy().dependsOnTokenClass());
    EXPECT_FALSE(parsePolicy("top-k:k=3,layers=0", moeConfig())->dependsOnTokenClass());
}

TEST(PolicyScopes, RowsOfOneStepAreDecidedEachByItsOwnPart) {
    std::mt19937 random(kSeed);
    std::vector<PolicyRow> rows = test::randomRows(random, 60, 32);
    for (PolicyRow& row : rows) row.phase = static_cast<Phase>(random() % 3);
    PolicyRunner runner("top-k:k=7,phase=thinking+round-robin:k=2,phase=answer", moeConfig());
    PolicyRunner seven("top-k:k=7", moeConfig());
    PolicyRunner turn("round-robin:k=2", moeConfig());
    PolicyRunner model("model", moeConfig());
    const std::vector<PolicyChoice> together = runner.step(rows);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        PolicyRunner& alone = rows[row].phase == Phase::kThinking ? seven
                              : rows[row].phase == Phase::kAnswer ? turn
                                                                  : model;
        EXPECT_EQ(together[row], alone.one(rows[row])) << row;
    }
}

TEST(PolicyScopes, TokenKindsAreToldApart) {
    std::mt19937 random(kSeed);
    PolicyRunner runner("top-k:k=1,tokens=tag+top-k:k=2,tokens=injected+top-k:k=3,tokens=ordinary", moeConfig());
    const auto count = [&](int flags) {
        return runner
            .one(PolicyRow{.logits = randomLogits(random, 32), .token_flags = static_cast<std::uint8_t>(flags)})
            .ids.size();
    };
    EXPECT_EQ(count(token_flag::kSampled), 3U);
    EXPECT_EQ(count(token_flag::kSampled | token_flag::kTag), 1U);
    EXPECT_EQ(count(token_flag::kInjected), 2U);
    EXPECT_EQ(count(token_flag::kInjected | token_flag::kTag), 2U) << "an injected </think> is injected";
}

TEST(PolicyScopes, PartsActAtTheirPositionsOnly) {
    std::mt19937 random(kSeed);
    const std::vector<PolicyRow> rows = test::randomRows(random, 12, 32);  // positions 0 to 11
    PolicyRunner runner("round-robin:k=2,positions=3-4/9+ban:experts=0-15,positions=4-6", moeConfig());
    PolicyRunner model("model", moeConfig());
    PolicyRunner banned("ban:experts=0-15", moeConfig());
    const std::vector<PolicyChoice> together = runner.step(rows);
    for (std::size_t position = 0; position < rows.size(); ++position) {
        if (position == 3 || position == 4 || position == 9) {
            EXPECT_EQ(together[position].ids.size(), 2U) << position;
        } else {
            PolicyRunner& alone = position == 5 || position == 6 ? banned : model;
            EXPECT_EQ(together[position], alone.one(rows[position])) << position;
        }
    }
    // In turn among those that are left.
    for (const std::int32_t id : together[4].ids) EXPECT_GE(id, 16);
}

// --- edits ---------------------------------------------------------------------------------------------------------

/// The logits without the experts of the list: what a checkpoint without them would have.
std::vector<float> without(const std::vector<float>& logits, const std::vector<std::int32_t>& removed) {
    std::vector<float> left;
    for (std::size_t expert = 0; expert < logits.size(); ++expert) {
        if (std::ranges::find(removed, static_cast<std::int32_t>(expert)) == removed.end())
            left.push_back(logits[expert]);
    }
    return left;
}

TEST(PolicyEdits, ABanEqualsARouterWithoutTheseRowsBitForBit) {
    std::mt19937 random(kSeed);
    const std::vector<std::int32_t> removed = {0, 7, 8, 9, 31};
    std::vector<std::int32_t> kept;
    for (std::int32_t expert = 0; expert < 32; ++expert) {
        if (std::ranges::find(removed, expert) == removed.end()) kept.push_back(expert);
    }
    for (const char* base :
         {"model", "top-k:k=6", "top-p:p=0.6", "entropy:min=1,max=9,scale=0.3", "skip:beta=0.4", "random:k=5",
          "hash:k=5", "round-robin:k=5", "bias-balanced:rate=0.01", "sigmoid:k=5,scale=2.5",
          "any-experts:min=1,max=8,virtual=0.5", "any-experts:min=1,max=8,importance=norm",
          "any-experts:min=1,max=8,importance=confidence", "any-experts:min=1,max=9,importance=uncertainty,share=damp",
          "any-experts:min=6,max=6,virtual=0.5,importance=constant"}) {
        for (const bool renormalise : {true, false}) {
            PolicyRunner banned(std::string(base) + "+ban:experts=0/7-9/31", moeConfig(32, 4, renormalise));
            PolicyRunner smaller(base, moeConfig(27, 4, renormalise));
            for (std::int64_t position = 0; position < 40; ++position) {
                const std::vector<float> logits = randomLogits(random, 32);
                const PolicyRow row{.logits = logits,
                                    .position = position,
                                    .token = static_cast<TokenId>(random() % 9),
                                    .logprob = -static_cast<float>(random() % 1000) * 0.01F,
                                    .input = {static_cast<float>(random() % 1000) * 0.01F}};
                PolicyRow row_without = row;
                row_without.logits = without(logits, removed);
                const PolicyChoice choice = banned.one(row);
                PolicyChoice expected = smaller.one(row_without);
                for (std::int32_t& id : expected.ids) id = kept[static_cast<std::size_t>(id)];
                for (std::int32_t& id : expected.not_run) id = kept[static_cast<std::size_t>(id)];
                ASSERT_EQ(choice, expected) << base << ", position " << position;
                ASSERT_TRUE(choice.facts.next_expert < 0 ||
                            std::ranges::find(removed, choice.facts.next_expert) == removed.end());
            }
        }
    }
}

TEST(PolicyEdits, WhenFewerExpertsAreLeftThanChosenAllOfThemRun) {
    std::mt19937 random(kSeed);
    PolicyRunner runner("top-k:k=4+ban:experts=0-28", moeConfig());
    const PolicyChoice choice = runner.one(randomLogits(random, 32));
    std::vector<std::int32_t> ids = choice.ids;
    std::ranges::sort(ids);
    EXPECT_EQ(ids, (std::vector<std::int32_t>{29, 30, 31}));
    EXPECT_EQ(choice.facts.next_expert, -1);
}

TEST(PolicyEdits, ForcedExpertsTakeThePlaceOfTheLeastLikelyOnes) {
    std::mt19937 random(kSeed);
    PolicyRunner runner("force:experts=3/9", moeConfig());
    PolicyRunner model("model", moeConfig());
    int changed = 0;
    for (int round = 0; round < 200; ++round) {
        const std::vector<float> logits = randomLogits(random, 32, false);
        const PolicyChoice own = model.one(logits);
        const PolicyChoice choice = runner.one(logits);
        std::vector<std::int32_t> expected = own.ids;
        std::vector<std::int32_t> missing;
        for (const std::int32_t forced : {3, 9}) {
            if (std::ranges::find(own.ids, forced) == own.ids.end()) missing.push_back(forced);
        }
        for (std::size_t at = expected.size(); at-- > 0 && !missing.empty();) {
            if (expected[at] == 3 || expected[at] == 9) continue;
            expected[at] = missing.back();
            missing.pop_back();
        }
        std::ranges::sort(expected, {}, [&](std::int32_t id) { return -logits[static_cast<std::size_t>(id)]; });
        ASSERT_EQ(choice.ids, expected);
        ASSERT_NEAR(choice.weightSum(), 1.0F, 1e-6F);
        ASSERT_EQ((choice.flags & layer_flag::kForced) != 0, choice.ids != own.ids);
        changed += choice.ids != own.ids ? 1 : 0;
    }
    EXPECT_GT(changed, 100);
}

TEST(PolicyEdits, MoreForcedExpertsThanChosenOnesAllRun) {
    std::mt19937 random(kSeed);
    PolicyRunner runner("top-k:k=1+force:experts=0-2+force:experts=2/5,phase=prompt", moeConfig());
    std::vector<std::int32_t> ids = runner.one(randomLogits(random, 32)).ids;
    std::ranges::sort(ids);
    EXPECT_EQ(ids, (std::vector<std::int32_t>{0, 1, 2, 5}));
}

TEST(PolicyEdits, AForcedExpertThatWasDroppedRunsAfterAll) {
    std::mt19937 random(kSeed);
    std::vector<PolicyRow> rows = test::randomRows(random, 16, 8, false);
    for (PolicyRow& row : rows) row.logits[5] = 20.0F;  // everyone's first choice
    PolicyRunner bounded("top-k:k=2,capacity=1", moeConfig(8, 2));
    PolicyRunner forced("top-k:k=2,capacity=1+force:experts=5", moeConfig(8, 2));
    const auto before = bounded.step(rows);
    const auto after = forced.step(rows);
    std::size_t dropped = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        dropped += static_cast<std::size_t>(std::ranges::count(before[row].not_run, 5));
        EXPECT_EQ(after[row].ids.front(), 5);
        EXPECT_EQ(std::ranges::count(after[row].not_run, 5), 0);
        EXPECT_EQ(after[row].ids.size() + after[row].not_run.size(), 2U);
    }
    EXPECT_EQ(dropped, 12U);
}

TEST(PolicyEdits, ABiasMovesTheDistributionAndZeroLeavesIt) {
    std::mt19937 random(kSeed);
    PolicyRunner model("model", moeConfig());
    PolicyRunner none("bias:experts=0-31,add=0", moeConfig());
    PolicyRunner all("bias:experts=0-31,add=3", moeConfig());
    PolicyRunner some("bias:experts=4/6,add=50", moeConfig());
    PolicyRunner never("bias:experts=4/6,add=-50", moeConfig());
    for (int round = 0; round < 50; ++round) {
        const std::vector<float> logits = randomLogits(random, 32, false);
        EXPECT_EQ(none.one(logits), model.one(logits));
        EXPECT_EQ(all.one(logits).ids, model.one(logits).ids) << "a shift of all changes nothing";
        const PolicyChoice choice = some.one(logits);
        EXPECT_EQ(std::min(choice.ids[0], choice.ids[1]), 4);
        EXPECT_EQ(std::max(choice.ids[0], choice.ids[1]), 6);
        for (const std::int32_t id : never.one(logits).ids) EXPECT_TRUE(id != 4 && id != 6);
    }
}

TEST(PolicyEdits, EditsActOnlyInTheirScope) {
    std::mt19937 random(kSeed);
    PolicyRunner model("model", moeConfig());
    PolicyRunner edited("ban:experts=0-15,layers=1,phase=answer", moeConfig());
    for (int round = 0; round < 20; ++round) {
        PolicyRow row{.logits = randomLogits(random, 32), .phase = Phase::kAnswer};
        EXPECT_EQ(edited.one(row, 0), model.one(row, 0));
        for (const std::int32_t id : edited.one(row, 1).ids) EXPECT_GE(id, 16);
        row.phase = Phase::kThinking;
        EXPECT_EQ(edited.one(row, 1), model.one(row, 1));
    }
}

TEST(PolicyEdits, PruningNothingIsTheModel) {
    std::mt19937 random(kSeed);
    PolicyRunner model("model", moeConfig());
    PolicyRunner pruned("prune", moeConfig());
    for (int round = 0; round < 20; ++round) {
        const std::vector<float> logits = randomLogits(random, 32);
        EXPECT_EQ(pruned.one(logits), model.one(logits));
    }
    EXPECT_EQ(parsePolicy("prune:experts=3", moeConfig())->removesExperts(), true);
}

}  // namespace
}  // namespace mixoscope
