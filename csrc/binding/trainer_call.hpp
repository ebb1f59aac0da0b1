// A trainer's call from Python; see TrainingProblem. Only for the module.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "binding/checks.hpp"
#include "binding/tensor_reader.hpp"
#include "training/trainer.hpp"

namespace throughtime {

inline nb::tuple tuple_of(nb::handle object, size_t size) {
    if (!nb::isinstance<nb::tuple>(object) || nb::borrow<nb::tuple>(object).size() != size)
        throw std::invalid_argument("expected a tuple of " + std::to_string(size));
    return nb::borrow<nb::tuple>(object);
}

// The index of a word among `words`.
template <size_t N>
size_t index_of(const char* argument, const std::string& word, const char* const (&words)[N]) {
    for (size_t i = 0; i < N; ++i)
        if (word == words[i]) return i;
    throw std::invalid_argument(std::string(argument) + ": unknown value " + word);
}

// Checks the arguments of a call and collects them in a TrainingProblem.
class TrainerCall {
  public:
    TrainerCall(const Trainer& trainer, bool final_state, bool batch_first, const std::string& objective,
                const std::string& optimizer, double clip, int threads)
        : trainer_(trainer), time_(batch_first ? 1 : 0), reader_(trainer.is_double ? 64 : 32) {
        problem_.objective = Objective(index_of("objective", objective, {"mse", "cross_entropy"}));
        problem_.optimizer = Optimizer(index_of("optimizer", optimizer, {"sgd", "adam", "adamw"}));
        problem_.final_state = final_state;
        problem_.clip = clip;
        problem_.threads = usable_threads(threads);
    }

    // Layers of (kernel, weights, states), and the output's (weight, bias).
    void set_network(nb::list layers, nb::tuple output, nb::list moments, nb::handle first_x) {
        const Tensor x = reader_.sequence(first_x);
        if (x.dimensions != 3 || x.count() == 0 || layers.size() == 0 || layers.size() > size_t(max_layers))
            throw std::invalid_argument("expected inputs (T, N, I) and one to eight layers");
        problem_.steps = x.size(time_);
        problem_.batch = x.size(1 - time_);
        problem_.depth = int(layers.size());
        inputs_ = x.size(2);
        if (moments.size() != weights_per_layer * layers.size() + 2)
            throw std::invalid_argument("expected moments of each parameter");
        int64_t width = inputs_;
        for (int i = 0; i < problem_.depth; ++i) width = set_layer(i, tuple_of(layers[size_t(i)], 3), moments, width);
        const nb::tuple fields = tuple_of(output, 2);
        const Tensor weight = fields[0].is_none() ? Tensor{} : view(fields[0]);
        if (weight.dimensions != 2) throw std::invalid_argument("output: expected a weight (O, H)");
        problem_.outputs = weight.size(0);
        problem_.output_weight = add_parameter("output.weight", fields[0], moments, {problem_.outputs, width});
        problem_.output_bias = add_parameter("output.bias", fields[1], moments, {problem_.outputs});
        if (!problem_.output_weight || problem_.outputs == 0)
            throw std::invalid_argument("output: expected a weight (O, H)");
    }

    // Batches of (x, target) with equal sizes.
    void set_batches(nb::list batches) {
        for (const nb::handle batch : batches) batches_.push_back(read_batch(tuple_of(batch, 2)));
        problem_.batches = batches_.data();
        problem_.batch_count = ptrdiff_t(batches_.size());
    }

    // Windows (n, 4), reports (n, 2) for each batch, and settings (5) for one or for all updates.
    void set_updates(nb::handle windows, nb::handle reports, nb::handle settings) {
        const Tensor table = TensorReader::integer_table(windows, 2);
        if (table.size(1) != 4 || table.size(0) == 0) throw std::invalid_argument("expected windows (n, 4)");
        problem_.windows = table.at<const Window>();
        problem_.window_count = table.size(0);
        const int64_t updates = saturating_product(problem_.window_count, problem_.batch_count);
        if (TensorReader::rows(reports, 2) < updates)
            throw std::invalid_argument("expected reports (n, 2) for each batch");
        for (ptrdiff_t i = 0; i < problem_.window_count; ++i) {
            const Window& w = problem_.windows[i];
            if (w.start < 0 || w.loss < w.start || w.loss >= w.stop || w.stop > problem_.steps || w.carry < w.start ||
                w.carry > w.stop)
                throw std::invalid_argument("expected windows within the sequence");
        }
        problem_.reports = view(reports).at<UpdateReport>();
        const int64_t rows = TensorReader::rows(settings, 5);
        if (rows != 1 && rows < updates)
            throw std::invalid_argument("expected settings (5) for one or for all updates");
        problem_.settings = view(settings).at<OptimizerSettings>();
        problem_.settings_stride = rows > 1;
    }

    // The optimizer's step counts of its parameters, all equal.
    void set_counts(nb::list steps) {
        for (const nb::handle step : steps) counts_.push_back(TensorReader::count(step));
        // SGD has no counts. Without dampening a velocity of zero is as good as none, so the first update needs no
        // care.
        const double updates = counts_.empty()                 ? 1
                               : counts_[0].element.bits == 32 ? double(*counts_[0].at<float>())
                                                               : *counts_[0].at<double>();
        if (!(updates >= 0 && updates < 1e15)) throw std::invalid_argument("steps: expected counts of updates");
        problem_.updates = int64_t(updates);
    }

    int64_t run() {
        int64_t updates;
        {
            const nb::gil_scoped_release released;
            updates = trainer_.train(problem_);
        }
        for (const Tensor& count : counts_)
            count.element.bits == 32 ? void(*count.at<float>() += float(updates))
                                     : void(*count.at<double>() += double(updates));
        return updates;
    }

  private:
    // Returns the width of the layer's output.
    int64_t set_layer(int i, nb::tuple fields, nb::list moments, int64_t width) {
        if (!nb::isinstance<Kernel>(fields[0]) || !nb::isinstance<nb::tuple>(fields[2]))
            throw std::invalid_argument("expected layers (kernel, weights, states)");
        const auto& kernel = nb::cast<const Kernel&>(fields[0]);
        const nb::tuple weights = tuple_of(fields[1], weight_fields), states = nb::borrow<nb::tuple>(fields[2]);
        if ((kernel.bits == 64) != trainer_.is_double || kernel.bits == 16 || !kernel.backward ||
            states.size() != size_t(kernel.states))
            throw std::invalid_argument("expected kernels of one element type, and all states of each");
        if (weights[1].is_none() || !weights[5].is_none())
            throw std::invalid_argument("expected the weights of one direction, without a projection");
        const Tensor w_hh = view(weights[1]);
        if (w_hh.dimensions != 2 || w_hh.count() == 0) throw std::invalid_argument("weight_hh: expected (G*H, H)");
        Layer& layer = problem_.layers[i];
        layer.kernel = &kernel;
        layer.inputs = width;
        layer.hidden = w_hh.size(1);
        const int64_t rows = saturating_product(kernel.gates, layer.hidden);
        const auto of_layer = [&](const char* field) { return std::string(field) + "_l" + std::to_string(i); };
        layer.weights = {
            add_parameter(of_layer("weight_ih"), weights[0], moments, {rows, width}),
            add_parameter(of_layer("weight_hh"), weights[1], moments, {rows, layer.hidden}),
            add_parameter(of_layer("bias_ih"), weights[2], moments, {rows}),
            add_parameter(of_layer("bias_hh"), weights[3], moments, {rows}),
            add_parameter(of_layer("diagonal"), weights[4], moments, {kernel.diagonals, layer.hidden}),
        };
        if (!layer.weights.w_ih || (!layer.weights.diagonal && kernel.diagonals))
            throw std::invalid_argument("expected all weights of each layer");
        for (int j = 0; j < kernel.states; ++j) {
            layer.state[j] = reader_.in_place("state", states[size_t(j)], {problem_.batch, layer.hidden});
            if (!layer.state[j]) throw std::invalid_argument("state: expected a tensor, got None");
        }
        Problem p{};
        p.steps = problem_.steps;
        p.batch = problem_.batch;
        p.inputs = width;
        p.hidden = layer.hidden;
        p.directions = 1;
        p.threads = problem_.threads;
        check_addressable(kernel, p, saturating_product(p.steps, p.batch));
        return layer.hidden;
    }

    void* add_parameter(const std::string& name, nb::handle value, nb::list moments,
                        std::initializer_list<int64_t> sizes) {
        const nb::tuple moment = tuple_of(moments[size_t(problem_.parameter_count)], 2);
        const char* const label = name.c_str();
        void* const address = reader_.in_place(label, value, sizes);
        Parameter& parameter = problem_.parameters[problem_.parameter_count++];
        parameter = {address, reader_.in_place(label, moment[0], sizes), reader_.in_place(label, moment[1], sizes),
                     address ? saturating_product(sizes) : 0};
        if (problem_.optimizer != Optimizer::sgd && address && !(parameter.first && parameter.second))
            throw std::invalid_argument("expected both moments of each parameter");
        return address;
    }

    TrainingBatch read_batch(nb::tuple fields) {
        const bool classes = problem_.objective == Objective::cross_entropy, final_state = problem_.final_state;
        const Tensor x = reader_.sequence(fields[0]),
                     target = classes ? TensorReader::classes(fields[1]) : reader_.sequence(fields[1]);
        const int row = 1 - time_, target_row = final_state ? 0 : row;
        if (x.dimensions != 3 || x.size(time_) != problem_.steps || x.size(row) != problem_.batch ||
            x.size(2) != inputs_ || target.dimensions != 1 + !final_state + !classes ||
            target.size(target_row) != problem_.batch || (!final_state && target.size(time_) != problem_.steps) ||
            (!classes && target.size(-1) != problem_.outputs))
            throw std::invalid_argument("expected batches of the same sizes, with a target for each output");
        if (classes) TensorReader::check_classes(target, problem_.outputs);
        return {x.at<void>(),
                {x.stride(time_), x.stride(row), nullptr},
                target.at<void>(),
                {final_state ? 0 : target.stride(time_), target.stride(target_row), nullptr}};
    }

    TrainingProblem problem_{};
    const Trainer& trainer_;
    const int time_;  // dimension of the steps
    int64_t inputs_ = 0;
    TensorReader reader_;
    std::vector<TrainingBatch> batches_;
    std::vector<Tensor> counts_;
};

// A layer is (kernel, weights, states), a batch is (x, target), moments are (first, second), each or None. `steps` are
// the optimizer's step counts, which are advanced.
inline int64_t train(const Trainer& trainer, nb::list layers, nb::tuple output, const std::string& objective,
                     bool final_state, bool batch_first, nb::list batches, nb::handle windows, nb::handle reports,
                     const std::string& optimizer, nb::list moments, nb::handle settings, double clip, nb::list steps,
                     int threads) {
    TrainerCall call(trainer, final_state, batch_first, objective, optimizer, clip, threads);
    if (batches.size() == 0) throw std::invalid_argument("expected a batch");
    call.set_network(layers, output, moments, tuple_of(batches[0], 2)[0]);
    call.set_batches(batches);
    call.set_updates(windows, reports, settings);
    call.set_counts(steps);
    return call.run();
}

}  // namespace throughtime
