// The Python module `_engine`: compiled cells, trainers, streaming networks.
//
// Tensors are read in place. All arguments are checked before a kernel reads them, see `checks.hpp`; errors of shapes
// are worded in Python, where the names of a layer's weights are known.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "binding/array_call.hpp"
#include "binding/checks.hpp"
#include "binding/kernel_call.hpp"
#include "binding/streaming.hpp"
#include "binding/trainer_call.hpp"
#include "engine/instruction_sets.hpp"
#include "engine/kernel.hpp"
#include "engine/peak_flops.hpp"
#include "engine/thread_team.hpp"
#include "training/trainer.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace throughtime {
namespace {

// The entries that this processor can run.
template <class Entry>
std::vector<const Entry*> registered() {
    const std::vector<std::string> available = instruction_sets();
    std::vector<const Entry*> entries;
    for (auto* r = Registration<Entry>::first(); r; r = r->next)
        if (std::find(available.begin(), available.end(), r->entry->isa) != available.end())
            entries.push_back(r->entry);
    return entries;
}

// Likewise. Those for bfloat16 need more than their instruction set says.
std::vector<const Kernel*> kernels() {
    std::vector<const Kernel*> entries = registered<Kernel>();
    if (!has_bfloat16()) std::erase_if(entries, [](const Kernel* kernel) { return kernel->bits == 16; });
    return entries;
}

// Kernel::reserve_size for any numbers.
int64_t reserve_size(const Kernel& kernel, int64_t rows, int64_t hidden, int directions) {
    if (rows < 0 || hidden < 1 || directions < 1 || directions > max_directions)
        throw std::invalid_argument("expected rows, hidden units and one or two directions");
    const int64_t bound =
        saturating_product({directions, rows, saturating_sum({hidden, kernel.lanes}), kernel.reserve_vectors});
    if (bound >= count_limit) throw std::overflow_error("expected sizes within the address space");
    return kernel.reserve_size(rows, hidden, directions);
}

}  // namespace

NB_MODULE(_engine, m) {
    nb::set_leak_warnings(false);  // entries live as long as the process
    nb::class_<Kernel>(m, "Kernel", "One compiled cell for one element type and one instruction set.")
        .def_ro("cell", &Kernel::cell)
        .def_ro("activation", &Kernel::activation)
        .def_ro("isa", &Kernel::isa)
        .def_ro("bits", &Kernel::bits)
        .def_ro("gates", &Kernel::gates)
        .def_ro("states", &Kernel::states)
        .def_ro("diagonals", &Kernel::diagonals)
        .def_ro("gate_names", &Kernel::gate_names)
        .def_ro("separate_halves", &Kernel::separate_halves)
        .def_ro("state_names", &Kernel::state_names)
        .def_ro("diagonal_names", &Kernel::diagonal_names)
        .def_ro("lanes", &Kernel::lanes)
        .def_ro("reserve_vectors", &Kernel::reserve_vectors)
        .def("reserve_size", &reserve_size, "rows"_a, "hidden"_a, "directions"_a,
             "Return the size of the buffer that forward fills for backward, in elements.")
        .def("accepts", &accepts, "x"_a, "weights"_a,
             "Return whether all tensors are of the kernel's element type, on the CPU and not empty.")
        .def("forward", &forward, "x"_a, "state_0"_a, "weights"_a, "lengths"_a, "reverse"_a, "threads"_a, "training"_a,
             "sizes"_a)
        .def("forward_arrays", &forward_arrays, "x"_a, "state_0"_a, "weights"_a, "tables"_a, "reverse"_a, "threads"_a,
             "y"_a, "finals"_a)
        .def("backward", &backward, "saved"_a, "doutputs"_a, "needed"_a, "states"_a, "lengths"_a, "reverse"_a,
             "threads"_a, "clip"_a);
    nb::class_<Trainer>(m, "Trainer", "Training updates of small networks, for one element type and instruction set.")
        .def_ro("isa", &Trainer::isa)
        .def_ro("is_double", &Trainer::is_double)
        .def("train", &train, "layers"_a, "output"_a, "objective"_a, "final_state"_a, "batch_first"_a, "batches"_a,
             "windows"_a, "reports"_a, "optimizer"_a, "moments"_a, "settings"_a, "clip"_a, "steps"_a, "threads"_a);
    nb::class_<PeakFlops>(m, "PeakFlops", "A measurement of the processor's peak arithmetic throughput.")
        .def_ro("isa", &PeakFlops::isa)
        .def("run", [](const PeakFlops& peak, int threads) { return peak.run(usable_threads(threads)); }, "threads"_a);
    nb::class_<StreamingNetwork>(m, "StreamingNetwork",
                                 "A stack of layers with a linear output that advances one step at a time.")
        .def(nb::init<const Trainer&, ptrdiff_t>(), "trainer"_a, "inputs"_a)
        .def("add_layer", &StreamingNetwork::add_layer, "kernel"_a, "weights"_a, "hidden"_a)
        .def("set_output", &StreamingNetwork::set_output, "weight"_a, "bias"_a.none(), "outputs"_a, "activation"_a)
        .def("step", &StreamingNetwork::step, "x"_a, "y"_a)
        .def("run", &StreamingNetwork::run, "x"_a, "y"_a, "steps"_a)
        .def("step_rows", &StreamingNetwork::step_rows, "x"_a, "states"_a, "y"_a, "rows"_a)
        .def("get_state", &StreamingNetwork::get_state, "layer"_a, "to"_a)
        .def("set_state", &StreamingNetwork::set_state, "layer"_a, "source"_a);
    m.def("instruction_sets", &instruction_sets, "Return the instruction sets of this processor, best first.");
    m.def("kernels", &kernels, nb::rv_policy::reference, "Return all compiled cells, for every instruction set.");
    m.def("trainers", &registered<Trainer>, nb::rv_policy::reference,
          "Return the trainers, for every instruction set.");
    m.def("peak_flops", &registered<PeakFlops>, nb::rv_policy::reference,
          "Return the measurements of peak throughput, for every instruction set.");
    m.def("free_memory", &free_memory, "Return the number of bytes that the process can still allocate.");
    m.def("processors", &processors, "Return the number of processors that the process may run on.");
    m.def("release_threads", &release_threads, "End the threads of the pool before a fork.");
}

}  // namespace throughtime
