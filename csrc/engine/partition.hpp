// How one call is cut up: directions and slices of the batch are items of independent work; each item is run over all
// steps by a team of threads. A team has one member, and so no barrier, unless there are more threads than rows to
// share out; then its members divide the unit blocks and meet once a step.
#pragma once

#include "engine/cell.hpp"
#include "engine/gemm.hpp"
#include "engine/kernel.hpp"
#include "engine/memory.hpp"
#include "engine/threads.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace throughtime::THROUGHTIME_ISA {

// Inputs no wider than this are multiplied inside the recurrent tile; wider ones for many steps at once, beforehand.
inline constexpr ptrdiff_t widest_folded_input = 16;
// Rows whose pre-activations wait in the first-level cache for their pointwise part.
inline constexpr ptrdiff_t group_rows = 48;
inline constexpr ptrdiff_t group_bytes = 16 << 10;

template <class T>
constexpr ptrdiff_t blocks_of(ptrdiff_t units) {
    return ceil_div(units, ptrdiff_t(lanes<T>));
}

// Units of block `b` that are real; the others are padding.
template <class T>
constexpr ptrdiff_t units_in(ptrdiff_t units, ptrdiff_t b) {
    return smaller(ptrdiff_t(lanes<T>), units - b * lanes<T>);
}

template <class T>
THROUGHTIME_INLINE Vec<T> load_units(const T* row, ptrdiff_t units, ptrdiff_t b) {
    const ptrdiff_t here = units_in<T>(units, b);
    return here == lanes<T> ? load(row + b * lanes<T>) : load_first(row + b * lanes<T>, here);
}

template <class T>
THROUGHTIME_INLINE void store_units(T* row, ptrdiff_t units, ptrdiff_t b, Vec<T> v) {
    const ptrdiff_t here = units_in<T>(units, b);
    here == lanes<T> ? store(row + b * lanes<T>, v) : store_first(row + b * lanes<T>, v, here);
}

// Part `index` of [0, count) cut into `parts` nearly equal ranges.
struct Range {
    ptrdiff_t first, last;

    ptrdiff_t count() const { return last - first; }
    static Range part(ptrdiff_t count, ptrdiff_t index, ptrdiff_t parts) {
        return {count * index / parts, count * (index + 1) / parts};
    }
};

struct Share {
    int slices;  // of the batch, for each direction
    int team;    // threads for each slice

    // Into as many slices as the threads are worth, unless they are given.
    static Share of(const Problem& p, int gates, int slices = 0) {
        const double step = 2.0 * gates * double(p.hidden) * double(p.hidden + p.inputs);  // operations of one row
        const double all = step * double(p.batch) * double(p.steps) * p.directions;
        // Below some microseconds of work a second thread costs more than it brings.
        const int threads = all < 4e5 ? 1 : larger(1, p.threads);
        const int wanted = ceil_div(threads, p.directions);
        Share share{slices > 0 ? slices : int(larger(ptrdiff_t(1), smaller(ptrdiff_t(wanted), p.batch))), 1};
        const int spare = threads / (share.slices * p.directions);
        // A team meets at every step, and has to be woken for the call.
        if (spare > 1 && step * double(p.batch) > 1e5 && all > 8e6) share.team = spare;
        return share;
    }
    int threads(int directions) const { return slices * team * directions; }
    // Whether each item packs the weights for itself, since a thread is slower to fetch what another one has written.
    bool packs_alone(int directions, ptrdiff_t bytes) const {
        return team == 1 && (slices * directions == 1 || bytes <= ptrdiff_t(256) << 10);
    }
};

// Some rows of the batch, longest first.
struct Slice {
    const Problem& problem;
    ptrdiff_t first, stride, count;
    ptrdiff_t before;  // rows of the slices before it

    static Slice of(const Problem& p, ptrdiff_t index, ptrdiff_t slices) {
        if (p.lengths)  // dealt out: equal work
            return {p, index, slices, (p.batch - index + slices - 1) / slices,
                    p.batch / slices * index + smaller(index, p.batch % slices)};
        const Range range = Range::part(p.batch, index, slices);
        return {p, range.first, 1, range.count(), range.first};
    }
    ptrdiff_t slot(ptrdiff_t r) const { return first + r * stride; }
    ptrdiff_t row(ptrdiff_t r) const { return problem.order ? problem.order[slot(r)] : slot(r); }
    ptrdiff_t length(ptrdiff_t r) const { return problem.lengths ? problem.lengths[row(r)] : problem.steps; }
    // How many rows take part in step t, given how many did in a neighbouring one.
    ptrdiff_t active(ptrdiff_t t, ptrdiff_t near) const {
        while (near > 0 && length(near - 1) <= t) --near;
        while (near < count && length(near) > t) ++near;
        return near;
    }
};

// Where the rows of a slice stand, by itself.
struct SliceRows {
    const ptrdiff_t first, stride;
    const int64_t* const order;

    explicit SliceRows(const Slice& slice) : first(slice.first), stride(slice.stride), order(slice.problem.order) {}
    ptrdiff_t slot(ptrdiff_t r) const { return first + r * stride; }
    ptrdiff_t row(ptrdiff_t r) const { return order ? order[slot(r)] : slot(r); }
};

// So many of them for as long as the object lives.
template <class T>
class Array {
  public:
    explicit Array(ptrdiff_t count) : data_(new T[size_t(count)]) {}
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    ~Array() { delete[] data_; }

    T& operator[](ptrdiff_t i) const { return data_[i]; }
    T* data() const { return data_; }

  private:
    T* const data_;
};

// Hands out a block of memory piece by piece; without one it only counts. Large pieces begin with a page, so that the
// processors of two threads that write next to each other fetch nothing that is the other's.
class Pieces {
  public:
    explicit Pieces(char* block = nullptr) : block_(block) {}

    template <class T>
    T* take(ptrdiff_t count) {
        const size_t bytes = size_t(count) * sizeof(T), alignment = bytes < large ? 64 : page;
        const size_t first = ceil_div(used_, alignment) * alignment;
        used_ = first + bytes;
        guard();
        return block_ ? reinterpret_cast<T*>(block_ + first) : nullptr;
    }
    // What is fetched ahead ends with a page, so what threads have for themselves begins with one.
    void turn_page() { used_ = ceil_div(used_, page) * page; }
    size_t used() const { return used_; }

  private:
    // Under the address sanitizer no piece follows right after another, so that a step outside of one is seen.
    void guard() {
#if defined(__SANITIZE_ADDRESS__)
        if (block_) __asan_poison_memory_region(block_ + used_, page);
        used_ += page;
#endif
    }

    static constexpr size_t page = 4096, large = 4 * page;
    char* block_;
    size_t used_ = 0;
};

// Working memory whose pieces `layout` names, once to measure and once to place them.
class Scratch {
  public:
    template <class Layout>
    explicit Scratch(Layout&& layout) : memory_(measure(layout)) {
        Pieces pieces(memory_.data());
        layout(pieces);
    }

    template <class Layout>
    static size_t measure(Layout&& layout) {
        Pieces pieces;
        layout(pieces);
        return pieces.used();
    }

  private:
    WorkingMemory memory_;
};

template <class T>
void fill(T* p, ptrdiff_t count, T value) {
    for (ptrdiff_t i = 0; i < count; ++i) p[i] = value;
}

// Sizes that forward and backward share, for a cell C and elements E.
template <class C, class E>
struct Shape {
    static constexpr int W = lanes<E>, G = C::gates, Z = Columns<C>::separate, columns = Columns<C>::count;
    static constexpr int S = C::states, kept = C::kept + C::states - 1, D = C::diagonals;
    // The first state that has memory of its own besides what products read: h too, where that is rounded.
    static constexpr int apart = span<E> == 1 ? 1 : 0;

    const Problem& problem;
    ptrdiff_t hidden = problem.hidden, inputs = problem.inputs;
    ptrdiff_t blocks = blocks_of<E>(hidden), units = blocks * W;
    ptrdiff_t input_blocks = blocks_of<E>(inputs);
    ptrdiff_t deep_hidden = whole(hidden), deep_inputs = whole(inputs);  // as operands of products
    bool folded = inputs <= widest_folded_input;

    // Whether weights of so many elements leave the second-level cache between two uses.
    static bool far(ptrdiff_t count) { return count * ptrdiff_t(sizeof(E)) > ptrdiff_t(1) << 20; }
    static ptrdiff_t whole(ptrdiff_t count) { return ceil_div(count, ptrdiff_t(span<E>)) * span<E>; }
    ptrdiff_t kept_rows() const { return problem.rows_before(problem.steps); }
    // Where the vectors kept for step t begin, and how far apart those of blocks and rows are. Each slice has its own
    // memory, so that threads do not fetch each other's; packed sequences follow each other step by step.
    ptrdiff_t kept_at(int direction, ptrdiff_t t, const Slice& slice) const {
        const ptrdiff_t rows =
            problem.y.offsets ? problem.rows_before(t) : problem.steps * slice.before + t * slice.count;
        const ptrdiff_t first = problem.y.offsets ? slice.first : 0;
        return W + ((direction * kept_rows() + rows) * blocks + first) * kept * W;
    }
    ptrdiff_t kept_block(ptrdiff_t t, const Slice& slice) const {
        return (problem.y.offsets ? problem.rows_at(t) : slice.count) * kept * W;
    }
    ptrdiff_t kept_row(const Slice& slice) const { return (problem.y.offsets ? slice.stride : 1) * kept * W; }
    // Start of row n in a (D, N, H) tensor.
    ptrdiff_t state_at(int direction, ptrdiff_t n) const { return (direction * problem.batch + n) * hidden; }
    ptrdiff_t y_at(int direction, ptrdiff_t t, ptrdiff_t n) const { return problem.y.at(t, n) + direction * hidden; }

    // One block of biases (columns, W): both halves added where the sum of the halves is all that is needed.
    void pack_bias(const Weights& w, ptrdiff_t b, Sum<E>* to) const {
        for (int c = 0; c < columns; ++c) {
            const ptrdiff_t from = Columns<C>::gate(c) * hidden + b * W, here = units_in<E>(hidden, b);
            Vec<E> v{};
            if (w.b_ih && c < G) v += load_first(static_cast<const E*>(w.b_ih) + from, here);
            if (w.b_hh && c >= Z) v += load_first(static_cast<const E*>(w.b_hh) + from, here);
            store(to + c * W, v);
        }
    }
    void pack_diagonal(const Weights& w, ptrdiff_t b, Sum<E>* to) const {
        for (int d = 0; d < D; ++d)
            store(to + d * W, load_units(static_cast<const E*>(w.diagonal) + d * hidden, hidden, b));
    }
};

}  // namespace throughtime::THROUGHTIME_ISA
