// The Python module: one class, whose instances are the compiled cells.
//
// Tensors come as they are and are read in place. All that a caller hands over is checked before a kernel sees it, see
// `seam.hpp`; errors of shapes are worded in Python, where the names of a layer's weights are known.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#if defined(_OPENMP)
#include <omp.h>
#endif

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "binding/kernel_call.hpp"
#include "engine/kernel.hpp"
#include "training/trainer.hpp"
#include "binding/trainer_call.hpp"
#include "engine/peak_flops.hpp"
#include "binding/checks.hpp"
#include "binding/streaming.hpp"

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

// Those that this processor can run, of all instruction sets.
template <class Entry>
std::vector<const Entry*> registered() {
    const std::vector<std::string> available = instruction_sets();
    std::vector<const Entry*> found;
    for (auto* r = RegisterOf<Entry>::first(); r; r = r->next)
        if (std::find(available.begin(), available.end(), r->entry->isa) != available.end()) found.push_back(r->entry);
    return found;
}

// Likewise. One of bfloat16 is known by its name and its elements.
std::vector<const Kernel*> kernels() {
    std::vector<const Kernel*> found = registered<Kernel>();
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx512bf16"))
        std::erase_if(found, [](const Kernel* kernel) { return kernel->bits == 16; });
#endif
    return found;
}

// Kernel::kept_scalars for numbers that may be anything.
int64_t kept_scalars(const Kernel& kernel, int64_t rows, int64_t hidden, int directions) {
    if (rows < 0 || hidden < 1 || directions < 1 || directions > max_directions)
        throw std::invalid_argument("expected rows, hidden units and one or two directions");
    const int64_t most = product({directions, rows, sum({hidden, kernel.lanes}), kernel.kept});
    if (most >= beyond_count) throw std::overflow_error("expected sizes that can be addressed");
    return kernel.kept_scalars(rows, hidden, directions);
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
        .def("kept_scalars", &kept_scalars, "rows"_a, "hidden"_a, "directions"_a,
             "Size of the buffer that forward fills for backward, in elements.")
        .def("accepts", &accepts, "x"_a, "weights"_a,
             "Whether all tensors are of the kernel's element type, on the CPU and not empty.")
        .def("forward", &forward, "x"_a, "state_0"_a, "weights"_a, "ragged"_a, "reverse"_a, "threads"_a, "keep"_a,
             "sizes"_a)
        .def("backward", &backward, "saved"_a, "doutputs"_a, "wanted"_a, "states"_a, "ragged"_a, "reverse"_a,
             "threads"_a, "clip"_a);
    nb::class_<Learner>(m, "Trainer", "Whole updates of small networks, for one element type and one instruction set.")
        .def_ro("isa", &Learner::isa)
        .def_ro("is_double", &Learner::is_double)
        .def("learn", &learn, "layers"_a, "output"_a, "objective"_a, "final_state"_a, "batch_first"_a, "batches"_a,
             "windows"_a, "reports"_a, "rule"_a, "moments"_a, "settings"_a, "clip"_a, "steps"_a, "threads"_a);
    nb::class_<Peak>(m, "Peak", "Work for measuring how fast this processor multiplies and adds at all.")
        .def_ro("isa", &Peak::isa)
        .def("work", [](const Peak& peak, int threads) { return peak.work(usable_threads(threads)); }, "threads"_a);
    nb::class_<Stream>(m, "Stream", "A stack of layers and a linear output that advance one step at a time.")
        .def(nb::init<const Learner&, ptrdiff_t>(), "trainer"_a, "inputs"_a)
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
    m.def("free_memory", &free_memory, "Bytes that the process can still allocate.");
    m.def("processors", &processors, "Processors that the process may run on.");
    m.def("release_threads", &release_threads, "End the threads of the pool before a fork.");
}

}  // namespace throughtime
