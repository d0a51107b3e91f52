#include "probes/routing_history.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace mixoscope {

namespace {

std::size_t layersOf(const TraceShape& shape) {
    return static_cast<std::size_t>(shape.moe_layers);
}
std::size_t slotsOf(const TraceShape& shape) {
    return static_cast<std::size_t>(shape.slots);
}
std::size_t expertsOf(const TraceShape& shape) {
    return static_cast<std::size_t>(shape.experts);
}
std::size_t chunkOf(std::int32_t position) {
    return static_cast<std::size_t>(position / kHistoryChunkRows);
}
std::size_t rowOf(std::int32_t position) {
    return static_cast<std::size_t>(position % kHistoryChunkRows);
}

constexpr float kNotRecorded = std::numeric_limits<float>::quiet_NaN();

/// Chunks that hold `tokens` positions.
std::size_t chunksFor(std::int32_t tokens) {
    return chunkOf(tokens + kHistoryChunkRows - 1);
}

/// Copies what there is of `source` into a row of `target` and fills the rest: a row may be incomplete.
template <typename T>
void copyRow(std::span<const T> source, std::vector<T>& target, std::size_t row, std::size_t width, T fill) {
    const auto begin = target.begin() + static_cast<std::ptrdiff_t>(row * width);
    const std::size_t count = std::min(source.size(), width);
    std::copy_n(source.begin(), count, begin);
    std::fill_n(begin + static_cast<std::ptrdiff_t>(count), width - count, fill);
}

}  // namespace

HistoryChunk::HistoryChunk(const TraceShape& chunk_shape)
    : shape(chunk_shape),
      tokens(kHistoryChunkRows),
      expert_ids(kHistoryChunkRows * layersOf(shape) * slotsOf(shape), -1),
      expert_weights(kHistoryChunkRows * layersOf(shape) * slotsOf(shape)),
      router(kHistoryChunkRows * layersOf(shape)),
      distributions(shape.distributions ? kHistoryChunkRows * layersOf(shape) * expertsOf(shape) : 0) {}

History::History(TraceShape shape, std::vector<std::shared_ptr<const HistoryChunk>> chunks, std::int32_t tokens,
                 std::int32_t rows)
    : m_shape(shape), m_chunks(std::move(chunks)), m_tokens(tokens), m_rows(rows) {
    assert(rows <= tokens);
    assert(static_cast<std::size_t>(tokens) <= m_chunks.size() * kHistoryChunkRows);
}

const HistoryChunk& History::chunk(std::int32_t position) const {
    return *m_chunks[chunkOf(position)];
}

const TokenRecord& History::token(std::int32_t position) const {
    assert(position >= 0 && position < m_tokens);
    return chunk(position).tokens[rowOf(position)];
}

std::span<const std::int16_t> History::experts(std::int32_t position, std::int32_t layer) const {
    assert(position >= 0 && position < m_rows && layer >= 0 && layer < m_shape.moe_layers);
    const std::size_t slots = slotsOf(m_shape);
    const std::size_t cell = rowOf(position) * layersOf(m_shape) + static_cast<std::size_t>(layer);
    return std::span(chunk(position).expert_ids).subspan(cell * slots, slots);
}

std::span<const float> History::weights(std::int32_t position, std::int32_t layer) const {
    assert(position >= 0 && position < m_rows && layer >= 0 && layer < m_shape.moe_layers);
    const std::size_t slots = slotsOf(m_shape);
    const std::size_t cell = rowOf(position) * layersOf(m_shape) + static_cast<std::size_t>(layer);
    return std::span(chunk(position).expert_weights).subspan(cell * slots, slots);
}

const RouterFacts& History::router(std::int32_t position, std::int32_t layer) const {
    assert(position >= 0 && position < m_rows && layer >= 0 && layer < m_shape.moe_layers);
    return chunk(position).router[rowOf(position) * layersOf(m_shape) + static_cast<std::size_t>(layer)];
}

std::span<const float> History::distribution(std::int32_t position, std::int32_t layer) const {
    assert(position >= 0 && position < m_rows && layer >= 0 && layer < m_shape.moe_layers);
    if (!m_shape.distributions) return {};
    const std::size_t experts = expertsOf(m_shape);
    const std::size_t cell = rowOf(position) * layersOf(m_shape) + static_cast<std::size_t>(layer);
    return std::span(chunk(position).distributions).subspan(cell * experts, experts);
}

HistoryWriter::HistoryWriter(const TraceShape& shape) : m_shape(shape) {}

const std::shared_ptr<HistoryChunk>& HistoryWriter::missing() {
    if (!m_missing) m_missing = std::make_shared<HistoryChunk>(m_shape);
    return m_missing;
}

HistoryChunk& HistoryWriter::writableChunk(std::int32_t position) {
    const std::size_t index = chunkOf(position);
    while (m_chunks.size() < index) m_chunks.push_back(missing());
    if (m_chunks.size() == index) {
        m_chunks.push_back(std::make_shared<HistoryChunk>(m_shape));
    } else if (m_chunks[index] == m_missing) {
        m_chunks[index] = std::make_shared<HistoryChunk>(m_shape);
    }
    return *m_chunks[index];
}

std::shared_ptr<HistoryChunk> HistoryWriter::copyOf(const HistoryChunk& old, std::size_t rows) const {
    auto copy = std::make_shared<HistoryChunk>(m_shape);
    const auto copyFront = [&](const auto& from, auto& to) {
        const std::size_t width = from.size() / kHistoryChunkRows;
        std::copy_n(from.begin(), rows * width, to.begin());
    };
    copyFront(old.tokens, copy->tokens);
    copyFront(old.expert_ids, copy->expert_ids);
    copyFront(old.expert_weights, copy->expert_weights);
    copyFront(old.router, copy->router);
    copyFront(old.distributions, copy->distributions);
    return copy;
}

void HistoryWriter::copyFrom(const HistoryWriter& source, std::int32_t rows, std::int32_t tokens) {
    m_tokens = std::clamp(tokens, 0, source.m_tokens);
    m_rows = std::clamp(rows, 0, std::min(m_tokens, source.m_rows));
    m_published = m_tokens;
    m_chunks.assign(
        source.m_chunks.begin(),
        source.m_chunks.begin() + static_cast<std::ptrdiff_t>(std::min(source.m_chunks.size(), chunksFor(m_tokens))));
    // Rows from m_rows on are this history's own: it writes them where the source has its own.
    for (std::size_t index = chunkOf(m_rows); index < m_chunks.size(); ++index) {
        const auto first = static_cast<std::int32_t>(index) * kHistoryChunkRows;
        const std::int32_t kept = std::min(m_tokens - first, kHistoryChunkRows);
        const bool is_missing = m_chunks[index] == source.m_missing;
        m_chunks[index] = is_missing ? missing() : copyOf(*m_chunks[index], static_cast<std::size_t>(kept));
    }
    for (auto& chunk : m_chunks) {
        if (chunk == source.m_missing) chunk = missing();
    }
}

void HistoryWriter::leaveShared() {
    HistoryWriter own(m_shape);
    own.copyFrom(*this, m_rows, m_tokens);
    *this = std::move(own);
}

void HistoryWriter::truncate(std::int32_t position) {
    if (position >= m_tokens) return;
    m_chunks.resize(chunksFor(position));
    // What follows `position` in its chunk is either seen by a History or stale: start from a copy of what stays.
    if (rowOf(position) != 0 && m_chunks.back() != m_missing)
        m_chunks.back() = copyOf(*m_chunks.back(), rowOf(position));
    m_tokens = position;
    m_rows = std::min(m_rows, position);
    m_published = std::min(m_published, position);
}

void HistoryWriter::writeToken(std::int32_t position, const TokenTrace& token, std::string_view bytes,
                               const StepTrace& trace) {
    assert(position >= m_published);
    TokenRecord& record = writableChunk(position).tokens[rowOf(position)];
    record.trace = token;
    record.bytes.assign(bytes);
    record.time_us = trace.step_end_us;
    record.step = trace.step;
}

void HistoryWriter::addRow(const StepTrace& trace, std::string_view token_bytes) {
    const std::int32_t position = trace.token.position;
    if (position < 0) return;
    if (position < m_rows) truncate(position);
    const bool announced = position < m_tokens && chunkOf(position) < m_chunks.size() &&
                           m_chunks[chunkOf(position)]->tokens[rowOf(position)].trace.id == trace.token.id;
    if (!announced) {
        truncate(position);
        writeToken(position, trace.token, token_bytes, trace);
    }
    HistoryChunk& chunk = writableChunk(position);
    const std::size_t row = rowOf(position);
    const std::size_t layers = layersOf(m_shape);
    copyRow(trace.expert_ids, chunk.expert_ids, row, layers * slotsOf(m_shape), std::int16_t{-1});
    copyRow(trace.expert_weights, chunk.expert_weights, row, layers * slotsOf(m_shape), kNotRecorded);
    copyRow(trace.router, chunk.router, row, layers, RouterFacts{});
    if (m_shape.distributions)
        copyRow(trace.distributions, chunk.distributions, row, layers * expertsOf(m_shape), 0.0F);
    m_rows = position + 1;
    m_tokens = std::max(m_tokens, m_rows);
}

void HistoryWriter::addNext(const StepTrace& trace, std::string_view token_bytes) {
    const std::int32_t position = trace.next.position;
    if (position < 0 || trace.next.id < 0) return;
    truncate(position);
    writeToken(position, trace.next, token_bytes, trace);
    m_tokens = position + 1;
}

History HistoryWriter::publish() {
    m_published = m_tokens;
    return {m_shape, {m_chunks.begin(), m_chunks.end()}, m_tokens, m_rows};
}

}  // namespace mixoscope
