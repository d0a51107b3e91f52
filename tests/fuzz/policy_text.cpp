// A hostile policy text: either an Error that names it, or a policy whose normal form means the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/error.h"
#include "engine/routing_policy.h"
#include "require.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace mixoscope;
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (text.find("calibration") != std::string::npos) return 0;  // it would open whatever file the text names
    ModelConfig config;
    config.num_hidden_layers = 5;
    config.num_experts = 16;
    config.num_experts_per_tok = 4;
    config.norm_topk_prob = true;
    config.mlp_only_layers = {1};
    try {
        const auto policy = parsePolicy(text, config);
        MIXO_REQUIRE(policy->maxSlots() >= 1 && policy->maxSlots() <= 2 * config.num_experts);
        MIXO_REQUIRE(!policy->choosing().empty());
        MIXO_REQUIRE(parsePolicy(joinPolicy(splitPolicy(text)), config)->text() == policy->text());
        const auto again = parsePolicy(policy->text(), config);
        MIXO_REQUIRE(again->text() == policy->text());
        MIXO_REQUIRE(again->maxSlots() == policy->maxSlots());
        MIXO_REQUIRE(again->edits().size() == policy->edits().size());
    } catch (const Error& error) {
        MIXO_REQUIRE(error.parts().where.find("routing policy") == 0);
    }
    return 0;
}
