// A row's hidden state carries its token in the first place and, from attention on, its position in the second; the
// output projection asks the script. Models of one layer only, so that the position is added once.
#include "support/scripted_backend.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace mixoscope::test {

ScriptedBackend::ScriptedBackend(std::int64_t vocab_size, Script script)
    : m_vocab_size(vocab_size), m_script(std::move(script)) {}

void ScriptedBackend::embed(kernels::Matrix, std::span<const std::int32_t> ids, kernels::RowsOut out) {
    if (before_step) before_step();
    rows_fed += std::ssize(ids);
    for (std::int64_t row = 0; row < out.count; ++row) {
        std::fill_n(out.row(row), out.columns, 0.0F);
        out.row(row)[0] = static_cast<float>(ids[static_cast<std::size_t>(row)]);
    }
}

void ScriptedBackend::rmsNorm(kernels::RowsIn in, std::span<const float>, float, kernels::RowsOut out) {
    for (std::int64_t row = 0; row < in.count; ++row) std::copy_n(in.row(row), in.columns, out.row(row));
}

void ScriptedBackend::matmul(kernels::RowsIn in, kernels::Matrix w, std::span<const float>, kernels::Accumulate mode,
                             kernels::RowsOut out) {
    for (std::int64_t row = 0; row < out.count; ++row) {
        if (mode == kernels::Accumulate::kAdd) {
            out.row(row)[1] += in.row(row)[0];  // attention's output: the position
            continue;
        }
        std::fill_n(out.row(row), out.columns, 0.0F);
        if (w.rows != m_vocab_size) continue;
        const TokenId next = m_script(static_cast<TokenId>(in.row(row)[0]), static_cast<std::int64_t>(in.row(row)[1]));
        if (next == kBrokenLogits) {
            std::fill_n(out.row(row), out.columns, std::numeric_limits<float>::quiet_NaN());
        } else {
            out.row(row)[next] = 10.0F;
        }
    }
}

void ScriptedBackend::queryKeyStore(const kernels::QueryKeyArguments&) {}

void ScriptedBackend::attention(kernels::RowsIn, kernels::KvLayer, std::span<const kernels::SequencePosition> sequence,
                                std::int64_t, kernels::RowsOut out) {
    for (std::int64_t row = 0; row < out.count; ++row) {
        out.row(row)[0] = static_cast<float>(sequence[static_cast<std::size_t>(row)].position);
    }
}

void ScriptedBackend::swiglu(kernels::RowsIn, const kernels::ExpertMatrices&, kernels::RowsOut) {}

void ScriptedBackend::routerProbabilities(kernels::RowsIn logits, kernels::RowsOut probabilities) {
    for (std::int64_t row = 0; row < logits.count; ++row) {
        std::fill_n(probabilities.row(row), probabilities.columns, 1.0F / static_cast<float>(probabilities.columns));
    }
}

void ScriptedBackend::experts(kernels::RowsIn, std::span<const kernels::ExpertMatrices>, kernels::ExpertChoice,
                              kernels::RowsOut) {}

}  // namespace mixoscope::test
