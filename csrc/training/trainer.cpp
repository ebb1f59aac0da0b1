// The loop over updates. For small networks everything around the arithmetic would cost more than the arithmetic.
#include "engine/threads.hpp"
#include "training/optimizers.hpp"

namespace throughtime::THROUGHTIME_ISA {
namespace {

extern "C" double log(double);

template <class T>
THROUGHTIME_INLINE T dot(const T* x, const T* y, ptrdiff_t count) {
    Vec<T> sum{};
    for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b)
        sum = fma(load_units(x, count, b), load_units(y, count, b), sum);
    return horizontal_sum<T>(sum);
}

// A thread runs its slices of the batch from the input to the gradients, in memory of its own; threads meet only to sum
// the gradients.
int count_slices(const TrainingProblem& problem, ptrdiff_t steps) {
    double work = 0;
    for (int i = 0; i < problem.depth; ++i) {
        const Layer& layer = problem.layers[i];
        work += 2.0 * layer.kernel->gates * double(layer.hidden) * double(layer.hidden + layer.inputs);
    }
    if (work * double(problem.batch * steps) < 2e5) return 1;
    // Each slice packs the weights for itself, which costs as much as some rows.
    const ptrdiff_t worthwhile = problem.batch * steps / 32;
    return int(max_of(ptrdiff_t(1), min_of(worthwhile, min_of(ptrdiff_t(problem.threads), problem.batch))));
}

// The gradients of some rows of the batch.
template <class T>
class SliceUpdate {
    using V = Vec<T>;

  public:
    SliceUpdate(const TrainingProblem& problem, Range rows, int threads, SliceBuffers<T>& buffers)
        : problem_(problem), rows_(rows), threads_(threads), buffers_(buffers) {}

    void operator()(const TrainingBatch& batch, const Window& w) {
        batch_ = &batch;
        forward(w);
        buffers_.loss = output(w);
        backward(w);
    }

    // Stores the state to continue from, which the weights before the update have computed.
    void carry_state(const Window& w) const {
        if (w.carry == w.start) return;
        for (int i = 0; i < problem_.depth; ++i) {
            const Layer& layer = problem_.layers[i];
            const ptrdiff_t values = rows_.count() * layer.hidden, t = w.carry - w.start - 1;
            for (int j = 0; j < layer.kernel->states; ++j) {
                T* const to = state(i, j);
                if (w.carry == w.stop) {
                    copy(buffers_.final[i][j], values, to);
                } else if (j == 0) {
                    copy(buffers_.y[i] + t * values, values, to);
                } else {
                    const ptrdiff_t slices = ptrdiff_t(buffers_.reserve[i][0]), steps = w.stop - w.start;
                    for (ptrdiff_t s = 0; s < slices; ++s) {
                        const Range slice = Range::chunk(rows_.count(), s, slices);
                        for (ptrdiff_t n = slice.first; n < slice.last; ++n)
                            for (ptrdiff_t u = 0; u < layer.hidden; ++u)
                                to[n * layer.hidden + u] = buffers_.reserve[i][layer.kernel->reserved_state_at(
                                    t, steps, n, slice.first, slice.count(), layer.hidden, u, j)];
                    }
                }
            }
        }
    }

    void reset_state() const {
        for (int i = 0; i < problem_.depth; ++i)
            for (int j = 0; j < problem_.layers[i].kernel->states; ++j)
                fill(state(i, j), rows_.count() * problem_.layers[i].hidden, T(0));
    }

  private:
    T* state(int i, int j) const {
        return static_cast<T*>(problem_.layers[i].state[j]) + rows_.first * problem_.layers[i].hidden;
    }

    Problem layer_problem(int i, const Window& w) const {
        const Layer& layer = problem_.layers[i];
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
                .x = i ? Layout{inputs, layer.inputs, nullptr} : batch_->x_layout,
                .y = {outputs, layer.hidden, nullptr}};
    }

    const void* input(int i, const Window& w) const {
        return i ? buffers_.y[i - 1] : static_cast<const T*>(batch_->x) + batch_->x_layout.at(w.start, rows_.first);
    }

    void forward(const Window& w) const {
        for (int i = 0; i < problem_.depth; ++i) {
            ForwardArgs f{};
            f.problem = layer_problem(i, w);
            f.weights[0] = problem_.layers[i].weights;
            f.x = input(i, w);
            f.y = buffers_.y[i];
            f.reserve = buffers_.reserve[i];
            for (int j = 0; j < problem_.layers[i].kernel->states; ++j) {
                f.state_0[j] = state(i, j);
                f.state_n[j] = buffers_.final[i][j];
            }
            problem_.layers[i].kernel->forward(f);
        }
    }

    // The contribution of these rows to the loss; writes the gradients of the output layer and of its input.
    double output(const Window& w) const {
        const int top = problem_.depth - 1;
        const bool final_state = problem_.final_state;
        const ptrdiff_t hidden = problem_.layers[top].hidden, steps = final_state ? 1 : w.stop - w.loss;
        const ptrdiff_t rows = rows_.count(), skipped = final_state ? 0 : (w.loss - w.start) * rows * hidden;
        const T* h = (final_state ? buffers_.final[top][0] : buffers_.y[top]) + skipped;
        T* dh = final_state ? buffers_.dfinal : buffers_.dy[top];
        T* const dweight = buffers_.gradients[problem_.parameter_count - 2];
        T* const dbias = buffers_.gradients[problem_.parameter_count - 1];
        fill(dweight, problem_.outputs * hidden, T(0));
        if (dbias) fill(dbias, problem_.outputs, T(0));
        fill(dh, skipped, T(0));
        dh += skipped;
        const double row_weight = 1 / double(steps * problem_.batch);
        const ptrdiff_t first = final_state ? 0 : w.loss;
        double loss = 0;
        for (ptrdiff_t t = 0; t < steps; ++t) {
            const auto add_rows = [&]<int R>(ptrdiff_t n) {
                ptrdiff_t target[R];
                for (int r = 0; r < R; ++r) target[r] = batch_->target_layout.at(first + t, rows_.first + n + r);
                const ptrdiff_t at = (t * rows + n) * hidden;
                loss += output_rows<R>(h + at, hidden, target, row_weight, dh + at, dweight, dbias);
            };
            ptrdiff_t n = 0;
            for (; n + 4 <= rows; n += 4) add_rows.template operator()<4>(n);
            for (; n < rows; ++n) add_rows.template operator()<1>(n);
        }
        return problem_.objective == Objective::mse ? loss * row_weight / double(problem_.outputs) : loss * row_weight;
    }

    // The loss of R consecutive rows, not yet weighted; writes dh, and adds to dweight and dbias.
    template <int R>
    THROUGHTIME_INLINE double output_rows(const T* h, ptrdiff_t hidden, const ptrdiff_t (&target)[R], double row_weight,
                                          T* dh, T* dweight, T* dbias) const {
        const T* const weight = static_cast<const T*>(problem_.output_weight);
        const T* const bias = static_cast<const T*>(problem_.output_bias);
        const ptrdiff_t count = problem_.outputs;
        T* const z = buffers_.z;  // (R, O): outputs, then their gradients
        for (ptrdiff_t o = 0; o < count; ++o) {
            V sum[R]{};
            for (ptrdiff_t b = 0; b < blocks_of<T>(hidden); ++b) {
                const V w = load_units(weight + o * hidden, hidden, b);
                for (int r = 0; r < R; ++r) sum[r] = fma(load_units(h + r * hidden, hidden, b), w, sum[r]);
            }
            for (int r = 0; r < R; ++r) z[r * count + o] = horizontal_sum<T>(sum[r]) + (bias ? bias[o] : T(0));
        }
        double loss = 0;
        for (int r = 0; r < R; ++r)
            loss +=
                problem_.objective == Objective::mse
                    ? squared_error(z + r * count, static_cast<const T*>(batch_->target) + target[r], row_weight)
                    : cross_entropy(z + r * count, static_cast<const int64_t*>(batch_->target)[target[r]], row_weight);
        for (ptrdiff_t b = 0; b < blocks_of<T>(hidden); ++b) {
            V h_b[R], dh_b[R]{};
            for (int r = 0; r < R; ++r) h_b[r] = load_units(h + r * hidden, hidden, b);
            for (ptrdiff_t o = 0; o < count; ++o) {
                const V w = load_units(weight + o * hidden, hidden, b);
                V dw = load_units(dweight + o * hidden, hidden, b);
                for (int r = 0; r < R; ++r) {
                    const V dz = broadcast<V>(z[r * count + o]);
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

    // Both losses replace a row of outputs z by its gradient.
    THROUGHTIME_INLINE double squared_error(T* z, const T* target, double row_weight) const {
        const T factor = T(2 * row_weight / double(problem_.outputs));
        double loss = 0;
        for (ptrdiff_t o = 0; o < problem_.outputs; ++o) {
            const T error = z[o] - target[o];
            loss += double(error) * double(error);
            z[o] = factor * error;
        }
        return loss;
    }

    double cross_entropy(T* z, int64_t target, double row_weight) const {
        const ptrdiff_t count = problem_.outputs;
        T largest = z[0];
        for (ptrdiff_t o = 1; o < count; ++o) largest = max_of(largest, z[o]);
        const T target_logit = z[target] - largest;
        T sum = 0;
        for (ptrdiff_t b = 0; b < blocks_of<T>(count); ++b) {
            const ptrdiff_t here = min_of(units_in<T>(count, b), ptrdiff_t(lanes<T>));
            const V e = exp(load_units(z, count, b) - broadcast<V>(largest));
            store_units(z, count, b, e);
            for (ptrdiff_t i = 0; i < here; ++i) sum += e[i];
        }
        for (ptrdiff_t o = 0; o < count; ++o) z[o] *= T(row_weight / double(sum));
        z[target] -= T(row_weight);
        return log(double(sum)) - double(target_logit);
    }

    void backward(const Window& w) const {
        int parameter = weights_per_layer * problem_.depth;
        for (int i = problem_.depth - 1; i >= 0; --i) {
            const Layer& layer = problem_.layers[i];
            parameter -= weights_per_layer;
            BackwardArgs f{};
            f.problem = layer_problem(i, w);
            f.weights[0] = layer.weights;
            f.x = input(i, w);
            f.y = buffers_.y[i];
            f.reserve = buffers_.reserve[i];
            const bool final_only = problem_.final_state && i == problem_.depth - 1;
            f.dy = final_only ? nullptr : buffers_.dy[i];
            f.dy_layout = f.problem.y;
            f.dstate_n[0] = final_only ? buffers_.dfinal : nullptr;
            f.dx[0] = i ? buffers_.dy[i - 1] : nullptr;
            for (int j = 0; j < layer.kernel->states; ++j) f.state_0[j] = state(i, j);
            T* const* const g = buffers_.gradients + parameter;
            f.dweights[0] = {g[0], g[1], g[2], g[3], g[4]};
            layer.kernel->backward(f);
        }
    }

    static void copy(const T* from, ptrdiff_t count, T* to) { __builtin_memcpy(to, from, size_t(count) * sizeof(T)); }

    const TrainingProblem& problem_;
    const Range rows_;
    const int threads_;
    SliceBuffers<T>& buffers_;
    const TrainingBatch* batch_ = nullptr;
};

template <class T>
ptrdiff_t train(const TrainingProblem& problem) {
    ptrdiff_t steps = 0;
    for (ptrdiff_t i = 0; i < problem.window_count; ++i)
        steps = max_of(steps, ptrdiff_t(problem.windows[i].stop - problem.windows[i].start));
    const int slices = count_slices(problem, steps);
    const Array<SliceBuffers<T>> buffers(slices);
    const auto rows = [&](int s) { return Range::chunk(problem.batch, s, slices); };
    const auto layout = [&](Arena& arena) {
        for (int s = 0; s < slices; ++s) buffers[s].layout(arena, problem, steps, rows(s).count());
    };
    require_memory(Workspace::measure(layout), "training");
    const Workspace workspace(layout);
    const OptimizerStep<T> optimize(problem, buffers.data(), slices);
    const ptrdiff_t total = problem.batch_count * problem.window_count;
    ptrdiff_t updates = total;
    Barrier barrier;
    FirstException exception;
    parallel(slices, [&](int me, int all) {
        for (ptrdiff_t update = 0; update < total; ++update) {
            const ptrdiff_t window = update % problem.window_count;
            const Window& w = problem.windows[window];
            const TrainingBatch& batch = problem.batches[update / problem.window_count];
            try {
                for (int s = me; s < slices; s += all) {
                    SliceUpdate<T> slice(problem, rows(s), slices > 1 ? 1 : problem.threads, buffers[s]);
                    if (update > 0 && window == 0) slice.reset_state();
                    slice(batch, w);
                    slice.carry_state(w);
                }
            } catch (...) {  // out of memory; the other threads wait at the barrier
                exception.capture();
            }
            barrier.wait(all);
            if (exception.captured()) return;
            for (int s = me; s < slices; s += all) optimize.reduce_gradients(s);
            barrier.wait(all);
            const UpdateReport report = optimize.report();
            if (me == 0) problem.reports[update] = report;
            // x - x is 0 for finite numbers, else NaN.
            if (report.loss - report.loss != 0 || report.norm - report.norm != 0) {
                if (me == 0) updates = update;
                return;
            }
            for (int s = me; s < slices; s += all) optimize(s, update, report.norm);
            barrier.wait(all);
        }
    });
    exception.rethrow();
    return updates;
}

template <class T>
void output(const void* w, const void* b, const void* h, ptrdiff_t hidden, ptrdiff_t outputs, void* y) {
    for (ptrdiff_t o = 0; o < outputs; ++o)
        static_cast<T*>(y)[o] = dot(static_cast<const T*>(h), static_cast<const T*>(w) + o * hidden, hidden) +
                                (b ? static_cast<const T*>(b)[o] : T(0));
}

constexpr const char* isa = THROUGHTIME_STRING(THROUGHTIME_ISA);
constexpr Trainer trainer_float{isa, false, train<float>, output<float>},
    trainer_double{isa, true, train<double>, output<double>};
const Registration<Trainer> registered[] = {&trainer_float, &trainer_double};

}  // namespace
}  // namespace throughtime::THROUGHTIME_ISA
