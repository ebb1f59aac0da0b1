// Reads and checks the tensors of a call; the engine itself checks nothing. Only for the module.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "binding/tensor.hpp"
#include "engine/kernel.hpp"
#include "engine/saturating.hpp"

namespace throughtime {

namespace nb = nanobind;

// The fields of `Weights` in Python; the sixth, a projection, is not compiled.
inline constexpr size_t weight_fields = 6;

// The input and the weights of a call, each read once. A missing weight has no address.
struct CallTensors {
    Tensor x;
    Tensor weights[max_directions * weight_fields];
    int directions;

    int64_t inputs() const { return weights[0].size(1); }
    int64_t hidden() const { return weights[1].size(1); }
    bool has(size_t i) const { return weights[i].data != nullptr; }

    static bool field_fits(const Tensor& tensor, size_t field, const Kernel& kernel, int64_t inputs, int64_t hidden) {
        const int64_t rows = saturating_product(kernel.gates, hidden);
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

    // Whether the shapes of x, (T, N, I) or packed (rows, I), and of the weights match.
    bool fit(const Kernel& kernel, bool packed) const {
        if (x.dimensions != (packed ? 2 : 3) || x.size(-1) != inputs()) return false;
        for (size_t i = 0; i < size_t(directions) * weight_fields; ++i) {
            const size_t field = i % weight_fields;
            if (has(i) ? !field_fits(weights[i], field, kernel, inputs(), hidden())
                       : field < 2 || (field == 4 && kernel.diagonals))
                return false;
        }
        return true;
    }

    // Size of the copies of tensors that kernels cannot read in place.
    int64_t copied_bytes() const {
        const auto bytes = [](const Tensor& tensor) {
            return saturating_product(tensor.count(), tensor.element.bits / 8);
        };
        int64_t total = x.stride(-1) == 1 || x.size(-1) == 1 ? 0 : bytes(x);
        for (size_t i = 0; i < size_t(directions) * weight_fields; ++i)
            if (has(i) && !weights[i].contiguous()) total = saturating_sum({total, bytes(weights[i])});
        return total;
    }
};

class TensorReader {
  public:
    // 16 bits: bfloat16
    explicit TensorReader(int bits) : code_(bits == 16 ? Tensor::bfloat : Tensor::floating), bits_(bits) {}

    // False if kernels cannot read a tensor (another element type or device, empty, or without memory), or if w_ih or
    // w_hh is not a matrix.
    bool try_read(nb::handle x, nb::tuple weights, CallTensors& to) const {
        if (weights.size() != weight_fields && weights.size() != max_directions * weight_fields)
            throw std::invalid_argument("expected the weights of one or two directions");
        to.directions = int(weights.size() / weight_fields);
        if (!try_read(x, to.x) || to.x.dimensions < 1) return false;
        size_t i = 0;
        for (const nb::handle weight : weights) {
            Tensor& tensor = to.weights[i++];
            tensor.data = nullptr;
            if (!weight.is_none() && !try_read(weight, tensor)) return false;
        }
        for (int d = 0; d < to.directions; ++d)
            for (size_t field = 0; field < 2; ++field) {
                const Tensor& weight = to.weights[size_t(d) * weight_fields + field];
                if (!weight.data) throw std::invalid_argument("expected w_ih and w_hh, got None");
                if (weight.dimensions != 2) return false;
            }
        return true;
    }

    bool try_read(nb::handle object, Tensor& to) const {
        return view_of(object, to) && to.data && to.on_cpu(code_, bits_) && to.count() > 0 && to.aligned();
    }

    // Whether a tensor has elements of its own. A batched tensor of vmap has not.
    static bool is_readable(nb::handle object) {
        Tensor tensor;
        return view_of(object, tensor);
    }

    // Whether there are no initial states, or all of them with the shape (D, N, H).
    bool states_fit(nb::tuple state_0, const Kernel& kernel, const Problem& p) const {
        if (state_0.size() != 0 && state_0.size() != size_t(kernel.states)) return false;
        for (const nb::handle state : state_0) {
            Tensor s;
            if (!try_read(state, s) || !s.has_sizes({p.directions, p.batch, p.hidden})) return false;
        }
        return true;
    }

    // The address of a tensor of these sizes, null for None. Non-contiguous tensors are copied; the copy lives as long
    // as the reader.
    void* address(const char* name, nb::handle object, std::initializer_list<int64_t> sizes) {
        if (object.is_none()) return nullptr;
        Tensor tensor = view(object);
        if (!tensor.on_cpu(code_, bits_) || !tensor.has_sizes(sizes) || !tensor.aligned())
            throw std::invalid_argument(std::string(name) + ": expected " + shape_of(sizes) + " of " +
                                        std::to_string(bits_) + " bit elements on the CPU, got " + tensor.shape());
        return address(object, tensor);
    }
    void* address(nb::handle object, Tensor tensor) {
        if (!tensor.contiguous() || is_negative(object, tensor)) tensor = contiguous_copy(object);
        return tensor.at<void>();
    }

    // The address of a contiguous tensor to write to.
    void* in_place(const char* name, nb::handle object, std::initializer_list<int64_t> sizes) {
        void* const data = address(name, object, sizes);
        if (data && data != view(object).at<void>())
            throw std::invalid_argument(std::string(name) + ": expected a contiguous tensor");
        return data;
    }

    // The addresses of states.
    template <class Pointer>
    void states(nb::tuple from, Pointer* to, const Kernel& kernel, const Problem& p) {
        if (from.size() > size_t(kernel.states)) throw std::invalid_argument("too many states");
        for (size_t i = 0; i < from.size(); ++i) to[i] = address("state", from[i], {p.directions, p.batch, p.hidden});
    }

    // The addresses of the weights of each direction.
    void weights(nb::tuple from, const CallTensors& tensors, Weights* to) {
        for (int d = 0; d < tensors.directions; ++d) {
            const auto at = [&](size_t field) -> const void* {
                const size_t i = size_t(d) * weight_fields + field;
                return tensors.has(i) ? address(from[i], tensors.weights[i]) : nullptr;
            };
            to[d] = {at(0), at(1), at(2), at(3), at(4)};
        }
    }

    // A sequence (T, N, features), or packed (rows, features), with contiguous vectors; else it is copied.
    Tensor sequence(nb::handle object) { return sequence(object, view(object)); }
    Tensor sequence(nb::handle object, const Tensor& tensor) {
        if (!tensor.on_cpu(code_, bits_) || tensor.dimensions < 2 || !tensor.aligned())
            throw std::invalid_argument("expected a sequence of " + std::to_string(bits_) + " bit elements on the CPU");
        if ((tensor.stride(-1) == 1 || tensor.size(-1) == 1) && !is_negative(object, tensor)) return tensor;
        return contiguous_copy(object);
    }

    // A contiguous copy of a sequence, with time or batch first in memory.
    Tensor dense(nb::handle object, bool batch_first) {
        if (!batch_first) return contiguous_copy(object);
        contiguous_copy(object.attr("transpose")(0, 1));
        return view(copies_.emplace_back(copies_.back().attr("transpose")(0, 1)));
    }

    static Tensor integer_table(nb::handle object, int dimensions) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || !tensor.contiguous() || !tensor.aligned() ||
            tensor.dimensions != dimensions)
            throw std::invalid_argument("expected contiguous int64 elements on the CPU");
        return tensor;
    }

    // The number of rows of a float64 table.
    static int64_t rows(nb::handle object, int64_t columns) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::floating, 64) || !tensor.contiguous() || !tensor.aligned() ||
            tensor.dimensions != 2 || tensor.size(1) != columns)
            throw std::invalid_argument("expected contiguous rows of " + std::to_string(columns) +
                                        " float64 elements on the CPU");
        return tensor.size(0);
    }

    // An optimizer's number of updates.
    static Tensor count(nb::handle object) {
        const Tensor tensor = view(object);
        if (tensor.count() != 1 || !tensor.aligned() ||
            !(tensor.on_cpu(Tensor::floating, 32) || tensor.on_cpu(Tensor::floating, 64)))
            throw std::invalid_argument("expected float32 or float64 counts on the CPU");
        return tensor;
    }

    // Class indices, (N) or (T, N), of any strides.
    static Tensor classes(nb::handle object) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || tensor.dimensions < 1 || tensor.dimensions > 2 || !tensor.aligned())
            throw std::invalid_argument("expected int64 class indices on the CPU");
        return tensor;
    }
    static void check_classes(const Tensor& tensor, int64_t count) {
        const bool vector = tensor.dimensions == 1;
        for (int64_t i = 0; i < tensor.size(0); ++i)
            for (int64_t j = 0; j < (vector ? 1 : tensor.size(1)); ++j) {
                const int64_t value = tensor.at<int64_t>()[i * tensor.stride(0) + (vector ? 0 : j * tensor.stride(1))];
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
        if (!DlpackExchange::of(object).view(object.ptr(), &to)) return true;
        PyErr_Clear();
        return false;
    }

    // Whether the values are the negated ones in memory, as for `z.conj().imag`. Only views of complex tensors are like
    // that; those have gaps, or a single element.
    static bool is_negative(nb::handle object, const Tensor& tensor) {
        return (!tensor.contiguous() || tensor.count() == 1) && nb::cast<bool>(object.attr("is_neg")());
    }

    // A contiguous copy with resolved signs; it lives as long as the reader.
    Tensor contiguous_copy(nb::handle object) {
        return view(copies_.emplace_back(object.attr("contiguous")().attr("resolve_neg")()));
    }

    uint8_t code_;
    int bits_;
    std::vector<nb::object> copies_;
};

}  // namespace throughtime
