#include "sessions/pareto_front.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace mixoscope {
namespace {

using Indices = std::vector<std::size_t>;

TEST(ParetoFront, HoldsWhatNoOtherBeats) {
    const std::vector<Compromise> all = {{5, 0.9}, {1, 0.2}, {3, 0.5}, {4, 0.4}, {2, 0.5}, {6, 0.9}};
    EXPECT_EQ(paretoFront(all), (Indices{1, 4, 0}));
}

TEST(ParetoFront, KeepsEquals) {
    const std::vector<Compromise> all = {{1, 0.5}, {1, 0.5}, {1, 0.4}};
    EXPECT_EQ(paretoFront(all), (Indices{0, 1}));
    EXPECT_TRUE(paretoFront({}).empty());
}

TEST(ParetoFront, AgreesWithTheDefinition) {
    std::vector<Compromise> all;
    for (int i = 0; i < 60; ++i) all.push_back({static_cast<double>(i * 37 % 11), static_cast<double>(i * 23 % 7)});
    Indices expected;
    for (std::size_t i = 0; i < all.size(); ++i) {
        bool beaten = false;
        for (const Compromise& other : all)
            beaten = beaten || (other.cost <= all[i].cost && other.merit >= all[i].merit &&
                                (other.cost < all[i].cost || other.merit > all[i].merit));
        if (!beaten) expected.push_back(i);
    }
    Indices front = paretoFront(all);
    std::ranges::sort(front);
    EXPECT_EQ(front, expected);
}

}  // namespace
}  // namespace mixoscope
