// `mixoscope import`: a session from responses of another engine, its messages and exit status.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/run_program_test.h"
#include "support/routed_response.h"
#include "support/temporary_directory.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::ProgramResult;
using test::runProgramWith;

class ImportCommand : public testing::Test {
protected:
    ImportCommand() {
        test::writeTinyModel(m_directory.path());
        for (const auto& entry : std::filesystem::directory_iterator(m_directory.path())) {
            if (entry.path().extension() == ".safetensors") std::filesystem::remove(entry);
        }
        m_sequence.ids = {0, 1, 2, 3, 4, 5, 6, 7, 1, 0, 3, 2};
        write(test::vllmResponse(m_sequence).dump());
    }
    void write(const std::string& text) const { std::ofstream(m_directory / "r.jsonl") << text; }
    ProgramResult import(std::vector<std::string> more = {}) const {
        more.insert(more.begin(),
                    {"import", inside("r.jsonl"), "--model", m_directory.path().string(), "--out", inside("s.mixo")});
        return runProgramWith(more);
    }
    std::string inside(const std::string& name) const { return (m_directory / name).string(); }

    test::TemporaryDirectory m_directory;
    test::RoutedSequence m_sequence{
        .prompt = {'a', 'b'}, .generated = {'c'}, .layers = 3, .experts_per_token = 2, .ids = {}};
};

TEST_F(ImportCommand, SaysWhatItWroteAndOtherCommandsReadIt) {
    const ProgramResult result = import();
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    EXPECT_EQ(result.json(), (json{{"out", inside("s.mixo")},
                                   {"engine", "vLLM"},
                                   {"sequences", 1},
                                   {"tokens", 3},
                                   {"rows", 2},
                                   {"rows_unrecorded", 0}}));
    const ProgramResult exported = runProgramWith({"export", inside("s.mixo"), "--csv", inside("csv")});
    ASSERT_EQ(exported.status, 0) << exported.err;
    std::ifstream routing(m_directory / "csv" / "routing.csv");
    std::string line;
    std::getline(routing, line);
    std::getline(routing, line);
    EXPECT_EQ(line, "0,0,0,prompt,0,0,0,,0\r") << "no weight was recorded";
    const ProgramResult continued = runProgramWith({"generate", "--continue", inside("s.mixo")});
    EXPECT_EQ(continued.status, 2);
    EXPECT_NE(continued.err.find("Imported routing cannot be continued"), std::string::npos) << continued.err;
}

TEST_F(ImportCommand, RefusesBadInputWithOneMessage) {
    write(test::vllmResponse(m_sequence).dump() + "\n{\"choices\": [{\"token_ids\": []}]}\n");
    const ProgramResult result = import();
    EXPECT_EQ(result.status, 2);
    EXPECT_TRUE(test::isMessage(result.err)) << result.err;
    EXPECT_NE(result.err.find("r.jsonl, line 2, choices[0]"), std::string::npos) << result.err;
    EXPECT_FALSE(std::filesystem::exists(inside("s.mixo")));
    EXPECT_EQ(result.out, "");
}

TEST_F(ImportCommand, RefusesAnotherModelAndAFileThatIsThere) {
    const ProgramResult demo =
        runProgramWith({"import", inside("r.jsonl"), "--model", "demo", "--out", inside("s.mixo")});
    EXPECT_EQ(demo.status, 2);
    EXPECT_NE(demo.err.find("another shape than the model"), std::string::npos) << demo.err;
    ASSERT_EQ(import().status, 0);
    const auto bytes = std::filesystem::file_size(inside("s.mixo"));
    const ProgramResult again = import();
    EXPECT_EQ(again.status, 2);
    EXPECT_NE(again.err.find("s.mixo"), std::string::npos) << again.err;
    EXPECT_EQ(std::filesystem::file_size(inside("s.mixo")), bytes);
    const ProgramResult absent = runProgramWith(
        {"import", inside("absent.json"), "--model", m_directory.path().string(), "--out", inside("t.mixo")});
    EXPECT_EQ(absent.status, 2);
    EXPECT_NE(absent.err.find("absent.json"), std::string::npos) << absent.err;
    const ProgramResult no_model =
        runProgramWith({"import", inside("r.jsonl"), "--model", inside("nowhere"), "--out", inside("t.mixo")});
    EXPECT_EQ(no_model.status, 2);
    EXPECT_NE(no_model.err.find("nowhere"), std::string::npos) << no_model.err;
    EXPECT_FALSE(std::filesystem::exists(inside("t.mixo")));
}

}  // namespace
}  // namespace mixoscope
