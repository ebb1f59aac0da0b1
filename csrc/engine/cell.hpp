// The interface of a cell: its description and its pointwise mathematics, forward next to backward.
//
// Both functions work on one vector of units of one row. The engine does everything else: products, biases, time,
// threads.
//
//   gates            names in the order of their blocks of H rows in the weights (torch's order)
//   separate_halves  the last gates, if their input and hidden halves do not meet in a plain sum (GRU's n)
//   states           names; h first. The engine saves the others (LSTM's c) for the backward pass
//   diagonals        names of pointwise weights of shape (H,) (peepholes)
//   saved            vectors that forward saves for backward, in addition to the states
//
//   forward    (columns, diagonal, previous states)             -> next states, saved
//   backward   (saved, diagonal, previous states, next states,
//               gradient of the next states in `dstate`)        -> dstate: gradient of the previous states, without the
//                                                                  part that flows through the hidden product;
//                                                                  dcolumns; ddiagonal
//
// `columns` holds the pre-activations in this order: input halves of the separate gates, sums of all other gates,
// hidden halves of the separate gates; each group in the order of the gates. A GRU has four columns: n_x, r, z, n_h.
//
// The names must match the cell's description in Python; `throughtime` compares them at import.
#pragma once

#include <concepts>

#include "engine/kernel.hpp"
#include "engine/math.hpp"
#include "engine/names.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Activations: the value, the derivative as a function of that value, and the gradient of the argument from that of the
// value. Each returns NaN exactly where torch does.
struct Tanh {
    static constexpr const char* name = "tanh";
    template <class V>
    static THROUGHTIME_INLINE V value(V x) {
        return tanh(x);
    }
    template <class V>
    static THROUGHTIME_INLINE V derivative(V y) {
        return 1 - y * y;
    }
    template <class V>
    static THROUGHTIME_INLINE V gradient(V dy, V y) {
        return dy * derivative(y);
    }
};

struct Sigmoid {
    static constexpr const char* name = "sigmoid";
    template <class V>
    static THROUGHTIME_INLINE V value(V x) {
        return sigmoid(x);
    }
    template <class V>
    static THROUGHTIME_INLINE V derivative(V y) {
        return y * (1 - y);
    }
    template <class V>
    static THROUGHTIME_INLINE V gradient(V dy, V y) {
        return dy * derivative(y);
    }
};

struct Relu {
    static constexpr const char* name = "relu";
    template <class V>
    static THROUGHTIME_INLINE V value(V x) {
        return x < 0 ? V{} : x;
    }
    template <class V>
    static THROUGHTIME_INLINE V gradient(V dy, V y) {
        return y <= 0 ? V{} : dy;
    }
};

template <class C>
concept Cell = requires(const FloatVec* in, FloatVec* out) {
    { C::gates } -> std::convertible_to<Names>;
    { C::separate_halves } -> std::convertible_to<Names>;
    { C::states } -> std::convertible_to<Names>;
    { C::diagonals } -> std::convertible_to<Names>;
    { C::saved } -> std::convertible_to<int>;
    C::template forward<FloatVec>(in, in, in, out, out);
    C::template backward<FloatVec>(in, in, in, in, out, out, out);
};

// The rules that the engine relies on; `Cell` in Python has the same ones.
template <Cell C>
consteval bool is_valid_cell() {
    static_assert(C::gates.count >= 1 && C::gates.distinct(), "gates: expected at least one name, all different");
    static_assert(C::gates.ends_with(C::separate_halves), "separate_halves: expected the last gates");
    static_assert(C::states.count >= 1 && C::states.count <= max_states, "states: expected 1 to max_states names");
    static_assert(Names::equal(C::states.text, "h") && C::states.distinct(), "states: expected h first, all different");
    static_assert(C::diagonals.distinct(), "diagonals: expected different names");
    static_assert(C::saved >= 0, "saved: expected the number of vectors");
    return true;
}

}  // namespace throughtime::THROUGHTIME_ISA
