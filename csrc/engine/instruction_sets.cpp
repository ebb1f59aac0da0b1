#include "engine/instruction_sets.hpp"

#include <cstdint>
#include <initializer_list>

// Asked from the processor itself: on Windows, clang does not link what __builtin_cpu_supports needs.
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace throughtime {
namespace {

#if defined(__x86_64__)

struct Registers {
    uint32_t eax, ebx, ecx, edx;
};

// All zero for what the processor does not know.
Registers cpuid(uint32_t leaf, uint32_t subleaf) {
    Registers r{};
    __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
    return r;
}

constexpr bool has_bits(uint32_t value, std::initializer_list<int> bits) {
    for (const int bit : bits)
        if (!(value >> bit & 1)) return false;
    return true;
}

// Whether the operating system saves these registers (bits of XCR0) when it switches between threads.
bool saves_registers(std::initializer_list<int> bits) {
    constexpr int osxsave = 27;
    if (!has_bits(cpuid(1, 0).ecx, {osxsave})) return false;
    uint32_t low, high;
    asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return has_bits(low, bits);
}

bool has_avx2() {
    constexpr int fma = 12, avx2 = 5;
    return saves_registers({1, 2}) && has_bits(cpuid(1, 0).ecx, {fma}) && has_bits(cpuid(7, 0).ebx, {avx2});
}

bool has_avx512() {
    constexpr int f = 16, dq = 17, bw = 30, vl = 31;
    return has_avx2() && saves_registers({1, 2, 5, 6, 7}) && has_bits(cpuid(7, 0).ebx, {f, dq, bw, vl});
}

#endif

}  // namespace

std::vector<std::string> instruction_sets() {
    std::vector<std::string> available;
#if defined(__x86_64__)
    if (has_avx512()) available.emplace_back("avx512");
    if (has_avx2()) available.emplace_back("avx2");
#endif
    available.emplace_back("baseline");
    return available;
}

bool has_bfloat16() {
#if defined(__x86_64__)
    constexpr int avx512_bf16 = 5;
    return has_avx512() && has_bits(cpuid(7, 1).eax, {avx512_bf16});
#else
    return false;
#endif
}

}  // namespace throughtime
