// A stack of layers and a linear output that advance one step at a time. Weights are copied and packed once; all memory
// is its own, so that a step allocates nothing for itself and needs no tensor library. Included by the module only.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.hpp"
#include "learning.hpp"
#include "memory.hpp"

namespace throughtime {

namespace nb = nanobind;

// The memory of an object with Python's buffer protocol, for as long as this lives.
class Buffer {
  public:
    Buffer(nb::handle object, size_t bytes, bool writable) {
        const int flags = writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO;
        if (PyObject_GetBuffer(object.ptr(), &view_, flags)) throw nb::python_error();
        if (size_t(view_.len) != bytes) {
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
        : learner_(learner), element_(learner.is_double ? 8 : 4), inputs_(inputs), width_(inputs) {}

    // On top of what is there. Weights are (w_ih, w_hh, b_ih, b_hh, diagonal), those that the layer lacks None.
    void add_layer(const Kernel& kernel, nb::tuple weights, ptrdiff_t hidden) {
        if (size_t(kernel.bits) != 8 * element_ || outputs_)
            throw std::invalid_argument("expected a layer of the stream's element type, below the output");
        const ptrdiff_t rows = kernel.gates * hidden;
        const ptrdiff_t counts[] = {rows * width_, rows * hidden, rows, rows, kernel.diagonals * hidden};
        std::vector<char> given[5];
        for (size_t i = 0; i < 5; ++i) given[i] = copy(weights[i], counts[i]);
        const auto at = [&](size_t i) -> const void* { return given[i].empty() ? nullptr : given[i].data(); };
        Layer layer{&kernel, width_, hidden, {}, {}, {}};
        const Problem p = problem(layer);
        layer.packed.resize(kernel.packed_bytes(p) + alignment);
        kernel.pack(p, {at(0), at(1), at(2), at(3), at(4)}, aligned(layer.packed));
        layer.state.assign(size_t(kernel.states * hidden) * element_, 0);
        layer.y.resize(size_t(hidden) * element_);
        layers_.push_back(std::move(layer));
        width_ = hidden;
    }

    void set_output(nb::handle weight, nb::handle bias, ptrdiff_t outputs, const std::string& activation) {
        weight_ = copy(weight, outputs * width_);
        bias_ = copy(bias, outputs);
        outputs_ = outputs;
        activation_ = activation;
    }

    // From x (I) to y (O), or (H) of the last layer where there is no output layer.
    void step(nb::handle x, nb::handle y) {
        const Buffer from(x, size_t(inputs_) * element_, false), to(y, size_t(width()) * element_, true);
        advance(from.data(), to.data());
    }

    // The same for T steps one after the other: (T, I) to (T, O).
    void run(nb::handle x, nb::handle y, ptrdiff_t steps) {
        const Buffer from(x, size_t(steps * inputs_) * element_, false);
        const Buffer to(y, size_t(steps * width()) * element_, true);
        const nb::gil_scoped_release released;
        for (ptrdiff_t t = 0; t < steps; ++t)
            advance(from.data() + size_t(t * inputs_) * element_, to.data() + size_t(t * width()) * element_);
    }

    // The states of a layer, (S, H), read or written.
    void get_state(size_t layer, nb::handle to) const {
        const Buffer buffer(to, layers_.at(layer).state.size(), true);
        std::memcpy(buffer.data(), layers_[layer].state.data(), layers_[layer].state.size());
    }
    void set_state(size_t layer, nb::handle from) {
        const Buffer buffer(from, layers_.at(layer).state.size(), false);
        std::memcpy(layers_[layer].state.data(), buffer.data(), layers_[layer].state.size());
    }

  private:
    static constexpr size_t alignment = 64;

    struct Layer {
        const Kernel* kernel;
        ptrdiff_t inputs, hidden;
        std::vector<char> packed, state, y;
    };

    ptrdiff_t width() const { return outputs_ ? outputs_ : width_; }

    std::vector<char> copy(nb::handle from, ptrdiff_t count) const {
        if (from.is_none()) return {};
        const Buffer buffer(from, size_t(count) * element_, false);
        return {buffer.data(), buffer.data() + size_t(count) * element_};
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
                f.state_n[j] = layer.state.data() + size_t(j * layer.hidden) * element_;
                f.state_0[j] = f.state_n[j];
            }
            layer.kernel->forward(f);
            from = layer.y.data();
        }
        if (!outputs_) {
            std::memcpy(y, from, size_t(width_) * element_);
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
    const size_t element_;
    const ptrdiff_t inputs_;
    ptrdiff_t width_;  // of the topmost layer
    std::vector<Layer> layers_;
    std::vector<char> weight_, bias_;
    ptrdiff_t outputs_ = 0;
    std::string activation_;
};

}  // namespace throughtime
