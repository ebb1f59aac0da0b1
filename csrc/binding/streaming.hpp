// A stack of layers with a linear output that advances one step at a time. Weights are copied and packed once, and all
// memory is its own, so that a step neither allocates buffers nor needs a tensor library. Only for the module.
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

#include "binding/checks.hpp"
#include "engine/kernel.hpp"
#include "engine/saturating.hpp"
#include "training/trainer.hpp"

namespace throughtime {

namespace nb = nanobind;

// The memory of an object with Python's buffer protocol, held while this lives.
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

class StreamingNetwork {
  public:
    explicit StreamingNetwork(const Trainer& trainer, ptrdiff_t inputs)
        : trainer_(trainer), element_(trainer.is_double ? 8 : 4), inputs_(inputs), width_(inputs) {
        if (inputs < 1) throw std::invalid_argument("inputs: expected at least 1, got " + std::to_string(inputs));
    }

    // On top of the stack. Weights are (w_ih, w_hh, b_ih, b_hh, diagonal), missing ones None.
    void add_layer(const Kernel& kernel, nb::tuple weights, ptrdiff_t hidden) {
        const ExclusiveUse use(*this);
        if (kernel.bits != 8 * element_ || outputs_)
            throw std::invalid_argument("expected a layer of the network's element type, before the output");
        if (hidden < 1 || (weights.size() != weights_per_layer && weights.size() != weights_per_layer + 1) ||
            weights[0].is_none() || weights[1].is_none() || (kernel.diagonals && weights[4].is_none()))
            throw std::invalid_argument("expected hidden units, and (w_ih, w_hh, b_ih, b_hh, diagonal)");
        const int64_t rows = saturating_product(kernel.gates, hidden);
        const int64_t counts[] = {saturating_product(rows, width_), saturating_product(rows, hidden), rows, rows,
                                  saturating_product(kernel.diagonals, hidden)};
        std::vector<char> copies[weights_per_layer];
        for (size_t i = 0; i < weights_per_layer; ++i) copies[i] = copy(weights[i], counts[i]);
        const auto at = [&](size_t i) -> const void* { return copies[i].empty() ? nullptr : copies[i].data(); };
        Layer layer{&kernel, width_, hidden, {}, {}, {}};
        const Problem p = problem(layer, 1);
        check_addressable(kernel, p, 1);
        layer.packed.resize(kernel.packed_bytes(p) + alignment);
        kernel.pack(p, {at(0), at(1), at(2), at(3), at(4)}, aligned(layer.packed));
        layer.state.assign(size_t(kernel.states * hidden * element_), 0);
        layer.y.resize(size_t(hidden * element_));
        layers_.push_back(std::move(layer));
        width_ = hidden;
    }

    void set_output(nb::handle weight, nb::handle bias, ptrdiff_t outputs, const std::string& activation) {
        const ExclusiveUse use(*this);
        if (outputs < 1 || outputs_ || weight.is_none())
            throw std::invalid_argument("expected one output layer with a weight (O, H)");
        if (activation != "identity" && activation != "tanh" && activation != "sigmoid" && activation != "relu")
            throw std::invalid_argument("expected identity, tanh, sigmoid or relu, got " + activation);
        std::vector<char> w = copy(weight, saturating_product(outputs, width_)), b = copy(bias, outputs);
        weight_ = std::move(w);
        bias_ = std::move(b);
        outputs_ = outputs;
        activation_ = activation;
    }

    // From x (I) to y (O), or (H) without an output layer. Returns -1, or the position of the first value of x that is
    // not finite; then nothing changes.
    ptrdiff_t step(nb::handle x, nb::handle y) {
        const ExclusiveUse use(*this);
        const Buffer from(x, inputs_ * element_, false), to(y, width() * element_, true);
        const ptrdiff_t non_finite = first_non_finite(from.data(), inputs_);
        if (non_finite < 0) advance(from.data(), nullptr, to.data(), 1);
        return non_finite;
    }

    // The same for T steps: (T, I) to (T, O).
    ptrdiff_t run(nb::handle x, nb::handle y, ptrdiff_t steps) {
        const ExclusiveUse use(*this);
        const Buffer from(x, saturating_product({steps, inputs_, element_}), false);
        const Buffer to(y, saturating_product({steps, width(), element_}), true);
        const nb::gil_scoped_release released;
        const ptrdiff_t non_finite = first_non_finite(from.data(), steps * inputs_);
        for (ptrdiff_t t = 0; non_finite < 0 && t < steps; ++t)
            advance(from.data() + t * inputs_ * element_, nullptr, to.data() + t * width() * element_, 1);
        return non_finite;
    }

    // One step of N streams together: from x (N, I) to y (N, O), with the states of all layers, (L, S, N, H), in the
    // caller's memory. The own states stay as they are. A row gets the same bits as alone.
    ptrdiff_t step_rows(nb::handle x, nb::handle states, nb::handle y, ptrdiff_t rows) {
        const ExclusiveUse use(*this);
        const Buffer from(x, saturating_product({rows, inputs_, element_}), false);
        const Buffer to(y, saturating_product({rows, width(), element_}), true);
        int64_t bytes = 0;
        for (const Layer& layer : layers_)
            bytes = saturating_sum({bytes, saturating_product(int64_t(layer.state.size()), rows)});
        const Buffer memory(states, bytes, true);
        if (rows < 1) throw std::invalid_argument("rows: expected at least 1, got " + std::to_string(rows));
        const nb::gil_scoped_release released;
        const ptrdiff_t non_finite = first_non_finite(from.data(), rows * inputs_);
        if (non_finite < 0) advance(from.data(), memory.data(), to.data(), rows);
        return non_finite;
    }

    // The states of a layer, (S, H).
    void get_state(size_t layer, nb::handle to) {
        const ExclusiveUse use(*this);
        const Buffer buffer(to, int64_t(layers_.at(layer).state.size()), true);
        std::memcpy(buffer.data(), layers_[layer].state.data(), layers_[layer].state.size());
    }
    void set_state(size_t layer, nb::handle from) {
        const ExclusiveUse use(*this);
        const Buffer buffer(from, int64_t(layers_.at(layer).state.size()), false);
        std::memcpy(layers_[layer].state.data(), buffer.data(), layers_[layer].state.size());
    }

  private:
    // Raises if another call is running: the GIL is released during `run`.
    class ExclusiveUse {
      public:
        explicit ExclusiveUse(StreamingNetwork& network) : busy_(network.busy_) {
            if (busy_.test_and_set(std::memory_order_acquire))
                throw std::runtime_error("the network is in use by another thread: create one for each thread");
        }
        ExclusiveUse(const ExclusiveUse&) = delete;
        ExclusiveUse& operator=(const ExclusiveUse&) = delete;
        ~ExclusiveUse() { busy_.clear(std::memory_order_release); }

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
        const int64_t bytes = saturating_product(count, element_);
        const Buffer buffer(from, bytes, false);
        return {buffer.data(), buffer.data() + bytes};
    }

    ptrdiff_t first_non_finite(const char* x, ptrdiff_t count) const {
        return trainer_.is_double ? first_non_finite(reinterpret_cast<const double*>(x), count)
                                  : first_non_finite(reinterpret_cast<const float*>(x), count);
    }

    template <class T>
    static ptrdiff_t first_non_finite(const T* x, ptrdiff_t count) {
        const T* const position = std::find_if(x, x + count, [](T value) { return !std::isfinite(value); });
        return position == x + count ? -1 : position - x;
    }

    static char* aligned(std::vector<char>& memory) {
        const auto address = reinterpret_cast<uintptr_t>(memory.data());
        return memory.data() + ((address + alignment - 1) / alignment * alignment - address);
    }

    static Problem problem(const Layer& layer, ptrdiff_t rows) {
        Problem p{};
        p.steps = 1;
        p.batch = rows;
        p.inputs = layer.inputs;
        p.hidden = layer.hidden;
        p.directions = p.threads = 1;
        p.x = {rows * layer.inputs, layer.inputs, nullptr};
        p.y = {rows * layer.hidden, layer.hidden, nullptr};
        return p;
    }

    // `states` are those of all rows, or null for the own ones of a single row.
    void advance(const char* x, char* states, char* y, ptrdiff_t rows) {
        const void* from = x;
        for (Layer& layer : layers_) {
            ForwardArgs f{};
            f.problem = problem(layer, rows);
            f.packed[0] = aligned(layer.packed);
            f.x = from;
            layer.y.resize(size_t(rows * layer.hidden * element_));
            f.y = layer.y.data();
            char* const state = states ? states : layer.state.data();
            for (int j = 0; j < layer.kernel->states; ++j) {
                f.state_n[j] = state + j * rows * layer.hidden * element_;
                f.state_0[j] = f.state_n[j];
            }
            layer.kernel->forward(f);
            from = layer.y.data();
            if (states) states += layer.kernel->states * rows * layer.hidden * element_;
        }
        if (!outputs_) {
            std::memcpy(y, from, size_t(rows * width_ * element_));
            return;
        }
        for (ptrdiff_t row = 0; row < rows; ++row) {
            const char* const h = static_cast<const char*>(from) + row * width_ * element_;
            char* const to = y + row * outputs_ * element_;
            trainer_.output(weight_.data(), bias_.empty() ? nullptr : bias_.data(), h, width_, outputs_, to);
            if (activation_ != "identity")
                trainer_.is_double ? activate(reinterpret_cast<double*>(to)) : activate(reinterpret_cast<float*>(to));
        }
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

    const Trainer& trainer_;
    const int64_t element_;  // bytes
    const ptrdiff_t inputs_;
    std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
    ptrdiff_t width_;  // of the last layer
    std::vector<Layer> layers_;
    std::vector<char> weight_, bias_;
    ptrdiff_t outputs_ = 0;
    std::string activation_;
};

}  // namespace throughtime
