// Whether a call is one that the kernels can make. They check nothing themselves, so all that is said of a call by
// sizes and tables is checked here, without arithmetic that can overflow.
#pragma once

#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/free_memory.hpp"
#include "engine/kernel.hpp"
#include "engine/memory.hpp"
#include "engine/processors.hpp"
#include "engine/saturating.hpp"

namespace throughtime {

// As many threads as are asked for, and no more than there are processors.
inline int usable_threads(int wanted) {
    if (wanted <= 1) return 1;
    const int most = processors();
    return wanted < most ? wanted : most;
}

// Raises unless lengths are within 0 … T and fall in their order, the order has every row once, and, for packed data of
// `rows` rows, each step begins where the one before it ends.
inline void check_tables(const Problem& p, int64_t rows) {
    const int64_t *const lengths = p.lengths, *const order = p.order, *const offsets = p.x.offsets;
    const auto refuse = [](const char* what) { throw std::invalid_argument(what); };
    if (!lengths) {
        if (order || offsets) refuse("expected lengths with an order or offsets");
        return;
    }
    if (order) {
        if (offsets) refuse("order: expected none with packed data");
        std::vector<bool> met(static_cast<size_t>(p.batch));
        for (int64_t n = 0; n < p.batch; ++n) {
            if (order[n] < 0 || order[n] >= p.batch || met[size_t(order[n])]) refuse("order: expected every row once");
            met[size_t(order[n])] = true;
        }
    }
    int64_t before = p.steps;
    for (int64_t n = 0; n < p.batch; ++n) {
        const int64_t length = lengths[order ? order[n] : n];
        if (length < 0 || length > before) refuse("lengths: expected 0 to T, falling in their order");
        before = length;
    }
    if (!offsets) return;
    if (offsets[0] != 0 || offsets[p.steps] != rows)
        refuse("offsets: expected as many rows as there are in the packed data");
    int64_t active = p.batch;
    for (int64_t t = 0; t < p.steps; ++t) {
        while (active > 0 && lengths[active - 1] <= t) --active;
        if (offsets[t + 1] != offsets[t] + active) refuse("offsets: expected the rows that take part in each step");
    }
}

// Raises where a size that the kernels compute with could exceed what can be addressed. All of them, in bytes, are
// below this bound, whose terms are rounded up generously; doubles do not overflow here.
inline void check_addressable(const Kernel& kernel, const Problem& p, int64_t rows) {
    const double columns = 16.0 * (kernel.gates + kernel.kept + kernel.diagonals + 1) * p.directions;
    const double units = double(p.hidden) + 128, inputs = double(p.inputs) + 128;
    const double vectors = double(rows) + double(p.steps) + 2.0 * double(p.batch) + 2048;
    const double bound = 8 * columns * (vectors * (units + inputs) + double(p.threads) * units * (units + inputs));
    if (!(bound < double(beyond_count)))
        throw OutOfMemory("out of memory: sizes exceed what can be addressed, with T = " + std::to_string(p.steps) +
                          ", N = " + std::to_string(p.batch) + ", I = " + std::to_string(p.inputs) +
                          ", H = " + std::to_string(p.hidden));
}

// Bytes of working memory that a call surely stays below.
inline double most_working_bytes(const Kernel& kernel, const Problem& p) {
    const double units = double(p.hidden) + 16, inputs = double(p.inputs) + 16;
    const double columns = 2.0 * (kernel.gates + 1);
    const double weights = columns * units * (units + inputs);
    const double rows = (double(p.batch) + 512.0 * p.threads) * columns * (units + inputs);
    return 8 * p.directions * (2 * p.threads * weights + rows);
}

// Raises where a call exceeds the memory that is free: `results` bytes for what it makes and copies, and working
// memory, which `working` computes for large calls alone.
template <class Working>
void require_call_memory(const Kernel& kernel, const Problem& p, int64_t results, const char* purpose,
                         Working&& working) {
    if (double(results) + most_working_bytes(kernel, p) < double(large_call_bytes)) return;
    require_memory(size_t(sum({results, int64_t(working())})), purpose);
}

// Into how many slices the batch was cut by the call forward, as the vector in front of what it has kept says.
inline int slices_in(const void* kept, int bits, int64_t batch) {
    const double value = bits == 64 ? *static_cast<const double*>(kept) : double(*static_cast<const float*>(kept));
    const double most = batch < 1 ? 1 : batch < 4096 ? double(batch) : 4096;
    if (!(value >= 1 && value <= most && value == double(int(value))))
        throw std::invalid_argument("kept: expected what forward has kept");
    return int(value);
}

}  // namespace throughtime
