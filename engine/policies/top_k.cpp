// `top-k`: the k likeliest experts of every row, optionally with a bound on what an expert takes of a step (Switch,
// arXiv 2101.03961; GShard, 2006.16668; Batch Prioritised Routing, 2106.05974), and with GShard's draw for the second
// choice. With the checkpoint's own k, no bound and no draw it is `model`, bit for bit.
#include <algorithm>

#include "engine/dispatch.h"
#include "engine/error.h"
#include "engine/policies/policy_kind.h"
#include "engine/random_choice.h"

namespace mixoscope::policies::top_k {

namespace {

constexpr std::uint32_t kPurpose = 3;
constexpr int kDrawnChoices = 2;  // what GShard routes by

enum class DropOrder : std::uint8_t { kPosition, kScore };

/// A second choice is used with probability min(1, g₂ / full), g₂ its share of the two probabilities.
struct SecondChoice {
    double full = 0.0;  // 0: always used
    std::uint64_t seed = 0;

    bool isDrawn() const { return full > 0.0; }
    void draw(int layer, RoutedRow& row) const {
        if (row.ids[1] < 0) return;
        const auto first = static_cast<double>(row.probabilities[static_cast<std::size_t>(row.ids[0])]);
        const auto second = static_cast<double>(row.probabilities[static_cast<std::size_t>(row.ids[1])]);
        const DrawKey key{.seed = seed,
                          .subject = static_cast<std::uint64_t>(row.position),
                          .layer = static_cast<std::uint32_t>(layer),
                          .purpose = kPurpose};
        if (!(uniformFor(key) * full < second / (first + second))) row.ids[1] = notRunId(row.ids[1]);
    }
};

struct Queues : RuleState {
    void restart() override {}
    std::vector<std::int64_t> lengths;  // (experts)
    std::vector<RoutedRow*> rows;       // in the order in which they are served
};

class TopKRule final : public ChoosingRule {
public:
    TopKRule(int k, kernels::Renormalise renormalise, double capacity, DropOrder order, SecondChoice second)
        : m_k(k), m_renormalise(renormalise), m_capacity(capacity), m_order(order), m_second(second) {}

    int maxSlots() const override { return m_k; }
    RuleView view() const override { return bounded() ? RuleView::kStep : RuleView::kRow; }
    bool marksNotRun() const override { return bounded() || m_second.isDrawn(); }
    std::optional<LikeliestExperts> asLikeliest() const override {
        if (bounded() || m_second.isDrawn()) return std::nullopt;
        return LikeliestExperts{m_k, m_renormalise};
    }

    std::unique_ptr<RuleState> makeState(const RuleSizes& sizes) const override {
        if (!bounded()) return nullptr;
        auto state = std::make_unique<Queues>();
        state->lengths.resize(static_cast<std::size_t>(sizes.experts));
        state->rows.reserve(static_cast<std::size_t>(sizes.rows));
        return state;
    }

    void choose(int layer, std::span<RoutedRow* const> rows, RuleState* state) const override {
        for (RoutedRow* row : rows) {
            chooseLikeliest(*row, m_k);
            if (m_second.isDrawn()) m_second.draw(layer, *row);
        }
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
    SecondChoice m_second;
};

PolicySpec specFor(const ModelConfig& config) {
    PolicySpec spec;
    spec.name = "top-k";
    spec.help =
        "The k likeliest experts of every token. With a capacity each expert takes at most capacity · k · T / N of a "
        "step's T tokens (rounded up) and the others' selections are dropped: k=1 as Switch, k=2 as GShard. That acts "
        "on the prompt only: a step of one token overflows nothing. With k=2 the second choice can be drawn, as GShard "
        "does";
    spec.source = "Switch arXiv 2101.03961, GShard 2006.16668, drop=score: Batch Prioritised Routing 2106.05974";
    spec.cost = "weights read a decoded token grow with k; capacity saves arithmetic of the prompt only";
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
         .choices = {"position", "score"}},
        {.key = "second",
         .type = ParameterType::kNumber,
         .minimum = 0.01,
         .maximum = 1.0,
         .default_value = "always",
         .help = "With k=2: the second choice is used with probability min(1, g2 / this), g2 its share of the two "
                 "probabilities; what is not drawn counts as dropped. 0.5 as in GShard's paper, 0.2 as in Mesh "
                 "TensorFlow, always: no draw",
         .also = "always"},
        seedParameter()};
    return spec;
}

std::shared_ptr<const ChoosingRule> makeRule(const PolicyArguments& arguments, const ModelConfig& /*config*/) {
    const auto k = static_cast<int>(arguments.integer("k"));
    SecondChoice second;
    if (arguments.text("second") != "always") {
        second = {.full = arguments.number("second"), .seed = static_cast<std::uint64_t>(arguments.integer("seed"))};
        if (k != kDrawnChoices)
            throw Error({.what = "only a second choice of two can be drawn",
                         .where = "second",
                         .expected = "k=2",
                         .found = "k=" + std::to_string(k)});
    }
    return std::make_shared<TopKRule>(k, arguments.renormalise("renorm"), arguments.number("capacity"),
                                      arguments.text("drop") == "score" ? DropOrder::kScore : DropOrder::kPosition,
                                      second);
}

}  // namespace

PolicyKind kind() {
    return {.spec = specFor, .choosing = makeRule};
}

}  // namespace mixoscope::policies::top_k
