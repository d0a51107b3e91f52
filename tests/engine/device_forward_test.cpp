// Forward passes on a device (the CUDA kernels, run on the host): their routing against the CPU's under any policy, how
// a step is launched, and what is said when memory is too little or the device fails.
#include <gtest/gtest.h>

#include <cstring>

#include "engine/device_processor.h"
#include "engine/error.h"
#include "engine/generation.h"
#include "kernels/host_cuda/host_device.h"
#include "support/collecting_sink.h"
#include "support/forward_runner.h"
#include "support/processors.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

using kernels::cuda::DeviceStatus;
using kernels::host_cuda::HostDeviceShape;
using kernels::host_cuda::makeHostDevice;

std::vector<TokenId> someTokens(std::size_t count) {
    std::vector<TokenId> tokens(count);
    for (std::size_t index = 0; index < count; ++index) tokens[index] = static_cast<TokenId>((index * 37 + 11) % 250);
    return tokens;
}

test::FedTokens fed(const Model& model, Processor& processor, std::int64_t chunk) {
    test::ForwardRunner runner(model, processor, 64, 64);
    runner.feed(someTokens(30), chunk);
    return runner.fed();
}

TEST(DeviceForward, BitsDependOnNeitherGridNorLaunchNorPrefetch) {
    const Model model = test::openTinyModel({.seed = 3, .type = kernels::DataType::kBF16});
    const auto expected = fed(model, *test::makeProcessor("host_cuda", model), 30);
    for (const unsigned blocks : {1U, 5U}) {
        for (const auto launch : {kernels::cuda::StepLaunch::kTogether, kernels::cuda::StepLaunch::kOneByOne}) {
            DeviceProcessor processor(makeHostDevice({.blocks = blocks, .threads = 96}), model, nullptr,
                                      {.launch = launch, .prefetch = blocks == 1});
            EXPECT_TRUE(fed(model, processor, 7) == expected) << blocks << " blocks";
        }
    }
    // Little shared memory: small tiles.
    DeviceProcessor small(makeHostDevice({.blocks = 2, .threads = 64, .shared_bytes = 24 * 1024}), model, nullptr);
    EXPECT_TRUE(fed(model, small, 30) == expected);
}

/// Rows of one greedy lane under the policy.
test::CollectingSink generate(const Model& model, Processor& processor, const std::string& policy) {
    test::CollectingSink sink;
    Generation generation(model, processor,
                          {.context_tokens = 64, .max_lanes = 1, .prefill_chunk = 8, .slots = 8, .distributions = true},
                          &sink);
    LaneSettings settings;
    settings.policy = policy;
    settings.sampling.greedy = true;
    settings.max_tokens = 6;
    settings.ignore_eos = true;
    generation.startTurn(generation.addLane(settings), someTokens(13), true);
    generation.run({});
    return sink;
}

class DevicePolicies : public testing::TestWithParam<const char*> {};

TEST_P(DevicePolicies, RouteAsOnTheCpu) {
    const Model model = test::openTinyModel({.seed = 9, .experts = 8, .experts_per_token = 2});
    const test::CollectingSink expected = generate(model, *test::makeProcessor("cpu", model), GetParam());
    const test::CollectingSink found = generate(model, *test::makeProcessor("host_cuda", model), GetParam());
    ASSERT_EQ(expected.rows.size(), found.rows.size());
    for (std::size_t row = 0; row < expected.rows.size(); ++row) {
        SCOPED_TRACE(testing::Message() << "row " << row);
        EXPECT_EQ(expected.rows[row].trace.next.id, found.rows[row].trace.next.id);
        EXPECT_EQ(expected.rows[row].expert_ids, found.rows[row].expert_ids);
        ASSERT_EQ(expected.rows[row].router.size(), found.rows[row].router.size());
        for (std::size_t i = 0; i < expected.rows[row].expert_weights.size(); ++i)
            EXPECT_NEAR(expected.rows[row].expert_weights[i], found.rows[row].expert_weights[i], 1e-5);
        for (std::size_t i = 0; i < expected.rows[row].distributions.size(); ++i)
            EXPECT_NEAR(expected.rows[row].distributions[i], found.rows[row].distributions[i], 1e-5);
        for (std::size_t layer = 0; layer < expected.rows[row].router.size(); ++layer) {
            const RouterFacts& a = expected.rows[row].router[layer];
            const RouterFacts& b = found.rows[row].router[layer];
            EXPECT_NEAR(a.entropy, b.entropy, 1e-5);
            EXPECT_NEAR(a.margin(), b.margin(), 1e-5);
            EXPECT_EQ(a.next_expert, b.next_expert);
            EXPECT_EQ(a.active, b.active);
            EXPECT_EQ(a.flags, b.flags);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, DevicePolicies,
                         testing::Values("model", "top-k:k=8", "top-k:k=3,renorm=false",
                                         "top-k:k=3,phase=prompt+top-k:k=1,layers=0-1", "top-p:p=0.6",
                                         "top-k:k=1,capacity=1", "expert-choice:capacity=1", "random:k=2,seed=4",
                                         "any-experts:min=1,max=4,virtual=0.3", "model+ban:experts=1/5",
                                         "top-k:k=5,positions=3/14+model+ban:experts=0,positions=13",
                                         "model+force:experts=3"),
                         [](const auto& info) { return "Policy" + std::to_string(info.index); });

std::string messageOf(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(DeviceForward, SaysWhatDoesNotFit) {
    const Model model = test::openTinyModel();
    const std::string weights =
        messageOf([&] { DeviceProcessor(makeHostDevice({.memory_bytes = 10000}), model, nullptr); });
    EXPECT_NE(weights.find("does not fit into the device's memory: the weights"), std::string::npos) << weights;
    EXPECT_NE(weights.find("9.8 KiB"), std::string::npos) << weights;

    const std::int64_t bytes = deviceWeightBytes(model.weights);
    DeviceProcessor full(makeHostDevice({.memory_bytes = bytes + 100000}), model, nullptr);
    const std::string cache = messageOf([&] { full.makeForwardPass(model, {.rows = 1}, 1000); });
    EXPECT_NE(cache.find("the KV cache"), std::string::npos) << cache;
    EXPECT_LE(full.roomForKeysAndValues({.rows = 1}), 100000);

    DeviceProcessor narrow(makeHostDevice({.shared_bytes = 1000}), model, nullptr);
    const std::string shared = messageOf([&] { narrow.makeForwardPass(model, {.rows = 1}, 4); });
    EXPECT_NE(shared.find("shared memory"), std::string::npos) << shared;
}

/// A comparison has its cache beside the conversation's.
TEST(DeviceForward, ASecondGenerationFindsRoomBesideOneThatTakesAllThatItIsGiven) {
    const Model model = test::openTinyModel();
    const GenerationLimits limits{.context_tokens = 512, .max_lanes = 24, .prefill_chunk = 8};
    const auto measured = makeHostDevice({});
    const DeviceWeights weights(*measured, model.weights, nullptr);
    const std::int64_t buffers = DeviceForwardPass::bufferBytes(*measured, model.config, weights,
                                                                {.rows = 24 * 8, .logit_rows = 24, .slots = 2});
    ASSERT_GT(kvPagesFor(512) * 24 * kvPageBytes(model.config), 4 * buffers) << "more than there is";
    DeviceProcessor processor(makeHostDevice({.memory_bytes = weights.bytes() + buffers * 7 / 2}), model, nullptr);
    const Generation first(model, processor, limits, nullptr);
    EXPECT_EQ(messageOf([&] { Generation(model, processor, limits, nullptr); }), "no error");
}

TEST(DeviceForward, GivesAllMemoryBack) {
    const Model model = test::openTinyModel();
    auto device = makeHostDevice({});
    const auto& watched = *device;
    const std::int64_t free = watched.freeBytes();
    DeviceProcessor processor(std::move(device), model, nullptr);
    const std::int64_t with_weights = watched.freeBytes();
    EXPECT_EQ(free - with_weights, (deviceWeightBytes(model.weights) + 255) / 256 * 256);
    processor.makeForwardPass(model, {.rows = 4, .logit_rows = 1}, 8);
    EXPECT_EQ(watched.freeBytes(), with_weights);
}

TEST(DeviceForward, PartsOfAttentionTakeNoMoreMemoryForMoreRowsThanKeepTheDeviceBusy) {
    const Model model = test::openTinyModel();
    const auto device = makeHostDevice({.blocks = 3});
    const DeviceWeights weights(*device, model.weights, nullptr);
    const auto bytes = [&](std::int64_t rows) {
        return DeviceForwardPass::bufferBytes(*device, model.config, weights, {.rows = rows, .logit_rows = 1});
    };
    const std::int64_t parts_of_row = model.config.num_attention_heads * kernels::cuda::kMaxAttentionParts *
                                      (model.config.head_dim + 2) * std::int64_t{sizeof(float)};
    EXPECT_LT(bytes(1024) - bytes(512), 512 * parts_of_row / 2);
}

TEST(DeviceForward, TellsHowFarTheWeightsAre) {
    const Model model = test::openTinyModel();
    std::vector<std::string> lines;
    const auto log = [&](std::string_view line) { lines.emplace_back(line); };
    DeviceProcessor processor(makeHostDevice({}), model, log);
    ASSERT_FALSE(lines.empty());
    EXPECT_NE(lines.back().find("weights on the device"), std::string::npos) << lines.back();
}

TEST(DeviceForward, SaysWhyThereIsNoDevice) {
    if (test::hasCudaDevice()) GTEST_SKIP() << "there is one";
    const Model model = test::openTinyModel();
    const std::string message = messageOf([&] { makeCudaProcessor(model, 0, nullptr); });
    EXPECT_NE(message.find("No CUDA device can be used"), std::string::npos) << message;
    EXPECT_NE(message.find("back end cpu"), std::string::npos) << message;
}

}  // namespace
}  // namespace mixoscope
