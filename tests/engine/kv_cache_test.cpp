// The paged cache against a naive model: every sequence keeps its own values whatever the others do.
#include "engine/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>
#include <string>

#include "engine/error.h"

namespace mixoscope {
namespace {

constexpr std::int64_t kPage = kernels::kKvPageTokens;

ModelConfig smallConfig() {
    ModelConfig config;
    config.num_hidden_layers = 2;
    config.num_key_value_heads = 2;
    config.head_dim = 4;
    return config;
}

/// A sequence and, beside it, what each of its positions was last written with.
struct Tracked {
    KvSequence sequence;
    std::vector<float> marks;  // per position

    /// Writes a mark to every layer, head and element of the positions from `first` on.
    void write(KvCache& cache, std::int64_t first, float mark) {
        for (std::int64_t position = first; position < sequence.length(); ++position) {
            const std::int32_t page = sequence.pages()[static_cast<std::size_t>(position / kPage)];
            for (std::int64_t index = 0; index < cache.layerCount(); ++index) {
                const kernels::KvLayer layer = cache.layer(index);
                for (std::int64_t head = 0; head < layer.kv_heads; ++head) {
                    const std::int64_t offset = layer.offset(page, head, position % kPage);
                    std::fill_n(layer.keys + offset, layer.head_dim, mark);
                    std::fill_n(layer.values + offset, layer.head_dim, -mark);
                }
            }
            marks.push_back(mark);
            mark += 1.0F;
        }
    }

    void check(const KvCache& cache) const {
        ASSERT_EQ(static_cast<std::int64_t>(marks.size()), sequence.length());
        ASSERT_EQ(static_cast<std::int64_t>(sequence.pages().size()), kvPagesFor(sequence.length()));
        for (std::int64_t position = 0; position < sequence.length(); ++position) {
            const std::int32_t page = sequence.pages()[static_cast<std::size_t>(position / kPage)];
            const float mark = marks[static_cast<std::size_t>(position)];
            for (std::int64_t index = 0; index < cache.layerCount(); ++index) {
                const kernels::KvLayer layer = cache.layer(index);
                for (std::int64_t head = 0; head < layer.kv_heads; ++head) {
                    const std::int64_t offset = layer.offset(page, head, position % kPage);
                    for (std::int64_t element = 0; element < layer.head_dim; ++element) {
                        ASSERT_EQ(layer.keys[offset + element], mark) << "position " << position;
                        ASSERT_EQ(layer.values[offset + element], -mark) << "position " << position;
                    }
                }
            }
        }
    }
};

/// Every page is free or held by exactly as many sequences as it counts.
void checkReferences(const KvCache& cache, const std::vector<Tracked>& sequences) {
    std::vector<std::int32_t> held(static_cast<std::size_t>(cache.pageCount()), 0);
    for (const Tracked& tracked : sequences) {
        for (const std::int32_t page : tracked.sequence.pages()) ++held[static_cast<std::size_t>(page)];
    }
    std::int64_t unused = 0;
    for (std::int32_t page = 0; page < cache.pageCount(); ++page) {
        ASSERT_EQ(cache.references(page), held[static_cast<std::size_t>(page)]) << "page " << page;
        unused += held[static_cast<std::size_t>(page)] == 0 ? 1 : 0;
    }
    ASSERT_EQ(cache.freePages(), unused);
}

/// Pages that extending would take, from the naive point of view.
std::int64_t pagesNeeded(const KvCache& cache, const KvSequence& sequence, std::int64_t tokens) {
    const std::int64_t held = static_cast<std::int64_t>(sequence.pages().size());
    const bool shared = tokens > 0 && sequence.length() % kPage != 0 && cache.references(sequence.pages().back()) > 1;
    return kvPagesFor(sequence.length() + tokens) - held + (shared ? 1 : 0);
}

class KvCacheRandom : public testing::TestWithParam<unsigned> {};

TEST_P(KvCacheRandom, EverySequenceKeepsItsOwnValues) {
    std::printf("seed %u\n", GetParam());
    std::mt19937 random(GetParam());
    const auto below = [&random](std::int64_t limit) {
        return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit));
    };
    KvCache cache(smallConfig(), 24);
    std::vector<Tracked> sequences;
    float mark = 1.0F;
    int refused = 0;
    for (int round = 0; round < 400; ++round) {
        const std::int64_t action = below(8);
        if (sequences.empty() || action == 0) {
            sequences.push_back({KvSequence(cache), {}});
        } else if (action == 1 && sequences.size() < 8) {
            const std::size_t source = static_cast<std::size_t>(below(static_cast<std::int64_t>(sequences.size())));
            const std::int64_t length = below(sequences[source].sequence.length() + 1);
            std::vector<float> marks = sequences[source].marks;
            marks.resize(static_cast<std::size_t>(length));
            KvSequence fork = sequences[source].sequence.fork(length);
            sequences.push_back({std::move(fork), std::move(marks)});
        } else if (action == 2) {
            Tracked& tracked = sequences[static_cast<std::size_t>(below(static_cast<std::int64_t>(sequences.size())))];
            const std::int64_t length = below(tracked.sequence.length() + 1);
            tracked.sequence.truncate(length);
            tracked.marks.resize(static_cast<std::size_t>(length));
        } else if (action == 3 && sequences.size() > 3) {
            sequences.erase(sequences.begin() + below(static_cast<std::int64_t>(sequences.size())));
        } else {
            Tracked& tracked = sequences[static_cast<std::size_t>(below(static_cast<std::int64_t>(sequences.size())))];
            const std::int64_t tokens = below(40);
            const std::int64_t first = tracked.sequence.length();
            const bool fits = pagesNeeded(cache, tracked.sequence, tokens) <= cache.freePages();
            ASSERT_EQ(tracked.sequence.extend(tokens), fits);
            refused += fits ? 0 : 1;
            if (fits) tracked.write(cache, first, mark);
            mark += 100.0F;
        }
        checkReferences(cache, sequences);
        for (const Tracked& tracked : sequences) tracked.check(cache);
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(refused, 0) << "the pool was never full: the test is too easy";
    sequences.clear();
    EXPECT_EQ(cache.freePages(), cache.pageCount());
}

INSTANTIATE_TEST_SUITE_P(Seeds, KvCacheRandom, testing::Range(1U, 9U));

TEST(KvCache, ForkingCostsNoPageAndWritingOne) {
    KvCache cache(smallConfig(), 8);
    KvSequence whole(cache);
    ASSERT_TRUE(whole.extend(2 * kPage + 3));
    EXPECT_EQ(cache.freePages(), 5);
    KvSequence fork = whole.fork(2 * kPage + 3);
    EXPECT_EQ(cache.freePages(), 5);
    ASSERT_TRUE(fork.extend(1));
    EXPECT_EQ(cache.freePages(), 4);  // its last page was shared: it has a copy now
    EXPECT_EQ(fork.pages()[1], whole.pages()[1]);
    EXPECT_NE(fork.pages()[2], whole.pages()[2]);
    ASSERT_TRUE(whole.extend(1));
    EXPECT_EQ(cache.freePages(), 4);  // nobody else holds the original any more
}

TEST(KvCache, MovingASequenceKeepsItsPages) {
    KvCache cache(smallConfig(), 4);
    KvSequence first(cache);
    ASSERT_TRUE(first.extend(20));
    KvSequence second(std::move(first));
    EXPECT_EQ(second.length(), 20);
    EXPECT_EQ(cache.freePages(), 2);
    second = KvSequence(cache);
    EXPECT_EQ(second.length(), 0);
    EXPECT_EQ(cache.freePages(), 4);
}

TEST(KvCache, APoolThatNoMachineHoldsIsAnErrorAtOnce) {
    const auto message = [](std::int64_t pages) -> std::string {
        try {
            KvCache cache(smallConfig(), pages);
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    const std::int64_t petabytes = (std::int64_t{1} << 56) / kvPageBytes(smallConfig());
    EXPECT_NE(message(petabytes).find("Not enough memory for the KV cache"), std::string::npos) << message(petabytes);
    EXPECT_NE(message(std::int64_t{1} << 62).find("too large"), std::string::npos);
}

TEST(KvCache, PageBytesCountAllLayersAndBothArrays) {
    EXPECT_EQ(kvPageBytes(smallConfig()), 2 * 2 * 2 * kPage * 4 * 4);
}

}  // namespace
}  // namespace mixoscope
