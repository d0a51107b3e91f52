#include "engine/random_model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/error.h"
#include "engine/memory_plan.h"
#include "support/forward_runner.h"

namespace mixoscope::test {
namespace {

TEST(RandomModel, TakesTheBytesThatWereAnnounced) {
    for (const auto type : {kernels::DataType::kF32, kernels::DataType::kF16, kernels::DataType::kBF16}) {
        const Model model = makeRandomModel("tiny");
        const RandomWeights made = makeRandomWeights(model.config, type, 7);
        std::int64_t bytes = 0;
        for (const std::vector<std::byte>& block : made.storage) bytes += static_cast<std::int64_t>(block.size());
        EXPECT_EQ(bytes, weightBytes(model.config, type));
    }
}

TEST(RandomModel, IsDeterministicAndFinite) {
    const Model first = makeRandomModel("tiny:f32");
    const Model second = makeRandomModel("tiny:f32");
    const kernels::Matrix& a = first.weights.layers[1].experts[3].down;
    const kernels::Matrix& b = second.weights.layers[1].experts[3].down;
    const auto* x = static_cast<const float*>(a.data);
    const auto* y = static_cast<const float*>(b.data);
    double squares = 0.0;
    for (std::int64_t index = 0; index < a.rows * a.columns; ++index) {
        EXPECT_EQ(x[index], y[index]);
        squares += static_cast<double>(x[index]) * static_cast<double>(x[index]);
    }
    // Variance 1 / columns; the mean over n uniform values deviates by less than 5 sigma = 5 · 0.9 / √n.
    const double n = static_cast<double>(a.rows * a.columns);
    EXPECT_NEAR(squares / n * static_cast<double>(a.columns), 1.0, 4.5 / std::sqrt(n));
}

TEST(RandomModel, NamesWhatItKnows) {
    EXPECT_GE(randomModelNames().size(), 4U);
    for (const char* spec : {"nothing", "tiny:q4", "", "tiny:"}) {
        try {
            makeRandomModel(spec);
            ADD_FAILURE() << spec;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find("random:" + std::string(spec)), std::string::npos) << error.what();
        }
    }
}

TEST(RandomModel, RefusesWhatCannotFitIntoMemory) {
    const Model tiny = makeRandomModel("tiny");
    EXPECT_GT(weightBytes(tiny.config, kernels::DataType::kBF16), 0);
    if (availableMemoryBytes() > (std::int64_t{400} << 30)) GTEST_SKIP() << "this machine could hold it";
    try {
        makeRandomModel("qwen3-235b-a22b");
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("GiB"), std::string::npos) << error.what();
    }
}

TEST(RandomModel, KeepsActivationsInRange) {
    const Model model = makeRandomModel("tiny");
    const std::unique_ptr<kernels::Backend> backend = kernels::makeReferenceBackend();
    ForwardRunner runner(model, *backend, 32, 32);
    runner.feed(std::vector<TokenId>{1, 5, 300, 7, 7, 7, 19}, 32);
    for (const std::vector<float>& logits : runner.fed().logits) {
        for (const float logit : logits) ASSERT_LT(std::abs(logit), 30.0F);
    }
}

}  // namespace
}  // namespace mixoscope::test
