// A stack of layers and a linear output that advance one step at a time. Weights are copied and packed once; all memory
// is its own, so that a step allocates nothing for itself and needs no tensor library. Included by the module only.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/kernel.hpp"
#include "training/trainer.hpp"
#include "binding/checks.hpp"
#include "engine/saturating.hpp"

namespace throughtime {

namespace nb = nanobind;

// The memory of an object with Python's buffer protocol, for as long as this lives.
class Buffer {
  public:
    Buffer(nb::handle object, int64_t bytes, bool writable) {
        const int flags = writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO;
        if (PyObject_GetBuffer(object.ptr(), &view_, flags)) throw nb::python_error();
        if (view_.len != bytes) {
            const std::string sizes = std::to_string(bytes) + " bytes, got " + std::to_string(view_.len);
            PyBuffer_Release(&view_);
            throw std::invalid_argument("expected contiguous memory of " + sizes);
        }
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { PyBuffer_Release(&view_); }

    char* data() const { return static_cast<char*>(view_.buf); }

  private:
    Py_buffer view_{};
};

class Stream {
  public:
    explicit Stream(const Learner& learner, ptrdiff_t inputs)
        : learner_(learner), element_(learner.is_double ? 8 : 4), inputs_(inputs), width_(inputs) {
        if (inputs < 1) throw std::invalid_argument("inputs: expected at least 1, got " + std::to_string(inputs));
    }

    // On top of what is there. Weights are (w_ih, w_hh, b_ih, b_hh, diagonal), those that the layer lacks None.
    void add_layer(const Kernel& kernel, nb::tuple weights, ptrdiff_t hidden) {
        const Use use(*this);
        if (kernel.bits != 8 * element_ || outputs_)
            throw std::invalid_argument("expected a layer of the stream's element type, below the output");
        if (hidden < 1 || (weights.size() != 5 && weights.size() != 6) || weights[0].is_none() ||
            weights[1].is_none() || (kernel.diagonals && weights[4].is_none()))
            throw std::invalid_argument("expected hidden units, and (w_ih, w_hh, b_ih, b_hh, diagonal) of the layer");
        const int64_t rows = product(kernel.gates, hidden);
        const int64_t counts[] = {product(rows, width_), product(rows, hidden), rows, rows,
                                  product(kernel.diagonals, hidden)};
        std::vector<char> given[5];
        for (size_t i = 0; i < 5; ++i) given[i] = copy(weights[i], counts[i]);
        const auto at = [&](size_t i) -> const void* { return given[i].empty() ? nullptr : given[i].data(); };
        Layer layer{&kernel, width_, hidden, {}, {}, {}};
        const Problem p = problem(layer);
        check_addressable(kernel, p, 1);
        layer.packed.resize(kernel.packed_bytes(p) + alignment);
        kernel.pack(p, {at(0), at(1), at(2), at(3), at(4)}, aligned(layer.packed));
        layer.state.assign(size_t(kernel.states * hidden * element_), 0);
        layer.y.resize(size_t(hidden * element_));
        layers_.push_back(std::move(layer));
        width_ = hidden;
    }

    void set_output(nb::handle weight, nb::handle bias, ptrdiff_t outputs, const std::string& activation) {
        const Use use(*this);
        if (outputs < 1 || outputs_ || weight.is_none())
            throw std::invalid_argument("expected one output layer, with a weight (O, H)");
        if (activation != "identity" && activation != "tanh" && activation != "sigmoid" && activation != "relu")
            throw std::invalid_argument("expected identity, tanh, sigmoid or relu, got " + activation);
        std::vector<char> w = copy(weight, product(outputs, width_)), b = copy(bias, outputs);
        weight_ = std::move(w);
        bias_ = std::move(b);
        outputs_ = outputs;
        activation_ = activation;
    }

    // From x (I) to y (O), or (H) of the last layer where there is no output layer. Returns -1, or the position of the
    // first value of x that is not finite: then nothing has changed.
    ptrdiff_t step(nb::handle x, nb::handle y) {
        const Use use(*this);
        const Buffer from(x, inputs_ * element_, false), to(y, width() * element_, true);
        const ptrdiff_t wrong = first_non_finite(from.data(), inputs_);
        if (wrong < 0) advance(from.data(), to.data());
        return wrong;
    }

    // The same for T steps one after the other: (T, I) to (T, O).
    ptrdiff_t run(nb::handle x, nb::handle y, ptrdiff_t steps) {
        const Use use(*this);
        const Buffer from(x, product({steps, inputs_, element_}), false);
        const Buffer to(y, product({steps, width(), element_}), true);
        const nb::gil_scoped_release released;
        const ptrdiff_t wrong = first_non_finite(from.data(), steps * inputs_);
        for (ptrdiff_t t = 0; wrong < 0 && t < steps; ++t)
            advance(from.data() + t * inputs_ * element_, to.data() + t * width() * element_);
        return wrong;
    }

    // The states of a layer, (S, H), read or written.
    void get_state(size_t layer, nb::handle to) {
        const Use use(*this);
        const Buffer buffer(to, int64_t(layers_.at(layer).state.size()), true);
        std::memcpy(buffer.data(), layers_[layer].state.data(), layers_[layer].state.size());
    }
    void set_state(size_t layer, nb::handle from) {
        const Use use(*this);
        const Buffer buffer(from, int64_t(layers_.at(layer).state.size()), false);
        std::memcpy(layers_[layer].state.data(), buffer.data(), layers_[layer].state.size());
    }

  private:
    // One call at a time: Python's lock is given away while steps run.
    class Use {
      public:
        explicit Use(Stream& stream) : busy_(stream.busy_) {
            if (busy_.test_and_set(std::memory_order_acquire))
                throw std::runtime_error(
                    "the stream is in use by another thread: give each thread a stream of its own");
        }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;
        ~Use() { busy_.clear(std::memory_order_release); }

      private:
        std::atomic_flag& busy_;
    };

    static constexpr size_t alignment = 64;

    struct Layer {
        const Kernel* kernel;
        ptrdiff_t inputs, hidden;
        std::vector<char> packed, state, y;
    };

    ptrdiff_t width() const { return outputs_ ? outputs_ : width_; }

    std::vector<char> copy(nb::handle from, int64_t count) const {
        if (from.is_none()) return {};
        const int64_t bytes = product(count, element_);
        const Buffer buffer(from, bytes, false);
        return {buffer.data(), buffer.data() + bytes};
    }

    ptrdiff_t first_non_finite(const char* x, ptrdiff_t count) const {
        return learner_.is_double ? first_non_finite(reinterpret_cast<const double*>(x), count)
                                  : first_non_finite(reinterpret_cast<const float*>(x), count);
    }

    template <class T>
    static ptrdiff_t first_non_finite(const T* x, ptrdiff_t count) {
        const T* wrong = std::find_if(x, x + count, [](T value) { return !std::isfinite(value); });
        return wrong == x + count ? -1 : wrong - x;
    }

    static char* aligned(std::vector<char>& memory) {
        const auto address = reinterpret_cast<uintptr_t>(memory.data());
        return memory.data() + ((address + alignment - 1) / alignment * alignment - address);
    }

    static Problem problem(const Layer& layer) {
        Problem p{};
        p.steps = p.batch = 1;
        p.inputs = layer.inputs;
        p.hidden = layer.hidden;
        p.directions = p.threads = 1;
        p.x = {layer.inputs, layer.inputs, nullptr};
        p.y = {layer.hidden, layer.hidden, nullptr};
        return p;
    }

    void advance(const char* x, char* y) {
        const void* from = x;
        for (Layer& layer : layers_) {
            Forward f{};
            f.problem = problem(layer);
            f.packed[0] = aligned(layer.packed);
            f.x = from;
            f.y = layer.y.data();
            for (int j = 0; j < layer.kernel->states; ++j) {
                f.state_n[j] = layer.state.data() + j * layer.hidden * element_;
                f.state_0[j] = f.state_n[j];
            }
            layer.kernel->forward(f);
            from = layer.y.data();
        }
        if (!outputs_) {
            std::memcpy(y, from, size_t(width_ * element_));
            return;
        }
        learner_.output(weight_.data(), bias_.empty() ? nullptr : bias_.data(), from, width_, outputs_, y);
        if (activation_ != "identity")
            learner_.is_double ? activate(reinterpret_cast<double*>(y)) : activate(reinterpret_cast<float*>(y));
    }

    template <class T>
    void activate(T* y) const {
        for (ptrdiff_t o = 0; o < outputs_; ++o) {
            if (activation_ == "tanh")
                y[o] = std::tanh(y[o]);
            else if (activation_ == "sigmoid")
                y[o] = 1 / (1 + std::exp(-y[o]));
            else
                y[o] = y[o] < 0 ? T(0) : y[o];
        }
    }

    const Learner& learner_;
    const int64_t element_;  // bytes
    const ptrdiff_t inputs_;
    std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
    ptrdiff_t width_;  // of the topmost layer
    std::vector<Layer> layers_;
    std::vector<char> weight_, bias_;
    ptrdiff_t outputs_ = 0;
    std::string activation_;
};

}  // namespace throughtime
