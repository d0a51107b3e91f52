#include "support/read_only_directory.h"

#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace mixoscope::test {

namespace {

constexpr uid_t kNobody = 65534;
using std::filesystem::perms;

}  // namespace

ReadOnlyDirectory::ReadOnlyDirectory(std::filesystem::path path)
    : m_path(std::move(path)), m_was_root(::geteuid() == 0) {
    std::filesystem::permissions(m_path, perms::owner_read | perms::owner_exec | perms::group_read | perms::group_exec |
                                             perms::others_read | perms::others_exec);
    if (m_was_root && ::seteuid(kNobody) != 0) throw std::runtime_error("seteuid failed");
}

ReadOnlyDirectory::~ReadOnlyDirectory() {
    if (m_was_root && ::seteuid(0) != 0) std::terminate();
    std::filesystem::permissions(m_path, perms::owner_all);
}

}  // namespace mixoscope::test
