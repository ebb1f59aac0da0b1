// The memory of a backward call: packed weights, and the buffers of each item of work.
#pragma once

#include "engine/products.hpp"
#include "engine/shape.hpp"
#include "engine/threads.hpp"
#include "engine/workspace.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Weights of one direction for products with gradients of columns.
template <class T>
struct BackwardWeights {
    using S = Shape<T>;
    T* wh;        // [block of units][block][hidden columns][W][W]
    T* wx;        // [block of inputs][block][input columns][W][W]
    T* diagonal;  // [block][D][W]

    void layout(Arena& arena, const S& s, bool inputs) {
        wh = arena.allocate<T>(s.blocks * depth(s) * S::W);
        wx = arena.allocate<T>(inputs ? s.input_blocks * depth(s) * S::W : 0);
        diagonal = arena.allocate<T>(s.blocks * s.D * S::W);
    }
    static ptrdiff_t depth(const S& s) { return s.blocks * s.G * S::W; }

    // The blocks of thread `me` of `all`; `inputs`: also for the gradient of x.
    [[gnu::noinline]] void pack_blocks(const S& s, const Weights& from, bool inputs, int me, int all) const {
        for (ptrdiff_t b = me; b < s.blocks; b += all) {
            pack_block(s, static_cast<const T*>(from.w_hh), s.hidden, s.Z, b, wh);
            s.pack_diagonal(from, b, diagonal + b * s.D * S::W);
        }
        if (inputs)
            for (ptrdiff_t b = me; b < s.input_blocks; b += all)
                pack_block(s, static_cast<const T*>(from.w_ih), s.inputs, 0, b, wx);
    }

  private:
    static void pack_block(const S& s, const T* from, ptrdiff_t width, int first_column, ptrdiff_t to_block, T* to) {
        to += to_block * depth(s) * S::W;
        for (ptrdiff_t b = 0; b < s.blocks; ++b)
            for (int c = first_column; c < first_column + s.G; ++c, to += S::W * S::W) {
                const ptrdiff_t row = s.gate(c) * s.hidden + b * S::W;
                pack(from + row * width + to_block * S::W, width, units_in<T>(width, to_block),
                     units_in<T>(s.hidden, b), ptrdiff_t(S::W), to);
            }
    }
};

// Shared by the members of a team, for one slice.
template <class T>
struct BackwardBuffers {
    using S = Shape<T>;
    Barrier barrier;
    T* dstate[max_states];  // [block][row][W]: gradients of the states; the pass updates them in place
    T* panel;               // [block][chunk row][columns][W]: gradients of the columns
    T* last_panel;          // [block][row][columns][W]: those of the step before the chunk
    T* hidden;              // [block][chunk row][W]: h before each step
    T* inputs;              // [input block][chunk row][W]; fused: [chunk row][I]
    // Sums of weight gradients, padded, in torch's order of gates.
    T* dw_hh;      // [G][units][units]
    T* dw_ih;      // [G][units][input units]; fused: [block][G][I][W]
    T* dbias;      // [block][columns][W]
    T* ddiagonal;  // [block][D][W]

    void layout(Arena& arena, const S& s, ptrdiff_t count) {
        const ptrdiff_t rows = chunk_rows(s, count), input_units = s.input_blocks * S::W;
        for (int j = 0; j < s.S; ++j) dstate[j] = arena.allocate<T>(s.blocks * count * S::W);
        panel = arena.allocate<T>(s.blocks * panel_block(s, rows));
        last_panel = arena.allocate<T>(s.blocks * panel_block(s, count));
        hidden = arena.allocate<T>(s.blocks * vector_block(rows));
        inputs = arena.allocate<T>(s.fuses_inputs ? rows * s.inputs : s.input_blocks * vector_block(rows));
        dw_hh = arena.allocate<T>(s.G * s.units * s.units);
        dw_ih = arena.allocate<T>(s.G * s.units * (s.fuses_inputs ? s.inputs : input_units));
        dbias = arena.allocate<T>(s.blocks * s.columns * S::W);
        ddiagonal = arena.allocate<T>(s.blocks * s.D * S::W);
    }
    // One vector more than needed, so that blocks use different cache sets.
    static ptrdiff_t panel_block(const S& s, ptrdiff_t rows) { return (rows * s.columns + 1) * S::W; }
    static ptrdiff_t vector_block(ptrdiff_t rows) { return (rows + 1) * S::W; }
    // A panel of about 512 KiB stays in the second-level cache from the steps that write it to the products that read
    // it.
    static ptrdiff_t chunk_rows(const S& s, ptrdiff_t count) {
        const ptrdiff_t fitting = (ptrdiff_t(512) << 10) / ptrdiff_t(sizeof(T)) / (s.columns * s.units);
        const ptrdiff_t preferred = min_of(max_of(fitting, ptrdiff_t(256)), ptrdiff_t(512));
        return max_of(count, min_of(preferred, count * s.problem.steps));
    }
};

// Of one member of a team.
template <class T>
struct BackwardThreadBuffers {
    using S = Shape<T>;
    ptrdiff_t* x_at;  // [chunk row]: position of the row's inputs in x
    T* dx;            // [block][row][W]: gradients of inputs of one group
    T* scale;         // [state][row]: factor of the gradient of a state, to clip its norm

    void layout(Arena& arena, const S& s, ptrdiff_t count) {
        x_at = arena.allocate<ptrdiff_t>(BackwardBuffers<T>::chunk_rows(s, count));
        dx = arena.allocate<T>(max_tile_blocks * max_group_rows * S::W);
        scale = arena.allocate<T>(s.S * count);
    }
};

// The partition of a call, and the memory of each item.
template <class T>
struct BackwardPlan {
    using S = Shape<T>;
    BackwardPlan(const BackwardArgs& args, const S& sizes) : f(args), shape(sizes) {}

    // Allocates all arrays.
    [[gnu::noinline]] void operator()(Arena& arena) const {
        for (int d = 0; d < f.problem.directions && !packs_per_item; ++d)
            weights[d].layout(arena, shape, f.dx[d] != nullptr);
        for (int i = 0; i < items; ++i) {
            arena.align_to_page();
            if (packs_per_item) weights[i].layout(arena, shape, f.dx[i / partition.slices] != nullptr);
            const ptrdiff_t count = BatchSlice::of(f.problem, i % partition.slices, partition.slices).count;
            buffers[i].layout(arena, shape, count);
            for (int m = 0; m < partition.team; ++m) thread_buffers[i * partition.team + m].layout(arena, shape, count);
        }
    }

    static ptrdiff_t packed_weight_bytes(const S& s) {
        return s.blocks * BackwardWeights<T>::depth(s) * S::W * ptrdiff_t(sizeof(T));
    }
    // The partition of the forward pass, which the reserve depends on.
    static int forward_slices(const BackwardArgs& f) { return int(static_cast<const T*>(f.reserve)[0]); }

    const BackwardArgs& f;
    const S& shape;
    const ThreadPartition partition = ThreadPartition::of(f.problem, shape.G, forward_slices(f));
    const int items = partition.slices * f.problem.directions;
    const bool packs_per_item = partition.packs_per_item(f.problem.directions, packed_weight_bytes(shape));
    const Array<BackwardWeights<T>> weights{items};
    const Array<BackwardBuffers<T>> buffers{items};
    const Array<BackwardThreadBuffers<T>> thread_buffers{items * partition.team};
};

template <class T>
size_t backward_workspace_bytes(const BackwardArgs& f, const Shape<T>& s) {
    return Workspace::measure(BackwardPlan<T>(f, s));
}

}  // namespace throughtime::THROUGHTIME_ISA
