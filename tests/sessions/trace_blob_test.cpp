// The routing blob: what goes in comes out bit for bit, and damaged bytes give an error or nothing wrong.
#include "sessions/trace_blob.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "engine/error.h"
#include "sessions/crc32.h"
#include "support/synthetic_trace.h"

namespace mixoscope {
namespace {

using test::OwnedTrace;

OwnedTrace someRow(const TraceShape& shape, std::uint32_t seed) {
    test::KeepingSink sink;
    test::SyntheticEngine engine(shape, seed, sink);
    engine.row(0, {}, {});
    return sink.records.front().row;
}

std::string refusal(std::span<const std::byte> bytes, const TraceShape& shape) {
    RoutingRow row;
    try {
        decodeRouting(bytes, shape, "here", row);
    } catch (const Error& error) {
        EXPECT_EQ(error.parts().where, "here");
        return error.parts().what;
    }
    return {};
}

TEST(TraceBlob, roundTripsBitForBit) {
    for (const TraceShape& shape :
         {TraceShape{3, 4, 16, true}, TraceShape{48, 8, 128, false}, TraceShape{0, 0, 0, false}}) {
        OwnedTrace row = someRow(shape, 5);
        if (!row.weights.empty()) row.weights[0] = std::numeric_limits<float>::quiet_NaN();
        std::vector<std::byte> bytes;
        encodeRouting(row.view(), bytes);
        RoutingRow decoded;
        decodeRouting(bytes, shape, "here", decoded);
        StepTrace trace = row.view();
        trace.expert_ids = decoded.expert_ids;
        trace.expert_weights = decoded.expert_weights;
        trace.router = decoded.router;
        trace.distributions = decoded.distributions;
        EXPECT_TRUE(test::sameTrace(trace, row.view()));
    }
}

TEST(TraceBlob, hasTheDocumentedLayout) {
    const TraceShape shape{1, 2, 4, false};
    OwnedTrace row = someRow(shape, 1);
    row.ids = {3, 1};
    std::vector<std::byte> bytes;
    encodeRouting(row.view(), bytes);
    ASSERT_EQ(bytes.size(), 20U + 2 * 2 + 2 * 4 + 20 + 4);
    EXPECT_EQ(static_cast<int>(bytes[0]), 1) << "version";
    EXPECT_EQ(static_cast<int>(bytes[4]), 2) << "ids";
    EXPECT_EQ(static_cast<int>(bytes[8]), 2) << "weights";
    EXPECT_EQ(static_cast<int>(bytes[12]), 1) << "router facts";
    EXPECT_EQ(static_cast<int>(bytes[20]), 3) << "first id, little-endian";
    EXPECT_EQ(static_cast<int>(bytes[21]), 0);
    EXPECT_EQ(static_cast<int>(bytes[22]), 1);
}

TEST(TraceBlob, keepsSelectionsThatDidNotRunAndManyActiveExperts) {
    for (const int active : {0, 1, 255, 256, 512, 1023}) {
        const TraceShape shape{2, 3, 16, false};
        OwnedTrace row = someRow(shape, 4);
        row.ids = {7, notRunId(std::int16_t{15}), notRunId(std::int16_t{0}), -1, -1, -1};
        for (RouterFacts& facts : row.router) {
            facts.active = static_cast<std::uint16_t>(active);
            facts.flags = 63;
        }
        std::vector<std::byte> bytes;
        encodeRouting(row.view(), bytes);
        RoutingRow decoded;
        decodeRouting(bytes, shape, "here", decoded);
        EXPECT_EQ(decoded.expert_ids, row.ids);
        EXPECT_EQ(decoded.router[1].active, active);
        EXPECT_EQ(decoded.router[1].flags, 63);
    }
}

TEST(TraceBlob, refusesWhatDoesNotFit) {
    const TraceShape shape{3, 4, 16, true};
    OwnedTrace row = someRow(shape, 2);
    std::vector<std::byte> bytes;
    encodeRouting(row.view(), bytes);
    EXPECT_EQ(refusal({}, shape), "The routing record is too short");
    EXPECT_EQ(refusal(std::span(bytes).first(bytes.size() - 1), shape), "The routing record has a wrong size");
    EXPECT_EQ(refusal(bytes, {2, 4, 16, true}), "Too many expert ids");
    EXPECT_EQ(refusal(bytes, {3, 4, 16, false}), "Too many probabilities");
    EXPECT_EQ(refusal(bytes, {3, 4, 8, true}), "Too many probabilities");
    std::vector<std::byte> newer = bytes;
    newer[0] = std::byte{2};
    EXPECT_EQ(refusal(newer, shape), "Unknown version of the routing record");
    row.ids[2] = 16;
    encodeRouting(row.view(), bytes);
    EXPECT_EQ(refusal(bytes, shape), "An expert id is outside the model");
    row.ids[2] = notRunId(std::int16_t{16});
    encodeRouting(row.view(), bytes);
    EXPECT_EQ(refusal(bytes, shape), "An expert id is outside the model");
    row.ids[2] = 15;
    for (const std::int16_t next : {std::int16_t{16}, std::int16_t{-2}}) {
        row.router[1].next_expert = next;
        encodeRouting(row.view(), bytes);
        EXPECT_EQ(refusal(bytes, shape), "The next expert is outside the model");
    }
}

TEST(TraceBlob, everyFlippedBitIsNoticed) {
    const TraceShape shape{2, 2, 8, false};
    std::vector<std::byte> bytes;
    encodeRouting(someRow(shape, 3).view(), bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        std::vector<std::byte> damaged = bytes;
        damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        EXPECT_FALSE(refusal(damaged, shape).empty()) << "bit " << bit;
    }
}

TEST(TraceBlob, randomBytesNeverCrashTheDecoder) {
    std::mt19937 random(99);
    std::uniform_int_distribution<int> byte(0, 255);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::byte> bytes(static_cast<std::size_t>(byte(random)));
        for (std::byte& b : bytes) b = static_cast<std::byte>(byte(random));
        if (!bytes.empty() && round % 2 == 0) bytes[0] = std::byte{1};
        EXPECT_FALSE(refusal(bytes, {3, 4, 16, true}).empty());
    }
}

TEST(TraceBlob, changedBytesUnderAFittingChecksumAreRefusedOrWithinTheModel) {
    const TraceShape shape{3, 4, 16, true};
    std::vector<std::byte> whole;
    encodeRouting(someRow(shape, 2).view(), whole);
    const std::size_t sealed = whole.size() - sizeof(std::uint32_t);
    std::mt19937 random(98);
    int taken = 0;
    int refused = 0;
    for (int round = 0; round < 4000; ++round) {
        std::vector<std::byte> bytes = whole;
        bytes[random() % sealed] = static_cast<std::byte>(random() % 256);
        const std::uint32_t checksum = crc32(std::span(bytes).first(sealed));
        std::memcpy(bytes.data() + sealed, &checksum, sizeof(checksum));
        if (!refusal(bytes, shape).empty()) {
            ++refused;
            continue;
        }
        ++taken;
        RoutingRow row;
        decodeRouting(bytes, shape, "here", row);
        EXPECT_EQ(row.expert_ids.size() + row.expert_weights.size() + row.router.size() + row.distributions.size(),
                  12U + 12U + 3U + 48U);
        for (const std::int16_t id : row.expert_ids) EXPECT_TRUE(id < 16 && id >= notRunId(std::int16_t{15})) << id;
        for (const RouterFacts& facts : row.router) EXPECT_TRUE(facts.next_expert < 16 && facts.next_expert >= -1);
    }
    EXPECT_GT(taken, 1000);
    EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace mixoscope
