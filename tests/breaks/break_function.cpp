// Loaded before a test program (LD_PRELOAD): disables one function of it, or notes which of its functions run.
//   MIXO_BREAK=PROGRAM:OFFSET:KIND[,...]   the function at OFFSET of the program named PROGRAM does nothing. KIND is
//   what it returns:
//                                          0 nothing, zero, false or null; 1 one or true; sN an object of N zero bytes;
//                                          t an empty std::string
//   MIXO_TRACE=FOLDER:OUT                  appends to OUT a line "PROGRAM OFFSET" for each function listed in
//   FOLDER/PROGRAM.offsets that ran
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using Code = std::vector<std::uint8_t>;

std::uintptr_t programBase() {
    std::uintptr_t base = 0;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* result) {
            *static_cast<std::uintptr_t*>(result) = info->dlpi_addr;
            return 1;  // the first is the program
        },
        &base);
    return base;
}

std::string programName() {
    char path[4096];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    const std::string whole(path, size > 0 ? static_cast<std::size_t>(size) : 0);
    return whole.substr(whole.rfind('/') + 1);
}

void makeWritable(std::uintptr_t address, std::size_t size) {
    const std::uintptr_t page = 4096;
    const std::uintptr_t begin = address / page * page;
    const std::uintptr_t end = (address + size + page - 1) / page * page;
    if (mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        std::perror("break_function: mprotect");
        _exit(99);
    }
}

Code codeOf(const std::string& kind) {
    Code code;
    const auto add = [&](std::initializer_list<int> bytes) {
        for (const int byte : bytes) code.push_back(static_cast<std::uint8_t>(byte));
    };
    if (kind == "0")
        add({0x31, 0xC0, 0x31, 0xD2, 0x0F, 0x57, 0xC0, 0xC3});  // xor eax,eax; xor edx,edx; xorps xmm0,xmm0; ret
    if (kind == "1") add({0xB8, 1, 0, 0, 0, 0xC3});             // mov eax,1; ret
    if (kind == "t")
        add({0x48, 0x8D, 0x47, 0x10, 0x48, 0x89, 0x07,  // lea rax,[rdi+16]; mov [rdi],rax
             0x48, 0xC7, 0x47, 0x08, 0,    0,    0,
             0,    0xC6, 0x47, 0x10, 0,  // mov qword [rdi+8],0; mov byte [rdi+16],0
             0x48, 0x89, 0xF8, 0xC3});   // mov rax,rdi; ret
    if (kind[0] == 's') {
        const int size = std::stoi(kind.substr(1));
        add({0x57, 0x31, 0xC0, 0xB9, size & 255, size >> 8 & 255, size >> 16 & 255, 0, 0xF3, 0xAA, 0x58,
             0xC3});  // push rdi; xor eax,eax; mov ecx,N; rep stosb; pop rax; ret
    }
    return code;
}

// Written before main begins and read by the signal handler.
struct Trace {
    std::unordered_map<std::uintptr_t, std::uint8_t> first;  // address -> the byte that the breakpoint replaced
    std::unordered_map<std::uintptr_t, bool> ran;
    std::string out;
    std::uintptr_t base = 0;
    pid_t process = 0;
};
Trace* trace = nullptr;

void onBreakpoint(int, siginfo_t*, void* context) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const auto address = static_cast<std::uintptr_t>(registers[REG_RIP]) - 1;
    const auto found = trace->first.find(address);
    if (found == trace->first.end()) {
        signal(SIGTRAP, SIG_DFL);
        return;
    }
    *reinterpret_cast<volatile std::uint8_t*>(address) = found->second;
    trace->ran.find(address)->second = true;
    registers[REG_RIP] = static_cast<greg_t>(address);
}

void beginTrace(const std::string& text) {
    const auto colon = text.find(':');
    trace = new Trace;
    trace->out = text.substr(colon + 1);
    trace->base = programBase();
    trace->process = getpid();
    std::ifstream offsets(text.substr(0, colon) + "/" + programName() + ".offsets");
    std::uintptr_t offset = 0;
    while (offsets >> std::hex >> offset) {
        const std::uintptr_t address = trace->base + offset;
        trace->first[address] = *reinterpret_cast<std::uint8_t*>(address);
        trace->ran[address] = false;
    }
    struct sigaction action {};
    action.sa_sigaction = onBreakpoint;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(SIGTRAP, &action, nullptr);
    for (const auto& [address, byte] : trace->first) {
        makeWritable(address, 1);
        *reinterpret_cast<volatile std::uint8_t*>(address) = 0xCC;
    }
}

void breakFunctions(const std::string& text) {
    std::istringstream parts(text);
    std::string part;
    while (std::getline(parts, part, ',')) {
        const auto first = part.find(':');
        const auto second = part.find(':', first + 1);
        if (part.substr(0, first) != programName()) continue;
        const std::uintptr_t address =
            programBase() + std::stoull(part.substr(first + 1, second - first - 1), nullptr, 16);
        const Code code = codeOf(part.substr(second + 1));
        makeWritable(address, code.size());
        std::memcpy(reinterpret_cast<void*>(address), code.data(), code.size());
    }
}

__attribute__((constructor)) void begin() {
    if (const char* text = std::getenv("MIXO_BREAK")) breakFunctions(text);
    if (const char* text = std::getenv("MIXO_TRACE")) beginTrace(text);
}

__attribute__((destructor)) void end() {
    if (!trace || trace->process != getpid()) return;
    std::ostringstream lines;
    for (const auto& [address, ran] : trace->ran)
        if (ran) lines << programName() << ' ' << std::hex << address - trace->base << '\n';
    std::ofstream(trace->out, std::ios::app) << lines.str();
}

}  // namespace
