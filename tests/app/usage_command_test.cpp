// Wrong usage and bad input: exit status 2, one line on the error stream that names what, where, expected and found.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "app/run_program_test.h"
#include "engine/model.h"
#include "support/paths.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using test::ProgramResult;
using test::runProgramWith;

struct BadUsage {
    std::vector<std::string> arguments;
    std::string message;  // a part of it
};

class UsageCommand : public testing::Test {
protected:
    UsageCommand() { test::writeTinyModel(m_directory.path()); }
    std::string model() const { return m_directory.path().string(); }
    std::string file(const std::string& name, const std::string& text) const {
        const std::string path = (m_directory / name).string();
        std::ofstream(path) << text;
        return path;
    }
    void expectRefused(const std::vector<BadUsage>& cases) const {
        for (const BadUsage& bad : cases) {
            const ProgramResult result = runProgramWith(bad.arguments);
            std::string line;
            for (const std::string& argument : bad.arguments) line += argument + " ";
            EXPECT_EQ(result.status, 2) << line << result.err;
            EXPECT_EQ(result.out, "") << line;
            EXPECT_TRUE(test::isMessage(result.err)) << line << result.err;
            EXPECT_NE(result.err.find(bad.message), std::string::npos) << line << result.err;
        }
    }

private:
    test::TemporaryDirectory m_directory;
};

TEST_F(UsageCommand, WrongWordsAndOptions) {
    expectRefused(
        {{{"fly"}, "There is no such command; expected a command"},
         {{"ganerate", "--prompt", "x"}, "found \"ganerate\". Did you mean generate? See mixoscope --help"},
         {{"sweeep"}, "Did you mean sweep?"},
         {{"info", "--modell", model()}, "--modell"},
         {{"info", "--model"}, "--model"},
         {{"generate", "--model", model()}, "--prompt"},
         {{"generate", "--model", model(), "--prompt", "x", "--ids", "1"}, "--ids"},
         {{"generate", "--model", model(), "--prompt", "x", "--mode", "maybe"}, "maybe"},
         {{"generate", "--model", model(), "--prompt", "x", "--greedy", "--temperature", "1"}, "--temperature"},
         {{"generate", "--model", model(), "--prompt", "x", "--max-tokens", "-1"}, "--max-tokens"},
         {{"generate", "--model", model(), "--prompt", "x", "--seed", "-1"}, "expected a whole number from 0"},
         {{"generate", "--model", model(), "--prompt", "x", "--seed", "99999999999999999999"}, "--seed"},
         {{"generate", "--model", model(), "--prompt", "x", "--seed", "one"}, "--seed"},
         {{"generate", "--model", model(), "--prompt", "x", "--backend", "gpu"}, "gpu"},
         {{"trace", "--model", model()}, "--ids"},
         {{"export"}, "session"}});
}

TEST_F(UsageCommand, BadValuesSayWhatIsExpected) {
    const auto generate = [&](std::vector<std::string> more) {
        std::vector<std::string> arguments = {"generate", "--model", model(), "--max-tokens", "2"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    };
    expectRefused(
        {{generate({"--prompt", ""}), "--prompt: This is empty; expected a text"},
         {generate({"--prompt", "  "}), "--prompt: This is empty"},
         {generate({"--ids", ""}), "--ids: This is empty; expected token ids"},
         {generate({"--prompt", "x", "--budget", "many"}), "--budget: This is no thinking budget"},
         {generate({"--prompt", "x", "--budget", "-4"}), "found \"-4\""},
         {generate({"--prompt", "x", "--budget", "4.5"}), "expected a whole number of at least 0, or unlimited"},
         {generate({"--prompt", "x", "--policy", "top-k:k=99"}), "expected a whole number from 1 to 8; found \"99\""},
         {generate({"--prompt", "x", "--policy", "best"}), "expected one of model, top-k"},
         {generate({"--prompt", "x", "--temperature", "-1"}), "temperature"},
         {generate({"--prompt", "x", "--top-p", "1.5"}), "top_p"},
         {generate({"--prompt", "x", "--top-k", "-3"}), "top_k"},
         {generate({"--prompt", "x", "--min-p", "2"}), "min_p"},
         {generate({"--ids", "1,2,x"}),
          "--ids, item 3: This is no token id of the model; expected a whole number from 0 "
          "to 303; found \"x\""},
         {generate({"--ids", "1,304"}), "found \"304\""},
         {generate({"--ids", "1,,2"}), "item 2"},
         {generate({"--ids", "-1"}), "item 1"},
         {generate({"--ids", "99999999999"}), "item 1"},
         {generate({"--prompt", std::string(600, 'x')}),
          "The prompt is too long for the context; expected at most 511 tokens"},
         {{"trace", "--model", model(), "--ids", "1", "--out", "/no/such/directory/f.json"},
          "/no/such/directory/f.json"}});
}

TEST_F(UsageCommand, BadMessageFilesSayWhere) {
    int files = 0;
    const auto with = [&](const std::string& json) {
        const std::string name = "messages" + std::to_string(++files) + ".json";
        return std::vector<std::string>{"generate", "--model", model(), "--messages", file(name, json)};
    };
    expectRefused(
        {{with("{"), "messages1.json: these are no messages"},
         {with("[]"), "these are no messages"},
         {with("{\"role\":\"user\"}"), "found object"},
         {with("[1]"), "message 1: a message is an object"},
         {with(R"([{"role":"user"}])"), "a field is missing"},
         {with(R"([{"role":"user","content":3}])"), "message 1, content: this is no text"},
         {with(R"([{"role":"robot","content":"x"}])"), "message 1, role: this is no role"},
         {with(R"([{"role":"user","content":"x"},{"role":"system","content":"y"}])"), "message 2, role"},
         {with(R"([{"role":"user","content":"x","name":"y"}])"), "found \"name\""},
         {{"generate", "--model", model(), "--messages", "/no/such/file"}, "/no/such/file: the file cannot be read"}});
}

TEST_F(UsageCommand, ModelsThatAreNone) {
    const std::string damaged = model();
    std::ofstream(std::filesystem::path(damaged) / "config.json") << "{\n";
    expectRefused(
        {{{"info", "--model", "/no/such/model"}, "/no/such/model"},
         {{"info", "--model", "random:nothing"}, "nothing"},
         {{"info", "--model", damaged},
          damaged + ": config.json: This is not valid JSON (line 2, column 1). The file may"},
         {{"generate", "--model", "random:tiny", "--prompt", "x"}, "no tokenizer"},
         {{"tokenize", "--model", "random:tiny"}, "no tokenizer"},
         {{"export", "/no/such/session.mixo", "--csv", (std::filesystem::temp_directory_path() / "x").string()},
          "/no/such/session.mixo"}});
}

TEST(ProgramCommand, HelpNamesTheShapesOfRandomModels) {
    const ProgramResult help = runProgramWith({"bench", "--help"});
    for (const std::string& name : randomModelNames()) EXPECT_NE(help.out.find(name), std::string::npos) << name;
}

TEST(ProgramCommand, HelpAndVersionAreNoErrors) {
    const ProgramResult help = runProgramWith({"--help"});
    EXPECT_EQ(help.status, 0);
    for (const char* command : {"info", "tokenize", "trace", "generate", "export"}) {
        EXPECT_NE(help.out.find(command), std::string::npos) << command;
        EXPECT_EQ(runProgramWith({command, "--help"}).status, 0) << command;
    }
    const ProgramResult version = runProgramWith({"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_NE(version.out.find("mixoscope "), std::string::npos);
}

/// The real program, as a shell runs it.
ProgramResult shell(const std::string& arguments) {
    std::FILE* pipe = popen((test::programPath().string() + " " + arguments + " 2>&1").c_str(), "r");
    ProgramResult result;
    std::array<char, 4096> buffer{};
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
        result.out.append(buffer.data(), count);
    result.status = WEXITSTATUS(pclose(pipe));
    return result;
}

TEST(ProgramCommand, TheRealProgramHandsOutStatusAndStreams) {
    const ProgramResult good = shell("generate --model random:tiny --ids 1,2,3 --max-tokens 3 --json");
    EXPECT_EQ(good.status, 0);
    EXPECT_EQ(good.jsonLines().size(), 4U);
    const ProgramResult bad = shell("generate --model random:tiny --ids 1,2,nothing");
    EXPECT_EQ(bad.status, 2);
    EXPECT_TRUE(test::isMessage(bad.out)) << bad.out;
}

TEST(ProgramCommand, TheDemoModelIsFoundThroughTheEnvironment) {
    const test::TemporaryDirectory resources;
    std::filesystem::create_directory(resources / "demo");
    test::writeTinyModel(resources / "demo");
    setenv("MIXOSCOPE_RESOURCES", resources.path().c_str(), 1);
    const ProgramResult result = runProgramWith({"info", "--json"});
    unsetenv("MIXOSCOPE_RESOURCES");
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.json()["config"]["vocab_size"], 304);
    EXPECT_EQ(result.json()["directory"], (resources / "demo").string());
}

}  // namespace
}  // namespace mixoscope
