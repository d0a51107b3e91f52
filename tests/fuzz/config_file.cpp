// A hostile config.json or generation_config.json: either an Error that names it, or figures within their limits.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/config.h"
#include "engine/error.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mixoscope;
    const std::span<const std::byte> json = std::as_bytes(std::span(data, size));
    try {
        const ModelConfig config = parseModelConfig(json, "config.json");
        MIXO_REQUIRE(config.vocab_size > 0 && config.hidden_size > 0 && config.num_hidden_layers > 0);
        MIXO_REQUIRE(config.head_dim > 0 && config.head_dim % 2 == 0);
        MIXO_REQUIRE(config.num_attention_heads % config.num_key_value_heads == 0);
        MIXO_REQUIRE(config.num_experts_per_tok <= config.num_experts && config.num_experts_per_tok <= 255);
        MIXO_REQUIRE((config.num_experts > 0) == (config.moeLayerCount() > 0));
        const std::vector<std::int32_t> layers = config.moeLayers();
        MIXO_REQUIRE(static_cast<std::int64_t>(layers.size()) == config.moeLayerCount());
        const RotaryTable table = makeRotaryTable(config);
        MIXO_REQUIRE(static_cast<std::int64_t>(table.inverse_frequencies.size()) == config.head_dim / 2);
        MIXO_REQUIRE(std::isfinite(table.attention_scaling));
        for (const float frequency : table.inverse_frequencies) MIXO_REQUIRE(std::isfinite(frequency));
    } catch (const Error& error) {
        MIXO_REQUIRE(error.parts().where.find("config.json") == 0);
    }
    try {
        const GenerationConfig config = parseGenerationConfig(json, "generation_config.json");
        for (const TokenId id : config.eos_token_ids) MIXO_REQUIRE(id >= 0);
        MIXO_REQUIRE(!config.temperature || (*config.temperature >= 0.0F && std::isfinite(*config.temperature)));
    } catch (const Error& error) {
        MIXO_REQUIRE(error.parts().where.find("generation_config.json") == 0);
    }
    return 0;
}
