// What a call's tensors have to be; the engine itself checks nothing. Included by the files of the module only.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/kernel.hpp"
#include "engine/saturating.hpp"
#include "binding/tensor.hpp"

namespace throughtime {

namespace nb = nanobind;

// The fields of Weights in _core/shapes.py; the sixth, a projection, is not compiled.
inline constexpr size_t weights_each = 6;

// The input and the weights of a call, each looked at once. A weight that is not there has no address.
struct Given {
    Tensor x;
    Tensor weights[max_directions * weights_each];
    int directions;

    int64_t inputs() const { return weights[0].size(1); }
    int64_t hidden() const { return weights[1].size(1); }
    bool has(size_t i) const { return weights[i].data != nullptr; }

    // The shapes of the fields of one direction.
    static bool field_fits(const Tensor& tensor, size_t field, const Kernel& kernel, int64_t inputs, int64_t hidden) {
        const int64_t rows = product(kernel.gates, hidden);
        switch (field) {
            case 0:
                return tensor.has_sizes({rows, inputs});
            case 1:
                return tensor.has_sizes({rows, hidden});
            case 4:
                return kernel.diagonals && tensor.has_sizes({kernel.diagonals, hidden});
            case 5:
                return false;  // projections are not compiled
            default:
                return tensor.has_sizes({rows});
        }
    }

    // Whether x (T, N, I), or packed (rows, I), and the weights fit together.
    bool fit(const Kernel& kernel, bool packed) const {
        if (x.dimensions != (packed ? 2 : 3) || x.size(-1) != inputs()) return false;
        for (size_t i = 0; i < size_t(directions) * weights_each; ++i) {
            const size_t field = i % weights_each;
            if (has(i) ? !field_fits(weights[i], field, kernel, inputs(), hidden())
                       : field < 2 || (field == 4 && kernel.diagonals))
                return false;
        }
        return true;
    }

    // Bytes of the copies that are made of what does not stand as kernels read it.
    int64_t copied_bytes() const {
        const auto bytes = [](const Tensor& tensor) { return product(tensor.count(), tensor.element.bits / 8); };
        int64_t total = x.stride(-1) == 1 || x.size(-1) == 1 ? 0 : bytes(x);
        for (size_t i = 0; i < size_t(directions) * weights_each; ++i)
            if (has(i) && !weights[i].contiguous()) total = sum({total, bytes(weights[i])});
        return total;
    }
};

class Reader {
  public:
    // 16 bits are those of bfloat16.
    explicit Reader(int bits) : code_(bits == 16 ? Tensor::bfloat : Tensor::floating), bits_(bits) {}

    // False where one of them is not what kernels read: of another element type, on another device, empty, or a
    // stand-in without memory; and where the weights of the input or of the state are no matrices.
    bool look(nb::handle x, nb::tuple weights, Given& to) const {
        if (weights.size() != weights_each && weights.size() != max_directions * weights_each)
            throw std::invalid_argument("expected the weights of one or two directions");
        to.directions = int(weights.size() / weights_each);
        if (!look(x, to.x) || to.x.dimensions < 1) return false;
        size_t i = 0;
        for (const nb::handle weight : weights) {
            Tensor& tensor = to.weights[i++];
            tensor.data = nullptr;
            if (!weight.is_none() && !look(weight, tensor)) return false;
        }
        for (int d = 0; d < to.directions; ++d)
            for (size_t field = 0; field < 2; ++field) {
                const Tensor& weight = to.weights[size_t(d) * weights_each + field];
                if (!weight.data) throw std::invalid_argument("expected weights of the input and of the state");
                if (weight.dimensions != 2) return false;
            }
        return true;
    }

    // Likewise for one tensor.
    bool look(nb::handle object, Tensor& to) const {
        return view_of(object, to) && to.data && to.on_cpu(code_, bits_) && to.count() > 0 && to.aligned();
    }

    // Whether a tensor shows its elements: one that stands for many at once, as while a vmap is going on, does not.
    static bool is_open(nb::handle object) {
        Tensor tensor;
        return view_of(object, tensor);
    }

    // Whether the initial states, all or none, are (D, N, H) each.
    bool states_fit(nb::tuple state_0, const Kernel& kernel, const Problem& p) const {
        if (state_0.size() != 0 && state_0.size() != size_t(kernel.states)) return false;
        for (const nb::handle state : state_0) {
            Tensor s;
            if (!look(state, s) || !s.has_sizes({p.directions, p.batch, p.hidden})) return false;
        }
        return true;
    }

    // The address of a tensor of these sizes, null for None. What is not contiguous is copied, and the copy lives as
    // long as the reader.
    void* address(const char* name, nb::handle object, std::initializer_list<int64_t> sizes) {
        if (object.is_none()) return nullptr;
        Tensor tensor = view(object);
        if (!tensor.on_cpu(code_, bits_) || !tensor.has_sizes(sizes) || !tensor.aligned())
            throw std::invalid_argument(std::string(name) + ": expected " + shape_of(sizes) + " of " +
                                        std::to_string(bits_) + " bit elements on the CPU, got " + tensor.shape());
        return address(object, tensor);
    }
    void* address(nb::handle object, Tensor tensor) {
        if (!tensor.contiguous() || is_negative(object, tensor)) tensor = copied(object);
        return tensor.at<void>();
    }

    // The address of a contiguous tensor that is written to.
    void* in_place(const char* name, nb::handle object, std::initializer_list<int64_t> sizes) {
        void* const found = address(name, object, sizes);
        if (found && found != view(object).at<void>())
            throw std::invalid_argument(std::string(name) + ": expected a contiguous tensor");
        return found;
    }

    // Those of the states of all directions.
    template <class Pointer>
    void states(nb::tuple from, Pointer* to, const Kernel& kernel, const Problem& p) {
        if (from.size() > size_t(kernel.states)) throw std::invalid_argument("too many states");
        for (size_t i = 0; i < from.size(); ++i) to[i] = address("state", from[i], {p.directions, p.batch, p.hidden});
    }

    // Those of the weights of each direction, which fit.
    void weights(nb::tuple from, const Given& given, Weights* to) {
        for (int d = 0; d < given.directions; ++d) {
            const auto at = [&](size_t field) -> const void* {
                const size_t i = size_t(d) * weights_each + field;
                return given.has(i) ? address(from[i], given.weights[i]) : nullptr;
            };
            to[d] = {at(0), at(1), at(2), at(3), at(4)};
        }
    }

    // A sequence (T, N, features), or packed (rows, features): any strides between vectors, and none within, so that
    // others are copied.
    Tensor sequence(nb::handle object) { return sequence(object, view(object)); }
    Tensor sequence(nb::handle object, const Tensor& tensor) {
        if (!tensor.on_cpu(code_, bits_) || tensor.dimensions < 2 || !tensor.aligned())
            throw std::invalid_argument("expected a sequence of " + std::to_string(bits_) + " bit elements on the CPU");
        if ((tensor.stride(-1) == 1 || tensor.size(-1) == 1) && !is_negative(object, tensor)) return tensor;
        return copied(object);
    }

    // A sequence (T, N, features), or packed, without gaps and repetitions, time or batch first in memory.
    Tensor dense(nb::handle object, bool batch_first) {
        if (!batch_first) return copied(object);
        copied(object.attr("transpose")(0, 1));
        return view(copies_.emplace_back(copies_.back().attr("transpose")(0, 1)));
    }

    // Whole numbers.
    static Tensor table(nb::handle object, int dimensions) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || !tensor.contiguous() || !tensor.aligned() ||
            tensor.dimensions != dimensions)
            throw std::invalid_argument("expected contiguous whole numbers of 64 bits on the CPU");
        return tensor;
    }

    // How many rows of so many numbers of 64 bits a tensor has.
    static int64_t rows(nb::handle object, int64_t columns) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::floating, 64) || !tensor.contiguous() || !tensor.aligned() ||
            tensor.dimensions != 2 || tensor.size(1) != columns)
            throw std::invalid_argument("expected contiguous rows of " + std::to_string(columns) +
                                        " doubles on the CPU");
        return tensor.size(0);
    }

    // A number that an optimizer counts with.
    static Tensor count(nb::handle object) {
        const Tensor tensor = view(object);
        if (tensor.count() != 1 || !tensor.aligned() ||
            !(tensor.on_cpu(Tensor::floating, 32) || tensor.on_cpu(Tensor::floating, 64)))
            throw std::invalid_argument("expected counts of 32 or 64 bits on the CPU");
        return tensor;
    }

    // Class numbers 0 … count-1 of 64 bits, one for a row, or one for each of its steps; of any strides.
    static Tensor classes(nb::handle object) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || tensor.dimensions < 1 || tensor.dimensions > 2 || !tensor.aligned())
            throw std::invalid_argument("expected class numbers of 64 bits on the CPU");
        return tensor;
    }
    static void check_classes(const Tensor& tensor, int64_t count) {
        const bool alone = tensor.dimensions == 1;
        for (int64_t i = 0; i < tensor.size(0); ++i)
            for (int64_t j = 0; j < (alone ? 1 : tensor.size(1)); ++j) {
                const int64_t value = tensor.at<int64_t>()[i * tensor.stride(0) + (alone ? 0 : j * tensor.stride(1))];
                if (value < 0 || value >= count)
                    throw std::out_of_range("targets: expected class numbers from 0 to " + std::to_string(count - 1) +
                                            ", got " + std::to_string(value));
            }
    }

  private:
    static std::string shape_of(std::initializer_list<int64_t> sizes) {
        Tensor like{};
        like.dimensions = int32_t(sizes.size());
        like.sizes = sizes.begin();
        return like.shape();
    }

    static bool view_of(nb::handle object, Tensor& to) {
        if (!Exchange::of(object).view(object.ptr(), &to)) return true;
        PyErr_Clear();
        return false;
    }

    // Whether the elements are those in memory with their signs turned, as those of `z.conj().imag` are. Only parts of
    // complex numbers are, which leave gaps, if there is more than one.
    static bool is_negative(nb::handle object, const Tensor& tensor) {
        return (!tensor.contiguous() || tensor.count() == 1) && nb::cast<bool>(object.attr("is_neg")());
    }

    // A copy without gaps, of elements as they are; it lives as long as the reader.
    Tensor copied(nb::handle object) {
        return view(copies_.emplace_back(object.attr("contiguous")().attr("resolve_neg")()));
    }

    uint8_t code_;
    int bits_;
    std::vector<nb::object> copies_;
};

}  // namespace throughtime
