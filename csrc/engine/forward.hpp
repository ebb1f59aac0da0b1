// The loop over time, forward.
#pragma once

#include "engine/partition.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Weights of one direction in the order in which tiles read them.
template <class C, class E>
struct ForwardWeights {
    using S = Shape<C, E>;
    using T = Sum<E>;
    E* wx;        // [block][I][G][W]; narrow elements as in Packed
    E* wh;        // [block][H][G][W]
    T* bias;      // [block][columns][W]
    T* diagonal;  // [block][D][W]

    void layout(Pieces& pieces, const S& s) {
        wx = pieces.take<E>(s.blocks * input_block(s));
        wh = pieces.take<E>(s.blocks * hidden_block(s));
        bias = pieces.take<T>(s.blocks * S::columns * S::W);
        diagonal = pieces.take<T>(s.blocks * S::D * S::W);
    }

    static ptrdiff_t input_block(const S& s) { return s.deep_inputs * S::G * S::W; }
    static ptrdiff_t hidden_block(const S& s) { return s.deep_hidden * S::G * S::W; }

    void pack(const S& s, const Weights& from, ptrdiff_t b) const {
        constexpr ptrdiff_t operand = S::W * span<E>;
        const ptrdiff_t here = units_in<E>(s.hidden, b);
        for (int c = 0; c < S::columns; ++c) {
            const ptrdiff_t row = Columns<C>::gate(c) * s.hidden + b * S::W;
            if (c < S::G)
                pack_operands(static_cast<const E*>(from.w_ih) + row * s.inputs, s.inputs, here, s.inputs,
                              wx + b * input_block(s) + c * operand, S::G * operand);
            if (c >= S::Z)
                pack_operands(static_cast<const E*>(from.w_hh) + row * s.hidden, s.hidden, here, s.hidden,
                              wh + b * hidden_block(s) + (c - S::Z) * operand, S::G * operand);
        }
        s.pack_bias(from, b, bias + b * S::columns * S::W);
        s.pack_diagonal(from, b, diagonal + b * S::D * S::W);
    }
};

// What the members of a team share while they run one slice.
template <class C, class E>
struct ForwardMemory {
    using S = Shape<C, E>;
    using T = Sum<E>;
    Barrier barrier;
    E* h[2];         // [row][h_row]: before and after a step
    T* state[S::S];  // [block][row][W]: from index S::apart, the states
    T* inputs;       // [block][chunk row][G][W]: the input halves for a chunk of steps, where inputs are not folded

    void layout(Pieces& pieces, const S& s, ptrdiff_t count) {
        for (E*& buffer : h) buffer = pieces.take<E>(count * h_row(s));
        for (int j = S::apart; j < S::S; ++j) state[j] = pieces.take<T>(s.blocks * count * S::W);
        inputs = pieces.take<T>(s.folded ? 0 : s.blocks * chunk_rows(s, count) * S::G * S::W);
    }

    static ptrdiff_t h_row(const S& s) { return s.units + S::W; }  // the gap keeps rows off each other's cache sets
    static ptrdiff_t chunk_rows(const S& s, ptrdiff_t count) {
        const ptrdiff_t fitting = (ptrdiff_t(160) << 10) / ptrdiff_t(sizeof(T)) / (S::G * s.units);
        return larger(count, smaller(fitting, count * s.problem.steps));
    }
};

// What each member has for itself.
template <class C, class E>
struct ForwardMember {
    using S = Shape<C, E>;
    using T = Sum<E>;
    E* x;     // [row, or chunk row][x_row]: gathered inputs
    T* sums;  // [block][row][G][W]: one group of pre-activations

    void layout(Pieces& pieces, const S& s, ptrdiff_t count) {
        x = pieces.take<E>((s.folded ? count : ForwardMemory<C, E>::chunk_rows(s, count)) * x_row(s));
        sums = pieces.take<T>(group_bytes / ptrdiff_t(sizeof(T)) + max_tile_blocks * group_rows * S::G * S::W);
    }
    static ptrdiff_t x_row(const S& s) { return s.deep_inputs + (s.folded ? 0 : S::W); }
};

// One member's run over all steps of one slice in one direction.
template <class C, class E>
class ForwardRun {
    using S = Shape<C, E>;
    using T = Sum<E>;
    using V = Vec<E>;
    static constexpr int W = S::W, G = S::G, Z = S::Z;

  public:
    ForwardRun(const S& shape, const Forward& call, int direction, const Slice& slice,
               const ForwardWeights<C, E>& weights, ForwardMemory<C, E>& memory, const ForwardMember<C, E>& member,
               Range blocks)
        : s_(shape),
          f_(call),
          direction_(direction),
          slice_(slice),
          w_(weights),
          memory_(memory),
          member_(member),
          blocks_(blocks),
          input_block_(ForwardMemory<C, E>::chunk_rows(shape, slice.count) * G * W),
          far_(shape.far(shape.blocks * weights.hidden_block(shape))),
          past_caches_(lets_outputs_pass()),
          in_place_(shape.folded && span<E> == 1 && !shape.problem.order && slice.stride == 1),
          x_row_(in_place_ ? shape.problem.x.row : ForwardMember<C, E>::x_row(shape)),
          x_(member.x),
          now_(memory.h[0]),
          next_(memory.h[1]) {}

    void operator()(int team) {
        const Problem& p = s_.problem;
        const bool backwards = p.runs_backwards(direction_);
        begin();
        memory_.barrier.wait(team);
        ptrdiff_t active = backwards ? 0 : slice_.count;
        ptrdiff_t chunk_row = 0, chunk_end = 0;
        for (ptrdiff_t step = 0; step < p.steps; ++step) {
            const ptrdiff_t t = backwards ? p.steps - 1 - step : step;
            const ptrdiff_t before = active;
            active = slice_.active(t, before);
            if (active != before) finish(active, before);  // rows that have ended; running backwards, rows only join
            if (active != before || step == 0) cut(active);
            if (in_place_) {
                x_ = static_cast<const E*>(f_.x) + p.x.at(t, slice_.first);
            } else if (s_.folded) {
                gather(t, active, 0);
            } else if (step == chunk_end) {
                chunk_end = project(step, active);
                chunk_row = 0;
            }
            advance(t, active, chunk_row);
            chunk_row += active;
            memory_.barrier.wait(team);
            E* const after = next_;
            next_ = now_;
            now_ = after;
            if (team > 1) fetch_state(active);
        }
        finish(0, backwards ? slice_.count : active);
        if (past_caches_) fence();
    }

  private:
    // Whether outputs go past the caches: where other threads write what stands beside them in every step, they would
    // fetch each other's lines ahead all the time. Not where the backward pass will find all that it reads in the
    // second-level cache.
    bool lets_outputs_pass() const {
        if (f_.kept && !s_.far(s_.kept_rows() * s_.problem.directions * s_.units * (S::kept + 1))) return false;
        const Layout& y = s_.problem.y;
        const ptrdiff_t line = vector_bytes / ptrdiff_t(sizeof(E));
        const bool aligned = reinterpret_cast<uintptr_t>(f_.y) % vector_bytes == 0 && s_.hidden % line == 0 &&
                             y.row % line == 0 && y.step % line == 0;
        const bool beside =
            s_.problem.directions > 1 || (slice_.count < s_.problem.batch && (y.offsets || y.row < y.step));
        return fills_line && span<E> == 1 && aligned && beside;
    }
    ptrdiff_t h_row() const { return ForwardMemory<C, E>::h_row(s_); }
    ptrdiff_t x_row() const { return ForwardMember<C, E>::x_row(s_); }
    T* state(int j, ptrdiff_t b, ptrdiff_t r) const { return memory_.state[j] + (b * slice_.count + r) * W; }

    // Other members have written most of the state, so it stands in their caches: ask for all of it at once.
    void fetch_state(ptrdiff_t active) const {
        for (ptrdiff_t r = 0; r < active; ++r)
            for (ptrdiff_t b = 0; b < s_.blocks; ++b) __builtin_prefetch(now_ + r * h_row() + b * W);
    }

    void begin() const {
        for (ptrdiff_t r = 0; r < slice_.count; ++r) {
            const ptrdiff_t from = s_.state_at(direction_, slice_.row(r));
            for (int j = 0; j < S::S; ++j)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
                    const E* const given = static_cast<const E*>(f_.state_0[j]);
                    const V v = given ? load_units(given + from, s_.hidden, b) : V{};
                    if (j >= S::apart) store(state(j, b, r), v);
                    if (j == 0) {
                        store(now_ + r * h_row() + b * W, v);
                        store(next_ + r * h_row() + b * W, v);  // for rows that join later
                    }
                }
        }
    }

    // Hand out the final state of rows [first, last).
    void finish(ptrdiff_t first, ptrdiff_t last) const {
        for (ptrdiff_t r = first; r < last; ++r) {
            const ptrdiff_t to = s_.state_at(direction_, slice_.row(r));
            for (int j = 0; j < S::S; ++j)
                for (ptrdiff_t b = blocks_.first; b < blocks_.last; ++b) {
                    const V v = j >= S::apart ? load<T>(state(j, b, r)) : load<E>(now_ + r * h_row() + b * W);
                    store_units(static_cast<E*>(f_.state_n[j]) + to, s_.hidden, b, v);
                }
        }
    }

    void gather(ptrdiff_t t, ptrdiff_t active, ptrdiff_t to) const {
        for (ptrdiff_t r = 0; r < active; ++r) {
            const E* const from = static_cast<const E*>(f_.x) + s_.problem.x.at(t, slice_.row(r));
            E* const x = member_.x + (to + r) * x_row();
            for (ptrdiff_t i = 0; i < s_.inputs; ++i) x[i] = from[i];
            for (ptrdiff_t i = s_.inputs; i < s_.deep_inputs; ++i) x[i] = E{};
        }
    }

    // The input halves of as many steps as fit, from `step` on. Returns the step behind the last of them.
    ptrdiff_t project(ptrdiff_t step, ptrdiff_t active) const {
        const Problem& p = s_.problem;
        const ptrdiff_t capacity = ForwardMemory<C, E>::chunk_rows(s_, slice_.count);
        ptrdiff_t rows = 0;
        while (step < p.steps) {
            const ptrdiff_t t = p.runs_backwards(direction_) ? p.steps - 1 - step : step;
            active = slice_.active(t, active);
            if (rows + active > capacity) break;
            gather(t, active, rows);
            rows += active;
            ++step;
        }
        const Grid<const T> bias{w_.bias, S::columns * W, 0};
        product<E, G, 0>({.a = contiguous_rows<E>(member_.x, x_row(), s_.deep_inputs),
                          .w = {w_.wx, w_.input_block(s_), s_.far(s_.blocks * w_.input_block(s_))},
                          .start = bias,
                          .late = bias,
                          .out = {memory_.inputs, capacity * G * W, G * W},
                          .x = {},
                          .wx = {}},
                         blocks_.first, blocks_.last, rows);
        return step;
    }

    // How many rows and blocks a group has that stays in the first-level cache.
    void cut(ptrdiff_t active) {
        tall_ = smaller(active, group_rows);
        if (tall_ == 0) return;
        const ptrdiff_t fitting =
            group_bytes / ptrdiff_t(sizeof(T)) / (tall_ * G * W) / max_tile_blocks * max_tile_blocks;
        wide_ = larger(fitting, ptrdiff_t(tile_blocks<G>(tall_)));
    }

    // One step: products and pointwise mathematics, group by group.
    void advance(ptrdiff_t t, ptrdiff_t active, ptrdiff_t chunk_row) const {
        if (active == 1 && !far_) return advance_row(t, chunk_row);
        for (ptrdiff_t b = blocks_.first; b < blocks_.last && active > 0; b += wide_) {
            const ptrdiff_t blocks = smaller(wide_, blocks_.last - b);
            for (ptrdiff_t r = 0; r < active; r += tall_) {
                const ptrdiff_t rows = smaller(tall_, active - r);
                const Grid<T> sums{member_.sums, rows * G * W, G * W};
                const Grid<const T> inputs = inputs_at(b, chunk_row + r);
                product<E, G, Z>(product_at(b, r, inputs, sums), 0, blocks, rows);
                const Units units(*this, t, b, r, inputs);
                const auto unit = [&](ptrdiff_t j, ptrdiff_t i) __attribute__((always_inline)) {
                    V sum[G];
                    for (int g = 0; g < G; ++g) sum[g] = load<T>(sums.at(j, i) + g * W);
                    units.advance(j, i, sum);
                };
                // The longer loop inside, so that constants are loaded less often.
                if (rows < blocks)
                    for (ptrdiff_t i = 0; i < rows; ++i)
                        for (ptrdiff_t j = 0; j < blocks; ++j) unit(j, i);
                else
                    for (ptrdiff_t j = 0; j < blocks; ++j)
                        for (ptrdiff_t i = 0; i < rows; ++i) unit(j, i);
            }
        }
    }

    // One step of a single row, which waits for each step before it: sums stay in registers.
    void advance_row(ptrdiff_t t, ptrdiff_t chunk_row) const {
        const Grid<const T> inputs = inputs_at(blocks_.first, chunk_row);
        const Product<E> products = product_at(blocks_.first, 0, inputs, {});
        const Units units(*this, t, blocks_.first, 0, inputs);
        in_tiles<G>(0, blocks_.count(), row_blocks<G>, [&](auto blocks, ptrdiff_t j) __attribute__((always_inline)) {
            constexpr int B = blocks.value;
            V sum[1][B][G];
            sum_up<E, 1, B, G, Z, false>(sum, products, j, 0, nullptr);
            THROUGHTIME_UNROLL for (int i = 0; i < B; ++i) units.advance(j + i, 0, sum[0][i]);
        });
    }

    // What pointwise mathematics reads and writes in a step, from a block and a row on; copied, because the compiler
    // cannot know that storing vectors leaves it alone.
    class Units {
      public:
        Units(const ForwardRun& run, ptrdiff_t t, ptrdiff_t b, ptrdiff_t r, Grid<const T> inputs)
            : at_(run.slice_),
              first_block_(b),
              first_row_(r),
              hidden_(run.s_.hidden),
              y_row_(run.s_.problem.y.row),
              h_row_(run.h_row()),
              x_row_(run.x_row_),
              folded_(run.s_.folded ? run.s_.deep_inputs : 0),
              count_(run.slice_.count),
              kept_block_(run.s_.kept_block(t, run.slice_)),
              kept_row_(run.s_.kept_row(run.slice_)),
              past_caches_(run.past_caches_),
              inputs_(inputs),
              x_(run.x_ + r * run.x_row_),
              wx_(run.w_.wx + b * run.w_.input_block(run.s_)),
              now_(run.now_ + r * run.h_row()),
              next_(run.next_ + r * run.h_row()),
              y_(static_cast<E*>(run.f_.y) + run.s_.y_at(run.direction_, t, 0)),
              diagonals_(run.w_.diagonal),
              kept_(run.f_.kept ? static_cast<T*>(run.f_.kept) + run.s_.kept_at(run.direction_, t, run.slice_)
                                : nullptr) {
            for (int k = S::apart; k < S::S; ++k) states_[k] = run.state(k, b, r);
        }

        // Block j of row i, from the sums of its columns behind the separate ones.
        THROUGHTIME_INLINE void advance(ptrdiff_t j, ptrdiff_t i, const V (&sum)[G]) const {
            const ptrdiff_t b = first_block_ + j, r = first_row_ + i;
            V columns[S::columns], previous[S::S], next[S::S], keep[larger(S::kept, 1)], diagonal[larger(S::D, 1)];
            // The input half of a gate whose halves come apart: from the projected chunk, or, folded, from the inputs
            // themselves.
            for (int c = 0; c < Z; ++c) {
                columns[c] = load<T>(inputs_.at(j, i) + c * W);
                for (ptrdiff_t k = 0; k < folded_; k += span<E>)
                    columns[c] =
                        multiply_add<E>(splat_operand(x_ + i * x_row_ + k),
                                        load_operand(wx_ + ((j * folded_ + k) * G + c * span<E>)*W), columns[c]);
            }
            for (int g = 0; g < G; ++g) columns[Z + g] = sum[g];
            if (S::apart) previous[0] = load<E>(now_ + i * h_row_ + b * W);
            for (int k = S::apart; k < S::S; ++k) previous[k] = load<T>(states_[k] + (j * count_ + i) * W);
            for (int d = 0; d < S::D; ++d) diagonal[d] = load<T>(diagonals_ + (b * S::D + d) * W);

            C::template forward<V>(columns, diagonal, previous, next, keep);

            // Products of narrow elements read a padding unit of h too, which is NaN where an input is infinite.
            if (span<E> > 1) next[0] = first_lanes(next[0], units_in<E>(hidden_, b));
            store(next_ + i * h_row_ + b * W, next[0]);
            if (past_caches_)
                store_past_caches(y_ + at_.row(r) * y_row_ + b * W, next[0]);
            else
                store_units(y_ + at_.row(r) * y_row_, hidden_, b, next[0]);
            for (int k = S::apart; k < S::S; ++k) store(states_[k] + (j * count_ + i) * W, next[k]);
            for (int k = 1; k < S::S; ++k) keep[C::kept + k - 1] = next[k];
            if (kept_)
                for (int k = 0; k < S::kept; ++k) store(kept_ + b * kept_block_ + r * kept_row_ + k * W, keep[k]);
        }

      private:
        const SliceRows at_;
        const ptrdiff_t first_block_, first_row_, hidden_, y_row_, h_row_, x_row_, folded_, count_, kept_block_,
            kept_row_;
        const bool past_caches_;
        const Grid<const T> inputs_;
        const E *const x_, *const wx_, *const now_;
        E *const next_, *const y_;
        const T* const diagonals_;
        T* const kept_;
        T* states_[S::S]{};
    };

    // What the sums of a block and row begin with, and the input halves of separate gates.
    Grid<const T> inputs_at(ptrdiff_t b, ptrdiff_t chunk_row) const {
        if (s_.folded) return {w_.bias + b * S::columns * W, S::columns * W, 0};
        return {memory_.inputs + b * input_block_ + chunk_row * G * W, input_block_, G * W};
    }

    // The products of a step from a block and a row on.
    Product<E> product_at(ptrdiff_t b, ptrdiff_t r, Grid<const T> inputs, Grid<T> sums) const {
        return {.a = contiguous_rows<E>(now_ + r * h_row(), h_row(), s_.deep_hidden),
                .w = {w_.wh + b * w_.hidden_block(s_), w_.hidden_block(s_), far_},
                .start = {inputs.data + Z * W, inputs.block, inputs.row},
                .late = {w_.bias + b * S::columns * W + G * W, S::columns * W, 0},
                .out = sums,
                .x = contiguous_rows<E>(x_ + r * x_row_, x_row_, s_.folded ? s_.deep_inputs : 0),
                .wx = {w_.wx + b * w_.input_block(s_), w_.input_block(s_)}};
    }

    const S& s_;
    const Forward& f_;
    const int direction_;
    const Slice& slice_;
    const ForwardWeights<C, E>& w_;
    ForwardMemory<C, E>& memory_;
    const ForwardMember<C, E>& member_;
    const Range blocks_;
    const ptrdiff_t input_block_;
    const bool far_;  // the weights
    const bool past_caches_;
    const bool in_place_;    // folded inputs are read where they stand, since rows follow each other
    const ptrdiff_t x_row_;  // from one row of them to the next
    const E* x_;             // those of this step
    ptrdiff_t tall_ = 0, wide_ = 1;
    E *now_, *next_;
};

template <class C, class E>
size_t packed_bytes(const Problem& p) {
    Pieces pieces;
    ForwardWeights<C, E>().layout(pieces, Shape<C, E>{p});
    return pieces.used();
}

template <class C, class E>
void pack_weights(const Problem& p, const Weights& from, void* to) {
    const Shape<C, E> shape{p};
    ForwardWeights<C, E> weights;
    Pieces pieces(static_cast<char*>(to));
    weights.layout(pieces, shape);
    for (ptrdiff_t b = 0; b < shape.blocks; ++b) weights.pack(shape, from, b);
}

// How a call is shared out, and the working memory of each share.
template <class C, class E>
struct ForwardWork {
    explicit ForwardWork(const Forward& call) : f(call) {}

    // Places all pieces.
    void operator()(Pieces& pieces) const {
        const auto place_weights = [&](int i, int direction) {
            Pieces given(static_cast<char*>(f.packed[direction]));
            weights[i].layout(f.packed[direction] ? given : pieces, shape);
        };
        for (int d = 0; d < f.problem.directions && !alone; ++d) place_weights(d, d);
        for (int i = 0; i < items; ++i) {
            pieces.turn_page();
            if (alone) place_weights(i, i / share.slices);
            const ptrdiff_t count = Slice::of(f.problem, i % share.slices, share.slices).count;
            memory[i].layout(pieces, shape, count);
            for (int m = 0; m < share.team; ++m) members[i * share.team + m].layout(pieces, shape, count);
        }
    }

    const Forward& f;
    const Shape<C, E> shape{f.problem};
    const Share share = Share::of(f.problem, C::gates);
    const int items = share.slices * f.problem.directions;
    const bool alone = share.packs_alone(f.problem.directions, ptrdiff_t(packed_bytes<C, E>(f.problem)));
    const Array<ForwardWeights<C, E>> weights{items};
    const Array<ForwardMemory<C, E>> memory{items};
    const Array<ForwardMember<C, E>> members{items * share.team};
};

template <class C, class E>
size_t forward_bytes(const Forward& f) {
    return Scratch::measure(ForwardWork<C, E>(f));
}

template <class C, class E>
void forward(const Forward& f) {
    const Problem& p = f.problem;
    const ForwardWork<C, E> work(f);
    const auto& shape = work.shape;
    const auto& weights = work.weights;
    const auto& memory = work.memory;
    const auto& members = work.members;
    const Share& share = work.share;
    const int items = work.items;
    const bool alone = work.alone;
    if (f.kept) store(static_cast<Sum<E>*>(f.kept), splat<Vec<E>>(Sum<E>(share.slices)));
    const Scratch scratch(work);

    Barrier packed;
    parallel(share.threads(p.directions), [&](int me, int all) {
        if (!alone) {
            for (int d = 0; d < p.directions; ++d)
                if (!f.packed[d])
                    for (ptrdiff_t b = me; b < shape.blocks; b += all) weights[d].pack(shape, f.weights[d], b);
            packed.wait(all);
        }
        // With fewer threads than asked for there are no teams, since members wait for each other.
        const int team = all == items * share.team ? share.team : 1;
        for (int item = me / team; item < items; item += all / team) {
            const int direction = item / share.slices;
            const Slice slice = Slice::of(p, item % share.slices, share.slices);
            if (alone && !f.packed[direction])
                for (ptrdiff_t b = 0; b < shape.blocks; ++b) weights[item].pack(shape, f.weights[direction], b);
            ForwardRun<C, E>(shape, f, direction, slice, weights[alone ? item : direction], memory[item],
                             members[item * share.team + me % team], Range::part(shape.blocks, me % team, team))(team);
        }
    });
}

}  // namespace throughtime::THROUGHTIME_ISA
