#include "kernels/backend.h"

#include "kernels/reference/operations.h"

namespace mixoscope::kernels {
namespace {

class ReferenceBackend final : public Backend {
public:
    std::string_view name() const override { return "reference"; }
    void embed(Matrix table, std::span<const std::int32_t> ids, RowsOut out) override {
        reference::embed(table, ids, out);
    }
    void rmsNorm(RowsIn in, std::span<const float> weight, float epsilon, RowsOut out) override {
        reference::rmsNorm(in, weight, epsilon, out);
    }
    void matmul(RowsIn in, Matrix w, std::span<const float> bias, Accumulate mode, RowsOut out) override {
        reference::matmul(in, w, bias, mode, out);
    }
    void queryKeyStore(const QueryKeyArguments& arguments) override { reference::queryKeyStore(arguments); }
    void attention(RowsIn queries, KvLayer cache, std::span<const SequencePosition> sequence, std::int64_t heads,
                   RowsOut out) override {
        reference::attention(queries, cache, sequence, heads, out);
    }
    void swiglu(RowsIn in, const ExpertMatrices& weights, RowsOut out) override { reference::swiglu(in, weights, out); }
    void routerProbabilities(RowsIn logits, RowsOut probabilities) override {
        reference::routerProbabilities(logits, probabilities);
    }
    void experts(RowsIn in, std::span<const ExpertMatrices> experts, ExpertChoice choice, RowsOut out) override {
        reference::experts(in, experts, choice, out);
    }
};

}  // namespace

std::unique_ptr<Backend> makeReferenceBackend() {
    return std::make_unique<ReferenceBackend>();
}

}  // namespace mixoscope::kernels
