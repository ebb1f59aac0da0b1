// What in the backward pass does not depend on a cell's mathematics: products with the gradients of columns,
// the gradients of weights and inputs, clipping, and the sums over slices.
#pragma once

#include "engine/backward_buffers.hpp"

namespace throughtime::THROUGHTIME_ISA {

// For one member of a team: one slice in one direction, and its blocks of units.
template <class S>
class GradientProducts {
  public:
    using T = typename S::E;
    using V = Vec<T>;
    using Buffers = BackwardBuffers<S>;
    static constexpr int W = S::W, G = S::G, Z = S::Z, columns = S::columns;

    GradientProducts(const S& shape, const BackwardArgs& args, int direction, const BatchSlice& slice,
                     const BackwardWeights<S>& weights, Buffers& buffers,
                     const BackwardThreadBuffers<S>& thread_buffers, int me, int team)
        : s_(shape),
          f_(args),
          direction_(direction),
          backwards_(shape.problem.runs_backwards(direction)),
          slice_(slice),
          w_(weights),
          buffers_(buffers),
          thread_buffers_(thread_buffers),
          me_(me),
          team_(team),
          blocks_(Range::chunk(shape.blocks, me, team)) {}

  protected:
    T* at(T* base, ptrdiff_t b, ptrdiff_t r) const { return base + (b * slice_.count + r) * W; }

    void load_final_gradients() const {
        for (ptrdiff_t r = 0; r < slice_.count; ++r) {
            const ptrdiff_t from = s_.state_at(direction_, slice_.row(r));
            for (int j = 0; j < S::S; ++j)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
                    const T* const gradient = static_cast<const T*>(f_.dstate_n[j]);
                    store(at(buffers_.dstate[j], b, r), gradient ? load_units(gradient + from, s_.hidden, b) : V{});
                }
        }
        for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
            if (s_.fuses_inputs) fill(buffers_.dw_ih + b * G * s_.inputs * W, G * s_.inputs * W, T(0));
            fill(buffers_.dbias + b * columns * W, columns * W, T(0));
            fill(buffers_.ddiagonal + b * S::D * W, S::D * W, T(0));
        }
        buffers_.barrier.wait(team_);
    }

    void store_initial_gradients() const {
        for (int j = 0; j < S::S; ++j) {
            T* const to = static_cast<T*>(f_.dstate_0[j]);
            if (!to) continue;
            for (ptrdiff_t r = 0; r < slice_.count; ++r)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b)
                    store_units(to + s_.state_at(direction_, slice_.row(r)), s_.hidden, b,
                                load<T>(at(buffers_.dstate[j], b, r)));
        }
    }

    // dh += gradients of the columns of the following step, times W_hh. Rows without that step keep their gradient.
    void propagate_through_hidden(Grid<const T> dcolumns, ptrdiff_t count) const {
        const Grid<T> dh{buffers_.dstate[0], slice_.count * W, W};
        const Grid<const T> start{dh.data, dh.block, dh.row};
        gemm<T, 1, 0, true>({.a = {dcolumns.data + Z * W, dcolumns.row, s_.blocks, G * W, dcolumns.block},
                             .w = {w_.wh, w_.depth(s_) * W, s_.exceeds_l2(s_.blocks * w_.depth(s_) * W)},
                             .start = start,
                             .late_start = start,
                             .out = dh,
                             .x = {},
                             .wx = {}},
                            blocks_.first, blocks_.last, count);
    }

    // Clips the gradients of the states between the following step and this one.
    void clip(ptrdiff_t count) const {
        if (f_.clip.limit == 0) return;
        const V limit = broadcast<V>(T(f_.clip.limit));
        if (f_.clip.norm) compute_clip_scales(count, limit);
        for (int j = 0; j < S::S; ++j)
            for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b)
                for (ptrdiff_t r = 0; r < count; ++r) {
                    T* const gradient = at(buffers_.dstate[j], b, r);
                    const V v = load<T>(gradient);
                    store(gradient, f_.clip.norm ? v * broadcast<V>(thread_buffers_.scale[j * slice_.count + r])
                                                 : max(min(v, limit), -limit));
                }
    }

    // A norm is that of all units, so each member of a team computes the norms of all blocks before any is changed.
    void compute_clip_scales(ptrdiff_t count, V limit) const {
        buffers_.barrier.wait(team_);
        for (int j = 0; j < S::S; ++j)
            for (ptrdiff_t r = 0; r < count; ++r) {
                V squares{};
                for (ptrdiff_t b = 0; b < s_.blocks; ++b) {
                    const V v = load<T>(at(buffers_.dstate[j], b, r));
                    squares = fma(v, v, squares);
                }
                const V scale = limit / max(sqrt(broadcast<V>(horizontal_sum<T>(squares))), limit);
                thread_buffers_.scale[j * slice_.count + r] = scale[0];
            }
        buffers_.barrier.wait(team_);
    }

    // Adds a chunk of `rows` to the gradients of the weights, and computes those of its inputs.
    void accumulate_gradients(ptrdiff_t rows) {
        const ptrdiff_t capacity = Buffers::chunk_rows(s_, slice_.count);
        const Grid<const T> hidden{buffers_.hidden, Buffers::vector_block(capacity), W};
        gather_inputs(rows, capacity);
        buffers_.barrier.wait(team_);
        for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
            const T* const panel = buffers_.panel + b * Buffers::panel_block(capacity);
            for (int c = Z; c < columns; ++c)
                outer_products(panel + c * W, columns * W, hidden, s_.blocks, rows,
                               buffers_.dw_hh + (S::gate(c) * s_.units + b * W) * s_.units, s_.units, first_chunk_);
            if (s_.fuses_inputs) {
                accumulate_fused_weights(panel, b, rows);
            } else {
                const Grid<const T> inputs{buffers_.inputs, Buffers::vector_block(capacity), W};
                const ptrdiff_t width = s_.input_blocks * W;
                for (int c = 0; c < G; ++c)
                    outer_products(panel + c * W, columns * W, inputs, s_.input_blocks, rows,
                                   buffers_.dw_ih + (S::gate(c) * s_.units + b * W) * width, width, first_chunk_);
            }
            accumulate_biases(panel, b, rows);
        }
        first_chunk_ = false;
        if (f_.dx[direction_]) compute_input_gradients(rows, capacity);
        buffers_.barrier.wait(team_);
    }

    void save_last_panel(Grid<const T> dcolumns, ptrdiff_t count, ptrdiff_t block) const {
        for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b)
            for (ptrdiff_t i = 0; i < count * columns; ++i)
                store(buffers_.last_panel + b * block + i * W, load<T>(dcolumns.at(b, 0) + i * W));
    }

    const S& s_;
    const BackwardArgs& f_;
    const int direction_;
    const bool backwards_;
    const BatchSlice& slice_;
    const BackwardWeights<S>& w_;
    Buffers& buffers_;
    const BackwardThreadBuffers<S>& thread_buffers_;
    const int me_, team_;
    const Range blocks_;

  private:
    void gather_inputs(ptrdiff_t rows, ptrdiff_t capacity) const {
        const T* const x = static_cast<const T*>(f_.x);
        const Range mine = Range::chunk(rows, me_, team_);
        for (ptrdiff_t r = mine.first; r < mine.last; ++r) {
            const T* const from = x + thread_buffers_.x_at[r];
            if (s_.fuses_inputs)
                for (ptrdiff_t i = 0; i < s_.inputs; ++i) buffers_.inputs[r * s_.inputs + i] = from[i];
            else
                for (ptrdiff_t b = 0; b < s_.input_blocks; ++b)
                    store(buffers_.inputs + b * Buffers::vector_block(capacity) + r * W,
                          load_units(from, s_.inputs, b));
        }
    }

    // Adds to vector c the sum over rows of factor(row) times column c of a panel. Few columns have several chains
    // each, to hide the latency of multiply-adds.
    template <int N, class Factor>
    static void accumulate_columns(T* to, ptrdiff_t to_column, const T* panel, ptrdiff_t rows, Factor factor) {
        constexpr int chains = ceil_div(4, N);
        V sum[chains][N]{};
        const auto add = [&](ptrdiff_t r, int chain) __attribute__((always_inline)) {
            const V scale = factor(r);
            for (int c = 0; c < N; ++c)
                sum[chain][c] = fma(scale, load<T>(panel + (r * columns + c) * W), sum[chain][c]);
        };
        ptrdiff_t r = 0;
        for (; r + chains <= rows; r += chains)
            THROUGHTIME_UNROLL for (int chain = 0; chain < chains; ++chain) add(r + chain, chain);
        for (; r < rows; ++r) add(r, 0);
        for (int c = 0; c < N; ++c) {
            V total = load<T>(to + c * to_column);
            for (int chain = 0; chain < chains; ++chain) total += sum[chain][c];
            store(to + c * to_column, total);
        }
    }

    void accumulate_biases(const T* panel, ptrdiff_t b, ptrdiff_t rows) const {
        accumulate_columns<columns>(buffers_.dbias + b * columns * W, W, panel, rows,
                                    [](ptrdiff_t) { return broadcast<V>(T(1)); });
    }

    // Few inputs: vectors of units times single inputs, as [G][I][W].
    void accumulate_fused_weights(const T* panel, ptrdiff_t b, ptrdiff_t rows) const {
        const ptrdiff_t count = s_.inputs;
        for (ptrdiff_t i = 0; i < count; ++i) {
            const T* const x = buffers_.inputs + i;
            accumulate_columns<G>(buffers_.dw_ih + (b * G * count + i) * W, count * W, panel, rows,
                                  [=](ptrdiff_t r) { return broadcast<V>(x[r * count]); });
        }
    }

    void compute_input_gradients(ptrdiff_t rows, ptrdiff_t capacity) const {
        T* const dx = static_cast<T*>(f_.dx[direction_]);
        const Range mine = Range::chunk(s_.input_blocks, me_, team_);
        const V zeros{};
        T zero[W];
        store(zero, zeros);
        for (ptrdiff_t b = mine.first; b < mine.last; b += max_tile_blocks)
            for (ptrdiff_t r = 0; r < rows; r += max_group_rows) {
                const ptrdiff_t blocks = min_of(ptrdiff_t(max_tile_blocks), mine.last - b);
                const ptrdiff_t here = min_of(max_group_rows, rows - r);
                const Grid<T> out{thread_buffers_.dx, here * W, W};
                gemm<T, 1, 0>({.a = {buffers_.panel + r * columns * W, columns * W, s_.blocks, G * W,
                                     Buffers::panel_block(capacity)},
                               .w = {w_.wx + b * w_.depth(s_) * W, w_.depth(s_) * W,
                                     s_.exceeds_l2(s_.input_blocks * w_.depth(s_) * W)},
                               .start = {zero, 0, 0},
                               .late_start = {zero, 0, 0},
                               .out = out,
                               .x = {},
                               .wx = {}},
                              0, blocks, here);
                for (ptrdiff_t i = 0; i < here; ++i)
                    for (ptrdiff_t j = 0; j < blocks; ++j)
                        store_units(dx + thread_buffers_.x_at[r + i], s_.inputs, b + j, load<T>(out.at(j, i)));
            }
    }

    bool first_chunk_ = true;
};

// Sums over slices, in their order, of the weight gradients of one direction: the range of thread `me` of `all`.
template <class S>
void reduce_slices(const S& s, const WeightGradients& to, const BackwardBuffers<S>* buffers, int slices, int me,
                   int all) {
    using T = typename S::E;
    constexpr int W = S::W;
    const ptrdiff_t input_units = s.input_blocks * W;
    const auto sum = [&](T* out, auto&& element) {
        T total = element(buffers[0]);
        for (int i = 1; i < slices; ++i) total += element(buffers[i]);
        *out = total;
    };
    const auto sum_row = [&](T* out, ptrdiff_t count, auto&& row) {
        for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b) {
            Vec<T> total = load<T>(row(buffers[0]) + b * W);
            for (int i = 1; i < slices; ++i) total += load<T>(row(buffers[i]) + b * W);
            store_units(out, count, b, total);
        }
    };
    const Range rows = Range::chunk(S::G * s.hidden, me, all);
    for (ptrdiff_t row = rows.first; row < rows.last; ++row) {
        const ptrdiff_t gate = row / s.hidden, unit = row % s.hidden, b = unit / W, lane = unit % W;
        int input_column = 0, hidden_column = 0;
        for (int c = 0; c < S::columns; ++c)
            if (S::gate(c) == gate) {
                if (c < S::G) input_column = c;
                if (c >= S::Z) hidden_column = c;
            }
        if (to.w_hh)
            sum_row(static_cast<T*>(to.w_hh) + row * s.hidden, s.hidden,
                    [&](const auto& m) { return m.dw_hh + (gate * s.units + unit) * s.units; });
        if (to.w_ih) {
            T* const out = static_cast<T*>(to.w_ih) + row * s.inputs;
            if (s.fuses_inputs)
                for (ptrdiff_t i = 0; i < s.inputs; ++i)
                    sum(out + i,
                        [&](const auto& m) { return m.dw_ih[((b * S::G + input_column) * s.inputs + i) * W + lane]; });
            else
                sum_row(out, s.inputs, [&](const auto& m) { return m.dw_ih + (gate * s.units + unit) * input_units; });
        }
        if (to.b_ih)
            sum(static_cast<T*>(to.b_ih) + row,
                [&](const auto& m) { return m.dbias[(b * S::columns + input_column) * W + lane]; });
        if (to.b_hh)
            sum(static_cast<T*>(to.b_hh) + row,
                [&](const auto& m) { return m.dbias[(b * S::columns + hidden_column) * W + lane]; });
    }
    if (!to.diagonal) return;
    const Range values = Range::chunk(S::D * s.hidden, me, all);
    for (ptrdiff_t i = values.first; i < values.last; ++i) {
        const ptrdiff_t d = i / s.hidden, unit = i % s.hidden, b = unit / W, lane = unit % W;
        sum(static_cast<T*>(to.diagonal) + i, [&](const auto& m) { return m.ddiagonal[(b * S::D + d) * W + lane]; });
    }
}

}  // namespace throughtime::THROUGHTIME_ISA
