// A kernel's call from Python: tensors are read in place, and results are made here. Included by the module only.
//
// A call for one step costs little more than this file does, so every tensor is looked at once.
#pragma once

#include <nanobind/nanobind.h>

#include <cstring>
#include <optional>
#include <stdexcept>

#include "kernel.hpp"
#include "reader.hpp"
#include "tensor.hpp"

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

// Whether the input has the dimensions of sequences and as many features as the weights have inputs, and the initial
// states, all or none, are (D, N, H) each.
inline bool fits(const Reader& reader, const Kernel& kernel, const Given& given, nb::tuple state_0, nb::tuple ragged) {
    const bool packed = ragged.size() != 0 && !ragged[2].is_none();
    if (given.x.dimensions != (packed ? 2 : 3) || given.weights[0].size(-1) != given.inputs()) return false;
    if (state_0.size() != 0 && state_0.size() != size_t(kernel.states)) return false;
    const int64_t batch = packed ? view(ragged[0]).size(0) : given.x.size(1);
    for (const nb::handle state : state_0) {
        Tensor s;
        if (!reader.look(state, s) || s.dimensions != 3 || s.size(0) != given.directions || s.size(1) != batch ||
            s.size(2) != given.hidden())
            return false;
    }
    return true;
}

// `ragged` is (lengths, order, offsets), each may be None, or empty where all sequences have all steps; see Problem.
inline Problem problem_of(const Given& given, const Tensor& x, nb::tuple ragged, bool reverse, int threads) {
    Problem p{};
    p.inputs = given.inputs();
    p.hidden = given.hidden();
    p.directions = given.directions;
    p.reverse = reverse;
    p.threads = threads;
    if (ragged.size() != 0) {
        p.lengths = Reader::table(ragged[0]);
        p.order = Reader::table(ragged[1]);
    }
    if (x.dimensions == 2) {  // packed
        const Tensor offsets = view(ragged[2]);
        p.steps = offsets.size(0) - 1;
        p.batch = view(ragged[0]).size(0);
        p.x = {0, x.stride(0), Reader::table(ragged[2])};
    } else {
        p.steps = x.size(0);
        p.batch = x.size(1);
        p.x = {x.stride(0), x.stride(1), nullptr};
    }
    return p;
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
// does not accept.
inline nb::object forward(const Kernel& kernel, nb::handle x, nb::tuple state_0, nb::tuple weights, nb::tuple ragged,
                          bool reverse, int threads, bool keep) {
    Reader reader(kernel.bits);
    Given given;
    if (!reader.look(x, weights, given) || !fits(reader, kernel, given, state_0, ragged)) return nb::none();
    if (keep && !kernel.backward) throw std::invalid_argument("expected a kernel that has a backward pass");
    const Tensor inputs = reader.sequence(x, given.x);
    Forward f{};
    Problem& p = f.problem;
    p = problem_of(given, inputs, ragged, reverse, threads);
    f.x = inputs.at<void>();
    reader.weights(weights, given, f.weights, kernel);
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
    if (keep) kept = make(kernel.kept_scalars(p.rows_before(p.steps), p.hidden, p.directions));
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
    if (saved.size() < at_x + 1 + states || doutputs.size() != 1 + size_t(kernel.states))
        throw std::invalid_argument("expected what went forward, and a gradient for each output");
    const nb::handle y = saved[0], kept = saved[1], x = saved[at_x];
    const auto part = [&](size_t first, size_t last) {
        return nb::steal<nb::tuple>(PyTuple_GetSlice(saved.ptr(), Py_ssize_t(first), Py_ssize_t(last)));
    };
    const nb::tuple state_0 = part(at_x + 1, at_x + 1 + states), weights = part(at_x + 1 + states, saved.size());
    if (!reader.look(x, weights, given)) throw std::invalid_argument("expected the tensors that went forward");
    for (const nb::handle gradient : doutputs)
        if (!gradient.is_none() && !Reader::is_open(gradient)) return nb::none();
    const size_t count = 1 + states + weights.size();
    if (wanted.size() < count) throw std::invalid_argument("expected a word about each tensor");
    const size_t skipped = wanted.size() - count;
    const auto wants = [&](size_t i) { return wanted[skipped + i].ptr() == Py_True; };
    Tensor inputs = reader.sequence(x, given.x);
    const Tensor outputs = reader.sequence(y);
    Backward f{};
    Problem& p = f.problem;
    p = problem_of(given, inputs, ragged, reverse, threads);
    p.y = {outputs.dimensions == 2 ? 0 : outputs.stride(0), outputs.stride(-2), p.x.offsets};
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
    f.kept = reader.address(kept, kernel.kept_scalars(p.rows_before(p.steps), p.hidden, p.directions));
    if (!doutputs[0].is_none()) {
        const Tensor dy = reader.sequence(doutputs[0]);
        if (dy.dimensions != outputs.dimensions || dy.count() != outputs.count())
            throw std::invalid_argument("expected a gradient of the size of the outputs");
        f.dy = dy.at<void>();
        f.dy_layout = {dy.dimensions == 2 ? 0 : dy.stride(0), dy.stride(-2), p.x.offsets};
    }
    reader.weights(weights, given, f.weights, kernel);
    f.clip = {nb::cast<double>(clip[0]), nb::cast<bool>(clip[1])};
    reader.states(state_0, f.state_0, kernel, p);
    for (int j = 0; j < kernel.states; ++j)
        f.dstate_n[j] = reader.address(doutputs[size_t(j) + 1], p.directions * p.batch * p.hidden);

    nb::object gradients = nb::steal(PyTuple_New(Py_ssize_t(wanted.size())));
    const auto give = [&](size_t i, nb::object gradient) {
        NB_TUPLE_SET_ITEM(gradients.ptr(), skipped + i, gradient.release().ptr());
    };
    for (size_t i = 0; i < skipped; ++i) NB_TUPLE_SET_ITEM(gradients.ptr(), i, nb::none().release().ptr());
    for (size_t j = 0; j < states; ++j) {
        if (!wants(1 + j)) {
            give(1 + j, nb::none());
            continue;
        }
        Made made = make(p.directions, p.batch, p.hidden);
        f.dstate_0[j] = made.data;
        give(1 + j, std::move(made.object));
    }
    for (size_t i = 0; i < weights.size(); ++i) {
        const size_t at = 1 + states + i;
        if (!wants(at) || !given.weights[i].data) {
            give(at, nb::none());
            continue;
        }
        Made made = make.like(given.weights[i]);
        WeightGradients& to = f.dweights[i / weights_each];
        void** const fields[] = {&to.w_ih, &to.w_hh, &to.b_ih, &to.b_hh, &to.diagonal};
        *fields[i % weights_each] = made.data;
        give(at, std::move(made.object));
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
