// The command line: which command, with which options. Turns every error into one line on the error stream.
#pragma once

#include <iosfwd>

namespace mixoscope {

/// Exit statuses.
constexpr int kDone = 0;
constexpr int kWorkFailed = 1;
constexpr int kBadUsage = 2;  // wrong usage or bad input

/// Runs the command that `argv` names and returns its exit status. Results go to `out`, messages to `err`.
int runProgram(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

}  // namespace mixoscope
