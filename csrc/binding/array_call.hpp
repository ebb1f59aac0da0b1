// A kernel's call for arrays of any library with Python's buffer protocol, such as numpy: contiguous ones are read in
// place, and results are written to arrays of the caller. For where there is no torch. Only for the module.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <initializer_list>
#include <list>
#include <stdexcept>
#include <string_view>

#include "binding/checks.hpp"
#include "binding/kernel_call.hpp"
#include "binding/tensor.hpp"
#include "binding/tensor_reader.hpp"
#include "engine/kernel.hpp"

namespace throughtime {

// Contiguous memory with sizes and an element type, held while this lives.
class ArrayBuffer {
  public:
    ArrayBuffer(nb::handle object, bool writable) {
        const int flags = (writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO) | PyBUF_FORMAT;
        if (PyObject_GetBuffer(object.ptr(), &view_, flags)) throw nb::python_error();
        if (view_.ndim > TensorMaker::max_dimensions) {
            PyBuffer_Release(&view_);
            throw std::invalid_argument("expected an array of 1 to 3 dimensions");
        }
        int64_t stride = 1;
        for (int d = view_.ndim - 1; d >= 0; stride = saturating_product(stride, sizes_[size_t(d--)])) {
            sizes_[size_t(d)] = view_.shape[d];
            strides_[size_t(d)] = stride;
        }
    }
    ArrayBuffer(const ArrayBuffer&) = delete;
    ArrayBuffer& operator=(const ArrayBuffer&) = delete;
    ~ArrayBuffer() { PyBuffer_Release(&view_); }

    Tensor tensor() const {
        const std::string_view format = view_.format ? view_.format : "";
        Tensor tensor{};
        tensor.data = view_.buf;
        tensor.device.type = Tensor::cpu;
        tensor.dimensions = view_.ndim;
        tensor.element.code = format == "f" || format == "d" ? Tensor::floating : Tensor::integer;
        tensor.element.bits = uint8_t(8 * view_.itemsize);
        tensor.element.lanes = format == "f" || format == "d" || format == "l" || format == "q" ? 1 : 0;
        tensor.sizes = sizes_.data();
        tensor.strides = strides_.data();
        return tensor;
    }

  private:
    Py_buffer view_{};
    std::array<int64_t, TensorMaker::max_dimensions> sizes_{}, strides_{};
};

// The arrays of one call, with the checks of `forward`; whatever does not fit raises.
class ArrayCall {
  public:
    explicit ArrayCall(const Kernel& kernel) : kernel_(kernel) {}

    void operator()(nb::handle x, nb::tuple state_0, nb::tuple weights, nb::tuple tables, bool reverse, int threads,
                    nb::handle y, nb::tuple finals) {
        if (kernel_.bits == 16) throw std::invalid_argument("expected a kernel for float32 or float64");
        read(x, weights);
        Problem& p = f_.problem;
        p.inputs = tensors_.inputs();
        p.hidden = tensors_.hidden();
        p.directions = tensors_.directions;
        p.reverse = reverse;
        p.threads = usable_threads(threads);
        p.steps = tensors_.x.size(0);
        p.batch = tensors_.x.size(1);
        read_tables(tables);
        const int64_t rows = saturating_product(p.steps, p.batch);
        check_tables(p, rows);
        check_addressable(kernel_, p, rows);
        require_call_memory(kernel_, p, 0, "this call", [&] { return kernel_.forward_workspace_bytes(f_); });
        p.x = {p.batch * p.inputs, p.inputs, nullptr};
        p.y = {p.batch * p.directions * p.hidden, p.directions * p.hidden, nullptr};
        f_.x = tensors_.x.data;
        f_.y = array(y, true, {p.steps, p.batch, p.directions * p.hidden});
        if ((state_0.size() && state_0.size() != size_t(kernel_.states)) || finals.size() != size_t(kernel_.states))
            throw std::invalid_argument("expected as many states as the cell has");
        for (size_t j = 0; j < state_0.size(); ++j) f_.state_0[j] = state(state_0[j], false);
        for (size_t j = 0; j < finals.size(); ++j) f_.state_n[j] = state(finals[j], true);
        const ReleaseGil released(kernel_, p);
        kernel_.forward(f_);
    }

  private:
    void read(nb::handle x, nb::tuple weights) {
        if (weights.size() != weight_fields && weights.size() != max_directions * weight_fields)
            throw std::invalid_argument("expected the weights of one or two directions");
        tensors_.directions = int(weights.size() / weight_fields);
        tensors_.x = number_array(x, false);
        for (size_t i = 0; i < weights.size(); ++i) {
            tensors_.weights[i].data = nullptr;
            if (!weights[i].is_none()) tensors_.weights[i] = number_array(weights[i], false);
        }
        for (size_t i = 0; i < weights.size(); ++i)
            if (i % weight_fields < 2 && (!tensors_.has(i) || tensors_.weights[i].dimensions != 2))
                throw std::invalid_argument("expected the matrices w_ih and w_hh");
        if (!tensors_.fit(kernel_, false)) throw std::invalid_argument("the shapes of x and the weights do not match");
        for (int d = 0; d < tensors_.directions; ++d) {
            const Tensor* w = tensors_.weights + size_t(d) * weight_fields;
            f_.weights[d] = {w[0].data, w[1].data, w[2].data, w[3].data, w[4].data};
        }
    }

    // (lengths, order), or nothing.
    void read_tables(nb::tuple tables) {
        if (tables.size() == 0) return;
        Problem& p = f_.problem;
        const auto table = [&](nb::handle object) -> const int64_t* {
            if (object.is_none()) return nullptr;
            const Tensor tensor = buffers_.emplace_back(object, false).tensor();
            if (!tensor.on_cpu(Tensor::integer, 64) || !tensor.has_sizes({p.batch}) || !tensor.aligned())
                throw std::invalid_argument("lengths, order: expected an int64 for each row");
            return tensor.at<const int64_t>();
        };
        if (tables.size() != 2) throw std::invalid_argument("tables: expected (lengths, order)");
        p.lengths = table(tables[0]);
        p.order = table(tables[1]);
    }

    Tensor number_array(nb::handle object, bool writable) {
        const Tensor tensor = buffers_.emplace_back(object, writable).tensor();
        if (!tensor.on_cpu(Tensor::floating, kernel_.bits) || !tensor.aligned() || tensor.count() == 0)
            throw std::invalid_argument("expected arrays of the kernel's element type that are not empty");
        return tensor;
    }
    void* array(nb::handle object, bool writable, std::initializer_list<int64_t> sizes) {
        const Tensor tensor = number_array(object, writable);
        if (!tensor.has_sizes(sizes)) throw std::invalid_argument("unexpected shape " + tensor.shape());
        return tensor.data;
    }
    void* state(nb::handle object, bool writable) {
        const Problem& p = f_.problem;
        return array(object, writable, {p.directions, p.batch, p.hidden});
    }

    const Kernel& kernel_;
    std::list<ArrayBuffer> buffers_;
    CallTensors tensors_{};
    ForwardArgs f_{};
};

// Fills y (T, N, D*H) and the final states (D, N, H).
inline void forward_arrays(const Kernel& kernel, nb::handle x, nb::tuple state_0, nb::tuple weights, nb::tuple tables,
                           bool reverse, int threads, nb::handle y, nb::tuple finals) {
    ArrayCall call(kernel);
    call(x, state_0, weights, tables, reverse, threads, y, finals);
}

}  // namespace throughtime
