// Whole updates without a step outside: windows of a stack of layers and a linear output, their loss, the gradients
// through time, clipping, and the new weights. The layers are kernels as everyone else calls them.
//
// Letters: T steps, N batch, I inputs, H hidden units, O outputs.
#pragma once

#include "engine/kernel.hpp"

namespace throughtime {

inline constexpr int max_layers = 8;
inline constexpr int max_parameters = 5 * max_layers + 2;

enum class Objective { mse, cross_entropy };
enum class Rule { sgd, adam, adamw };

// A batch. Each begins with a state of zero, but the first with what the layers hold.
struct Source {
    const void* x;  // (T, N, I)
    Layout x_layout;
    const void* target;  // (T, N, O), or classes (T, N) of 64 bits; with final_state without T
    Layout target_layout;
};

// One update: steps start … stop-1, the loss over loss … stop-1, on from the state behind step carry-1.
struct Window {
    int64_t start, stop, loss, carry;
};

struct Parameter {
    void* value;
    void *first, *second;  // moments as the rule needs them (SGD: the velocity), or null
    ptrdiff_t count;
};

struct Layer {
    const Kernel* kernel;
    ptrdiff_t inputs, hidden;
    Weights weights;
    void* state[max_states];  // (N, H) each: where to start from, and where to go on from
};

struct Report {
    double loss, norm;
};

// Of one update. SGD: beta1 is the momentum.
struct Settings {
    double learning_rate, weight_decay, beta1, beta2, epsilon;
};

struct Learning {
    Layer layers[max_layers];
    int depth;
    const void* output_weight;  // (O, H)
    const void* output_bias;    // (O) or null
    ptrdiff_t outputs;
    bool final_state;  // outputs read the last state of a sequence, not each step's
    Objective objective;

    ptrdiff_t steps, batch;
    const Source* sources;
    ptrdiff_t source_count;

    const Window* windows;  // of each source
    ptrdiff_t window_count;
    Report* reports;  // one for each update that was begun

    Parameter parameters[max_parameters];  // those of each layer in the order of Weights, then the output's
    int parameter_count;
    Rule rule;
    const Settings* settings;   // of the first update; those of the next stand so many behind
    ptrdiff_t settings_behind;  // 1, or 0 where all have the same
    int64_t updates;            // done before
    double clip;                // largest norm of the gradient
    int threads;
};

// For one element type and one instruction set.
struct Learner {
    const char* isa;
    bool is_double;
    // Returns how many updates were made: one for each window of each source, or those before a loss or gradient that
    // is no number.
    ptrdiff_t (*learn)(const Learning&);
    // y = w h + b for one row; b may be null
    void (*output)(const void* w, const void* b, const void* h, ptrdiff_t hidden, ptrdiff_t outputs, void* y);
};

}  // namespace throughtime
