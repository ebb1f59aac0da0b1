// Checks of the sizes and tables of a call, without arithmetic that can overflow. The kernels check nothing.
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

// The requested number of threads, at most the number of processors.
inline int usable_threads(int requested) {
    if (requested <= 1) return 1;
    const int available = processors();
    return requested < available ? requested : available;
}

// Raises unless lengths are within 0..T and sorted by their order, the order is a permutation, and, for packed data of
// `rows` rows, the offsets match the lengths.
inline void check_tables(const Problem& p, int64_t rows) {
    const int64_t *const lengths = p.lengths, *const order = p.order, *const offsets = p.x.offsets;
    const auto fail = [](const char* message) { throw std::invalid_argument(message); };
    if (!lengths) {
        if (order || offsets) fail("lengths: expected a tensor with an order or offsets, got None");
        return;
    }
    if (order) {
        if (offsets) fail("order: expected none with packed data");
        std::vector<bool> seen(static_cast<size_t>(p.batch));
        for (int64_t n = 0; n < p.batch; ++n) {
            if (order[n] < 0 || order[n] >= p.batch || seen[size_t(order[n])]) fail("order: expected every row once");
            seen[size_t(order[n])] = true;
        }
    }
    int64_t before = p.steps;
    for (int64_t n = 0; n < p.batch; ++n) {
        const int64_t length = lengths[order ? order[n] : n];
        if (length < 0 || length > before) fail("lengths: expected 0 to T, sorted by the order");
        before = length;
    }
    if (!offsets) return;
    if (offsets[0] != 0 || offsets[p.steps] != rows) fail("offsets: expected the number of rows of the packed data");
    int64_t active = p.batch;
    for (int64_t t = 0; t < p.steps; ++t) {
        while (active > 0 && lengths[active - 1] <= t) --active;
        if (offsets[t + 1] != offsets[t] + active) fail("offsets: expected the number of active rows of each step");
    }
}

// Raises if a size that the kernels compute could exceed the address space. All sizes, in bytes, are below this bound,
// whose terms are rounded up generously; doubles do not overflow here.
inline void check_addressable(const Kernel& kernel, const Problem& p, int64_t rows) {
    const double columns = 16.0 * (kernel.gates + kernel.reserve_vectors + kernel.diagonals + 1) * p.directions;
    const double units = double(p.hidden) + 128, inputs = double(p.inputs) + 128;
    const double vectors = double(rows) + double(p.steps) + 2.0 * double(p.batch) + 2048;
    const double bound = 8 * columns * (vectors * (units + inputs) + double(p.threads) * units * (units + inputs));
    if (!(bound < double(count_limit)))
        throw OutOfMemory("out of memory: sizes exceed the address space, with T = " + std::to_string(p.steps) +
                          ", N = " + std::to_string(p.batch) + ", I = " + std::to_string(p.inputs) +
                          ", H = " + std::to_string(p.hidden));
}

// An upper bound of the working memory of a call.
inline double max_workspace_bytes(const Kernel& kernel, const Problem& p) {
    const double units = double(p.hidden) + 16, inputs = double(p.inputs) + 16;
    const double columns = 2.0 * (kernel.gates + kernel.states);
    const double weights = columns * units * (units + inputs);
    const double rows = (double(p.batch) + 512.0 * p.threads) * columns * (units + inputs);
    return 8 * p.directions * (2 * p.threads * weights + rows);
}

// Raises if a call exceeds the free memory: `results` bytes for new tensors and copies, and the working memory, which
// `workspace_bytes` computes for large calls only.
template <class WorkspaceBytes>
void require_call_memory(const Kernel& kernel, const Problem& p, int64_t results, const char* purpose,
                         WorkspaceBytes&& workspace_bytes) {
    if (double(results) + max_workspace_bytes(kernel, p) < double(memory_check_threshold)) return;
    require_memory(size_t(saturating_sum({results, int64_t(workspace_bytes())})), purpose);
}

// Raises unless the reserve starts with a possible number of slices of the batch.
inline void check_reserve(const void* reserve, int bits, int64_t batch) {
    const double slices =
        bits == 64 ? *static_cast<const double*>(reserve) : double(*static_cast<const float*>(reserve));
    const double maximum = batch < 1 ? 1 : batch < 4096 ? double(batch) : 4096;
    if (!(slices >= 1 && slices <= maximum && slices == double(int(slices))))
        throw std::invalid_argument("reserve: expected the one from forward");
}

}  // namespace throughtime
