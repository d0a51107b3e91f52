// What views read of a recording that is being played: where its cursor is, and what the whole of it looks like.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/step_trace.h"

namespace mixoscope {

/// A moment at which the recorded window had something new to show: the end of a step of the engine. A step decodes one
/// token of each lane, or computes a piece of a prompt.
struct PlaybackStep {
    std::int64_t end_serial = 0;   // records before this one belong to it or to a step before
    std::int64_t rows = 0;         // tokens fed up to its end, of all lanes
    std::int64_t time_us = 0;      // of its end, since the generation began
    Phase phase = Phase::kPrompt;  // of its last row
    bool begins_turn = false;
};

/// Everything about a recording that does not depend on the cursor. Steps are counted from 1; 0 is before the first.
struct PlaybackIndex {
    std::vector<PlaybackStep> steps;

    std::int64_t count() const { return static_cast<std::int64_t>(steps.size()); }
    std::int64_t rows() const { return steps.empty() ? 0 : steps.back().rows; }
    const PlaybackStep& step(std::int64_t number) const { return steps[static_cast<std::size_t>(number - 1)]; }
    std::int64_t rowsAt(std::int64_t number) const { return number < 1 ? 0 : step(number).rows; }
    /// The step that fed the row-th token (from 1); clamped to the steps that there are.
    std::int64_t stepOfRow(std::int64_t row) const;
    /// First step of the next turn, the last step if there is none.
    std::int64_t nextTurn(std::int64_t number) const;
    /// First step of the turn; from there, of the one before.
    std::int64_t previousTurn(std::int64_t number) const;
};

enum class PlaybackState : std::uint8_t {
    kReading,  // the file, in the background; the cursor is at the end of what was read
    kPaused,
    kPlaying,
};

/// Steps that are played again and again; none: it is played to the end.
struct PlaybackLoop {
    std::int64_t first = 0;
    std::int64_t last = 0;  // after it comes the first one again

    bool set() const { return first >= 1 && last > first; }
    bool operator==(const PlaybackLoop&) const = default;
};

/// Whether the model of a recording is where it was.
struct ModelAtHand {
    enum class Verdict : std::uint8_t {
        kUnknown,    // the session names no files (random weights)
        kSameFiles,  // files of the same names and sizes; what is in them was not compared
        kOtherFiles,
        kAbsent,
    };
    Verdict verdict = Verdict::kUnknown;
    std::string detail;    // the first file that is missing or has another size, with both sizes
    bool by_name = false;  // an embedded model: it is found by its name, wherever the program lies by now
};

struct Playback {
    PlaybackState state = PlaybackState::kReading;
    std::int64_t rows_read = 0;   // of rows_total, while reading
    std::int64_t rows_total = 0;  // that the file held when it was opened
    std::int64_t step = 0;        // the cursor: how many steps are shown
    double speed = 1.0;           // times the recorded pace; 0: as fast as it goes
    PlaybackLoop loop;
    std::shared_ptr<const PlaybackIndex> index;  // never null; empty until everything is read
    ModelAtHand model;
};

}  // namespace mixoscope
