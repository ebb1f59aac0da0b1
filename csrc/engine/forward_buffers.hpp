// The memory of a forward call: packed weights, and the buffers of each item of work.
#pragma once

#include "engine/products.hpp"
#include "engine/shape.hpp"
#include "engine/threads.hpp"
#include "engine/workspace.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Weights of one direction in the order in which tiles read them.
template <class S>
struct ForwardWeights {
    using E = typename S::E;
    using T = Sum<E>;
    E* wx;        // [block][I][G][W]; see PackedOperand for bfloat16
    E* wh;        // [block][H][G][W]
    T* bias;      // [block][columns][W]
    T* diagonal;  // [block][D][W]

    void layout(Arena& arena, const S& s) {
        wx = arena.allocate<E>(s.blocks * input_block(s));
        wh = arena.allocate<E>(s.blocks * hidden_block(s));
        bias = arena.allocate<T>(s.blocks * S::columns * S::W);
        diagonal = arena.allocate<T>(s.blocks * S::D * S::W);
    }

    static ptrdiff_t input_block(const S& s) { return s.input_depth * S::G * S::W; }
    static ptrdiff_t hidden_block(const S& s) { return s.hidden_depth * S::G * S::W; }

    [[gnu::noinline]] void pack(const S& s, const Weights& from, ptrdiff_t b) const {
        constexpr ptrdiff_t operand = S::W * span<E>;
        const ptrdiff_t here = units_in<E>(s.hidden, b);
        for (int c = 0; c < S::columns; ++c) {
            const ptrdiff_t row = S::gate(c) * s.hidden + b * S::W;
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

// Shared by the members of a team, for one slice.
template <class S>
struct ForwardBuffers {
    using E = typename S::E;
    using T = Sum<E>;
    Barrier barrier;
    E* h[2];         // [row][h_row]: before and after a step
    T* state[S::S];  // [block][row][W]: the states from S::first_buffered_state on
    T* inputs;       // [block][chunk row][G][W]: input halves for a chunk of steps; empty where they are fused

    void layout(Arena& arena, const S& s, ptrdiff_t count) {
        for (E*& buffer : h) buffer = arena.allocate<E>(count * h_row(s));
        for (int j = S::first_buffered_state; j < S::S; ++j) state[j] = arena.allocate<T>(s.blocks * count * S::W);
        inputs = arena.allocate<T>(s.fuses_inputs ? 0 : s.blocks * chunk_rows(s, count) * S::G * S::W);
    }

    static ptrdiff_t h_row(const S& s) { return s.units + S::W; }  // a gap, so that rows use different cache sets
    static ptrdiff_t chunk_rows(const S& s, ptrdiff_t count) {
        const ptrdiff_t fitting = (ptrdiff_t(160) << 10) / ptrdiff_t(sizeof(T)) / (S::G * s.units);
        return max_of(count, min_of(fitting, count * s.problem.steps));
    }
};

// Of one member of a team.
template <class S>
struct ForwardThreadBuffers {
    using E = typename S::E;
    using T = Sum<E>;
    E* x;     // [row, or chunk row][x_row]: gathered inputs
    T* sums;  // [block][row][G][W]: pre-activations of one group

    void layout(Arena& arena, const S& s, ptrdiff_t count) {
        x = arena.allocate<E>((s.fuses_inputs ? count : ForwardBuffers<S>::chunk_rows(s, count)) * x_row(s));
        sums = arena.allocate<T>(group_bytes / ptrdiff_t(sizeof(T)) + max_tile_blocks * max_group_rows * S::G * S::W);
    }
    static ptrdiff_t x_row(const S& s) { return s.input_depth + (s.fuses_inputs ? 0 : S::W); }
};

template <class S>
size_t packed_bytes(const Problem& p) {
    Arena arena;
    ForwardWeights<S>().layout(arena, S{p});
    return arena.used();
}

template <class S>
void pack_weights(const Problem& p, const Weights& from, void* to) {
    const S shape{p};
    ForwardWeights<S> weights;
    Arena arena(static_cast<char*>(to));
    weights.layout(arena, shape);
    for (ptrdiff_t b = 0; b < shape.blocks; ++b) weights.pack(shape, from, b);
}

// The partition of a call, and the memory of each item.
template <class S>
struct ForwardPlan {
    explicit ForwardPlan(const ForwardArgs& args) : f(args) {}

    // Allocates all arrays.
    [[gnu::noinline]] void operator()(Arena& arena) const {
        const auto layout_weights = [&](int i, int direction) {
            Arena packed(static_cast<char*>(f.packed[direction]));
            weights[i].layout(f.packed[direction] ? packed : arena, shape);
        };
        for (int d = 0; d < f.problem.directions && !packs_per_item; ++d) layout_weights(d, d);
        for (int i = 0; i < items; ++i) {
            arena.align_to_page();
            if (packs_per_item) layout_weights(i, i / partition.slices);
            const ptrdiff_t count = BatchSlice::of(f.problem, i % partition.slices, partition.slices).count;
            buffers[i].layout(arena, shape, count);
            for (int m = 0; m < partition.team; ++m) thread_buffers[i * partition.team + m].layout(arena, shape, count);
        }
    }

    const ForwardArgs& f;
    const S shape{f.problem};
    const ThreadPartition partition = ThreadPartition::of(f.problem, S::G);
    const int items = partition.slices * f.problem.directions;
    const bool packs_per_item = partition.packs_per_item(f.problem.directions, ptrdiff_t(packed_bytes<S>(f.problem)));
    const Array<ForwardWeights<S>> weights{items};
    const Array<ForwardBuffers<S>> buffers{items};
    const Array<ForwardThreadBuffers<S>> thread_buffers{items * partition.team};
};

template <class S>
size_t forward_workspace_bytes(const ForwardArgs& f) {
    return Workspace::measure(ForwardPlan<S>(f));
}

}  // namespace throughtime::THROUGHTIME_ISA
