// QK-norm, rotary embedding and the KV store over the pool.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/families.h"
#include "kernels/cpu/operations.h"

namespace mixoscope::kernels::cpu {
namespace {

void storeRow(const RotaryAngles& angles, const QueryKeyArguments& arguments, std::int64_t row) {
    const KvLayer& cache = arguments.cache;
    const std::int64_t head_dim = cache.head_dim;
    const SequencePosition& place = arguments.sequence[static_cast<std::size_t>(row)];
    for (std::int64_t head = 0; head < arguments.heads; ++head) {
        float* query = arguments.queries.row(row) + head * head_dim;
        if (!arguments.query_norm.empty()) normaliseRow(query, arguments.query_norm, arguments.norm_epsilon, query);
        rotateHead(query, angles.cosines(row), angles.sines(row));
    }
    const std::int64_t page = place.pages[static_cast<std::size_t>(place.position / kKvPageTokens)];
    for (std::int64_t head = 0; head < cache.kv_heads; ++head) {
        const std::int64_t offset = cache.offset(page, head, place.position % kKvPageTokens);
        const float* key = arguments.keys.row(row) + head * head_dim;
        float* stored = cache.keys + offset;
        if (arguments.key_norm.empty()) {
            std::copy_n(key, head_dim, stored);
        } else {
            normaliseRow(key, arguments.key_norm, arguments.norm_epsilon, stored);
        }
        rotateHead(stored, angles.cosines(row), angles.sines(row));
        std::copy_n(arguments.values.row(row) + head * head_dim, head_dim, cache.values + offset);
    }
}

}  // namespace

bool RotaryAngles::holds(const QueryKeyArguments& arguments) const {
    const auto same_position = [](std::int64_t position, const SequencePosition& place) {
        return position == place.position;
    };
    return m_scaling == arguments.attention_scaling &&
           std::equal(m_positions.begin(), m_positions.end(), arguments.sequence.begin(), arguments.sequence.end(),
                      same_position) &&
           std::equal(m_frequencies.begin(), m_frequencies.end(), arguments.inverse_frequencies.begin(),
                      arguments.inverse_frequencies.end());
}

void RotaryAngles::prepare(ThreadPool& pool, const QueryKeyArguments& arguments) {
    if (holds(arguments)) return;
    m_scaling = arguments.attention_scaling;
    m_frequencies.assign(arguments.inverse_frequencies.begin(), arguments.inverse_frequencies.end());
    m_positions.clear();
    for (const SequencePosition& place : arguments.sequence) m_positions.push_back(place.position);
    const std::size_t count = m_positions.size() * m_frequencies.size();
    if (m_cosines.size() < count) m_cosines.resize(count);
    if (m_sines.size() < count) m_sines.resize(count);
    constexpr std::size_t kWorthSharing = 1024;
    pool.runIf(count > kWorthSharing, static_cast<std::int64_t>(m_positions.size()), [&](std::int64_t row, int) {
        const auto position = static_cast<float>(m_positions[static_cast<std::size_t>(row)]);
        for (std::size_t i = 0; i < m_frequencies.size(); ++i) {
            const auto angle = static_cast<double>(position * m_frequencies[i]);
            const std::size_t at = static_cast<std::size_t>(row) * m_frequencies.size() + i;
            m_cosines[at] = static_cast<float>(std::cos(angle)) * m_scaling;
            m_sines[at] = static_cast<float>(std::sin(angle)) * m_scaling;
        }
    });
}

void queryKeyStore(ThreadPool& pool, RotaryAngles& angles, const QueryKeyArguments& arguments) {
    assert(arguments.queries.columns == arguments.heads * arguments.cache.head_dim);
    assert(arguments.keys.columns == arguments.cache.kv_heads * arguments.cache.head_dim);
    assert(arguments.values.columns == arguments.keys.columns);
    assert(static_cast<std::int64_t>(arguments.inverse_frequencies.size()) == arguments.cache.head_dim / 2);
    angles.prepare(pool, arguments);
    const std::int64_t columns = arguments.queries.columns + arguments.keys.columns + arguments.values.columns;
    pool.runIf(worthSharing(arguments.queries.count * columns * 4, 0), arguments.queries.count,
               [&](std::int64_t row, int) { storeRow(angles, arguments, row); });
}

}  // namespace mixoscope::kernels::cpu
