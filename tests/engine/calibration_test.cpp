// Calibrations: what is measured equals what traces say, files come back bit for bit and are refused when they do not
// fit, and the policies that use them do what the figures say.
#include "engine/calibration.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <random>

#include "engine/calibrator.h"
#include "engine/error.h"
#include "engine/model_hash.h"
#include "support/forward_runner.h"
#include "support/policy_runner.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

constexpr unsigned kSeed = 12;

std::vector<std::vector<TokenId>> somePrompts(std::size_t count) {
    std::mt19937 random(kSeed);
    std::vector<std::vector<TokenId>> prompts(count);
    for (auto& prompt : prompts) {
        prompt.resize(5 + random() % 150);
        for (TokenId& token : prompt) token = static_cast<TokenId>(random() % 250);
    }
    return prompts;
}

class CalibrationTest : public testing::Test {
protected:
    CalibrationTest() : model(test::openTinyModel({.seed = kSeed})), backend(kernels::makeCpuBackend(2)) {}

    Calibration started(const std::string& policy = "model") const {
        Calibration calibration = emptyCalibration(model.config);
        calibration.model_name = model.name;
        calibration.model_hash = modelHash(model);
        calibration.policy = policy;
        calibration.prompts_hash = "prompts";
        calibration.prompts = std::ssize(prompts);
        return calibration;
    }
    Calibration measured(Calibration start, std::size_t last, const std::string& policy = "model") {
        Calibrator calibrator(model, *backend, parsePolicy(policy, model), 512, std::move(start));
        while (calibrator.calibration().done < static_cast<std::int64_t>(last))
            calibrator.add(prompts[static_cast<std::size_t>(calibrator.calibration().done)]);
        return calibrator.calibration();
    }
    std::string file(const char* name) const { return (directory / name).string(); }
    std::string messageFor(const std::string& policy) const {
        try {
            parsePolicy(policy, model);
        } catch (const Error& error) {
            return error.what();
        }
        return "(accepted)";
    }

    Model model;
    std::unique_ptr<kernels::Backend> backend;
    std::vector<std::vector<TokenId>> prompts = somePrompts(6);
    test::TemporaryDirectory directory;
};

TEST_F(CalibrationTest, CountsAndWeightsAreThoseOfTheTraces) {
    const Calibration calibration = measured(started(), prompts.size());
    EXPECT_TRUE(calibration.complete());
    std::vector<std::vector<std::int64_t>> tokens(3, std::vector<std::int64_t>(8, 0));
    std::vector<std::vector<double>> weights(3, std::vector<double>(8, 0.0));
    std::vector<UnitHistogram> ratios(3);
    std::vector<double> entropies(3, 0.0);
    std::int64_t fed = 0;
    for (const auto& prompt : prompts) {
        test::ForwardRunner runner(model, *backend, 512, 64);
        runner.feed(prompt, 64);
        for (std::size_t row = 0; row < prompt.size(); ++row, ++fed) {
            for (std::size_t layer = 0; layer < 3; ++layer) {
                for (std::size_t slot = layer * 2; slot < layer * 2 + 2; ++slot) {
                    const auto expert = static_cast<std::size_t>(runner.fed().expert_ids[row][slot]);
                    ++tokens[layer][expert];
                    weights[layer][expert] += static_cast<double>(runner.fed().expert_weights[row][slot]);
                }
                const RouterFacts& facts = runner.fed().router[row][layer];
                ratios[layer].add(static_cast<double>(facts.last_probability) /
                                  static_cast<double>(facts.top_probability));
                entropies[layer] += static_cast<double>(facts.entropy);
            }
        }
    }
    EXPECT_EQ(calibration.tokens, fed);
    for (std::size_t layer = 0; layer < 3; ++layer) {
        const LayerCalibration& found = calibration.layers[layer];
        EXPECT_EQ(found.tokens, tokens[layer]);
        EXPECT_EQ(found.last_to_first, ratios[layer]);
        const double mean = found.entropy.mean([](double entropy) { return entropy; });
        EXPECT_NEAR(mean, entropies[layer] / static_cast<double>(fed), 0.001) << "to a bin's width";
        EXPECT_EQ(found.entropy.total(), fed);
        for (std::size_t expert = 0; expert < 8; ++expert) {
            EXPECT_NEAR(found.weight_sums[expert], weights[layer][expert], 1e-9);
            EXPECT_GT(found.norm_sums[expert], found.weighted_norm_sums[expert]);
        }
    }
}

/// ‖E_e(x)‖ of every selection that runs, one expert and one row at a time on the reference kernels.
class OutputNorms : public LayerObserver {
public:
    OutputNorms() : sums(3, std::vector<double>(8, 0.0)), weighted_sums(sums) {}

    std::vector<std::vector<double>> sums;           // (layers, experts)
    std::vector<std::vector<double>> weighted_sums;  // each norm times the selection's weight

private:
    void onLayer(std::int64_t layer, const LayerWeights& weights, std::span<const RoutedRow> rows) override {
        for (const RoutedRow& row : rows) {
            for (std::size_t slot = 0; slot < row.ids.size() && row.ids[slot] >= 0; ++slot) {
                const auto expert = static_cast<std::size_t>(row.ids[slot]);
                const double length = norm(weights, row.ids[slot], row.input);
                sums[static_cast<std::size_t>(layer)][expert] += length;
                weighted_sums[static_cast<std::size_t>(layer)][expert] +=
                    length * static_cast<double>(row.weights[slot]);
            }
        }
    }
    double norm(const LayerWeights& weights, std::int32_t expert, std::span<const float> input) {
        const auto hidden = static_cast<std::int64_t>(input.size());
        const float one = 1.0F;
        std::vector<float> output(input.size(), 0.0F);
        m_reference->experts({input.data(), 1, hidden}, weights.experts, {.ids = &expert, .weights = &one, .slots = 1},
                             {output.data(), 1, hidden});
        double sum = 0.0;
        for (const float value : output) sum += static_cast<double>(value) * static_cast<double>(value);
        return std::sqrt(sum);
    }

    std::unique_ptr<kernels::Backend> m_reference = kernels::makeReferenceBackend();
};

TEST_F(CalibrationTest, OutputNormsAreThoseOfEachExpertOnEachRowThatRunsIt) {
    // Also selections that do not run, which count for nothing, and rows of different numbers of experts.
    for (const char* text :
         {"model", "top-k:k=2,capacity=0.6", "any-experts:min=1,max=4,virtual=0.4,importance=norm"}) {
        const auto policy = parsePolicy(text, model);
        OutputNorms norms;
        LaneRouting routing(policy, model.config, 256);
        KvCache cache(model.config, kvPagesFor(256));
        Activations activations(model.config, {.rows = 128, .logit_rows = 0, .slots = policy->maxSlots()});
        for (const auto& prompt : prompts) {
            routing.restart();
            KvSequence sequence(cache);
            for (std::size_t first = 0; first < prompt.size();
                 first += 128) {  // a capacity goes by the calibrator's steps
                std::vector<ForwardRow> rows;
                const std::size_t count = std::min<std::size_t>(prompt.size() - first, 128);
                ASSERT_TRUE(sequence.extend(static_cast<std::int64_t>(count)));
                for (std::size_t position = first; position < first + count; ++position)
                    rows.push_back({.token = prompt[position],
                                    .sequence = {sequence.pages(), static_cast<std::int64_t>(position)},
                                    .routing = &routing});
                forward(model, *backend, cache, rows, activations, nullptr, &norms);
            }
        }
        const Calibration calibration = measured(started(text), prompts.size(), text);
        for (std::size_t layer = 0; layer < 3; ++layer) {
            const LayerCalibration& found = calibration.layers[layer];
            const std::vector<double> ean = pruneScores(found, "ean");
            const std::vector<double> reap = pruneScores(found, "reap");
            for (std::size_t expert = 0; expert < 8; ++expert) {
                const double sum = norms.sums[layer][expert];
                const double weighted = norms.weighted_sums[layer][expert];
                ASSERT_GT(sum, 0.0) << text;
                EXPECT_NEAR(found.norm_sums[expert], sum, 1e-5 * sum) << text;
                EXPECT_NEAR(found.weighted_norm_sums[expert], weighted, 1e-5 * weighted) << text;
                EXPECT_NEAR(ean[expert], sum, 1e-5 * sum) << text;
                EXPECT_NEAR(reap[expert] * static_cast<double>(found.tokens[expert]), weighted, 1e-5 * weighted)
                    << text;
            }
        }
    }
}

TEST_F(CalibrationTest, GoingOnFromAFileGivesTheSameBits) {
    const Calibration whole = measured(started(), prompts.size());
    writeCalibration(measured(started(), 2), file("c.json"));
    const Calibration half = readCalibration(file("c.json"));
    EXPECT_EQ(half.done, 2);
    EXPECT_FALSE(half.complete());
    const Calibration resumed = measured(half, prompts.size());
    EXPECT_TRUE(resumed == whole);
    writeCalibration(resumed, file("c.json"));
    EXPECT_TRUE(readCalibration(file("c.json")) == whole);
    EXPECT_FALSE(std::filesystem::exists(file("c.json.part")));
}

TEST_F(CalibrationTest, ACalibrationOfAnotherModelOrAnUnfinishedOneIsRefused) {
    writeCalibration(measured(started(), prompts.size()), file("c.json"));
    EXPECT_EQ(messageFor("skip:calibration=" + file("c.json")), "(accepted)");
    const Model other = test::openTinyModel({.seed = kSeed + 1});
    ASSERT_NE(modelHash(other), modelHash(model));
    EXPECT_EQ(modelHash(test::openTinyModel({.seed = kSeed})), modelHash(model));
    try {
        parsePolicy("skip:calibration=" + file("c.json"), other);
        ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
        const std::string message = error.what();
        EXPECT_NE(message.find("expected model " + modelHash(other)), std::string::npos) << message;
        EXPECT_NE(message.find("found model " + modelHash(model)), std::string::npos) << message;
    }
    writeCalibration(measured(started(), 2), file("half.json"));
    EXPECT_NE(
        messageFor("skip:calibration=" + file("half.json")).find("unfinished: prompts measured; expected 6; found 2"),
        std::string::npos);
    EXPECT_NE(messageFor("skip:calibration=" + file("none.json")).find("none.json"), std::string::npos);
    Calibration wide = emptyCalibration(test::moeConfig(16, 2, true, 3));
    wide.prompts = wide.done = 1;
    writeCalibration(wide, file("wide.json"));
    EXPECT_NE(
        messageFor("entropy:calibration=" + file("wide.json")).find("another number of experts; expected 8; found 16"),
        std::string::npos);
    Calibration flat = emptyCalibration(test::moeConfig(8, 2, true, 2));
    flat.prompts = flat.done = 1;
    writeCalibration(flat, file("flat.json"));
    EXPECT_NE(messageFor("entropy:calibration=" + file("flat.json"))
                  .find("another number of MoE layers; expected 3; found 2"),
              std::string::npos);
}

TEST_F(CalibrationTest, DamagedFilesAreRefusedWithTheirField) {
    const Calibration good = measured(started(), 1);
    const auto refusal = [&](const std::function<void(nlohmann::json&)>& damage) {
        writeCalibration(good, file("c.json"));
        nlohmann::json json = nlohmann::json::parse(std::ifstream(file("c.json")));
        damage(json);
        std::ofstream(file("c.json")) << json;
        try {
            readCalibration(file("c.json"));
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("(accepted)");
    };
    EXPECT_EQ(refusal([](nlohmann::json&) {}), "(accepted)");
    for (const char* key : {"format", "version", "model_name", "model_hash", "policy", "prompts_hash", "prompts",
                            "done", "tokens", "layers"})
        EXPECT_NE(refusal([&](nlohmann::json& json) { json.erase(key); }).find(key), std::string::npos) << key;
    for (const char* key : {"last_to_first", "entropy", "tokens", "weight_sums", "norm_sums", "weighted_norm_sums"}) {
        EXPECT_NE(refusal([&](nlohmann::json& json) { json["layers"][1][key].push_back("x"); }).find("layers[1]"),
                  std::string::npos)
            << key;
        EXPECT_NE(refusal([&](nlohmann::json& json) { json["layers"][2][key][0] = -1; }).find(key), std::string::npos);
        if (std::string(key) == "tokens") continue;  // whose length says how many experts there are
        EXPECT_NE(refusal([&](nlohmann::json& json) { json["layers"][1][key].erase(0); }).find(key), std::string::npos)
            << key;
    }
    EXPECT_NE(refusal([](nlohmann::json& json) { json["done"] = 7; }).find("done"), std::string::npos);
    EXPECT_NE(refusal([](nlohmann::json& json) { json = 3; }), "(accepted)");
}

TEST(UnitHistogram, QuantilesAreThoseOfTheValues) {
    UnitHistogram histogram;
    EXPECT_EQ(histogram.quantile(0.5), 0.0);
    for (int value = 0; value < 100; ++value) histogram.add(0.01 * value + 0.0005);
    EXPECT_NEAR(histogram.quantile(0.5), 0.5, 0.0101);
    EXPECT_EQ(histogram.quantile(0.0), 0.0);
    EXPECT_NEAR(histogram.quantile(1.0), 0.991, 0.001);
    histogram.add(1.0);
    histogram.add(7.0);
    EXPECT_EQ(histogram.quantile(1.0), 1.0);
    EXPECT_EQ(histogram.total(), 102);
}

TEST(PruneScores, OrderExpertsAsTheirDefinitionsSay) {
    LayerCalibration layer;
    layer.tokens = {10, 2, 0};
    layer.weight_sums = {1.0, 1.5, 0.0};
    layer.norm_sums = {20.0, 8.0, 0.0};
    layer.weighted_norm_sums = {2.0, 6.0, 0.0};
    const auto scores = [&](const char* name) { return pruneScores(layer, name); };
    EXPECT_EQ(scores("frequency"), (std::vector<double>{10.0, 2.0, 0.0}));
    EXPECT_EQ(scores("weighted-frequency"), (std::vector<double>{1.0, 1.5, 0.0}));
    EXPECT_EQ(scores("ean"), (std::vector<double>{20.0, 8.0, 0.0}));
    EXPECT_EQ(scores("ean-mean"), (std::vector<double>{2.0, 4.0, 0.0}));
    EXPECT_EQ(scores("weighted-ean"), (std::vector<double>{2.0, 6.0, 0.0}));
    EXPECT_EQ(scores("reap"), (std::vector<double>{0.2, 3.0, 0.0})) << "a rare strong expert is kept";
}

TEST_F(CalibrationTest, PruningTakesTheSameShareOfEachLayerFromTheLowEnd) {
    const Calibration calibration = measured(started(), prompts.size());
    writeCalibration(calibration, file("c.json"));
    for (const std::string_view score : pruneScoreNames()) {
        const auto policy =
            parsePolicy("prune:share=0.4,score=" + std::string(score) + ",calibration=" + file("c.json"), model);
        const EditRule& rule = *policy->edits().front().rule;
        for (int layer = 0; layer < 3; ++layer) {
            const std::vector<double> scores = pruneScores(calibration.layers[static_cast<std::size_t>(layer)], score);
            double highest_removed = -1.0;
            double lowest_kept = 1e300;
            int removed = 0;
            for (std::int32_t expert = 0; expert < 8; ++expert) {
                const double value = scores[static_cast<std::size_t>(expert)];
                removed += rule.removes(layer, expert) ? 1 : 0;
                if (rule.removes(layer, expert)) {
                    highest_removed = std::max(highest_removed, value);
                } else {
                    lowest_kept = std::min(lowest_kept, value);
                }
            }
            EXPECT_EQ(removed, 3) << "40 % of 8, rounded down";
            EXPECT_LE(highest_removed, lowest_kept);
        }
    }
    EXPECT_NE(messageFor("prune:share=1,calibration=" + file("c.json")).find("no expert is left"), std::string::npos);
}

TEST_F(CalibrationTest, PruningAddsAShareToAListAndOfEqualScoresTakesTheHigherIds) {
    Calibration calibration = started();
    calibration.done = calibration.prompts;  // all scores are 0
    writeCalibration(calibration, file("c.json"));
    const auto removed = [&](const std::string& text) {
        const auto policy = parsePolicy(text + ",calibration=" + file("c.json"), model);
        std::vector<std::int32_t> experts;
        for (std::int32_t expert = 0; expert < 8; ++expert) {
            if (policy->edits().front().rule->removes(1, expert)) experts.push_back(expert);
        }
        return experts;
    };
    EXPECT_EQ(removed("prune:share=0.25"), (std::vector<std::int32_t>{6, 7}));
    EXPECT_EQ(removed("prune:share=0.25,experts=1/7"), (std::vector<std::int32_t>{1, 6, 7}));
    EXPECT_EQ(removed("prune:share=0.375"), (std::vector<std::int32_t>{5, 6, 7}));
}

TEST_F(CalibrationTest, HalfOfTheCalibrationsTokensSkipTheirLastExpertAtTheMedian) {
    writeCalibration(measured(started(), prompts.size()), file("c.json"));
    for (const double quantile : {0.25, 0.5, 0.75}) {
        const auto policy =
            parsePolicy("skip:quantile=" + std::to_string(quantile) + ",calibration=" + file("c.json"), model);
        // The shadow of the policy on the logits of the measured run: the share that skips, layer by layer.
        LaneRouting routing(policy, model.config, 1);
        std::vector<std::int64_t> skipped(3, 0);
        std::int64_t rows = 0;
        for (const auto& prompt : prompts) {
            test::ForwardRunner runner(model, *backend, 512, 64);
            runner.feed(prompt, 64);
            for (std::size_t row = 0; row < prompt.size(); ++row, ++rows) {
                for (int layer = 0; layer < 3; ++layer) {
                    std::vector<float> distribution(runner.fed().distributions[row].begin() + layer * 8,
                                                    runner.fed().distributions[row].begin() + layer * 8 + 8);
                    std::vector<float> logits = distribution;
                    for (float& logit : logits) logit = std::log(logit);
                    std::vector<std::int32_t> ids(2);
                    std::vector<float> weights(2);
                    RoutedRow routed;
                    routed.logits = logits;
                    routed.probabilities = distribution;
                    routed.ids = ids;
                    routed.weights = weights;
                    routing.route(layer, {&routed, 1});
                    skipped[static_cast<std::size_t>(layer)] += ids[1] < 0 ? 1 : 0;
                }
            }
        }
        for (const std::int64_t count : skipped)
            EXPECT_NEAR(static_cast<double>(count) / static_cast<double>(rows), quantile, 0.02);
    }
}

TEST_F(CalibrationTest, EntropyMeetsItsTargetOnTheCalibrationsTokens) {
    writeCalibration(measured(started(), prompts.size()), file("c.json"));
    for (const double target : {2.0, 3.0, 5.0}) {
        const auto policy = parsePolicy(
            "entropy:min=1,max=8,exponent=2,target=" + std::to_string(target) + ",calibration=" + file("c.json"),
            model);
        LaneRouting routing(policy, model.config, 1);
        double sum = 0.0;
        double count = 0.0;
        for (const auto& prompt : prompts) {
            test::ForwardRunner runner(model, *backend, 512, 64);
            runner.feed(prompt, 64);
            for (std::size_t row = 0; row < prompt.size(); ++row) {
                std::vector<float> distribution(runner.fed().distributions[row].begin() + 8,
                                                runner.fed().distributions[row].begin() + 16);
                std::vector<float> logits = distribution;
                for (float& logit : logits) logit = std::log(logit);
                std::vector<std::int32_t> ids(8);
                std::vector<float> weights(8);
                RoutedRow routed;
                routed.logits = logits;
                routed.probabilities = distribution;
                routed.ids = ids;
                routed.weights = weights;
                routing.route(1, {&routed, 1});
                sum += static_cast<double>(runningIds(routed).size());
                count += 1.0;
            }
        }
        EXPECT_NEAR(sum / count, target, 0.15);
    }
}

TEST_F(CalibrationTest, APrunedModelIsMeasuredWithoutItsPrunedExperts) {
    const Calibration calibration = measured(started("prune:experts=2/5"), prompts.size(), "prune:experts=2/5");
    for (const LayerCalibration& layer : calibration.layers) {
        EXPECT_EQ(layer.tokens[2] + layer.tokens[5], 0);
        EXPECT_GT(layer.tokens[0], 0);
    }
}

TEST(MeasuringPolicy, LeavesOutWhatWaitsForACalibration) {
    const ModelConfig config = test::moeConfig();
    EXPECT_EQ(measuringPolicy("model", config), "model");
    EXPECT_EQ(measuringPolicy("skip", config), "model");
    EXPECT_EQ(measuringPolicy("prune:share=0.5+skip:quantile=0.3", config), "model");
    EXPECT_EQ(measuringPolicy("prune:experts=3+skip", config), "prune:experts=3");
    EXPECT_EQ(measuringPolicy("top-k:k=8+prune:share=0.25", config), "top-k:k=8");
    EXPECT_EQ(measuringPolicy("skip:beta=0.3", config), "skip:beta=0.3,k=4");
    EXPECT_THROW(measuringPolicy("no-such", config), Error);
    EXPECT_THROW(measuringPolicy("skip:min=9", config), Error) << "also of a part that is left out";
    EXPECT_THROW(measuringPolicy("entropy:min=3,max=2", config), Error);
}

TEST(RememberedCalibration, IsReadAgainOnlyWhenTheFileIsAnother) {
    const test::TemporaryDirectory directory;
    const std::filesystem::path file = directory / "remembered.json";
    Calibration calibration = emptyCalibration(test::openTinyModel({.seed = kSeed}).config);
    calibration.model_name = "a";
    calibration.model_hash = calibration.policy = calibration.prompts_hash = "x";
    calibration.prompts = calibration.done = 1;
    writeCalibration(calibration, file);
    const auto first = rememberedCalibration(file);
    EXPECT_EQ(*first, calibration);
    EXPECT_EQ(rememberedCalibration(file), first) << "the same object: nothing was read";
    const auto time = std::filesystem::last_write_time(file);
    calibration.model_name = "b";
    writeCalibration(calibration, file);
    std::filesystem::last_write_time(file, time + std::chrono::seconds(2));
    EXPECT_EQ(rememberedCalibration(file)->model_name, "b");
    EXPECT_EQ(first->model_name, "a") << "whoever holds the old one keeps it";
    std::filesystem::remove(file);
    EXPECT_THROW(rememberedCalibration(file), Error);
}

TEST(ModelHash, IsComputedOnceForAModel) {
    Model model = test::openTinyModel({.seed = kSeed});
    const std::string first = rememberedModelHash(model);
    EXPECT_EQ(first, modelHash(model));
    const float before = model.weights.final_norm.front();
    model.weights.final_norm.front() = before + 1.0F;
    EXPECT_EQ(rememberedModelHash(model), first) << "it was computed again";
    model.weights.final_norm.front() = before;
    // Another model in its place has another hash.
    model = test::openTinyModel({.seed = kSeed + 1});
    EXPECT_EQ(rememberedModelHash(model), modelHash(model));
    EXPECT_NE(rememberedModelHash(model), first);
}

}  // namespace
}  // namespace mixoscope
