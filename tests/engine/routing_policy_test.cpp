// The text form of policies, their descriptions, and what `model` and `top-k` choose.
#include "engine/routing_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "engine/error.h"

namespace mixoscope {
namespace {

ModelConfig moe(std::int64_t experts = 32, std::int64_t k = 4, bool renormalise = true) {
    ModelConfig config;
    config.num_hidden_layers = 2;
    config.num_experts = experts;
    config.num_experts_per_tok = k;
    config.norm_topk_prob = renormalise;
    return config;
}

std::string messageFor(const std::string& text, const ModelConfig& config = moe()) {
    try {
        parsePolicy(text, config);
    } catch (const Error& error) {
        return error.what();
    }
    return "(accepted)";
}

/// Random softmax distribution; every fourth value is doubled up so that ties occur.
std::vector<float> distribution(std::mt19937& random, std::size_t experts) {
    std::normal_distribution<float> normal(0.0F, 2.0F);
    std::vector<float> values(experts);
    for (float& value : values) value = std::exp(normal(random));
    for (std::size_t index = 4; index < experts; index += 4) values[index] = values[index - 1];
    const float sum = std::accumulate(values.begin(), values.end(), 0.0F);
    for (float& value : values) value /= sum;
    return values;
}

struct Selected {
    std::vector<std::int32_t> ids;
    std::vector<float> weights;
    kernels::SelectionFacts facts;
};

Selected select(const RoutingPolicy& policy, std::span<const float> probabilities, int layer = 0) {
    Selected selected{std::vector<std::int32_t>(static_cast<std::size_t>(policy.maxSlots())),
                      std::vector<float>(static_cast<std::size_t>(policy.maxSlots())),
                      {}};
    selected.facts = policy.select(layer, probabilities, selected.ids, selected.weights);
    return selected;
}

TEST(RoutingPolicy, TextRoundTrips) {
    for (const char* text : {"model", "top-k:k=1", "top-k:k=7", "top-k:k=32"}) {
        const auto policy = parsePolicy(text, moe());
        EXPECT_EQ(policy->text(), text);
        EXPECT_EQ(parsePolicy(policy->text(), moe())->text(), text);
    }
}

TEST(RoutingPolicy, DefaultsAreTheCheckpoints) {
    EXPECT_EQ(parsePolicy("top-k", moe(32, 4))->text(), "top-k:k=4");
    EXPECT_EQ(parsePolicy("top-k", moe(128, 8))->text(), "top-k:k=8");
    EXPECT_EQ(parsePolicy("model", moe(128, 8))->maxSlots(), 8);
}

TEST(RoutingPolicy, EveryDescribedDefaultParses) {
    for (const PolicySpec& spec : policySpecs(moe())) {
        std::string text = spec.name;
        for (const ParameterSpec& parameter : spec.parameters) {
            text += (text == spec.name ? ":" : ",") + parameter.key + "=" + parameter.default_value;
            EXPECT_FALSE(parameter.help.empty());
            EXPECT_LE(parameter.minimum, parameter.maximum);
        }
        EXPECT_FALSE(spec.help.empty());
        EXPECT_EQ(parsePolicy(text, moe())->text(), text);
    }
}

TEST(RoutingPolicy, TheRegistryHoldsEveryPolicyOnce) {
    std::vector<std::string> names;
    for (const PolicySpec& spec : policySpecs(moe())) names.push_back(spec.name);
    EXPECT_EQ(names, (std::vector<std::string>{"model", "top-k"}));
}

TEST(RoutingPolicy, RangesAreTheModels) {
    const PolicySpec spec = policySpecs(moe(128, 8)).at(1);
    ASSERT_EQ(spec.parameters.size(), 1U);
    EXPECT_EQ(spec.parameters[0].key, "k");
    EXPECT_EQ(spec.parameters[0].type, ParameterType::kInteger);
    EXPECT_EQ(spec.parameters[0].minimum, 1.0);
    EXPECT_EQ(spec.parameters[0].maximum, 128.0);
    EXPECT_EQ(spec.parameters[0].default_value, "8");
}

TEST(RoutingPolicy, ErrorsNameTheKeyTheRangeAndWhatWasFound) {
    EXPECT_EQ(
        messageFor("top-k:k=0"),
        "routing policy \"top-k:k=0\", k: the value does not fit; expected a whole number from 1 to 32; found \"0\"");
    EXPECT_EQ(
        messageFor("top-k:k=33"),
        "routing policy \"top-k:k=33\", k: the value does not fit; expected a whole number from 1 to 32; found \"33\"");
    EXPECT_EQ(messageFor("top-p:p=0.7"),
              "routing policy \"top-p:p=0.7\": there is no such policy; expected one of model, top-k; found \"top-p\"");
    EXPECT_EQ(messageFor("top-k:n=3"),
              "routing policy \"top-k:n=3\": this policy has no parameter of that name; expected one of the keys k; "
              "found \"n\"");
    EXPECT_EQ(messageFor("top-k:k=3,k=4"), "routing policy \"top-k:k=3,k=4\": a parameter is given twice; found \"k\"");
    EXPECT_EQ(
        messageFor("model:k=3"),
        "routing policy \"model:k=3\": this policy has no parameter of that name; expected no parameters; found \"k\"");
    EXPECT_EQ(messageFor("top-k:3"),
              "routing policy \"top-k:3\": a parameter is written key=value; expected one of the keys k; found \"3\"");
}

TEST(RoutingPolicy, MalformedTextIsRefused) {
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
                             "top-k:k=3:k=4"}) {
        EXPECT_NE(messageFor(text), "(accepted)") << '"' << text << '"';
    }
}

TEST(RoutingPolicy, ADenseModelHasTheModelsOwnRuleOnly) {
    const ModelConfig dense = moe(0, 0);
    ASSERT_EQ(policySpecs(dense).size(), 1U);
    EXPECT_EQ(policySpecs(dense)[0].name, "model");
    EXPECT_EQ(parsePolicy("model", dense)->maxSlots(), 0);
    EXPECT_EQ(
        messageFor("top-k:k=1", dense),
        "routing policy \"top-k:k=1\": this model has no experts to choose; expected \"model\"; found \"top-k:k=1\"");
}

class PolicyProperties : public testing::TestWithParam<bool> {};

TEST_P(PolicyProperties, TopKAtTheModelsOwnKIsTheModelBitForBit) {
    std::mt19937 random(42);
    for (const auto& [experts, k] : {std::pair{8, 1}, {32, 4}, {60, 4}, {128, 8}, {160, 160}}) {
        const ModelConfig config = moe(experts, k, GetParam());
        const auto model = parsePolicy("model", config);
        const auto top_k = parsePolicy("top-k:k=" + std::to_string(k), config);
        for (int round = 0; round < 50; ++round) {
            const std::vector<float> row = distribution(random, static_cast<std::size_t>(experts));
            const Selected left = select(*model, row);
            const Selected right = select(*top_k, row);
            ASSERT_EQ(left.ids, right.ids);
            ASSERT_EQ(left.weights, right.weights);
            ASSERT_EQ(left.facts.next_expert, right.facts.next_expert);
            ASSERT_EQ(left.facts.entropy, right.facts.entropy);
        }
    }
}

TEST_P(PolicyProperties, ASmallerKIsAPrefixAndRenormalisedWeightsSumToOne) {
    std::mt19937 random(43);
    const ModelConfig config = moe(32, 4, GetParam());
    for (int round = 0; round < 50; ++round) {
        const std::vector<float> row = distribution(random, 32);
        const Selected all = select(*parsePolicy("top-k:k=32", config), row);
        for (int k = 1; k <= 32; ++k) {
            const Selected some = select(*parsePolicy("top-k:k=" + std::to_string(k), config), row);
            ASSERT_TRUE(std::equal(some.ids.begin(), some.ids.end(), all.ids.begin()));
            const float sum = std::accumulate(some.weights.begin(), some.weights.end(), 0.0F);
            if (GetParam()) {
                ASSERT_NEAR(sum, 1.0F, 1e-6F);
            } else {
                for (std::size_t slot = 0; slot < some.ids.size(); ++slot) {
                    ASSERT_EQ(some.weights[slot], row[static_cast<std::size_t>(some.ids[slot])]);
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Weights, PolicyProperties, testing::Bool(),
                         [](const auto& info) { return info.param ? "renormalised" : "as_they_are"; });

}  // namespace
}  // namespace mixoscope
