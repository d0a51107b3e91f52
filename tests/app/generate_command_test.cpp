// `mixoscope generate`: text and JSON lines, counts, modes, budgets, seeds, messages, recording.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/run_program_test.h"
#include "sessions/session_file.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

class GenerateCommand : public testing::Test {
protected:
    GenerateCommand() { test::writeTinyModel(m_directory.path(), {.seed = 5}); }

    ProgramResult generate(const std::vector<std::string>& more) const {
        std::vector<std::string> arguments = {"generate", "--model", m_directory.path().string()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return runProgramWith(arguments);
    }
    std::filesystem::path inside(const std::string& name) const { return m_directory / name; }

    test::TemporaryDirectory m_directory;
};

std::vector<int> idsOf(const std::vector<json>& lines) {
    std::vector<int> ids;
    for (const json& line : lines) {
        if (line.contains("id")) ids.push_back(line["id"]);
    }
    return ids;
}

TEST_F(GenerateCommand, JsonLinesHaveTheDocumentedFieldsAndTheSummaryCountsThem) {
    const ProgramResult result =
        generate({"--prompt", "hello", "--max-tokens", "20", "--ignore-eos", "--json", "--seed", "3"});
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    const std::vector<json> lines = result.jsonLines();
    ASSERT_EQ(lines.size(), 21U);
    int thinking = 0;
    int answer = 0;
    for (std::size_t index = 0; index < 20; ++index) {
        const json& line = lines[index];
        ASSERT_EQ(line.size(), 6U) << line;
        EXPECT_TRUE(line["step"].is_number_integer());
        EXPECT_TRUE(line["id"].is_number_integer());
        EXPECT_TRUE(line["text"].is_string());
        EXPECT_FALSE(line["injected"].get<bool>());
        EXPECT_LE(line["logprob"].get<double>(), 0.0);
        const bool tag = line["id"] == test::kTinyThinkOpen || line["id"] == test::kTinyThinkClose;
        if (line["phase"] == "thinking" && !tag) ++thinking;
        if (line["phase"] == "answer" && !tag) ++answer;
    }
    const json& summary = lines[20]["summary"];
    EXPECT_EQ(summary["thinking_tokens"], thinking);
    EXPECT_EQ(summary["answer_tokens"], answer);
    EXPECT_EQ(summary["injected_tokens"], 0);
    EXPECT_EQ(summary["stop_reason"], "max_tokens");
    EXPECT_GT(summary["prompt_tokens"].get<int>(), 5);
    EXPECT_GT(summary["ttft_ms"].get<double>(), 0.0);
    EXPECT_GT(summary["tpot_ms"].get<double>(), 0.0);
    EXPECT_NEAR(summary["tokens_per_s"].get<double>() * summary["tpot_ms"].get<double>(), 1000.0, 1e-6);
}

TEST_F(GenerateCommand, TheBudgetInjectsTheEarlyStopText) {
    // Ids that open the block: the random weights would not.
    const std::string ids = "60,61," + std::to_string(test::kTinyThinkOpen);
    const ProgramResult result =
        generate({"--ids", ids, "--budget", "4", "--max-tokens", "200", "--ignore-eos", "--json"});
    ASSERT_EQ(result.status, 0) << result.err;
    const std::vector<json> lines = result.jsonLines();
    std::string injected;
    int before = 0;
    for (const json& line : lines) {
        if (!line.contains("id")) continue;
        if (line["injected"].get<bool>()) {
            injected += line["text"].get<std::string>();
            EXPECT_EQ(line["phase"], "thinking");
            EXPECT_TRUE(line["logprob"].is_null());
        } else if (injected.empty()) {
            ++before;
        }
    }
    EXPECT_EQ(
        injected,
        "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly "
        "now.\n</think>\n\n");
    EXPECT_GE(before, 4);
    EXPECT_LE(before, 7);  // a cut waits for the end of a character
    EXPECT_EQ(lines.back()["summary"]["thinking_tokens"], before);
    EXPECT_GT(lines.back()["summary"]["injected_tokens"].get<int>(), 100);
}

TEST_F(GenerateCommand, ABudgetOfZeroIsNoThinkTokenForToken) {
    const std::vector<std::string> common = {"--prompt",     "hello",  "--max-tokens", "24",
                                             "--ignore-eos", "--json", "--seed",       "8"};
    auto with = [&](std::vector<std::string> more) {
        more.insert(more.end(), common.begin(), common.end());
        const ProgramResult result = generate(more);
        EXPECT_EQ(result.status, 0) << result.err;
        return idsOf(result.jsonLines());
    };
    const std::vector<int> no_think = with({"--mode", "no_think"});
    EXPECT_EQ(no_think.size(), 24U);
    EXPECT_EQ(with({"--mode", "think", "--budget", "0"}), no_think);
    EXPECT_EQ(with({"--mode", "no_think", "--budget", "7"}), no_think);
    EXPECT_NE(with({"--mode", "think"}), no_think);
    EXPECT_EQ(with({"--mode", "think", "--budget", "unlimited"}), with({"--mode", "think"}));
}

TEST_F(GenerateCommand, TheModeFollowsTheTextWhenItIsAuto) {
    const auto promptTokens = [&](const std::string& prompt, const std::string& mode) {
        const ProgramResult result = generate({"--prompt", prompt, "--mode", mode, "--max-tokens", "1", "--json"});
        EXPECT_EQ(result.status, 0) << result.err;
        return result.jsonLines().back()["summary"]["prompt_tokens"].get<int>();
    };
    // no_think's prompt is longer: it carries the empty block.
    EXPECT_GT(promptTokens("x /no_think", "auto"), promptTokens("x /no_think", "think"));
    EXPECT_EQ(promptTokens("x /think", "auto"), promptTokens("x /think", "think"));
    EXPECT_EQ(promptTokens("x", "auto"), promptTokens("x", "think"));
}

TEST_F(GenerateCommand, SeedsAndGreedyAreReproducible) {
    const auto ids = [&](std::vector<std::string> more) {
        const std::vector<std::string> common = {"--prompt", "hello", "--max-tokens", "16", "--ignore-eos", "--json"};
        more.insert(more.end(), common.begin(), common.end());
        return idsOf(generate(more).jsonLines());
    };
    EXPECT_EQ(ids({"--seed", "1"}), ids({"--seed", "1"}));
    EXPECT_NE(ids({"--seed", "1"}), ids({"--seed", "2"}));
    EXPECT_EQ(ids({"--greedy", "--seed", "1"}), ids({"--greedy", "--seed", "2"}));
    EXPECT_EQ(ids({"--greedy"}), ids({"--temperature", "0"}));
    EXPECT_EQ(ids({"--greedy"}), ids({"--top-k", "1"}));
    EXPECT_EQ(ids({"--greedy"}), ids({"--top-p", "0.000001"}));
    EXPECT_EQ(ids({"--greedy"}), ids({"--min-p", "1"}));
    EXPECT_NE(ids({"--greedy"}), ids({"--greedy", "--repetition-penalty", "50"}));
    EXPECT_NE(ids({"--greedy"}), ids({"--greedy", "--presence-penalty", "50"}));
}

TEST_F(GenerateCommand, BackendsThreadsAndPoliciesAreObeyed) {
    const auto ids = [&](std::vector<std::string> more) {
        const std::vector<std::string> common = {"--prompt",     "hello",  "--max-tokens", "12",
                                                 "--ignore-eos", "--json", "--greedy"};
        more.insert(more.end(), common.begin(), common.end());
        const ProgramResult result = generate(more);
        EXPECT_EQ(result.status, 0) << result.err;
        return idsOf(result.jsonLines());
    };
    const std::vector<int> plain = ids({});
    EXPECT_EQ(ids({"--backend", "reference"}), plain);
    EXPECT_EQ(ids({"--threads", "1"}), plain);
    EXPECT_EQ(ids({"--policy", "model"}), plain);
    EXPECT_EQ(ids({"--policy", "top-k:k=2"}), plain);  // the checkpoint's own
    const auto logprob = [&](const std::string& policy) {
        return generate({"--prompt", "hello", "--max-tokens", "1", "--json", "--greedy", "--policy", policy})
            .jsonLines()[0]["logprob"]
            .get<double>();
    };
    EXPECT_EQ(logprob("top-k:k=2"), logprob("model"));
    EXPECT_NE(logprob("top-k:k=8"), logprob("model"));
}

TEST_F(GenerateCommand, EveryPolicyRunsOnTheDemoModelAndItsRecordingAddsUp) {
    const ProgramResult listed = runProgramWith({"policies", "--json"});
    ASSERT_EQ(listed.status, 0) << listed.err;
    std::vector<std::string> policies = {
        "any-experts:virtual=0.5", "top-k:k=1,capacity=1.25", "top-k:k=2,capacity=1,drop=score",
        "top-k:k=8,phase=thinking+top-k:k=4,phase=answer", "random:k=2+ban:experts=3-5/17,layers=0-2+force:experts=9"};
    for (const json& policy : listed.json()) {
        const bool needs_experts = policy["parameters"][0]["default"].is_null();
        policies.push_back(policy["name"].get<std::string>() + (needs_experts ? ":experts=1/60-63" : ""));
    }
    for (std::size_t index = 0; index < policies.size(); ++index) {
        const std::string session = inside(std::to_string(index) + ".mixo").string();
        const ProgramResult result =
            runProgramWith({"generate", "--model", "demo", "--prompt", "What is 47 + 85? /think", "--budget", "12",
                            "--max-tokens", "24", "--policy", policies[index], "--record", session, "--json"});
        ASSERT_EQ(result.status, 0) << policies[index] << ": " << result.err;
        const std::string csv = inside("csv" + std::to_string(index)).string();
        ASSERT_EQ(runProgramWith({"export", session, "--csv", csv}).status, 0);
        std::ifstream router(csv + "/router.csv");
        std::ifstream routing(csv + "/routing.csv");
        std::string line;
        int rows = 0;
        int selections = 0;
        int not_run = 0;
        std::getline(router, line);
        while (std::getline(router, line)) ++rows;
        std::getline(routing, line);
        while (std::getline(routing, line)) (line.ends_with(",1\r") ? not_run : selections) += 1;
        EXPECT_GT(rows, 4 * 16) << policies[index] << ": the prompt alone has more than 16 tokens";
        EXPECT_EQ(rows % 4, 0) << "the demo has four layers";
        if (policies[index].find("k=1,capacity") != std::string::npos) {
            EXPECT_EQ(selections + not_run, rows);
            EXPECT_GT(not_run, 0) << "a prompt of more than one token overflows somewhere";
        } else if (policies[index] == "model" || policies[index] == "round-robin") {
            EXPECT_EQ(selections, 4 * rows);
            EXPECT_EQ(not_run, 0);
        } else if (policies[index] == "any-experts:virtual=0.5") {
            EXPECT_GT(not_run, 0) << "virtual experts";
        }
    }
}

TEST_F(GenerateCommand, MessagesAndSystemMakeTheSamePromptAsTheirParts) {
    std::ofstream(inside("m.json")) << R"([{"role":"user","content":"hello"}])";
    std::ofstream(inside("s.json")) << R"([{"role":"system","content":"be brief"},{"role":"user","content":"hello"}])";
    const auto ids = [&](std::vector<std::string> more) {
        const std::vector<std::string> common = {"--max-tokens", "8", "--ignore-eos", "--json", "--greedy"};
        more.insert(more.end(), common.begin(), common.end());
        const ProgramResult result = generate(more);
        EXPECT_EQ(result.status, 0) << result.err;
        return result.jsonLines().back()["summary"]["prompt_tokens"].get<int>();
    };
    EXPECT_EQ(ids({"--messages", inside("m.json").string()}), ids({"--prompt", "hello"}));
    EXPECT_EQ(ids({"--messages", inside("s.json").string()}), ids({"--prompt", "hello", "--system", "be brief"}));
    const ProgramResult both = generate({"--messages", inside("s.json").string(), "--system", "be long"});
    EXPECT_EQ(both.status, 2);
    EXPECT_NE(both.err.find("already begin with a system message"), std::string::npos);
}

TEST_F(GenerateCommand, PlainTextGoesToStandardOutputAndTheFactsToTheOther) {
    const std::vector<std::string> common = {"--prompt", "hello", "--max-tokens", "10", "--ignore-eos", "--seed", "4"};
    std::vector<std::string> as_json = common;
    as_json.emplace_back("--json");
    std::string text;
    for (const json& line : generate(as_json).jsonLines()) {
        if (line.contains("text")) text += line["text"].get<std::string>();
    }
    const ProgramResult plain = generate(common);
    EXPECT_EQ(plain.out, text + "\n");
    EXPECT_NE(plain.err.find("tokens/s"), std::string::npos);
    EXPECT_NE(plain.err.find("stopped: max_tokens"), std::string::npos);
}

TEST_F(GenerateCommand, IdsNeedNoTokenizer) {
    const ProgramResult result =
        runProgramWith({"generate", "--model", "random:tiny", "--ids", "1,2,3", "--max-tokens", "5", "--json"});
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.jsonLines().size(), 6U);
    EXPECT_EQ(result.jsonLines()[0]["text"], "");
    EXPECT_EQ(result.jsonLines().back()["summary"]["prompt_tokens"], 3);
}

TEST_F(GenerateCommand, ARecordedTurnHoldsWhatWasPrinted) {
    const std::string session = inside("turn.mixo").string();
    const ProgramResult result = generate(
        {"--prompt", "hello", "--max-tokens", "12", "--ignore-eos", "--json", "--seed", "6", "--record", session});
    ASSERT_EQ(result.status, 0) << result.err;
    const SessionReader reader(session);
    std::vector<int> recorded;
    reader.replay(
        [&](const StepTrace& trace) {
            if (trace.next.id >= 0) recorded.push_back(trace.next.id);
        },
        [](const LaneEvent&) {});
    EXPECT_EQ(recorded, idsOf(result.jsonLines()));
    std::vector<std::string> messages;
    reader.messages([&](int, int, const std::string& text, int) { messages.push_back(text); });
    ASSERT_EQ(messages.size(), 2U);
    EXPECT_EQ(messages[0], "hello");
    EXPECT_EQ(reader.metadata("model_description"), "3 layers × 8 experts, top-2, F32");
    EXPECT_EQ(reader.metadata("context_tokens"), "512");
    EXPECT_FALSE(reader.metadata("backend").empty());
    // A refused turn leaves no file.
    const ProgramResult refused = generate({"--prompt", std::string(600, 'x'), "--record", inside("no.mixo").string()});
    EXPECT_EQ(refused.status, 2);
    EXPECT_FALSE(std::filesystem::exists(inside("no.mixo")));
    // A session is never written over.
    const ProgramResult again = generate({"--prompt", "hello", "--max-tokens", "2", "--record", session});
    EXPECT_EQ(again.status, 2);
    EXPECT_NE(again.err.find("turn.mixo"), std::string::npos) << again.err;
    // And its tables can be written.
    const ProgramResult exported = runProgramWith({"export", session, "--csv", inside("tables").string()});
    ASSERT_EQ(exported.status, 0) << exported.err;
    for (const char* name :
         {"tokens.csv", "routing.csv", "router.csv", "balance.csv", "settings.csv", "messages.csv", "run.json"}) {
        EXPECT_TRUE(std::filesystem::exists(inside("tables") / name)) << name;
    }
}

}  // namespace
}  // namespace mixoscope
