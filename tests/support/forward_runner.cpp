#include "support/forward_runner.h"

#include <algorithm>
#include <cstring>

#include "engine/host_processor.h"

namespace mixoscope::test {

namespace {

template <typename T>
bool sameBits(const std::vector<std::vector<T>>& a, const std::vector<std::vector<T>>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const std::vector<T>& x, const std::vector<T>& y) {
        return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0);
    });
}

class PlainTopK : public RowRule {
public:
    PlainTopK(int k, bool renormalise)
        : m_k(k), m_renormalise(renormalise ? kernels::Renormalise::kYes : kernels::Renormalise::kNo) {}
    int maxSlots() const override { return m_k; }
    std::optional<LikeliestExperts> asLikeliest() const override { return LikeliestExperts{m_k, m_renormalise}; }
    void chooseRow(int, RoutedRow& row) const override {
        kernels::selectTopK(row.probabilities, m_k, m_renormalise, row.ids, row.weights);
    }
    bool weigh(RoutedRow&) const override { return m_renormalise == kernels::Renormalise::kYes; }

private:
    int m_k;
    kernels::Renormalise m_renormalise;
};

template <typename T>
std::vector<T> copyOf(std::span<T> values) {
    return {values.begin(), values.end()};
}

}  // namespace

LaneRouting plainTopK(const ModelConfig& config, int k, bool renormalise) {
    std::vector<ChoosingPart> parts{{std::make_shared<PlainTopK>(k, renormalise), PolicyScope()}};
    return {std::make_shared<RoutingPolicy>("plain", config, std::move(parts), std::vector<EditPart>()), config, 4096};
}

LaneRouting plainTopK(const ModelConfig& config) {
    return plainTopK(config, static_cast<int>(config.num_experts_per_tok), config.norm_topk_prob);
}

bool FedTokens::operator==(const FedTokens& other) const {
    return sameBits(logits, other.logits) && sameBits(expert_ids, other.expert_ids) &&
           sameBits(expert_weights, other.expert_weights) && sameBits(distributions, other.distributions);
}

ForwardRunner::ForwardRunner(const Model& model, std::unique_ptr<ForwardPass> forward, std::int64_t most_rows,
                             LaneRouting routing)
    : m_forward(std::move(forward)),
      m_sequence(m_forward->cache()),
      m_routing(std::move(routing)),
      m_record(traceShapeOf(model.config, m_routing.policy().maxSlots(), true), most_rows) {}

ForwardRunner::ForwardRunner(const Model& model, Processor& processor, std::int64_t most_tokens, std::int64_t most_rows)
    : ForwardRunner(
          model,
          processor.makeForwardPass(model, {.rows = most_rows, .logit_rows = most_rows}, kvPagesFor(most_tokens)),
          most_rows, plainTopK(model.config)) {}

ForwardRunner::ForwardRunner(const Model& model, kernels::Backend& backend, std::int64_t most_tokens,
                             std::int64_t most_rows)
    : ForwardRunner(model,
                    HostProcessor(backend).makeForwardPass(model, {.rows = most_rows, .logit_rows = most_rows},
                                                           kvPagesFor(most_tokens)),
                    most_rows, plainTopK(model.config)) {}

ForwardRunner::ForwardRunner(const Model& model, kernels::Backend& backend, std::int64_t most_tokens,
                             std::int64_t most_rows, const std::string& policy)
    : ForwardRunner(
          model,
          HostProcessor(backend).makeForwardPass(
              model,
              {.rows = most_rows, .logit_rows = most_rows, .slots = parsePolicy(policy, model.config)->maxSlots()},
              kvPagesFor(most_tokens)),
          most_rows, LaneRouting(parsePolicy(policy, model.config), model.config, most_rows)) {}

void ForwardRunner::feed(std::span<const TokenId> tokens, std::int64_t chunk) {
    while (!tokens.empty()) {
        const std::size_t count = std::min(tokens.size(), static_cast<std::size_t>(chunk));
        step(tokens.first(count));
        tokens = tokens.subspan(count);
    }
}

void ForwardRunner::step(std::span<const TokenId> tokens) {
    const std::int64_t first = m_sequence.length();
    if (!m_sequence.extend(static_cast<std::int64_t>(tokens.size()))) throw std::runtime_error("too few pages");
    std::vector<ForwardRow> rows;
    for (std::size_t index = 0; index < tokens.size(); ++index) {
        rows.push_back({.token = tokens[index],
                        .sequence = {m_sequence.pages(), first + static_cast<std::int64_t>(index)},
                        .routing = &m_routing,
                        .wants_logits = true});
    }
    const kernels::RowsIn logits = m_forward->run(rows, &m_record);
    for (std::int64_t row = 0; row < logits.count; ++row) {
        m_fed.logits.emplace_back(logits.row(row), logits.row(row) + logits.columns);
        m_fed.expert_ids.push_back(copyOf(m_record.expertIds(row)));
        m_fed.expert_weights.push_back(copyOf(m_record.expertWeights(row)));
        m_fed.router.push_back(copyOf(m_record.router(row)));
        m_fed.distributions.push_back(copyOf(m_record.distributions(row)));
    }
}

TokenId ForwardRunner::likeliest() const {
    const std::vector<float>& logits = m_fed.logits.back();
    return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace mixoscope::test
