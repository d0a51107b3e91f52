// Processes that a test starts, watches and kills: this program itself, started again in a role of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mixoscope::test {

/// What a process in a role tells the test that started it.
struct RoleMessage {
    std::int32_t kind = 0;
    std::int32_t file = 0;
    std::int64_t value = 0;
    std::int64_t time_us = 0;  // when it was told, by the clock of monotonicUs()
};

/// The same in all processes of this machine.
std::int64_t monotonicUs();

/// Returns the exit status of the process.
using ProcessRole = int (*)(const std::vector<std::string>& arguments);

/// Runs the role that the command line names (`--role=NAME ARGUMENT…`); nothing: it names none.
std::optional<int> runRole(int argc, char** argv);

/// Makes a role known; one at namespace scope for each.
struct RoleRegistration {
    RoleRegistration(const char* name, ProcessRole role);
};

/// In a role: tells the test. Whole messages also from several threads.
void tellTest(std::int32_t kind, std::int32_t file, std::int64_t value);

/// In a role that judges for itself: the test fails with this text and the process ends.
[[noreturn]] void failRole(const std::string& reason);
/// In a role: the test is skipped with this text and the process ends.
[[noreturn]] void skipRole(const std::string& reason);

class RoleProcess {
public:
    RoleProcess(const std::string& name, const std::vector<std::string>& arguments);
    /// Kills it if it is still there.
    ~RoleProcess();
    RoleProcess(const RoleProcess&) = delete;
    RoleProcess& operator=(const RoleProcess&) = delete;

    /// The next message; nothing: none came in this time, or the process has ended and all were read.
    std::optional<RoleMessage> next(std::chrono::microseconds wait);
    void kill();
    /// Waits for its end; true: it was killed by kill().
    bool waitKilled();
    /// Waits for its end. A failed or killed role fails the test, a skipped one skips it.
    void waitDone();

private:
    pid_t m_pid = -1;
    int m_messages = -1;  // this end of the pipe
    std::string m_name;
};

}  // namespace mixoscope::test
