// A kernel's call from Python: tensors are read in place, and the results are made here. Only for the module.
//
// A call for one step costs little more than this code, so every tensor is read once. No invalid tensor reaches a
// kernel: `forward` returns None for it, so that the caller can word an error; `backward`, whose tensors were valid in
// the call of forward, raises.
#pragma once

#include <nanobind/nanobind.h>

#include <cstring>
#include <optional>
#include <stdexcept>

#include "binding/checks.hpp"
#include "binding/tensor.hpp"
#include "binding/tensor_reader.hpp"
#include "engine/kernel.hpp"

namespace throughtime {

// Releases the GIL while it lives, unless the call takes less time than that.
class ReleaseGil {
  public:
    ReleaseGil(const Kernel& kernel, const Problem& p) {
        const double work = double(kernel.gates) * double(p.hidden) * double(p.hidden + p.inputs);
        if (work * double(p.batch) * double(p.steps) > 1e5) released_.emplace();
    }

  private:
    std::optional<nb::gil_scoped_release> released_;
};

inline bool accepts(const Kernel& kernel, nb::handle x, nb::tuple weights) {
    CallTensors tensors;
    return TensorReader(kernel.bits).try_read(x, weights, tensors);
}

// The tables (lengths, order, offsets) of a Problem; each may be None. Empty if all sequences have all steps.
class BatchLengths {
  public:
    explicit BatchLengths(nb::tuple tables) : tables_(tables) {
        if (tables.size() != 0 && tables.size() != 3)
            throw std::invalid_argument("lengths: expected (lengths, order, offsets)");
        packed_ = tables.size() == 3 && !tables[2].is_none();
        if (packed_ && tables[0].is_none())
            throw std::invalid_argument("lengths: expected a tensor with offsets, got None");
    }

    bool packed() const { return packed_; }

    // Writes the sizes of x and the tables to a problem, and checks them. Returns the number of rows of x in all steps.
    int64_t describe(const Tensor& x, Problem& p) const {
        const auto table = [&](size_t i) {
            return tables_[i].is_none() ? std::optional<Tensor>() : TensorReader::integer_table(tables_[i], 1);
        };
        if (tables_.size() == 0) {
            p.steps = x.size(0);
            p.batch = x.size(1);
            return saturating_product(p.steps, p.batch);
        }
        const std::optional<Tensor> lengths = table(0), order = table(1), offsets = table(2);
        if (offsets && offsets->size(0) == 0) throw std::invalid_argument("offsets: expected T + 1 elements, got none");
        p.steps = offsets ? offsets->size(0) - 1 : x.size(0);
        p.batch = offsets ? lengths->size(0) : x.size(1);
        if ((lengths && lengths->size(0) != p.batch) || (order && order->size(0) != p.batch))
            throw std::invalid_argument("lengths, order: expected one element for each row");
        p.lengths = lengths ? lengths->at<const int64_t>() : nullptr;
        p.order = order ? order->at<const int64_t>() : nullptr;
        p.x.offsets = offsets ? offsets->at<const int64_t>() : nullptr;
        const int64_t rows = offsets ? x.size(0) : saturating_product(p.steps, p.batch);
        check_tables(p, rows);
        return rows;
    }

  private:
    nb::tuple tables_;
    bool packed_ = false;
};

inline int64_t to_integer(nb::handle object) {
    const long long value = PyLong_AsLongLong(object.ptr());
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    return value;
}

inline double to_double(nb::handle object) {
    const double value = PyFloat_AsDouble(object.ptr());
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    return value;
}

// Whether the weights are those of a layer of `sizes` (I, H); empty sizes match all.
inline bool sizes_match(nb::tuple sizes, const CallTensors& tensors) {
    if (sizes.size() == 0) return true;
    if (sizes.size() != 2) throw std::invalid_argument("sizes: expected (I, H)");
    return to_integer(sizes[0]) == tensors.inputs() && to_integer(sizes[1]) == tensors.hidden();
}

// Writes sizes and tables to a problem. Returns the number of rows of all steps.
inline int64_t describe(const Kernel& kernel, const CallTensors& tensors, const BatchLengths& lengths, bool reverse,
                        int threads, Problem& p) {
    p.inputs = tensors.inputs();
    p.hidden = tensors.hidden();
    p.directions = tensors.directions;
    p.reverse = reverse;
    p.threads = usable_threads(threads);
    const int64_t rows = lengths.describe(tensors.x, p);
    check_addressable(kernel, p, rows);
    return rows;
}

inline Layout layout_of(const Tensor& sequence, const Problem& p) {
    return {p.x.offsets ? 0 : sequence.stride(0), sequence.stride(-2), p.x.offsets};
}

// A sequence in the memory order of x, zero if steps may be missing; also returns its layout.
inline OwnedTensor make_sequence(const TensorMaker& make, const Problem& p, const Tensor& x, int64_t features,
                                 Layout& layout) {
    if (p.x.offsets) {
        layout = {0, features, p.x.offsets};
        return make(x.size(0), features);
    }
    const bool batch_first = p.steps > 1 && p.batch > 1 && p.x.step < p.x.row;
    const int64_t step = batch_first ? features : p.batch * features, row = batch_first ? p.steps * features : features;
    layout = {step, row, nullptr};
    OwnedTensor sequence = make.strided(3, {p.steps, p.batch, features}, {step, row, 1});
    if (p.lengths) std::memset(sequence.data, 0, size_t(p.steps * p.batch * features) * x.element.bits / 8);
    return sequence;
}

inline void set_item(const nb::tuple& tuple, size_t i, nb::object value) {
    NB_TUPLE_SET_ITEM(tuple.ptr(), Py_ssize_t(i), value.release().ptr());
}

// All items must be set.
inline nb::tuple new_tuple(size_t size) {
    nb::tuple tuple = nb::steal<nb::tuple>(PyTuple_New(Py_ssize_t(size)));
    if (!tuple.is_valid()) throw nb::python_error();
    return tuple;
}

// Returns (y, final states, reserve), where the reserve is None unless in `training`; or None for tensors that the
// kernel does not accept. `sizes` are (I, H) of the layer, or empty.
inline nb::object forward(const Kernel& kernel, nb::handle x, nb::tuple state_0, nb::tuple weights, nb::tuple lengths,
                          bool reverse, int threads, bool training, nb::tuple sizes) {
    TensorReader reader(kernel.bits);
    CallTensors tensors;
    const BatchLengths tables(lengths);
    if (!reader.try_read(x, weights, tensors) || !tensors.fit(kernel, tables.packed()) || !sizes_match(sizes, tensors))
        return nb::none();
    if (training && !kernel.backward) throw std::invalid_argument("expected a kernel with a backward pass");
    ForwardArgs f{};
    Problem& p = f.problem;
    const int64_t rows = describe(kernel, tensors, tables, reverse, threads, p);
    if (!reader.states_fit(state_0, kernel, p)) return nb::none();
    const int64_t reserve_size = training ? kernel.reserve_size(rows, p.hidden, p.directions) : 0;
    const int64_t elements =
        saturating_sum({saturating_product({rows, p.directions, p.hidden}),
                        saturating_product({kernel.states, p.directions, p.batch, p.hidden}), reserve_size});
    require_call_memory(kernel, p,
                        saturating_sum({saturating_product(elements, kernel.bits / 8), tensors.copied_bytes()}),
                        "this call", [&] { return kernel.forward_workspace_bytes(f); });

    const Tensor inputs = reader.sequence(x, tensors.x);
    p.x = layout_of(inputs, p);
    f.x = inputs.at<void>();
    reader.weights(weights, tensors, f.weights);
    reader.states(state_0, f.state_0, kernel, p);

    const TensorMaker make(x, tensors.x);
    const OwnedTensor y = make_sequence(make, p, inputs, p.directions * p.hidden, p.y);
    f.y = y.data;
    OwnedTensor final_states[max_states];
    for (int j = 0; j < kernel.states; ++j) {
        final_states[j] = make(p.directions, p.batch, p.hidden);
        f.state_n[j] = final_states[j].data;
    }
    OwnedTensor reserve{nb::none(), nullptr};
    if (training) reserve = make(reserve_size);
    f.reserve = reserve.data;
    {
        const ReleaseGil released(kernel, p);
        kernel.forward(f);
    }
    const nb::tuple finals = new_tuple(size_t(kernel.states));
    for (int j = 0; j < kernel.states; ++j) set_item(finals, size_t(j), std::move(final_states[j].object));
    return nb::make_tuple(y.object, finals, reserve.object);
}

// The tensors and arguments of one backward call.
class BackwardCall {
  public:
    // `saved` is y, the reserve, x, `states` initial states and the weights.
    BackwardCall(const Kernel& kernel, nb::tuple saved, nb::tuple needed, size_t states, nb::tuple lengths)
        : kernel_(kernel),
          reader_(kernel.bits),
          lengths_(lengths),
          y_(saved[0]),
          reserve_(saved[1]),
          x_(saved[2]),
          state_0_(slice(saved, 3, 3 + states)),
          weights_(slice(saved, 3 + states, saved.size())),
          needed_(needed) {
        if (!reader_.try_read(x_, weights_, tensors_) || !tensors_.fit(kernel, lengths_.packed()))
            throw std::runtime_error(
                "the input or the weights have changed since the call forward: they no longer fit");
        const size_t count = 1 + states + weights_.size();
        if (needed.size() < count) throw std::invalid_argument("needed: expected an element for each tensor");
        skipped_ = needed.size() - count;
    }

    nb::object operator()(nb::tuple doutputs, bool reverse, int threads, const GradientClip& clip) {
        rows_ = describe(kernel_, tensors_, lengths_, reverse, threads, p_);
        f_.clip = clip;
        read_saved();
        require_memory();
        const TensorMaker make(x_, tensors_.x);
        OwnedTensor dx[max_directions];
        read_inputs(make, dx);
        read_doutputs(doutputs);
        const nb::tuple gradients = make_gradients(make);
        {
            const ReleaseGil released(kernel_, p_);
            kernel_.backward(f_);
        }
        if (dx[1].object.is_valid()) dx[0].object.attr("add_")(dx[1].object);
        set_gradient(gradients, 0, needs(0) ? std::move(dx[0].object) : nb::object(nb::none()));
        return gradients;
    }

  private:
    static nb::tuple slice(nb::tuple tuple, size_t first, size_t last) {
        return nb::steal<nb::tuple>(PyTuple_GetSlice(tuple.ptr(), Py_ssize_t(first), Py_ssize_t(last)));
    }
    bool needs(size_t i) const { return needed_[skipped_ + i].ptr() == Py_True; }
    void set_gradient(const nb::tuple& gradients, size_t i, nb::object gradient) const {
        set_item(gradients, skipped_ + i, std::move(gradient));
    }

    bool outputs_fit(const Tensor& tensor) const {
        const int64_t width = p_.directions * p_.hidden;
        return p_.x.offsets ? tensor.has_sizes({rows_, width}) : tensor.has_sizes({p_.steps, p_.batch, width});
    }

    void read_saved() {
        const Tensor outputs = reader_.sequence(y_);
        if (!outputs_fit(outputs))
            throw std::runtime_error("y: expected the outputs of forward, got " + outputs.shape());
        p_.y = layout_of(outputs, p_);
        f_.y = outputs.at<void>();
        f_.reserve = reader_.address("reserve", reserve_, {kernel_.reserve_size(rows_, p_.hidden, p_.directions)});
        if (!f_.reserve) throw std::invalid_argument("reserve: expected the one from forward, got None");
        check_reserve(f_.reserve, kernel_.bits, p_.batch);
    }

    void require_memory() const {
        const int64_t dx = needs(0) ? saturating_product({p_.directions, rows_, p_.inputs}) : 0;
        const int64_t elements =
            saturating_sum({dx, saturating_product({kernel_.states, p_.directions, p_.batch, p_.hidden})});
        const int64_t bytes = saturating_product(elements, kernel_.bits / 8);
        require_call_memory(kernel_, p_, saturating_sum({bytes, tensors_.copied_bytes()}), "this backward pass", [&] {
            BackwardArgs sizes = f_;  // of dx it matters only whether it is null
            for (int d = 0; d < p_.directions; ++d) sizes.dx[d] = needs(0) ? sizes.dweights : nullptr;
            return kernel_.backward_workspace_bytes(sizes);
        });
    }

    void read_inputs(const TensorMaker& make, OwnedTensor* dx) {
        Tensor inputs = reader_.sequence(x_, tensors_.x);
        p_.x = layout_of(inputs, p_);
        if (needs(0)) {
            Layout layout;
            for (int d = 0; d < p_.directions; ++d) {
                dx[d] = make_sequence(make, p_, inputs, p_.inputs, layout);
                f_.dx[d] = dx[d].data;
            }
            // The kernel reads x and writes dx with one layout; that of dx has neither gaps nor repetitions.
            if (layout.step != p_.x.step || layout.row != p_.x.row) {
                inputs = reader_.dense(x_, layout.step < layout.row);
                p_.x = layout;
            }
        }
        f_.x = inputs.at<void>();
        reader_.weights(weights_, tensors_, f_.weights);
        reader_.states(state_0_, f_.state_0, kernel_, p_);
    }

    void read_doutputs(nb::tuple doutputs) {
        if (!doutputs[0].is_none()) {
            const Tensor dy = reader_.sequence(doutputs[0]);
            if (!outputs_fit(dy))
                throw std::invalid_argument("dy: expected the shape of the outputs, got " + dy.shape());
            f_.dy = dy.at<void>();
            f_.dy_layout = layout_of(dy, p_);
        }
        for (int j = 0; j < kernel_.states; ++j)
            f_.dstate_n[j] = reader_.address("dstate_n", doutputs[size_t(j) + 1], {p_.directions, p_.batch, p_.hidden});
    }

    // A tuple of new tensors for the gradients of states and weights; that of x is set after the call.
    nb::tuple make_gradients(const TensorMaker& make) {
        const nb::tuple gradients = new_tuple(needed_.size());
        const size_t states = state_0_.size();
        for (size_t i = 0; i < skipped_; ++i) set_item(gradients, i, nb::none());
        for (size_t j = 0; j < states; ++j) {
            OwnedTensor state{nb::none(), nullptr};
            if (needs(1 + j)) state = make(p_.directions, p_.batch, p_.hidden);
            f_.dstate_0[j] = state.data;
            set_gradient(gradients, 1 + j, std::move(state.object));
        }
        for (size_t i = 0; i < weights_.size(); ++i) {
            OwnedTensor weight{nb::none(), nullptr};
            if (needs(1 + states + i) && tensors_.has(i)) {
                weight = make.like(tensors_.weights[i]);
                WeightGradients& to = f_.dweights[i / weight_fields];
                void** const fields[] = {&to.w_ih, &to.w_hh, &to.b_ih, &to.b_hh, &to.diagonal};
                *fields[i % weight_fields] = weight.data;
            }
            set_gradient(gradients, 1 + states + i, std::move(weight.object));
        }
        return gradients;
    }

    const Kernel& kernel_;
    TensorReader reader_;
    const BatchLengths lengths_;
    const nb::handle y_, reserve_, x_;
    const nb::tuple state_0_, weights_, needed_;
    CallTensors tensors_;
    size_t skipped_ = 0;
    BackwardArgs f_{};
    Problem& p_ = f_.problem;
    int64_t rows_ = 0;
};

// `saved` is y, the reserve, x, `states` initial states and the weights, as in the call of forward. `doutputs` are the
// gradients of y and of each final state, None for zero. Returns the gradients of x, the states and the weights, None
// where `needed` is False; if `needed` has more elements, the first ones are skipped and get None. `clip` is
// (limit, norm); see GradientClip. Returns None if a gradient is not readable.
inline nb::object backward(const Kernel& kernel, nb::tuple saved, nb::tuple doutputs, nb::tuple needed, size_t states,
                           nb::tuple lengths, bool reverse, int threads, nb::tuple clip) {
    if (!kernel.backward) throw std::invalid_argument("expected a kernel with a backward pass");
    if ((states != 0 && states != size_t(kernel.states)) || saved.size() < 3 + states ||
        doutputs.size() != 1 + size_t(kernel.states) || clip.size() != 2)
        throw std::invalid_argument("expected the tensors of forward, and a gradient for each output");
    for (const nb::handle gradient : doutputs)
        if (!gradient.is_none() && !TensorReader::is_readable(gradient)) return nb::none();
    BackwardCall call(kernel, saved, needed, states, lengths);
    return call(doutputs, reverse, threads, {to_double(clip[0]), clip[1].ptr() == Py_True});
}

}  // namespace throughtime
