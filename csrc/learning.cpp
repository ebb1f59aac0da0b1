// Updates of small networks, where everything around the arithmetic would cost more than the arithmetic.
#include "learning.hpp"

#include "cell.hpp"
#include "gemm.hpp"
#include "plan.hpp"

namespace throughtime::THROUGHTIME_ISA {
namespace {

extern "C" double log(double);
extern "C" double pow(double, double);
extern "C" double sqrt(double);

// The sum of all lanes, halves first.
template <class T, int stride = lanes<T> / 2>
THROUGHTIME_INLINE T sum_of(Vec<T> v) {
    if constexpr (stride == 0) {
        return v[0];
    } else {
        Vec<T> other = v;
        ShuffleSequence<Vec<T>, lanes<T>>::template exchange<stride>(v, other);
        return sum_of<T, stride / 2>(v + other);
    }
}

// y += x for `count` elements.
template <class T>
void add(const T* x, T* y, ptrdiff_t count) {
    for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b)
        store_units(y, count, b, load_units(x, count, b) + load_units(y, count, b));
}

template <class T>
THROUGHTIME_INLINE T dot(const T* x, const T* y, ptrdiff_t count) {
    Vec<T> sum{};
    for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b)
        sum = fma(load_units(x, count, b), load_units(y, count, b), sum);
    return sum_of<T>(sum);
}

template <class T>
struct LearningMemory {
    T *y[max_layers], *kept[max_layers], *dy[max_layers];  // (T, N, H); as each kernel keeps; (T, N, H)
    T* final[max_layers][max_states];                      // (N, H)
    T* dfinal;                                             // (N, H) of the last layer
    T* z;                                                  // [thread](O)
    T* shares;                                             // [thread after the first](O, H) and (O): output's gradient
    double* losses;                                        // [thread]
    T* gradients;                                          // of all parameters, one after the other

    void layout(Pieces& pieces, const Learning& l, ptrdiff_t steps) {
        for (int i = 0; i < l.depth; ++i) {
            const Layer& layer = l.layers[i];
            const ptrdiff_t values = steps * l.batch * layer.hidden;
            y[i] = pieces.take<T>(values);
            dy[i] = pieces.take<T>(values);
            kept[i] = pieces.take<T>(layer.kernel->kept_scalars(steps * l.batch, layer.hidden, 1));
            for (int j = 0; j < layer.kernel->states; ++j) final[i][j] = pieces.take<T>(l.batch * layer.hidden);
        }
        dfinal = pieces.take<T>(l.batch * l.layers[l.depth - 1].hidden);
        z = pieces.take<T>(l.threads * l.outputs);
        shares = pieces.take<T>((l.threads - 1) * share_scalars(l));
        losses = pieces.take<double>(l.threads);
        ptrdiff_t count = 0;
        for (int i = 0; i < l.parameter_count; ++i) count += l.parameters[i].count;
        gradients = pieces.take<T>(count);
    }
    static ptrdiff_t share_scalars(const Learning& l) { return l.outputs * (l.layers[l.depth - 1].hidden + 1); }
};

template <class T>
class LearningRun {
    using V = Vec<T>;

  public:
    LearningRun(const Learning& call, const LearningMemory<T>& memory) : l_(call), m_(memory) {
        ptrdiff_t at = 0;
        for (int i = 0; i < l_.parameter_count; ++i) {
            gradients_[i] = l_.parameters[i].value ? m_.gradients + at : nullptr;
            at += l_.parameters[i].count;
        }
    }

    ptrdiff_t operator()() {
        ptrdiff_t done = 0;
        for (ptrdiff_t b = 0; b < l_.source_count; ++b) {
            source_ = l_.sources + b;
            if (b > 0) forget();
            for (ptrdiff_t i = 0; i < l_.window_count; ++i, ++done) {
                const Window& w = l_.windows[i];
                Report& report = l_.reports[done];
                settings_ = l_.settings + done * l_.settings_behind;
                forward(w);
                report.loss = output(w);
                backward(w);
                report.norm = norm();
                // Finite numbers differ from themselves by zero, others by no number.
                if (report.loss - report.loss != 0 || report.norm - report.norm != 0) return done;
                update(l_.updates + done + 1, report.norm);
                carry(w);
            }
        }
        return done;
    }

  private:
    Problem problem(int i, const Window& w) const {
        const Layer& layer = l_.layers[i];
        const ptrdiff_t inputs = l_.batch * layer.inputs, outputs = l_.batch * layer.hidden;
        return {.steps = w.stop - w.start,
                .batch = l_.batch,
                .inputs = layer.inputs,
                .hidden = layer.hidden,
                .directions = 1,
                .reverse = false,
                .threads = l_.threads,
                .lengths = nullptr,
                .order = nullptr,
                .x = i ? Layout{inputs, layer.inputs, nullptr} : source_->x_layout,
                .y = {outputs, layer.hidden, nullptr}};
    }

    const void* input(int i, const Window& w) const {
        return i ? m_.y[i - 1] : static_cast<const T*>(source_->x) + source_->x_layout.at(w.start, 0);
    }

    void forward(const Window& w) const {
        for (int i = 0; i < l_.depth; ++i) {
            Forward f{};
            f.problem = problem(i, w);
            f.weights[0] = l_.layers[i].weights;
            f.x = input(i, w);
            f.y = m_.y[i];
            f.kept = m_.kept[i];
            for (int j = 0; j < l_.layers[i].kernel->states; ++j) {
                f.state_0[j] = l_.layers[i].state[j];
                f.state_n[j] = m_.final[i][j];
            }
            l_.layers[i].kernel->forward(f);
        }
    }

    // The loss, and the gradients of the output layer and of what it read. Rows are shared out as the kernels do it.
    double output(const Window& w) const {
        const int top = l_.depth - 1;
        const ptrdiff_t hidden = l_.layers[top].hidden, steps = l_.final_state ? 1 : w.stop - w.loss;
        const ptrdiff_t skipped = (w.loss - w.start) * l_.batch, scalars = m_.share_scalars(l_);
        const bool wide = steps * l_.batch * hidden * l_.outputs > 20000;
        int members = 1;
        parallel(wide ? int(smaller(ptrdiff_t(l_.threads), l_.batch)) : 1, [&](int me, int all) {
            if (me == 0) members = all;
            T* const dweight = me ? m_.shares + (me - 1) * scalars : gradients_[l_.parameter_count - 2];
            T* const dbias = me ? dweight + l_.outputs * hidden : gradients_[l_.parameter_count - 1];
            fill(dweight, l_.outputs * hidden, T(0));
            if (dbias) fill(dbias, l_.outputs, T(0));
            const Range mine = Range::part(l_.batch, me, all);
            if (!l_.final_state)
                for (ptrdiff_t t = w.start; t < w.loss; ++t)
                    fill(m_.dy[top] + ((t - w.start) * l_.batch + mine.first) * hidden, mine.count() * hidden, T(0));
            double loss = 0;
            for (ptrdiff_t t = 0; t < steps; ++t)
                for (ptrdiff_t n = mine.first; n < mine.last; ++n) {
                    const ptrdiff_t row = (l_.final_state ? n : skipped + t * l_.batch + n) * hidden;
                    const ptrdiff_t target = source_->target_layout.at(l_.final_state ? 0 : w.loss + t, n);
                    loss += one_output((l_.final_state ? m_.final[top][0] : m_.y[top]) + row, hidden, target,
                                       double(steps * l_.batch), m_.z + me * l_.outputs,
                                       (l_.final_state ? m_.dfinal : m_.dy[top]) + row, dweight, dbias);
                }
            m_.losses[me] = loss;
        });
        double loss = m_.losses[0];
        for (int me = 1; me < members; ++me) {
            const T* const share = m_.shares + (me - 1) * scalars;
            add(share, gradients_[l_.parameter_count - 2], l_.outputs * hidden);
            if (gradients_[l_.parameter_count - 1])
                add(share + l_.outputs * hidden, gradients_[l_.parameter_count - 1], l_.outputs);
            loss += m_.losses[me];
        }
        return loss;
    }

    // One row's share in the mean loss over so many rows; writes dh and adds to dweight and dbias.
    double one_output(const T* h, ptrdiff_t hidden, ptrdiff_t target, double rows, T* z, T* dh, T* dweight,
                      T* dbias) const {
        const T* const weight = static_cast<const T*>(l_.output_weight);
        const T* const bias = static_cast<const T*>(l_.output_bias);
        for (ptrdiff_t o = 0; o < l_.outputs; ++o) z[o] = dot(h, weight + o * hidden, hidden) + (bias ? bias[o] : T(0));
        const double loss = l_.objective == Objective::mse
                                ? squares(z, static_cast<const T*>(source_->target) + target, rows)
                                : entropy(z, static_cast<const int64_t*>(source_->target)[target], rows);
        for (ptrdiff_t b = 0; b < blocks_of<T>(hidden); ++b) {
            const V h_b = load_units(h, hidden, b);
            V dh_b{};
            for (ptrdiff_t o = 0; o < l_.outputs; ++o) {
                T* const to = dweight + o * hidden;
                dh_b = fma(splat<V>(z[o]), load_units(weight + o * hidden, hidden, b), dh_b);
                store_units(to, hidden, b, fma(splat<V>(z[o]), h_b, load_units(to, hidden, b)));
            }
            store_units(dh, hidden, b, dh_b);
        }
        if (dbias)
            for (ptrdiff_t o = 0; o < l_.outputs; ++o) dbias[o] += z[o];
        return loss;
    }

    // The share of a row's outputs z in the mean loss; what stands in z becomes its gradient.
    double squares(T* z, const T* target, double rows) const {
        const double count = rows * double(l_.outputs);
        double loss = 0;
        for (ptrdiff_t o = 0; o < l_.outputs; ++o) {
            const T error = z[o] - target[o];
            loss += double(error) * double(error);
            z[o] = T(2 / count) * error;
        }
        return loss / count;
    }

    double entropy(T* z, int64_t target, double rows) const {
        T largest = z[0];
        for (ptrdiff_t o = 1; o < l_.outputs; ++o) largest = larger(largest, z[o]);
        const T right = z[target] - largest;
        T sum = 0;
        for (ptrdiff_t b = 0; b < blocks_of<T>(l_.outputs); ++b) {
            const ptrdiff_t here = smaller(units_in<T>(l_.outputs, b), ptrdiff_t(lanes<T>));
            const V e = exp(load_units(z, l_.outputs, b) - splat<V>(largest));
            store_units(z, l_.outputs, b, e);
            for (ptrdiff_t i = 0; i < here; ++i) sum += e[i];
        }
        for (ptrdiff_t o = 0; o < l_.outputs; ++o) z[o] *= T(1 / (double(sum) * rows));
        z[target] -= T(1 / rows);
        return (log(double(sum)) - double(right)) / rows;
    }

    void backward(const Window& w) const {
        int parameter = 5 * l_.depth;
        for (int i = l_.depth - 1; i >= 0; --i) {
            const Layer& layer = l_.layers[i];
            parameter -= 5;
            Backward f{};
            f.problem = problem(i, w);
            f.weights[0] = layer.weights;
            f.x = input(i, w);
            f.y = m_.y[i];
            f.kept = m_.kept[i];
            const bool final_only = l_.final_state && i == l_.depth - 1;
            f.dy = final_only ? nullptr : m_.dy[i];
            f.dy_layout = f.problem.y;
            f.dstate_n[0] = final_only ? m_.dfinal : nullptr;
            f.dx[0] = i ? m_.dy[i - 1] : nullptr;
            for (int j = 0; j < layer.kernel->states; ++j) f.state_0[j] = layer.state[j];
            T* const* const g = gradients_ + parameter;
            f.dweights[0] = {g[0], g[1], g[2], g[3], g[4]};
            layer.kernel->backward(f);
        }
    }

    double norm() const {
        double total = 0;
        for (int i = 0; i < l_.parameter_count; ++i)
            if (gradients_[i]) total += double(dot(gradients_[i], gradients_[i], l_.parameters[i].count));
        return sqrt(total);
    }

    void update(int64_t step, double norm) const {
        const T scale = norm > l_.clip ? T(smaller(1.0, l_.clip / (norm + 1e-6))) : T(1);
        for (int i = 0; i < l_.parameter_count; ++i)
            if (gradients_[i]) l_.rule == Rule::sgd ? sgd(i, step, scale) : adam(i, step, scale);
    }

    // torch.optim.SGD with momentum, without dampening
    void sgd(int i, int64_t step, T scale) const {
        const Parameter& p = l_.parameters[i];
        T* const velocity = static_cast<T*>(p.first);
        each(i, scale, [&](V w, V g, ptrdiff_t b) {
            g = fma(splat<V>(T(settings_->weight_decay)), w, g);
            if (velocity) {
                if (step > 1) g = fma(splat<V>(T(settings_->beta1)), load_units(velocity, p.count, b), g);
                store_units(velocity, p.count, b, g);
            }
            return fma(splat<V>(T(-settings_->learning_rate)), g, w);
        });
    }

    // Kingma and Ba 2015; with `adamw` Loshchilov and Hutter 2019: torch.optim.Adam and AdamW
    void adam(int i, int64_t step, T scale) const {
        const Parameter& p = l_.parameters[i];
        T *const first = static_cast<T*>(p.first), *const second = static_cast<T*>(p.second);
        const bool decoupled = l_.rule == Rule::adamw;
        const T shrink = T(decoupled ? 1 - settings_->learning_rate * settings_->weight_decay : 1);
        const T decay = T(decoupled ? 0 : settings_->weight_decay);
        const T rate = T(settings_->learning_rate / (1 - pow(settings_->beta1, double(step))));
        const T root = T(sqrt(1 - pow(settings_->beta2, double(step))));
        each(i, scale, [&](V w, V g, ptrdiff_t b) {
            w *= shrink;
            g = fma(splat<V>(decay), w, g);
            V m = load_units(first, p.count, b), v = load_units(second, p.count, b);
            m = fma(splat<V>(T(1 - settings_->beta1)), g - m, m);
            v = fma(g * splat<V>(T(1 - settings_->beta2)), g, v * splat<V>(T(settings_->beta2)));
            store_units(first, p.count, b, m);
            store_units(second, p.count, b, v);
            return w - splat<V>(rate) * m /
                           (throughtime::THROUGHTIME_ISA::sqrt(v) / root + splat<V>(T(settings_->epsilon)));
        });
    }

    // value = f(value, scaled gradient, block) for each vector of a parameter
    template <class F>
    THROUGHTIME_INLINE void each(int i, T scale, F&& f) const {
        const ptrdiff_t count = l_.parameters[i].count;
        T* const value = static_cast<T*>(l_.parameters[i].value);
        for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b)
            store_units(value, count, b,
                        f(load_units(value, count, b), load_units(gradients_[i], count, b) * splat<V>(scale), b));
    }

    // The state to go on from, of the weights before the update.
    void carry(const Window& w) const {
        for (int i = 0; i < l_.depth; ++i) {
            const Layer& layer = l_.layers[i];
            const ptrdiff_t values = l_.batch * layer.hidden, t = w.carry - w.start - 1;
            for (int j = 0; j < layer.kernel->states; ++j) {
                T* const to = static_cast<T*>(layer.state[j]);
                if (w.carry == w.stop) {
                    copy(m_.final[i][j], values, to);
                } else if (j == 0) {
                    copy(m_.y[i] + t * values, values, to);
                } else {
                    for (ptrdiff_t n = 0; n < l_.batch; ++n)
                        for (ptrdiff_t u = 0; u < layer.hidden; ++u)
                            to[n * layer.hidden + u] =
                                m_.kept[i][layer.kernel->kept_state_at(t, n, l_.batch, layer.hidden, u, j)];
                }
            }
        }
    }

    // A batch begins with a state of zero.
    void forget() const {
        for (int i = 0; i < l_.depth; ++i)
            for (int j = 0; j < l_.layers[i].kernel->states; ++j)
                fill(static_cast<T*>(l_.layers[i].state[j]), l_.batch * l_.layers[i].hidden, T(0));
    }

    static void copy(const T* from, ptrdiff_t count, T* to) { __builtin_memcpy(to, from, size_t(count) * sizeof(T)); }

    const Learning& l_;
    const LearningMemory<T>& m_;
    T* gradients_[max_parameters];
    const Source* source_ = nullptr;      // at work
    const Settings* settings_ = nullptr;  // of the update at work
};

template <class T>
ptrdiff_t learn(const Learning& l) {
    ptrdiff_t steps = 0;
    for (ptrdiff_t i = 0; i < l.window_count; ++i)
        steps = larger(steps, ptrdiff_t(l.windows[i].stop - l.windows[i].start));
    LearningMemory<T> memory;
    const Scratch scratch([&](Pieces& pieces) { memory.layout(pieces, l, steps); });
    return LearningRun<T>(l, memory)();
}

template <class T>
void output(const void* w, const void* b, const void* h, ptrdiff_t hidden, ptrdiff_t outputs, void* y) {
    for (ptrdiff_t o = 0; o < outputs; ++o)
        static_cast<T*>(y)[o] = dot(static_cast<const T*>(h), static_cast<const T*>(w) + o * hidden, hidden) +
                                (b ? static_cast<const T*>(b)[o] : T(0));
}

constexpr const char* isa = THROUGHTIME_STRING(THROUGHTIME_ISA);
constexpr Learner learner_float{isa, false, learn<float>, output<float>},
    learner_double{isa, true, learn<double>, output<double>};
const RegisterOf<Learner> registered[] = {&learner_float, &learner_double};

}  // namespace
}  // namespace throughtime::THROUGHTIME_ISA
