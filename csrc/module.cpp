// The Python module: one class, whose instances are the compiled cells.
//
// Tensors come as they are and are read in place. Shapes are checked in Python, once, where errors can be worded for
// the user; what is checked here keeps a wrong call from reading memory that is not its own.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#if defined(_OPENMP)
#include <omp.h>
#endif

#include <stdexcept>
#include <string>
#include <vector>

#include "call.hpp"
#include "kernel.hpp"
#include "learning.hpp"
#include "peak.hpp"
#include "reader.hpp"
#include "stream.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace throughtime {
namespace {

// Instruction sets that this processor can run, best first.
std::vector<std::string> instruction_sets() {
    std::vector<std::string> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        found.emplace_back("avx512");
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.emplace_back("avx2");
#endif
    found.emplace_back("baseline");
    return found;
}

template <class Entry>
std::vector<const Entry*> registered() {
    std::vector<const Entry*> found;
    for (auto* r = RegisterOf<Entry>::first(); r; r = r->next) found.push_back(r->entry);
    return found;
}

// Those that this processor can run, of all instruction sets. One of bfloat16 is told by its name and its elements.
std::vector<const Kernel*> kernels() {
    std::vector<const Kernel*> found;
    for (const Kernel* kernel : registered<Kernel>()) {
#if defined(__x86_64__)
        if (kernel->bits == 16 && !__builtin_cpu_supports("avx512bf16")) continue;
#endif
        found.push_back(kernel);
    }
    return found;
}

// One batch (x, target) of the sizes that are known from the first.
Source source(Reader& reader, const Learning& l, int64_t width, bool batch_first, nb::tuple batch) {
    const bool classes = l.objective == Objective::cross_entropy;
    const Tensor x = reader.sequence(batch[0]),
                 target = classes ? Reader::classes(batch[1], l.outputs) : reader.sequence(batch[1]);
    const int time = batch_first ? 1 : 0, row = 1 - time, target_row = l.final_state ? 0 : row;
    if (x.dimensions != 3 || x.size(time) != l.steps || x.size(row) != l.batch || x.size(2) != width ||
        target.dimensions != 1 + !l.final_state + !classes || target.size(target_row) != l.batch ||
        (!l.final_state && target.size(time) != l.steps) || (!classes && target.size(-1) != l.outputs))
        throw std::invalid_argument("expected batches of the same sizes, with a target for each output");
    return {x.at<void>(),
            {x.stride(time), x.stride(row), nullptr},
            target.at<void>(),
            {l.final_state ? 0 : target.stride(time), target.stride(target_row), nullptr}};
}

// See Learning. A layer is (kernel, weights, states); a batch is (x, target), and all are of the same sizes; moments
// are (first, second), each may be None. `steps` are the counts of updates that the optimizer keeps for its parameters,
// all the same.
int64_t learn(const Learner& learner, nb::list layers, nb::tuple output, const std::string& objective, bool final_state,
              bool batch_first, nb::list batches, nb::handle windows, nb::handle reports, const std::string& rule,
              nb::list moments, nb::handle settings, double clip, nb::list steps, int threads) {
    Reader reader(learner.is_double ? 64 : 32);
    Learning l{};
    if (batches.size() == 0) throw std::invalid_argument("expected a batch");
    const Tensor inputs = reader.sequence(nb::handle(batches[0][0]));
    if (inputs.dimensions != 3 || layers.size() == 0 || layers.size() > size_t(max_layers))
        throw std::invalid_argument("expected inputs (T, N, I) and one to eight layers");
    l.steps = inputs.size(batch_first ? 1 : 0);
    l.batch = inputs.size(batch_first ? 0 : 1);
    l.depth = int(layers.size());
    const auto add = [&](nb::handle value, int64_t count) {
        const nb::tuple moment = nb::cast<nb::tuple>(moments[size_t(l.parameter_count)]);
        void* const address = reader.in_place(value, count);
        l.parameters[l.parameter_count++] = {address, reader.in_place(moment[0], count),
                                             reader.in_place(moment[1], count), address ? count : 0};
        return address;
    };
    int64_t width = inputs.size(2);
    for (int i = 0; i < l.depth; ++i) {
        const nb::tuple given = nb::cast<nb::tuple>(layers[size_t(i)]);
        const auto& kernel = nb::cast<const Kernel&>(given[0]);
        const nb::tuple weights = nb::cast<nb::tuple>(given[1]), states = nb::cast<nb::tuple>(given[2]);
        Layer& layer = l.layers[i];
        layer.kernel = &kernel;
        layer.inputs = width;
        layer.hidden = view(weights[1]).size(-1);
        const int64_t rows = kernel.gates * layer.hidden;
        layer.weights = {add(weights[0], rows * width), add(weights[1], rows * layer.hidden), add(weights[2], rows),
                         add(weights[3], rows), add(weights[4], kernel.diagonals * layer.hidden)};
        if ((kernel.bits == 64) != learner.is_double || !kernel.backward || states.size() != size_t(kernel.states))
            throw std::invalid_argument("expected kernels of one element type, and all states of each");
        for (int j = 0; j < kernel.states; ++j)
            layer.state[j] = reader.in_place(states[size_t(j)], l.batch * layer.hidden);
        width = layer.hidden;
    }
    l.outputs = view(output[0]).size(0);
    l.output_weight = add(output[0], l.outputs * width);
    l.output_bias = add(output[1], l.outputs);
    l.objective = objective == "mse" ? Objective::mse : Objective::cross_entropy;
    l.final_state = final_state;
    std::vector<Source> sources;
    for (const nb::handle batch : batches)
        sources.push_back(source(reader, l, inputs.size(2), batch_first, nb::borrow<nb::tuple>(batch)));
    l.sources = sources.data();
    l.source_count = ptrdiff_t(sources.size());
    l.windows = reinterpret_cast<const Window*>(Reader::table(windows));
    l.window_count = view(windows).size(0);
    const ptrdiff_t updates = l.window_count * l.source_count;
    if (view(windows).count() != 4 * l.window_count || reader.rows(reports, 2) < updates)
        throw std::invalid_argument("expected windows (n, 4), and reports (n, 2) for each batch");
    for (ptrdiff_t i = 0; i < l.window_count; ++i) {
        const Window& w = l.windows[i];
        if (w.start < 0 || w.loss < w.start || w.loss >= w.stop || w.stop > l.steps || w.carry < w.start ||
            w.carry > w.stop)
            throw std::invalid_argument("expected windows within the sequence");
    }
    l.reports = view(reports).at<Report>();
    l.rule = rule == "sgd" ? Rule::sgd : rule == "adam" ? Rule::adam : Rule::adamw;
    if (l.rule != Rule::sgd)
        for (int i = 0; i < l.parameter_count; ++i)
            if (l.parameters[i].value && !(l.parameters[i].first && l.parameters[i].second))
                throw std::invalid_argument("expected both moments of each parameter");
    const int64_t given = Reader::rows(settings, 5);
    if (given != 1 && given < updates) throw std::invalid_argument("expected settings (5) for one or for all updates");
    l.settings = view(settings).at<Settings>();
    l.settings_behind = given > 1;
    l.clip = clip;
    l.threads = threads;
    std::vector<Tensor> counts;
    for (const nb::handle step : steps) counts.push_back(Reader::count(step));
    // Without dampening a velocity of zeros is as good as none, so that SGD need not count.
    l.updates =
        counts.empty() ? 1 : int64_t(counts[0].element.bits == 32 ? *counts[0].at<float>() : *counts[0].at<double>());
    int64_t done;
    {
        const nb::gil_scoped_release released;
        done = learner.learn(l);
    }
    for (const Tensor& count : counts)
        count.element.bits == 32 ? void(*count.at<float>() += float(done)) : void(*count.at<double>() += double(done));
    return done;
}

// Ends the threads of the OpenMP pool; the next parallel region starts new ones. A child that is forked while they
// exist would wait for threads that it does not have.
void release_threads() {
#if defined(_OPENMP)
    omp_pause_resource_all(omp_pause_soft);
#endif
}

}  // namespace

NB_MODULE(_engine, m) {
    nb::set_leak_warnings(false);  // kernels live as long as the process
    nb::class_<Kernel>(m, "Kernel", "One compiled cell for one element type and one instruction set.")
        .def_ro("cell", &Kernel::cell)
        .def_ro("activation", &Kernel::activation)
        .def_ro("isa", &Kernel::isa)
        .def_ro("bits", &Kernel::bits)
        .def_ro("gates", &Kernel::gates)
        .def_ro("states", &Kernel::states)
        .def_ro("diagonals", &Kernel::diagonals)
        .def_ro("lanes", &Kernel::lanes)
        .def_ro("kept", &Kernel::kept)
        .def("kept_scalars", &Kernel::kept_scalars, "rows"_a, "hidden"_a, "directions"_a,
             "Size of the buffer that forward fills for backward, in elements.")
        .def("accepts", &accepts, "x"_a, "weights"_a,
             "Whether all tensors are of the kernel's element type, on the CPU and not empty.")
        .def("forward", &forward, "x"_a, "state_0"_a, "weights"_a, "ragged"_a, "reverse"_a, "threads"_a, "keep"_a)
        .def("backward", &backward, "saved"_a, "doutputs"_a, "wanted"_a, "states"_a, "ragged"_a, "reverse"_a,
             "threads"_a, "clip"_a);
    nb::class_<Learner>(m, "Learner", "Whole updates of small networks, for one element type and one instruction set.")
        .def_ro("isa", &Learner::isa)
        .def_ro("is_double", &Learner::is_double)
        .def("learn", &learn, "layers"_a, "output"_a, "objective"_a, "final_state"_a, "batch_first"_a, "batches"_a,
             "windows"_a, "reports"_a, "rule"_a, "moments"_a, "settings"_a, "clip"_a, "steps"_a, "threads"_a);
    nb::class_<Peak>(m, "Peak", "Work for measuring how fast this processor multiplies and adds at all.")
        .def_ro("isa", &Peak::isa)
        .def("work", [](const Peak& peak, int threads) { return peak.work(threads); }, "threads"_a);
    nb::class_<Stream>(m, "Stream", "A stack of layers and a linear output that advance one step at a time.")
        .def(nb::init<const Learner&, ptrdiff_t>(), "learner"_a, "inputs"_a)
        .def("add_layer", &Stream::add_layer, "kernel"_a, "weights"_a, "hidden"_a)
        .def("set_output", &Stream::set_output, "weight"_a, "bias"_a.none(), "outputs"_a, "activation"_a)
        .def("step", &Stream::step, "x"_a, "y"_a)
        .def("run", &Stream::run, "x"_a, "y"_a, "steps"_a)
        .def("get_state", &Stream::get_state, "layer"_a, "to"_a)
        .def("set_state", &Stream::set_state, "layer"_a, "source"_a);
    m.def("instruction_sets", &instruction_sets, "Instruction sets that this processor can run, best first.");
    m.def("kernels", &kernels, nb::rv_policy::reference, "All compiled cells, for every instruction set.");
    m.def("learners", &registered<Learner>, nb::rv_policy::reference, "The learners, for every instruction set.");
    m.def("peaks", &registered<Peak>, nb::rv_policy::reference, "The work for peaks, for every instruction set.");
    m.def("release_threads", &release_threads, "End the threads of the pool before a fork.");
}

}  // namespace throughtime
