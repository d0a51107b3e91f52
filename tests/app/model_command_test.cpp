// `mixoscope info`, `tokenize` and `trace`.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "app/run_program_test.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

class ModelCommand : public testing::Test {
protected:
    ModelCommand() { test::writeTinyModel(m_directory.path()); }
    std::string model() const { return m_directory.path().string(); }
    ProgramResult tokenize(const std::string& input, std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"tokenize", "--model", model()});
        return runProgramWith(more, input);
    }
    test::TemporaryDirectory m_directory;
};

TEST_F(ModelCommand, PoliciesAreListedWithTheirParameters) {
    const ProgramResult result = runProgramWith({"policies", "--model", model(), "--json"});
    ASSERT_EQ(result.status, 0) << result.err;
    const json policies = result.json();
    ASSERT_EQ(policies.size(), 17U);
    const json& top_k = policies[1];
    EXPECT_EQ(top_k["name"], "top-k");
    EXPECT_EQ(top_k["role"], "chooses");
    EXPECT_EQ(top_k["view"], "row") << "without a capacity, as by default";
    EXPECT_EQ(top_k["causal"], true);
    EXPECT_EQ(top_k["parameters"][0]["key"], "k");
    EXPECT_EQ(top_k["parameters"][0]["maximum"], 8);
    EXPECT_EQ(top_k["parameters"][0]["default"], "2");
    EXPECT_EQ(top_k["parameters"][3]["choices"], (json{"position", "score"}));
    EXPECT_EQ(policies[13]["name"], "ban");
    EXPECT_EQ(policies[13]["role"], "edits");
    EXPECT_TRUE(policies[13]["parameters"][0]["default"].is_null()) << "must be given";
    const ProgramResult text = runProgramWith({"policies", "--model", model()});
    EXPECT_EQ(text.status, 0);
    for (const json& policy : policies)
        EXPECT_NE(text.out.find("\n" + policy["name"].get<std::string>()), std::string::npos);
    EXPECT_NE(text.out.find("phase (prompt, thinking, answer, or all; default all)"), std::string::npos) << text.out;
}

TEST_F(ModelCommand, InfoSaysWhatTheFilesSay) {
    const ProgramResult result = runProgramWith({"info", "--model", model(), "--json"});
    ASSERT_EQ(result.status, 0) << result.err;
    const json info = result.json();
    EXPECT_EQ(info["config"]["num_experts"], 8);
    EXPECT_EQ(info["config"]["num_experts_per_tok"], 2);
    EXPECT_EQ(info["moe_layers"], (json{0, 1, 2}));
    EXPECT_EQ(info["policies"][0], "model");
    EXPECT_EQ(info["policies"][1], "top-k");
    EXPECT_TRUE(info["tokenizer"].get<bool>());
    std::int64_t bytes = 0;
    for (const json& tensor : info["tensors"]) bytes += tensor["bytes"].get<std::int64_t>();
    EXPECT_EQ(info["weight_bytes"], bytes);
    EXPECT_GT(info["parameters"].get<std::int64_t>(), info["active_parameters"].get<std::int64_t>());
    const ProgramResult text = runProgramWith({"info", "--model", model()});
    EXPECT_EQ(text.status, 0);
    EXPECT_NE(text.out.find("8 in each of 3 layers, top 2"), std::string::npos) << text.out;
}

TEST_F(ModelCommand, TokenizeAnswersLineByLine) {
    const ProgramResult result = tokenize("ab\n\n<think>\n");
    ASSERT_EQ(result.status, 0) << result.err;
    ASSERT_EQ(result.lines().size(), 3U);
    EXPECT_EQ(result.lines()[0], R"({"ids":[97,98]})");
    EXPECT_EQ(result.lines()[1], R"({"ids":[]})");
    EXPECT_EQ(result.jsonLines()[2]["ids"], (json{test::kTinyThinkOpen}));
    EXPECT_EQ(tokenize("<|im_end|>\n").jsonLines()[0]["ids"], (json{test::kTinyEnd}));
    EXPECT_EQ(tokenize("<|im_end|>\n", {"--plain"}).jsonLines()[0]["ids"].size(), 10U);
}

TEST_F(ModelCommand, TokenizeDecodesAndSpeaksHex) {
    EXPECT_EQ(tokenize("[97, 98]\n[]\n", {"--decode"}).out, "{\"text\":\"ab\"}\n{\"text\":\"\"}\n");
    EXPECT_EQ(tokenize("610a62\n", {"--hex"}).out, "{\"ids\":[97,10,98]}\n");
    EXPECT_EQ(tokenize("[195]\n", {"--decode", "--hex"}).out, "{\"hex\":\"c3\"}\n");
    EXPECT_EQ(tokenize("[195]\n", {"--decode"}).out, "{\"text\":\"\xEF\xBF\xBD\"}\n");
}

TEST_F(ModelCommand, TokenizeNamesTheLineOfBadInput) {
    for (const auto& [input, option, message] :
         {std::tuple{"61\n6\n", "--hex", "line 2: bytes are written as two hexadecimal digits each"},
          {"zz\n", "--hex", "line 1: a character is no hexadecimal digit"},
          {"[1]\nhello\n", "--decode", "line 2: ids are written as a JSON array"},
          {"[1.5]\n", "--decode", "line 1: a token id is a whole number"},
          {"[-1]\n", "--decode", "found -1"},
          {"[99999999999999999999999]\n", "--decode", "a token id is a whole number"}}) {
        const ProgramResult result = tokenize(input, {option});
        EXPECT_EQ(result.status, 2) << input;
        EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    }
}

TEST_F(ModelCommand, TraceHasEveryTokenOfEveryLayer) {
    const ProgramResult result = runProgramWith({"trace", "--model", model(), "--ids", "5,6,7,8"});
    ASSERT_EQ(result.status, 0) << result.err;
    const json traced = result.json();
    EXPECT_EQ(traced["logits"].size(), 304U);
    ASSERT_EQ(traced["layers"].size(), 3U);
    for (std::size_t layer = 0; layer < 3; ++layer) {
        const json& entry = traced["layers"][layer];
        EXPECT_EQ(entry["layer"], layer);
        ASSERT_EQ(entry["experts"].size(), 4U);
        for (std::size_t token = 0; token < 4; ++token) {
            const std::vector<double> probabilities = entry["probabilities"][token];
            const std::vector<double> weights = entry["weights"][token];
            const std::vector<int> experts = entry["experts"][token];
            ASSERT_EQ(probabilities.size(), 8U);
            ASSERT_EQ(experts.size(), 2U);
            EXPECT_NEAR(std::accumulate(probabilities.begin(), probabilities.end(), 0.0), 1.0, 1e-5);
            EXPECT_NEAR(weights[0] + weights[1], 1.0, 1e-6);
            EXPECT_EQ(experts[0], std::ranges::max_element(probabilities) - probabilities.begin());
        }
    }
}

TEST_F(ModelCommand, TraceObeysPolicyBackendAndFile) {
    const std::string file = (m_directory / "trace.json").string();
    ASSERT_EQ(
        runProgramWith({"trace", "--model", model(), "--ids", "5,6", "--policy", "top-k:k=5", "--out", file}).status,
        0);
    std::ifstream stream(file);
    const json traced = json::parse(stream);
    EXPECT_EQ(traced["layers"][0]["experts"][1].size(), 5U);
    const json cpu = runProgramWith({"trace", "--model", model(), "--ids", "5,6"}).json();
    const json reference =
        runProgramWith({"trace", "--model", model(), "--ids", "5,6", "--backend", "reference"}).json();
    EXPECT_EQ(cpu["layers"][2]["experts"], reference["layers"][2]["experts"]);
    for (std::size_t id = 0; id < 304; ++id) {
        EXPECT_NEAR(cpu["logits"][id].get<double>(), reference["logits"][id].get<double>(), 1e-4);
    }
}

TEST_F(ModelCommand, TraceOfALongPromptEqualsItsChunks) {
    std::string ids = "1";
    for (int id = 2; id <= 200; ++id) ids += "," + std::to_string(id);
    const json traced = runProgramWith({"trace", "--model", model(), "--ids", ids}).json();
    EXPECT_EQ(traced["layers"][0]["experts"].size(), 200U);
    const json first = runProgramWith({"trace", "--model", model(), "--ids", "1,2,3"}).json();
    for (std::size_t token = 0; token < 3; ++token) {
        EXPECT_EQ(traced["layers"][2]["weights"][token], first["layers"][2]["weights"][token]);
    }
}

TEST_F(ModelCommand, ADenseModelHasNoLayersToTrace) {
    const test::TemporaryDirectory dense;
    test::writeTinyModel(dense.path(), {.experts = 0});
    const ProgramResult result = runProgramWith({"trace", "--model", dense.path().string(), "--ids", "5,6"});
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.json()["layers"], json::array());
    EXPECT_EQ(result.json()["logits"].size(), 304U);
}

}  // namespace
}  // namespace mixoscope
