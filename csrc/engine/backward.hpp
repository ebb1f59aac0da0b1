// The loop over time, backward: backpropagation through time.
//
// A step's gradients of the columns go into panels, [block][row][columns][W], from which three products read: through
// W_hh into the step before, and, for a chunk of steps while it is still in the cache, into the weights and the inputs.
#pragma once

#include "engine/partition.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Weights of one direction for products with gradients of columns.
template <class C, class T>
struct BackwardWeights {
    using S = Shape<C, T>;
    T* wh;        // [block of units][block][hidden columns][W][W]
    T* wx;        // [block of inputs][block][input columns][W][W]
    T* diagonal;  // [block][D][W]

    void layout(Pieces& pieces, const S& s, bool inputs) {
        wh = pieces.take<T>(s.blocks * depth(s) * S::W);
        wx = pieces.take<T>(inputs ? s.input_blocks * depth(s) * S::W : 0);
        diagonal = pieces.take<T>(s.blocks * S::D * S::W);
    }
    static ptrdiff_t depth(const S& s) { return s.blocks * S::G * S::W; }

    // The share of one of several threads; those of the inputs where they are wanted.
    void pack_share(const S& s, const Weights& from, bool inputs, int me, int all) const {
        for (ptrdiff_t b = me; b < s.blocks; b += all) {
            pack_block(s, static_cast<const T*>(from.w_hh), s.hidden, S::Z, b, wh);
            s.pack_diagonal(from, b, diagonal + b * S::D * S::W);
        }
        if (inputs)
            for (ptrdiff_t b = me; b < s.input_blocks; b += all)
                pack_block(s, static_cast<const T*>(from.w_ih), s.inputs, 0, b, wx);
    }

  private:
    static void pack_block(const S& s, const T* from, ptrdiff_t width, int first_column, ptrdiff_t to_block, T* to) {
        to += to_block * depth(s) * S::W;
        for (ptrdiff_t b = 0; b < s.blocks; ++b)
            for (int c = first_column; c < first_column + S::G; ++c, to += S::W * S::W) {
                const ptrdiff_t row = Columns<C>::gate(c) * s.hidden + b * S::W;
                pack(from + row * width + to_block * S::W, width, units_in<T>(width, to_block),
                     units_in<T>(s.hidden, b), ptrdiff_t(S::W), to);
            }
    }
};

// What the members of a team share while they run one slice.
template <class C, class T>
struct BackwardMemory {
    using S = Shape<C, T>;
    Barrier barrier;
    T* carry;         // [block][row][W]: gradient of h
    T* dstate[S::S];  // [block][row][W]: from index 1, gradients of the other states
    T* panel;         // [block][chunk row][columns][W]
    T* last;          // [block][row][columns][W]: the step before the chunk
    T* hidden;        // [block][chunk row][W]: h before each step
    T* inputs;        // [input block][chunk row][W]; folded: [chunk row][I]
    // Sums for the weights, padded, and in the order of torch's gates.
    T* dw_hh;      // [G][units][units]
    T* dw_ih;      // [G][units][input units]; folded: [block][G][I][W]
    T* dbias;      // [block][columns][W]
    T* ddiagonal;  // [block][D][W]

    void layout(Pieces& pieces, const S& s, ptrdiff_t count) {
        const ptrdiff_t rows = chunk_rows(s, count), input_units = s.input_blocks * S::W;
        carry = pieces.take<T>(s.blocks * count * S::W);
        for (int j = 1; j < S::S; ++j) dstate[j] = pieces.take<T>(s.blocks * count * S::W);
        panel = pieces.take<T>(s.blocks * panel_block(rows));
        last = pieces.take<T>(s.blocks * panel_block(count));
        hidden = pieces.take<T>(s.blocks * vector_block(rows));
        inputs = pieces.take<T>(s.folded ? rows * s.inputs : s.input_blocks * vector_block(rows));
        dw_hh = pieces.take<T>(S::G * s.units * s.units);
        dw_ih = pieces.take<T>(S::G * s.units * (s.folded ? s.inputs : input_units));
        dbias = pieces.take<T>(s.blocks * S::columns * S::W);
        ddiagonal = pieces.take<T>(s.blocks * S::D * S::W);
    }
    // One vector of distance more than needed keeps blocks off each other's cache sets.
    static ptrdiff_t panel_block(ptrdiff_t rows) { return (rows * S::columns + 1) * S::W; }
    static ptrdiff_t vector_block(ptrdiff_t rows) { return (rows + 1) * S::W; }
    static ptrdiff_t chunk_rows(const S& s, ptrdiff_t count) {
        const ptrdiff_t fitting = (ptrdiff_t(512) << 10) / ptrdiff_t(sizeof(T)) / (S::columns * s.units);
        const ptrdiff_t wanted = smaller(larger(fitting, ptrdiff_t(256)), ptrdiff_t(512));
        return larger(count, smaller(wanted, count * s.problem.steps));
    }
};

// What each member has for itself.
template <class C, class T>
struct BackwardMember {
    using S = Shape<C, T>;
    ptrdiff_t* x_at;  // [chunk row]: where the row's inputs stand
    T* dx;            // [block][row][W]: one group of gradients of inputs
    T* scale;         // [state][row]: what clipping by norm multiplies the gradient of a state with

    void layout(Pieces& pieces, const S& s, ptrdiff_t count) {
        x_at = pieces.take<ptrdiff_t>(BackwardMemory<C, T>::chunk_rows(s, count));
        dx = pieces.take<T>(max_tile_blocks * group_rows * S::W);
        scale = pieces.take<T>(S::S * count);
    }
};

// One member's run over all steps of one slice in one direction, last step first.
template <class C, class T>
class BackwardRun {
    using S = Shape<C, T>;
    using V = Vec<T>;
    using Memory = BackwardMemory<C, T>;
    static constexpr int W = S::W, G = S::G, Z = S::Z, columns = S::columns;

  public:
    BackwardRun(const S& shape, const Backward& call, int direction, const Slice& slice,
                const BackwardWeights<C, T>& weights, Memory& memory, const BackwardMember<C, T>& member, int me,
                int team)
        : s_(shape),
          f_(call),
          direction_(direction),
          backwards_(shape.problem.runs_backwards(direction)),
          slice_(slice),
          w_(weights),
          memory_(memory),
          member_(member),
          me_(me),
          team_(team),
          blocks_(Range::part(shape.blocks, me, team)) {}

    void operator()() {
        begin();
        const ptrdiff_t steps = s_.problem.steps, capacity = Memory::chunk_rows(s_, slice_.count);
        const ptrdiff_t chunk_block = Memory::panel_block(capacity), last_block = Memory::panel_block(slice_.count);
        // `later`: gradients of the columns of the step just done, which is the next one in time.
        Grid<const T> later{memory_.panel, chunk_block, columns * W};
        ptrdiff_t active = backwards_ ? slice_.count : 0, rows = 0;
        for (ptrdiff_t step = steps - 1; step >= 0; --step) {
            const ptrdiff_t t = backwards_ ? steps - 1 - step : step;
            const ptrdiff_t before = step == steps - 1 ? 0 : active;
            active = slice_.active(t, active);
            if (rows + active > capacity) {
                give(rows);
                copy_last(later, before, last_block);
                later = {memory_.last, last_block, columns * W};
                rows = 0;
                memory_.barrier.wait(team_);
            }
            through_hidden(later, before);
            clip(before);
            pointwise(t, active, rows);
            later = {memory_.panel + rows * columns * W, chunk_block, columns * W};
            rows += active;
            memory_.barrier.wait(team_);
        }
        through_hidden(later, steps > 0 ? active : 0);
        clip(steps > 0 ? active : 0);
        finish();
        give(rows);
    }

  private:
    T* at(T* base, ptrdiff_t b, ptrdiff_t r) const { return base + (b * slice_.count + r) * W; }

    void begin() const {
        for (ptrdiff_t r = 0; r < slice_.count; ++r) {
            const ptrdiff_t from = s_.state_at(direction_, slice_.row(r));
            for (int j = 0; j < S::S; ++j)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
                    const T* const given = static_cast<const T*>(f_.dstate_n[j]);
                    store(at(j ? memory_.dstate[j] : memory_.carry, b, r),
                          given ? load_units(given + from, s_.hidden, b) : V{});
                }
        }
        for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
            if (s_.folded) fill(memory_.dw_ih + b * G * s_.inputs * W, G * s_.inputs * W, T(0));
            fill(memory_.dbias + b * columns * W, columns * W, T(0));
            fill(memory_.ddiagonal + b * S::D * W, S::D * W, T(0));
        }
        memory_.barrier.wait(team_);
    }

    // Hand out the gradient of the initial state.
    void finish() const {
        for (int j = 0; j < S::S; ++j) {
            T* const to = static_cast<T*>(f_.dstate_0[j]);
            if (!to) continue;
            for (ptrdiff_t r = 0; r < slice_.count; ++r)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b)
                    store_units(to + s_.state_at(direction_, slice_.row(r)), s_.hidden, b,
                                load<T>(at(j ? memory_.dstate[j] : memory_.carry, b, r)));
        }
    }

    // carry += gradient of the columns of the step that follows, times W_hh. Rows that did not take part there keep
    // theirs.
    void through_hidden(Grid<const T> later, ptrdiff_t count) const {
        const Grid<T> carry{memory_.carry, slice_.count * W, W};
        const Grid<const T> start{carry.data, carry.block, carry.row};
        product<T, 1, 0, true>({.a = {later.data + Z * W, later.row, s_.blocks, G * W, later.block},
                                .w = {w_.wh, w_.depth(s_) * W, s_.far(s_.blocks * w_.depth(s_) * W)},
                                .start = start,
                                .late = start,
                                .out = carry,
                                .x = {},
                                .wx = {}},
                               blocks_.first, blocks_.last, count);
    }

    // Clips the gradients of the states between the step that follows and this one.
    void clip(ptrdiff_t count) const {
        if (f_.clip.limit == 0) return;
        const V limit = splat<V>(T(f_.clip.limit));
        if (f_.clip.norm) measure(count, limit);
        for (int j = 0; j < S::S; ++j)
            for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b)
                for (ptrdiff_t r = 0; r < count; ++r) {
                    T* const gradient = at(j ? memory_.dstate[j] : memory_.carry, b, r);
                    const V v = load<T>(gradient);
                    store(gradient, f_.clip.norm ? v * splat<V>(member_.scale[j * slice_.count + r])
                                                 : max(min(v, limit), -limit));
                }
    }

    // What the gradient of each state of each row is to be multiplied with, so that its norm is within a limit. A norm
    // is that of all units, so every member of a team measures them all, while none changes any.
    void measure(ptrdiff_t count, V limit) const {
        memory_.barrier.wait(team_);
        for (int j = 0; j < S::S; ++j)
            for (ptrdiff_t r = 0; r < count; ++r) {
                V squares{};
                for (ptrdiff_t b = 0; b < s_.blocks; ++b) {
                    const V v = load<T>(at(j ? memory_.dstate[j] : memory_.carry, b, r));
                    squares = fma(v, v, squares);
                }
                const V scale = limit / max(sqrt(splat<V>(sum_of<T>(squares))), limit);
                member_.scale[j * slice_.count + r] = scale[0];
            }
        memory_.barrier.wait(team_);
    }

    // The states of a row before a step, or null where they were zero; from index 1, blocks are `block` apart, or,
    // where that is 0, units are in their order.
    struct RowBefore {
        const T *h, *state[S::S];
        ptrdiff_t block;
    };

    // Where the states stood before a step; copied, because the compiler cannot know that storing vectors leaves it
    // alone.
    class StatesBefore {
      public:
        StatesBefore(const BackwardRun& run, ptrdiff_t t)
            : slice_(run.slice_),
              t_(t),
              backwards_(run.backwards_),
              hidden_(run.s_.hidden),
              h_row_(run.s_.problem.y.row),
              row_(run.s_.kept_row(run.slice_)) {
            for (int j = 0; j < S::S; ++j)
                if (run.f_.state_0[j])
                    initial_[j] = static_cast<const T*>(run.f_.state_0[j]) + run.s_.state_at(run.direction_, 0);
            const ptrdiff_t earlier = backwards_ ? t + 1 : t - 1;
            if (earlier < 0 || earlier >= run.s_.problem.steps) return;
            h_ = static_cast<const T*>(run.f_.y) + run.s_.y_at(run.direction_, earlier, 0);
            block_ = run.s_.kept_block(earlier, run.slice_);
            kept_ = static_cast<const T*>(run.f_.kept) + run.s_.kept_at(run.direction_, earlier, run.slice_);
        }

        // Row r of the slice, which is row n of the batch.
        THROUGHTIME_INLINE RowBefore of(ptrdiff_t r, ptrdiff_t n) const {
            RowBefore found{};
            if (backwards_ ? t_ == slice_.length(r) - 1 : t_ == 0) {
                for (int j = 0; j < S::S; ++j)
                    (j ? found.state[j] : found.h) = initial_[j] ? initial_[j] + n * hidden_ : nullptr;
            } else {
                found.h = h_ + n * h_row_;
                for (int j = 1; j < S::S; ++j) found.state[j] = kept_ + r * row_ + (C::kept + j - 1) * W;
                found.block = block_;
            }
            return found;
        }

      private:
        const Slice& slice_;
        const ptrdiff_t t_;
        const bool backwards_;
        const ptrdiff_t hidden_, h_row_, row_;
        const T *initial_[S::S]{}, *h_ = nullptr, *kept_ = nullptr;
        ptrdiff_t block_ = 0;
    };

    // Row by row; what is read again and again is copied first, as above.
    void pointwise(ptrdiff_t t, ptrdiff_t active, ptrdiff_t first_chunk_row) const {
        const ptrdiff_t capacity = Memory::chunk_rows(s_, slice_.count), hidden = s_.hidden, count = slice_.count;
        const ptrdiff_t panel_block = Memory::panel_block(capacity), vector_block = Memory::vector_block(capacity);
        const ptrdiff_t kept_block = s_.kept_block(t, slice_), kept_row = s_.kept_row(slice_);
        const ptrdiff_t y_row = s_.problem.y.row, dy_row = f_.dy_layout.row, x_row = s_.problem.x.row;
        const T* const kept_here = static_cast<const T*>(f_.kept) + s_.kept_at(direction_, t, slice_);
        const T* const y_here = static_cast<const T*>(f_.y) + s_.y_at(direction_, t, 0);
        const T* const dy_here =
            f_.dy ? static_cast<const T*>(f_.dy) + f_.dy_layout.at(t, 0) + direction_ * hidden : nullptr;
        const ptrdiff_t x_here = s_.problem.x.at(t, 0);
        const SliceRows rows(slice_);
        const StatesBefore states(*this, t);
        const Range blocks = blocks_;
        T *const panel = memory_.panel + first_chunk_row * columns * W, *const carry = memory_.carry;
        T *const hiddens = memory_.hidden + first_chunk_row * W, *const ddiagonals = memory_.ddiagonal;
        const T* const diagonals = w_.diagonal;
        ptrdiff_t* const x_at = member_.x_at + first_chunk_row;
        T* dstates[S::S]{};
        for (int j = 1; j < S::S; ++j) dstates[j] = memory_.dstate[j];
        for (ptrdiff_t r = 0; r < active; ++r) {
            const ptrdiff_t n = rows.row(r);
            const RowBefore before = states.of(r, n);
            const T *const y = y_here + n * y_row, *const dy = dy_here ? dy_here + n * dy_row : nullptr;
            const T* const kept = kept_here + r * kept_row;
            x_at[r] = x_here + n * x_row;
            for (ptrdiff_t b = blocks.first; b < blocks.last; ++b) {
                V keep[larger(S::kept, 1)], diagonal[larger(S::D, 1)], ddiagonal[larger(S::D, 1)], previous[S::S],
                    next[S::S], dstate[S::S], dcolumns[columns];
                const ptrdiff_t at = (b * count + r) * W;
                for (int k = 0; k < S::kept; ++k) keep[k] = load<T>(kept + b * kept_block + k * W);
                for (int d = 0; d < S::D; ++d) diagonal[d] = load<T>(diagonals + (b * S::D + d) * W);
                previous[0] = before.h ? load_units(before.h, hidden, b) : V{};
                next[0] = load_units(y, hidden, b);
                dstate[0] = load<T>(carry + at);
                if (dy) dstate[0] += load_units(dy, hidden, b);
                for (int j = 1; j < S::S; ++j) {
                    next[j] = keep[C::kept + j - 1];
                    dstate[j] = load<T>(dstates[j] + at);
                    previous[j] = !before.state[j] ? V{}
                                  : before.block   ? load<T>(before.state[j] + b * before.block)
                                                   : load_units(before.state[j], hidden, b);
                }

                C::template backward<V>(keep, diagonal, previous, next, dstate, dcolumns, ddiagonal);

                // Padding units are NaN where an input is infinite, and enter all products over units.
                if (const ptrdiff_t here = units_in<T>(hidden, b); here < W) {
                    for (int c = 0; c < columns; ++c) dcolumns[c] = first_lanes(dcolumns[c], here);
                    for (int j = 0; j < S::S; ++j) dstate[j] = first_lanes(dstate[j], here);
                }
                store(carry + at, dstate[0]);
                for (int j = 1; j < S::S; ++j) store(dstates[j] + at, dstate[j]);
                for (int c = 0; c < columns; ++c) store(panel + b * panel_block + (r * columns + c) * W, dcolumns[c]);
                store(hiddens + b * vector_block + r * W, previous[0]);
                for (int d = 0; d < S::D; ++d) {
                    T* const sum = ddiagonals + (b * S::D + d) * W;
                    store(sum, load<T>(sum) + ddiagonal[d]);
                }
            }
        }
    }

    // The share of a chunk's `rows` in the gradients of weights and inputs.
    void give(ptrdiff_t rows) {
        const ptrdiff_t capacity = Memory::chunk_rows(s_, slice_.count);
        const Grid<const T> hidden{memory_.hidden, Memory::vector_block(capacity), W};
        gather_inputs(rows, capacity);
        memory_.barrier.wait(team_);
        for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
            const T* const panel = memory_.panel + b * Memory::panel_block(capacity);
            for (int c = Z; c < columns; ++c)
                outer_products(panel + c * W, columns * W, hidden, s_.blocks, rows,
                               memory_.dw_hh + (Columns<C>::gate(c) * s_.units + b * W) * s_.units, s_.units, fresh_);
            if (s_.folded) {
                narrow_weights(panel, b, rows);
            } else {
                const Grid<const T> inputs{memory_.inputs, Memory::vector_block(capacity), W};
                const ptrdiff_t width = s_.input_blocks * W;
                for (int c = 0; c < G; ++c)
                    outer_products(panel + c * W, columns * W, inputs, s_.input_blocks, rows,
                                   memory_.dw_ih + (Columns<C>::gate(c) * s_.units + b * W) * width, width, fresh_);
            }
            bias(panel, b, rows);
        }
        fresh_ = false;
        if (f_.dx[direction_]) through_inputs(rows, capacity);
        memory_.barrier.wait(team_);
    }

    void gather_inputs(ptrdiff_t rows, ptrdiff_t capacity) const {
        const T* const x = static_cast<const T*>(f_.x);
        const Range mine = Range::part(rows, me_, team_);
        for (ptrdiff_t r = mine.first; r < mine.last; ++r) {
            const T* const from = x + member_.x_at[r];
            if (s_.folded)
                for (ptrdiff_t i = 0; i < s_.inputs; ++i) memory_.inputs[r * s_.inputs + i] = from[i];
            else
                for (ptrdiff_t b = 0; b < s_.input_blocks; ++b)
                    store(memory_.inputs + b * Memory::vector_block(capacity) + r * W, load_units(from, s_.inputs, b));
        }
    }

    // Adds to vector c the sum over rows of factor(row) times column c of a panel, in chains side by side where columns
    // are few, so that a sum does not wait for the one before it.
    template <int N, class Factor>
    static void add_columns(T* to, ptrdiff_t to_column, const T* panel, ptrdiff_t rows, Factor factor) {
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

    void bias(const T* panel, ptrdiff_t b, ptrdiff_t rows) const {
        add_columns<columns>(memory_.dbias + b * columns * W, W, panel, rows, [](ptrdiff_t) { return splat<V>(T(1)); });
    }

    // Few inputs: vectors of units times single inputs, as [G][I][W].
    void narrow_weights(const T* panel, ptrdiff_t b, ptrdiff_t rows) const {
        const ptrdiff_t count = s_.inputs;
        for (ptrdiff_t i = 0; i < count; ++i) {
            const T* const x = memory_.inputs + i;
            add_columns<G>(memory_.dw_ih + (b * G * count + i) * W, count * W, panel, rows,
                           [=](ptrdiff_t r) { return splat<V>(x[r * count]); });
        }
    }

    void through_inputs(ptrdiff_t rows, ptrdiff_t capacity) const {
        T* const dx = static_cast<T*>(f_.dx[direction_]);
        const Range mine = Range::part(s_.input_blocks, me_, team_);
        const V zeros{};
        T zero[W];
        store(zero, zeros);
        for (ptrdiff_t b = mine.first; b < mine.last; b += max_tile_blocks)
            for (ptrdiff_t r = 0; r < rows; r += group_rows) {
                const ptrdiff_t blocks = smaller(ptrdiff_t(max_tile_blocks), mine.last - b);
                const ptrdiff_t here = smaller(group_rows, rows - r);
                const Grid<T> out{member_.dx, here * W, W};
                product<T, 1, 0>(
                    {.a = {memory_.panel + r * columns * W, columns * W, s_.blocks, G * W,
                           Memory::panel_block(capacity)},
                     .w = {w_.wx + b * w_.depth(s_) * W, w_.depth(s_) * W, s_.far(s_.input_blocks * w_.depth(s_) * W)},
                     .start = {zero, 0, 0},
                     .late = {zero, 0, 0},
                     .out = out,
                     .x = {},
                     .wx = {}},
                    0, blocks, here);
                for (ptrdiff_t i = 0; i < here; ++i)
                    for (ptrdiff_t j = 0; j < blocks; ++j)
                        store_units(dx + member_.x_at[r + i], s_.inputs, b + j, load<T>(out.at(j, i)));
            }
    }

    void copy_last(Grid<const T> later, ptrdiff_t count, ptrdiff_t last_block) const {
        for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b)
            for (ptrdiff_t i = 0; i < count * columns; ++i)
                store(memory_.last + b * last_block + i * W, load<T>(later.at(b, 0) + i * W));
    }

    const S& s_;
    const Backward& f_;
    const int direction_;
    const bool backwards_;
    const Slice& slice_;
    const BackwardWeights<C, T>& w_;
    Memory& memory_;
    const BackwardMember<C, T>& member_;
    const int me_, team_;
    const Range blocks_;
    bool fresh_ = true;  // no chunk has been added to the sums for wide weights yet
};

// The sum over slices, in their order, of each weight's gradient: rows [range) of the (G*H) of one direction.
template <class C, class T>
void add_slices(const Shape<C, T>& s, const WeightGradients& to, const BackwardMemory<C, T>* memory, int slices,
                Range range) {
    using S = Shape<C, T>;
    constexpr int W = S::W;
    const ptrdiff_t input_units = s.input_blocks * W;
    const auto sum = [&](T* out, auto&& part) {
        T total = part(memory[0]);
        for (int i = 1; i < slices; ++i) total += part(memory[i]);
        *out = total;
    };
    const auto sum_row = [&](T* out, ptrdiff_t count, auto&& part) {
        for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b) {
            Vec<T> total = load<T>(part(memory[0]) + b * W);
            for (int i = 1; i < slices; ++i) total += load<T>(part(memory[i]) + b * W);
            store_units(out, count, b, total);
        }
    };
    for (ptrdiff_t row = range.first; row < range.last; ++row) {
        const ptrdiff_t gate = row / s.hidden, unit = row % s.hidden, b = unit / W, lane = unit % W;
        int input_column = 0, hidden_column = 0;
        for (int c = 0; c < S::columns; ++c)
            if (Columns<C>::gate(c) == gate) {
                if (c < S::G) input_column = c;
                if (c >= S::Z) hidden_column = c;
            }
        if (to.w_hh)
            sum_row(static_cast<T*>(to.w_hh) + row * s.hidden, s.hidden,
                    [&](const auto& m) { return m.dw_hh + (gate * s.units + unit) * s.units; });
        if (to.w_ih) {
            T* const out = static_cast<T*>(to.w_ih) + row * s.inputs;
            if (s.folded)
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
        if (to.diagonal && gate < S::D)
            sum(static_cast<T*>(to.diagonal) + row,
                [&](const auto& m) { return m.ddiagonal[(b * S::D + gate) * W + lane]; });
    }
}

// How a call is shared out, and the working memory of each share.
template <class C, class T>
struct BackwardWork {
    explicit BackwardWork(const Backward& call) : f(call) {}

    // Places all pieces.
    void operator()(Pieces& pieces) const {
        for (int d = 0; d < f.problem.directions && !alone; ++d) weights[d].layout(pieces, shape, f.dx[d] != nullptr);
        for (int i = 0; i < items; ++i) {
            pieces.turn_page();
            if (alone) weights[i].layout(pieces, shape, f.dx[i / share.slices] != nullptr);
            const ptrdiff_t count = Slice::of(f.problem, i % share.slices, share.slices).count;
            memory[i].layout(pieces, shape, count);
            for (int m = 0; m < share.team; ++m) members[i * share.team + m].layout(pieces, shape, count);
        }
    }

    static ptrdiff_t packed_bytes(const Shape<C, T>& s) {
        return s.blocks * BackwardWeights<C, T>::depth(s) * s.W * ptrdiff_t(sizeof(T));
    }

    const Backward& f;
    const Shape<C, T> shape{f.problem};
    const Share share = Share::of(f.problem, C::gates, int(static_cast<const T*>(f.kept)[0]));  // as forward has cut it
    const int items = share.slices * f.problem.directions;
    const bool alone = share.packs_alone(f.problem.directions, packed_bytes(shape));
    const Array<BackwardWeights<C, T>> weights{items};
    const Array<BackwardMemory<C, T>> memory{items};
    const Array<BackwardMember<C, T>> members{items * share.team};
};

template <class C, class T>
size_t backward_bytes(const Backward& f) {
    return Scratch::measure(BackwardWork<C, T>(f));
}

template <class C, class T>
void backward(const Backward& f) {
    const Problem& p = f.problem;
    const BackwardWork<C, T> work(f);
    const auto& shape = work.shape;
    const auto& weights = work.weights;
    const auto& memory = work.memory;
    const auto& members = work.members;
    const Share& share = work.share;
    const int items = work.items;
    const bool alone = work.alone;
    const Scratch scratch(work);

    Barrier packed, done;
    parallel(smaller(share.threads(p.directions), larger(1, p.threads)), [&](int me, int all) {
        if (!alone) {
            for (int d = 0; d < p.directions; ++d)
                weights[d].pack_share(shape, f.weights[d], f.dx[d] != nullptr, me, all);
            packed.wait(all);
        }
        const int team = all == items * share.team ? share.team : 1;
        for (int item = me / team; item < items; item += all / team) {
            const int direction = item / share.slices;
            const Slice slice = Slice::of(p, item % share.slices, share.slices);
            if (alone) weights[item].pack_share(shape, f.weights[direction], f.dx[direction] != nullptr, 0, 1);
            BackwardRun<C, T>(shape, f, direction, slice, weights[alone ? item : direction], memory[item],
                              members[item * share.team + me % team], me % team, team)();
        }
        done.wait(all);
        for (int d = 0; d < p.directions; ++d)
            add_slices<C, T>(shape, f.dweights[d], memory.data() + d * share.slices, share.slices,
                             Range::part(C::gates * shape.hidden, me, all));
    });
}

}  // namespace throughtime::THROUGHTIME_ISA
