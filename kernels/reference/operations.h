// The oracle's operations as free functions, one family a file; each matches the member of Backend with its name.
#pragma once

#include "kernels/backend.h"

namespace mixoscope::kernels::reference {

void embed(Matrix table, std::span<const std::int32_t> ids, RowsOut out);
void rmsNorm(RowsIn in, std::span<const float> weight, float epsilon, RowsOut out);
void matmul(RowsIn in, Matrix w, std::span<const float> bias, Accumulate mode, RowsOut out);
void queryKeyStore(const QueryKeyArguments& arguments);
void attention(RowsIn queries, KvLayer cache, std::span<const SequencePosition> sequence, std::int64_t heads,
               RowsOut out);
void swiglu(RowsIn in, const ExpertMatrices& weights, RowsOut out);
void routerProbabilities(RowsIn logits, RowsOut probabilities);
void experts(RowsIn in, std::span<const ExpertMatrices> experts, ExpertChoice choice, RowsOut out);

}  // namespace mixoscope::kernels::reference
