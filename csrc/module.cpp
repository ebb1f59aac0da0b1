// The Python module: one class, whose instances are the compiled cells.
//
// Tensors come as addresses (data_ptr()), because six of them as array objects would cost more than a whole short call.
// Shapes are checked in Python, once, where errors can be worded for the user; see throughtime/_kernels/__init__.py.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#if defined(_OPENMP)
#include <omp.h>
#endif

#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.hpp"

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

std::vector<const Kernel*> kernels() {
    std::vector<const Kernel*> found;
    for (const Register* r = Register::first(); r; r = r->next) found.push_back(r->kernel);
    return found;
}

using Address = uintptr_t;

template <class Pointer>
Pointer pointer(Address address) {
    return reinterpret_cast<Pointer>(address);
}

// The addresses in a tuple, in order; a missing tail stays null.
template <class Pointer>
void addresses(nb::tuple from, Pointer* to, size_t count) {
    if (from.size() > count) throw std::invalid_argument("too many addresses");
    for (size_t i = 0; i < from.size(); ++i) to[i] = pointer<Pointer>(nb::cast<Address>(from[i]));
}

constexpr size_t weights_each = 6;  // the sixth, a projection, is not compiled: always null

void weights_of(nb::tuple from, Weights* to) {
    const void* flat[max_directions * weights_each] = {};
    addresses(from, flat, max_directions * weights_each);
    for (size_t d = 0; d < max_directions; ++d) {
        const void* const* w = flat + d * weights_each;
        to[d] = {w[0], w[1], w[2], w[3], w[4]};
    }
}

Problem problem_of(nb::tuple sizes) {
    if (sizes.size() != 14) throw std::invalid_argument("a problem has 14 numbers");
    ptrdiff_t n[14];
    for (size_t i = 0; i < 14; ++i) n[i] = nb::cast<ptrdiff_t>(sizes[i]);
    const auto* const offsets = pointer<const int64_t*>(Address(n[7]));
    return {.steps = n[0],
            .batch = n[1],
            .inputs = n[2],
            .hidden = n[3],
            .directions = int(n[4]),
            .reverse = n[5] != 0,
            .threads = int(n[6]),
            .lengths = pointer<const int64_t*>(Address(n[8])),
            .order = pointer<const int64_t*>(Address(n[9])),
            .x = {n[10], n[11], offsets},
            .y = {n[12], n[13], offsets}};
}

void forward(const Kernel& kernel, nb::tuple problem, Address x, Address y, Address kept, nb::tuple state_0,
             nb::tuple state_n, nb::tuple weights) {
    Forward f{};
    f.problem = problem_of(problem);
    f.x = pointer<const void*>(x);
    f.y = pointer<void*>(y);
    f.kept = pointer<void*>(kept);
    addresses(state_0, f.state_0, max_states);
    addresses(state_n, f.state_n, max_states);
    weights_of(weights, f.weights);
    const nb::gil_scoped_release released;
    kernel.forward(f);
}

void backward(const Kernel& kernel, nb::tuple problem, Address x, Address y, Address kept, Address dy, nb::tuple dx,
              nb::tuple state_0, nb::tuple dstate_n, nb::tuple dstate_0, nb::tuple weights, nb::tuple dweights) {
    Backward f{};
    f.problem = problem_of(problem);
    f.x = pointer<const void*>(x);
    f.y = pointer<const void*>(y);
    f.kept = pointer<const void*>(kept);
    f.dy = pointer<const void*>(dy);
    addresses(dx, f.dx, max_directions);
    addresses(state_0, f.state_0, max_states);
    addresses(dstate_n, f.dstate_n, max_states);
    addresses(dstate_0, f.dstate_0, max_states);
    weights_of(weights, f.weights);
    void* flat[max_directions * weights_each] = {};
    addresses(dweights, flat, max_directions * weights_each);
    for (size_t d = 0; d < max_directions; ++d) {
        void* const* w = flat + d * weights_each;
        f.dweights[d] = {w[0], w[1], w[2], w[3], w[4]};
    }
    const nb::gil_scoped_release released;
    kernel.backward(f);
}

// Ends the threads of the OpenMP pool; the next parallel region starts new ones. A child that is forked while they exist
// would wait for threads that it does not have.
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
        .def_ro("is_double", &Kernel::is_double)
        .def_ro("gates", &Kernel::gates)
        .def_ro("states", &Kernel::states)
        .def_ro("diagonals", &Kernel::diagonals)
        .def_ro("lanes", &Kernel::lanes)
        .def_ro("kept", &Kernel::kept)
        .def("kept_scalars", &Kernel::kept_scalars, "rows"_a, "hidden"_a, "directions"_a,
             "Size of the buffer that forward fills for backward, in elements.")
        .def("forward", &forward, "problem"_a, "x"_a, "y"_a, "kept"_a, "state_0"_a, "state_n"_a, "weights"_a)
        .def("backward", &backward, "problem"_a, "x"_a, "y"_a, "kept"_a, "dy"_a, "dx"_a, "state_0"_a, "dstate_n"_a,
             "dstate_0"_a, "weights"_a, "dweights"_a);
    m.def("instruction_sets", &instruction_sets, "Instruction sets that this processor can run, best first.");
    m.def("kernels", &kernels, nb::rv_policy::reference, "All compiled cells, for every instruction set.");
    m.def("release_threads", &release_threads, "End the threads of the pool before a fork.");
}

}  // namespace throughtime
