// From the gradients of slices of a batch to new weights.
#pragma once

#include "training/trainer.hpp"

#include "engine/cell.hpp"
#include "engine/gemm.hpp"
#include "engine/partition.hpp"

namespace throughtime::THROUGHTIME_ISA {

extern "C" double pow(double, double);
extern "C" double sqrt(double);

// What a slice of some rows has for itself.
template <class T>
struct SliceMemory {
    T *y[max_layers], *kept[max_layers], *dy[max_layers];  // (T, N, H); as each kernel keeps; (T, N, H)
    T* final[max_layers][max_states];                      // (N, H)
    T* dfinal;                                             // (N, H) of the last layer
    T* z;                                                  // (4, O)
    T* gradients[max_parameters];                          // null where there is no parameter
    double loss;                                           // the share of these rows
    double squares;                                        // of the share of the whole gradient that is added up here

    void layout(Pieces& pieces, const Learning& l, ptrdiff_t steps, ptrdiff_t rows) {
        for (int i = 0; i < l.depth; ++i) {
            const Layer& layer = l.layers[i];
            const ptrdiff_t values = steps * rows * layer.hidden;
            y[i] = pieces.take<T>(values);
            dy[i] = pieces.take<T>(values);
            kept[i] = pieces.take<T>(layer.kernel->kept_scalars(steps * rows, layer.hidden, 1));
            for (int j = 0; j < layer.kernel->states; ++j) final[i][j] = pieces.take<T>(rows * layer.hidden);
        }
        dfinal = pieces.take<T>(rows * l.layers[l.depth - 1].hidden);
        z = pieces.take<T>(4 * l.outputs);
        for (int i = 0; i < l.parameter_count; ++i)
            gradients[i] = l.parameters[i].value ? pieces.take<T>(l.parameters[i].count) : nullptr;
    }
};

// From the gradients of all slices to new weights. The work is cut into as many parts as there are slices.
template <class T>
class Step {
    using V = Vec<T>;

  public:
    Step(const Learning& call, SliceMemory<T>* memory, int slices) : l_(call), m_(memory), slices_(slices) {}

    // Adds up a part of the gradients, in the order of the slices, and its squares.
    void add_up(int part) const {
        V squares{};
        each(part, [&](int i, ptrdiff_t count, ptrdiff_t b) {
            V g = load_units(m_[0].gradients[i], count, b);
            for (int s = 1; s < slices_; ++s) g += load_units(m_[s].gradients[i], count, b);
            if (slices_ > 1) store_units(m_[0].gradients[i], count, b, g);
            squares = fma(g, g, squares);
        });
        m_[part].squares = double(sum_of<T>(squares));
    }

    Report report() const {
        Report total{0, 0};
        for (int s = 0; s < slices_; ++s) total.loss += m_[s].loss, total.norm += m_[s].squares;
        total.norm = sqrt(total.norm);
        return total;
    }

    // Gives a part of the weights their new values.
    void operator()(int part, ptrdiff_t done, double norm) const {
        const T scale = norm > l_.clip ? T(smaller(1.0, l_.clip / (norm + 1e-6))) : T(1);
        const Settings& settings = l_.settings[done * l_.settings_behind];
        const int64_t number = l_.updates + done + 1;
        l_.rule == Rule::sgd ? sgd(part, settings, number, scale) : adam(part, settings, number, scale);
    }

  private:
    // torch.optim.SGD with momentum, without dampening
    void sgd(int part, const Settings& by, int64_t number, T scale) const {
        const V decay = splat<V>(T(by.weight_decay)), momentum = splat<V>(T(by.beta1));
        const V rate = splat<V>(T(-by.learning_rate));
        change(part, scale, [&](const Parameter& p, V w, V g, ptrdiff_t b) {
            g = fma(decay, w, g);
            if (T* const velocity = static_cast<T*>(p.first)) {
                if (number > 1) g = fma(momentum, load_units(velocity, p.count, b), g);
                store_units(velocity, p.count, b, g);
            }
            return fma(rate, g, w);
        });
    }

    // Kingma and Ba 2015; with `adamw` Loshchilov and Hutter 2019: torch.optim.Adam and AdamW
    void adam(int part, const Settings& by, int64_t number, T scale) const {
        const bool decoupled = l_.rule == Rule::adamw;
        const V shrink = splat<V>(T(decoupled ? 1 - by.learning_rate * by.weight_decay : 1));
        const V decay = splat<V>(T(decoupled ? 0 : by.weight_decay));
        const V rate = splat<V>(T(by.learning_rate / (1 - pow(by.beta1, double(number)))));
        const V root = splat<V>(T(sqrt(1 - pow(by.beta2, double(number)))));
        const V beta2 = splat<V>(T(by.beta2)), epsilon = splat<V>(T(by.epsilon));
        const V rest1 = splat<V>(T(1 - by.beta1)), rest2 = splat<V>(T(1 - by.beta2));
        change(part, scale, [&](const Parameter& p, V w, V g, ptrdiff_t b) {
            T *const first = static_cast<T*>(p.first), *const second = static_cast<T*>(p.second);
            w *= shrink;
            g = fma(decay, w, g);
            V m = load_units(first, p.count, b), v = load_units(second, p.count, b);
            m = fma(rest1, g - m, m);
            v = fma(g * rest2, g, v * beta2);
            store_units(first, p.count, b, m);
            store_units(second, p.count, b, v);
            return w - rate * m / (throughtime::THROUGHTIME_ISA::sqrt(v) / root + epsilon);
        });
    }

    // value = f(parameter, value, scaled gradient, block) for each vector of a part
    template <class F>
    THROUGHTIME_INLINE void change(int part, T scale, F&& f) const {
        each(part, [&](int i, ptrdiff_t count, ptrdiff_t b) {
            T* const value = static_cast<T*>(l_.parameters[i].value);
            const V g = load_units(m_[0].gradients[i], count, b) * splat<V>(scale);
            store_units(value, count, b, f(l_.parameters[i], load_units(value, count, b), g, b));
        });
    }

    // f(parameter, its count, block) for each vector of a part
    template <class F>
    THROUGHTIME_INLINE void each(int part, F&& f) const {
        for (int i = 0; i < l_.parameter_count; ++i) {
            const ptrdiff_t count = l_.parameters[i].count;
            const Range blocks = Range::part(blocks_of<T>(count), part, slices_);
            for (ptrdiff_t b = blocks.first; b < blocks.last; ++b) f(i, count, b);
        }
    }

    const Learning& l_;
    SliceMemory<T>* const m_;
    const int slices_;
};

}  // namespace throughtime::THROUGHTIME_ISA
