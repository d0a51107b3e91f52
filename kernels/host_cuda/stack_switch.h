// Stacks of fibers and the switch between them.
#pragma once

#include <cstddef>
#include <memory>

namespace mixoscope::kernels::host_cuda {

/// A stack that a fiber runs on, or the calling thread's own while it waits.
struct Stack {
    std::unique_ptr<std::byte[]> memory;  // null: the thread's own
    void* place = nullptr;                // where it was left
    // What the address sanitizer wants to know.
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    void* shadow = nullptr;
};

/// Makes the stack begin with `entry`, which must not return, when it is first switched to.
void prepareStack(Stack& stack, void (*entry)());
/// Leaves the stack that runs, `from`, and goes on where `to` was left.
void switchStack(Stack& from, Stack& to);
/// The same for a fiber that is never gone back to.
[[noreturn]] void leaveForGood(Stack& from, Stack& to);
/// To be called first on a new stack.
void afterFirstSwitch(Stack& stack);

}  // namespace mixoscope::kernels::host_cuda
