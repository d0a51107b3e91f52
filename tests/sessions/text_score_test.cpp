// Texts scored in windows by a sweep: against sums over the logits of a single pass, against transformers, whatever the
// batch; what is refused; and what the results make of the runs.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "kernels/backend.h"
#include "sessions/csv_reader.h"
#include "sessions/experiment_results.h"
#include "sessions/experiment_store.h"
#include "sessions/loaded_model.h"
#include "sessions/ratio_interval.h"
#include "sessions/sweep.h"
#include "support/forward_runner.h"
#include "support/paths.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;

class TextScore : public testing::Test {
protected:
    TextScore() {
        std::filesystem::create_directory(directory / "model");
        test::writeTinyModel(directory / "model", {.seed = 5});
        std::string text;
        for (int i = 0; text.size() < 701; ++i) text += "line " + std::to_string(i * i) + "\n";
        writeText(text.substr(0, 701));
        experiment = {{"model", (directory / "model").string()},
                      {"tasks", {{{"file", "t.raw"}, {"layout", "text"}, {"window", 100}, {"stride", 60}}}},
                      {"lanes", 3}};
    }
    void writeText(const std::string& text) { std::ofstream(directory / "t.raw", std::ios::binary) << text; }
    Sweep sweep() const {
        const std::string text = experiment.dump();
        return {loadModel(experiment["model"], {}, [](std::string_view) {}),
                parseExperiment(std::as_bytes(std::span(text)), directory / "e.json")};
    }
    static std::map<RunKey, RunResult> runsOf(Sweep& sweep) {
        std::map<RunKey, RunResult> runs;
        EXPECT_TRUE(sweep.run({}, [&](const RunResult& run) { runs[run.key] = run; }, {}));
        return runs;
    }
    std::string refusal() const {
        try {
            sweep();
        } catch (const Error& error) {
            return error.what();
        }
        return "(accepted)";
    }
    /// NLL of tokens [scored, end), each from the logits of the row before it, of one pass in steps of `chunk` rows.
    static double onePass(const Sweep& sweep, const TextWindow& window, std::int64_t chunk) {
        const auto backend = kernels::makeCpuBackend(1);
        test::ForwardRunner runner(sweep.model(), *backend, 512, 512);
        const auto& all = sweep.tasks().front().tokens;
        const std::vector<TokenId> ids(all.begin() + window.begin, all.begin() + window.end);
        runner.feed(ids, chunk);
        double nll = 0.0;
        for (std::int64_t position = window.scored; position < window.end; ++position) {
            const auto row = static_cast<std::size_t>(position - window.begin);
            const std::vector<float>& logits = runner.fed().logits[row - 1];
            double sum = 0.0;
            for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
            nll += std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(ids[row])]);
        }
        return nll;
    }

    test::TemporaryDirectory directory;
    json experiment;
};

TEST_F(TextScore, EqualsOnePassOverEachWindowHoweverItIsCut) {
    for (const auto& [window, stride] : {std::pair(100, 60), std::pair(300, 100), std::pair(64, 64)}) {
        experiment["tasks"][0]["window"] = window;
        experiment["tasks"][0]["stride"] = stride;
        Sweep asked = sweep();
        const std::vector<TextWindow>& windows = asked.tasks().front().windows;
        ASSERT_EQ(windows, textWindows(701, window, stride)) << "a byte is a token";
        const auto runs = runsOf(asked);
        ASSERT_EQ(runs.size(), windows.size());
        for (const auto& [key, run] : runs) {
            const TextWindow& part = windows[key.item];
            EXPECT_EQ(run.measures.scored_tokens, part.end - part.scored);
            EXPECT_EQ(run.prompt_tokens, part.scored - part.begin);
            EXPECT_EQ(run.stop_reason, StopReason::kForcedEnd);
            for (const std::int64_t chunk : {1, 7, 512})
                EXPECT_NEAR(run.measures.nll, onePass(asked, part, chunk), 1e-5 * run.measures.nll)
                    << "window " << key.item << " of " << window << ", chunk " << chunk;
        }
        EXPECT_LT(windows.back().end - windows.back().begin, window) << "the last one is ragged";
    }
}

TEST_F(TextScore, DoesNotDependOnWhatRunsBesideIt) {
    experiment["policies"] = {"model", "top-k:k=1"};
    Sweep three = sweep();
    experiment["lanes"] = 1;
    Sweep one = sweep();
    const auto beside = runsOf(three);
    const auto alone = runsOf(one);
    ASSERT_EQ(beside.size(), alone.size());
    for (const auto& [key, run] : beside) {
        EXPECT_EQ(run.measures.nll, alone.at(key).measures.nll);
        EXPECT_EQ(run.measures.load, alone.at(key).measures.load);
    }
    EXPECT_NE(beside.at({0, 3}).measures.nll, beside.at({1, 3}).measures.nll) << "the policy has a say";
}

TEST_F(TextScore, IsWhatTransformersFinds) {
    std::ifstream stream(test::goldenDirectory() / "perplexity.json");
    const json golden = json::parse(stream);
    experiment["model"] = (test::resourcesDirectory() / "demo").string();
    for (const json& expected : golden["cases"]) {
        experiment["tasks"] = {{{"file", (test::resourcesDirectory() / ".." / "LICENSE").string()},
                                {"layout", "text"},
                                {"window", expected["window"]},
                                {"stride", expected["stride"]},
                                {"limit", expected["windows"]}}};
        Sweep asked = sweep();
        EXPECT_EQ(asked.tasks().front().tokens.size(), golden["tokens"].get<std::size_t>());
        ExperimentTally tally(std::make_shared<ExperimentFrame>(frameOf(asked)));
        for (const auto& [key, run] : runsOf(asked)) tally.add(run);
        const CellResult& found = tally.results().front();
        EXPECT_EQ(found.scored_tokens, expected["tokens"].get<std::int64_t>());
        const double perplexity = expected["perplexity"];
        EXPECT_NEAR(found.perplexity.mean, perplexity, 1e-4 * perplexity);
    }
}

TEST_F(TextScore, TokensThatEndATurnOrOpenAThoughtAreTextLikeAnyOther) {
    writeText("one<|im_end|>two<think>three</think>four<|im_end|>");
    Sweep asked = sweep();
    ASSERT_EQ(asked.tasks().front().tokens.size(), 15U + 4U);
    const auto runs = runsOf(asked);
    const RunResult& run = runs.at({0, 0});
    EXPECT_EQ(run.measures.scored_tokens, 18);
    EXPECT_NEAR(run.measures.nll, onePass(asked, asked.tasks().front().windows.front(), 512), 1e-4);
    EXPECT_EQ(run.measures.stray_tags, 0);
    EXPECT_TRUE(run.followed_mode);
}

TEST_F(TextScore, AWindowMayFillTheContext) {
    experiment["tasks"][0]["window"] = 512;
    experiment["tasks"][0]["stride"] = 512;
    Sweep asked = sweep();
    const auto runs = runsOf(asked);
    EXPECT_EQ(runs.at({0, 0}).measures.scored_tokens, 511);
    EXPECT_EQ(runs.at({0, 0}).stop_reason, StopReason::kForcedEnd);
    experiment["tasks"][0].erase("window");
    experiment["tasks"][0].erase("stride");
    EXPECT_EQ(sweep().tasks().front().windows, textWindows(701, 512, 256)) << "the context is less than 1024";
}

TEST_F(TextScore, RefusesWhatCannotBeScored) {
    experiment["tasks"][0]["window"] = 513;
    EXPECT_NE(refusal().find("field window: The window is larger than the model's context; expected at most 512"),
              std::string::npos)
        << refusal();
    experiment["tasks"][0]["window"] = 50;
    EXPECT_NE(refusal().find("field stride"), std::string::npos) << refusal();
    experiment["tasks"][0]["window"] = 100;
    for (const char* text : {"", "a"}) {
        writeText(text);
        EXPECT_NE(refusal().find("t.raw: The text is too short to be scored; expected at least 2 tokens"),
                  std::string::npos)
            << refusal();
    }
    writeText("ab");
    EXPECT_EQ(refusal(), "(accepted)");
    test::writeTinyModel(directory / "model", {.seed = 5, .tokenizer = false});
    std::filesystem::remove(directory / "model" / "tokenizer.json");
    EXPECT_NE(refusal().find("no tokenizer"), std::string::npos) << refusal();
}

TEST_F(TextScore, ResultsAreTheSumsOverTheWindows) {
    experiment["policies"] = {"model", "top-k:k=1"};
    experiment["modes"] = {"think", "no_think"};
    experiment["budgets"] = {0, 5};
    experiment["seeds"] = {3, 4};
    experiment["sampling"] = json::array({{{"greedy", true}}, json::object()});
    std::ofstream(directory / "sums.jsonl") << R"({"prompt": "1+1?", "answer": "2"})";
    experiment["tasks"].push_back({{"file", "sums.jsonl"}});
    experiment["max_tokens"] = 4;
    Sweep asked = sweep();
    ASSERT_EQ(asked.cells().size(), 2U + 2U * (1U + 2U) * 3U) << "a text has one cell a policy";
    ExperimentStore store = ExperimentStore::create(directory / "e.mixo", identityOf(asked), factsOf(asked));
    const auto runs = runsOf(asked);
    for (const auto& [key, run] : runs) store.add(run);
    store.commit();
    const std::vector<CellResult> results = experimentResults(asked, store);
    double nll[2] = {};
    double tokens = 0.0;
    std::vector<WeightedSum> changes;
    for (std::size_t item = 0; item < asked.tasks().front().windows.size(); ++item) {
        const RunMeasures& base = runs.at({0, item}).measures;
        const RunMeasures& other = runs.at({1, item}).measures;
        nll[0] += base.nll;
        nll[1] += other.nll;
        tokens += static_cast<double>(base.scored_tokens);
        changes.push_back({other.nll - base.nll, static_cast<double>(base.scored_tokens)});
    }
    EXPECT_EQ(tokens, 700.0);
    for (std::size_t cell = 0; cell < 2; ++cell) {
        const CellResult& result = results[cell];
        EXPECT_NEAR(result.perplexity.mean, std::exp(nll[cell] / tokens), 1e-9);
        EXPECT_LT(result.perplexity.low, result.perplexity.mean);
        EXPECT_GT(result.perplexity.high, result.perplexity.mean);
        EXPECT_EQ(result.scored_tokens, 700);
        EXPECT_EQ(result.active_experts, cell == 0 ? 2.0 : 1.0);
        EXPECT_GT(result.tokens_per_s, 0.0);
        EXPECT_EQ(result.accuracy.trials, 0);
        EXPECT_FALSE(result.p_value.has_value());
        EXPECT_EQ(result.mode_errors + result.unfinished, 0);
        for (const double absent : {result.thinking_tokens.mean, result.answer_tokens.mean, result.ttft_ms})
            EXPECT_TRUE(std::isnan(absent));
    }
    EXPECT_TRUE(std::isnan(results[0].nll_change.mean));
    EXPECT_NEAR(results[1].nll_change.mean, (nll[1] - nll[0]) / tokens, 1e-12);
    EXPECT_NEAR(results[1].nll_change.low, ratioWithInterval(changes).low, 1e-12);
    EXPECT_TRUE(std::isnan(results[2].perplexity.mean)) << "sums are asked";
    EXPECT_FALSE(std::isnan(results[2].ttft_ms));

    const auto table = readCsv(resultsCsv(asked.experiment(), results), "results.csv");
    const auto field = [&](std::size_t row, const std::string& name) {
        const auto column = std::ranges::find(table[0], name);
        return column == table[0].end() ? "(no column)"
                                        : table[row][static_cast<std::size_t>(column - table[0].begin())];
    };
    for (const char* absent : {"mode", "budget", "sampling", "seed", "accuracy", "thinking_tokens", "p_value"})
        EXPECT_EQ(field(1, absent), "") << absent;
    EXPECT_EQ(std::stod(field(1, "perplexity")), results[0].perplexity.mean);
    EXPECT_EQ(std::stod(field(2, "nll_change_high")), results[1].nll_change.high);
    EXPECT_EQ(field(3, "perplexity") + field(3, "scored_tokens"), "");
}

TEST_F(TextScore, AWindowThatWasNotScoredWholeLeavesNoPerplexity) {
    Sweep asked = sweep();
    auto runs = runsOf(asked);
    RunResult& cut = runs.at({0, 2});
    cut.measures.nll = std::numeric_limits<double>::quiet_NaN();
    cut.stop_reason = StopReason::kError;
    ExperimentStore store = ExperimentStore::create(directory / "e.mixo", identityOf(asked), factsOf(asked));
    for (const auto& [key, run] : runs) store.add(run);
    store.commit();
    const CellResult result = experimentResults(asked, store).front();
    EXPECT_TRUE(std::isnan(result.perplexity.mean)) << "what was scored of it may be the easy part";
    EXPECT_EQ(result.unfinished, 1);
}

TEST_F(TextScore, AnotherTextIsAnotherExperiment) {
    const ExperimentIdentity before = identityOf(sweep());
    std::string text(701, 'a');
    writeText(text);
    const ExperimentIdentity of_a = identityOf(sweep());
    text.front() = 'b';
    writeText(text);
    EXPECT_NE(before.tasks_hash, of_a.tasks_hash);
    EXPECT_NE(identityOf(sweep()).tasks_hash, of_a.tasks_hash) << "also where no window scores what has changed";
}

}  // namespace
}  // namespace mixoscope
