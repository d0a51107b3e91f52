// What is exported is read back by programs that know nothing of this one: NumPy, pandas, Python's JSON.
#include <SQLiteCpp/Database.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "probes/load.h"
#include "sessions/csv_export.h"
#include "sessions/npz_export.h"
#include "sessions/perfetto_export.h"
#include "sessions/session_file.h"
#include "sessions/tensorboard_export.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

constexpr TraceShape kShape{3, 4, 16, true};

/// Runs a script under Debian's Python, which has the packages that app/setup.sh names; its last line is JSON.
nlohmann::json python(const std::filesystem::path& directory, const std::string& script) {
    std::ofstream(directory / "read.py") << script;
    const std::string out = (directory / "read.json").string();
    const std::string command = "cd " + directory.string() + " && /usr/bin/python3 read.py > " + out + " 2> read.err";
    if (std::system(command.c_str()) != 0) {
        std::ifstream errors(directory / "read.err");
        ADD_FAILURE() << std::string(std::istreambuf_iterator<char>(errors), {});
        return {};
    }
    std::ifstream file(out);
    return nlohmann::json::parse(file, nullptr, false);
}

bool hasPython(const char* package) {
    return std::system((std::string("/usr/bin/python3 -c 'import ") + package + "' 2>/dev/null").c_str()) == 0;
}

class IndependentReader : public testing::Test {
protected:
    void SetUp() override { records = test::recordSession(session, kShape, 3, 9); }
    const StepTrace& row(std::size_t number) const {
        std::size_t seen = 0;
        for (const test::Record& record : records) {
            if (!record.is_event && seen++ == number) return record.row.trace;
        }
        throw std::out_of_range("row");
    }
    const test::OwnedTrace& owned(std::size_t number) const {
        std::size_t seen = 0;
        for (const test::Record& record : records) {
            if (!record.is_event && seen++ == number) return record.row;
        }
        throw std::out_of_range("row");
    }
    std::size_t rows() const {
        return static_cast<std::size_t>(std::ranges::count(records, false, &test::Record::is_event));
    }

    test::TemporaryDirectory directory;
    std::filesystem::path session = directory / "a.mixo";
    std::vector<test::Record> records;
};

TEST_F(IndependentReader, NumpyReadsTheRouting) {
    if (!hasPython("numpy")) GTEST_SKIP() << "python3-numpy is not installed; app/setup.sh names it";
    exportNpz(session, directory / "a.npz");
    const auto read = python(directory.path(), R"(
import json, numpy as np
z = np.load('a.npz', allow_pickle=False)
out = {'names': sorted(z.files), 'shapes': {k: list(z[k].shape) for k in z.files}, 'types': {k: str(z[k].dtype) for k in z.files}}
r = 17
for k in ('lane', 'step', 'position', 'token', 'phase', 'flags', 'turn', 'next_token', 'time_us', 'experts', 'ran', 'weights', 'entropy', 'top1', 'margin', 'probabilities'):
    out[k] = z[k][r].tolist()
out['layers'] = z['layers'].tolist()
out['weight_sums'] = float(np.abs(z['weights'].sum(axis=2) - 1).max())
out['prompt_rows'] = int((z['phase'] == 0).sum())
out['nan_logprobs'] = int(np.isnan(z['logprob']).sum())
print(json.dumps(out))
)");
    ASSERT_TRUE(read.is_object());
    const auto all = static_cast<std::int64_t>(rows());
    using Shape = std::vector<std::int64_t>;
    EXPECT_EQ(read["shapes"]["lane"].get<Shape>(), (Shape{all}));
    EXPECT_EQ(read["shapes"]["experts"].get<Shape>(), (Shape{all, 3, 4}));
    EXPECT_EQ(read["shapes"]["entropy"].get<Shape>(), (Shape{all, 3}));
    EXPECT_EQ(read["shapes"]["probabilities"].get<Shape>(), (Shape{all, 3, 16}));
    EXPECT_EQ(read["types"]["experts"], "int16");
    EXPECT_EQ(read["types"]["ran"], "bool");
    EXPECT_EQ(read["types"]["weights"], "float32");
    EXPECT_EQ(read["types"]["time_us"], "int64");
    EXPECT_EQ(read["layers"].get<Shape>(), (Shape{1, 2, 3}));
    const StepTrace expected = owned(17).view();
    EXPECT_EQ(read["step"], expected.step);
    EXPECT_EQ(read["position"], expected.token.position);
    EXPECT_EQ(read["token"], expected.token.id);
    EXPECT_EQ(read["phase"], static_cast<int>(expected.token.phase));
    EXPECT_EQ(read["flags"], expected.token.flags);
    EXPECT_EQ(read["next_token"], expected.next.id);
    EXPECT_EQ(read["time_us"], expected.step_end_us);
    for (std::size_t layer = 0; layer < 3; ++layer) {
        EXPECT_EQ(read["entropy"][layer].get<float>(), expected.router[layer].entropy);
        EXPECT_EQ(read["margin"][layer].get<float>(), expected.router[layer].margin());
        for (std::size_t slot = 0; slot < 4; ++slot) {
            EXPECT_EQ(read["experts"][layer][slot], expected.expert_ids[layer * 4 + slot]);
            EXPECT_EQ(read["weights"][layer][slot].get<float>(), expected.expert_weights[layer * 4 + slot]);
            EXPECT_TRUE(read["ran"][layer][slot].get<bool>());
        }
        for (std::size_t expert = 0; expert < 16; ++expert)
            EXPECT_EQ(read["probabilities"][layer][expert].get<float>(), expected.distributions[layer * 16 + expert]);
    }
    EXPECT_LT(read["weight_sums"].get<double>(), 1e-5);
    EXPECT_EQ(read["nan_logprobs"], read["prompt_rows"]) << "only tokens that were chosen have one";
}

TEST_F(IndependentReader, PandasReadsTheTables) {
    if (!hasPython("pandas")) GTEST_SKIP() << "python3-pandas is not installed; app/setup.sh names it";
    exportCsv(session, directory / "csv");
    const auto read = python(directory.path(), R"(
import json, pandas as pd
routing = pd.read_csv('csv/routing.csv')
router = pd.read_csv('csv/router.csv')
tokens = pd.read_csv('csv/tokens.csv', keep_default_na=False)
messages = pd.read_csv('csv/messages.csv', keep_default_na=False)
one = routing[(routing.step == 3) & (routing.layer == 2)].sort_values('slot')
print(json.dumps({
  'routing': len(routing), 'router': len(router), 'tokens': len(tokens),
  'weights': routing.groupby(['lane', 'step', 'position', 'layer']).weight.sum().sub(1).abs().max(),
  'experts': one.expert.tolist(), 'messages': messages.text.tolist(),
  'selections': int(pd.read_csv('csv/balance.csv').rows.gt(0).sum())}))
)");
    ASSERT_TRUE(read.is_object());
    EXPECT_EQ(read["routing"], rows() * 3 * 4);
    EXPECT_EQ(read["router"], rows() * 3);
    EXPECT_LT(read["weights"].get<double>(), 1e-5);
    EXPECT_EQ(read["messages"][0], "question, \"0\"\nsecond line") << "quotes and line breaks are kept";
    for (std::size_t number = 0; number < rows(); ++number) {
        if (row(number).step != 3) continue;
        const StepTrace expected = owned(number).view();
        for (std::size_t slot = 0; slot < 4; ++slot) EXPECT_EQ(read["experts"][slot], expected.expert_ids[4 + slot]);
    }
}

TEST_F(IndependentReader, TheTimingTraceIsTheFormatThatPerfettoReads) {
    exportPerfetto(session, directory / "a.json");
    const auto read = python(directory.path(), R"(
import json
events = json.load(open('a.json', encoding='utf-8'))['traceEvents']
complete = [e for e in events if e['ph'] == 'X']
names = {e['tid']: e['args']['name'] for e in events if e['ph'] == 'M' and e['name'] == 'thread_name'}
tracks = {}
for e in complete: tracks.setdefault(names[e['tid']], []).append(e)
def overlaps(track): # complete events of a track must not cross
    ends = 0
    for e in sorted(track, key=lambda e: e['ts']):
        if e['ts'] < ends: return True
        ends = e['ts'] + e['dur']
    return False
print(json.dumps({'tracks': {k: len(v) for k, v in tracks.items()}, 'overlaps': [k for k, v in tracks.items() if overlaps(v)],
  'rows': sum(e['args']['rows'] for e in tracks['steps']), 'negative': sum(e['dur'] < 0 for e in complete),
  'first_token': tracks['lane 0, tokens'][0], 'turns': tracks['lane 0, turns'],
  'phases': sorted({e['ph'] for e in events}), 'pids': sorted({e['pid'] for e in events})}))
)");
    ASSERT_TRUE(read.is_object());
    EXPECT_EQ(read["rows"], rows());
    EXPECT_EQ(read["negative"], 0);
    EXPECT_TRUE(read["overlaps"].empty()) << read["overlaps"];
    EXPECT_EQ(read["turns"].size(), 3U);
    EXPECT_EQ(read["turns"][0]["args"]["stop_reason"], "end_of_turn");
    EXPECT_EQ(read["turns"][0]["args"]["prompt_tokens"], 12);
    EXPECT_EQ(read["first_token"]["args"]["position"], 12) << "the first one after the prompt";
    EXPECT_EQ(read["first_token"]["ts"], read["turns"][0]["ts"]) << "its time is that to the first token";
    for (const auto& phase : read["phases"])
        EXPECT_NE(std::string("XMiC").find(phase.get<std::string>()), std::string::npos);
}

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string refusalOf(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

TEST_F(IndependentReader, AnExportReplacesNeitherItsSessionNorAFileThatItCannotComplete) {
    const std::string before = contentOf(session);
    std::filesystem::create_symlink(session, directory / "link.npz");
    for (const std::filesystem::path& out : {session, directory / "link.npz"}) {
        EXPECT_NE(refusalOf([&] { exportNpz(session, out); }).find("would replace"), std::string::npos);
        EXPECT_NE(refusalOf([&] { exportPerfetto(session, out); }).find("would replace"), std::string::npos);
    }
    EXPECT_EQ(contentOf(session), before);
    std::ofstream(directory / "a.npz") << "kept";
    std::ofstream(directory / "a.json") << "kept";
    const std::filesystem::path damaged = directory / "damaged.mixo";
    std::filesystem::copy_file(session, damaged);
    SQLite::Database(damaged.string(), SQLite::OPEN_READWRITE)
        .exec("UPDATE rows SET routing = x'00' WHERE serial = (SELECT max(serial) FROM rows)");
    EXPECT_NE(refusalOf([&] { exportNpz(damaged, directory / "a.npz"); }), "");
    EXPECT_NE(refusalOf([&] { exportPerfetto(damaged, directory / "a.json"); }), "");
    EXPECT_EQ(contentOf(directory / "a.npz"), "kept");
    EXPECT_EQ(contentOf(directory / "a.json"), "kept");
    for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
        EXPECT_NE(entry.path().extension(), ".part") << entry.path();
    EXPECT_NE(refusalOf([&] { exportNpz(session, directory / "none" / "a.npz"); }).find("cannot be written"),
              std::string::npos);
    EXPECT_NE(refusalOf([&] { exportPerfetto(session, "/dev/full"); }).find("completely"), std::string::npos);
}

/// Recording began in the middle of a turn: how long its first token took is not known.
TEST_F(IndependentReader, TheFirstTokenOfATurnThatBeganBeforeTheRecordingTakesItsStep) {
    SQLite::Database(session.string(), SQLite::OPEN_READWRITE)
        .exec(
            "DELETE FROM rows WHERE serial < (SELECT max(serial) FROM events WHERE kind = 0);"
            "DELETE FROM events WHERE serial <= (SELECT max(serial) FROM events WHERE kind = 0)");
    exportPerfetto(session, directory / "a.json");
    nlohmann::json first;
    const auto trace = nlohmann::json::parse(contentOf(directory / "a.json"));
    for (const auto& event : trace["traceEvents"]) {
        if (first.is_null() && event.contains("cat")) first = event;
    }
    ASSERT_TRUE(first.is_object());
    EXPECT_EQ(first["dur"], 900) << "a step of the synthetic engine";
    EXPECT_GT(first["ts"].get<std::int64_t>(), 0);
}

/// What TensorBoard shows, read with nothing but the format's description: TFRecords, checksums, protocol buffers.
constexpr const char* kReadEvents = R"(
import glob, json, struct

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
assert crc32c(b"123456789") == 0xE3069283

def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at

def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = varint(data, at)
            value = data[at:at + size]
            at += size
        yield key >> 3, value

runs = {}
for name in sorted(glob.glob("tb/*/*tfevents*")):
    run = name.split("/")[1]
    runs[run] = []
    data = open(name, "rb").read()
    at = 0
    while at < len(data):
        length = data[at:at + 8]
        size, = struct.unpack("<Q", length)
        event = data[at + 12:at + 12 + size]
        assert masked(length) == struct.unpack("<I", data[at + 8:at + 12])[0]
        assert masked(event) == struct.unpack("<I", data[at + 12 + size:at + 16 + size])[0]
        at += 16 + size
        parts = dict(fields(event))
        wall, = struct.unpack("<d", parts[1])
        if 3 in parts:
            runs[run].append([wall, -1, parts[3].decode(), 0])
        else:
            value = dict(fields(dict(fields(parts[5]))[1]))
            runs[run].append([wall, parts[2], value[1].decode(), struct.unpack("<f", value[2])[0]])
print(json.dumps(runs))
)";

TEST_F(IndependentReader, TheScalarsOfTensorBoardAreThoseOfTheRows) {
    if (!hasPython("json")) GTEST_SKIP() << "there is no Python";
    // Two lanes, of which a capacity drops every third row's last selection.
    session = directory / "b.mixo";
    test::KeepingSink kept;
    test::SyntheticEngine engine(kShape, 7, kept);
    for (const LaneId lane : {0, 1, 0, 1}) engine.play(lane, {.prompt = 9});
    records = std::move(kept.records);
    {
        test::RingAndKeeper sink(kShape, 4096);
        RecordingOptions options = test::syntheticRecording(session, kShape);
        options.metadata["created_utc"] = "2026-03-14T09:26:53Z";
        Recorder recorder(options, sink.ring, sink.ring->makeReader());
        for (test::Record& record : records) {
            if (record.is_event) {
                sink.onEvent(record.event);
                continue;
            }
            if (record.row.trace.serial % 3 == 0) {
                record.row.ids[3] = notRunId(record.row.ids[3]);
                record.row.weights[3] = 0.0F;
                record.row.router[0].active = 3;
            }
            sink.onRow(record.row.view());
            sink.onStepEnd(record.row.trace.step);
        }
    }
    for (test::Record& record : records) record.row.trace = record.row.view();
    exportTensorBoard(session, directory / "tb");
    exportTensorBoard(session, directory / "tb");  // in place of the first
    const auto runs = python(directory.path(), kReadEvents);
    ASSERT_TRUE(runs.is_object());
    std::map<std::string, std::map<Step, std::map<std::string, double>>> read;
    for (const auto& [run, events] : runs.items()) {
        EXPECT_EQ(events[0][2], "brain.Event:2");
        double last = 0.0;
        for (std::size_t i = 1; i < events.size(); ++i) {
            const bool is_new = read[run][events[i][1]].emplace(events[i][2], events[i][3]).second;
            EXPECT_TRUE(is_new) << "two values of one step";
            EXPECT_GE(events[i][0].get<double>(), last);
            last = events[i][0];
        }
        EXPECT_EQ(events[0][0], 1773480413.0) << "when the session was created";
        EXPECT_GE(events[1][0].get<double>(), events[0][0].get<double>());
        EXPECT_LT(last, 1773480413.0 + 60.0);
    }

    // The same from the rows, by the probes.
    std::map<std::string, std::map<Step, std::vector<const StepTrace*>>> steps;
    for (std::size_t number = 0; number < rows(); ++number)
        steps["lane-" + std::to_string(row(number).lane)][row(number).step].push_back(&row(number));
    ASSERT_EQ(read.size(), steps.size());
    ASSERT_EQ(steps.size(), 2U);
    double dropped_at_all = 0.0;
    std::size_t rates = 0;
    for (const auto& [lane, of_lane] : steps) {
        LoadCounter load(kShape);
        ASSERT_EQ(read[lane].size(), of_lane.size()) << lane;
        for (const auto& [step, traces] : of_lane) {
            double entropy = 0.0;
            double margin = 0.0;
            double active = 0.0;
            double dropped = 0.0;
            for (const StepTrace* trace : traces) {
                load.add(*trace);
                for (std::size_t layer = 0; layer < 3; ++layer) {
                    entropy += trace->router[layer].entropy;
                    margin += trace->router[layer].margin();
                    active += trace->router[layer].active;
                    if ((trace->router[layer].flags & layer_flag::kVirtual) == 0)
                        dropped += static_cast<double>(std::ranges::count_if(
                            trace->expert_ids.subspan(layer * 4, 4), [](std::int16_t id) { return isNotRun(id); }));
                }
            }
            const double cells = 3.0 * static_cast<double>(traces.size());
            double cv = 0.0;
            double floor = 0.0;
            for (std::int32_t layer = 0; layer < 3; ++layer) {
                const BalanceMeasures measures = measureBalance(load.allPhases(layer));
                cv += measures.cv / 3.0;
                floor += measures.cv_floor / 3.0;
            }
            auto& values = read[lane][step];
            EXPECT_NEAR(values.at("router/entropy"), entropy / cells, 1e-5);
            EXPECT_NEAR(values.at("router/margin"), margin / cells, 1e-5);
            EXPECT_NEAR(values.at("experts/active"), active / cells, 1e-5);
            EXPECT_EQ(values.at("experts/dropped"), dropped);
            EXPECT_NEAR(values.at("load/cv"), cv, 1e-5);
            EXPECT_NEAR(values.at("load/cv_floor"), floor, 1e-5);
            const StepTrace& newest = *traces.back();
            EXPECT_EQ(values.at("thinking_tokens"), (newest.next.id >= 0 ? newest.next : newest.token).thinking_tokens);
            dropped_at_all += dropped;
            if (!values.contains("tokens_per_s")) continue;
            ++rates;
            std::int64_t before = -1;
            for (const auto& [earlier, its] : of_lane) {
                if (earlier < step && its.back()->next.id >= 0) before = its.back()->step_end_us;
            }
            EXPECT_NEAR(values.at("tokens_per_s"), 1e6 / static_cast<double>(newest.step_end_us - before), 0.01);
        }
    }
    EXPECT_GT(dropped_at_all, 0.0);
    EXPECT_GT(rates, 10U);
}

#if defined(__SANITIZE_ADDRESS__)
#define MIXO_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MIXO_ADDRESS_SANITIZER
#endif
#endif

/// Most memory that a child process took while it did this.
long peakKb(const std::function<void()>& work) {
    const pid_t child = fork();
    if (child == 0) {
        work();
        _exit(0);
    }
    int status = 0;
    rusage usage{};
    wait4(child, &status, 0, &usage);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return usage.ru_maxrss;
}

TEST_F(IndependentReader, ExportsTakeNoMoreMemoryForALongSessionThanForAShortOne) {
#ifdef MIXO_ADDRESS_SANITIZER
    GTEST_SKIP() << "the address sanitizer keeps what is freed from being used again";
#endif
    const std::filesystem::path longer = directory / "long.mixo";
    constexpr TraceShape kWide{16, 8, 32, false};
    const auto record = [&](const std::filesystem::path& file, int tokens) {
        test::RingAndKeeper sink(kWide, 8192);
        test::SyntheticEngine engine(kWide, 5, *sink.ring);
        Recorder recorder(test::syntheticRecording(file, kWide), sink.ring, sink.ring->makeReader());
        engine.play(0, {.prompt = 20, .thinking = tokens, .answer = 10});
    };
    record(directory / "short.mixo", 20);
    record(longer, 6000);
    ASSERT_GT(std::filesystem::file_size(longer), 20U * std::filesystem::file_size(directory / "short.mixo"));
    const auto memory = [&](const std::filesystem::path& file) {
        return peakKb([&] {
            exportCsv(file, directory / "csv");
            exportNpz(file, directory / "a.npz");
            exportPerfetto(file, directory / "a.json");
            exportTensorBoard(file, directory / "tb");
        });
    };
    const long brief = memory(directory / "short.mixo");
    const long much = memory(longer);
    EXPECT_LT(much - brief, 4096) << brief << " KB and " << much << " KB";
}

}  // namespace
}  // namespace mixoscope
