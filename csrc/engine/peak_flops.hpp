// Peak arithmetic throughput of the processor, to compare the speed of kernels with.
#pragma once

namespace throughtime {

struct PeakFlops {
    const char* isa;
    // Runs multiply-adds in registers, in float32. Returns the number of operations, two for each multiply-add.
    double (*run)(int threads);
};

}  // namespace throughtime
