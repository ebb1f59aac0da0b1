// Runs every kernel that this processor can run, forward and backward, on problems of every kind; `make sanitize`
// builds it with sanitizers, `make clang` with another compiler, `make neon` for another processor. Buffers have
// exactly the documented sizes, so that an access out of bounds is detected. Outputs must not depend on the number of
// threads: they are compared bit for bit. With the name of an instruction set as argument it prints a line of sums for
// each problem, for comparison with another build.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/instruction_sets.hpp"
#include "engine/kernel.hpp"

using namespace throughtime;

namespace {

struct Sizes {
    ptrdiff_t steps, batch, inputs, hidden;
};

enum class Kind { full, reverse, bidirectional, padded, packed };

// The upper half of a float.
struct BFloat16 {
    uint16_t bits;

    BFloat16() = default;
    explicit BFloat16(float value) {
        uint32_t all;
        std::memcpy(&all, &value, sizeof all);
        bits = uint16_t(all >> 16);
    }
};

bool runs_here(const Kernel& kernel) {
    if (kernel.bits == 16) return has_bfloat16();
    const std::vector<std::string> available = instruction_sets();
    return std::find(available.begin(), available.end(), kernel.isa) != available.end();
}

// The tensors of a call.
template <class T>
class Run {
  public:
    Run(const Kernel& kernel, const Sizes& sizes, Kind kind, int threads)
        : kernel_(kernel),
          sizes_(sizes),
          kind_(kind),
          directions_(kind == Kind::full || kind == Kind::reverse ? 1 : 2) {
        fill_lengths(kind);
        const ptrdiff_t width = directions_ * sizes.hidden;
        const bool packed = kind == Kind::packed;
        problem_ = {.steps = sizes.steps,
                    .batch = sizes.batch,
                    .inputs = sizes.inputs,
                    .hidden = sizes.hidden,
                    .directions = directions_,
                    .reverse = kind == Kind::reverse,
                    .threads = threads,
                    .lengths = lengths_.empty() ? nullptr : lengths_.data(),
                    .order = nullptr,
                    .x = {sizes.batch * sizes.inputs, sizes.inputs, packed ? offsets_.data() : nullptr},
                    .y = {sizes.batch * width, width, packed ? offsets_.data() : nullptr}};
        rows_ = packed ? offsets_.back() : sizes.steps * sizes.batch;
        x_ = draw(rows_ * sizes.inputs);
        dy_ = draw(rows_ * width);
        y_.resize(size_t(rows_ * width));
        reserve_.resize(size_t(kernel.reserve_size(rows_, sizes.hidden, directions_)));
    }

    void forward() {
        ForwardArgs f{};
        f.problem = problem_;
        f.x = x_.data();
        f.y = y_.data();
        f.reserve = kernel_.backward ? reserve_.data() : nullptr;
        for (int s = 0; s < kernel_.states; ++s) {
            f.state_0[s] = (state_0_[s] = draw(state_size())).data();
            state_n_[s].resize(size_t(state_size()));
            f.state_n[s] = state_n_[s].data();
        }
        for (int d = 0; d < directions_; ++d) f.weights[d] = make_weights(weights_[d]);
        kernel_.forward(f);
    }

    void backward() {
        BackwardArgs f{};
        f.problem = problem_;
        f.x = x_.data();
        f.y = y_.data();
        f.reserve = reserve_.data();
        f.dy = dy_.data();
        f.dy_layout = problem_.y;
        f.clip = {.limit = kind_ == Kind::reverse ? 0.5 : 0, .norm = sizes_.hidden > 8};
        for (int s = 0; s < kernel_.states; ++s) {
            f.state_0[s] = state_0_[s].data();
            f.dstate_n[s] = state_n_[s].data();
            dstate_0_[s].resize(size_t(state_size()));
            f.dstate_0[s] = dstate_0_[s].data();
        }
        for (int d = 0; d < directions_; ++d) {
            f.weights[d] = pointers_to(weights_[d]);
            dx_[d].resize(x_.size());
            f.dx[d] = dx_[d].data();
            f.dweights[d] = make_gradients(dweights_[d]);
        }
        kernel_.backward(f);
    }

    // Weighted sums of the outputs and of all gradients.
    void print_sums() const {
        double outputs = weighted(y_), gradients = 0;
        for (int s = 0; s < kernel_.states; ++s) {
            outputs += weighted(state_n_[s]);
            gradients += weighted(dstate_0_[s]);
        }
        for (int d = 0; d < directions_; ++d) {
            gradients += weighted(dx_[d]);
            for (const Vector& dweight : dweights_[d]) gradients += weighted(dweight);
        }
        std::printf("%s %s %d: T %td, N %td, I %td, H %td, kind %d: %.9g %.9g\n", kernel_.cell, kernel_.activation,
                    kernel_.bits, sizes_.steps, sizes_.batch, sizes_.inputs, sizes_.hidden, int(kind_), outputs,
                    gradients);
    }

    bool same_outputs(const Run& other) const {
        bool same = equal(y_, other.y_);
        for (int s = 0; s < kernel_.states; ++s) same = same && equal(state_n_[s], other.state_n_[s]);
        return same;
    }

  private:
    using Vector = std::vector<T>;
    enum { w_ih, w_hh, b_ih, b_hh, diagonal, parameters };

    static double weighted(const Vector& values) {
        double sum = 0;
        if constexpr (std::is_floating_point_v<T>)
            for (size_t i = 0; i < values.size(); ++i) sum += double(values[i]) * std::cos(double(i));
        return sum;
    }

    static bool equal(const Vector& a, const Vector& b) {
        return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
    }

    ptrdiff_t state_size() const { return directions_ * sizes_.batch * sizes_.hidden; }

    ptrdiff_t parameter_size(int parameter) const {
        const ptrdiff_t rows = kernel_.gates * sizes_.hidden;
        const ptrdiff_t size[parameters] = {rows * sizes_.inputs, rows * sizes_.hidden, rows, rows,
                                            kernel_.diagonals * sizes_.hidden};
        return size[parameter];
    }

    Vector draw(ptrdiff_t size) {
        std::uniform_real_distribution<float> between(-0.4f, 0.4f);
        Vector values(static_cast<size_t>(size));
        for (T& value : values) value = T(between(random_));
        return values;
    }

    Weights make_weights(Vector* to) {
        for (int p = 0; p < parameters; ++p) to[p] = draw(parameter_size(p));
        return pointers_to(to);
    }

    Weights pointers_to(const Vector* from) const {
        return {from[w_ih].data(), from[w_hh].data(), from[b_ih].data(), from[b_hh].data(),
                kernel_.diagonals ? from[diagonal].data() : nullptr};
    }

    WeightGradients make_gradients(Vector* to) {
        for (int p = 0; p < parameters; ++p) to[p].resize(size_t(parameter_size(p)));
        return {to[w_ih].data(), to[w_hh].data(), to[b_ih].data(), to[b_hh].data(),
                kernel_.diagonals ? to[diagonal].data() : nullptr};
    }

    // Falling lengths, at least 1 in packed sequences.
    void fill_lengths(Kind kind) {
        if (kind != Kind::padded && kind != Kind::packed) return;
        for (ptrdiff_t n = 0; n < sizes_.batch; ++n) {
            const ptrdiff_t length = sizes_.steps - n * sizes_.steps / sizes_.batch;
            lengths_.push_back(kind == Kind::padded && n == sizes_.batch - 1 && n > 0 ? 0 : length);
        }
        offsets_.push_back(0);
        for (ptrdiff_t t = 0; t < sizes_.steps; ++t) {
            ptrdiff_t rows = 0;
            for (const int64_t length : lengths_) rows += length > t;
            offsets_.push_back(offsets_.back() + rows);
        }
    }

    const Kernel& kernel_;
    Sizes sizes_;
    Kind kind_;
    int directions_;
    ptrdiff_t rows_ = 0;
    std::mt19937 random_{7};
    std::vector<int64_t> lengths_, offsets_;
    Problem problem_{};
    Vector x_, y_, reserve_, dy_, dx_[max_directions];
    Vector state_0_[max_states], state_n_[max_states], dstate_0_[max_states];
    Vector weights_[max_directions][parameters], dweights_[max_directions][parameters];
};

template <class T>
void check(const Kernel& kernel, const Sizes& sizes, Kind kind, bool print) {
    Run<T> single(kernel, sizes, kind, 1);
    single.forward();
    if (kernel.backward) single.backward();
    if (print) single.print_sums();
    for (const int threads : {2, 3}) {
        Run<T> threaded(kernel, sizes, kind, threads);
        threaded.forward();
        if (kernel.backward) threaded.backward();
        if (single.same_outputs(threaded)) continue;
        std::fprintf(stderr, "%s %s %s: %d threads change the outputs (T %td, N %td, I %td, H %td, kind %d)\n",
                     kernel.cell, kernel.activation, kernel.isa, threads, sizes.steps, sizes.batch, sizes.inputs,
                     sizes.hidden, int(kind));
        std::exit(1);
    }
}

}  // namespace

int main(int count, char** arguments) {
    const std::string printed = count > 1 ? arguments[1] : "";
    const Sizes all[] = {{1, 1, 1, 1}, {5, 3, 2, 7}, {4, 1, 1, 300}, {3, 2, 40, 33}, {6, 17, 20, 31}, {3, 70, 5, 9}};
    int runs = 0;
    for (const KernelRegistration* r = KernelRegistration::first(); r; r = r->next) {
        const Kernel& kernel = *r->entry;
        if (!runs_here(kernel) || (!printed.empty() && printed != kernel.isa)) continue;
        const bool print = !printed.empty();
        for (const Sizes& sizes : all)
            for (const Kind kind : {Kind::full, Kind::reverse, Kind::bidirectional, Kind::padded, Kind::packed}) {
                if (kernel.bits == 64)
                    check<double>(kernel, sizes, kind, print);
                else if (kernel.bits == 32)
                    check<float>(kernel, sizes, kind, print);
                else
                    check<BFloat16>(kernel, sizes, kind, print);
                ++runs;
            }
    }
    std::printf("%d problems\n", runs);
    return runs ? 0 : 1;
}
