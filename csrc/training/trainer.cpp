// Updates of small networks, where everything around the arithmetic would cost more than the arithmetic.
#include "training/optimizers.hpp"

namespace throughtime::THROUGHTIME_ISA {
namespace {

extern "C" double log(double);

template <class T>
THROUGHTIME_INLINE T dot(const T* x, const T* y, ptrdiff_t count) {
    Vec<T> sum{};
    for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b)
        sum = fma(load_units(x, count, b), load_units(y, count, b), sum);
    return sum_of<T>(sum);
}

// How many slices of the batch there are, each of which a thread runs from the input to the gradients. Its memory is
// then nobody else's, and threads meet only where gradients are added up.
int slices_of(const Learning& l, ptrdiff_t steps) {
    double work = 0;
    for (int i = 0; i < l.depth; ++i) {
        const Layer& layer = l.layers[i];
        work += 2.0 * layer.kernel->gates * double(layer.hidden) * double(layer.hidden + layer.inputs);
    }
    if (work * double(l.batch * steps) < 2e5) return 1;
    // Each slice packs the weights for itself, which takes as long as some rows.
    const ptrdiff_t worth = l.batch * steps / 32;
    return int(larger(ptrdiff_t(1), smaller(worth, smaller(ptrdiff_t(l.threads), l.batch))));
}

// The gradients of some rows of the batch.
template <class T>
class SliceRun {
    using V = Vec<T>;

  public:
    SliceRun(const Learning& call, Range rows, int threads, SliceMemory<T>& memory)
        : l_(call), rows_(rows), threads_(threads), m_(memory) {}

    void operator()(const Source& source, const Window& w) {
        source_ = &source;
        forward(w);
        m_.loss = output(w);
        backward(w);
    }

    // The state to go on from, of the weights before the update.
    void carry(const Window& w) const {
        if (w.carry == w.start) return;
        for (int i = 0; i < l_.depth; ++i) {
            const Layer& layer = l_.layers[i];
            const ptrdiff_t values = rows_.count() * layer.hidden, t = w.carry - w.start - 1;
            for (int j = 0; j < layer.kernel->states; ++j) {
                T* const to = state(i, j);
                if (w.carry == w.stop) {
                    copy(m_.final[i][j], values, to);
                } else if (j == 0) {
                    copy(m_.y[i] + t * values, values, to);
                } else {
                    const ptrdiff_t slices = ptrdiff_t(m_.kept[i][0]), steps = w.stop - w.start;
                    for (ptrdiff_t s = 0; s < slices; ++s) {
                        const Range slice = Range::part(rows_.count(), s, slices);
                        for (ptrdiff_t n = slice.first; n < slice.last; ++n)
                            for (ptrdiff_t u = 0; u < layer.hidden; ++u)
                                to[n * layer.hidden + u] = m_.kept[i][layer.kernel->kept_state_at(
                                    t, steps, n, slice.first, slice.count(), layer.hidden, u, j)];
                    }
                }
            }
        }
    }

    // A batch begins with a state of zero.
    void forget() const {
        for (int i = 0; i < l_.depth; ++i)
            for (int j = 0; j < l_.layers[i].kernel->states; ++j)
                fill(state(i, j), rows_.count() * l_.layers[i].hidden, T(0));
    }

  private:
    T* state(int i, int j) const { return static_cast<T*>(l_.layers[i].state[j]) + rows_.first * l_.layers[i].hidden; }

    Problem problem(int i, const Window& w) const {
        const Layer& layer = l_.layers[i];
        const ptrdiff_t inputs = rows_.count() * layer.inputs, outputs = rows_.count() * layer.hidden;
        return {.steps = w.stop - w.start,
                .batch = rows_.count(),
                .inputs = layer.inputs,
                .hidden = layer.hidden,
                .directions = 1,
                .reverse = false,
                .threads = threads_,
                .lengths = nullptr,
                .order = nullptr,
                .x = i ? Layout{inputs, layer.inputs, nullptr} : source_->x_layout,
                .y = {outputs, layer.hidden, nullptr}};
    }

    const void* input(int i, const Window& w) const {
        return i ? m_.y[i - 1] : static_cast<const T*>(source_->x) + source_->x_layout.at(w.start, rows_.first);
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
                f.state_0[j] = state(i, j);
                f.state_n[j] = m_.final[i][j];
            }
            l_.layers[i].kernel->forward(f);
        }
    }

    // The share of these rows in the loss, and the gradients of the output layer and of what it read.
    double output(const Window& w) const {
        const int top = l_.depth - 1;
        const ptrdiff_t hidden = l_.layers[top].hidden, steps = l_.final_state ? 1 : w.stop - w.loss;
        const ptrdiff_t rows = rows_.count(), skipped = l_.final_state ? 0 : (w.loss - w.start) * rows * hidden;
        const T* h = (l_.final_state ? m_.final[top][0] : m_.y[top]) + skipped;
        T* dh = l_.final_state ? m_.dfinal : m_.dy[top];
        T* const dweight = m_.gradients[l_.parameter_count - 2];
        T* const dbias = m_.gradients[l_.parameter_count - 1];
        fill(dweight, l_.outputs * hidden, T(0));
        if (dbias) fill(dbias, l_.outputs, T(0));
        fill(dh, skipped, T(0));
        dh += skipped;
        const double each = 1 / double(steps * l_.batch);
        const ptrdiff_t first = l_.final_state ? 0 : w.loss;
        double loss = 0;
        for (ptrdiff_t t = 0; t < steps; ++t) {
            const auto some = [&]<int R>(ptrdiff_t n) {
                ptrdiff_t target[R];
                for (int r = 0; r < R; ++r) target[r] = source_->target_layout.at(first + t, rows_.first + n + r);
                const ptrdiff_t at = (t * rows + n) * hidden;
                loss += outputs<R>(h + at, hidden, target, each, dh + at, dweight, dbias);
            };
            ptrdiff_t n = 0;
            for (; n + 4 <= rows; n += 4) some.template operator()<4>(n);
            for (; n < rows; ++n) some.template operator()<1>(n);
        }
        return l_.objective == Objective::mse ? loss * each / double(l_.outputs) : loss * each;
    }

    // The loss of R rows that follow each other; writes dh and adds to dweight and dbias, each row weighing `each`.
    template <int R>
    THROUGHTIME_INLINE double outputs(const T* h, ptrdiff_t hidden, const ptrdiff_t (&target)[R], double each, T* dh,
                                      T* dweight, T* dbias) const {
        const T *const weight = static_cast<const T*>(l_.output_weight), *bias = static_cast<const T*>(l_.output_bias);
        const ptrdiff_t count = l_.outputs;
        T* const z = m_.z;  // (R, O)
        for (ptrdiff_t o = 0; o < count; ++o) {
            V sum[R]{};
            for (ptrdiff_t b = 0; b < blocks_of<T>(hidden); ++b) {
                const V w = load_units(weight + o * hidden, hidden, b);
                for (int r = 0; r < R; ++r) sum[r] = fma(load_units(h + r * hidden, hidden, b), w, sum[r]);
            }
            for (int r = 0; r < R; ++r) z[r * count + o] = sum_of<T>(sum[r]) + (bias ? bias[o] : T(0));
        }
        double loss = 0;
        for (int r = 0; r < R; ++r)
            loss += l_.objective == Objective::mse
                        ? squares(z + r * count, static_cast<const T*>(source_->target) + target[r], each)
                        : entropy(z + r * count, static_cast<const int64_t*>(source_->target)[target[r]], each);
        for (ptrdiff_t b = 0; b < blocks_of<T>(hidden); ++b) {
            V h_b[R], dh_b[R]{};
            for (int r = 0; r < R; ++r) h_b[r] = load_units(h + r * hidden, hidden, b);
            for (ptrdiff_t o = 0; o < count; ++o) {
                const V w = load_units(weight + o * hidden, hidden, b);
                V dw = load_units(dweight + o * hidden, hidden, b);
                for (int r = 0; r < R; ++r) {
                    const V dz = splat<V>(z[r * count + o]);
                    dh_b[r] = fma(dz, w, dh_b[r]);
                    dw = fma(dz, h_b[r], dw);
                }
                store_units(dweight + o * hidden, hidden, b, dw);
            }
            for (int r = 0; r < R; ++r) store_units(dh + r * hidden, hidden, b, dh_b[r]);
        }
        if (dbias)
            for (int r = 0; r < R; ++r)
                for (ptrdiff_t o = 0; o < count; ++o) dbias[o] += z[r * count + o];
        return loss;
    }

    // The squared errors of a row's outputs z; what stands in z becomes its gradient.
    THROUGHTIME_INLINE double squares(T* z, const T* target, double each) const {
        const T factor = T(2 * each / double(l_.outputs));
        double loss = 0;
        for (ptrdiff_t o = 0; o < l_.outputs; ++o) {
            const T error = z[o] - target[o];
            loss += double(error) * double(error);
            z[o] = factor * error;
        }
        return loss;
    }

    double entropy(T* z, int64_t target, double each) const {
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
        for (ptrdiff_t o = 0; o < l_.outputs; ++o) z[o] *= T(each / double(sum));
        z[target] -= T(each);
        return log(double(sum)) - double(right);
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
            for (int j = 0; j < layer.kernel->states; ++j) f.state_0[j] = state(i, j);
            T* const* const g = m_.gradients + parameter;
            f.dweights[0] = {g[0], g[1], g[2], g[3], g[4]};
            layer.kernel->backward(f);
        }
    }

    static void copy(const T* from, ptrdiff_t count, T* to) { __builtin_memcpy(to, from, size_t(count) * sizeof(T)); }

    const Learning& l_;
    const Range rows_;
    const int threads_;
    SliceMemory<T>& m_;
    const Source* source_ = nullptr;  // at work
};

template <class T>
ptrdiff_t learn(const Learning& l) {
    ptrdiff_t steps = 0;
    for (ptrdiff_t i = 0; i < l.window_count; ++i)
        steps = larger(steps, ptrdiff_t(l.windows[i].stop - l.windows[i].start));
    const int slices = slices_of(l, steps);
    const Array<SliceMemory<T>> memory(slices);
    const auto rows = [&](int s) { return Range::part(l.batch, s, slices); };
    const auto layout = [&](Pieces& pieces) {
        for (int s = 0; s < slices; ++s) memory[s].layout(pieces, l, steps, rows(s).count());
    };
    require_memory(Scratch::measure(layout), "training");
    const Scratch scratch(layout);
    const Step<T> step(l, memory.data(), slices);
    const ptrdiff_t wanted = l.source_count * l.window_count;
    ptrdiff_t made = wanted;
    Barrier barrier;
    Failure failure;
    parallel(slices, [&](int me, int all) {
        for (ptrdiff_t done = 0; done < wanted; ++done) {
            const Window& w = l.windows[done % l.window_count];
            const Source& source = l.sources[done / l.window_count];
            try {
                for (int s = me; s < slices; s += all) {
                    SliceRun<T> run(l, rows(s), slices > 1 ? 1 : l.threads, memory[s]);
                    if (done > 0 && done % l.window_count == 0) run.forget();
                    run(source, w);
                    run.carry(w);
                }
            } catch (...) {  // no memory; the others wait at the barrier
                failure.keep();
            }
            barrier.wait(all);
            if (failure.happened()) return;
            for (int s = me; s < slices; s += all) step.add_up(s);
            barrier.wait(all);
            const Report report = step.report();
            if (me == 0) l.reports[done] = report;
            // Finite numbers differ from themselves by zero, others by no number.
            if (report.loss - report.loss != 0 || report.norm - report.norm != 0) {
                if (me == 0) made = done;
                return;
            }
            for (int s = me; s < slices; s += all) step(s, done, report.norm);
            barrier.wait(all);
        }
    });
    failure.rethrow();
    return made;
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
