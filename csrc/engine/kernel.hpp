// The interface between the binding and the kernels: plain data, the same for every instruction set.
//
// Letters: T steps, N batch, I inputs, H hidden units, G gates, S states, D directions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace throughtime {

inline constexpr int max_directions = 2;
inline constexpr int max_states = 4;

// A sequence of vectors. The vector of step t and row n is contiguous and starts at base + at(t, n) elements. With
// `offsets`, the steps follow each other without gaps, as in a packed sequence.
struct Layout {
    ptrdiff_t step, row;
    const int64_t* offsets;  // (T + 1) rows before each step, or null

    ptrdiff_t at(ptrdiff_t t, ptrdiff_t n) const { return (offsets ? offsets[t] * row : t * step) + n * row; }
};

struct Problem {
    ptrdiff_t steps, batch, inputs, hidden;
    int directions;          // 2: the second one runs backwards
    bool reverse;            // a single direction runs backwards
    int threads;             // upper limit; results do not depend on the number used
    const int64_t* lengths;  // (N) valid steps of each row, 0..T, or null: all T
    const int64_t* order;    // (N) rows by falling length, or null if the batch is sorted
    Layout x, y;             // (T, N, I), (T, N, D*H)

    // Rows of all earlier steps, and of this step, in the reserve.
    ptrdiff_t rows_before(ptrdiff_t t) const { return y.offsets ? y.offsets[t] : t * batch; }
    ptrdiff_t rows_at(ptrdiff_t t) const { return y.offsets ? y.offsets[t + 1] - y.offsets[t] : batch; }
    bool runs_backwards(int direction) const { return directions == 2 ? direction == 1 : reverse; }
};

struct Weights {           // of one direction; all but w_ih and w_hh may be null
    const void* w_ih;      // (G*H, I)
    const void* w_hh;      // (G*H, H)
    const void* b_ih;      // (G*H)
    const void* b_hh;      // (G*H)
    const void* diagonal;  // (diagonals, H)
};

struct WeightGradients {  // outputs of the same shapes; null: not needed
    void *w_ih, *w_hh, *b_ih, *b_hh, *diagonal;
};

struct ForwardArgs {
    Problem problem;
    Weights weights[max_directions];
    const void* x;
    void* y;
    const void* state_0[max_states];  // (D, N, H) each, or null: zero
    void* state_n[max_states];        // (D, N, H) each
    void* reserve;                    // (reserve_size), what backward needs; null: inference, always so for bfloat16
    void* packed[max_directions];     // output of `pack`, or null: the call packs the weights itself
};

// Clips the gradient of a state each time it flows from a step to the previous one.
struct GradientClip {
    double limit;  // 0: none
    bool norm;     // limit the norm of a row; else each element
};

struct BackwardArgs {
    Problem problem;
    Weights weights[max_directions];
    const void* x;
    const void* y;
    const void* state_0[max_states];
    const void* reserve;
    const void* dy;  // or null: zero
    Layout dy_layout;
    const void* dstate_n[max_states];  // or null: zero
    void* dx[max_directions];          // laid out as x, one for each direction, or null
    void* dstate_0[max_states];        // or null
    GradientClip clip;
    WeightGradients dweights[max_directions];
};

// One compiled cell for one element type and one instruction set.
struct Kernel {
    const char* cell;
    const char* activation;
    const char* isa;
    int bits;  // of an element: 64, 32, or 16 for bfloat16
    int gates, states, diagonals;
    const char *gate_names, *separate_halves, *state_names, *diagonal_names;  // see Names
    int lanes;
    int reserve_vectors;  // of `lanes` elements, for each row and block of units; states after h included
    void (*forward)(const ForwardArgs&);
    void (*backward)(const BackwardArgs&);   // null for bfloat16
    size_t (*packed_bytes)(const Problem&);  // of one direction; reads only the sizes
    void (*pack)(const Problem&, const Weights&, void*);
    size_t (*forward_workspace_bytes)(const ForwardArgs&);    // does not read through pointers
    size_t (*backward_workspace_bytes)(const BackwardArgs&);  // likewise, except for the first element of the reserve

    // In elements. The first vector holds the number of slices of the batch.
    ptrdiff_t reserve_size(ptrdiff_t rows, ptrdiff_t hidden, int directions) const {
        return lanes + directions * rows * ((hidden + lanes - 1) / lanes * lanes) * reserve_vectors;
    }
    // Position in the reserve of a state other than h, after step t of T, for one direction without lengths: the value
    // of row n, in the slice of `count` rows that starts at row `first`.
    ptrdiff_t reserved_state_at(ptrdiff_t t, ptrdiff_t steps, ptrdiff_t n, ptrdiff_t first, ptrdiff_t count,
                                ptrdiff_t hidden, ptrdiff_t unit, int state) const {
        const ptrdiff_t blocks = (hidden + lanes - 1) / lanes, block = unit / lanes;
        return lanes + ((steps * first + t * count) * blocks + block * count + n - first) * reserve_vectors * lanes +
               (reserve_vectors - states + state) * lanes + unit % lanes;
    }
};

// Linked lists that entries join when the library is loaded. The constructor is compiled without instruction set flags
// and takes a pointer to constant data, so that loading executes no instruction that the processor may lack.
template <class Entry>
class Registration {
  public:
    Registration(const Entry* entry);  // NOLINT: a list of entries reads better without the type at each

    const Entry* const entry;
    const Registration* const next;
    static const Registration* first();
};
using KernelRegistration = Registration<Kernel>;

}  // namespace throughtime
