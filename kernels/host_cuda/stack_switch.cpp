#include "kernels/host_cuda/stack_switch.h"

#include <cstdint>
#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__)
#define MIXO_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MIXO_ADDRESS_SANITIZER
#endif
#endif
#ifdef MIXO_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef __x86_64__
// Saves the registers that a call keeps, exchanges the stacks, and returns to where the other was left. The library's
// swapcontext also asks the system for the signal mask, which takes twenty times as long.
extern "C" void mixo_switch_stack(void** from, void* to);
asm(R"(
.text
.p2align 4
.type mixo_switch_stack, @function
.globl mixo_switch_stack
mixo_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size mixo_switch_stack, . - mixo_switch_stack
)");
#else
#include <ucontext.h>
#endif

namespace mixoscope::kernels::host_cuda {
namespace {

#ifdef MIXO_ADDRESS_SANITIZER
constexpr std::size_t kStackBytes = 256 * 1024;  // its frames are larger
#else
constexpr std::size_t kStackBytes = 32 * 1024;
#endif

#ifdef MIXO_ADDRESS_SANITIZER
thread_local Stack* left = nullptr;  // the stack that was left last
#endif

void startSwitch([[maybe_unused]] Stack& from, [[maybe_unused]] Stack& to, [[maybe_unused]] bool for_good) {
#ifdef MIXO_ADDRESS_SANITIZER
    left = &from;
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from.shadow, to.bottom, to.bytes);
#endif
}

void finishSwitch([[maybe_unused]] Stack& to) {
#ifdef MIXO_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(to.shadow, &left->bottom, &left->bytes);
#endif
}

void exchange(Stack& from, Stack& to) {
#ifdef __x86_64__
    mixo_switch_stack(&from.place, to.place);
#else
    if (from.place == nullptr) from.place = new ucontext_t;  // the launcher's, kept for the thread's life
    swapcontext(static_cast<ucontext_t*>(from.place), static_cast<ucontext_t*>(to.place));
#endif
}

}  // namespace

void prepareStack(Stack& stack, void (*entry)()) {
    if (!stack.memory) stack.memory = std::make_unique_for_overwrite<std::byte[]>(kStackBytes);
    stack.bottom = stack.memory.get();
    stack.bytes = kStackBytes;
    stack.shadow = nullptr;
#ifdef __x86_64__
    auto top = reinterpret_cast<std::uintptr_t>(stack.memory.get() + kStackBytes) / 16 * 16;
    auto* words = reinterpret_cast<std::uintptr_t*>(top) - 8;
    for (int word = 0; word < 8; ++word) words[word] = 0;
    words[6] = reinterpret_cast<std::uintptr_t>(entry);  // below it the six saved registers, above it a null return
    stack.place = words;
#else
    if (stack.place == nullptr) stack.place = new ucontext_t;
    auto* context = static_cast<ucontext_t*>(stack.place);
    getcontext(context);
    context->uc_stack.ss_sp = stack.memory.get();
    context->uc_stack.ss_size = kStackBytes;
    context->uc_link = nullptr;
    makecontext(context, entry, 0);
#endif
}

void switchStack(Stack& from, Stack& to) {
    startSwitch(from, to, false);
    exchange(from, to);
    finishSwitch(from);
}

void leaveForGood(Stack& from, Stack& to) {
    startSwitch(from, to, true);
    exchange(from, to);
    std::abort();  // nobody comes back
}

void afterFirstSwitch(Stack& stack) {
    finishSwitch(stack);
}

}  // namespace mixoscope::kernels::host_cuda
