// CSV export: every record once, layer numbers of the model, quoting by RFC 4180, figures equal to the probes'.
#include "sessions/csv_export.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "probes/load.h"
#include "sessions/csv_writer.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using test::TemporaryDirectory;

constexpr TraceShape kShape{3, 4, 16, false};
using Table = std::vector<std::vector<std::string>>;

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// A strict RFC 4180 reader of its own.
Table readCsv(const std::filesystem::path& path) {
    const std::string text = contentOf(path);
    Table table;
    std::vector<std::string> row;
    std::string field;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c != '"') {
                field += c;
            } else if (i + 1 < text.size() && text[i + 1] == '"') {
                field += '"';
                ++i;
            } else {
                quoted = false;
            }
        } else if (c == '"') {
            EXPECT_TRUE(field.empty()) << "a quote inside an unquoted field";
            quoted = true;
        } else if (c == ',' || c == '\r') {
            row.push_back(std::exchange(field, {}));
            if (c == '\r') {
                EXPECT_EQ(text[++i], '\n');
                table.push_back(std::exchange(row, {}));
            }
        } else {
            field += c;
        }
    }
    EXPECT_TRUE(row.empty() && field.empty()) << "the last line ends";
    for (const auto& line : table) EXPECT_EQ(line.size(), table.front().size()) << path;
    return table;
}

std::string header(const Table& table) {
    std::string text;
    for (const std::string& name : table.front()) text += (text.empty() ? "" : ",") + name;
    return text;
}

class CsvExport : public testing::Test {
protected:
    CsvExport() : records(test::recordSession(directory / "a.mixo", kShape, 2, 5)) {
        exportCsv(directory / "a.mixo", out);
    }
    Table table(const char* name) const { return readCsv(out / name); }

    TemporaryDirectory directory;
    std::filesystem::path out = directory / "csv" / "deep";
    std::vector<test::Record> records;
};

TEST_F(CsvExport, tablesHaveTheDocumentedColumns) {
    EXPECT_EQ(header(table("tokens.csv")), "lane,step,position,id,text,phase,injected,logprob,time_us");
    EXPECT_EQ(header(table("routing.csv")), "lane,step,position,phase,layer,slot,expert,weight,dropped");
    EXPECT_EQ(header(table("router.csv")), "lane,step,position,phase,layer,entropy,top1,margin");
    EXPECT_EQ(header(table("balance.csv")),
              "lane,phase,layer,rows,cv,cv_floor,excess_cv,max_violation,gini,normalised_entropy,unseen");
    EXPECT_EQ(header(table("settings.csv")), "lane,step,position,time_us,setting,old,new");
    EXPECT_EQ(header(table("messages.csv")), "turn,role,mode,text");
}

TEST_F(CsvExport, tablesOfWhatTheSessionDoesNotHaveAreLeftOut) {
    const std::array extra = {"lanes.csv", "attribution.csv", "comparison.csv", "forced.csv"};
    for (const char* name : extra) EXPECT_FALSE(std::filesystem::exists(out / name)) << name;
    std::ofstream(out / "lanes.csv") << "of another session";
    exportCsv(directory / "a.mixo", out);
    EXPECT_FALSE(std::filesystem::exists(out / "lanes.csv")) << "it would be taken for this session's";
}

TEST_F(CsvExport, routingHoldsEverySelectionOfEveryRow) {
    const Table routing = table("routing.csv");
    const Table router = table("router.csv");
    std::size_t at = 1;
    std::size_t router_at = 1;
    for (const auto& record : records) {
        if (record.is_event) continue;
        const StepTrace trace = record.row.view();
        for (std::size_t layer = 0; layer < 3; ++layer) {
            EXPECT_EQ(router.at(router_at)[4], std::to_string(layer + 1)) << "the model's layer number";
            EXPECT_EQ(std::stof(router.at(router_at)[7]), trace.router[layer].margin());
            ++router_at;
            for (std::size_t slot = 0; slot < 4; ++slot, ++at) {
                const auto& row = routing.at(at);
                EXPECT_EQ(row[1], std::to_string(trace.step));
                EXPECT_EQ(row[2], std::to_string(trace.token.position));
                EXPECT_EQ(row[4], std::to_string(layer + 1));
                EXPECT_EQ(row[5], std::to_string(slot));
                EXPECT_EQ(row[6], std::to_string(trace.expert_ids[layer * 4 + slot]));
                EXPECT_EQ(std::stof(row[7]), trace.expert_weights[layer * 4 + slot]) << "reads back bit for bit";
                EXPECT_EQ(row[8], "0");
            }
        }
    }
    EXPECT_EQ(at, routing.size());
    EXPECT_EQ(router_at, router.size());
}

TEST_F(CsvExport, everyTokenAppearsOnceWithTheStepThatChoseIt) {
    const Table tokens = table("tokens.csv");
    std::size_t rows = 0;
    std::size_t ends = 0;
    for (const auto& record : records) rows += record.is_event ? 0 : 1;
    std::map<std::pair<std::string, std::string>, int> seen;  // (step and position) of generated tokens
    for (std::size_t i = 1; i < tokens.size(); ++i) {
        ends += tokens[i][4] == "<|im_end|>" ? 1 : 0;
        EXPECT_EQ(tokens[i][7].empty(), tokens[i][5] == "prompt") << "a log probability where the model chose";
        EXPECT_EQ(++seen[std::make_pair(tokens[i][1], tokens[i][2])], 1);
    }
    EXPECT_EQ(ends, 2U) << "chosen, never fed";
    EXPECT_EQ(tokens.size() - 1, rows + ends);
}

TEST_F(CsvExport, balanceEqualsTheProbes) {
    LoadCounter counter(kShape);
    for (const auto& record : records)
        if (!record.is_event) counter.add(record.row.view());
    const Table balance = table("balance.csv");
    ASSERT_EQ(balance.size(), 1U + 3 * 3);
    for (int phase = 0; phase < 3; ++phase) {
        for (std::int32_t layer = 0; layer < 3; ++layer) {
            const auto& row = balance[static_cast<std::size_t>(1 + phase * 3 + layer)];
            const LayerLoad& load = counter.layer(static_cast<Phase>(phase), layer);
            const BalanceMeasures measures = measureBalance(load);
            EXPECT_EQ(row[3], std::to_string(load.rows));
            EXPECT_EQ(std::stod(row[4]), measures.cv);
            EXPECT_EQ(std::stod(row[8]), measures.gini);
            EXPECT_EQ(row[10], std::to_string(measures.unseen));
        }
    }
}

TEST_F(CsvExport, messagesAndRunFactsAreComplete) {
    const Table messages = table("messages.csv");
    ASSERT_EQ(messages.size(), 5U);
    EXPECT_EQ(messages[3], (std::vector<std::string>{"1", "user", "think", "question, \"1\"\nsecond line"}));
    const auto run = nlohmann::json::parse(contentOf(out / "run.json"));
    EXPECT_EQ(run["model"]["config"]["num_experts"], 16);
    EXPECT_EQ(run["model"]["moe_layers"], nlohmann::json({1, 2, 3}));
    EXPECT_EQ(run["lost"], 0);
    EXPECT_EQ(run["tokens"].get<std::size_t>(), table("tokens.csv").size() - 1);
}

TEST(CsvSettings, haveARowForEachSettingAndForEachChange) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    {
        test::RingAndKeeper sink(kShape, 1024);
        test::SyntheticEngine engine(kShape, 1, sink);
        Recorder recorder(test::syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        LaneSettings settings;
        recorder.addTurnSettings(0, 0, settings);
        engine.play(0, {});
        LaneEvent event;
        event.kind = LaneEventKind::kBudgetChanged;
        event.old_value = kUnlimitedBudget;
        event.value = 7;
        event.position = 11;
        engine.event(event);
        event.kind = LaneEventKind::kSamplingChanged;
        const std::string sampling = R"({"temperature":0.25,"top_k":20})";
        std::copy(sampling.begin(), sampling.end(), event.text);
        engine.event(event);
        event.kind = LaneEventKind::kEarlyStopChanged;
        const std::string early_stop = R"({"early_stop":"so,\n</think>","early_stop_soft_rank":2})";
        std::fill(std::begin(event.text), std::end(event.text), '\0');
        std::copy(early_stop.begin(), early_stop.end(), event.text);
        engine.event(event);
        event.kind = LaneEventKind::kMaxTokensChanged;
        event.value = 30;
        engine.event(event);
        event.kind = LaneEventKind::kIgnoreEosChanged;
        event.value = 1;
        engine.event(event);
        settings.budget = 7;
        settings.sampling.temperature = 0.25F;
        settings.early_stop = {.text = "so,\n</think>", .soft_rank = 2};
        settings.ignore_eos = true;
        settings.max_tokens = 9;
        recorder.addTurnSettings(1, 0, settings);
        engine.play(0, {});
    }
    exportCsv(file, directory / "csv");
    const Table table = readCsv(directory / "csv" / "settings.csv");
    std::map<std::string, std::vector<std::string>> values;
    for (std::size_t i = 1; i < table.size(); ++i) values[table[i][4]].push_back(table[i][5] + ">" + table[i][6]);
    using Values = std::vector<std::string>;
    EXPECT_EQ(values["budget"], (Values{">unlimited", "unlimited>7"}));
    EXPECT_EQ(values["temperature"], (Values{">0.6", "0.6>0.25"})) << "once, not again at the next turn";
    EXPECT_EQ(values["mode"], (Values{">think"}));
    EXPECT_EQ(values["policy"], (Values{">model"}));
    EXPECT_EQ(values["top_k"], (Values{">20"}));
    EXPECT_EQ(values["max_tokens"], (Values{">0", "0>30", "30>9"})) << "the last one told by no event";
    EXPECT_EQ(values["early_stop"].size(), 2U);
    EXPECT_TRUE(values["early_stop"].back().ends_with(">so,\n</think>")) << values["early_stop"].back();
    EXPECT_EQ(values["early_stop_soft_rank"], (Values{">0", "0>2"}));
    EXPECT_EQ(values["ignore_eos"], (Values{">false", "false>true"}));
    EXPECT_EQ(values.size(), 16U);
}

TEST(CsvRecords, tellWhatRanWhatDidNotAndWhatWasInjected) {
    const TemporaryDirectory directory;
    const auto file = directory / "a.mixo";
    {
        test::RingAndKeeper sink(kShape, 1024);
        RecordingOptions options = test::syntheticRecording(file, kShape);
        options.model.config_json = "not JSON";
        Recorder recorder(std::move(options), sink.ring, sink.ring->makeReader());
        const std::int16_t dropped = static_cast<std::int16_t>(notRunId(std::int16_t{7}));
        const std::vector<std::int16_t> ids{3, dropped, -1, -1, 5};  // the second layer's record is cut off
        const std::vector<float> weights{0.75F, 0.0F, 0.0F, 0.0F};
        const std::vector<RouterFacts> router(3);
        StepTrace trace;
        trace.expert_ids = ids;
        trace.expert_weights = weights;
        trace.router = router;
        trace.token = {.position = 0, .id = 'a'};
        trace.next = {.position = 1, .id = 'b', .phase = Phase::kThinking, .flags = token_flag::kInjected};
        sink.onRow(trace);
        ++trace.serial;
        trace.token = {.position = 1, .id = 'c', .phase = Phase::kAnswer};  // another than was chosen
        trace.next = {};
        sink.onRow(trace);
        LaneEvent event;
        event.value = 9;
        event.serial = trace.serial;
        for (const LaneEventKind kind :
             {LaneEventKind::kAnswerNow, LaneEventKind::kBudgetReached, LaneEventKind::kStopped}) {
            event.kind = kind;
            ++event.serial;
            sink.onEvent(event);
        }
        ASSERT_TRUE(recorder.flush());
    }
    exportCsv(file, directory / "csv");
    const auto column = [&](const char* name, std::initializer_list<std::size_t> columns) {
        const Table table = readCsv(directory / "csv" / name);
        std::vector<std::string> lines;
        for (std::size_t row = 1; row < table.size(); ++row) {
            std::string line;
            for (const std::size_t at : columns) line += (line.empty() ? "" : " ") + table[row][at];
            lines.push_back(line);
        }
        return lines;
    };
    using Lines = std::vector<std::string>;
    EXPECT_EQ(column("tokens.csv", {2, 4, 5, 6}), (Lines{"0 a prompt 0", "1 b thinking 1", "1 c answer 0"}));
    EXPECT_EQ(column("routing.csv", {2, 4, 5, 6, 7, 8}), (Lines{"0 1 0 3 0.75 0", "0 1 1 7 0 1",  //
                                                                "1 1 0 3 0.75 0", "1 1 1 7 0 1"}));
    EXPECT_EQ(column("settings.csv", {4, 6}), (Lines{"answer_now 9", "budget_reached 9", "stopped "}));
    const auto run = nlohmann::json::parse(contentOf(directory / "csv" / "run.json"));
    EXPECT_TRUE(run["model"]["config"].is_null()) << "what cannot be read is not made up";
    EXPECT_TRUE(run["model"]["files"].is_array());
}

TEST(CsvWriter, quotesByRfc4180) {
    const TemporaryDirectory directory;
    CsvWriter writer(directory / "t.csv", "a,b");
    const std::string hard[] = {"plain", "a,b", "say \"hi\"", "two\r\nlines", "", "\"", "naïve 日本", " spaces "};
    for (const std::string& text : hard) writer.field(text).field(std::numeric_limits<double>::quiet_NaN()).endRow();
    writer
        .field(
            "\xFF"
            "x")
        .field(0.1F)
        .endRow();
    writer.close();
    const Table table = readCsv(directory / "t.csv");
    for (std::size_t i = 0; i < std::size(hard); ++i) {
        EXPECT_EQ(table[i + 1][0], hard[i]);
        EXPECT_EQ(table[i + 1][1], "");
    }
    EXPECT_EQ(table.back()[0], "\xEF\xBF\xBDx") << "invalid UTF-8 is replaced";
    EXPECT_EQ(table.back()[1], "0.1");
    EXPECT_NE(contentOf(directory / "t.csv").find("\"say \"\"hi\"\"\""), std::string::npos);
}

TEST(CsvWriter, aDirectoryThatCannotBeWrittenIsAnError) {
    const TemporaryDirectory directory;
    test::recordSession(directory / "a.mixo", kShape, 1, 5);
    std::ofstream(directory / "file") << "x";
    const auto message = [&](const std::filesystem::path& to) -> std::string {
        try {
            exportCsv(directory / "a.mixo", to);
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    EXPECT_NE(message(directory / "file" / "csv").find("The directory cannot be created"), std::string::npos);
    for (const char* name : {"tokens.csv", "run.json"}) {
        const auto out = directory / ("out of " + std::string(name));
        std::filesystem::create_directories(out / name);  // a directory where a file should be
        EXPECT_NE(message(out).find(std::string(name) + ": This file cannot be written"), std::string::npos)
            << message(out);
    }
    std::filesystem::create_directory(directory / "full");
    std::filesystem::create_symlink("/dev/full", directory / "full" / "balance.csv");
    EXPECT_NE(message(directory / "full").find("balance.csv: This file could not be written completely"),
              std::string::npos)
        << message(directory / "full");
    EXPECT_THROW(exportCsv(directory / "none.mixo", directory / "csv"), Error);
    EXPECT_FALSE(std::filesystem::exists(directory / "csv")) << "nothing is begun for a session that cannot be read";
}

}  // namespace
}  // namespace mixoscope
