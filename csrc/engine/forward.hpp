// The loop over time, forward.
//
// The sums of a step have two halves. W_x x does not depend on an earlier step, so it is one product for a chunk of
// many steps, whose rows fill the tiles also where the batch is small. W_h h must wait for the step before, so it is
// what a call takes its time for: its weights are packed once and read again at every step. With few inputs
// (`fuses_inputs`) the tiles of W_h h begin with the first half, and nothing goes through memory.
//
// A member of a team computes its own blocks of units, with all gates of each, so that the pointwise mathematics needs
// only what this member has just computed. It reads h of all units: hence one barrier a step, and two arrays of h.
#pragma once

#include "engine/forward_buffers.hpp"

namespace throughtime::THROUGHTIME_ISA {

// The work of one member of a team: all steps of one slice in one direction, for its blocks of units.
template <Cell C, class E>
class ForwardPass {
    using S = CellShape<C, E>;
    using T = Sum<E>;
    using V = Vec<E>;
    using Buffers = ForwardBuffers<E>;
    using ThreadBuffers = ForwardThreadBuffers<E>;
    static constexpr int W = S::W, G = S::G, Z = S::Z;

  public:
    ForwardPass(const S& shape, const ForwardArgs& args, int direction, const BatchSlice& slice,
                const ForwardWeights<E>& weights, Buffers& buffers, const ThreadBuffers& thread_buffers, Range blocks)
        : s_(shape),
          f_(args),
          direction_(direction),
          slice_(slice),
          w_(weights),
          buffers_(buffers),
          thread_buffers_(thread_buffers),
          blocks_(blocks),
          input_block_(Buffers::chunk_rows(shape, slice.count) * G * W),
          prefetch_weights_(shape.exceeds_l2(shape.blocks * weights.hidden_block(shape))),
          nontemporal_(stores_nontemporal()),
          reads_in_place_(shape.fuses_inputs && span<E> == 1 && !shape.problem.order && slice.stride == 1),
          x_row_(reads_in_place_ ? shape.problem.x.row : ThreadBuffers::x_row(shape)),
          x_(thread_buffers.x),
          h_previous_(buffers.h[0]),
          h_next_(buffers.h[1]) {}

    [[gnu::noinline]] void operator()(int team) {
        const Problem& p = s_.problem;
        const bool backwards = p.runs_backwards(direction_);
        load_initial_states();
        buffers_.barrier.wait(team);
        ptrdiff_t active = backwards ? 0 : slice_.count;
        ptrdiff_t chunk_row = 0, chunk_end = 0;
        for (ptrdiff_t step = 0; step < p.steps; ++step) {
            const ptrdiff_t t = backwards ? p.steps - 1 - step : step;
            const ptrdiff_t before = active;
            active = slice_.active(t, before);
            // Rows are sorted by length, so those that run are always the first ones.
            if (active != before) store_final_states(active, before);  // empty backwards, where rows only join
            if (active != before || step == 0) set_group_size(active);
            if (reads_in_place_) {
                x_ = static_cast<const E*>(f_.x) + p.x.at(t, slice_.first);
            } else if (s_.fuses_inputs) {
                gather_inputs(t, active, 0);
            } else if (step == chunk_end) {
                chunk_end = project_inputs(step, active);
                chunk_row = 0;
            }
            advance(t, active, chunk_row);
            chunk_row += active;
            buffers_.barrier.wait(team);
            E* const swapped = h_next_;
            h_next_ = h_previous_;
            h_previous_ = swapped;
            if (team > 1) prefetch_state(active);
        }
        store_final_states(0, backwards ? slice_.count : active);
        if (nontemporal_) fence();
    }

  private:
    // Outputs bypass the caches if other threads write next to them at every step: hardware prefetching would move
    // lines between cores all the time. Not if all that the backward pass reads stays in the second-level cache.
    bool stores_nontemporal() const {
        if (f_.reserve && !s_.exceeds_l2(s_.reserve_rows() * s_.problem.directions * s_.units * (S::saved + 1)))
            return false;
        const Layout& y = s_.problem.y;
        const ptrdiff_t line = vector_bytes / ptrdiff_t(sizeof(E));
        const bool aligned = reinterpret_cast<uintptr_t>(f_.y) % vector_bytes == 0 && s_.hidden % line == 0 &&
                             y.row % line == 0 && y.step % line == 0;
        const bool adjacent =
            s_.problem.directions > 1 || (slice_.count < s_.problem.batch && (y.offsets || y.row < y.step));
        return vector_is_cache_line && span<E> == 1 && aligned && adjacent;
    }
    ptrdiff_t h_row() const { return Buffers::h_row(s_); }
    ptrdiff_t x_row() const { return ThreadBuffers::x_row(s_); }
    T* state(int j, ptrdiff_t b, ptrdiff_t r) const { return buffers_.state[j] + (b * slice_.count + r) * W; }

    // Most of the state is in the caches of the other members: request all of it at once.
    void prefetch_state(ptrdiff_t active) const {
        for (ptrdiff_t r = 0; r < active; ++r)
            for (ptrdiff_t b = 0; b < s_.blocks; ++b) __builtin_prefetch(h_previous_ + r * h_row() + b * W);
    }

    [[gnu::noinline]] void load_initial_states() const {
        for (ptrdiff_t r = 0; r < slice_.count; ++r) {
            const ptrdiff_t from = s_.state_at(direction_, slice_.row(r));
            for (int j = 0; j < S::S; ++j)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
                    const E* const initial = static_cast<const E*>(f_.state_0[j]);
                    const V v = initial ? load_units(initial + from, s_.hidden, b) : V{};
                    if (j >= S::first_buffered_state) store(state(j, b, r), v);
                    if (j == 0) {
                        store(h_previous_ + r * h_row() + b * W, v);
                        store(h_next_ + r * h_row() + b * W, v);  // for rows that join later
                    }
                }
        }
    }

    // Of rows [first, last).
    [[gnu::noinline]] void store_final_states(ptrdiff_t first, ptrdiff_t last) const {
        for (ptrdiff_t r = first; r < last; ++r) {
            const ptrdiff_t to = s_.state_at(direction_, slice_.row(r));
            for (int j = 0; j < S::S; ++j)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
                    const V v = j >= S::first_buffered_state ? load<T>(state(j, b, r))
                                                             : load<E>(h_previous_ + r * h_row() + b * W);
                    store_units(static_cast<E*>(f_.state_n[j]) + to, s_.hidden, b, v);
                }
        }
    }

    void gather_inputs(ptrdiff_t t, ptrdiff_t active, ptrdiff_t to) const {
        for (ptrdiff_t r = 0; r < active; ++r) {
            const E* const from = static_cast<const E*>(f_.x) + s_.problem.x.at(t, slice_.row(r));
            E* const x = thread_buffers_.x + (to + r) * x_row();
            for (ptrdiff_t i = 0; i < s_.inputs; ++i) x[i] = from[i];
            for (ptrdiff_t i = s_.inputs; i < s_.input_depth; ++i) x[i] = E{};
        }
    }

    // Computes the input halves of as many steps as fit, from `step` on. Returns the first step that is left.
    [[gnu::noinline]] ptrdiff_t project_inputs(ptrdiff_t step, ptrdiff_t active) const {
        const Problem& p = s_.problem;
        const ptrdiff_t capacity = Buffers::chunk_rows(s_, slice_.count);
        ptrdiff_t rows = 0;
        while (step < p.steps) {
            const ptrdiff_t t = p.runs_backwards(direction_) ? p.steps - 1 - step : step;
            active = slice_.active(t, active);
            if (rows + active > capacity) break;
            gather_inputs(t, active, rows);
            rows += active;
            ++step;
        }
        const Grid<const T> bias{w_.bias, S::columns * W, 0};
        gemm<E, G, 0>({.a = contiguous_rows<E>(thread_buffers_.x, x_row(), s_.input_depth),
                       .w = {w_.wx, w_.input_block(s_), s_.exceeds_l2(s_.blocks * w_.input_block(s_))},
                       .start = bias,
                       .late_start = bias,
                       .out = {buffers_.inputs, capacity * G * W, G * W},
                       .x = {},
                       .wx = {}},
                      blocks_.first, blocks_.last, rows);
        return step;
    }

    // Rows and blocks of a group that stays in the first-level cache.
    void set_group_size(ptrdiff_t active) {
        group_rows_ = min_of(active, max_group_rows);
        if (group_rows_ == 0) return;
        const ptrdiff_t fitting =
            group_bytes / ptrdiff_t(sizeof(T)) / (group_rows_ * G * W) / max_tile_blocks * max_tile_blocks;
        group_blocks_ = max_of(fitting, ptrdiff_t(tile_blocks<G>(group_rows_)));
    }

    // One step: products and pointwise mathematics, group by group. A group is what the pointwise mathematics finds in
    // the first-level cache when the product has written it; blocks are the outer loop, so that the weights of a group
    // are read from memory once for all rows.
    void advance(ptrdiff_t t, ptrdiff_t active, ptrdiff_t chunk_row) const {
        if (active == 1 && !prefetch_weights_) return advance_single_row(t, chunk_row);
        for (ptrdiff_t b = blocks_.first; b < blocks_.last && active > 0; b += group_blocks_) {
            const ptrdiff_t blocks = min_of(group_blocks_, blocks_.last - b);
            for (ptrdiff_t r = 0; r < active; r += group_rows_) {
                const ptrdiff_t rows = min_of(group_rows_, active - r);
                const Grid<T> sums{thread_buffers_.sums, rows * G * W, G * W};
                const Grid<const T> inputs = inputs_at(b, chunk_row + r);
                gemm<E, G, Z>(recurrent_product(b, r, inputs, sums), 0, blocks, rows);
                const Pointwise pointwise(*this, t, b, r, inputs);
                const auto unit = [&](ptrdiff_t j, ptrdiff_t i) __attribute__((always_inline)) {
                    V sum[G];
                    for (int g = 0; g < G; ++g) sum[g] = load<T>(sums.at(j, i) + g * W);
                    pointwise.advance(j, i, sum);
                };
                // The longer loop is the inner one, so that constants are loaded less often.
                if (rows < blocks)
                    for (ptrdiff_t i = 0; i < rows; ++i)
                        for (ptrdiff_t j = 0; j < blocks; ++j) unit(j, i);
                else
                    for (ptrdiff_t j = 0; j < blocks; ++j)
                        for (ptrdiff_t i = 0; i < rows; ++i) unit(j, i);
            }
        }
    }

    // One step of a single row. Its latency is that of the chain of steps, so the sums stay in registers.
    void advance_single_row(ptrdiff_t t, ptrdiff_t chunk_row) const {
        const Grid<const T> inputs = inputs_at(blocks_.first, chunk_row);
        const Gemm<E> product = recurrent_product(blocks_.first, 0, inputs, {});
        const Pointwise pointwise(*this, t, blocks_.first, 0, inputs);
        for_each_tile<G>(0, blocks_.count(), single_row_blocks<G>,
                         [&](auto blocks, ptrdiff_t j) __attribute__((always_inline)) {
                             constexpr int B = blocks.value;
                             V sum[1][B][G];
                             accumulate<E, 1, B, G, Z, false>(sum, product, j, 0, nullptr);
                             THROUGHTIME_UNROLL for (int i = 0; i < B; ++i) pointwise.advance(j + i, 0, sum[0][i]);
                         });
    }

    // The operands of pointwise mathematics in a step, from a block and a row on. They are copies, because the compiler
    // must assume that storing vectors changes everything that is only referenced.
    class Pointwise {
      public:
        Pointwise(const ForwardPass& pass, ptrdiff_t t, ptrdiff_t b, ptrdiff_t r, Grid<const T> inputs)
            : rows_(pass.slice_),
              first_block_(b),
              first_row_(r),
              hidden_(pass.s_.hidden),
              y_row_(pass.s_.problem.y.row),
              h_row_(pass.h_row()),
              x_row_(pass.x_row_),
              fused_depth_(pass.s_.fuses_inputs ? pass.s_.input_depth : 0),
              count_(pass.slice_.count),
              reserve_block_(pass.s_.reserve_block(t, pass.slice_)),
              reserve_row_(pass.s_.reserve_row(pass.slice_)),
              nontemporal_(pass.nontemporal_),
              inputs_(inputs),
              x_(pass.x_ + r * pass.x_row_),
              wx_(pass.w_.wx + b * pass.w_.input_block(pass.s_)),
              h_previous_(pass.h_previous_ + r * pass.h_row()),
              h_next_(pass.h_next_ + r * pass.h_row()),
              y_(static_cast<E*>(pass.f_.y) + pass.s_.y_at(pass.direction_, t, 0)),
              diagonals_(pass.w_.diagonal),
              reserve_(pass.f_.reserve
                           ? static_cast<T*>(pass.f_.reserve) + pass.s_.reserve_at(pass.direction_, t, pass.slice_)
                           : nullptr) {
            for (int k = S::first_buffered_state; k < S::S; ++k) states_[k] = pass.state(k, b, r);
        }

        // Block j of row i, from the sums of columns [Z, Z + G).
        THROUGHTIME_INLINE void advance(ptrdiff_t j, ptrdiff_t i, const V (&sum)[G]) const {
            const ptrdiff_t b = first_block_ + j, r = first_row_ + i;
            V columns[S::columns], previous[S::S], next[S::S], saved[max_of(S::saved, 1)], diagonal[max_of(S::D, 1)];
            // Separate input halves: from the projected chunk or, fused, from the inputs themselves.
            for (int c = 0; c < Z; ++c) {
                columns[c] = load<T>(inputs_.at(j, i) + c * W);
                for (ptrdiff_t k = 0; k < fused_depth_; k += span<E>)
                    columns[c] =
                        multiply_add<E>(broadcast_operand(x_ + i * x_row_ + k),
                                        load_operand(wx_ + ((j * fused_depth_ + k) * G + c * span<E>)*W), columns[c]);
            }
            for (int g = 0; g < G; ++g) columns[Z + g] = sum[g];
            if (S::first_buffered_state) previous[0] = load<E>(h_previous_ + i * h_row_ + b * W);
            for (int k = S::first_buffered_state; k < S::S; ++k)
                previous[k] = load<T>(states_[k] + (j * count_ + i) * W);
            for (int d = 0; d < S::D; ++d) diagonal[d] = load<T>(diagonals_ + (b * S::D + d) * W);

            C::template forward<V>(columns, diagonal, previous, next, saved);

            // Products of bfloat16 pairs read a padding unit of h, which is NaN where an input is infinite.
            if (span<E> > 1) next[0] = first_lanes(next[0], units_in<E>(hidden_, b));
            store(h_next_ + i * h_row_ + b * W, next[0]);
            if (nontemporal_)
                store_nontemporal(y_ + rows_.row(r) * y_row_ + b * W, next[0]);
            else
                store_units(y_ + rows_.row(r) * y_row_, hidden_, b, next[0]);
            for (int k = S::first_buffered_state; k < S::S; ++k) store(states_[k] + (j * count_ + i) * W, next[k]);
            for (int k = 1; k < S::S; ++k) saved[C::saved + k - 1] = next[k];
            if (reserve_)
                for (int k = 0; k < S::saved; ++k)
                    store(reserve_ + b * reserve_block_ + r * reserve_row_ + k * W, saved[k]);
        }

      private:
        const RowIndex rows_;
        const ptrdiff_t first_block_, first_row_, hidden_, y_row_, h_row_, x_row_, fused_depth_, count_, reserve_block_,
            reserve_row_;
        const bool nontemporal_;
        const Grid<const T> inputs_;
        const E *const x_, *const wx_, *const h_previous_;
        E *const h_next_, *const y_;
        const T* const diagonals_;
        T* const reserve_;
        T* states_[S::S]{};
    };

    // Start values of the sums of a block and row, and the input halves of separate gates.
    Grid<const T> inputs_at(ptrdiff_t b, ptrdiff_t chunk_row) const {
        if (s_.fuses_inputs) return {w_.bias + b * S::columns * W, S::columns * W, 0};
        return {buffers_.inputs + b * input_block_ + chunk_row * G * W, input_block_, G * W};
    }

    // The products of a step, from a block and a row on.
    Gemm<E> recurrent_product(ptrdiff_t b, ptrdiff_t r, Grid<const T> inputs, Grid<T> sums) const {
        return {.a = contiguous_rows<E>(h_previous_ + r * h_row(), h_row(), s_.hidden_depth),
                .w = {w_.wh + b * w_.hidden_block(s_), w_.hidden_block(s_), prefetch_weights_},
                .start = {inputs.data + Z * W, inputs.block, inputs.row},
                .late_start = {w_.bias + b * S::columns * W + G * W, S::columns * W, 0},
                .out = sums,
                .x = contiguous_rows<E>(x_ + r * x_row_, x_row_, s_.fuses_inputs ? s_.input_depth : 0),
                .wx = {w_.wx + b * w_.input_block(s_), w_.input_block(s_)}};
    }

    const S& s_;
    const ForwardArgs& f_;
    const int direction_;
    const BatchSlice& slice_;
    const ForwardWeights<E>& w_;
    Buffers& buffers_;
    const ThreadBuffers& thread_buffers_;
    const Range blocks_;
    const ptrdiff_t input_block_;
    const bool prefetch_weights_;
    const bool nontemporal_;
    const bool reads_in_place_;  // fused inputs of consecutive rows need no copy
    const ptrdiff_t x_row_;      // distance of their rows
    const E* x_;                 // inputs of the step
    ptrdiff_t group_rows_ = 0, group_blocks_ = 1;
    E *h_previous_, *h_next_;
};

template <Cell C, class E>
void forward(const ForwardArgs& f) {
    const Problem& p = f.problem;
    const CellShape<C, E> shape(p);
    const ForwardPlan<E> plan(f, shape);
    const auto& weights = plan.weights;
    const auto& buffers = plan.buffers;
    const auto& thread_buffers = plan.thread_buffers;
    const ThreadPartition& partition = plan.partition;
    const int items = plan.items;
    const bool packs_per_item = plan.packs_per_item;
    if (f.reserve) store(static_cast<Sum<E>*>(f.reserve), broadcast<Vec<E>>(Sum<E>(partition.slices)));
    const Workspace workspace(plan);

    Barrier packed;
    parallel(partition.threads(p.directions), [&](int me, int all) {
        if (!packs_per_item) {
            for (int d = 0; d < p.directions; ++d)
                if (!f.packed[d])
                    for (ptrdiff_t b = me; b < shape.blocks; b += all) weights[d].pack(shape, f.weights[d], b);
            packed.wait(all);
        }
        // The members of a team wait for each other, so there are no teams if fewer threads run than were requested.
        const int team = all == items * partition.team ? partition.team : 1;
        for (int item = me / team; item < items; item += all / team) {
            const int direction = item / partition.slices;
            const BatchSlice slice = BatchSlice::of(p, item % partition.slices, partition.slices);
            if (packs_per_item && !f.packed[direction])
                for (ptrdiff_t b = 0; b < shape.blocks; ++b) weights[item].pack(shape, f.weights[direction], b);
            ForwardPass<C, E>(shape, f, direction, slice, weights[packs_per_item ? item : direction], buffers[item],
                              thread_buffers[item * partition.team + me % team],
                              Range::chunk(shape.blocks, me % team, team))(team);
        }
    });
}

}  // namespace throughtime::THROUGHTIME_ISA
