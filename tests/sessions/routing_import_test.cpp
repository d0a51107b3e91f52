// Routing of other engines becomes a session with the same experts; what they do not tell is absent in every table, and
// what does not fit is refused with file and field.
#include "sessions/routing_import.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>
#include <random>

#include "engine/model_description.h"
#include "sessions/csv_export.h"
#include "sessions/npz_export.h"
#include "sessions/perfetto_export.h"
#include "sessions/session_file.h"
#include "sessions/session_snapshot.h"
#include "sessions/workbench_fixture_test.h"
#include "support/recorded_session.h"
#include "support/routed_response.h"

namespace mixoscope {
namespace {

using nlohmann::json;
using test::RoutedSequence;

/// Distinct experts for each token and layer.
RoutedSequence randomSequence(std::size_t prompt, std::size_t generated, std::int64_t layers, std::int64_t k,
                              std::int64_t experts) {
    std::mt19937 random(7);
    RoutedSequence sequence{.prompt = {}, .generated = {}, .layers = layers, .experts_per_token = k, .ids = {}};
    for (std::size_t i = 0; i < prompt; ++i) sequence.prompt.push_back(static_cast<TokenId>('a' + i % 26));
    for (std::size_t i = 0; i < generated; ++i) sequence.generated.push_back(static_cast<TokenId>('A' + i % 26));
    std::vector<std::int16_t> all(static_cast<std::size_t>(experts));
    std::iota(all.begin(), all.end(), std::int16_t{0});
    for (std::size_t cell = 0; cell < (prompt + generated - 1) * static_cast<std::size_t>(layers); ++cell) {
        std::shuffle(all.begin(), all.end(), random);
        sequence.ids.insert(sequence.ids.end(), all.begin(), all.begin() + k);
    }
    return sequence;
}

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<StepTrace> rowsOf(const std::vector<test::Record>& records) {
    std::vector<StepTrace> rows;
    for (const test::Record& record : records) {
        if (!record.is_event) rows.push_back(record.row.view());
    }
    return rows;
}

class RoutingImport : public testing::Test {
protected:
    RoutingImport() { describe(test::tinyConfig()); }

    /// A model directory without weights.
    void describe(const json& config) {
        std::filesystem::create_directories(model_directory);
        std::ofstream(model_directory / "config.json") << config;
        std::ofstream(model_directory / "generation_config.json") << json{{"eos_token_id", test::kTinyEnd}};
        std::ofstream(model_directory / "tokenizer.json") << test::tinyTokenizerJson();
    }
    ImportedRouting import(const std::string& text, const std::string& name = "responses.json") {
        std::filesystem::remove(session);
        std::ofstream(directory / name) << text;
        return importRouting(directory / name, openModelDescription(model_directory.string(), {}), session);
    }
    ImportedRouting import(const json& response) { return import(response.dump()); }
    std::string refusal(const std::string& text) {
        try {
            import(text);
        } catch (const Error& error) {
            EXPECT_NE(error.parts().where.find("responses.json"), std::string::npos) << error.what();
            EXPECT_FALSE(std::filesystem::exists(session)) << "a half session is no session";
            EXPECT_FALSE(std::filesystem::exists(session.string() + "-wal"));
            return error.what();
        }
        return {};
    }
    std::string refusal(const json& response) { return refusal(response.dump()); }

    test::TemporaryDirectory directory;
    std::filesystem::path model_directory = directory / "served";
    std::filesystem::path session = directory / "imported.mixo";
};

// --- round trip
// --------------------------------------------------------------------------------------------------------

class RoutingRoundTrip : public test::WorkbenchTest {};

TEST_F(RoutingRoundTrip, expertsAndTokensAreThoseThatOurEngineRecorded) {
    open();
    change([](LaneSettings& settings) { settings.max_tokens = 30; });
    turn("hello");
    ASSERT_TRUE(workbench->flush());
    const auto recorded_file = workbench->snapshot()->recorder.file;
    workbench.reset();
    const std::vector<test::Record> records = test::replayed(recorded_file);
    const std::vector<StepTrace> recorded = rowsOf(records);
    ASSERT_GT(recorded.size(), 30U);

    RoutedSequence sequence{.prompt = {}, .generated = {}, .layers = 3, .experts_per_token = 2, .ids = {}};
    for (const StepTrace& row : recorded) {
        if (row.token.phase == Phase::kPrompt) sequence.prompt.push_back(row.token.id);
        if (row.next.id >= 0) sequence.generated.push_back(row.next.id);
        sequence.ids.insert(sequence.ids.end(), row.expert_ids.begin(), row.expert_ids.end());
    }
    ASSERT_EQ(recorded.size(), sequence.prompt.size() + sequence.generated.size() - 1);
    const Model model = openModelDescription(model_directory.string(), {});
    const auto original = snapshotOfSession(recorded_file);
    for (const auto& [name, response] : {std::pair{"vllm", test::vllmResponse(sequence)},
                                         {"lists", test::vllmListsResponse(sequence)},
                                         {"sglang", test::sglangResponse(sequence)}}) {
        SCOPED_TRACE(name);
        const auto file = directory / (std::string(name) + ".json");
        std::ofstream(file) << response;
        const auto session = directory / (std::string(name) + ".mixo");
        const ImportedRouting imported = importRouting(file, model, session);
        EXPECT_EQ(imported.engine, name == std::string("sglang") ? "SGLang" : "vLLM");
        EXPECT_EQ(imported.rows, std::ssize(recorded));
        EXPECT_EQ(imported.rows_unrecorded, 0);

        const std::vector<test::Record> found_records = test::replayed(session);
        const std::vector<StepTrace> found = rowsOf(found_records);
        ASSERT_EQ(found.size(), recorded.size());
        for (std::size_t row = 0; row < found.size(); ++row) {
            ASSERT_TRUE(std::ranges::equal(found[row].expert_ids, recorded[row].expert_ids)) << row;
            EXPECT_TRUE(found[row].expert_weights.empty()) << "nobody told them";
            EXPECT_EQ(found[row].token.id, recorded[row].token.id);
            EXPECT_EQ(found[row].token.position, recorded[row].token.position);
            EXPECT_EQ(found[row].token.phase, recorded[row].token.phase) << row;
            EXPECT_EQ(found[row].token.thinking_tokens, recorded[row].token.thinking_tokens) << row;
            EXPECT_EQ(found[row].next.id, recorded[row].next.id);
            EXPECT_EQ(found[row].next.flags, recorded[row].next.flags) << row;
            EXPECT_EQ(found[row].serial, static_cast<std::int64_t>(row) + 1) << "after the event that begins the turn";
        }
        const auto snapshot = snapshotOfSession(session);
        ASSERT_EQ(snapshot->conversation.size(), 2U);
        EXPECT_EQ(snapshot->conversation[0].text, "hello");
        EXPECT_EQ(snapshot->conversation[1].text, original->conversation.back().text);
        EXPECT_EQ(snapshot->conversation[1].thinking, original->conversation.back().thinking);
        for (std::int32_t layer = 0; layer < 3; ++layer)
            EXPECT_EQ(snapshot->lanes[0].load->layer(Phase::kPrompt, layer).selections,
                      original->lanes[0].load->layer(Phase::kPrompt, layer).selections)
                << "load is there to compare";
    }
}

// --- what becomes of a response
// ------------------------------------------------------------------------------------------

TEST_F(RoutingImport, absentValuesAreAbsentInSnapshotChecksAndTables) {
    import(test::vllmResponse(randomSequence(5, 4, 3, 2, 8)));
    const auto snapshot = snapshotOfSession(session);
    ASSERT_TRUE(snapshot->model);
    EXPECT_EQ(snapshot->model->imported_from, "vLLM");
    EXPECT_EQ(snapshot->model->description, "3 layers × 8 experts, top-2");
    EXPECT_EQ(snapshot->model->name, "served");
    const LaneSnapshot& lane = snapshot->lanes.at(0);
    ASSERT_EQ(lane.history.rowCount(), 8);
    ASSERT_EQ(lane.history.tokenCount(), 9);
    EXPECT_TRUE(std::isnan(lane.history.weights(3, 1)[0]));
    EXPECT_TRUE(std::isnan(lane.history.router(3, 1).entropy));
    EXPECT_TRUE(std::isnan(lane.history.router(3, 1).margin()));
    EXPECT_EQ(lane.history.router(3, 1).active, 2);
    EXPECT_EQ(lane.turns.at(0).ttft_ms, 0.0);
    EXPECT_EQ(lane.turns[0].first_token_us, -1) << "not clocked";
    EXPECT_EQ(lane.turns[0].stop_reason, StopReason::kEndOfTurn);
    for (const CheckResult& check : lane.checks) {
        EXPECT_TRUE(check.holds) << check.name;
        if (check.kind == CheckKind::kWeightSums) {
            EXPECT_FALSE(check.ran);
            EXPECT_EQ(check.equation, "no weights were recorded");
        } else if (check.kind == CheckKind::kSelections) {
            EXPECT_TRUE(check.ran);
            EXPECT_EQ(check.equation, "48 = 8 × 3 × 2 − 0");
        }
    }

    exportCsv(session, directory / "csv");
    const std::string routing = contentOf(directory / "csv" / "routing.csv");
    EXPECT_EQ(std::ranges::count(routing, '\n'), 1 + 8 * 3 * 2);
    EXPECT_NE(routing.find("\r\n0,0,0,prompt,0,0,"), std::string::npos) << routing;
    EXPECT_EQ(routing.find("nan"), std::string::npos);
    std::istringstream lines(routing);
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) EXPECT_TRUE(line.ends_with(",,0\r")) << "no weight, not dropped: " << line;
    const std::string router = contentOf(directory / "csv" / "router.csv");
    EXPECT_NE(router.find("0,0,0,prompt,0,,,\r\n"), std::string::npos) << router;
    const std::string tokens = contentOf(directory / "csv" / "tokens.csv");
    EXPECT_NE(tokens.find("0,0,5,65,A,answer,0,,\r\n"), std::string::npos) << tokens;
    const json run = json::parse(contentOf(directory / "csv" / "run.json"));
    EXPECT_EQ(run["imported_from"], "vLLM");
}

TEST_F(RoutingImport, numpyFindsNoNumbersWhereNoneWereRecorded) {
    if (std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
        GTEST_SKIP() << "python3-numpy is not installed; app/setup.sh names it";
    import(test::sglangResponse(randomSequence(5, 4, 3, 2, 8)));
    exportNpz(session, directory / "a.npz");
    const std::string script =
        "import numpy as np, sys; z = np.load(sys.argv[1]); "
        "assert z['experts'].shape == (8, 3, 2) and z['ran'].all() and np.isnan(z['weights']).all() "
        "and np.isnan(z['entropy']).all() and np.isnan(z['top1']).all() and np.isnan(z['margin']).all()";
    EXPECT_EQ(std::system(("/usr/bin/python3 -c \"" + script + "\" " + (directory / "a.npz").string()).c_str()), 0);
}

TEST_F(RoutingImport, readsWhatNumpyWrites) {
    if (std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
        GTEST_SKIP() << "python3-numpy is not installed; app/setup.sh names it";
    const std::string script = R"(
import base64, io, json, sys
import numpy as np
ids = (np.arange(8 * 3)[:, None] + np.array([0, 3])) % 8
lines = []
for dtype in ('uint8', 'uint16', 'int32', 'int64'):
    stream = io.BytesIO()
    np.save(stream, ids.reshape(8, 3, 2).astype(dtype))
    lines.append(json.dumps({'prompt_token_ids': [97] * 5, 'choices': [
        {'token_ids': [98] * 4, 'routed_experts': base64.b64encode(stream.getvalue()).decode()}]}))
open(sys.argv[1], 'w').write('\n'.join(lines))
)";
    std::ofstream(directory / "write.py") << script;
    const auto file = directory / "numpy.jsonl";
    ASSERT_EQ(std::system(("/usr/bin/python3 " + (directory / "write.py").string() + " " + file.string()).c_str()), 0);
    const ImportedRouting imported = importRouting(file, openModelDescription(model_directory.string(), {}), session);
    EXPECT_EQ(imported.sequences, 4);
    const std::vector<test::Record> records = test::replayed(session);
    const std::vector<StepTrace> rows = rowsOf(records);
    ASSERT_EQ(rows.size(), 32U);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (std::size_t layer = 0; layer < 3; ++layer) {
            EXPECT_EQ(rows[row].expert_ids[layer * 2], static_cast<std::int16_t>((row % 8 * 3 + layer) % 8));
            EXPECT_EQ(rows[row].expert_ids[layer * 2 + 1], static_cast<std::int16_t>((row % 8 * 3 + layer + 3) % 8));
        }
    }
}

TEST_F(RoutingImport, timingCannotBeExported) {
    import(test::vllmResponse(randomSequence(5, 4, 3, 2, 8)));
    try {
        exportPerfetto(session, directory / "a.json");
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("routing imported from vLLM"), std::string::npos) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(directory / "a.json"));
}

TEST_F(RoutingImport, eachSequenceOfEachLineIsATurn) {
    RoutedSequence second = randomSequence(7, 3, 3, 2, 8);
    second.generated.back() = test::kTinyEnd;
    json two = test::vllmResponse(second);
    two["choices"].push_back(two["choices"][0]);
    two["choices"][1]["finish_reason"] = "length";
    const std::string lines = test::sglangResponse(randomSequence(5, 4, 3, 2, 8)).dump() + "\n\n  \r\n" + two.dump();
    const ImportedRouting imported = import(lines);
    EXPECT_EQ(imported.engine, "SGLang, vLLM");
    EXPECT_EQ(imported.sequences, 3);
    EXPECT_EQ(imported.tokens, 9 + 10 + 10);
    EXPECT_EQ(imported.rows, 8 + 9 + 9);
    const auto snapshot = snapshotOfSession(session);
    const LaneSnapshot& lane = snapshot->lanes.at(0);
    ASSERT_EQ(lane.turns.size(), 3U);
    EXPECT_EQ(lane.turns[0].answer_text, "ABCD");
    EXPECT_EQ(lane.turns[1].answer_text, "AB") << "without the end of the turn";
    EXPECT_EQ(lane.turns[1].stop_reason, StopReason::kEndOfTurn);
    EXPECT_EQ(lane.turns[2].stop_reason, StopReason::kMaxTokens);
    EXPECT_EQ(lane.historyOfTurn(0).tokenCount(), 9);
    EXPECT_EQ(lane.historyOfTurn(1).tokenCount(), 10);
    ASSERT_EQ(snapshot->conversation.size(), 6U);
    EXPECT_EQ(snapshot->conversation[0].text, "abcde");
    EXPECT_EQ(snapshot->conversation[4].text, "abcdefg");
    for (const CheckResult& check : lane.checks) EXPECT_TRUE(check.holds) << check.name << check.violation;

    json list = json::array({test::vllmListsResponse(second), test::vllmListsResponse(second)});
    EXPECT_EQ(import(list.dump(2)).sequences, 2) << "a list over several lines";
}

TEST_F(RoutingImport, columnsOfDenseLayersAreLeftOut) {
    json config = test::tinyConfig();
    config["mlp_only_layers"] = {1};
    describe(config);
    RoutedSequence sequence = randomSequence(5, 4, 3, 2, 8);
    RoutedSequence moe_only = sequence;
    moe_only.layers = 2;
    moe_only.ids.clear();
    for (std::size_t cell = 0; cell < 8 * 3; ++cell) {
        const auto begin = sequence.ids.begin() + static_cast<std::ptrdiff_t>(cell * 2);
        if (cell % 3 == 1) {
            std::fill_n(begin, 2, std::int16_t{0});  // what SGLang's buffer holds there
        } else {
            moe_only.ids.insert(moe_only.ids.end(), begin, begin + 2);
        }
    }
    for (const json& response : {test::sglangResponse(sequence), test::vllmResponse(sequence),
                                 test::vllmResponse(moe_only), test::vllmListsResponse(moe_only)}) {
        import(response);
        const SessionReader reader(session);
        EXPECT_EQ(reader.model().moe_layers, (std::vector<std::int32_t>{0, 2}));
        const std::vector<test::Record> records = test::replayed(session);
        std::vector<std::int16_t> ids;
        for (const StepTrace& row : rowsOf(records))
            ids.insert(ids.end(), row.expert_ids.begin(), row.expert_ids.end());
        EXPECT_EQ(ids, moe_only.ids);
    }
}

TEST_F(RoutingImport, rowsThatTheEngineDidNotRecordHaveNoExperts) {
    RoutedSequence sequence = randomSequence(5, 4, 3, 2, 8);
    std::fill_n(sequence.ids.begin(), 2 * 3 * 2, std::int16_t{-1});  // two tokens of a cached prefix
    EXPECT_EQ(import(test::vllmListsResponse(sequence)).rows_unrecorded, 2);
    const auto snapshot = snapshotOfSession(session);
    const LaneSnapshot& lane = snapshot->lanes.at(0);
    EXPECT_EQ(lane.history.router(1, 0).active, 0);
    EXPECT_EQ(lane.history.router(2, 0).active, 2);
    EXPECT_EQ(lane.load->layer(Phase::kPrompt, 0).total(), 3 * 2);
    const auto layers = std::ranges::find(lane.checks, CheckKind::kLayers, &CheckResult::kind);
    ASSERT_NE(layers, lane.checks.end());
    EXPECT_EQ(layers->violation, "2 rows lack a layer") << "shown, not hidden";
}

TEST_F(RoutingImport, phasesFollowTheTagsOfPromptAndText) {
    const auto phases = [&](std::vector<TokenId> tail, std::vector<TokenId> generated) {
        RoutedSequence sequence = randomSequence(3 + tail.size(), generated.size(), 3, 2, 8);
        std::ranges::copy(tail, sequence.prompt.begin() + 3);
        sequence.generated = std::move(generated);
        import(test::vllmResponse(sequence));
        const auto snapshot = snapshotOfSession(session);
        const History& history = snapshot->lanes.at(0).history;
        std::string found;
        for (std::int32_t p = 0; p < history.tokenCount(); ++p)
            found += "pta"[static_cast<std::size_t>(history.token(p).trace.phase)];
        return std::pair{found, snapshot->conversation.at(0).mode};
    };
    constexpr TokenId kOpen = test::kTinyThinkOpen;
    constexpr TokenId kClose = test::kTinyThinkClose;
    using Found = std::pair<std::string, ThinkingMode>;
    EXPECT_EQ(phases({}, {kOpen, 'x', kClose, 'y'}), (Found{"pppttta", ThinkingMode::kThink}));
    EXPECT_EQ(phases({kOpen, '\n'}, {'x', kClose, 'y'}), (Found{"ppppptta", ThinkingMode::kThink}))
        << "a template that opens the block";
    EXPECT_EQ(phases({kOpen, '\n', kClose, '\n'}, {'y', 'z'}), (Found{"pppppppaa", ThinkingMode::kNoThink}))
        << "a template that closes it";
}

TEST_F(RoutingImport, aModelWithoutTokenizerGivesTokensWithoutText) {
    std::filesystem::remove(model_directory / "tokenizer.json");
    import(test::vllmResponse(randomSequence(5, 4, 3, 2, 8)));
    const auto snapshot = snapshotOfSession(session);
    EXPECT_EQ(snapshot->lanes.at(0).history.token(6).trace.id, 'B');
    EXPECT_EQ(snapshot->lanes[0].history.token(6).bytes, "");
    EXPECT_EQ(SessionReader(session).metadata("title"), "responses.json");
}

// --- refusals
// ------------------------------------------------------------------------------------------------------------

TEST_F(RoutingImport, whatDoesNotFitIsRefusedWithFileAndField) {
    const RoutedSequence good = randomSequence(5, 4, 3, 2, 8);
    const auto vllm = [&](auto&& change) {
        json response = test::vllmResponse(good);
        change(response["choices"][0]);
        return refusal(response);
    };
    const auto lists = [&](auto&& change) {
        json response = test::vllmListsResponse(good);
        change(response);
        return refusal(response);
    };
    const auto sglang = [&](auto&& change) {
        json response = test::sglangResponse(good);
        change(response);
        return refusal(response);
    };
    const auto array = [](const std::string& type, const std::vector<std::int64_t>& shape, std::size_t values) {
        return test::base64Of(test::npyBytes(type, shape, std::vector<std::int16_t>(values)));
    };
    const auto expect = [](const std::string& message, const char* where, const char* what) {
        EXPECT_NE(message.find(where), std::string::npos) << message;
        EXPECT_NE(message.find(what), std::string::npos) << message;
    };
    constexpr const char* kRouted = "choices[0], field routed_experts";
    constexpr const char* kMeta = "field meta_info.routed_experts";

    expect(vllm([](json& c) { c["routed_experts"] = nullptr; }), kRouted, "--enable-return-routed-experts");
    expect(vllm([](json& c) { c["routed_experts"] = 5; }), kRouted, "no array");
    expect(vllm([](json& c) {
               auto text = c["routed_experts"].get<std::string>();
               c["routed_experts"] = text.substr(0, text.size() - 2);
           }),
           kRouted, "cut short");
    expect(vllm([](json& c) {
               auto text = c["routed_experts"].get<std::string>();
               c["routed_experts"] = text.substr(0, text.size() - 4);
           }),
           kRouted, "other bytes than its shape needs");
    expect(vllm([&](json& c) { c["routed_experts"] = array("<f2", {8, 3, 2}, 48); }), kRouted, "found \"<f2\"");
    expect(vllm([&](json& c) {
               c["routed_experts"] = test::base64Of(test::npyHeader("<i2", "(8, 3, 2)", true) + std::string(96, '\0'));
           }),
           kRouted, "Fortran order");
    expect(vllm([&](json& c) {
               c["routed_experts"] = test::base64Of(test::npyHeader("<i2", "(4611686018427387904, 3, 2)"));
           }),
           kRouted, "found 0 bytes");
    expect(vllm([&](json& c) {
               c["routed_experts"] = array("<i2", {7, 3, 2}, 42);
           }),
           kRouted, "expected 8 tokens; found 7");
    expect(vllm([&](json& c) { c["routed_experts"] = array("<i2", {8, 6}, 48); }), kRouted, "found 8 × 6");
    expect(vllm([&](json& c) { c["routed_experts"] = array("<i2", {8, 4, 2}, 64); }), kRouted, "found 8 × 4 × 2");
    expect(vllm([&](json& c) {
               c["routed_experts"] = array("<i2", {8, 3, 4}, 96);
           }),
           kRouted, "expected tokens × 3 layers × 2 experts; found 8 × 3 × 4");
    expect(vllm([&](json& c) {
               c["routed_experts"] = array("<i2", {8, 3, 2}, 48);
           }),
           "token 0, layer 0", "chosen twice");
    expect(vllm([](json& c) { c.erase("prompt_token_ids"); }), "choices[0]", "token ids of the prompt are missing");
    expect(vllm([](json& c) { c.erase("token_ids"); }), "choices[0]", "token ids of the text are missing");
    expect(vllm([](json& c) { c["token_ids"][1] = 100000; }), "field token_ids, item 2", "found 100000");
    expect(vllm([](json& c) { c["token_ids"][1] = -1; }), "field token_ids, item 2", "found -1");
    expect(vllm([](json& c) { c["token_ids"] = "ab"; }), "field token_ids", "no list");
    expect(vllm([](json& c) { c["token_ids"] = json::array(), c["prompt_token_ids"] = {97}; }), "choices[0]",
           "too short");
    expect(vllm([](json& c) { c = 7; }), "choices[0]", "token ids of the prompt are missing");

    expect(lists([](json& r) { r["prompt_routed_experts"][2][1][0] = 8; }),
           "field prompt_routed_experts, token 2, layer 1", "expected 0 to 7; found 8");
    expect(lists([](json& r) { r["prompt_routed_experts"][2][1][0] = -1; }), "token 2, layer 1", "found -1");
    expect(lists([](json& r) { r["prompt_routed_experts"][2][1][0] = 1ULL << 63U; }), "token 2, layer 1",
           "outside the model");
    expect(lists([](json& r) { r["prompt_routed_experts"][2][1][0] = 1.5; }), "routed_experts[2][1]", "found 1.5");
    expect(lists([](json& r) { r["prompt_routed_experts"][2][1].push_back(5); }), "routed_experts[2][1]",
           "expected 2; found 3");
    expect(lists([](json& r) { r["prompt_routed_experts"][4].erase(0); }), "routed_experts[4]", "expected 3; found 2");
    expect(lists([](json& r) { r["prompt_routed_experts"][4] = 3; }), "routed_experts[4]", "no list");
    expect(lists([](json& r) { r["prompt_routed_experts"].erase(0); }), "field prompt_routed_experts",
           "expected 5 tokens; found 4");
    expect(lists([](json& r) { r["choices"][0]["routed_experts"].erase(0); }), kRouted,
           "expected 3 or 4 tokens; found 2");
    expect(lists([](json& r) { r["choices"] = json::array(); }), "field choices", "no choices");

    expect(sglang([](json& r) { r["meta_info"]["routed_experts"] = json::array({1}); }), kMeta, "base64 of int32");
    expect(sglang([](json& r) { r["meta_info"]["routed_experts"] = "AAAA"; }), kMeta, "found 3 bytes");
    expect(sglang([](json& r) { r["output_ids"].erase(0); }), kMeta, "expected 7 tokens × 3 layers × 2 experts");
    expect(sglang([](json& r) { r["meta_info"]["prompt_tokens"] = 9; }), "field meta_info.input_token_logprobs",
           "not the whole prompt; expected 9 tokens; found 5");
    expect(sglang([](json& r) { r["meta_info"]["input_token_logprobs"][3] = {-0.5}; }), "item 4", "no token id");
    expect(sglang([](json& r) {
               std::vector<std::int32_t> ids(48, 1 << 20);
               const std::string bytes(reinterpret_cast<const char*>(ids.data()), ids.size() * 4);
               r["meta_info"]["routed_experts"] = test::base64Of(bytes);
           }),
           "token 0, layer 0", "found 1048576");

    expect(refusal(std::string()), "responses.json", "empty");
    expect(refusal(std::string("[]")), "responses.json", "no responses");
    expect(refusal(std::string("[3]")), "response 1", "no response");
    expect(refusal(std::string("{\"choices\": [")), "responses.json", "not valid JSON");
    expect(refusal(std::string(100000, '[')), "responses.json", "nested too deeply");
    const std::string line = test::vllmResponse(good).dump();
    expect(refusal(line + "\n" + line.substr(0, 50)), "line 2", "not valid JSON");
    expect(refusal(line + "\n" + R"({"choices": [{}]})"), "line 2, choices[0]", "token ids of the prompt are missing");
}

TEST_F(RoutingImport, aSessionThatIsThereIsNeitherWrittenOverNorDeleted) {
    std::ofstream(session) << "somebody's";
    std::ofstream(directory / "r.json") << test::vllmResponse(randomSequence(5, 4, 3, 2, 8));
    EXPECT_THROW(importRouting(directory / "r.json", openModelDescription(model_directory.string(), {}), session),
                 Error);
    EXPECT_EQ(contentOf(session), "somebody's");
}

TEST_F(RoutingImport, aDenseModelHasNoRouting) {
    describe(test::tinyConfig({.experts = 0}));
    try {
        import(test::vllmResponse(randomSequence(5, 4, 3, 2, 8)));
        ADD_FAILURE();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("no experts"), std::string::npos) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(session));
}

}  // namespace
}  // namespace mixoscope
