// `top-k`: the k likeliest experts of every row, optionally with a bound on what an expert takes of a step (Switch,
// arXiv 2101.03961; GShard, 2006.16668; Batch Prioritised Routing, 2106.05974). With the checkpoint's own k and no
// bound it is `model`, bit for bit.
#include <algorithm>

#include "engine/dispatch.h"
#include "engine/policies/policy_kind.h"

namespace mixoscope::policies::top_k {

namespace {

enum class DropOrder : std::uint8_t { kPosition, kScore };

struct Queues : RuleState {
    void restart() override {}
    std::vector<std::int64_t> lengths;  // (experts)
    std::vector<RoutedRow*> rows;       // in the order in which they are served
};

class TopKRule final : public ChoosingRule {
public:
    TopKRule(int k, kernels::Renormalise renormalise, double capacity, DropOrder order)
        : m_k(k), m_renormalise(renormalise), m_capacity(capacity), m_order(order) {}

    int maxSlots() const override { return m_k; }
    RuleView view() const override { return bounded() ? RuleView::kStep : RuleView::kRow; }
    bool marksNotRun() const override { return bounded(); }
    std::optional<LikeliestExperts> asLikeliest() const override {
        if (bounded()) return std::nullopt;
        return LikeliestExperts{m_k, m_renormalise};
    }

    std::unique_ptr<RuleState> makeState(const RuleSizes& sizes) const override {
        if (!bounded()) return nullptr;
        auto state = std::make_unique<Queues>();
        state->lengths.resize(static_cast<std::size_t>(sizes.experts));
        state->rows.reserve(static_cast<std::size_t>(sizes.rows));
        return state;
    }

    void choose(int /*layer*/, std::span<RoutedRow* const> rows, RuleState* state) const override {
        for (RoutedRow* row : rows) chooseLikeliest(*row, m_k);
        if (bounded()) drop(rows, static_cast<Queues&>(*state));
    }

    /// The weights are those before the drop: what was dropped is missing from the sum.
    bool weigh(RoutedRow& row) const override { return weighWithNotRun(row, m_renormalise); }

private:
    bool bounded() const { return m_capacity < std::numeric_limits<double>::infinity(); }

    void drop(std::span<RoutedRow* const> rows, Queues& queues) const {
        const std::int64_t capacity =
            expertCapacity(m_capacity, m_k, std::ssize(rows), std::ssize(rows.front()->probabilities));
        std::ranges::fill(queues.lengths, 0);
        queues.rows.assign(rows.begin(), rows.end());
        if (m_order == DropOrder::kScore) {
            std::ranges::sort(queues.rows, [](const RoutedRow* a, const RoutedRow* b) {
                const float first = firstProbability(*a);
                const float second = firstProbability(*b);
                return first != second ? first > second : a->position < b->position;
            });
        }
        // All first choices are served before any second choice.
        for (int rank = 0; rank < m_k; ++rank) {
            for (RoutedRow* row : queues.rows) {
                std::int32_t& id = row->ids[static_cast<std::size_t>(rank)];
                if (id < 0) continue;
                if (++queues.lengths[static_cast<std::size_t>(id)] > capacity) id = notRunId(id);
            }
        }
        for (RoutedRow* row : rows) moveNotRunLast(*row);
    }

    static float firstProbability(const RoutedRow& row) {
        return row.ids.front() < 0 ? 0.0F : row.probabilities[static_cast<std::size_t>(row.ids.front())];
    }

    int m_k;
    kernels::Renormalise m_renormalise;
    double m_capacity;
    DropOrder m_order;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "top-k";
    spec.help =
        "The k likeliest experts of every token. With a capacity each expert takes at most capacity · k · T / N of a "
        "step's T tokens (rounded up) and the others' selections are dropped: k=1 as Switch, k=2 as GShard. That acts "
        "on "
        "the prompt only: a step of one token overflows nothing";
    spec.source = "Switch arXiv 2101.03961, GShard 2006.16668, drop=score: Batch Prioritised Routing 2106.05974";
    spec.cost = "weights read a decoded token grow with k; capacity saves arithmetic of the prompt only";
    spec.causal = false;
    spec.view = "step";
    spec.parameters = {
        countParameter(config),
        renormaliseParameter(config),
        {.key = "capacity",
         .type = ParameterType::kNumber,
         .minimum = 0.01,
         .maximum = 1000.0,
         .default_value = "inf",
         .help = "Most tokens of a step that an expert takes, in units of its even share; inf: any number",
         .also = "inf"},
        {.key = "drop",
         .type = ParameterType::kChoice,
         .default_value = "position",
         .help = "Whose selections are dropped where an expert is full: those of the latest tokens, or "
                 "those of the tokens with the lowest router probability (looks at later tokens)",
         .choices = {"position", "score"}}};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    return std::make_shared<TopKRule>(static_cast<int>(arguments.integer("k")), arguments.renormalise("renorm"),
                                      arguments.number("capacity"),
                                      arguments.text("drop") == "score" ? DropOrder::kScore : DropOrder::kPosition);
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::top_k
