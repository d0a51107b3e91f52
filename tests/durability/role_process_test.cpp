#include "durability/role_process_test.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string_view>

extern char** environ;

namespace mixoscope::test {

namespace {

constexpr int kTellTo = 3;  // the role's end of the pipe
constexpr int kSkipped = 77;
constexpr std::string_view kOption = "--role=";

std::map<std::string, ProcessRole>& roles() {
    static std::map<std::string, ProcessRole> known;
    return known;
}

}  // namespace

std::int64_t monotonicUs() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

std::optional<int> runRole(int argc, char** argv) {
    if (argc < 2 || !std::string_view(argv[1]).starts_with(kOption)) return std::nullopt;
    const auto role = roles().find(argv[1] + kOption.size());
    if (role == roles().end()) return 2;
    return role->second({argv + 2, argv + argc});
}

RoleRegistration::RoleRegistration(const char* name, ProcessRole role) {
    roles()[name] = role;
}

void tellTest(std::int32_t kind, std::int32_t file, std::int64_t value) {
    const RoleMessage message{kind, file, value, monotonicUs()};
    if (write(kTellTo, &message, sizeof(message)) != sizeof(message)) _exit(3);  // nobody is there any more
}

void failRole(const std::string& reason) {
    std::fprintf(stderr, "%s\n", reason.c_str());
    _exit(1);
}

void skipRole(const std::string& reason) {
    std::fprintf(stderr, "%s\n", reason.c_str());
    _exit(kSkipped);
}

RoleProcess::RoleProcess(const std::string& name, const std::vector<std::string>& arguments) : m_name(name) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    std::vector<std::string> words{"/proc/self/exe", std::string(kOption) + name};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_adddup2(&actions, ends[1], kTellTo);
    if (ends[1] != kTellTo) posix_spawn_file_actions_addclose(&actions, ends[1]);
    const int failure = posix_spawn(&m_pid, words.front().c_str(), &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    m_messages = ends[0];
    if (failure != 0) throw std::runtime_error(std::string("no process: ") + std::strerror(failure));
}

RoleProcess::~RoleProcess() {
    if (m_pid > 0) {
        kill();
        waitpid(m_pid, nullptr, 0);
    }
    close(m_messages);
}

std::optional<RoleMessage> RoleProcess::next(std::chrono::microseconds wait) {
    const std::int64_t until = monotonicUs() + wait.count();
    for (;;) {
        pollfd ready{m_messages, POLLIN, 0};
        const std::int64_t left_us = std::max<std::int64_t>(0, until - monotonicUs());
        const timespec left{left_us / 1'000'000, (left_us % 1'000'000) * 1000};
        const int found = ppoll(&ready, 1, &left, nullptr);
        if (found < 0 && errno == EINTR) continue;
        if (found <= 0) return std::nullopt;
        RoleMessage message;
        if (read(m_messages, &message, sizeof(message)) != sizeof(message)) return std::nullopt;
        return message;
    }
}

void RoleProcess::kill() {
    ::kill(m_pid, SIGKILL);
}

bool RoleProcess::waitKilled() {
    int status = 0;
    waitpid(m_pid, &status, 0);
    m_pid = -1;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

void RoleProcess::waitDone() {
    int status = 0;
    waitpid(m_pid, &status, 0);
    m_pid = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped)
        GTEST_SKIP() << m_name << ": its reason stands on standard error";
    ASSERT_TRUE(WIFEXITED(status)) << m_name << " died of signal " << WTERMSIG(status);
    ASSERT_EQ(WEXITSTATUS(status), 0) << m_name << ": its reason stands on standard error";
}

}  // namespace mixoscope::test
