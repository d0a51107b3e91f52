#include "kernels/backend.h"

#include <string>

#include "kernels/cpu/amx.h"
#include "kernels/cpu/dot.h"
#include "kernels/cpu/families.h"

namespace mixoscope::kernels {
namespace {

class CpuBackend final : public Backend {
public:
    explicit CpuBackend(int threads)
        : m_pool(threads),
          m_name(std::string("cpu (") + cpu::instructionSet() + (cpu::usesAmx(DataType::kBF16) ? " + AMX, " : ", ") +
                 std::to_string(m_pool.threads()) + (m_pool.threads() == 1 ? " thread)" : " threads)")) {}

    std::string_view name() const override { return m_name; }
    void embed(Matrix table, std::span<const std::int32_t> ids, RowsOut out) override {
        cpu::embed(m_pool, table, ids, out);
    }
    void rmsNorm(RowsIn in, std::span<const float> weight, float epsilon, RowsOut out) override {
        cpu::rmsNorm(m_pool, in, weight, epsilon, out);
    }
    void matmul(RowsIn in, Matrix w, std::span<const float> bias, Accumulate mode, RowsOut out) override {
        const Product product{w, bias, mode, out};
        matmulEach(in, {&product, 1});
    }
    void matmulEach(RowsIn in, std::span<const Product> products) override {
        cpu::matmulEach(m_pool, m_products, in, products);
    }
    void queryKeyStore(const QueryKeyArguments& arguments) override { cpu::queryKeyStore(m_pool, m_angles, arguments); }
    void attention(RowsIn queries, KvLayer cache, std::span<const SequencePosition> sequence, std::int64_t heads,
                   RowsOut out) override {
        cpu::attention(m_pool, m_attention, queries, cache, sequence, heads, out);
    }
    void swiglu(RowsIn in, const ExpertMatrices& weights, RowsOut out) override {
        cpu::swiglu(m_pool, m_experts, in, weights, out);
    }
    void routerProbabilities(RowsIn logits, RowsOut probabilities) override {
        cpu::routerProbabilities(logits, probabilities);
    }
    void experts(RowsIn in, std::span<const ExpertMatrices> experts, ExpertChoice choice, RowsOut out) override {
        cpu::experts(m_pool, m_experts, in, experts, choice, out);
    }

private:
    ThreadPool m_pool;
    std::string m_name;
    cpu::ProductsWorkspace m_products;
    cpu::RotaryAngles m_angles;
    cpu::AttentionWorkspace m_attention;
    cpu::ExpertsWorkspace m_experts;
};

}  // namespace

std::unique_ptr<Backend> makeCpuBackend(int threads) {
    return std::make_unique<CpuBackend>(threads);
}

}  // namespace mixoscope::kernels
