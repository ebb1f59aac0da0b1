// A learner's call from Python: see Learning. Included by the module only.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "training/trainer.hpp"
#include "binding/tensor_reader.hpp"
#include "binding/checks.hpp"

namespace throughtime {

// A tuple of so many objects.
inline nb::tuple tuple_of(nb::handle object, size_t count) {
    if (!nb::isinstance<nb::tuple>(object) || nb::borrow<nb::tuple>(object).size() != count)
        throw std::invalid_argument("expected a tuple of " + std::to_string(count));
    return nb::borrow<nb::tuple>(object);
}

// Which of some words it is.
template <size_t N>
size_t choice(const char* name, const std::string& word, const char* const (&words)[N]) {
    for (size_t i = 0; i < N; ++i)
        if (word == words[i]) return i;
    throw std::invalid_argument(std::string(name) + ": unknown: " + word);
}

// Reads the arguments of one call into a Learning, all of them checked.
class LearningCall {
  public:
    LearningCall(const Learner& learner, bool final_state, bool batch_first, const std::string& objective,
                 const std::string& rule, int threads)
        : learner_(learner), time_(batch_first ? 1 : 0), reader_(learner.is_double ? 64 : 32) {
        l.objective = Objective(choice("objective", objective, {"mse", "cross_entropy"}));
        l.rule = Rule(choice("rule", rule, {"sgd", "adam", "adamw"}));
        l.final_state = final_state;
        l.threads = usable_threads(threads);
    }

    // Layers of (kernel, weights, states), and the output's (weight, bias).
    void network(nb::list layers, nb::tuple output, nb::list moments, nb::handle first_x) {
        const Tensor x = reader_.sequence(first_x);
        if (x.dimensions != 3 || x.count() == 0 || layers.size() == 0 || layers.size() > size_t(max_layers))
            throw std::invalid_argument("expected inputs (T, N, I) and one to eight layers");
        l.steps = x.size(time_);
        l.batch = x.size(1 - time_);
        l.depth = int(layers.size());
        inputs_ = x.size(2);
        if (moments.size() != 5 * layers.size() + 2) throw std::invalid_argument("expected moments of each parameter");
        int64_t width = inputs_;
        for (int i = 0; i < l.depth; ++i) width = layer(i, tuple_of(layers[size_t(i)], 3), moments, width);
        const nb::tuple fields = tuple_of(output, 2);
        const Tensor weight = fields[0].is_none() ? Tensor{} : view(fields[0]);
        if (weight.dimensions != 2) throw std::invalid_argument("output: expected a weight (O, H)");
        l.outputs = weight.size(0);
        l.output_weight = add("output.weight", fields[0], moments, {l.outputs, width});
        l.output_bias = add("output.bias", fields[1], moments, {l.outputs});
        if (!l.output_weight || l.outputs == 0) throw std::invalid_argument("output: expected a weight (O, H)");
    }

    // Batches of (x, target), all of the same sizes.
    void batches(nb::list given) {
        for (const nb::handle batch : given) sources_.push_back(source(tuple_of(batch, 2)));
        l.sources = sources_.data();
        l.source_count = ptrdiff_t(sources_.size());
    }

    // Windows (n, 4), reports (n, 2) for each batch, and settings (5) for one or for all updates.
    void updates(nb::handle windows, nb::handle reports, nb::handle settings) {
        const Tensor table = Reader::table(windows, 2);
        if (table.size(1) != 4 || table.size(0) == 0) throw std::invalid_argument("expected windows (n, 4)");
        l.windows = table.at<const Window>();
        l.window_count = table.size(0);
        const int64_t updates = product(l.window_count, l.source_count);
        if (Reader::rows(reports, 2) < updates) throw std::invalid_argument("expected reports (n, 2) for each batch");
        for (ptrdiff_t i = 0; i < l.window_count; ++i) {
            const Window& w = l.windows[i];
            if (w.start < 0 || w.loss < w.start || w.loss >= w.stop || w.stop > l.steps || w.carry < w.start ||
                w.carry > w.stop)
                throw std::invalid_argument("expected windows within the sequence");
        }
        l.reports = view(reports).at<Report>();
        const int64_t rows = Reader::rows(settings, 5);
        if (rows != 1 && rows < updates)
            throw std::invalid_argument("expected settings (5) for one or for all updates");
        l.settings = view(settings).at<Settings>();
        l.settings_behind = rows > 1;
    }

    // The counts of updates that the optimizer keeps for its parameters, all the same.
    void counts(nb::list steps) {
        for (const nb::handle step : steps) counts_.push_back(Reader::count(step));
        // Without dampening a velocity of zeros is as good as none, so that SGD need not count.
        const double done = counts_.empty()                 ? 1
                            : counts_[0].element.bits == 32 ? double(*counts_[0].at<float>())
                                                            : *counts_[0].at<double>();
        if (!(done >= 0 && done < 1e15)) throw std::invalid_argument("steps: expected counts of updates");
        l.updates = int64_t(done);
    }

    int64_t run() {
        int64_t done;
        {
            const nb::gil_scoped_release released;
            done = learner_.learn(l);
        }
        for (const Tensor& count : counts_)
            count.element.bits == 32 ? void(*count.at<float>() += float(done))
                                     : void(*count.at<double>() += double(done));
        return done;
    }

    Learning l{};

  private:
    // Returns the width of what the layer gives to the next one.
    int64_t layer(int i, nb::tuple given, nb::list moments, int64_t width) {
        if (!nb::isinstance<Kernel>(given[0]) || !nb::isinstance<nb::tuple>(given[2]))
            throw std::invalid_argument("expected layers (kernel, weights, states)");
        const auto& kernel = nb::cast<const Kernel&>(given[0]);
        const nb::tuple weights = tuple_of(given[1], weights_each), states = nb::borrow<nb::tuple>(given[2]);
        if ((kernel.bits == 64) != learner_.is_double || kernel.bits == 16 || !kernel.backward ||
            states.size() != size_t(kernel.states))
            throw std::invalid_argument("expected kernels of one element type, and all states of each");
        if (weights[1].is_none() || !weights[5].is_none())
            throw std::invalid_argument("expected the weights of one direction, without a projection");
        const Tensor w_hh = view(weights[1]);
        if (w_hh.dimensions != 2 || w_hh.count() == 0) throw std::invalid_argument("weight_hh: expected (G*H, H)");
        Layer& layer = l.layers[i];
        layer.kernel = &kernel;
        layer.inputs = width;
        layer.hidden = w_hh.size(1);
        const int64_t rows = product(kernel.gates, layer.hidden);
        const auto of_layer = [&](const char* field) { return std::string(field) + "_l" + std::to_string(i); };
        layer.weights = {
            add(of_layer("weight_ih"), weights[0], moments, {rows, width}),
            add(of_layer("weight_hh"), weights[1], moments, {rows, layer.hidden}),
            add(of_layer("bias_ih"), weights[2], moments, {rows}),
            add(of_layer("bias_hh"), weights[3], moments, {rows}),
            add(of_layer("diagonal"), weights[4], moments, {kernel.diagonals, layer.hidden}),
        };
        if (!layer.weights.w_ih || (!layer.weights.diagonal && kernel.diagonals))
            throw std::invalid_argument("expected all weights of each layer");
        for (int j = 0; j < kernel.states; ++j) {
            layer.state[j] = reader_.in_place("state", states[size_t(j)], {l.batch, layer.hidden});
            if (!layer.state[j]) throw std::invalid_argument("state: expected a tensor, got None");
        }
        Problem p{};
        p.steps = l.steps;
        p.batch = l.batch;
        p.inputs = width;
        p.hidden = layer.hidden;
        p.directions = 1;
        p.threads = l.threads;
        check_addressable(kernel, p, product(l.steps, l.batch));
        return layer.hidden;
    }

    void* add(const std::string& name, nb::handle value, nb::list moments, std::initializer_list<int64_t> sizes) {
        const nb::tuple moment = tuple_of(moments[size_t(l.parameter_count)], 2);
        const char* const label = name.c_str();
        void* const address = reader_.in_place(label, value, sizes);
        Parameter& parameter = l.parameters[l.parameter_count++];
        parameter = {address, reader_.in_place(label, moment[0], sizes), reader_.in_place(label, moment[1], sizes),
                     address ? product(sizes) : 0};
        if (l.rule != Rule::sgd && address && !(parameter.first && parameter.second))
            throw std::invalid_argument("expected both moments of each parameter");
        return address;
    }

    Source source(nb::tuple batch) {
        const bool classes = l.objective == Objective::cross_entropy;
        const Tensor x = reader_.sequence(batch[0]),
                     target = classes ? Reader::classes(batch[1]) : reader_.sequence(batch[1]);
        const int row = 1 - time_, target_row = l.final_state ? 0 : row;
        if (x.dimensions != 3 || x.size(time_) != l.steps || x.size(row) != l.batch || x.size(2) != inputs_ ||
            target.dimensions != 1 + !l.final_state + !classes || target.size(target_row) != l.batch ||
            (!l.final_state && target.size(time_) != l.steps) || (!classes && target.size(-1) != l.outputs))
            throw std::invalid_argument("expected batches of the same sizes, with a target for each output");
        if (classes) Reader::check_classes(target, l.outputs);
        return {x.at<void>(),
                {x.stride(time_), x.stride(row), nullptr},
                target.at<void>(),
                {l.final_state ? 0 : target.stride(time_), target.stride(target_row), nullptr}};
    }

    const Learner& learner_;
    const int time_;
    int64_t inputs_ = 0;
    Reader reader_;
    std::vector<Source> sources_;
    std::vector<Tensor> counts_;
};

// See Learning. A layer is (kernel, weights, states); a batch is (x, target), and all are of the same sizes; moments
// are (first, second), each may be None. `steps` are the counts of updates that the optimizer keeps for its parameters,
// all the same.
inline int64_t learn(const Learner& learner, nb::list layers, nb::tuple output, const std::string& objective,
                     bool final_state, bool batch_first, nb::list batches, nb::handle windows, nb::handle reports,
                     const std::string& rule, nb::list moments, nb::handle settings, double clip, nb::list steps,
                     int threads) {
    LearningCall call(learner, final_state, batch_first, objective, rule, threads);
    if (batches.size() == 0) throw std::invalid_argument("expected a batch");
    call.network(layers, output, moments, tuple_of(batches[0], 2)[0]);
    call.batches(batches);
    call.updates(windows, reports, settings);
    call.counts(steps);
    call.l.clip = clip;
    return call.run();
}

}  // namespace throughtime
