// The forward pass against Hugging Face transformers: logits, experts, weights and greedy tokens of small checkpoints
// made by tests/golden/make_model_golden.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <ostream>

#include "engine/mapped_file.h"
#include "engine/safetensors.h"
#include "support/forward_runner.h"
#include "support/paths.h"
#include "support/processors.h"

namespace mixoscope::test {
namespace {

const std::filesystem::path kModels = test::goldenDirectory() / "models";

/// The expected arrays of one checkpoint.
class Golden {
public:
    explicit Golden(const std::string& name) : m_file(MappedFile::open(kModels / name / "golden.safetensors")) {
        for (TensorView& view : parseSafetensors(m_file->bytes(), name + "/golden.safetensors")) {
            std::string key = view.name;
            m_views.emplace(std::move(key), std::move(view));
        }
    }

    template <typename T>
    std::vector<T> array(const std::string& key) const {
        const TensorView& view = m_views.at(key);
        std::vector<T> values(view.data.size() / sizeof(T));
        std::memcpy(values.data(), view.data.data(), view.data.size());
        return values;
    }
    const std::vector<std::int64_t>& shape(const std::string& key) const { return m_views.at(key).shape; }
    bool has(const std::string& key) const { return m_views.contains(key); }

private:
    std::shared_ptr<MappedFile> m_file;
    std::map<std::string, TensorView> m_views;
};

/// Largest difference, relative to the largest expected value.
double relativeError(std::span<const float> expected, std::span<const float> found) {
    double scale = 0.0;
    double error = 0.0;
    for (std::size_t index = 0; index < expected.size(); ++index) {
        scale = std::max(scale, std::abs(static_cast<double>(expected[index])));
        const double difference = std::abs(static_cast<double>(expected[index]) - static_cast<double>(found[index]));
        if (!(difference <= error)) error = difference;  // a NaN stays
    }
    return error / scale;
}

constexpr double kLogitTolerance = 1e-3;  // what the project promises
constexpr double kWeightTolerance = 1e-4;
constexpr double kUsualError = 2e-5;  // what f32 sums of this size give; more would mean a wrong formula somewhere

struct Case {
    std::string model;
    std::string processor;
    int prompt;
};

/// For the names of the tests, which would hold addresses otherwise.
void PrintTo(const Case& which, std::ostream* out) {
    *out << which.model << " on " << which.processor << ", " << which.prompt << " tokens";
}

/// The emulated device is slow: a length above a page and one with all logits and distributions show its logic.
std::vector<int> promptsFor(const std::string& processor) {
    if (processor == "host_cuda") return {40};
    if (processor == "host_cuda_phases") return {7};
    return {1, 7, 40, 130};
}

std::vector<Case> allCases() {
    std::vector<Case> cases;
    std::vector<std::string> processors{"reference", "cpu", "host_cuda", "host_cuda_phases"};
    if (hasCudaDevice()) processors.push_back("cuda");
    std::error_code missing;  // shows in the test that counts the cases
    for (const auto& entry : std::filesystem::directory_iterator(kModels, missing)) {
        for (const std::string& processor : processors) {
            for (const int prompt : promptsFor(processor))
                cases.push_back({entry.path().filename().string(), processor, prompt});
        }
    }
    std::sort(cases.begin(), cases.end(), [](const Case& a, const Case& b) {
        return std::tie(a.model, a.processor, a.prompt) < std::tie(b.model, b.processor, b.prompt);
    });
    return cases;
}

/// Prompts that can be cut: a single token is one chunk, however it is fed.
std::vector<Case> casesToCut() {
    std::vector<Case> cases = allCases();
    std::erase_if(cases, [](const Case& one) { return one.prompt == 1; });
    return cases;
}

class ModelGolden : public testing::TestWithParam<Case> {};
class ModelGoldenInChunks : public ModelGolden {};

void compareRouting(const Golden& golden, const std::string& length, const FedTokens& fed) {
    const std::vector<std::int64_t>& shape = golden.shape("experts." + length);  // (moe layers, tokens, k)
    const std::vector<std::int16_t> ids = golden.array<std::int16_t>("experts." + length);
    const std::vector<float> weights = golden.array<float>("weights." + length);
    ASSERT_EQ(shape[1], static_cast<std::int64_t>(fed.expert_ids.size()));
    for (std::int64_t layer = 0; layer < shape[0]; ++layer) {
        for (std::int64_t token = 0; token < shape[1]; ++token) {
            for (std::int64_t slot = 0; slot < shape[2]; ++slot) {
                const std::size_t expected = static_cast<std::size_t>((layer * shape[1] + token) * shape[2] + slot);
                const std::size_t found = static_cast<std::size_t>(layer * shape[2] + slot);
                const std::size_t row = static_cast<std::size_t>(token);
                ASSERT_EQ(ids[expected], fed.expert_ids[row][found])
                    << "MoE layer " << layer << ", token " << token << ", slot " << slot;
                ASSERT_NEAR(weights[expected], fed.expert_weights[row][found], kWeightTolerance)
                    << "MoE layer " << layer << ", token " << token << ", slot " << slot;
            }
        }
    }
}

void compareDistributions(const Golden& golden, const FedTokens& fed) {
    const std::vector<std::int64_t>& shape = golden.shape("probabilities.7");  // (moe layers, 7, experts)
    const std::vector<float> expected = golden.array<float>("probabilities.7");
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(shape[0]); ++layer) {
        const std::size_t experts = static_cast<std::size_t>(shape[2]);
        for (std::size_t token = 0; token < 7; ++token) {
            for (std::size_t expert = 0; expert < experts; ++expert) {
                ASSERT_NEAR(expected[(layer * 7 + token) * experts + expert],
                            fed.distributions[token][layer * experts + expert], 1e-5);
            }
        }
    }
}

TEST_P(ModelGolden, EqualsTransformers) {
    const Golden golden(GetParam().model);
    const Model model = openModelDirectory(kModels / GetParam().model);
    const std::unique_ptr<Processor> processor = makeProcessor(GetParam().processor, model);
    const std::string length = std::to_string(GetParam().prompt);
    const std::vector<TokenId> prompt = golden.array<TokenId>("prompt." + length);
    const std::vector<TokenId> greedy = golden.array<TokenId>("greedy." + length);

    ForwardRunner runner(model, *processor, 256, 256);
    runner.feed(prompt, 256);
    double error = relativeError(golden.array<float>("logits." + length), runner.fed().logits.back());
    std::vector<TokenId> found{runner.likeliest()};
    while (found.size() < greedy.size()) {
        runner.feed(std::span(&found.back(), 1), 1);
        found.push_back(runner.likeliest());
    }
    EXPECT_EQ(greedy, found);
    error = std::max(error, relativeError(golden.array<float>("last." + length), runner.fed().logits.back()));
    if (prompt.size() == 7) {
        const std::vector<float> all = golden.array<float>("all_logits.7");
        const std::size_t vocabulary = static_cast<std::size_t>(model.config.vocab_size);
        for (std::size_t token = 0; token < 7; ++token) {
            error = std::max(error, relativeError(std::span(all).subspan(token * vocabulary, vocabulary),
                                                  runner.fed().logits[token]));
        }
    }
    RecordProperty("relative_logit_error", std::to_string(error));
    std::printf("largest relative logit error: %.2e\n", error);
    EXPECT_LE(error, kLogitTolerance);
    EXPECT_LE(error, kUsualError);

    EXPECT_EQ(golden.has("experts." + length), model.config.num_experts > 0);
    if (model.config.num_experts > 0) compareRouting(golden, length, runner.fed());
    if (model.config.num_experts > 0 && prompt.size() == 7) compareDistributions(golden, runner.fed());
}

TEST_P(ModelGoldenInChunks, AnySizeGivesTheSameBits) {
    const Golden golden(GetParam().model);
    const Model model = openModelDirectory(kModels / GetParam().model);
    const std::unique_ptr<Processor> processor = makeProcessor(GetParam().processor, model);
    const std::vector<TokenId> prompt = golden.array<TokenId>("prompt." + std::to_string(GetParam().prompt));
    ForwardRunner whole(model, *processor, 256, 256);
    whole.feed(prompt, 256);
    const bool emulated = GetParam().processor.starts_with("host_cuda");
    for (const std::int64_t chunk : emulated ? std::vector<std::int64_t>{3} : std::vector<std::int64_t>{1, 7, 16}) {
        ForwardRunner chunked(model, *processor, 256, 256);
        chunked.feed(prompt, chunk);
        EXPECT_TRUE(whole.fed() == chunked.fed()) << "chunks of " << chunk;
    }
}

std::string caseName(const testing::TestParamInfo<Case>& info) {
    std::string name = info.param.model + "_" + info.param.processor + "_" + std::to_string(info.param.prompt);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(All, ModelGolden, testing::ValuesIn(allCases()), caseName);
INSTANTIATE_TEST_SUITE_P(All, ModelGoldenInChunks, testing::ValuesIn(casesToCut()), caseName);

TEST(ModelGolden, EveryCaseOfTheScriptIsThere) {
    EXPECT_EQ(allCases().size(), 12U * (hasCudaDevice() ? 3U * 4U + 2U : 2U * 4U + 2U));
}

}  // namespace
}  // namespace mixoscope::test
