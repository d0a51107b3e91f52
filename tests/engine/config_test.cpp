#include "engine/config.h"

#include <gtest/gtest.h>

#include "engine/error.h"
#include "support/tiny_model.h"

namespace mixoscope::test {
namespace {

using nlohmann::json;

ModelConfig parse(const std::string& text) {
    return parseModelConfig(std::as_bytes(std::span(text)), "config.json");
}
ModelConfig parse(const json& config) {
    return parse(config.dump());
}

/// The message for a tiny configuration with some fields changed (null: as good as absent).
std::string messageWith(const json& changes) {
    json config = tinyConfig();
    config.update(changes);
    try {
        parse(config);
    } catch (const Error& error) {
        return error.what();
    }
    return "no Error was thrown";  // without the changes, among which a test would find the words that it looks for
}

void expectMessage(const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts)
        EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

TEST(Config, ReadsAMoeModel) {
    const ModelConfig config = parse(tinyConfig());
    EXPECT_EQ(config.architecture, "Qwen3MoeForCausalLM");
    EXPECT_EQ(config.vocab_size, 304);
    EXPECT_EQ(config.hidden_size, 32);
    EXPECT_EQ(config.num_hidden_layers, 3);
    EXPECT_EQ(config.num_attention_heads, 4);
    EXPECT_EQ(config.num_key_value_heads, 2);
    EXPECT_EQ(config.head_dim, 8);
    EXPECT_EQ(config.max_position_embeddings, 512);
    EXPECT_FLOAT_EQ(config.rms_norm_eps, 1e-6F);
    EXPECT_TRUE(config.tie_word_embeddings);
    EXPECT_FALSE(config.attention_bias);
    EXPECT_EQ(config.num_experts, 8);
    EXPECT_EQ(config.num_experts_per_tok, 2);
    EXPECT_EQ(config.moe_intermediate_size, 16);
    EXPECT_TRUE(config.norm_topk_prob);
    EXPECT_EQ(config.moeLayers(), (std::vector<std::int32_t>{0, 1, 2}));
}

TEST(Config, TakesTheDefaultsOfTransformers) {
    json config = tinyConfig();
    for (const char* field : {"norm_topk_prob", "decoder_sparse_step", "mlp_only_layers", "tie_word_embeddings",
                              "attention_bias", "rms_norm_eps", "head_dim", "rope_theta"}) {
        config[field] = nullptr;
    }
    const ModelConfig moe = parse(config);
    EXPECT_FALSE(moe.norm_topk_prob);
    EXPECT_EQ(moe.decoder_sparse_step, 1);
    EXPECT_TRUE(moe.mlp_only_layers.empty());
    EXPECT_FALSE(moe.tie_word_embeddings);
    EXPECT_EQ(moe.head_dim, 32 / 4);
    EXPECT_FLOAT_EQ(moe.rms_norm_eps, 1e-6F);
    EXPECT_EQ(moe.rope.theta, 10000.0);
    json dense = tinyConfig({.experts = 0});
    dense.erase("head_dim");
    EXPECT_EQ(parse(dense).head_dim, 128);
    EXPECT_EQ(parse(dense).num_experts, 0);
}

TEST(Config, ReadsTheExpertCountInBothSpellings) {
    json config = tinyConfig();
    config.erase("num_experts");
    config["num_local_experts"] = 6;
    EXPECT_EQ(parse(config).num_experts, 6);
}

TEST(Config, FindsTheArchitectureByModelTypeToo) {
    json config = tinyConfig();
    config.erase("architectures");
    EXPECT_EQ(parse(config).architecture, "Qwen3MoeForCausalLM");
    config["model_type"] = "qwen3";
    EXPECT_EQ(parse(config).architecture, "Qwen3ForCausalLM");
    config["model_type"] = "llama";
    EXPECT_THROW(parse(config), Error);
}

TEST(Config, SaysWhichLayersHaveExperts) {
    json config = tinyConfig({.layers = 6});
    config["decoder_sparse_step"] = 2;
    config["mlp_only_layers"] = {3, 3, 0};
    const ModelConfig parsed = parse(config);
    EXPECT_EQ(parsed.moeLayers(), (std::vector<std::int32_t>{1, 5}));
    EXPECT_EQ(parsed.moeLayerCount(), 2);
    EXPECT_TRUE(parsed.isMoeLayer(5));
    EXPECT_FALSE(parsed.isMoeLayer(3));
}

TEST(Config, TakesTheDenseLayersInAnyOrder) {
    json config = tinyConfig({.layers = 6});
    config["mlp_only_layers"] = {4, 0, 2};
    EXPECT_EQ(parse(config).moeLayers(), (std::vector<std::int32_t>{1, 3, 5}));
}

TEST(Config, AModelWhoseLayersAllLackExpertsIsDense) {
    json config = tinyConfig({.layers = 2});
    config["mlp_only_layers"] = {0, 1};
    const ModelConfig parsed = parse(config);
    EXPECT_EQ(parsed.num_experts, 0);
    EXPECT_EQ(parsed.num_experts_per_tok, 0);
}

TEST(Config, ReadsBothSpellingsOfTheRopeSettings) {
    const json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}};
    json old_spelling = tinyConfig();
    old_spelling["rope_theta"] = 5000.0;
    old_spelling["rope_scaling"] = yarn;
    json new_spelling = tinyConfig();
    new_spelling.erase("rope_theta");
    new_spelling["rope_parameters"] = yarn;
    new_spelling["rope_parameters"]["rope_theta"] = 5000.0;
    EXPECT_EQ(parse(old_spelling).rope, parse(new_spelling).rope);
    EXPECT_TRUE(parse(old_spelling).rope.yarn);
    EXPECT_EQ(parse(old_spelling).rope.theta, 5000.0);
    EXPECT_EQ(parse(old_spelling).rope.factor, 4.0);
}

TEST(Config, OfSeveralRopeSettingsTheOneThatTransformersTakesWins) {
    json config = tinyConfig();
    config["rope_theta"] = 1000.0;
    config["rope_parameters"] = {{"rope_type", "yarn"}, {"factor", 8.0}, {"rope_theta", 2000.0}};
    EXPECT_EQ(parse(config).rope.theta, 2000.0);
    config["rope_scaling"] = json::object();  // as good as none
    EXPECT_EQ(parse(config).rope.factor, 8.0);
    config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
    EXPECT_EQ(parse(config).rope.factor, 4.0);
    EXPECT_EQ(parse(config).rope.theta, 1000.0);
    EXPECT_EQ(parse(config).rope.original_max_position_embeddings, 64.0);
    config["original_max_position_embeddings"] = 256;
    EXPECT_EQ(parse(config).rope.original_max_position_embeddings, 256.0);
    config["rope_scaling"] = {{"rope_type", "yarn"}};
    EXPECT_EQ(parse(config).rope.factor, 512.0 / 256.0);
}

TEST(Config, NamesTheSupportedArchitectures) {
    expectMessage(messageWith({{"architectures", {"LlamaForCausalLM"}}}),
                  {"config.json", "architectures", "Qwen3MoeForCausalLM", "Qwen3ForCausalLM", "LlamaForCausalLM"});
    expectMessage(messageWith({{"architectures", json::array()}}), {"architectures"});
    expectMessage(messageWith({{"architectures", "Qwen3MoeForCausalLM"}}), {"architectures"});
    expectMessage(messageWith({{"architectures", nullptr}, {"model_type", nullptr}}), {"architectures", "missing"});
}

TEST(Config, RefusesWhatTheEngineDoesNotHave) {
    expectMessage(messageWith({{"use_sliding_window", true}}), {"use_sliding_window", "not supported"});
    expectMessage(messageWith({{"hidden_act", "gelu"}}), {"hidden_act", "silu", "gelu"});
    expectMessage(messageWith({{"quantization_config", json::object()}}), {"quantization_config", "not supported"});
    expectMessage(messageWith({{"layer_types", {"full_attention", "sliding_attention"}}}), {"layer_types"});
    expectMessage(messageWith({{"layer_types", 5}}), {"layer_types"});
    expectMessage(messageWith({{"rope_scaling", {{"rope_type", "llama3"}}}}), {"rope_scaling", "rope_type", "yarn"});
    expectMessage(messageWith({{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}}), {"rope_type", "linear"});
    expectMessage(messageWith({{"rope_parameters", {{"partial_rotary_factor", 0.5}}}}), {"partial_rotary_factor"});
    expectMessage(messageWith({{"partial_rotary_factor", 0.5}}), {"partial_rotary_factor"});
}

TEST(Config, RefusesMissingFields) {
    for (const char* field :
         {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
          "max_position_embeddings", "num_experts", "num_experts_per_tok", "moe_intermediate_size"}) {
        expectMessage(messageWith({{field, nullptr}}), {"config.json", field, "missing"});
    }
    json dense = tinyConfig({.experts = 0});
    dense.erase("intermediate_size");
    EXPECT_THROW(parse(dense), Error);
}

TEST(Config, RefusesValuesOutOfRangeOrOfAnotherType) {
    for (const char* field : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                              "num_key_value_heads", "max_position_embeddings", "num_experts_per_tok",
                              "moe_intermediate_size", "decoder_sparse_step", "head_dim"}) {
        for (const json& value : {json(0), json(-1), json(std::int64_t{1} << 40), json(18446744073709551615U),
                                  json(2.5), json("8"), json::array({8}), json(true)}) {
            expectMessage(messageWith({{field, value}}), {"config.json", field});
        }
    }
    expectMessage(messageWith({{"num_experts", 40000}}), {"num_experts"});
    expectMessage(messageWith({{"num_experts_per_tok", 9}}), {"num_experts_per_tok", "8", "9"});
    expectMessage(messageWith({{"num_key_value_heads", 3}}), {"num_key_value_heads", "divisor"});
    expectMessage(messageWith({{"head_dim", 7}}), {"head_dim", "even"});
    // Where it is absent it follows from two others.
    expectMessage(messageWith({{"head_dim", nullptr}, {"hidden_size", 2}}), {"head_dim", "found 0"});
    expectMessage(messageWith({{"head_dim", nullptr}, {"hidden_size", 1 << 20}}), {"head_dim", "4096", "262144"});
    expectMessage(messageWith({{"num_experts", 300}, {"num_experts_per_tok", 256}}), {"num_experts_per_tok", "255"});
    expectMessage(messageWith({{"mlp_only_layers", json::array({json(std::vector<int>(20))})}}),
                  {"mlp_only_layers", "a list of 20"});
    expectMessage(messageWith({{"rms_norm_eps", -1.0}}), {"rms_norm_eps"});
    expectMessage(messageWith({{"rms_norm_eps", "small"}}), {"rms_norm_eps"});
    expectMessage(messageWith({{"rope_theta", 0}}), {"rope_theta"});
    expectMessage(messageWith({{"rope_scaling", {{"type", "yarn"}, {"factor", 0}}}}), {"rope_scaling", "factor"});
    expectMessage(messageWith({{"rope_scaling", 4}}), {"rope_scaling"});
    expectMessage(messageWith({{"mlp_only_layers", {-1}}}), {"mlp_only_layers"});
    expectMessage(messageWith({{"mlp_only_layers", 1}}), {"mlp_only_layers"});
    expectMessage(messageWith({{"tie_word_embeddings", "yes"}}), {"tie_word_embeddings", "true or false"});
}

TEST(Config, RefusesWhatIsNotJson) {
    for (const std::string text : {"", "{", "[]", "null", "{\"a\":1,\"a\":2}", "{\"vocab_size\":1e999}", "\xFF"}) {
        try {
            parse(text);
            FAIL() << text;
        } catch (const Error& error) {
            expectMessage(error.what(), {"config.json"});
        }
    }
    EXPECT_THROW(parse(std::string(1000000, '[')), Error);
}

GenerationConfig parseGeneration(const std::string& text) {
    return parseGenerationConfig(std::as_bytes(std::span(text)), "generation_config.json");
}

TEST(GenerationConfig, ReadsOneOrManyEndTokensAndSampling) {
    EXPECT_EQ(parseGeneration(R"({"eos_token_id": 5})").eos_token_ids, std::vector<TokenId>{5});
    const GenerationConfig config = parseGeneration(
        R"({"eos_token_id": [7, 8], "temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0, "do_sample": true})");
    EXPECT_EQ(config.eos_token_ids, (std::vector<TokenId>{7, 8}));
    EXPECT_FLOAT_EQ(config.temperature.value(), 0.6F);
    EXPECT_FLOAT_EQ(config.top_p.value(), 0.95F);
    EXPECT_EQ(config.top_k.value(), 20);
    EXPECT_FLOAT_EQ(config.min_p.value(), 0.0F);
    EXPECT_FALSE(parseGeneration("{}").temperature.has_value());
    EXPECT_TRUE(parseGeneration(R"({"eos_token_id": null})").eos_token_ids.empty());
}

TEST(GenerationConfig, RefusesNonsense) {
    for (const char* text : {R"({"eos_token_id": -1})", R"({"eos_token_id": "x"})", R"({"eos_token_id": [1, null]})",
                             R"({"eos_token_id": [1, -1]})", R"({"temperature": -1})", R"({"top_p": 1.5})",
                             R"({"top_k": -2})", R"({"min_p": "a"})", "[]", ""}) {
        try {
            parseGeneration(text);
            ADD_FAILURE() << text;
        } catch (const Error& error) {
            expectMessage(error.what(), {"generation_config.json"});
        }
    }
}

TEST(GenerationConfig, DefaultsAreThoseOfTheModelCard) {
    EXPECT_FLOAT_EQ(defaultSampling(true).temperature, 0.6F);
    EXPECT_FLOAT_EQ(defaultSampling(true).top_p, 0.95F);
    EXPECT_FLOAT_EQ(defaultSampling(false).temperature, 0.7F);
    EXPECT_FLOAT_EQ(defaultSampling(false).top_p, 0.8F);
    EXPECT_EQ(defaultSampling(true).top_k, 20);
    EXPECT_EQ(defaultSampling(false).min_p, 0.0F);
}

}  // namespace
}  // namespace mixoscope::test
