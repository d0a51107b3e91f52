// Session files damaged at random: pages overwritten, zeroed, exchanged, bits turned, ends cut off, also in the log
// beside a file. Whoever reads, exports or changes such a file gets an Error that names it or what was recorded;
// nothing crashes, hangs or asks for memory without bound.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "durability/fault_options_test.h"
#include "durability/judged_recording_test.h"
#include "durability/role_process_test.h"
#include "sessions/session_bookmarks.h"
#include "sessions/session_file.h"
#include "sessions/session_library.h"
#include "sessions/session_list.h"
#include "sessions/trace_blob.h"
#include "support/every_reader.h"
#include "support/paths.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

using namespace test;

constexpr std::chrono::seconds kPatience{60};  // for one damaged file
constexpr std::size_t kPage = 4096;

enum Message : std::int32_t { kRound = 300, kErrors, kRead };

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::filesystem::path& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

/// One kind of damage at a random place.
class Damage {
public:
    explicit Damage(std::uint32_t seed) : m_random(seed) {}

    void doTo(std::string& content) {
        const std::size_t first = below(content.size() / kPage) * kPage;
        switch (below(8)) {
            case 0:  // what the disk no longer has
                std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(first), kPage, '\0');
                break;
            case 1:  // something else in its place
                for (std::size_t at = first; at < first + kPage; ++at) content[at] = byte();
                break;
            case 2: {  // a write that went to another place
                const std::size_t other = below(content.size() / kPage) * kPage;
                content.replace(other, kPage, content.substr(first, kPage));
                break;
            }
            case 3:  // the end is missing
                content.resize(below(content.size()));
                break;
            case 4:  // the head of a page: kind, number and place of its cells
                for (std::size_t changes = 1 + below(4); changes > 0; --changes) content[first + below(16)] = byte();
                break;
            case 5:  // the head of the file
                for (std::size_t changes = 1 + below(4); changes > 0; --changes) content[below(100)] = byte();
                break;
            case 6:  // a few bytes within a page
                for (std::size_t changes = 1 + below(20); changes > 0; --changes)
                    content[first + below(kPage)] = byte();
                break;
            default:  // single bits anywhere
                for (std::size_t changes = 1 + below(30); changes > 0; --changes) {
                    char& changed = content[below(content.size())];
                    changed = static_cast<char>(changed ^ (1 << below(8)));
                }
        }
    }

private:
    std::size_t below(std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(m_random); }
    char byte() { return static_cast<char>(below(256)); }

    std::mt19937 m_random;
};

/// What is asked of the routing that a session holds, as bytes.
std::set<std::vector<std::byte>> routingOf(const std::filesystem::path& file) {
    std::set<std::vector<std::byte>> routing;
    SessionReader(file).replay(
        [&](const StepTrace& trace) {
            std::vector<std::byte> bytes;
            encodeRouting(trace, bytes);
            routing.insert(std::move(bytes));
        },
        [](const LaneEvent&) {});
    return routing;
}

/// Replays what can be replayed: routing that was recorded, in ascending order. Returns what was said; empty: nothing.
std::string replaySoundly(const std::filesystem::path& file, const std::set<std::vector<std::byte>>& recorded) {
    std::int64_t before = -1;
    return errorOf(file, [&] {
        SessionReader(file).replay(
            [&](const StepTrace& trace) {
                require(trace.serial > before, "records are out of order");
                before = trace.serial;
                std::vector<std::byte> bytes;
                encodeRouting(trace, bytes);
                require(recorded.contains(bytes), "routing that nobody recorded");
            },
            [](const LaneEvent&) {});
    });
}

void changeInEveryWay(const std::filesystem::path& file) {
    errorOf(file, [&] { renameSession(file, "another title"); });
    errorOf(file, [&] { setSessionBookmark(file, {.row = 2, .note = "note"}); });
    errorOf(file, [&] { std::filesystem::remove(duplicateSession(file)); });
    errorOf(file, [&] { compactSession(file); });
    errorOf(file, [&] { restoreSession(trashSession(file)); });
}

void limitMemory() {
#if !defined(MIXO_SANITIZED)
    constexpr rlim_t kMost = rlim_t{1} << 30U;
    const rlimit limit{kMost, kMost};
    setrlimit(RLIMIT_DATA, &limit);
#endif
}

/// Arguments: a directory, the session, "log" for damage in the log beside it, how often, seed.
int damageAndRead(const std::vector<std::string>& arguments) {
    limitMemory();
    const std::filesystem::path directory = arguments[0];
    const std::filesystem::path session = arguments[1];
    const bool in_log = arguments[2] == "log";
    const auto seed = static_cast<std::uint32_t>(std::stoul(arguments[4]));
    const std::set<std::vector<std::byte>> recorded = routingOf(session);
    const std::string good = contentOf(session);
    const std::string good_log = contentOf(session.string() + "-wal");
    require(in_log == !good_log.empty(), "the log is not as expected");
    const std::filesystem::path file = directory / "damaged" / "a.mixo";
    std::int64_t errors = 0;
    std::int64_t read = 0;
    for (int round = 0; round < std::stoi(arguments[3]); ++round) {
        tellTest(kRound, round, 0);
        Damage damage(seed + static_cast<std::uint32_t>(round));
        std::string bad = in_log ? good_log : good;
        damage.doTo(bad);
        std::filesystem::remove_all(file.parent_path());
        std::filesystem::create_directories(file.parent_path());
        write(file, in_log ? good : bad);
        if (in_log) write(file.string() + "-wal", bad);
        readInEveryWay(file, directory / "out");
        (replaySoundly(file, recorded).empty() ? read : errors) += 1;
        SessionList().list(file.parent_path());
        changeInEveryWay(file);
        replaySoundly(file, recorded);
    }
    tellTest(kErrors, 0, errors);
    tellTest(kRead, 0, read);
    return 0;
}

const RoleRegistration kDamageAndRead("damage-and-read", damageAndRead);

struct Figures {
    std::int64_t errors = 0;
    std::int64_t read = 0;
};

void damageOften(const std::filesystem::path& session, bool in_log, std::uint32_t times, Figures& figures) {
    const TemporaryDirectory directory;
    std::filesystem::create_directory(directory / "out");
    const std::uint32_t seed = faultOptions().seed * 100'000;
    RoleProcess process("damage-and-read", {directory.path().string(), session.string(), in_log ? "log" : "file",
                                            std::to_string(times), std::to_string(seed)});
    std::int32_t round = -1;
    for (;;) {
        const auto message = process.next(kPatience);
        if (!message) break;
        if (message->kind == kRound) round = message->file;
        if (message->kind == kErrors) figures.errors += message->value;
        if (message->kind != kRead) continue;
        figures.read += message->value;
        break;
    }
    SCOPED_TRACE("round " + std::to_string(round) + " of seed " + std::to_string(seed));
    process.waitDone();
}

/// A session of two turns, a fork of the second and one measured token.
void record(Recorder& recorder, SyntheticEngine& engine) {
    recorder.addMessage(0, Role::kUser, "question", ThinkingMode::kThink);
    recorder.addTurnSettings(0, 0, {});
    recorder.addLane({.lane = 0, .change = {}, .settings = {}});
    engine.play(0, {.prompt = 12, .thinking = 40, .answer = 60});
    recorder.addLane({.lane = 1, .role = LaneRole::kFork, .parent = 0, .position = 15, .change = {}, .settings = {}});
    LaneEvent forked;
    forked.lane = 1;
    forked.kind = LaneEventKind::kForked;
    forked.position = 15;
    forked.old_value = 14;
    engine.event(forked);
    engine.play(1, {.kept = 12, .prompt = 12, .thinking = 30, .answer = 40});
    auto measured = std::make_shared<AttributionSnapshot>();
    measured->position = 14;
    measured->layers = 3;
    measured->slots = 4;
    measured->experts.assign(12, 3);
    measured->changes.assign(12, -0.5);
    recorder.addAttribution(measured);
}

TEST(Corruption, OfASessionGivesAnErrorOrWhatWasRecorded) {
    constexpr TraceShape kShape{3, 4, 16, false};
    const TemporaryDirectory directory;
    const std::filesystem::path file = directory / "a.mixo";
    const std::filesystem::path killed = directory / "killed.mixo";
    {
        RingAndKeeper sink(kShape, 4096);
        SyntheticEngine engine(kShape, 7, sink);
        Recorder recorder(syntheticRecording(file, kShape), sink.ring, sink.ring->makeReader());
        record(recorder, engine);
        ASSERT_TRUE(recorder.flush());
        std::filesystem::copy_file(file, killed);
        std::filesystem::copy_file(file.string() + "-wal", killed.string() + "-wal");
    }
    const std::uint32_t times = faultOptions().corruptions;
    Figures figures;
    ASSERT_NO_FATAL_FAILURE(damageOften(file, false, times / 2, figures));
    ASSERT_NO_FATAL_FAILURE(damageOften(killed, true, times / 4, figures));
    const Figures own = figures;
    for (const char* name : {"version1.mixo", "version2.mixo"})
        ASSERT_NO_FATAL_FAILURE(damageOften(goldenDirectory() / "sessions" / name, false, times / 8, figures));
    std::printf("damaged %lld session files: %lld gave an error, %lld what was recorded, as far as it was replayed\n",
                static_cast<long long>(figures.errors + figures.read), static_cast<long long>(figures.errors),
                static_cast<long long>(figures.read));
    EXPECT_GT(own.errors, times / 8);
    EXPECT_GT(own.read, 0);
}

}  // namespace
}  // namespace mixoscope
