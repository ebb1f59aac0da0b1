// The loop over time, backward: backpropagation through time.
//
// The gradients of a step's columns are written to panels, [block][row][columns][W]. Three products read them: through
// W_hh into the previous step, and, for a chunk of steps that is still in the cache, into the weights and the inputs.
#pragma once

#include "engine/gradient_products.hpp"

namespace throughtime::THROUGHTIME_ISA {

// The work of one member of a team: all steps of one slice in one direction, last step first.
template <Cell C, class T>
class BackwardPass : WeightGradientProducts<CellShape<C, T>> {
    using S = CellShape<C, T>;
    using V = Vec<T>;
    using Base = WeightGradientProducts<S>;
    using Buffers = BackwardBuffers<T>;
    using Base::backwards_;
    using Base::blocks_;
    using Base::buffers_;
    using Base::direction_;
    using Base::f_;
    using Base::s_;
    using Base::slice_;
    using Base::team_;
    static constexpr int W = S::W, columns = S::columns;

  public:
    using Base::Base;

    [[gnu::noinline]] void operator()() {
        Base::load_final_gradients();
        const ptrdiff_t steps = s_.problem.steps, capacity = Buffers::chunk_rows(s_, slice_.count);
        const ptrdiff_t chunk_block = Buffers::panel_block(s_, capacity),
                        last_block = Buffers::panel_block(s_, slice_.count);
        // Gradients of the columns of the step just processed, which follows the next one in time.
        Grid<const T> dcolumns{buffers_.panel, chunk_block, columns * W};
        ptrdiff_t active = backwards_ ? slice_.count : 0, rows = 0;
        for (ptrdiff_t step = steps - 1; step >= 0; --step) {
            const ptrdiff_t t = backwards_ ? steps - 1 - step : step;
            const ptrdiff_t before = step == steps - 1 ? 0 : active;
            active = slice_.active(t, active);
            if (rows + active > capacity) {
                Base::accumulate_gradients(rows);
                Base::save_last_panel(dcolumns, before, last_block);
                dcolumns = {buffers_.last_panel, last_block, columns * W};
                rows = 0;
                buffers_.barrier.wait(team_);
            }
            Base::propagate_through_hidden(dcolumns, before);
            Base::clip(before);
            pointwise(t, active, rows);
            dcolumns = {buffers_.panel + rows * columns * W, chunk_block, columns * W};
            rows += active;
            buffers_.barrier.wait(team_);
        }
        Base::propagate_through_hidden(dcolumns, steps > 0 ? active : 0);
        Base::clip(steps > 0 ? active : 0);
        Base::store_initial_gradients();
        Base::accumulate_gradients(rows);
    }

  private:
    // The states of a row before a step, or null for zero. From index 1 on, blocks are `block` apart; 0: units are
    // contiguous.
    struct PreviousStates {
        const T* state[S::S];
        ptrdiff_t block;
    };

    // The positions of the states before a step. They are copies, because the compiler must assume that storing vectors
    // changes everything that is only referenced.
    class PreviousStateLocator {
      public:
        PreviousStateLocator(const BackwardPass& pass, ptrdiff_t t)
            : slice_(pass.slice_),
              t_(t),
              backwards_(pass.backwards_),
              hidden_(pass.s_.hidden),
              h_row_(pass.s_.problem.y.row),
              row_(pass.s_.reserve_row(pass.slice_)) {
            for (int j = 0; j < S::S; ++j)
                if (pass.f_.state_0[j])
                    initial_[j] = static_cast<const T*>(pass.f_.state_0[j]) + pass.s_.state_at(pass.direction_, 0);
            const ptrdiff_t earlier = backwards_ ? t + 1 : t - 1;
            if (earlier < 0 || earlier >= pass.s_.problem.steps) return;
            h_ = static_cast<const T*>(pass.f_.y) + pass.s_.y_at(pass.direction_, earlier, 0);
            block_ = pass.s_.reserve_block(earlier, pass.slice_);
            reserve_ =
                static_cast<const T*>(pass.f_.reserve) + pass.s_.reserve_at(pass.direction_, earlier, pass.slice_);
        }

        // Row r of the slice, which is row n of the batch.
        THROUGHTIME_INLINE PreviousStates of(ptrdiff_t r, ptrdiff_t n) const {
            PreviousStates previous{};
            if (backwards_ ? t_ == slice_.length(r) - 1 : t_ == 0) {
                for (int j = 0; j < S::S; ++j) previous.state[j] = initial_[j] ? initial_[j] + n * hidden_ : nullptr;
            } else {
                previous.state[0] = h_ + n * h_row_;
                for (int j = 1; j < S::S; ++j) previous.state[j] = reserve_ + r * row_ + (C::saved + j - 1) * W;
                previous.block = block_;
            }
            return previous;
        }

      private:
        const BatchSlice& slice_;
        const ptrdiff_t t_;
        const bool backwards_;
        const ptrdiff_t hidden_, h_row_, row_;
        const T *initial_[S::S]{}, *h_ = nullptr, *reserve_ = nullptr;
        ptrdiff_t block_ = 0;
    };

    // Row by row. What the loops read is copied first, as above.
    void pointwise(ptrdiff_t t, ptrdiff_t active, ptrdiff_t first_chunk_row) const {
        const ptrdiff_t capacity = Buffers::chunk_rows(s_, slice_.count), hidden = s_.hidden, count = slice_.count;
        const ptrdiff_t panel_block = Buffers::panel_block(s_, capacity),
                        vector_block = Buffers::vector_block(capacity);
        const ptrdiff_t reserve_block = s_.reserve_block(t, slice_), reserve_row = s_.reserve_row(slice_);
        const ptrdiff_t y_row = s_.problem.y.row, dy_row = f_.dy_layout.row, x_row = s_.problem.x.row;
        const T* const reserve = static_cast<const T*>(f_.reserve) + s_.reserve_at(direction_, t, slice_);
        const T* const y_t = static_cast<const T*>(f_.y) + s_.y_at(direction_, t, 0);
        const T* const dy_t =
            f_.dy ? static_cast<const T*>(f_.dy) + f_.dy_layout.at(t, 0) + direction_ * hidden : nullptr;
        const ptrdiff_t x_t = s_.problem.x.at(t, 0);
        const RowIndex rows(slice_);
        const PreviousStateLocator states(*this, t);
        const Range blocks = blocks_;
        T* const panel = buffers_.panel + first_chunk_row * columns * W;
        T *const hiddens = buffers_.hidden + first_chunk_row * W, *const ddiagonals = buffers_.ddiagonal;
        const T* const diagonals = Base::w_.diagonal;
        ptrdiff_t* const x_at = Base::thread_buffers_.x_at + first_chunk_row;
        T* dstates[S::S];
        for (int j = 0; j < S::S; ++j) dstates[j] = buffers_.dstate[j];
        for (ptrdiff_t r = 0; r < active; ++r) {
            const ptrdiff_t n = rows.row(r);
            const PreviousStates before = states.of(r, n);
            const T *const y = y_t + n * y_row, *const dy = dy_t ? dy_t + n * dy_row : nullptr;
            const T* const reserve_r = reserve + r * reserve_row;
            x_at[r] = x_t + n * x_row;
            for (ptrdiff_t b = blocks.first; b < blocks.last; ++b) {
                V saved[max_of(S::saved, 1)], diagonal[max_of(S::D, 1)], ddiagonal[max_of(S::D, 1)], previous[S::S],
                    next[S::S], dstate[S::S], dcolumns[columns];
                const ptrdiff_t at = (b * count + r) * W;
                for (int k = 0; k < S::saved; ++k) saved[k] = load<T>(reserve_r + b * reserve_block + k * W);
                for (int d = 0; d < S::D; ++d) diagonal[d] = load<T>(diagonals + (b * S::D + d) * W);
                previous[0] = before.state[0] ? load_units(before.state[0], hidden, b) : V{};
                next[0] = load_units(y, hidden, b);
                dstate[0] = load<T>(dstates[0] + at);
                if (dy) dstate[0] += load_units(dy, hidden, b);
                for (int j = 1; j < S::S; ++j) {
                    next[j] = saved[C::saved + j - 1];
                    dstate[j] = load<T>(dstates[j] + at);
                    previous[j] = !before.state[j] ? V{}
                                  : before.block   ? load<T>(before.state[j] + b * before.block)
                                                   : load_units(before.state[j], hidden, b);
                }

                C::template backward<V>(saved, diagonal, previous, next, dstate, dcolumns, ddiagonal);

                // Padding units are NaN where an input is infinite, and all products over units read them.
                if (const ptrdiff_t here = units_in<T>(hidden, b); here < W) {
                    for (int c = 0; c < columns; ++c) dcolumns[c] = first_lanes(dcolumns[c], here);
                    for (int j = 0; j < S::S; ++j) dstate[j] = first_lanes(dstate[j], here);
                }
                for (int j = 0; j < S::S; ++j) store(dstates[j] + at, dstate[j]);
                for (int c = 0; c < columns; ++c) store(panel + b * panel_block + (r * columns + c) * W, dcolumns[c]);
                store(hiddens + b * vector_block + r * W, previous[0]);
                for (int d = 0; d < S::D; ++d) {
                    T* const sum = ddiagonals + (b * S::D + d) * W;
                    store(sum, load<T>(sum) + ddiagonal[d]);
                }
            }
        }
    }
};

template <Cell C, class T>
void backward(const BackwardArgs& f) {
    const Problem& p = f.problem;
    const CellShape<C, T> shape(p);
    const BackwardPlan<T> plan(f, shape);
    const auto& weights = plan.weights;
    const auto& buffers = plan.buffers;
    const auto& thread_buffers = plan.thread_buffers;
    const ThreadPartition& partition = plan.partition;
    const int items = plan.items;
    const bool packs_per_item = plan.packs_per_item;
    const Workspace workspace(plan);

    Barrier packed, done;
    parallel(min_of(partition.threads(p.directions), max_of(1, p.threads)), [&](int me, int all) {
        if (!packs_per_item) {
            for (int d = 0; d < p.directions; ++d)
                weights[d].pack_blocks(shape, f.weights[d], f.dx[d] != nullptr, me, all);
            packed.wait(all);
        }
        const int team = all == items * partition.team ? partition.team : 1;
        for (int item = me / team; item < items; item += all / team) {
            const int direction = item / partition.slices;
            const BatchSlice slice = BatchSlice::of(p, item % partition.slices, partition.slices);
            if (packs_per_item)
                weights[item].pack_blocks(shape, f.weights[direction], f.dx[direction] != nullptr, 0, 1);
            BackwardPass<C, T>(shape, f, direction, slice, weights[packs_per_item ? item : direction], buffers[item],
                               thread_buffers[item * partition.team + me % team], me % team, team)();
        }
        done.wait(all);
        for (int d = 0; d < p.directions; ++d)
            reduce_slices<T>(shape, f.dweights[d], buffers.data() + d * partition.slices, partition.slices, me, all);
    });
}

}  // namespace throughtime::THROUGHTIME_ISA
