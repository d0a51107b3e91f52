#include "support/forward_runner.h"

#include <algorithm>
#include <cstring>

namespace mixoscope::test {

namespace {

template <typename T>
bool sameBits(const std::vector<std::vector<T>>& a, const std::vector<std::vector<T>>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const std::vector<T>& x, const std::vector<T>& y) {
        return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0);
    });
}

template <typename T>
std::vector<T> copyOf(std::span<T> values) {
    return {values.begin(), values.end()};
}

}  // namespace

kernels::SelectionFacts PlainTopK::select(int, std::span<const float> probabilities, std::span<std::int32_t> ids,
                                          std::span<float> weights) const {
    return kernels::selectTopK(probabilities, m_k,
                               m_renormalise ? kernels::Renormalise::kYes : kernels::Renormalise::kNo, ids, weights);
}

bool FedTokens::operator==(const FedTokens& other) const {
    return sameBits(logits, other.logits) && sameBits(expert_ids, other.expert_ids) &&
           sameBits(expert_weights, other.expert_weights) && sameBits(distributions, other.distributions);
}

ForwardRunner::ForwardRunner(const Model& model, kernels::Backend& backend, std::int64_t most_tokens,
                             std::int64_t most_rows)
    : m_model(model),
      m_backend(backend),
      m_cache(model.config, kvPagesFor(most_tokens)),
      m_sequence(m_cache),
      m_policy(model.config),
      m_activations(model.config, {.rows = most_rows, .logit_rows = most_rows}),
      m_record(traceShapeOf(model.config, 0, true), most_rows) {}

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
                        .policy = &m_policy,
                        .wants_logits = true});
    }
    const kernels::RowsIn logits = forward(m_model, m_backend, m_cache, rows, m_activations, &m_record);
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
