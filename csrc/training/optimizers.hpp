// The optimizer: from the gradients of slices of a batch to new weights.
#pragma once

#include "engine/packing.hpp"
#include "engine/shape.hpp"
#include "engine/workspace.hpp"
#include "training/trainer.hpp"

namespace throughtime::THROUGHTIME_ISA {

extern "C" double pow(double, double);
extern "C" double sqrt(double);

// Of a slice of some rows.
template <class T>
struct SliceBuffers {
    T *y[max_layers], *reserve[max_layers], *dy[max_layers];  // (T, N, H); (reserve_size); (T, N, H)
    T* final[max_layers][max_states];                         // (N, H)
    T* dfinal;                                                // (N, H) of the last layer
    T* z;                                                     // (4, O)
    T* gradients[max_parameters];                             // null for missing parameters
    double loss;                                              // contribution of these rows
    double squared_norm;                                      // of the range of the gradient that this slice reduces

    void layout(Arena& arena, const TrainingProblem& problem, ptrdiff_t steps, ptrdiff_t rows) {
        for (int i = 0; i < problem.depth; ++i) {
            const Layer& layer = problem.layers[i];
            const ptrdiff_t values = steps * rows * layer.hidden;
            y[i] = arena.allocate<T>(values);
            dy[i] = arena.allocate<T>(values);
            reserve[i] = arena.allocate<T>(layer.kernel->reserve_size(steps * rows, layer.hidden, 1));
            for (int j = 0; j < layer.kernel->states; ++j) final[i][j] = arena.allocate<T>(rows * layer.hidden);
        }
        dfinal = arena.allocate<T>(rows * problem.layers[problem.depth - 1].hidden);
        z = arena.allocate<T>(4 * problem.outputs);
        for (int i = 0; i < problem.parameter_count; ++i)
            gradients[i] = problem.parameters[i].value ? arena.allocate<T>(problem.parameters[i].count) : nullptr;
    }
};

// Each slice of the batch also handles one range of every parameter.
template <class T>
class OptimizerStep {
    using V = Vec<T>;

  public:
    OptimizerStep(const TrainingProblem& problem, SliceBuffers<T>* buffers, int slices)
        : problem_(problem), buffers_(buffers), slices_(slices) {}

    // Sums a slice's range of the gradients over all slices, in their order, and the squares of the sums.
    void reduce_gradients(int slice) const {
        V squares{};
        for_each_vector(slice, [&](int i, ptrdiff_t count, ptrdiff_t b) {
            V g = load_units(buffers_[0].gradients[i], count, b);
            for (int s = 1; s < slices_; ++s) g += load_units(buffers_[s].gradients[i], count, b);
            if (slices_ > 1) store_units(buffers_[0].gradients[i], count, b, g);
            squares = fma(g, g, squares);
        });
        buffers_[slice].squared_norm = double(horizontal_sum<T>(squares));
    }

    UpdateReport report() const {
        UpdateReport total{0, 0};
        for (int s = 0; s < slices_; ++s) total.loss += buffers_[s].loss, total.norm += buffers_[s].squared_norm;
        total.norm = sqrt(total.norm);
        return total;
    }

    // Updates a slice's range of the weights.
    void operator()(int slice, ptrdiff_t update, double norm) const {
        const T scale = norm > problem_.clip ? T(min_of(1.0, problem_.clip / (norm + 1e-6))) : T(1);
        const OptimizerSettings& settings = problem_.settings[update * problem_.settings_stride];
        const int64_t number = problem_.updates + update + 1;
        problem_.optimizer == Optimizer::sgd ? sgd(slice, settings, number, scale)
                                             : adam(slice, settings, number, scale);
    }

  private:
    // torch.optim.SGD with momentum, without dampening
    void sgd(int slice, const OptimizerSettings& settings, int64_t number, T scale) const {
        const V decay = broadcast<V>(T(settings.weight_decay)), momentum = broadcast<V>(T(settings.beta1));
        const V rate = broadcast<V>(T(-settings.learning_rate));
        update_values(slice, scale, [&](const Parameter& p, V w, V g, ptrdiff_t b) {
            g = fma(decay, w, g);
            if (T* const velocity = static_cast<T*>(p.first)) {
                if (number > 1) g = fma(momentum, load_units(velocity, p.count, b), g);
                store_units(velocity, p.count, b, g);
            }
            return fma(rate, g, w);
        });
    }

    // torch.optim.Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019)
    void adam(int slice, const OptimizerSettings& settings, int64_t number, T scale) const {
        const bool decoupled = problem_.optimizer == Optimizer::adamw;
        const V shrink = broadcast<V>(T(decoupled ? 1 - settings.learning_rate * settings.weight_decay : 1));
        const V decay = broadcast<V>(T(decoupled ? 0 : settings.weight_decay));
        const V rate = broadcast<V>(T(settings.learning_rate / (1 - pow(settings.beta1, double(number)))));
        const V correction = broadcast<V>(T(sqrt(1 - pow(settings.beta2, double(number)))));
        const V beta2 = broadcast<V>(T(settings.beta2)), epsilon = broadcast<V>(T(settings.epsilon));
        const V rest1 = broadcast<V>(T(1 - settings.beta1)), rest2 = broadcast<V>(T(1 - settings.beta2));
        update_values(slice, scale, [&](const Parameter& p, V w, V g, ptrdiff_t b) {
            T *const first = static_cast<T*>(p.first), *const second = static_cast<T*>(p.second);
            w *= shrink;
            g = fma(decay, w, g);
            V m = load_units(first, p.count, b), v = load_units(second, p.count, b);
            m = fma(rest1, g - m, m);
            v = fma(g * rest2, g, v * beta2);
            store_units(first, p.count, b, m);
            store_units(second, p.count, b, v);
            return w - rate * m / (throughtime::THROUGHTIME_ISA::sqrt(v) / correction + epsilon);
        });
    }

    // value = f(parameter, value, scaled gradient, block) for each vector of a slice's range
    template <class F>
    THROUGHTIME_INLINE void update_values(int slice, T scale, F&& f) const {
        for_each_vector(slice, [&](int i, ptrdiff_t count, ptrdiff_t b) {
            T* const value = static_cast<T*>(problem_.parameters[i].value);
            const V g = load_units(buffers_[0].gradients[i], count, b) * broadcast<V>(scale);
            store_units(value, count, b, f(problem_.parameters[i], load_units(value, count, b), g, b));
        });
    }

    // f(parameter, its count, block) for each vector of a slice's range
    template <class F>
    THROUGHTIME_INLINE void for_each_vector(int slice, F&& f) const {
        for (int i = 0; i < problem_.parameter_count; ++i) {
            const ptrdiff_t count = problem_.parameters[i].count;
            const Range blocks = Range::chunk(blocks_of<T>(count), slice, slices_);
            for (ptrdiff_t b = blocks.first; b < blocks.last; ++b) f(i, count, b);
        }
    }

    const TrainingProblem& problem_;
    SliceBuffers<T>* const buffers_;
    const int slices_;
};

}  // namespace throughtime::THROUGHTIME_ISA
