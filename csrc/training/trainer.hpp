// Training updates that run without Python in between: windows of a stack of layers with a linear output, their loss,
// backpropagation through time, gradient clipping, and the optimizer. Layers run in the same kernels as other calls.
//
// Letters: T steps, N batch, I inputs, H hidden units, O outputs.
#pragma once

#include "engine/kernel.hpp"

namespace throughtime {

inline constexpr int max_layers = 8;
inline constexpr int weights_per_layer = 5;
inline constexpr int max_parameters = weights_per_layer * max_layers + 2;

enum class Objective { mse, cross_entropy };
enum class Optimizer { sgd, adam, adamw };

// The first batch starts from the layers' states, the others from zero.
struct TrainingBatch {
    const void* x;  // (T, N, I)
    Layout x_layout;
    const void* target;  // (T, N, O), or int64 classes (T, N); without T for final_state
    Layout target_layout;
};

// One update over steps [start, stop), with the loss over [loss, stop). The next one starts from the state after step
// carry - 1.
struct Window {
    int64_t start, stop, loss, carry;
};

struct Parameter {
    void* value;
    void *first, *second;  // moments of the optimizer (SGD: the velocity), or null
    ptrdiff_t count;
};

struct Layer {
    const Kernel* kernel;
    ptrdiff_t inputs, hidden;
    Weights weights;
    void* state[max_states];  // (N, H) each: initial state, replaced by the state to continue from
};

struct UpdateReport {
    double loss, norm;
};

// Of one update. SGD: beta1 is the momentum.
struct OptimizerSettings {
    double learning_rate, weight_decay, beta1, beta2, epsilon;
};

struct TrainingProblem {
    Layer layers[max_layers];
    int depth;
    const void* output_weight;  // (O, H)
    const void* output_bias;    // (O) or null
    ptrdiff_t outputs;
    bool final_state;  // outputs read the final state of a sequence; else the state of each step
    Objective objective;

    ptrdiff_t steps, batch;
    const TrainingBatch* batches;
    ptrdiff_t batch_count;

    const Window* windows;  // of each batch
    ptrdiff_t window_count;
    UpdateReport* reports;  // one for each update that was started

    Parameter parameters[max_parameters];  // of each layer in the order of Weights, then of the output
    int parameter_count;
    Optimizer optimizer;
    const OptimizerSettings* settings;  // of the first update; those of the next are settings_stride elements further
    ptrdiff_t settings_stride;          // 1, or 0 if all updates share them
    int64_t updates;                    // made by earlier calls
    double clip;                        // maximum norm of the gradient
    int threads;
};

// For one element type and one instruction set.
struct Trainer {
    const char* isa;
    bool is_double;
    // Returns the number of updates: one for each window of each batch, or those before a loss or gradient that is not
    // finite.
    ptrdiff_t (*train)(const TrainingProblem&);
    // y = w h + b for one row; b may be null
    void (*output)(const void* w, const void* b, const void* h, ptrdiff_t hidden, ptrdiff_t outputs, void* y);
};

}  // namespace throughtime
