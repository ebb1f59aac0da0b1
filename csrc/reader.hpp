// What a call's tensors have to be; the engine itself checks nothing. Included by the files of the module only.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.hpp"
#include "tensor.hpp"

namespace throughtime {

namespace nb = nanobind;

inline constexpr size_t weights_each =
    6;  // the fields of Weights in _shapes.py; the sixth, a projection, is not compiled

class Reader {
  public:
    explicit Reader(bool is_double) : bits_(is_double ? 64 : 32) {}

    bool accepts(nb::handle object) const {
        Tensor tensor;
        if (Exchange::of(object).view(object.ptr(), &tensor)) {
            PyErr_Clear();
            return false;
        }
        return tensor.on_cpu(Tensor::floating, bits_) && tensor.count() > 0;
    }

    // The address of a tensor of `count` elements, null for None. What is not contiguous is copied, and the copy lives
    // as long as the reader.
    void* address(nb::handle object, int64_t count) {
        if (object.is_none()) return nullptr;
        Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::floating, bits_) || tensor.count() != count) {
            const std::string expected = "expected a tensor of " + std::to_string(count) + " elements of " +
                                         std::to_string(bits_) + " bits on the CPU, got ";
            throw std::invalid_argument(expected + nb::cast<std::string>(nb::str(object.attr("shape"))));
        }
        if (!tensor.contiguous()) tensor = view(copies_.emplace_back(object.attr("contiguous")()));
        return tensor.at<void>();
    }

    // The address of a contiguous tensor that is written to.
    void* in_place(nb::handle object, int64_t count) {
        if (!object.is_none() && !view(object).contiguous())
            throw std::invalid_argument("expected a contiguous tensor");
        return address(object, count);
    }

    // Those of the states of all directions.
    template <class Pointer>
    void states(nb::tuple from, Pointer* to, const Kernel& kernel, const Problem& p) {
        if (from.size() > size_t(kernel.states)) throw std::invalid_argument("too many states");
        for (size_t i = 0; i < from.size(); ++i) to[i] = address(from[i], p.directions * p.batch * p.hidden);
    }

    // Those of the weights of each direction, or of their gradients.
    template <class To>
    void weights(nb::tuple from, To* to, const Kernel& kernel, const Problem& p) {
        const int64_t rows = kernel.gates * p.hidden;
        for (int d = 0; d < p.directions; ++d) {
            const size_t first = size_t(d) * weights_each;
            to[d] = {address(from[first], rows * p.inputs), address(from[first + 1], rows * p.hidden),
                     address(from[first + 2], rows), address(from[first + 3], rows),
                     address(from[first + 4], kernel.diagonals * p.hidden)};
        }
    }

    // A sequence (T, N, features), or packed (rows, features): any strides between vectors, and none within, so that
    // others are copied.
    Tensor sequence(nb::handle object) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::floating, bits_) || tensor.dimensions < 2)
            throw std::invalid_argument("expected a sequence of " + std::to_string(bits_) + " bit elements on the CPU");
        if (tensor.stride(-1) == 1 || tensor.size(-1) == 1) return tensor;
        return view(copies_.emplace_back(object.attr("contiguous")()));
    }

    // The address of a sequence that is laid out as another one.
    void* like(const Tensor& other, nb::handle object) {
        const Tensor tensor = sequence(object);
        for (int d = 0; d < other.dimensions; ++d)
            if (tensor.dimensions != other.dimensions || tensor.size(d) != other.size(d) ||
                (tensor.size(d) != 1 && tensor.stride(d) != other.stride(d)))
                throw std::invalid_argument("expected a gradient laid out as what it belongs to");
        return tensor.at<void>();
    }

    // Whole numbers, null for None.
    static const int64_t* table(nb::handle object) {
        if (object.is_none()) return nullptr;
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || !tensor.contiguous())
            throw std::invalid_argument("expected contiguous whole numbers of 64 bits on the CPU");
        return tensor.at<const int64_t>();
    }

    // Class numbers 0 … count-1 of 64 bits, of any strides.
    static Tensor classes(nb::handle object, int64_t count) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || !tensor.contiguous())
            throw std::invalid_argument("expected contiguous class numbers of 64 bits on the CPU");
        const auto* const values = tensor.at<const int64_t>();
        for (int64_t i = 0; i < tensor.count(); ++i)
            if (values[i] < 0 || values[i] >= count)
                throw std::out_of_range("expected class numbers below the outputs");
        return tensor;
    }

  private:
    int bits_;
    std::vector<nb::object> copies_;
};

}  // namespace throughtime
