// Policies in the forward pass of a whole model: pruning against what a text chose and against a checkpoint without the
// experts, and a policy applied to recorded distributions against the one that was executed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include "engine/lane_routing.h"
#include "support/forward_runner.h"
#include "support/tiny_model.h"

namespace mixoscope {
namespace {

constexpr unsigned kSeed = 63;

std::vector<TokenId> someText(std::size_t length) {
    std::mt19937 random(kSeed);
    std::vector<TokenId> text(length);
    for (TokenId& token : text) token = static_cast<TokenId>(random() % 250);
    return text;
}

test::FedTokens fed(const Model& model, const std::string& policy, std::span<const TokenId> text) {
    const auto backend = kernels::makeReferenceBackend();
    test::ForwardRunner runner(model, *backend, 256, 64, policy);
    runner.feed(text, 64);
    return runner.fed();
}

std::string joined(const std::set<std::int32_t>& experts) {
    std::string list;
    for (const std::int32_t expert : experts) list += (list.empty() ? "" : "/") + std::to_string(expert);
    return list;
}

double largestDifference(const test::FedTokens& left, const test::FedTokens& right) {
    double largest = 0.0;
    for (std::size_t token = 0; token < left.logits.size(); ++token) {
        for (std::size_t id = 0; id < left.logits[token].size(); ++id)
            largest = std::max(largest, std::abs(static_cast<double>(left.logits[token][id]) -
                                                 static_cast<double>(right.logits[token][id])));
    }
    return largest;
}

TEST(PoliciesInTheModel, PruningWhatATextNeverChoseLeavesItsLogits) {
    constexpr std::int32_t kExperts = 16;
    constexpr std::size_t kLayers = 3;
    const Model model = test::openTinyModel({.seed = kSeed, .layers = kLayers, .experts = kExperts});
    const std::vector<TokenId> text = someText(6);
    const test::FedTokens whole = fed(model, "model", text);
    std::string pruned;
    std::string without_one_more;
    for (std::size_t layer = 0; layer < kLayers; ++layer) {
        std::set<std::int32_t> unused;
        for (std::int32_t expert = 0; expert < kExperts; ++expert) unused.insert(expert);
        for (const auto& ids : whole.expert_ids) {
            for (std::size_t slot = 2 * layer; slot < 2 * layer + 2; ++slot) unused.erase(ids[slot]);
        }
        ASSERT_GE(unused.size(), 4U);
        const std::string scope = ",layers=" + std::to_string(layer);
        pruned += (layer == 0 ? "prune:experts=" : "+prune:experts=") + joined(unused) + scope;
        if (layer == 0) unused.insert(whole.expert_ids.back()[0]);
        without_one_more += (layer == 0 ? "prune:experts=" : "+prune:experts=") + joined(unused) + scope;
    }
    const test::FedTokens left = fed(model, pruned, text);
    EXPECT_EQ(left.expert_ids, whole.expert_ids);
    // The softmax is taken over fewer experts, so that weights are rounded otherwise.
    EXPECT_LT(largestDifference(left, whole), 1e-5);
    EXPECT_GT(largestDifference(fed(model, without_one_more, text), whole), 1e-3) << "one that was chosen is missed";
}

/// The checkpoint with the experts `kept` alone, in their order.
class SmallerCheckpoint {
public:
    SmallerCheckpoint(Model whole, const std::vector<std::int32_t>& kept) : m_model(std::move(whole)) {
        m_model.config.num_experts = std::ssize(kept);
        for (LayerWeights& layer : m_model.weights.layers) {
            std::vector<kernels::ExpertMatrices> experts;
            std::vector<std::byte>& router = m_routers.emplace_back();
            const auto row_bytes = static_cast<std::size_t>(layer.router.bytes() / layer.router.rows);
            for (const std::int32_t expert : kept) {
                experts.push_back(layer.experts[static_cast<std::size_t>(expert)]);
                router.insert(router.end(), layer.router.row(expert), layer.router.row(expert) + row_bytes);
            }
            layer.experts = std::move(experts);
            layer.router.data = router.data();
            layer.router.rows = std::ssize(kept);
        }
    }
    const Model& model() const { return m_model; }

private:
    Model m_model;
    std::vector<std::vector<std::byte>> m_routers;  // (layers) rows of the kept experts
};

TEST(PoliciesInTheModel, AMaskedModelHasTheBitsOfACheckpointWithoutTheExperts) {
    const std::vector<std::int32_t> kept = {1, 2, 5, 6, 7, 8, 11};
    const test::TinyModelOptions options{.seed = kSeed, .experts = 12};
    const Model model = test::openTinyModel(options);
    const SmallerCheckpoint smaller(test::openTinyModel(options), kept);
    const std::vector<TokenId> text = someText(40);
    for (const char* policy :
         {"model", "top-k:k=3,renorm=false", "top-p:p=0.6,max=6", "entropy:min=1,max=6,scale=0.5", "skip:k=4,beta=0.5",
          "any-experts:min=1,max=5,virtual=0.4,importance=norm", "any-experts:min=1,max=5,importance=uncertainty",
          "any-experts:min=1,max=5,importance=confidence,share=damp", "any-experts:min=3,max=3,importance=constant",
          "sigmoid:k=3,scale=2.5", "bias-balanced:k=3,rate=0.02", "random:k=3", "hash:k=2", "round-robin:k=2"}) {
        const test::FedTokens expected = fed(smaller.model(), policy, text);
        for (const char* mask : {"+prune:experts=0/3-4/9-10", "+ban:experts=0/3-4/9-10"}) {
            const test::FedTokens masked = fed(model, policy + std::string(mask), text);
            ASSERT_EQ(masked.logits.size(), expected.logits.size());
            for (std::size_t token = 0; token < text.size(); ++token) {
                ASSERT_EQ(std::memcmp(masked.logits[token].data(), expected.logits[token].data(),
                                      expected.logits[token].size() * sizeof(float)),
                          0)
                    << policy << mask << ", token " << token;
            }
        }
    }
}

/// Policies that can be applied to recorded distributions: those that go by a row's probabilities, token and position.
/// (Sigmoids of logits cannot be had from a softmax, of which one constant is lost; without groups their order can.)
std::vector<std::string> shadowedPolicies() {
    std::vector<std::string> policies = {"top-k:k=3,renorm=false",
                                         "top-k:k=2,second=0.5,seed=4",
                                         "top-p:p=0.5",
                                         "entropy:min=1,max=5,scale=0.7",
                                         "skip:k=4,beta=0.6,min=2",
                                         "any-experts:min=1,max=4,importance=confidence",
                                         "any-experts:min=1,max=5,virtual=0.4,importance=uncertainty",
                                         "any-experts:min=4,max=4,virtual=0.5,importance=constant",
                                         "sigmoid:k=3,scale=2.5",
                                         "ban:experts=0-2",
                                         "force:experts=6/7",
                                         "bias:experts=1/3,add=2",
                                         "prune:experts=4",
                                         "top-k:k=4,layers=0+random:layers=1,seed=3+ban:experts=5,layers=2"};
    for (const PolicySpec& spec : policySpecs(test::openTinyModel({.seed = kSeed}).config)) {
        if (spec.role == PolicyRole::kChooses) policies.push_back(spec.name);
    }
    return policies;
}

TEST(PoliciesInTheModel, AShadowOfTheExecutedPolicyChoosesWhatWasExecuted) {
    const Model model = test::openTinyModel({.seed = kSeed});
    const auto experts = static_cast<std::size_t>(model.config.num_experts);
    const std::vector<TokenId> text = someText(60);
    int shadowed = 0;
    for (const std::string& text_form : shadowedPolicies()) {
        const auto policy = parsePolicy(text_form, model);
        if (policy->dependsOnStep() || policy->dependsOnHistory()) continue;
        ++shadowed;
        const test::FedTokens executed = fed(model, text_form, text);
        LaneRouting shadow(policy, model.config, 1);
        const auto slots = static_cast<std::size_t>(policy->maxSlots());
        for (std::size_t row = 0; row < text.size(); ++row) {
            for (std::size_t layer = 0; layer < 3; ++layer) {
                const auto recorded =
                    executed.distributions[row].begin() + static_cast<std::ptrdiff_t>(layer * experts);
                std::vector<float> distribution(recorded, recorded + static_cast<std::ptrdiff_t>(experts));
                std::vector<float> logits(experts);  // −∞ for an expert that was taken out
                std::ranges::transform(distribution, logits.begin(), [](float p) { return std::log(p); });
                std::vector<std::int32_t> ids(slots);
                std::vector<float> weights(slots);
                RoutedRow routed;
                routed.token = text[row];
                routed.position = static_cast<std::int64_t>(row);
                routed.logits = logits;
                routed.probabilities = distribution;
                routed.ids = ids;
                routed.weights = weights;
                shadow.route(static_cast<int>(layer), {&routed, 1});
                const auto chosen = executed.expert_ids[row].begin() + static_cast<std::ptrdiff_t>(layer * slots);
                ASSERT_EQ(ids, std::vector<std::int32_t>(chosen, chosen + static_cast<std::ptrdiff_t>(slots)))
                    << text_form << ", position " << row << ", layer " << layer;
            }
        }
    }
    EXPECT_GE(shadowed, 14 + 10) << "of the described ones three look at more than a row";
}

}  // namespace
}  // namespace mixoscope
