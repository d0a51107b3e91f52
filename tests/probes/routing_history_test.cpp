// The routing history: what was written is read back, a published view never changes, and readers need no lock.
#include "probes/routing_history.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

using test::KeepingSink;
using test::SyntheticEngine;

constexpr TraceShape kShape{2, 3, 8, true};

/// A row at `position` whose contents follow from (position, generation) alone.
struct PatternRow {
    std::vector<std::int16_t> ids;
    std::vector<float> weights;
    std::vector<RouterFacts> router;
    std::vector<float> distributions;
    StepTrace trace;

    PatternRow(std::int32_t position, TokenId id, bool with_next) {
        for (int i = 0; i < 6; ++i) {
            ids.push_back(static_cast<std::int16_t>((position + id + i) % 8));
            weights.push_back(static_cast<float>(position * 100 + id * 10 + i));
        }
        router.resize(2);
        router[1].entropy = static_cast<float>(position + id);
        for (int i = 0; i < 16; ++i) distributions.push_back(static_cast<float>(id + i));
        trace.token.position = position;
        trace.token.id = id;
        trace.step = position;
        trace.step_end_us = position * 10;
        if (with_next) {
            trace.next.position = position + 1;
            trace.next.id = id;
        }
        trace.expert_ids = ids;
        trace.expert_weights = weights;
        trace.router = router;
        trace.distributions = distributions;
    }
};

void expectPattern(const History& history, std::int32_t position, TokenId id) {
    ASSERT_EQ(history.token(position).trace.id, id) << "position " << position;
    ASSERT_EQ(history.token(position).bytes, std::to_string(id));
    if (position >= history.rowCount()) return;
    const PatternRow row(position, id, false);
    for (std::int32_t layer = 0; layer < 2; ++layer) {
        for (std::size_t slot = 0; slot < 3; ++slot) {
            const std::size_t at = static_cast<std::size_t>(layer) * 3 + slot;
            ASSERT_EQ(history.experts(position, layer)[slot], row.ids[at]);
            ASSERT_EQ(history.weights(position, layer)[slot], row.weights[at]);
        }
        ASSERT_EQ(history.router(position, layer).entropy, row.router[static_cast<std::size_t>(layer)].entropy);
        ASSERT_EQ(history.distribution(position, layer)[7], row.distributions[static_cast<std::size_t>(layer) * 8 + 7]);
    }
}

void write(HistoryWriter& writer, std::int32_t position, TokenId id, bool with_next = true) {
    const PatternRow row(position, id, with_next);
    writer.addRow(row.trace, std::to_string(id));
    writer.addNext(row.trace, std::to_string(id));
}

TEST(History, givesBackWhatWasWrittenAcrossChunks) {
    HistoryWriter writer(kShape);
    constexpr std::int32_t kRows = 2 * kHistoryChunkRows + 17;
    for (std::int32_t position = 0; position < kRows; ++position) write(writer, position, 5);
    const History history = writer.publish();
    EXPECT_EQ(history.rowCount(), kRows);
    EXPECT_EQ(history.tokenCount(), kRows + 1) << "the last token is chosen but not fed";
    for (std::int32_t position = 0; position <= kRows; ++position) expectPattern(history, position, 5);
    EXPECT_EQ(history.token(kRows).time_us, (kRows - 1) * 10) << "when it was chosen";
    EXPECT_EQ(history.token(kRows).step, kRows - 1);
}

TEST(History, aTokenKeepsWhatWasSaidWhenItWasChosen) {
    HistoryWriter writer(kShape);
    PatternRow choosing(0, 5, true);
    choosing.trace.next.logprob = -1.5F;
    writer.addRow(choosing.trace, "5");
    writer.addNext(choosing.trace, "5");
    write(writer, 1, 5, false);
    const History history = writer.publish();
    EXPECT_EQ(history.token(1).trace.logprob, -1.5F);
    EXPECT_EQ(history.token(1).step, 0);
}

TEST(History, aPublishedViewSurvivesARewriteOfItsPositions) {
    for (const std::int32_t restart :
         {0, 1, 100, kHistoryChunkRows - 1, kHistoryChunkRows, kHistoryChunkRows + 1, 299}) {
        SCOPED_TRACE("restart at " + std::to_string(restart));
        HistoryWriter writer(kShape);
        for (std::int32_t position = 0; position < 300; ++position) write(writer, position, 5);
        const History before = writer.publish();
        for (std::int32_t position = restart; position < 280; ++position) write(writer, position, 6);
        if (restart == 299) write(writer, 299, 6);
        const History after = writer.publish();
        for (std::int32_t position = 0; position <= 300; ++position) expectPattern(before, position, 5);
        for (std::int32_t position = 0; position < restart; ++position) expectPattern(after, position, 5);
        for (std::int32_t position = restart; position < after.tokenCount(); ++position)
            expectPattern(after, position, 6);
        EXPECT_EQ(after.tokenCount(), restart == 299 ? 301 : 281) << "later positions are dropped";
    }
}

TEST(History, aLostRowLeavesAGapAndNothingStale) {
    HistoryWriter writer(kShape);
    for (std::int32_t position = 0; position < 20; ++position) write(writer, position, 5, false);
    write(writer, 600, 7, false);
    const History history = writer.publish();
    EXPECT_EQ(history.rowCount(), 601);
    for (const std::int32_t position : {20, 255, 256, 511, 512, 599}) {
        EXPECT_EQ(history.token(position).trace.id, -1) << position;
        EXPECT_EQ(history.experts(position, 1)[0], -1) << position;
    }
    expectPattern(history, 600, 7);
    // A restart inside the gap leaves the gap before it.
    write(writer, 300, 8, false);
    const History again = writer.publish();
    EXPECT_EQ(again.token(299).trace.id, -1);
    expectPattern(again, 300, 8);
    expectPattern(history, 600, 7);
}

TEST(History, anIncompleteRowIsPadded) {
    HistoryWriter whole(kShape);
    write(whole, 0, 5);
    write(whole, 1, 5);
    HistoryWriter writer(kShape);
    writer.copyFrom(whole, 1, 2);  // the row at 1 is there as the other lane wrote it; this one writes its own over it
    PatternRow row(1, 5, false);
    row.trace.expert_ids = row.trace.expert_ids.first(4);
    row.trace.router = {};
    writer.addRow(row.trace, "5");
    const History history = writer.publish();
    EXPECT_EQ(history.experts(1, 1)[0], row.ids[3]);
    EXPECT_EQ(history.experts(1, 1)[1], -1);
    EXPECT_EQ(history.router(1, 1).entropy, 0.0F);
}

TEST(History, aRowThatIsComputedAgainEndsWhatFollowedIt) {
    HistoryWriter writer(kShape);
    for (std::int32_t position = 0; position < 10; ++position) write(writer, position, 5);
    const History before = writer.publish();
    write(writer, 3, 5, false);  // the same token: only what comes after it may change
    const History after = writer.publish();
    EXPECT_EQ(before.tokenCount(), 11);
    EXPECT_EQ(after.tokenCount(), 4);
    EXPECT_EQ(after.rowCount(), 4);
}

TEST(History, aRowOfAnotherTokenThanWasAnnouncedReplacesIt) {
    HistoryWriter writer(kShape);
    write(writer, 0, 5);
    write(writer, 1, 6, false);
    expectPattern(writer.publish(), 1, 6);
}

TEST(History, aRowWithoutAPlaceIsLeftOut) {
    HistoryWriter writer(kShape);
    write(writer, 0, 5);
    write(writer, -1, 6, false);
    EXPECT_EQ(writer.publish().tokenCount(), 2);
}

TEST(History, withoutDistributionsThereAreNone) {
    HistoryWriter writer({2, 3, 8, false});
    write(writer, 0, 5, false);
    EXPECT_TRUE(writer.publish().distribution(0, 1).empty());
    EXPECT_EQ(writer.publish().weights(0, 1).size(), 3U);
}

TEST(History, readersSeeWholeRowsWhileTheWriterGoesOnAndRewrites) {
    HistoryWriter writer(kShape);
    std::mutex mutex;
    History shared;
    std::atomic<bool> done{false};
    std::thread reader([&] {
        while (!done) {
            History view;
            {
                const std::lock_guard lock(mutex);
                view = shared;
            }
            // Positions of one generation are a suffix; any row must belong wholly to its token's id.
            for (std::int32_t position = 0; position < view.tokenCount(); position += 7)
                expectPattern(view, position, view.token(position).trace.id);
        }
    });
    std::mt19937 random(17);
    std::int32_t position = 0;
    for (TokenId generation = 0; generation < 40; ++generation) {
        const std::int32_t rows = std::uniform_int_distribution<std::int32_t>(1, 150)(random);
        for (std::int32_t i = 0; i < rows; ++i) {
            write(writer, position++, generation);
            if (i % 5 == 0) {
                const History published = writer.publish();
                const std::lock_guard lock(mutex);
                shared = published;
            }
        }
        position = std::uniform_int_distribution<std::int32_t>(0, position)(random);
    }
    done = true;
    reader.join();
}

}  // namespace
}  // namespace mixoscope
