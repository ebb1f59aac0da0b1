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

// The fields of Weights in _shapes.py; the sixth, a projection, is not compiled.
inline constexpr size_t weights_each = 6;

// The input and the weights of a call, each looked at once. A weight that is not there has no address.
struct Given {
    Tensor x;
    Tensor weights[max_directions * weights_each];
    int directions;

    int64_t inputs() const { return x.size(-1); }
    int64_t hidden() const { return weights[1].size(-1); }
};

class Reader {
  public:
    // 16 bits are those of bfloat16.
    explicit Reader(int bits) : code_(bits == 16 ? Tensor::bfloat : Tensor::floating), bits_(bits) {}

    // False where one of them is not what kernels read: of another element type, on another device, empty, or a
    // stand-in without memory.
    bool look(nb::handle x, nb::tuple weights, Given& to) const {
        if (weights.size() != weights_each && weights.size() != max_directions * weights_each)
            throw std::invalid_argument("expected the weights of one or two directions");
        to.directions = int(weights.size() / weights_each);
        if (!look(x, to.x)) return false;
        size_t i = 0;
        for (const nb::handle weight : weights) {
            Tensor& tensor = to.weights[i++];
            tensor.data = nullptr;
            if (!weight.is_none() && !look(weight, tensor)) return false;
        }
        for (int d = 0; d < to.directions; ++d)
            if (!to.weights[size_t(d) * weights_each].data || !to.weights[size_t(d) * weights_each + 1].data)
                throw std::invalid_argument("expected weights of the input and of the state");
        return true;
    }

    // Likewise for one tensor.
    bool look(nb::handle object, Tensor& to) const {
        return view_of(object, to) && to.data && to.on_cpu(code_, bits_) && to.count() > 0;
    }

    // Whether a tensor shows its elements: one that stands for many at once, as while a vmap is going on, does not.
    static bool is_open(nb::handle object) {
        Tensor tensor;
        return view_of(object, tensor);
    }

    // The address of a tensor of `count` elements, null for None. What is not contiguous is copied, and the copy lives
    // as long as the reader.
    void* address(nb::handle object, int64_t count) {
        return object.is_none() ? nullptr : address(object, view(object), count);
    }
    void* address(nb::handle object, Tensor tensor, int64_t count) {
        if (!tensor.on_cpu(code_, bits_) || tensor.count() != count) {
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

    // Those of the weights of each direction.
    void weights(nb::tuple from, const Given& given, Weights* to, const Kernel& kernel) {
        const int64_t rows = kernel.gates * given.hidden();
        const int64_t counts[] = {rows * given.inputs(), rows * given.hidden(), rows, rows,
                                  kernel.diagonals * given.hidden()};
        for (int d = 0; d < given.directions; ++d) {
            const auto at = [&](size_t field) -> const void* {
                const size_t i = size_t(d) * weights_each + field;
                return given.weights[i].data ? address(from[i], given.weights[i], counts[field]) : nullptr;
            };
            to[d] = {at(0), at(1), at(2), at(3), at(4)};
            if (kernel.diagonals && !to[d].diagonal) throw std::invalid_argument("expected the pointwise weights");
        }
    }

    // A sequence (T, N, features), or packed (rows, features): any strides between vectors, and none within, so that
    // others are copied.
    Tensor sequence(nb::handle object) { return sequence(object, view(object)); }
    Tensor sequence(nb::handle object, const Tensor& tensor) {
        if (!tensor.on_cpu(code_, bits_) || tensor.dimensions < 2)
            throw std::invalid_argument("expected a sequence of " + std::to_string(bits_) + " bit elements on the CPU");
        if (tensor.stride(-1) == 1 || tensor.size(-1) == 1) return tensor;
        return view(copies_.emplace_back(object.attr("contiguous")()));
    }

    // A sequence (T, N, features), or packed, without gaps and repetitions, time or batch first in memory.
    Tensor dense(nb::handle object, bool batch_first) {
        if (!batch_first) return view(copies_.emplace_back(object.attr("contiguous")()));
        const nb::object turned = object.attr("transpose")(0, 1).attr("contiguous")();
        return view(copies_.emplace_back(turned.attr("transpose")(0, 1)));
    }

    // Whole numbers, null for None.
    static const int64_t* table(nb::handle object) {
        if (object.is_none()) return nullptr;
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || !tensor.contiguous())
            throw std::invalid_argument("expected contiguous whole numbers of 64 bits on the CPU");
        return tensor.at<const int64_t>();
    }

    // How many rows of so many numbers of 64 bits a tensor has.
    static int64_t rows(nb::handle object, int64_t columns) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::floating, 64) || !tensor.contiguous() || tensor.dimensions != 2 ||
            tensor.size(1) != columns)
            throw std::invalid_argument("expected contiguous rows of " + std::to_string(columns) +
                                        " doubles on the CPU");
        return tensor.size(0);
    }

    // A number that an optimizer counts with.
    static Tensor count(nb::handle object) {
        const Tensor tensor = view(object);
        if (tensor.count() != 1 || !(tensor.on_cpu(Tensor::floating, 32) || tensor.on_cpu(Tensor::floating, 64)))
            throw std::invalid_argument("expected counts of 32 or 64 bits on the CPU");
        return tensor;
    }

    // Class numbers 0 … count-1 of 64 bits, one for a row, or one for each of its steps; of any strides.
    static Tensor classes(nb::handle object, int64_t count) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || tensor.dimensions < 1 || tensor.dimensions > 2)
            throw std::invalid_argument("expected class numbers of 64 bits on the CPU");
        const bool alone = tensor.dimensions == 1;
        for (int64_t i = 0; i < tensor.size(0); ++i)
            for (int64_t j = 0; j < (alone ? 1 : tensor.size(1)); ++j) {
                const int64_t value = tensor.at<int64_t>()[i * tensor.stride(0) + (alone ? 0 : j * tensor.stride(1))];
                if (value < 0 || value >= count)
                    throw std::out_of_range("targets: expected class numbers from 0 to " + std::to_string(count - 1) +
                                            ", got " + std::to_string(value));
            }
        return tensor;
    }

  private:
    static bool view_of(nb::handle object, Tensor& to) {
        if (!Exchange::of(object).view(object.ptr(), &to)) return true;
        PyErr_Clear();
        return false;
    }

    uint8_t code_;
    int bits_;
    std::vector<nb::object> copies_;
};

}  // namespace throughtime
