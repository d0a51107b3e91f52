// All rows of a lane, append-only, in chunks that a snapshot shares without copying: written by one thread, read by any
// through a History that was published after the rows were complete.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope {

/// A lane's token as shown: TokenTrace with its bytes. Every token of the sequence has one, fed or not yet.
struct TokenRecord {
    TokenTrace trace;
    std::string bytes;          // raw bytes of the token; may be part of a character
    std::int64_t time_us = -1;  // when it was chosen (prompt: when its row was computed), since the generation began
    Step step = -1;             // the step that chose it (prompt: that fed it)
};

constexpr std::int32_t kHistoryChunkRows = 256;

/// Storage of kHistoryChunkRows consecutive positions.
struct HistoryChunk {
    explicit HistoryChunk(const TraceShape& chunk_shape);
    TraceShape shape;
    std::vector<TokenRecord> tokens;
    std::vector<std::int16_t> expert_ids;  // (rows, moe_layers, slots)
    std::vector<float> expert_weights;     // (rows, moe_layers, slots)
    std::vector<RouterFacts> router;       // (rows, moe_layers)
    std::vector<float> distributions;      // (rows, moe_layers, experts) or empty
};

/// A consistent, immutable view: positions [0, tokenCount()) have a TokenRecord, positions [0, rowCount()) also
/// routing. Cheap to copy; safe on any thread for as long as it is kept. A position whose record was lost has token id
/// −1 and no experts (ids −1).
class History {
public:
    History() = default;
    History(TraceShape shape, std::vector<std::shared_ptr<const HistoryChunk>> chunks, std::int32_t tokens,
            std::int32_t rows);

    const TraceShape& shape() const { return m_shape; }
    std::int32_t tokenCount() const { return m_tokens; }
    std::int32_t rowCount() const { return m_rows; }

    const TokenRecord& token(std::int32_t position) const;
    std::span<const std::int16_t> experts(std::int32_t position, std::int32_t layer) const;  // (slots)
    std::span<const float> weights(std::int32_t position, std::int32_t layer) const;  // (slots); NaN: not recorded
    const RouterFacts& router(std::int32_t position, std::int32_t layer) const;
    std::span<const float> distribution(std::int32_t position, std::int32_t layer) const;  // (experts) or empty

private:
    const HistoryChunk& chunk(std::int32_t position) const;

    TraceShape m_shape;
    std::vector<std::shared_ptr<const HistoryChunk>> m_chunks;
    std::int32_t m_tokens = 0;
    std::int32_t m_rows = 0;
};

/// The writing side; owned by the aggregates. A copy shares the chunks: one of both may go on writing, the other only
/// after leaveShared(). A position may be written again after a turn restarted from it (history
/// rewritten by the chat template): later positions are then dropped. Chunks that a published History shares are never
/// changed where that History can see it (copied first).
class HistoryWriter {
public:
    explicit HistoryWriter(const TraceShape& shape);
    void addRow(const StepTrace& trace, std::string_view token_bytes);
    /// The token that follows the row just added, chosen but not fed yet.
    void addNext(const StepTrace& trace, std::string_view token_bytes);
    /// Becomes the first `tokens` tokens and the first `rows` rows of `source`, whose chunks are shared where they are
    /// complete.
    void copyFrom(const HistoryWriter& source, std::int32_t rows, std::int32_t tokens);
    /// Takes a chunk of its own for the rows that it would write next.
    void leaveShared();
    /// Drops every position from `position` on, as a turn does whose prompt differs from there.
    void truncate(std::int32_t position);
    std::int32_t rowCount() const { return m_rows; }
    std::int32_t tokenCount() const { return m_tokens; }
    History publish();

private:
    const std::shared_ptr<HistoryChunk>& missing();
    HistoryChunk& writableChunk(std::int32_t position);
    std::shared_ptr<HistoryChunk> copyOf(const HistoryChunk& old, std::size_t rows) const;
    void writeToken(std::int32_t position, const TokenTrace& token, std::string_view bytes, const StepTrace& trace);

    TraceShape m_shape;
    std::shared_ptr<HistoryChunk> m_missing;  // stands where no position of a chunk was ever written; null: nowhere
    std::vector<std::shared_ptr<HistoryChunk>> m_chunks;
    std::int32_t m_tokens = 0;
    std::int32_t m_rows = 0;
    std::int32_t m_published = 0;  // positions below may be seen by a History that shares the chunks as they are
};

}  // namespace mixoscope
