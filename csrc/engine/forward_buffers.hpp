// The memory of a forward call: packed weights, and the buffers of each item of work.
#pragma once

#include "engine/products.hpp"
#include "engine/shape.hpp"
#include "engine/threads.hpp"
#include "engine/workspace.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Weights of one direction in the order in which tiles read them.
template <class E>
struct ForwardWeights {
    using T = Sum<E>;
    using S = Shape<E>;
    E* wx;        // [block][I][G][W]; see PackedOperand for bfloat16
    E* wh;        // [block][H][G][W]
    T* bias;      // [block][columns][W]
    T* diagonal;  // [block][D][W]

    void layout(Arena& arena, const S& s) {
        wx = arena.allocate<E>(s.blocks * input_block(s));
        wh = arena.allocate<E>(s.blocks * hidden_block(s));
        bias = arena.allocate<T>(s.blocks * s.columns * S::W);
        diagonal = arena.allocate<T>(s.blocks * s.D * S::W);
    }

    static ptrdiff_t input_block(const S& s) { return s.input_depth * s.G * S::W; }
    static ptrdiff_t hidden_block(const S& s) { return s.hidden_depth * s.G * S::W; }

    [[gnu::noinline]] void pack(const S& s, const Weights& from, ptrdiff_t b) const {
        constexpr ptrdiff_t operand = S::W * span<E>;
        const ptrdiff_t here = units_in<E>(s.hidden, b);
        for (int c = 0; c < s.columns; ++c) {
            const ptrdiff_t row = s.gate(c) * s.hidden + b * S::W;
            if (c < s.G)
                pack_operands(static_cast<const E*>(from.w_ih) + row * s.inputs, s.inputs, here, s.inputs,
                              wx + b * input_block(s) + c * operand, s.G * operand);
            if (c >= s.Z)
                pack_operands(static_cast<const E*>(from.w_hh) + row * s.hidden, s.hidden, here, s.hidden,
                              wh + b * hidden_block(s) + (c - s.Z) * operand, s.G * operand);
        }
        s.pack_bias(from, b, bias + b * s.columns * S::W);
        s.pack_diagonal(from, b, diagonal + b * s.D * S::W);
    }
};

// Shared by the members of a team, for one slice.
template <class E>
struct ForwardBuffers {
    using T = Sum<E>;
    using S = Shape<E>;
    Barrier barrier;
    E* h[2];               // [row][h_row]: before and after a step
    T* state[max_states];  // [block][row][W]: the states from S::first_buffered_state on
    T* inputs;             // [block][chunk row][G][W]: input halves for a chunk of steps; empty where they are fused

    void layout(Arena& arena, const S& s, ptrdiff_t count) {
        for (E*& buffer : h) buffer = arena.allocate<E>(count * h_row(s));
        for (int j = S::first_buffered_state; j < s.S; ++j) state[j] = arena.allocate<T>(s.blocks * count * S::W);
        inputs = arena.allocate<T>(s.fuses_inputs ? 0 : s.blocks * chunk_rows(s, count) * s.G * S::W);
    }

    static ptrdiff_t h_row(const S& s) { return s.units + S::W; }  // a gap, so that rows use different cache sets
    static ptrdiff_t chunk_rows(const S& s, ptrdiff_t count) {
        const ptrdiff_t fitting = (ptrdiff_t(160) << 10) / ptrdiff_t(sizeof(T)) / (s.G * s.units);
        return max_of(count, min_of(fitting, count * s.problem.steps));
    }
};

// Of one member of a team.
template <class E>
struct ForwardThreadBuffers {
    using T = Sum<E>;
    using S = Shape<E>;
    E* x;     // [row, or chunk row][x_row]: gathered inputs
    T* sums;  // [block][row][G][W]: pre-activations of one group

    void layout(Arena& arena, const S& s, ptrdiff_t count) {
        x = arena.allocate<E>((s.fuses_inputs ? count : ForwardBuffers<E>::chunk_rows(s, count)) * x_row(s));
        sums = arena.allocate<T>(group_bytes / ptrdiff_t(sizeof(T)) + max_tile_blocks * max_group_rows * s.G * S::W);
    }
    static ptrdiff_t x_row(const S& s) { return s.input_depth + (s.fuses_inputs ? 0 : S::W); }
};

template <class E>
size_t packed_bytes(const Shape<E>& s) {
    Arena arena;
    ForwardWeights<E>().layout(arena, s);
    return arena.used();
}

template <class E>
void pack_weights(const Shape<E>& s, const Weights& from, void* to) {
    ForwardWeights<E> weights;
    Arena arena(static_cast<char*>(to));
    weights.layout(arena, s);
    for (ptrdiff_t b = 0; b < s.blocks; ++b) weights.pack(s, from, b);
}

// The partition of a call, and the memory of each item.
template <class E>
struct ForwardPlan {
    ForwardPlan(const ForwardArgs& args, const Shape<E>& sizes) : f(args), shape(sizes) {}

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
    const Shape<E>& shape;
    const ThreadPartition partition = ThreadPartition::of(f.problem, shape.G);
    const int items = partition.slices * f.problem.directions;
    const bool packs_per_item = partition.packs_per_item(f.problem.directions, ptrdiff_t(packed_bytes(shape)));
    const Array<ForwardWeights<E>> weights{items};
    const Array<ForwardBuffers<E>> buffers{items};
    const Array<ForwardThreadBuffers<E>> thread_buffers{items * partition.team};
};

template <class E>
size_t forward_workspace_bytes(const ForwardArgs& f, const Shape<E>& s) {
    return Workspace::measure(ForwardPlan<E>(f, s));
}

#define THROUGHTIME_FORWARD_BUFFERS(E)                                                        \
    THROUGHTIME_EXTERN template struct ForwardWeights<E>;                                     \
    THROUGHTIME_EXTERN template struct ForwardPlan<E>;                                        \
    THROUGHTIME_EXTERN template size_t packed_bytes<E>(const Shape<E>&);                      \
    THROUGHTIME_EXTERN template void pack_weights<E>(const Shape<E>&, const Weights&, void*); \
    THROUGHTIME_EXTERN template size_t forward_workspace_bytes<E>(const ForwardArgs&, const Shape<E>&)

#if defined(THROUGHTIME_BFLOAT16)
THROUGHTIME_FORWARD_BUFFERS(BFloat16);
#else
THROUGHTIME_FORWARD_BUFFERS(float);
THROUGHTIME_FORWARD_BUFFERS(double);
#endif

}  // namespace throughtime::THROUGHTIME_ISA
