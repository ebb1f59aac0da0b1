// How a call is divided: directions and slices of the batch are independent items of work, and each item is run over
// all steps by a team of threads. A team has one member, and so needs no barrier, unless there are more threads than
// rows; then its members divide the blocks of units and meet once a step.
#pragma once

#include "engine/kernel.hpp"
#include "engine/simd.hpp"

namespace throughtime::THROUGHTIME_ISA {

struct Range {
    ptrdiff_t first, last;

    ptrdiff_t count() const { return last - first; }
    // Chunk `index` of [0, count), cut into `chunks` nearly equal ranges.
    static Range chunk(ptrdiff_t count, ptrdiff_t index, ptrdiff_t chunks) {
        return {count * index / chunks, count * (index + 1) / chunks};
    }
};

struct ThreadPartition {
    int slices;  // of the batch, for each direction
    int team;    // threads for each slice

    // The number of slices may be given, else it is as many as threads are worth their cost.
    static ThreadPartition of(const Problem& p, int gates, int slices = 0) {
        const double step = 2.0 * gates * double(p.hidden) * double(p.hidden + p.inputs);  // operations of one row
        const double all = step * double(p.batch) * double(p.steps) * p.directions;
        // Below some microseconds of work a second thread costs more than it saves.
        const int threads = all < 4e5 ? 1 : max_of(1, p.threads);
        const int for_direction = ceil_div(threads, p.directions);
        ThreadPartition partition{
            slices > 0 ? slices : int(max_of(ptrdiff_t(1), min_of(ptrdiff_t(for_direction), p.batch))), 1};
        const int spare = threads / (partition.slices * p.directions);
        // A team meets at every step, and waking it has a cost for the call.
        if (spare > 1 && step * double(p.batch) > 1e5 && all > 8e6) partition.team = spare;
        return partition;
    }
    int threads(int directions) const { return slices * team * directions; }
    // Whether each item packs the weights for itself: reading what another thread has written is slower.
    bool packs_per_item(int directions, ptrdiff_t bytes) const {
        return team == 1 && (slices * directions == 1 || bytes <= ptrdiff_t(256) << 10);
    }
};

// Some rows of the batch, longest first.
struct BatchSlice {
    const Problem& problem;
    ptrdiff_t first, stride, count;
    ptrdiff_t rows_before;  // in the slices before this one

    static BatchSlice of(const Problem& p, ptrdiff_t index, ptrdiff_t slices) {
        if (p.lengths)  // every slices-th row: equal work
            return {p, index, slices, (p.batch - index + slices - 1) / slices,
                    p.batch / slices * index + min_of(index, p.batch % slices)};
        const Range range = Range::chunk(p.batch, index, slices);
        return {p, range.first, 1, range.count(), range.first};
    }
    ptrdiff_t slot(ptrdiff_t r) const { return first + r * stride; }
    ptrdiff_t row(ptrdiff_t r) const { return problem.order ? problem.order[slot(r)] : slot(r); }
    ptrdiff_t length(ptrdiff_t r) const { return problem.lengths ? problem.lengths[row(r)] : problem.steps; }
    // Number of rows that have a step t; the search starts at the number of a neighbouring step.
    ptrdiff_t active(ptrdiff_t t, ptrdiff_t neighbour) const {
        while (neighbour > 0 && length(neighbour - 1) <= t) --neighbour;
        while (neighbour < count && length(neighbour) > t) ++neighbour;
        return neighbour;
    }
};

// From rows of a slice to rows of the batch; a copy without references.
struct RowIndex {
    const ptrdiff_t first, stride;
    const int64_t* const order;

    explicit RowIndex(const BatchSlice& slice) : first(slice.first), stride(slice.stride), order(slice.problem.order) {}
    ptrdiff_t slot(ptrdiff_t r) const { return first + r * stride; }
    ptrdiff_t row(ptrdiff_t r) const { return order ? order[slot(r)] : slot(r); }
};

}  // namespace throughtime::THROUGHTIME_ISA
