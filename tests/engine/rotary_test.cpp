// Rotary tables against transformers' for many spellings of the settings (tests/golden/make_model_golden.py).
#include <gtest/gtest.h>

#include <cmath>

#include "engine/config.h"
#include "engine/mapped_file.h"
#include "support/paths.h"
#include "support/tiny_model.h"

namespace mixoscope::test {
namespace {

TEST(Rotary, EqualsTransformersForEverySpelling) {
    const std::filesystem::path path = test::goldenDirectory() / "rotary.json";
    const auto file = MappedFile::open(path);
    const char* text = reinterpret_cast<const char*>(file->bytes().data());
    const nlohmann::json cases = nlohmann::json::parse(text, text + file->bytes().size());
    ASSERT_EQ(cases.size(), 13U);
    for (const nlohmann::json& golden : cases) {
        const std::string config = golden["config"].dump();
        const RotaryTable table = makeRotaryTable(parseModelConfig(std::as_bytes(std::span(config)), "config.json"));
        const auto expected = golden["inverse_frequencies"].get<std::vector<float>>();
        ASSERT_EQ(table.inverse_frequencies.size(), expected.size()) << config;
        for (std::size_t index = 0; index < expected.size(); ++index) {
            // transformers computes powers in f32: a few units in the last place.
            EXPECT_NEAR(table.inverse_frequencies[index], expected[index], 1e-6F * expected[index])
                << config << ", frequency " << index;
        }
        EXPECT_NEAR(table.attention_scaling, golden["attention_scaling"].get<float>(), 1e-6F) << config;
    }
}

TEST(Rotary, YarnsRampStaysWithinTheDimensions) {
    ModelConfig config;
    config.head_dim = 8;
    config.rope.theta = 2.0;
    config.rope.yarn = true;
    config.rope.factor = 4.0;
    config.rope.original_max_position_embeddings = 1e9;
    const RotaryTable table = makeRotaryTable(config);
    // All waves turn more often than either bound asks: transformers takes the last dimension for the upper one.
    for (std::size_t index = 0; index < 4; ++index)
        EXPECT_FLOAT_EQ(table.inverse_frequencies[index],
                        static_cast<float>(std::pow(2.0, -static_cast<double>(index) / 4.0) / 4.0));
    config.rope.factor = 0.5;
    EXPECT_EQ(makeRotaryTable(config).attention_scaling, 1.0F) << "no more than the original context: no scaling";
}

}  // namespace
}  // namespace mixoscope::test
