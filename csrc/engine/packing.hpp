// Vectors across lanes (transposition, sums), and the packing of operands.
#pragma once

#include "engine/simd.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Shuffles need their indices as constants: I is the sequence 0, 1, …, lanes - 1, which ShuffleSequence counts out.
template <class T, int... I>
struct ShuffleOf {
    // Swaps blocks of `stride` lanes between a pair of rows: one stage of a transposition.
    template <int stride>
    static THROUGHTIME_INLINE void exchange(T& a, T& b) {
        constexpr int W = sizeof...(I);
        const T low = __builtin_shufflevector(a, b, (I & stride ? W + I - stride : I)...);
        b = __builtin_shufflevector(a, b, (I & stride ? W + I : I + stride)...);
        a = low;
    }
};
template <class T, int N, int... I>
struct ShuffleSequence : ShuffleSequence<T, N - 1, N - 1, I...> {};
template <class T, int... I>
struct ShuffleSequence<T, 0, I...> : ShuffleOf<T, I...> {};

// Transposes a square of lanes x lanes in registers, in log2(lanes) stages of exchanges between pairs of rows.
template <class T, int stride = lanes<T> / 2>
THROUGHTIME_INLINE void transpose(Vec<T> (&v)[lanes<T>]) {
    if constexpr (stride > 0) {
        THROUGHTIME_UNROLL for (int i = 0; i < lanes<T>; ++i) if (!(i & stride))
            ShuffleSequence<Vec<T>, lanes<T>>::template exchange<stride>(v[i], v[i + stride]);
        transpose<T, stride / 2>(v);
    }
}

// The sum of all lanes, by halves.
template <class T, int stride = lanes<T> / 2>
THROUGHTIME_INLINE T horizontal_sum(Vec<T> v) {
    if constexpr (stride == 0) {
        return v[0];
    } else {
        Vec<T> other = v;
        ShuffleSequence<Vec<T>, lanes<T>>::template exchange<stride>(v, other);
        return horizontal_sum<T, stride / 2>(v + other);
    }
}

// to[k * to_row + lane] = from[lane * from_row + k] for `rows` lanes and `count` values of k; zero in the other lanes.
template <class T>
void pack_transposed(const T* from, ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t count, T* to, ptrdiff_t to_row) {
    constexpr int W = lanes<T>;
    rows = min_of(rows, ptrdiff_t(W));
    if (count == 1 && from_row == 1) return store(to, load_first(from, rows));
    ptrdiff_t k = 0;
    if (rows == W)
        for (; k + W <= count; k += W) {
            Vec<T> v[W];
            THROUGHTIME_UNROLL for (int lane = 0; lane < W; ++lane) v[lane] = load(from + lane * from_row + k);
            transpose<T>(v);
            THROUGHTIME_UNROLL for (int i = 0; i < W; ++i) store(to + (k + i) * to_row, v[i]);
        }
    for (; k < count; k += W) {
        const ptrdiff_t here = min_of(ptrdiff_t(W), count - k);
        Vec<T> v[W]{};
        for (ptrdiff_t lane = 0; lane < rows; ++lane) v[lane] = load_first(from + lane * from_row + k, here);
        transpose<T>(v);
        for (ptrdiff_t i = 0; i < here; ++i) store(to + (k + i) * to_row, v[i]);
    }
}

// Likewise for operands of products, with `span<E>` adjacent values of k, padded with zeros; `to_row` is the distance
// of operands in elements.
template <class E>
void pack_operands(const E* from, ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t count, E* to, ptrdiff_t to_row) {
    using T = Sum<E>;
    if constexpr (span<E> == 1) {
        pack_transposed(from, from_row, rows, count, to, to_row);
    } else {
        constexpr ptrdiff_t groups = 64;  // of `span` elements, moved as if each were one sum
        T staging[lanes<E> * groups];
        rows = min_of(rows, ptrdiff_t(lanes<E>));
        for (ptrdiff_t k = 0; k < count; k += groups * span<E>) {
            const ptrdiff_t here = min_of(groups * span<E>, count - k);
            __builtin_memset(staging, 0, sizeof staging);
            for (ptrdiff_t lane = 0; lane < rows; ++lane)
                __builtin_memcpy(staging + lane * groups, from + lane * from_row + k, size_t(here) * sizeof(E));
            pack_transposed(staging, groups, rows, ceil_div(here, ptrdiff_t(span<E>)),
                            reinterpret_cast<T*>(to + k / span<E> * to_row), to_row / span<E>);
        }
    }
}

// to[k * W + lane] = from[k * from_row + lane] for the first `count` lanes and `rows` values of k; zero in the rest of
// the lanes, and in all of them for k in [rows, padded).
template <class T>
void pack(const T* from, ptrdiff_t from_row, ptrdiff_t count, ptrdiff_t rows, ptrdiff_t padded, T* to) {
    constexpr int W = lanes<T>;
    for (ptrdiff_t k = 0; k < padded; ++k) {
        Vec<T> v{};
        if (k < rows) v = count >= W ? load(from + k * from_row) : load_first(from + k * from_row, count);
        store(to + k * W, v);
    }
}

}  // namespace throughtime::THROUGHTIME_ISA
