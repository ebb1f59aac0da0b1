// What a cell is to the engine: a handful of constants and its pointwise mathematics, forward next to backward.
//
// Both work on one vector of units of one row. The engine has done everything else: products, biases, time, threads.
//
//   gates      how many blocks of H rows the weights have, in torch's order
//   separate   gates whose input and hidden halves meet later than by a plain sum (GRU's n): their halves come apart
//   states     h first; the engine keeps the others (LSTM's c) for the backward pass by itself
//   kept       vectors that forward leaves for backward, besides states
//   diagonals  weights of shape (H,) that act pointwise (peepholes)
//
//   forward    (columns, diagonal, previous states)             -> next states, kept
//   backward   (kept, diagonal, previous states, next states,
//               gradient of the next states in `dstate`)        -> dstate: gradient of the previous states without
//                                                                  what went through the hidden product;
//                                                                  dcolumns; ddiagonal
//
// `columns` holds the pre-activations in this order: the input halves of the separate gates, the sums of all other
// gates, the hidden halves of the separate gates; each group in the order of the gates. So a GRU's four columns are
// n_x, r, z, n_h.
#pragma once

#include <concepts>

#include "engine/math.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Activations: the value; the slope as a function of that value; and the gradient of what went in, from that of the
// value. Each gives no number exactly where torch gives none.
struct Tanh {
    static constexpr const char* name = "tanh";
    template <class V>
    static THROUGHTIME_INLINE V value(V x) {
        return tanh(x);
    }
    template <class V>
    static THROUGHTIME_INLINE V slope(V y) {
        return 1 - y * y;
    }
    template <class V>
    static THROUGHTIME_INLINE V through(V dy, V y) {
        return dy * slope(y);
    }
};

struct Sigmoid {
    static constexpr const char* name = "sigmoid";
    template <class V>
    static THROUGHTIME_INLINE V value(V x) {
        return sigmoid(x);
    }
    template <class V>
    static THROUGHTIME_INLINE V slope(V y) {
        return y * (1 - y);
    }
    template <class V>
    static THROUGHTIME_INLINE V through(V dy, V y) {
        return dy * slope(y);
    }
};

struct Relu {
    static constexpr const char* name = "relu";
    template <class V>
    static THROUGHTIME_INLINE V value(V x) {
        return x < 0 ? V{} : x;
    }
    template <class V>
    static THROUGHTIME_INLINE V through(V dy, V y) {
        return y <= 0 ? V{} : dy;
    }
};

template <class C>
concept Cell = requires(const FloatVec* in, FloatVec* out) {
    { C::gates } -> std::convertible_to<int>;
    { C::states } -> std::convertible_to<int>;
    { C::kept } -> std::convertible_to<int>;
    { C::diagonals } -> std::convertible_to<int>;
    { C::separate[0] } -> std::convertible_to<bool>;
    C::template forward<FloatVec>(in, in, in, out, out);
    C::template backward<FloatVec>(in, in, in, in, out, out, out);
};

// The columns of a cell, derived from which of its gates are separate.
template <class C>
struct Columns {
    static constexpr int separate = [] {
        int count = 0;
        for (int g = 0; g < C::gates; ++g) count += C::separate[g];
        return count;
    }();
    static constexpr int count = C::gates + separate;
    // The gate that a column belongs to. The input side uses columns [0, gates), the hidden side [separate, count).
    static constexpr int gate(int column) {
        const bool wanted = column < separate || column >= C::gates;
        int skip = column < separate ? column : wanted ? column - C::gates : column - separate;
        for (int g = 0; g < C::gates; ++g)
            if (C::separate[g] == wanted && skip-- == 0) return g;
        return -1;
    }
};

}  // namespace throughtime::THROUGHTIME_ISA
