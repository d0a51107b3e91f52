// What routing policies are made of: rules that choose experts, and edits that change what they choose from or have
// chosen. Selection and weighting are kept apart, so that a comparison of two selections compares nothing else.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include "engine/ids.h"
#include "engine/step_trace.h"
#include "kernels/router.h"

namespace mixoscope {

/// One row at one MoE layer: what is known of its token, what the router says, and the place for what is chosen. The
/// spans are the caller's.
struct RoutedRow {
    TokenId token = 0;
    std::int64_t position = 0;
    Phase phase = Phase::kPrompt;
    std::uint8_t token_flags = 0;                             // token_flag
    float logprob = std::numeric_limits<float>::quiet_NaN();  // of the token under the model; NaN where it has none

    std::span<const float> input;    // (hidden_size) what the router saw
    std::span<float> logits;         // (experts); −∞: taken out of the choice
    std::span<float> probabilities;  // (experts) their softmax; negative: taken out of the choice
    std::span<std::int32_t> ids;     // (slots) chosen experts in rank order, then selections that do not run, then −1
    std::span<float> weights;        // (slots)
    std::uint8_t flags = 0;          // layer_flag
};

/// What a rule keeps for one lane: memory of earlier rows, and room to work in, so that nothing is allocated per step.
class RuleState {
public:
    virtual ~RuleState() = default;
    /// As if no row had been seen.
    virtual void restart() = 0;
};

/// Sizes that a rule's state is made for.
struct RuleSizes {
    std::int64_t layers = 0;   // MoE layers
    std::int64_t experts = 0;  // of a layer
    std::int64_t rows = 0;     // most rows of a lane in a step
};

/// What a row's choice depends on besides the row itself: nothing, the lane's other rows of the step, its earlier rows.
enum class RuleView : std::uint8_t { kRow, kStep, kHistory };

/// "The likeliest `count`, weighed by their probabilities": what a device can do by itself.
struct LikeliestExperts {
    int count = 0;
    kernels::Renormalise renormalise = kernels::Renormalise::kNo;
};

class ChoosingRule {
public:
    virtual ~ChoosingRule() = default;
    /// Largest number of selections that a row can get in a layer.
    virtual int maxSlots() const = 0;
    virtual RuleView view() const = 0;
    /// Whether it can leave selections that do not run.
    virtual bool marksNotRun() const { return false; }
    /// The rule in these terms, if that is all that it does.
    virtual std::optional<LikeliestExperts> asLikeliest() const { return std::nullopt; }
    /// Null for a rule that looks at rows one by one and remembers nothing.
    virtual std::unique_ptr<RuleState> makeState(const RuleSizes& sizes) const;
    /// Fills the ids of all rows, which are the lane's rows of one step on which the rule acts, in ascending position.
    virtual void choose(int layer, std::span<RoutedRow* const> rows, RuleState* state) const = 0;
    /// Fills the weights for the row's ids. True: they sum to 1 by construction.
    virtual bool weigh(RoutedRow& row) const = 0;
};

/// A rule for which a row's choice depends on nothing but the row.
class RowRule : public ChoosingRule {
public:
    RuleView view() const final { return RuleView::kRow; }
    void choose(int layer, std::span<RoutedRow* const> rows, RuleState* state) const final;
    virtual void chooseRow(int layer, RoutedRow& row) const = 0;
};

/// Before and after a choosing rule. Layers are trace indices.
class EditRule {
public:
    virtual ~EditRule() = default;
    /// Changes the logits before their softmax.
    virtual void adjust(int layer, RoutedRow& row) const;
    /// Whether it takes an expert out of the choice.
    virtual bool removes(int layer, std::int32_t expert) const;
    /// Experts that every row must get, whatever the rule chose, in ascending order.
    virtual std::span<const std::int32_t> forced(int layer) const;
};

/// Makes the `most` likeliest experts the row's choice; returns how many there are.
std::int32_t chooseLikeliest(RoutedRow& row, std::int32_t most);
/// Leaves the first `count` ids.
void keepFirst(RoutedRow& row, std::int32_t count);
/// Ids that run: they come first.
std::span<std::int32_t> runningIds(const RoutedRow& row);
/// Weights by the router's probabilities, over the experts that run.
bool weighByProbability(RoutedRow& row, kernels::Renormalise renormalise);

}  // namespace mixoscope
