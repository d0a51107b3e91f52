// Where the tokens of lanes lie when their texts are set side by side in rows of the same number of tokens, so that
// token i of every lane is in the same row. No widget: measured by a function, tested without a window.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "sessions/comparison_snapshot.h"

namespace mixoscope {

/// The generated tokens of a lane; token 0 is the first after the prompt.
struct AlignedLane {
    LaneId lane = -1;
    History history;
    std::int32_t first = -1;  // position of token 0; −1: nothing generated yet
    bool ended = false;       // nothing more will come

    std::int32_t tokens() const { return first < 0 ? 0 : std::max(0, history.tokenCount() - first); }
    const TokenRecord& token(std::int32_t index) const { return history.token(first + index); }
};
/// Of a lane's free run.
AlignedLane alignedLane(const ComparedLane& lane);
std::vector<AlignedLane> alignedLanes(const ComparisonSnapshot& comparison);
/// Those that a lane runs under, before its first run those that it will.
const LaneSettings& settingsInForce(const ComparedLane& lane);
/// True once a lane has been run.
bool hasRun(const ComparisonSnapshot& comparison);
/// True if the token is another one than the baseline's at its place, or the baseline ended before it.
bool differsFrom(const AlignedLane& base, const AlignedLane& lane, std::int32_t index);

struct PlacedToken {
    std::int32_t index = 0;
    std::int32_t line = 0;  // within the row
    double left = 0.0;
    double width = 0.0;
};

class AlignedRows {
public:
    /// Width of a token as it is painted.
    using Measure = std::function<double(const TokenRecord&)>;
    explicit AlignedRows(Measure measure) : m_measure(std::move(measure)) {}

    /// `width`: room for the text of a lane; a row whose tokens need more is broken into lines, in all lanes alike.
    void setShape(std::int32_t tokens_per_row, double width);
    /// Measures what the lanes have beyond the last update; everything if they are others, or were rewritten.
    void update(std::vector<AlignedLane> lanes);

    const std::vector<AlignedLane>& lanes() const { return m_lanes; }
    std::int32_t tokensPerRow() const { return m_tokens_per_row; }
    /// Of the longest lane.
    std::int32_t tokenCount() const { return m_tokens; }
    std::int32_t rowCount() const { return static_cast<std::int32_t>(m_row_lines.size()); }
    std::int32_t lineCount() const;
    /// Lines before the row; firstLine(rowCount()) is lineCount().
    std::int32_t firstLine(std::int32_t row) const;
    std::int32_t rowAtLine(std::int32_t line) const;
    std::vector<PlacedToken> place(std::size_t lane, std::int32_t row) const;
    /// Tokens measured by update() so far: what the cost of updates is judged by.
    std::int64_t tokensMeasured() const { return m_measured; }

private:
    struct Progress {
        std::int32_t tokens = 0;  // measured
        TokenId last_id = -1;
        Step last_step = -1;
        double x = 0.0;  // behind the last one
        std::int32_t line = 0;
    };
    bool continues(const std::vector<AlignedLane>& lanes) const;
    void restart(std::size_t lanes);
    void addToken(Progress& progress, const TokenRecord& token);
    /// Moves on by a token of this width; its left edge.
    double advance(double& x, std::int32_t& line, double width) const;

    Measure m_measure;
    std::int32_t m_tokens_per_row = 8;
    double m_width = 240.0;
    std::vector<AlignedLane> m_lanes;
    std::vector<Progress> m_progress;
    std::vector<std::int32_t> m_row_lines;            // (rows) lines that the row needs
    mutable std::vector<std::int32_t> m_first_lines;  // (rows + 1), right up to m_stale
    mutable std::int32_t m_stale = 0;
    std::int32_t m_tokens = 0;
    std::int64_t m_measured = 0;
};

/// Columns of a view that shows lanes side by side: at least kNarrowestLane wide; where that is more than there is,
/// they scroll sideways below the first, which stays.
constexpr int kNarrowestLane = 300;
struct LaneColumns {
    int gutter = 0;
    int width = 0;  // of a lane
    int count = 0;
    int scroll = 0;
    int room = 0;  // width of the view

    static LaneColumns of(int room, int gutter, int lanes, int scroll);
    int left(int lane) const { return gutter + lane * width - (lane == 0 ? 0 : scroll); }
    /// How far the lanes can be scrolled.
    int furthest() const { return std::max(0, gutter + count * width - room); }
    /// The lane at x, −1: none.
    int laneAt(double x) const;
};

}  // namespace mixoscope
