// The border between the binding and the kernels: plain data, the same for every instruction set.
//
// Letters: T steps, N batch, I inputs, H hidden units, G gates, S states, D directions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace throughtime {

inline constexpr int max_directions = 2;
inline constexpr int max_states = 4;

// A sequence of vectors. The vector of step t and row n starts `at(t, n)` elements behind the base pointer and is
// contiguous. With `offsets`, steps follow each other without gaps as in a packed sequence.
struct Layout {
    ptrdiff_t step, row;
    const int64_t* offsets;  // (T + 1) rows before each step, or null

    ptrdiff_t at(ptrdiff_t t, ptrdiff_t n) const { return (offsets ? offsets[t] * row : t * step) + n * row; }
};

struct Problem {
    ptrdiff_t steps, batch, inputs, hidden;
    int directions;          // 2: the second one runs backwards
    bool reverse;            // a single direction runs backwards
    int threads;             // at most; results do not depend on how many there really are
    const int64_t* lengths;  // (N) valid steps of each row, 0..T, or null: all T
    const int64_t* order;    // (N) rows by falling length, or null where they are so already
    Layout x, y;             // (T, N, I), (T, N, D*H)

    // Rows of all earlier steps, and of this one, in whatever is kept for the backward pass.
    ptrdiff_t rows_before(ptrdiff_t t) const { return y.offsets ? y.offsets[t] : t * batch; }
    ptrdiff_t rows_at(ptrdiff_t t) const { return y.offsets ? y.offsets[t + 1] - y.offsets[t] : batch; }
    bool runs_backwards(int direction) const { return directions == 2 ? direction == 1 : reverse; }
};

struct Weights {           // of one direction; any but w_ih and w_hh may be null
    const void* w_ih;      // (G*H, I)
    const void* w_hh;      // (G*H, H)
    const void* b_ih;      // (G*H)
    const void* b_hh;      // (G*H)
    const void* diagonal;  // (diagonals, H)
};

struct WeightGradients {  // where each gradient is to be written, or null where it is not wanted
    void *w_ih, *w_hh, *b_ih, *b_hh, *diagonal;
};

struct Forward {
    Problem problem;
    Weights weights[max_directions];
    const void* x;
    void* y;
    const void* state_0[max_states];  // (D, N, H) each, or null: zero
    void* state_n[max_states];        // (D, N, H) each
    void* kept;                       // kept_scalars() elements, or null: nothing is kept, as always for bfloat16
    void* packed[max_directions];     // what `pack` has made of the weights, or null: this call packs them itself
};

// Of the gradient of a state, whenever it passes from a step to the one before.
struct Clip {
    double limit;  // or 0: none
    bool norm;     // of the norm of a row; else of each element
};

struct Backward {
    Problem problem;
    Weights weights[max_directions];
    const void* x;
    const void* y;
    const void* state_0[max_states];
    const void* kept;
    const void* dy;  // or null: zero
    Layout dy_layout;
    const void* dstate_n[max_states];  // or null: zero
    void* dx[max_directions];          // laid out as x, one for each direction, or null
    void* dstate_0[max_states];        // or null
    Clip clip;
    WeightGradients dweights[max_directions];
};

// One compiled cell for one element type and one instruction set.
struct Kernel {
    const char* cell;
    const char* activation;
    const char* isa;
    int bits;  // of an element: 64, 32, or 16 for bfloat16
    int gates, states, diagonals;
    int lanes;
    int kept;  // vectors kept for each unit and row, states after the first included
    void (*forward)(const Forward&);
    void (*backward)(const Backward&);       // null for bfloat16
    size_t (*packed_bytes)(const Problem&);  // of one direction; only the sizes of the problem matter
    void (*pack)(const Problem&, const Weights&, void*);
    size_t (*forward_bytes)(const Forward&);    // of working memory; addresses are not read
    size_t (*backward_bytes)(const Backward&);  // likewise, but for the vector in front of what was kept

    // A vector in front tells into how many slices the batch was cut.
    ptrdiff_t kept_scalars(ptrdiff_t rows, ptrdiff_t hidden, int directions) const {
        return lanes + directions * rows * ((hidden + lanes - 1) / lanes * lanes) * kept;
    }
    // Where the value of a state besides h (from 1 on) after step t of T stands in what a single direction without
    // lengths has kept: that of row n of the slice of `count` rows from `first` on.
    ptrdiff_t kept_state_at(ptrdiff_t t, ptrdiff_t steps, ptrdiff_t n, ptrdiff_t first, ptrdiff_t count,
                            ptrdiff_t hidden, ptrdiff_t unit, int state) const {
        const ptrdiff_t blocks = (hidden + lanes - 1) / lanes, block = unit / lanes;
        return lanes + ((steps * first + t * count) * blocks + block * count + n - first) * kept * lanes +
               (kept - states + state) * lanes + unit % lanes;
    }
};

// The lists that cells and learners put themselves on when the library is loaded. The constructor is compiled without
// any instruction set flag and takes a pointer to constant data, so that loading runs nothing a lesser processor does
// not know.
template <class Entry>
class RegisterOf {
  public:
    RegisterOf(const Entry* entry);  // NOLINT: a list of kernels reads better without the type at each

    const Entry* const entry;
    const RegisterOf* const next;
    static const RegisterOf* first();
};
using Register = RegisterOf<Kernel>;

}  // namespace throughtime
