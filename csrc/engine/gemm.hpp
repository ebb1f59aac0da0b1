// Matrix products on packed operands: tiles, and sums of outer products.
//
// Elements `E` may be narrower than their sums. Then `span<E>` values of k are multiplied at once, and both operands
// are padded with zeros to a multiple of that.
//
// Every element of a product is one chain of fused multiply-adds over k in ascending order, whatever the tile. So
// outputs depend neither on the number of threads nor on the other rows of the batch. `single_row_split_sums` is the
// exception, used for gradients only, which depend on both.
#pragma once

#include <type_traits>

#include "engine/simd.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Leaves registers for the operands.
inline constexpr int max_accumulators = vector_registers == 32 ? 24 : 12;
inline constexpr int max_tile_rows = 8;
inline constexpr int max_tile_blocks = 4;

// Vectors on a grid: those of block b and row r are contiguous, from data + b * block + r * row.
template <class T>
struct Grid {
    T* data;
    ptrdiff_t block, row;

    T* at(ptrdiff_t b, ptrdiff_t r) const { return data + b * block + r * row; }
};

// The left operand: element k of row r is at data + r * row + (k / run) * jump + k % run.
template <class T>
struct RowOperand {
    const T* data;
    ptrdiff_t row;
    ptrdiff_t runs, run, jump;
};
template <class T>
constexpr RowOperand<T> contiguous_rows(const T* data, ptrdiff_t row, ptrdiff_t count) {
    return {data, row, 1, count, 0};
}

// The right operand, from pack_operands() or pack(): [block][k][G][W], or [block][k / span][G][W][span] for narrow
// elements.
template <class T>
struct PackedOperand {
    const T* data;
    ptrdiff_t block;
    bool prefetch_next = false;  // it exceeds the second-level cache: fetch the next block while using this one
};

// out[b][r][g] = start[b][r][g] + sum_k x[r][k] wx[b][k][g] + sum_k a[r][k] w[b][k][g]
//
// The last Z columns have no sum over x and start from `late_start`.
template <class E>
struct Gemm {
    RowOperand<E> a;
    PackedOperand<E> w;
    Grid<const Sum<E>> start;       // columns [0, G - Z)
    Grid<const Sum<E>> late_start;  // columns [G - Z, G)
    Grid<Sum<E>> out;
    RowOperand<E> x;  // contiguous; empty unless inputs are fused
    PackedOperand<E> wx;
};

// The sums of R rows and B blocks, in registers. With `prefetch_next` one vector from `ahead` on is fetched for each k.
template <class E, int R, int B, int G, int Z, bool prefetch_next>
THROUGHTIME_INLINE void accumulate(Vec<E> (&sum)[R][B][G], const Gemm<E>& p, ptrdiff_t block, ptrdiff_t row,
                                   const E* ahead) {
    using V = Vec<E>;
    constexpr int W = lanes<E>, K = span<E>, operand = W * K;
    THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b)
        THROUGHTIME_UNROLL for (int g = 0; g < G; ++g) sum[r][b][g] =
            load(g < G - Z ? p.start.at(block + b, row + r) + g * W
                           : p.late_start.at(block + b, row + r) + (g - (G - Z)) * W);

    const E* x = p.x.data + row * p.x.row;
    const E* wx = p.wx.data + block * p.wx.block;
    for (ptrdiff_t k = 0; k < p.x.run; k += K, x += K, wx += G * operand)
        THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) THROUGHTIME_UNROLL for (int g = 0; g < G - Z; ++g) {
            const V weight = load_operand(wx + b * p.wx.block + (Z + g) * operand);
            THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) sum[r][b][g] =
                multiply_add<E>(broadcast_operand(x + r * p.x.row), weight, sum[r][b][g]);
        }

    const E* w = p.w.data + block * p.w.block;
    for (ptrdiff_t run = 0; run < p.a.runs; ++run) {
        const E* a = p.a.data + row * p.a.row + run * p.a.jump;
        for (ptrdiff_t k = 0; k < p.a.run; k += K, a += K, w += G * operand) {
            if constexpr (prefetch_next) __builtin_prefetch(ahead, 0, 2), ahead += operand;
            V weight[B][G];
            THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) THROUGHTIME_UNROLL for (int g = 0; g < G; ++g) weight[b][g] =
                load_operand(w + b * p.w.block + g * operand);
            THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) {
                const V s = broadcast_operand(a + r * p.a.row);
                THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) THROUGHTIME_UNROLL for (int g = 0; g < G; ++g)
                    sum[r][b][g] = multiply_add<E>(s, weight[b][g], sum[r][b][g]);
            }
        }
    }
}

template <class E, int R, int B, int G, int Z, bool prefetch_next>
[[gnu::noinline]] void tile(const Gemm<E>& p, ptrdiff_t block, ptrdiff_t row, const E* ahead) {
    Vec<E> sum[R][B][G];
    accumulate<E, R, B, G, Z, prefetch_next>(sum, p, block, row, ahead);
    THROUGHTIME_UNROLL for (int r = 0; r < R; ++r) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b)
        THROUGHTIME_UNROLL for (int g = 0; g < G; ++g) store(p.out.at(block + b, row + r) + g * lanes<E>, sum[r][b][g]);
}

// From a height that is known now to one that was known to the compiler: a chain of comparisons, which ends at R = 1.
template <class E, int R, int B, int G, int Z, bool prefetch_next>
THROUGHTIME_INLINE void tile_of_height(const Gemm<E>& p, ptrdiff_t block, ptrdiff_t row, ptrdiff_t height,
                                       const E* ahead) {
    if (height == R)
        tile<E, R, B, G, Z, prefetch_next>(p, block, row, ahead);
    else if constexpr (R > 1)
        tile_of_height<E, R - 1, B, G, Z, prefetch_next>(p, block, row, height, ahead);
}

// A single row of B blocks with one column: each sum is split into several chains, to hide the latency of
// multiply-adds.
template <class T, int B>
[[gnu::noinline]] void single_row_split_sums(const Gemm<T>& p, ptrdiff_t block) {
    constexpr int W = lanes<T>, chains = min_of(8 / B, W);  // divides the length of a run
    Vec<T> sum[chains][B];
    THROUGHTIME_UNROLL for (int c = 0; c < chains; ++c) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) sum[c][b] =
        c == 0 ? load(p.start.at(block + b, 0)) : Vec<T>{};
    const T* w = p.w.data + block * p.w.block;
    for (ptrdiff_t run = 0; run < p.a.runs; ++run) {
        const T* a = p.a.data + run * p.a.jump;
        for (ptrdiff_t k = 0; k < p.a.run; k += chains, a += chains, w += chains * W)
            THROUGHTIME_UNROLL for (int c = 0; c < chains; ++c) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b)
                sum[c][b] = fma(broadcast<Vec<T>>(a[c]), load(w + b * p.w.block + c * W), sum[c][b]);
    }
    THROUGHTIME_UNROLL for (int half = chains / 2; half > 0; half /= 2)
        THROUGHTIME_UNROLL for (int c = 0; c < half; ++c) THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) sum[c][b] +=
        sum[c + half][b];
    THROUGHTIME_UNROLL for (int b = 0; b < B; ++b) store(p.out.at(block + b, 0), sum[0][b]);
}

// Rows [0, count) of B blocks, in tiles of nearly equal height: 9 rows are 5 + 4 and not 8 + 1, because a low tile
// waits for the latency of its multiply-adds.
template <class E, int B, int G, int Z, bool split_sums>
void gemm_blocks(const Gemm<E>& p, ptrdiff_t block, ptrdiff_t count) {
    constexpr int rows = min_of(max_tile_rows, max_accumulators / (B * G));
    if (count == 1 && !p.w.prefetch_next) {
        if constexpr (split_sums) return single_row_split_sums<E, B>(p, block);
        return tile<E, 1, B, G, Z, false>(p, block, 0, nullptr);
    }
    const ptrdiff_t tiles = ceil_div(count, ptrdiff_t(rows));
    const ptrdiff_t height = count / tiles, taller = count % tiles;
    for (ptrdiff_t i = 0, row = 0; i < tiles; ++i) {
        const ptrdiff_t here = height + (i < taller);
        // Each tile fetches as many vectors of the next B blocks as it has steps of k.
        if (p.w.prefetch_next && i < B * G)
            tile_of_height<E, rows, B, G, Z, true>(p, block, row, here,
                                                   p.w.data + (block + B) * p.w.block + i * p.w.block / G);
        else
            tile_of_height<E, rows, B, G, Z, false>(p, block, row, here, nullptr);
        row += here;
    }
}

// Blocks of a tile: the fewest that keep the multipliers busy at this number of rows.
template <int G>
constexpr int tile_blocks(ptrdiff_t count) {
    int blocks = 1;
    while (blocks < max_tile_blocks && 2 * blocks * G <= max_accumulators &&
           min_of(count, ptrdiff_t(min_of(max_tile_rows, max_accumulators / (blocks * G)))) * blocks * G <
               max_accumulators * 3 / 4)
        blocks *= 2;
    return blocks;
}

// Blocks of a tile of one row whose sums are used at once: the fewest with as many chains as a multiply-add has cycles.
// So the products of the next blocks overlap with the pointwise mathematics of these.
template <int G>
inline constexpr int single_row_blocks = ceil_div(4, G);

// Calls body(B, block) for the blocks [first, last): B of them at a time, `preferred` or fewer; B is a
// std::integral_constant.
template <int G, class Body>
THROUGHTIME_INLINE void for_each_tile(ptrdiff_t first, ptrdiff_t last, int preferred, Body&& body) {
    ptrdiff_t block = first;
    if constexpr (4 * G <= max_accumulators)
        for (; preferred >= 4 && block + 4 <= last; block += 4) body(std::integral_constant<int, 4>(), block);
    if constexpr (2 * G <= max_accumulators)
        for (; preferred >= 2 && block + 2 <= last; block += 2) body(std::integral_constant<int, 2>(), block);
    for (; block < last; ++block) body(std::integral_constant<int, 1>(), block);
}

// Rows [0, count) of the blocks [first, last). With `split_sums` a single row may round differently than among others;
// then G is 1, and there is no x.
template <class E, int G, int Z, bool split_sums = false>
void gemm(const Gemm<E>& p, ptrdiff_t first, ptrdiff_t last, ptrdiff_t count) {
    if (count == 0) return;
    for_each_tile<G>(first, last, tile_blocks<G>(count),
                     [&](auto blocks, ptrdiff_t block) __attribute__((always_inline)) {
                         gemm_blocks<E, blocks.value, G, Z, split_sums>(p, block, count);
                     });
}

// out[i][c] += sum_f a[f][i] b[f][c] for M adjacent scalars i and N vectors c; with `overwrite`, = instead of +=.
template <class T, int M, int N>
[[gnu::noinline]] void outer_tile(const T* a, ptrdiff_t a_row, Grid<const T> b, ptrdiff_t block, ptrdiff_t count,
                                  T* out, ptrdiff_t out_row, bool overwrite) {
    using V = Vec<T>;
    V sum[M][N]{};
    THROUGHTIME_UNROLL for (int m = 0; m < M; ++m) THROUGHTIME_UNROLL for (int n = 0; n < N; ++n)
        __builtin_prefetch(out + m * out_row + n * lanes<T>, 1);
    const T* q = b.at(block, 0);
    for (ptrdiff_t f = 0; f < count; ++f, a += a_row, q += b.row) {
        V right[N];
        THROUGHTIME_UNROLL for (int n = 0; n < N; ++n) right[n] = load(q + n * b.block);
        THROUGHTIME_UNROLL for (int m = 0; m < M; ++m) {
            const V left = broadcast<V>(a[m]);
            THROUGHTIME_UNROLL for (int n = 0; n < N; ++n) sum[m][n] = fma(left, right[n], sum[m][n]);
        }
    }
    THROUGHTIME_UNROLL for (int m = 0; m < M; ++m) THROUGHTIME_UNROLL for (int n = 0; n < N; ++n) {
        T* const to = out + m * out_row + n * lanes<T>;
        store(to, overwrite ? sum[m][n] : load<T>(to) + sum[m][n]);
    }
}

// out[i][c] += sum_f a[f][i] b[f][c] for the `lanes` scalars of one vector and all `blocks` vectors of b.
template <class T>
void outer_products(const T* a, ptrdiff_t a_row, Grid<const T> b, ptrdiff_t blocks, ptrdiff_t count, T* out,
                    ptrdiff_t out_row, bool overwrite) {
    constexpr int W = lanes<T>, M = min_of(W, max_accumulators / 3), N = 3;
    for (ptrdiff_t block = 0, left = blocks; left > 0;) {
        // 2 + 2 blocks instead of 3 + 1.
        const ptrdiff_t here = left == 4 ? 2 : min_of(left, ptrdiff_t(N));
        for (int m = 0; m < W; m += M) {
            T* const to = out + m * out_row + block * W;
            if (here == 3)
                outer_tile<T, M, 3>(a + m, a_row, b, block, count, to, out_row, overwrite);
            else if (here == 2)
                outer_tile<T, M, 2>(a + m, a_row, b, block, count, to, out_row, overwrite);
            else
                outer_tile<T, M, 1>(a + m, a_row, b, block, count, to, out_row, overwrite);
        }
        block += here;
        left -= here;
    }
}

}  // namespace throughtime::THROUGHTIME_ISA
