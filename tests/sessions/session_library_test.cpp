// Sessions as files: what one does to them changes what was asked for and nothing else.
#include "sessions/session_library.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "sessions/session_file.h"
#include "support/recorded_session.h"
#include "support/temporary_directory.h"

namespace mixoscope {
namespace {

constexpr TraceShape kShape{3, 4, 16, false};

class SessionLibrary : public testing::Test {
protected:
    void SetUp() override { records = test::recordSession(file, kShape, 2, 6); }
    /// The same records, and a database that SQLite finds nothing wrong with.
    void expectWhole(const std::filesystem::path& session) const {
        const auto found = test::replayed(session);
        ASSERT_EQ(found.size(), records.size());
        for (std::size_t i = 0; i < found.size(); ++i) ASSERT_TRUE(test::sameRecord(found[i], records[i])) << i;
    }
    static std::string contentOf(const std::filesystem::path& path) {
        std::ifstream in(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static std::string refusal(const std::function<void()>& action) {
        try {
            action();
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }

    test::TemporaryDirectory directory;
    std::filesystem::path file = directory / "a.mixo";
    std::vector<test::Record> records;
};

TEST_F(SessionLibrary, RenamesAndTags) {
    renameSession(file, "  A better name ");
    EXPECT_EQ(SessionReader(file).metadata("title"), "A better name");
    EXPECT_TRUE(sessionTags(file).empty());
    setSessionTags(file, {"top-k", " paper, figure 3 ", "", "top-k", "ü\"quoted\""});
    EXPECT_EQ(sessionTags(file), (std::vector<std::string>{"top-k", "paper, figure 3", "ü\"quoted\""}));
    setSessionTags(file, {});
    EXPECT_TRUE(sessionTags(file).empty());
    EXPECT_NE(refusal([&] { renameSession(file, "   "); }), "");
    EXPECT_EQ(SessionReader(file).metadata("title"), "A better name");
    expectWhole(file);
}

TEST_F(SessionLibrary, DuplicatesAlsoWhatIsBeingRecorded) {
    const auto copy = duplicateSession(file);
    EXPECT_EQ(copy, directory / "a-copy.mixo");
    expectWhole(copy);
    EXPECT_EQ(SessionReader(copy).metadata("title"), "What is 2 + 3? (copy)");
    EXPECT_EQ(SessionReader(file).metadata("title"), "What is 2 + 3?");
    EXPECT_EQ(duplicateSession(file), directory / "a-copy-2.mixo");

    const auto live = directory / "live.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    test::SyntheticEngine engine(kShape, 5, sink);
    Recorder recorder(test::syntheticRecording(live, kShape), sink.ring, sink.ring->makeReader());
    engine.play(0, {.prompt = 12, .thinking = 5, .answer = 6});
    ASSERT_TRUE(recorder.flush());
    const auto of_live = duplicateSession(live);
    EXPECT_EQ(SessionReader(of_live).rowCount(), recorder.status().committed_rows);
    EXPECT_FALSE(std::filesystem::exists(of_live.string() + "-wal"));
    engine.play(0, {.kept = 4, .prompt = 12, .thinking = 5, .answer = 6});
    EXPECT_TRUE(recorder.flush()) << "the recorder goes on";
}

TEST_F(SessionLibrary, TakesInSessionsAndNothingElse) {
    const auto taken = importSession(file, directory / "library");
    EXPECT_EQ(taken, directory / "library" / "a.mixo");
    expectWhole(taken);
    EXPECT_EQ(importSession(file, directory / "library"), directory / "library" / "a-2.mixo");
    std::ofstream(directory / "text.mixo") << "no session";
    EXPECT_NE(refusal([&] { importSession(directory / "text.mixo", directory / "library"); }).find("not a session"),
              std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(directory / "library" / "text.mixo"));
}

TEST_F(SessionLibrary, CompactingKeepsEveryRecord) {
    setSessionTags(file, {std::string(200'000, 'x')});
    setSessionTags(file, {});
    const auto before = std::filesystem::file_size(file);
    const std::int64_t saved = compactSession(file);
    EXPECT_GE(saved, 190'000);
    EXPECT_EQ(std::filesystem::file_size(file), before - static_cast<std::uintmax_t>(saved));
    expectWhole(file);
}

TEST_F(SessionLibrary, WhatWasThrownAwayComesBackAsItWas) {
    const std::string content = contentOf(file);
    const TrashedSession gone = trashSession(file);
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_TRUE(std::filesystem::exists(gone.trashed));
    EXPECT_EQ(restoreSession(gone), file);
    EXPECT_EQ(contentOf(file), content);

    const TrashedSession again = trashSession(file);
    test::recordSession(file, kShape, 1, 7);  // the name is taken meanwhile
    EXPECT_EQ(restoreSession(again), directory / "a-2.mixo");
    EXPECT_EQ(contentOf(directory / "a-2.mixo"), content);

    trashSession(file);
    emptySessionTrash(directory.path());
    EXPECT_FALSE(std::filesystem::exists(directory / ".trash"));
    EXPECT_TRUE(std::filesystem::exists(directory / "a-2.mixo"));
    emptySessionTrash(directory / "nowhere");
}

TEST_F(SessionLibrary, ASessionThatIsBeingRecordedIsNotThrownAway) {
    const auto live = directory / "live.mixo";
    test::RingAndKeeper sink(kShape, 4096);
    Recorder recorder(test::syntheticRecording(live, kShape), sink.ring, sink.ring->makeReader());
    ASSERT_TRUE(recorder.flush());
    EXPECT_NE(refusal([&] { trashSession(live); }).find("being recorded"), std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(live));
}

TEST_F(SessionLibrary, ThumbnailsShowHowTheFirstRowsWereSpread) {
    const SessionThumbnail picture = thumbnailOf(file, 10);
    EXPECT_EQ(picture.layers, 3);
    EXPECT_EQ(picture.experts, 16);
    std::vector<float> expected(3 * 16, 0.0F);
    std::int64_t rows = 0;
    for (const test::Record& record : records) {
        if (record.is_event || record.row.trace.serial >= 10) continue;
        ++rows;
        for (std::size_t cell = 0; cell < record.row.ids.size(); ++cell)
            expected[cell / 4 * 16 + static_cast<std::size_t>(record.row.ids[cell])] += 1.0F;
    }
    EXPECT_EQ(picture.rows, rows);
    ASSERT_GT(rows, 5);
    for (std::size_t cell = 0; cell < expected.size(); ++cell)
        EXPECT_FLOAT_EQ(picture.shares[cell], expected[cell] / static_cast<float>(4 * rows)) << cell;
}

}  // namespace
}  // namespace mixoscope
