// Sizes and positions that the forward and the backward pass share.
#pragma once

#include "engine/cell.hpp"
#include "engine/partition.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Up to this number of inputs, the product with the inputs is fused into the recurrent tile; more inputs are multiplied
// for many steps at once, in advance.
inline constexpr ptrdiff_t max_fused_inputs = 16;
// Limits of a group of rows, whose pre-activations stay in the first-level cache until their pointwise part.
inline constexpr ptrdiff_t max_group_rows = 48;
inline constexpr ptrdiff_t group_bytes = 16 << 10;

template <class T>
constexpr ptrdiff_t blocks_of(ptrdiff_t units) {
    return ceil_div(units, ptrdiff_t(lanes<T>));
}

// Number of units in block `b`, or more if it is full; the other lanes are padding.
template <class T>
constexpr ptrdiff_t units_in(ptrdiff_t units, ptrdiff_t b) {
    return min_of(ptrdiff_t(lanes<T>), units - b * lanes<T>);
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

// G gates, Z of them with separate halves, S states, `saved` vectors for backward (states after h included), D
// diagonals. Numbers at run time: what is not in an inner loop is compiled once for all cells.
template <class Element>
struct Shape {
    using E = Element;
    static constexpr int W = lanes<E>;
    // Index of the first state that has a buffer of its own: 0 if the operand of products is rounded, so that h needs
    // one.
    static constexpr int first_buffered_state = span<E> == 1 ? 1 : 0;

    // The gate that a column belongs to. The input side uses columns [0, G), the hidden side [Z, columns).
    int gate(int column) const { return column < Z ? G - Z + column : column - Z; }

    const Problem& problem;
    const int G, Z, S, saved, D;
    const int columns = G + Z;
    ptrdiff_t hidden = problem.hidden, inputs = problem.inputs;
    ptrdiff_t blocks = blocks_of<E>(hidden), units = blocks * W;
    ptrdiff_t input_blocks = blocks_of<E>(inputs);
    ptrdiff_t hidden_depth = padded_to_span(hidden), input_depth = padded_to_span(inputs);  // of products
    bool fuses_inputs = inputs <= max_fused_inputs;

    // Whether `count` elements of weights are evicted from the second-level cache between two uses.
    static bool exceeds_l2(ptrdiff_t count) { return count * ptrdiff_t(sizeof(E)) > ptrdiff_t(1) << 20; }
    static ptrdiff_t padded_to_span(ptrdiff_t count) { return ceil_div(count, ptrdiff_t(span<E>)) * span<E>; }
    ptrdiff_t reserve_rows() const { return problem.rows_before(problem.steps); }
    // Position in the reserve of the vectors of step t, and the distances between blocks and between rows. Each slice
    // has a contiguous part, so that threads do not share cache lines; packed sequences are stored step by step.
    ptrdiff_t reserve_at(int direction, ptrdiff_t t, const BatchSlice& slice) const {
        const ptrdiff_t rows =
            problem.y.offsets ? problem.rows_before(t) : problem.steps * slice.rows_before + t * slice.count;
        const ptrdiff_t first = problem.y.offsets ? slice.first : 0;
        return W + ((direction * reserve_rows() + rows) * blocks + first) * saved * W;
    }
    ptrdiff_t reserve_block(ptrdiff_t t, const BatchSlice& slice) const {
        return (problem.y.offsets ? problem.rows_at(t) : slice.count) * saved * W;
    }
    ptrdiff_t reserve_row(const BatchSlice& slice) const { return (problem.y.offsets ? slice.stride : 1) * saved * W; }
    // Start of row n in a (D, N, H) tensor.
    ptrdiff_t state_at(int direction, ptrdiff_t n) const { return (direction * problem.batch + n) * hidden; }
    ptrdiff_t y_at(int direction, ptrdiff_t t, ptrdiff_t n) const { return problem.y.at(t, n) + direction * hidden; }

    // One block of biases (columns, W): both halves are added for gates that only need the sum.
    void pack_bias(const Weights& w, ptrdiff_t b, Sum<E>* to) const {
        for (int c = 0; c < columns; ++c) {
            const ptrdiff_t from = gate(c) * hidden + b * W, here = units_in<E>(hidden, b);
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

// The same with the numbers at compile time, for inner loops. It does not depend on a cell's mathematics, so that cells
// of equal numbers share what is compiled.
template <class Element, int gates, int separate, int states, int saved_vectors, int diagonals>
struct ShapeOf : Shape<Element> {
    static constexpr int G = gates, Z = separate, columns = gates + separate;
    static constexpr int S = states, saved = saved_vectors, D = diagonals;

    explicit ShapeOf(const Problem& problem) : Shape<Element>{problem, G, Z, S, saved, D} {}
    static constexpr int gate(int column) { return column < Z ? G - Z + column : column - Z; }
};

template <Cell C, class E>
using CellShape = ShapeOf<E, C::gates.count, C::separate_halves.count, C::states.count, C::saved + C::states.count - 1,
                          C::diagonals.count>;

}  // namespace throughtime::THROUGHTIME_ISA
