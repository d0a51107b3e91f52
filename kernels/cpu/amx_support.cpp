// Whether AMX can be used: the processor must have it, the system must save its registers, and the process must ask.
#include <atomic>

#include "kernels/cpu/amx.h"
#include "kernels/cpu/targets.h"
// Below it:
#include "hwy/highway.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mixoscope::kernels::cpu {
namespace {

#if defined(__x86_64__) && defined(__linux__)

__attribute__((target("xsave"))) bool systemSavesTiles() {
    constexpr std::uint64_t kTileState = (1U << 17) | (1U << 18);  // configuration and data
    return (_xgetbv(0) & kTileState) == kTileState;
}

bool processorHasTiles() {
    constexpr unsigned kXgetbv = 1U << 27;
    constexpr unsigned kTiles = (1U << 24) | (1U << 22);  // amx-tile and amx-bf16
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kXgetbv) == 0 || !systemSavesTiles()) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTiles) == kTiles;
}

/// The tiles are 8 KiB more to save for each thread, so Linux has each process ask for them (since 5.16).
bool systemGrantsTiles() {
    constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
    constexpr long kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool findOut() {
    const bool has_avx512 = (hwy::SupportedTargets() & HWY_AVX3) != 0;  // packs what the tiles multiply
    return has_avx512 && processorHasTiles() && systemGrantsTiles();
}

#else

bool findOut() {
    return false;
}

#endif

std::atomic<bool> switched_on{true};

}  // namespace

bool amxAvailable() {
    static const bool available = findOut();
    return available;
}

void setAmx(bool on) {
    switched_on.store(on, std::memory_order_relaxed);
}

bool usesAmx(DataType type) {
    return type == DataType::kBF16 && amxAvailable() && switched_on.load(std::memory_order_relaxed);
}

}  // namespace mixoscope::kernels::cpu
