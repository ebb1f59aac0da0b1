// Work for measuring how fast this processor multiplies and adds at all, which the speed of kernels is compared with.
#pragma once

namespace throughtime {

struct Peak {
    const char* isa;
    // Multiplies and adds in registers alone, in float32. Returns the number of operations, two for each fused one.
    double (*work)(int threads);
};

}  // namespace throughtime
