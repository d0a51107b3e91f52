#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include "engine/error.h"
#include "engine/forward.h"
#include "support/tiny_model.h"

namespace mixoscope::test {
namespace {

std::int64_t bytesOf(const MemoryPlan& plan, std::string_view beginning) {
    for (const MemoryItem& item : plan.items) {
        if (item.name.starts_with(beginning)) return item.bytes;
    }
    return -1;
}

TEST(MemoryPlan, CountsWhatTheCachesAndBuffersReallyTake) {
    const Model model = openTinyModel();
    const ForwardLimits limits{.rows = 16, .logit_rows = 3, .slots = 4};
    const TraceShape shape = traceShapeOf(model.config, 4, true);
    const MemoryPlan plan =
        planMemory(model.config, {.weight_bytes = 1000, .kv_pages = 10, .forward = limits, .trace = shape});
    EXPECT_EQ(bytesOf(plan, "weights"), 1000);
    EXPECT_EQ(bytesOf(plan, "KV cache (160 tokens)"), 10 * kvPageBytes(model.config));
    EXPECT_EQ(bytesOf(plan, "logits"), 3 * model.config.vocab_size * 4);
    EXPECT_EQ(bytesOf(plan, "queries"), 16 * 32 * 4);
    const Activations activations(model.config, limits);
    EXPECT_EQ(bytesOf(plan, "hidden state"), activations.hidden(16).count * activations.hidden(16).columns * 4);
    RoutingRecord record(shape, 16);
    const auto size = [&record](auto part) { return static_cast<std::int64_t>((record.*part)(0).size_bytes()); };
    EXPECT_EQ(bytesOf(plan, "routing record"),
              16 * (size(&RoutingRecord::expertIds) + size(&RoutingRecord::expertWeights) +
                    size(&RoutingRecord::router) + size(&RoutingRecord::distributions)));
    EXPECT_EQ(plan.totalBytes(), plan.allocatedBytes() + 1000);
}

TEST(MemoryPlan, SaysWhatDoesNotFit) {
    const Model model = openTinyModel();
    const MemoryPlan plan =
        planMemory(model.config, {.weight_bytes = 1, .kv_pages = 1 << 20, .forward = {.rows = 1}, .trace = {}});
    EXPECT_NO_THROW(plan.requireFits(plan.allocatedBytes()));
    EXPECT_NO_THROW(plan.requireFits(0));  // not known
    try {
        plan.requireFits(plan.allocatedBytes() - 1);
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("KV cache"), std::string::npos) << error.what();
    }
}

TEST(MemoryPlan, IsATableForPeople) {
    const Model model = openTinyModel();
    const std::string text = planMemory(model.config, {.weight_bytes = 3 << 20, .kv_pages = 1}).text();
    EXPECT_NE(text.find("weights"), std::string::npos);
    EXPECT_NE(text.find("3.0 MiB"), std::string::npos);
    EXPECT_NE(text.find("\ntotal"), std::string::npos);
}

TEST(MemoryPlan, BytesAreWrittenWithUnits) {
    EXPECT_EQ(describeBytes(0), "0 bytes");
    EXPECT_EQ(describeBytes(1023), "1023 bytes");
    EXPECT_EQ(describeBytes(1536), "1.5 KiB");
    EXPECT_EQ(describeBytes(std::int64_t{5} << 30), "5.0 GiB");
}

TEST(MemoryPlan, ThisMachineHasMemory) {
    EXPECT_GT(availableMemoryBytes(), 1 << 20);
}

}  // namespace
}  // namespace mixoscope::test
