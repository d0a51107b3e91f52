// A process that records synthetic sessions one after another until it is killed, telling what is committed; and what
// must be in the files that it leaves.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "durability/role_process_test.h"
#include "engine/step_trace.h"

namespace mixoscope::test {

enum RecordingMessage : std::int32_t {
    kOpening,    // a new file, value: its number
    kOpened,     // it is there, with its model
    kProduced,   // value: serial numbers given to the recorder so far
    kCommitted,  // value: rows that the recorder says are committed
    kFlushed,    // value: serial numbers that a flush acknowledged; messages of all turns so far too
    kTurns,      // value: turns that a flush acknowledged
    kClosing,
    kClosed,
};

struct RecordingPlan {
    std::uint32_t seed = 0;
    int turns = 1;          // of each file
    int ring_slots = 4096;  // few: records get lost
    bool flushes = true;    // now and then
    bool distributions = false;

    TraceShape shape() const { return {4, 4, 32, distributions}; }
    std::vector<std::string> arguments(const std::filesystem::path& directory) const;
};

/// The file with this number.
std::filesystem::path recordedFile(const std::filesystem::path& directory, std::int32_t number);

}  // namespace mixoscope::test
