#include "durability/small_disk_test.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "durability/role_process_test.h"

namespace mixoscope::test {

namespace {

constexpr uid_t kNobody = 65534;

[[noreturn]] void skip(const std::string& what) {
    skipRole(what + ": " + std::strerror(errno));
}

/// Mounts of this process are its own from now on. Who is not root becomes root of a user namespace for it.
void leaveMountNamespace() {
    if (::unshare(CLONE_NEWNS) == 0) return;
    const std::string user = std::to_string(::geteuid());
    const std::string group = std::to_string(::getegid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) skip("this process may not mount anything");
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
}

}  // namespace

void mountSmallDisk(const std::filesystem::path& directory, std::int64_t bytes) {
    leaveMountNamespace();
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) skip("mounts cannot be made private");
    const std::string size = "size=" + std::to_string(bytes);
    if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, size.c_str()) != 0) skip("a small disk cannot be mounted");
}

void resizeSmallDisk(const std::filesystem::path& directory, std::int64_t bytes) {
    const std::string size = "size=" + std::to_string(bytes);
    if (::mount("tmpfs", directory.c_str(), "tmpfs", MS_REMOUNT, size.c_str()) != 0)
        failRole("the disk keeps its size");
}

void fillDisk(const std::filesystem::path& ballast) {
    const int file = ::open(ballast.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    const std::vector<char> block(4096, 'x');
    while (::write(file, block.data(), block.size()) > 0) {
    }
    const bool full = errno == ENOSPC;
    ::close(file);
    if (!full) failRole(std::string("the disk is not full: ") + std::strerror(errno));
}

void becomeOrdinaryUser(const std::filesystem::path& directory) {
    if (::geteuid() != 0) return;
    if (::chown(directory.c_str(), kNobody, kNobody) != 0) skip("the directory keeps its owner");
    if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0)
        skip("root cannot become somebody else");
}

void setImmutable(const std::filesystem::path& file, bool immutable) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    int flags = 0;
    const bool known = descriptor >= 0 && ::ioctl(descriptor, FS_IOC_GETFLAGS, &flags) == 0;
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    const bool set = known && ::ioctl(descriptor, FS_IOC_SETFLAGS, &flags) == 0;
    if (!set) skip("files cannot be made immutable");
    ::close(descriptor);
}

void requireImmutableIsObeyed(const std::filesystem::path& probe) {
    const int file = ::open(probe.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    setImmutable(probe, true);
    const bool obeyed = ::write(file, "x", 1) != 1;
    setImmutable(probe, false);
    ::close(file);
    if (!obeyed) skipRole("this file system writes to immutable files that were open before");
}

}  // namespace mixoscope::test
