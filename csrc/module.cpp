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

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.hpp"
#include "tensor.hpp"

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

constexpr size_t weights_each = 6;  // the fields of Weights in _shapes.py; the sixth, a projection, is not compiled

// What a call's tensors have to be; the engine itself checks nothing.
class Reader {
  public:
    explicit Reader(const Kernel& kernel) : bits_(kernel.is_double ? 64 : 32) {}

    bool accepts(nb::handle object) const {
        Tensor tensor;
        if (Exchange::of(object).view(object.ptr(), &tensor)) {
            PyErr_Clear();
            return false;
        }
        return tensor.on_cpu(Tensor::floating, bits_) && tensor.count() > 0;
    }

    // The address of a tensor of `count` elements, null for None. What is not contiguous is copied, and the copy lives
    // as long as the reader.
    void* address(nb::handle object, int64_t count) {
        if (object.is_none()) return nullptr;
        Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::floating, bits_) || tensor.count() != count) {
            const std::string expected = "expected a tensor of " + std::to_string(count) + " elements of " +
                                         std::to_string(bits_) + " bits on the CPU, got ";
            throw std::invalid_argument(expected + nb::cast<std::string>(nb::str(object.attr("shape"))));
        }
        if (!tensor.contiguous()) tensor = view(copies_.emplace_back(object.attr("contiguous")()));
        return tensor.at<void>();
    }

    // Those of the states of all directions.
    template <class Pointer>
    void states(nb::tuple from, Pointer* to, const Kernel& kernel, const Problem& p) {
        if (from.size() > size_t(kernel.states)) throw std::invalid_argument("too many states");
        for (size_t i = 0; i < from.size(); ++i) to[i] = address(from[i], p.directions * p.batch * p.hidden);
    }

    // Those of the weights of each direction, or of their gradients.
    template <class To>
    void weights(nb::tuple from, To* to, const Kernel& kernel, const Problem& p) {
        const int64_t rows = kernel.gates * p.hidden;
        for (int d = 0; d < p.directions; ++d) {
            const size_t first = size_t(d) * weights_each;
            to[d] = {address(from[first], rows * p.inputs), address(from[first + 1], rows * p.hidden),
                     address(from[first + 2], rows), address(from[first + 3], rows),
                     address(from[first + 4], kernel.diagonals * p.hidden)};
        }
    }

    // A sequence (T, N, features), or packed (rows, features): any strides between vectors, and none within, so that
    // others are copied.
    Tensor sequence(nb::handle object) {
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::floating, bits_) || tensor.dimensions < 2)
            throw std::invalid_argument("expected a sequence of " + std::to_string(bits_) + " bit elements on the CPU");
        if (tensor.stride(-1) == 1 || tensor.size(-1) == 1) return tensor;
        return view(copies_.emplace_back(object.attr("contiguous")()));
    }

    // The address of a sequence that is laid out as another one.
    void* like(const Tensor& other, nb::handle object) {
        const Tensor tensor = sequence(object);
        for (int d = 0; d < other.dimensions; ++d)
            if (tensor.dimensions != other.dimensions || tensor.size(d) != other.size(d) ||
                (tensor.size(d) != 1 && tensor.stride(d) != other.stride(d)))
                throw std::invalid_argument("expected a gradient laid out as what it belongs to");
        return tensor.at<void>();
    }

    // Whole numbers, null for None.
    static const int64_t* table(nb::handle object) {
        if (object.is_none()) return nullptr;
        const Tensor tensor = view(object);
        if (!tensor.on_cpu(Tensor::integer, 64) || !tensor.contiguous())
            throw std::invalid_argument("expected contiguous whole numbers of 64 bits on the CPU");
        return tensor.at<const int64_t>();
    }

  private:
    int bits_;
    std::vector<nb::object> copies_;
};

// `ragged` is (lengths, order, offsets), each may be None; see Problem.
Problem problem_of(const Tensor& x, const Tensor& y, nb::tuple weights, nb::tuple ragged, bool reverse, int threads) {
    if (weights.size() != weights_each && weights.size() != 2 * weights_each)
        throw std::invalid_argument("expected the weights of one or two directions");
    const Tensor w_hh = view(weights[1]);
    Problem p{};
    p.inputs = x.size(-1);
    p.hidden = w_hh.size(-1);
    p.directions = int(weights.size() / weights_each);
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
        p.y = {0, y.stride(0), p.x.offsets};
    } else {
        p.steps = x.size(0);
        p.batch = x.size(1);
        p.x = {x.stride(0), x.stride(1), nullptr};
        p.y = {y.stride(0), y.stride(1), nullptr};
    }
    return p;
}

bool accepts(const Kernel& kernel, nb::args tensors) {
    const Reader reader(kernel);
    for (const nb::handle tensor : tensors)
        if (!tensor.is_none() && !reader.accepts(tensor)) return false;
    return true;
}

// An output for x, in the memory order of x, zero where steps may be missing.
nb::object make_output(const TensorMaker& make, const Tensor& x, int64_t features, bool padded) {
    if (x.dimensions == 2) return make(x.size(0), features);
    const int64_t steps = x.size(0), batch = x.size(1);
    const bool batch_first = steps > 1 && batch > 1 && x.stride(0) < x.stride(1);
    const nb::object y = batch_first ? make.strided(3, {steps, batch, features}, {features, steps * features, 1})
                                     : make(steps, batch, features);
    if (padded) std::memset(view(y).data, 0, size_t(steps * batch * features) * x.element.bits / 8);
    return y;
}

// Returns y, the final states and, if asked for, what is kept for the backward pass.
nb::tuple forward(const Kernel& kernel, nb::handle x, nb::tuple state_0, nb::tuple weights, nb::tuple ragged,
                  bool reverse, int threads, bool keep) {
    Reader reader(kernel);
    Forward f{};
    const Tensor inputs = reader.sequence(x);
    const int64_t hidden = view(weights[1]).size(-1), directions = int64_t(weights.size() / weights_each);
    const TensorMaker make(x);
    const nb::object y = make_output(make, inputs, directions * hidden, ragged.size() != 0);
    const Tensor outputs = reader.sequence(y);
    f.problem = problem_of(inputs, outputs, weights, ragged, reverse, threads);
    const Problem& p = f.problem;
    nb::object state_n[max_states];
    for (int j = 0; j < kernel.states; ++j) {
        state_n[j] = make(directions, p.batch, hidden);
        f.state_n[j] = reader.address(state_n[j], directions * p.batch * hidden);
    }
    const ptrdiff_t scalars = kernel.kept_scalars(p.rows_before(p.steps), hidden, p.directions);
    const nb::object kept = keep ? make(scalars) : nb::none();
    f.kept = reader.address(kept, scalars);
    f.x = inputs.at<void>();
    f.y = outputs.at<void>();
    reader.states(state_0, f.state_0, kernel, p);
    reader.weights(weights, f.weights, kernel, p);
    {
        const nb::gil_scoped_release released;
        kernel.forward(f);
    }
    const nb::tuple finals = kernel.states == 1 ? nb::make_tuple(state_n[0]) : nb::make_tuple(state_n[0], state_n[1]);
    return nb::make_tuple(y, finals, kept);
}

// Tensors of gradients are laid out as what they are the gradients of.
void backward(const Kernel& kernel, nb::handle x, nb::handle y, nb::handle kept, nb::handle dy, nb::tuple dx,
              nb::tuple state_0, nb::tuple dstate_n, nb::tuple dstate_0, nb::tuple weights, nb::tuple dweights,
              nb::tuple ragged, bool reverse, int threads) {
    Reader reader(kernel);
    const Tensor inputs = reader.sequence(x), outputs = reader.sequence(y);
    Backward f{};
    f.problem = problem_of(inputs, outputs, weights, ragged, reverse, threads);
    f.x = inputs.at<void>();
    f.y = outputs.at<void>();
    const Problem& p = f.problem;
    f.kept = reader.address(kept, kernel.kept_scalars(p.rows_before(p.steps), p.hidden, p.directions));
    f.dy = dy.is_none() ? nullptr : reader.like(outputs, dy);
    for (size_t d = 0; d < dx.size(); ++d) f.dx[d] = reader.like(inputs, dx[d]);
    reader.states(state_0, f.state_0, kernel, p);
    reader.states(dstate_n, f.dstate_n, kernel, p);
    reader.states(dstate_0, f.dstate_0, kernel, p);
    reader.weights(weights, f.weights, kernel, p);
    reader.weights(dweights, f.dweights, kernel, p);
    const nb::gil_scoped_release released;
    kernel.backward(f);
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
        .def_ro("is_double", &Kernel::is_double)
        .def_ro("gates", &Kernel::gates)
        .def_ro("states", &Kernel::states)
        .def_ro("diagonals", &Kernel::diagonals)
        .def_ro("lanes", &Kernel::lanes)
        .def_ro("kept", &Kernel::kept)
        .def("kept_scalars", &Kernel::kept_scalars, "rows"_a, "hidden"_a, "directions"_a,
             "Size of the buffer that forward fills for backward, in elements.")
        .def("accepts", &accepts, "Whether all tensors are of the kernel's element type, on the CPU and not empty.")
        .def("forward", &forward, "x"_a, "state_0"_a, "weights"_a, "ragged"_a, "reverse"_a, "threads"_a, "keep"_a)
        .def("backward", &backward, "x"_a, "y"_a, "kept"_a, "dy"_a.none(), "dx"_a, "state_0"_a, "dstate_n"_a,
             "dstate_0"_a, "weights"_a, "dweights"_a, "ragged"_a, "reverse"_a, "threads"_a);
    m.def("instruction_sets", &instruction_sets, "Instruction sets that this processor can run, best first.");
    m.def("kernels", &kernels, nb::rv_policy::reference, "All compiled cells, for every instruction set.");
    m.def("release_threads", &release_threads, "End the threads of the pool before a fork.");
}

}  // namespace throughtime
