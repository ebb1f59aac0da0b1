// The instruction sets of this processor that kernels are compiled for.
#pragma once

#include <string>
#include <vector>

namespace throughtime {

// By name, best first.
std::vector<std::string> instruction_sets();

// Whether the processor has the instructions of the kernels for bfloat16, which belong to avx512.
bool has_bfloat16();

}  // namespace throughtime
