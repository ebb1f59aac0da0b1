// Matrix products on packed operands: the tile, sums of outer products, and the packing.
//
// Elements `E` may be narrower than what they are summed up in: `span<E>` values of k are multiplied at once then, and
// both operands are filled up with zeros to whole groups of so many.
//
// Every element of a product is one chain of fused multiply-adds over k in ascending order, whatever the tile around
// it. That is why outputs do not depend on how rows are shared out between threads, nor on what else is in the batch.
// The one exception, `row_in_chains`, is for gradients alone, which depend on both.
#pragma once

#include <type_traits>

#include "engine/simd.hpp"

#define THROUGHTIME_UNROLL _Pragma("GCC unroll 16")

namespace throughtime::THROUGHTIME_ISA {

// Accumulators that leave room in the registers for the operands.
inline constexpr int max_accumulators = vector_registers == 32 ? 24 : 12;
inline constexpr int max_tile_rows = 8;
inline constexpr int max_tile_blocks = 4;

// Vectors on a grid: those of block b and row r stand side by side from data + b * block + r * row.
template <class T>
struct Grid {
    T* data;
    ptrdiff_t block, row;

    T* at(ptrdiff_t b, ptrdiff_t r) const { return data + b * block + r * row; }
};

// The left side of a product: element k of row r, at data + r * row + (k / run) * jump + k % run.
template <class T>
struct Rows {
    const T* data;
    ptrdiff_t row;
    ptrdiff_t runs, run, jump;
};
template <class T>
constexpr Rows<T> contiguous_rows(const T* data, ptrdiff_t row, ptrdiff_t count) {
    return {data, row, 1, count, 0};
}

// The right side: [block][k][G][W], as pack_operands() and pack() make it; where elements are narrow, [block][k / span]
// [G][W][span].
template <class T>
struct Packed {
    const T* data;
    ptrdiff_t block;
    bool far = false;  // it leaves the second-level cache between two uses: fetch the next block while one is used
};

// out[b][r][g] = start[b][r][g] + sum_k x[r][k] wx[b][k][g] + sum_k a[r][k] w[b][k][g]
//
// The last Z columns take no part in the sum over x and start from `late`.
template <class E>
struct Product {
    Rows<E> a;
    Packed<E> w;
    Grid<const Sum<E>> start;  // columns [0, G - Z)
    Grid<const Sum<E>> late;   // columns [G - Z, G)
    Grid<Sum<E>> out;
    Rows<E> x;  // contiguous; no elements where inputs do not take part
    Packed<E> wx;
};

// The sums of R rows and B blocks, in registers. Where weights are `far`, one vector from `ahead` on is fetched for
// each k.
template <class E, int R, int B, int G, int Z, bool far>
THROUGHTIME_INLINE void sum_up(Vec<E> (&sum)[R][B][G], const Product<E>& p, ptrdiff_t block, ptrdiff_t row,
                               const E* ahead) {
    using V = Vec<E>;
    constexpr int W = lanes<E>, K = span<E>, operand = W * K;
    THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b)
        THROUGHTIME_UNROLL for (int g = 0; g < G; ++g) sum[r][b][g] = load(
            g < G - Z ? p.start.at(block + b, row + r) + g * W : p.late.at(block + b, row + r) + (g - (G - Z)) * W);

    const E* x = p.x.data + row * p.x.row;
    const E* wx = p.wx.data + block * p.wx.block;
    for (ptrdiff_t k = 0; k < p.x.run; k += K, x += K, wx += G * operand)
        THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) THROUGHTIME_UNROLL for (int g = 0; g < G - Z; ++g) {
            const V weight = load_operand(wx + b * p.wx.block + (Z + g) * operand);
            THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) sum[r][b][g] =
                multiply_add<E>(splat_operand(x + r * p.x.row), weight, sum[r][b][g]);
        }

    const E* w = p.w.data + block * p.w.block;
    for (ptrdiff_t run = 0; run < p.a.runs; ++run) {
        const E* a = p.a.data + row * p.a.row + run * p.a.jump;
        for (ptrdiff_t k = 0; k < p.a.run; k += K, a += K, w += G * operand) {
            if constexpr (far) __builtin_prefetch(ahead, 0, 2), ahead += operand;
            V weight[B][G];
            THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) THROUGHTIME_UNROLL for (int g = 0; g < G; ++g) weight[b][g] =
                load_operand(w + b * p.w.block + g * operand);
            THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) {
                const V s = splat_operand(a + r * p.a.row);
                THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) THROUGHTIME_UNROLL for (int g = 0; g < G; ++g)
                    sum[r][b][g] = multiply_add<E>(s, weight[b][g], sum[r][b][g]);
            }
        }
    }
}

template <class E, int R, int B, int G, int Z, bool far>
[[gnu::noinline]] void tile(const Product<E>& p, ptrdiff_t block, ptrdiff_t row, const E* ahead) {
    Vec<E> sum[R][B][G];
    sum_up<E, R, B, G, Z, far>(sum, p, block, row, ahead);
    THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b)
        THROUGHTIME_UNROLL for (int g = 0; g < G; ++g) store(p.out.at(block + b, row + r) + g * lanes<E>, sum[r][b][g]);
}

template <class E, int R, int B, int G, int Z, bool far>
THROUGHTIME_INLINE void tile_of_height(const Product<E>& p, ptrdiff_t block, ptrdiff_t row, ptrdiff_t height,
                                       const E* ahead) {
    if (height == R)
        tile<E, R, B, G, Z, far>(p, block, row, ahead);
    else if constexpr (R > 1)
        tile_of_height<E, R - 1, B, G, Z, far>(p, block, row, height, ahead);
}

// A single row of B blocks with one column: each sum in several chains side by side, so that a multiply-add does not
// wait for the one before it.
template <class T, int B>
[[gnu::noinline]] void row_in_chains(const Product<T>& p, ptrdiff_t block) {
    constexpr int W = lanes<T>, chains = smaller(8 / B, W);  // whose number divides that of a run
    Vec<T> sum[chains][B];
    THROUGHTIME_UNROLL for (int c = 0; c < chains; ++c) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) sum[c][b] =
        c == 0 ? load(p.start.at(block + b, 0)) : Vec<T>{};
    const T* w = p.w.data + block * p.w.block;
    for (ptrdiff_t run = 0; run < p.a.runs; ++run) {
        const T* a = p.a.data + run * p.a.jump;
        for (ptrdiff_t k = 0; k < p.a.run; k += chains, a += chains, w += chains * W)
            THROUGHTIME_UNROLL for (int c = 0; c < chains; ++c) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b)
                sum[c][b] = fma(splat<Vec<T>>(a[c]), load(w + b * p.w.block + c * W), sum[c][b]);
    }
    THROUGHTIME_UNROLL for (int half = chains / 2; half > 0; half /= 2)
        THROUGHTIME_UNROLL for (int c = 0; c < half; ++c) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) sum[c][b] +=
        sum[c + half][b];
    THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) store(p.out.at(block + b, 0), sum[0][b]);
}

// Rows [0, count) of B unit blocks, in tiles of nearly equal height.
template <class E, int B, int G, int Z, bool in_chains>
void product_of_blocks(const Product<E>& p, ptrdiff_t block, ptrdiff_t count) {
    constexpr int rows = smaller(max_tile_rows, max_accumulators / (B * G));
    if (count == 1 && !p.w.far) {
        if constexpr (in_chains) return row_in_chains<E, B>(p, block);
        return tile<E, 1, B, G, Z, false>(p, block, 0, nullptr);
    }
    const ptrdiff_t tiles = ceil_div(count, ptrdiff_t(rows));
    const ptrdiff_t height = count / tiles, taller = count % tiles;
    for (ptrdiff_t i = 0, row = 0; i < tiles; ++i) {
        const ptrdiff_t here = height + (i < taller);
        // Of the next B blocks each tile fetches as many vectors as it has steps of k.
        if (p.w.far && i < B * G)
            tile_of_height<E, rows, B, G, Z, true>(p, block, row, here,
                                                   p.w.data + (block + B) * p.w.block + i * p.w.block / G);
        else
            tile_of_height<E, rows, B, G, Z, false>(p, block, row, here, nullptr);
        row += here;
    }
}

// How many unit blocks a tile takes: the fewest that keep the multipliers busy at this number of rows.
template <int G>
constexpr int tile_blocks(ptrdiff_t count) {
    int blocks = 1;
    while (blocks < max_tile_blocks && 2 * blocks * G <= max_accumulators &&
           smaller(count, ptrdiff_t(smaller(max_tile_rows, max_accumulators / (blocks * G)))) * blocks * G <
               max_accumulators * 3 / 4)
        blocks *= 2;
    return blocks;
}

// How many a single row takes whose sums are used at once: the fewest that have as many chains as a multiply-add has
// cycles. So the products of the next blocks begin while the mathematics of these still waits for itself.
template <int G>
inline constexpr int row_blocks = ceil_div(4, G);

// Calls body(B, block) for the unit blocks [first, last), `wanted` of them at a time, and fewer where these do not fit;
// B is a std::integral_constant.
template <int G, class Body>
THROUGHTIME_INLINE void in_tiles(ptrdiff_t first, ptrdiff_t last, int wanted, Body&& body) {
    ptrdiff_t block = first;
    if constexpr (4 * G <= max_accumulators)
        for (; wanted >= 4 && block + 4 <= last; block += 4) body(std::integral_constant<int, 4>(), block);
    if constexpr (2 * G <= max_accumulators)
        for (; wanted >= 2 && block + 2 <= last; block += 2) body(std::integral_constant<int, 2>(), block);
    for (; block < last; ++block) body(std::integral_constant<int, 1>(), block);
}

// Rows [0, count) of the unit blocks [first, last). Where it need not round as among others, a single row is summed up
// in chains; it has no x then, and G is 1.
template <class E, int G, int Z, bool in_chains = false>
void product(const Product<E>& p, ptrdiff_t first, ptrdiff_t last, ptrdiff_t count) {
    if (count == 0) return;
    in_tiles<G>(first, last, tile_blocks<G>(count), [&](auto blocks, ptrdiff_t block) __attribute__((always_inline)) {
        product_of_blocks<E, blocks.value, G, Z, in_chains>(p, block, count);
    });
}

// out[i][c] += sum_f a[f][i] b[f][c] for M scalars i side by side and N vectors c, block by block. Where `fresh`, what
// stood in `out` is not added.
template <class T, int M, int N>
[[gnu::noinline]] void outer_tile(const T* a, ptrdiff_t a_row, Grid<const T> b, ptrdiff_t block, ptrdiff_t count,
                                  T* out, ptrdiff_t out_row, bool fresh) {
    using V = Vec<T>;
    V sum[M][N]{};
    THROUGHTIME_UNROLL for (int m = 0; m < M; ++m) THROUGHTIME_UNROLL for (int n = 0; n < N; ++n)
        __builtin_prefetch(out + m * out_row + n * lanes<T>, 1);
    const T* q = b.at(block, 0);
    for (ptrdiff_t f = 0; f < count; ++f, a += a_row, q += b.row) {
        V right[N];
        THROUGHTIME_UNROLL for (int n = 0; n < N; ++n) right[n] = load(q + n * b.block);
        THROUGHTIME_UNROLL for (int m = 0; m < M; ++m) {
            const V left = splat<V>(a[m]);
            THROUGHTIME_UNROLL for (int n = 0; n < N; ++n) sum[m][n] = fma(left, right[n], sum[m][n]);
        }
    }
    THROUGHTIME_UNROLL for (int m = 0; m < M; ++m) THROUGHTIME_UNROLL for (int n = 0; n < N; ++n) {
        T* const to = out + m * out_row + n * lanes<T>;
        store(to, fresh ? sum[m][n] : load<T>(to) + sum[m][n]);
    }
}

// out[i][c] += sum_f a[f][i] b[f][c] for the `lanes` scalars of one vector and all `blocks` vectors of b.
template <class T>
void outer_products(const T* a, ptrdiff_t a_row, Grid<const T> b, ptrdiff_t blocks, ptrdiff_t count, T* out,
                    ptrdiff_t out_row, bool fresh) {
    constexpr int W = lanes<T>, M = smaller(W, max_accumulators / 3), N = 3;
    for (ptrdiff_t block = 0, left = blocks; left > 0;) {
        // 4 blocks are cut into 2 + 2, not into 3 + 1.
        const ptrdiff_t here = left == 4 ? 2 : smaller(left, ptrdiff_t(N));
        for (int m = 0; m < W; m += M) {
            T* const to = out + m * out_row + block * W;
            if (here == 3)
                outer_tile<T, M, 3>(a + m, a_row, b, block, count, to, out_row, fresh);
            else if (here == 2)
                outer_tile<T, M, 2>(a + m, a_row, b, block, count, to, out_row, fresh);
            else
                outer_tile<T, M, 1>(a + m, a_row, b, block, count, to, out_row, fresh);
        }
        block += here;
        left -= here;
    }
}

template <class V>
struct Shuffle;
template <class T, int... I>
struct ShuffleOf {
    // Blocks of `stride` lanes change places between a pair of rows: one stage of a transposition.
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

template <class T, int stride = lanes<T> / 2>
THROUGHTIME_INLINE void transpose(Vec<T> (&v)[lanes<T>]) {
    if constexpr (stride > 0) {
        THROUGHTIME_UNROLL for (int i = 0; i < lanes<T>; ++i) if (!(i & stride))
            ShuffleSequence<Vec<T>, lanes<T>>::template exchange<stride>(v[i], v[i + stride]);
        transpose<T, stride / 2>(v);
    }
}

// The sum of all lanes, halves first.
template <class T, int stride = lanes<T> / 2>
THROUGHTIME_INLINE T sum_of(Vec<T> v) {
    if constexpr (stride == 0) {
        return v[0];
    } else {
        Vec<T> other = v;
        ShuffleSequence<Vec<T>, lanes<T>>::template exchange<stride>(v, other);
        return sum_of<T, stride / 2>(v + other);
    }
}

// to[k * to_row + lane] = from[lane * from_row + k] for `rows` lanes and `count` values of k; zero in the other lanes.
template <class T>
void pack_transposed(const T* from, ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t count, T* to, ptrdiff_t to_row) {
    constexpr int W = lanes<T>;
    rows = smaller(rows, ptrdiff_t(W));
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
        const ptrdiff_t here = smaller(ptrdiff_t(W), count - k);
        Vec<T> v[W]{};
        for (ptrdiff_t lane = 0; lane < rows; ++lane) v[lane] = load_first(from + lane * from_row + k, here);
        transpose<T>(v);
        for (ptrdiff_t i = 0; i < here; ++i) store(to + (k + i) * to_row, v[i]);
    }
}

// Likewise for operands of products, `span<E>` values of k side by side, zero behind the last; the rows of operands are
// `to_row` elements apart.
template <class E>
void pack_operands(const E* from, ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t count, E* to, ptrdiff_t to_row) {
    using T = Sum<E>;
    if constexpr (span<E> == 1) {
        pack_transposed(from, from_row, rows, count, to, to_row);
    } else {
        constexpr ptrdiff_t groups = 64;  // at a time; each as if it were one sum
        T part[lanes<E> * groups];
        rows = smaller(rows, ptrdiff_t(lanes<E>));
        for (ptrdiff_t k = 0; k < count; k += groups * span<E>) {
            const ptrdiff_t here = smaller(groups * span<E>, count - k);
            __builtin_memset(part, 0, sizeof part);
            for (ptrdiff_t lane = 0; lane < rows; ++lane)
                __builtin_memcpy(part + lane * groups, from + lane * from_row + k, size_t(here) * sizeof(E));
            pack_transposed(part, groups, rows, ceil_div(here, ptrdiff_t(span<E>)),
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
