// A back end without arithmetic: a script says which token the model finds likeliest after which. With it the
// generation loop can be led through any conversation.
#pragma once

#include <functional>
#include <string_view>

#include "engine/ids.h"
#include "kernels/backend.h"

namespace mixoscope::test {

class ScriptedBackend : public kernels::Backend {
public:
    /// The likeliest token after `token` at `position`. It gets logit 10, all others 0; kBrokenLogits: every logit is
    /// NaN.
    using Script = std::function<TokenId(TokenId token, std::int64_t position)>;
    static constexpr TokenId kBrokenLogits = -1;

    ScriptedBackend(std::int64_t vocab_size, Script script);

    /// Called before each forward pass, on the thread that drives the generation.
    std::function<void()> before_step;
    std::int64_t rows_fed = 0;

    std::string_view name() const override { return "scripted"; }
    void embed(kernels::Matrix table, std::span<const std::int32_t> ids, kernels::RowsOut out) override;
    void rmsNorm(kernels::RowsIn in, std::span<const float> weight, float epsilon, kernels::RowsOut out) override;
    void matmul(kernels::RowsIn in, kernels::Matrix w, std::span<const float> bias, kernels::Accumulate mode,
                kernels::RowsOut out) override;
    void queryKeyStore(const kernels::QueryKeyArguments& arguments) override;
    void attention(kernels::RowsIn queries, kernels::KvLayer cache, std::span<const kernels::SequencePosition> sequence,
                   std::int64_t heads, kernels::RowsOut out) override;
    void swiglu(kernels::RowsIn in, const kernels::ExpertMatrices& weights, kernels::RowsOut out) override;
    void routerProbabilities(kernels::RowsIn logits, kernels::RowsOut probabilities) override;
    void experts(kernels::RowsIn in, std::span<const kernels::ExpertMatrices> experts, kernels::ExpertChoice choice,
                 kernels::RowsOut out) override;

private:
    std::int64_t m_vocab_size;
    Script m_script;
};

}  // namespace mixoscope::test
