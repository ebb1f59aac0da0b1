// A kernel's call from Python: tensors are read in place, and results are made here. Included by the module only.
//
// A call for one step costs little more than this file does, so every tensor is looked at once. Nothing that does not
// fit reaches a kernel: `forward` gives None back for it, so that the caller can word an error, and `backward`, whose
// tensors have gone forward before, raises.
#pragma once

#include <nanobind/nanobind.h>

#include <cstring>
#include <optional>
#include <stdexcept>

#include "engine/kernel.hpp"
#include "binding/tensor_reader.hpp"
#include "binding/checks.hpp"
#include "binding/tensor.hpp"

namespace throughtime {

// Gives Python's lock away while it lives, unless the call is over sooner than that takes.
class Unlocked {
  public:
    Unlocked(const Kernel& kernel, const Problem& p) {
        const double work = double(kernel.gates) * double(p.hidden) * double(p.hidden + p.inputs);
        if (work * double(p.batch) * double(p.steps) > 1e5) released_.emplace();
    }

  private:
    std::optional<nb::gil_scoped_release> released_;
};

inline bool accepts(const Kernel& kernel, nb::handle x, nb::tuple weights) {
    Given given;
    return Reader(kernel.bits).look(x, weights, given);
}

// (lengths, order, offsets), each may be None, or empty where all sequences have all steps; see Problem.
class Ragged {
  public:
    explicit Ragged(nb::tuple tables) : tables_(tables) {
        if (tables.size() != 0 && tables.size() != 3)
            throw std::invalid_argument("ragged: expected lengths, order and offsets");
        packed_ = tables.size() == 3 && !tables[2].is_none();
        if (packed_ && tables[0].is_none()) throw std::invalid_argument("ragged: expected lengths with offsets");
    }

    bool packed() const { return packed_; }

    // Puts the sizes of x and the tables into a problem, and checks them. Returns how many rows x has in all steps.
    int64_t describe(const Tensor& x, Problem& p) const {
        const auto table = [&](size_t i) {
            return tables_[i].is_none() ? std::optional<Tensor>() : Reader::table(tables_[i], 1);
        };
        if (tables_.size() == 0) {
            p.steps = x.size(0);
            p.batch = x.size(1);
            return product(p.steps, p.batch);
        }
        const std::optional<Tensor> lengths = table(0), order = table(1), offsets = table(2);
        if (offsets && offsets->size(0) == 0) throw std::invalid_argument("offsets: expected those of T + 1 steps");
        p.steps = offsets ? offsets->size(0) - 1 : x.size(0);
        p.batch = offsets ? lengths->size(0) : x.size(1);
        if ((lengths && lengths->size(0) != p.batch) || (order && order->size(0) != p.batch))
            throw std::invalid_argument("lengths, order: expected one for each row");
        p.lengths = lengths ? lengths->at<const int64_t>() : nullptr;
        p.order = order ? order->at<const int64_t>() : nullptr;
        p.x.offsets = offsets ? offsets->at<const int64_t>() : nullptr;
        const int64_t rows = offsets ? x.size(0) : product(p.steps, p.batch);
        check_tables(p, rows);
        return rows;
    }

  private:
    nb::tuple tables_;
    bool packed_ = false;
};

inline int64_t whole_number(nb::handle object) {
    const long long value = PyLong_AsLongLong(object.ptr());
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    return value;
}

inline double number(nb::handle object) {
    const double value = PyFloat_AsDouble(object.ptr());
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    return value;
}

// Whether the weights are those of a layer with these sizes (I, H), where they are given.
inline bool sizes_fit(nb::tuple sizes, const Given& given) {
    if (sizes.size() == 0) return true;
    if (sizes.size() != 2) throw std::invalid_argument("sizes: expected I and H");
    return whole_number(sizes[0]) == given.inputs() && whole_number(sizes[1]) == given.hidden();
}

// The rows of all steps of a call whose tensors fit; `p` becomes all that is said of it by sizes and tables.
inline int64_t describe(const Kernel& kernel, const Given& given, const Ragged& ragged, bool reverse, int threads,
                        Problem& p) {
    p.inputs = given.inputs();
    p.hidden = given.hidden();
    p.directions = given.directions;
    p.reverse = reverse;
    p.threads = usable_threads(threads);
    const int64_t rows = ragged.describe(given.x, p);
    check_addressable(kernel, p, rows);
    return rows;
}

// Where the vectors of a sequence stand.
inline Layout layout_of(const Tensor& sequence, const Problem& p) {
    return {p.x.offsets ? 0 : sequence.stride(0), sequence.stride(-2), p.x.offsets};
}

// A sequence for x in the memory order of x, zero where steps may be missing; `layout` is told where its vectors stand.
inline Made make_sequence(const TensorMaker& make, const Problem& p, const Tensor& x, int64_t features,
                          Layout& layout) {
    if (p.x.offsets) {
        layout = {0, features, p.x.offsets};
        return make(x.size(0), features);
    }
    const bool batch_first = p.steps > 1 && p.batch > 1 && p.x.step < p.x.row;
    const int64_t step = batch_first ? features : p.batch * features, row = batch_first ? p.steps * features : features;
    layout = {step, row, nullptr};
    Made made = make.strided(3, {p.steps, p.batch, features}, {step, row, 1});
    if (p.lengths) std::memset(made.data, 0, size_t(p.steps * p.batch * features) * x.element.bits / 8);
    return made;
}

// Returns y, the final states and, if asked for, what is kept for the backward pass; None for tensors that the kernel
// does not accept. `sizes` are (I, H) of the layer, or empty.
inline nb::object forward(const Kernel& kernel, nb::handle x, nb::tuple state_0, nb::tuple weights, nb::tuple ragged,
                          bool reverse, int threads, bool keep, nb::tuple sizes) {
    Reader reader(kernel.bits);
    Given given;
    const Ragged tables(ragged);
    if (!reader.look(x, weights, given) || !given.fit(kernel, tables.packed()) || !sizes_fit(sizes, given))
        return nb::none();
    if (keep && !kernel.backward) throw std::invalid_argument("expected a kernel that has a backward pass");
    Forward f{};
    Problem& p = f.problem;
    const int64_t rows = describe(kernel, given, tables, reverse, threads, p);
    if (!reader.states_fit(state_0, kernel, p)) return nb::none();
    const int64_t kept_count = keep ? kernel.kept_scalars(rows, p.hidden, p.directions) : 0;
    const int64_t made = sum({product({rows, p.directions, p.hidden}),
                              product({kernel.states, p.directions, p.batch, p.hidden}), kept_count});
    require_call_memory(kernel, p, sum({product(made, kernel.bits / 8), given.copied_bytes()}), "this call",
                        [&] { return kernel.forward_bytes(f); });

    const Tensor inputs = reader.sequence(x, given.x);
    p.x = layout_of(inputs, p);
    f.x = inputs.at<void>();
    reader.weights(weights, given, f.weights);
    reader.states(state_0, f.state_0, kernel, p);

    const TensorMaker make(x, given.x);
    const Made y = make_sequence(make, p, inputs, p.directions * p.hidden, p.y);
    f.y = y.data;
    Made state_n[max_states];
    for (int j = 0; j < kernel.states; ++j) {
        state_n[j] = make(p.directions, p.batch, p.hidden);
        f.state_n[j] = state_n[j].data;
    }
    Made kept{nb::none(), nullptr};
    if (keep) kept = make(kept_count);
    f.kept = kept.data;
    {
        const Unlocked unlocked(kernel, p);
        kernel.forward(f);
    }
    const nb::tuple finals =
        kernel.states == 1 ? nb::make_tuple(state_n[0].object) : nb::make_tuple(state_n[0].object, state_n[1].object);
    return nb::make_tuple(y.object, finals, kept.object);
}

// `saved` is what the call went forward with and what came of it: y, what was kept, x, `states` initial states and the
// weights. Returns the gradients of x and of all behind it, None where `wanted` is False; what `wanted` says of more
// than these in front of them gets None. `doutputs` are the gradients of y and of each final state, None for zero.
// `clip` is (limit, whether of the norm); see Clip. None instead of all that where a gradient cannot be looked at.
inline nb::object backward(const Kernel& kernel, nb::tuple saved, nb::tuple doutputs, nb::tuple wanted, size_t states,
                           nb::tuple ragged, bool reverse, int threads, nb::tuple clip) {
    Reader reader(kernel.bits);
    Given given;
    if (!kernel.backward) throw std::invalid_argument("expected a kernel that has a backward pass");
    constexpr size_t at_x = 2;
    if ((states != 0 && states != size_t(kernel.states)) || saved.size() < at_x + 1 + states ||
        doutputs.size() != 1 + size_t(kernel.states) || clip.size() != 2)
        throw std::invalid_argument("expected what went forward, and a gradient for each output");
    const nb::handle y = saved[0], kept = saved[1], x = saved[at_x];
    const auto part = [&](size_t first, size_t last) {
        return nb::steal<nb::tuple>(PyTuple_GetSlice(saved.ptr(), Py_ssize_t(first), Py_ssize_t(last)));
    };
    const nb::tuple state_0 = part(at_x + 1, at_x + 1 + states), weights = part(at_x + 1 + states, saved.size());
    for (const nb::handle gradient : doutputs)
        if (!gradient.is_none() && !Reader::is_open(gradient)) return nb::none();
    const Ragged tables(ragged);
    if (!reader.look(x, weights, given) || !given.fit(kernel, tables.packed()))
        throw std::runtime_error("the input or the weights have changed since the call forward: they no longer fit");
    const size_t count = 1 + states + weights.size();
    if (wanted.size() < count) throw std::invalid_argument("expected a word about each tensor");
    const size_t skipped = wanted.size() - count;
    const auto wants = [&](size_t i) { return wanted[skipped + i].ptr() == Py_True; };

    Backward f{};
    Problem& p = f.problem;
    const int64_t rows = describe(kernel, given, tables, reverse, threads, p);
    const int64_t width = p.directions * p.hidden, kept_count = kernel.kept_scalars(rows, p.hidden, p.directions);
    const auto outputs_fit = [&](const Tensor& tensor) {
        return p.x.offsets ? tensor.has_sizes({rows, width}) : tensor.has_sizes({p.steps, p.batch, width});
    };
    const Tensor outputs = reader.sequence(y);
    if (!outputs_fit(outputs))
        throw std::runtime_error("y: expected the outputs of the call forward, got " + outputs.shape());
    p.y = layout_of(outputs, p);
    f.kept = reader.address("kept", kept, {kept_count});
    if (!f.kept) throw std::invalid_argument("kept: expected what forward has kept, got None");
    slices_in(f.kept, kernel.bits, p.batch);
    f.clip = {number(clip[0]), clip[1].ptr() == Py_True};

    const int64_t gradients_of_inputs = wants(0) ? product({p.directions, rows, p.inputs}) : 0;
    const int64_t made = sum({gradients_of_inputs, product({kernel.states, p.directions, p.batch, p.hidden})});
    require_call_memory(kernel, p, sum({product(made, kernel.bits / 8), given.copied_bytes()}), "this backward pass",
                        [&] {
                            Backward like = f;  // only whether there is a gradient of x matters
                            for (int d = 0; d < p.directions; ++d) like.dx[d] = wants(0) ? like.dweights : nullptr;
                            return kernel.backward_bytes(like);
                        });

    Tensor inputs = reader.sequence(x, given.x);
    p.x = layout_of(inputs, p);
    const TensorMaker make(x, given.x);
    Made dx[max_directions];
    if (wants(0)) {
        Layout layout;
        for (int d = 0; d < p.directions; ++d) {
            dx[d] = make_sequence(make, p, inputs, p.inputs, layout);
            f.dx[d] = dx[d].data;
        }
        // The gradient has no gaps and no repetitions; the input must have none either, to be laid out alike.
        if (layout.step != p.x.step || layout.row != p.x.row) {
            inputs = reader.dense(x, layout.step < layout.row);
            p.x = layout;
        }
    }
    f.x = inputs.at<void>();
    f.y = outputs.at<void>();
    if (!doutputs[0].is_none()) {
        const Tensor dy = reader.sequence(doutputs[0]);
        if (!outputs_fit(dy)) throw std::invalid_argument("expected a gradient of the size of the outputs");
        f.dy = dy.at<void>();
        f.dy_layout = layout_of(dy, p);
    }
    reader.weights(weights, given, f.weights);
    reader.states(state_0, f.state_0, kernel, p);
    for (int j = 0; j < kernel.states; ++j)
        f.dstate_n[j] = reader.address("dstate_n", doutputs[size_t(j) + 1], {p.directions, p.batch, p.hidden});

    nb::object gradients = nb::steal(PyTuple_New(Py_ssize_t(wanted.size())));
    if (!gradients.is_valid()) throw nb::python_error();
    const auto give = [&](size_t i, nb::object gradient) {
        NB_TUPLE_SET_ITEM(gradients.ptr(), skipped + i, gradient.release().ptr());
    };
    for (size_t i = 0; i < skipped; ++i) NB_TUPLE_SET_ITEM(gradients.ptr(), i, nb::none().release().ptr());
    for (size_t j = 0; j < states; ++j) {
        if (!wants(1 + j)) {
            give(1 + j, nb::none());
            continue;
        }
        Made state = make(p.directions, p.batch, p.hidden);
        f.dstate_0[j] = state.data;
        give(1 + j, std::move(state.object));
    }
    for (size_t i = 0; i < weights.size(); ++i) {
        const size_t at = 1 + states + i;
        if (!wants(at) || !given.has(i)) {
            give(at, nb::none());
            continue;
        }
        Made weight = make.like(given.weights[i]);
        WeightGradients& to = f.dweights[i / weights_each];
        void** const fields[] = {&to.w_ih, &to.w_hh, &to.b_ih, &to.b_hh, &to.diagonal};
        *fields[i % weights_each] = weight.data;
        give(at, std::move(weight.object));
    }
    {
        const Unlocked unlocked(kernel, p);
        kernel.backward(f);
    }
    if (dx[1].object.is_valid()) dx[0].object.attr("add_")(dx[1].object);
    give(0, wants(0) ? std::move(dx[0].object) : nb::object(nb::none()));
    return gradients;
}

}  // namespace throughtime
