// The header that a cell's file includes: the engine, and the entries for the list of kernels.
#pragma once

#include "engine/backward.hpp"
#include "engine/forward.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <Cell C, class E>
constexpr Kernel make_kernel() {
    static_assert(is_valid_cell<C>());
    using S = CellShape<C, E>;
    Kernel kernel{
        .cell = C::name,
        .activation = C::activation,
        .isa = isa_name,
        .bits = 8 * sizeof(E),
        .gates = C::gates.count,
        .states = C::states.count,
        .diagonals = C::diagonals.count,
        .gate_names = C::gates.text,
        .separate_halves = C::separate_halves.text,
        .state_names = C::states.text,
        .diagonal_names = C::diagonals.text,
        .lanes = lanes<E>,
        .reserve_vectors = S::saved,
        .forward = forward<C, E>,
        .backward = nullptr,
        .packed_bytes = [](const Problem& p) { return packed_bytes<E>(S(p)); },
        .pack = [](const Problem& p, const Weights& from, void* to) { pack_weights<E>(S(p), from, to); },
        .forward_workspace_bytes = [](const ForwardArgs& f) { return forward_workspace_bytes<E>(f, S(f.problem)); },
        .backward_workspace_bytes = nullptr,
    };
    if constexpr (span<E> == 1) {  // bfloat16 is for inference only
        kernel.backward = backward<C, E>;
        kernel.backward_workspace_bytes = [](const BackwardArgs& f) {
            return backward_workspace_bytes<E>(f, S(f.problem));
        };
    }
    return kernel;
}

template <Cell C, class E>
inline constexpr Kernel kernel = make_kernel<C, E>();

// Adds a cell to the list, for each element type of this translation unit.
template <Cell C>
struct RegisterCell {
#if defined(THROUGHTIME_BFLOAT16)
    KernelRegistration bfloat16{&kernel<C, BFloat16>};
#else
    KernelRegistration float32{&kernel<C, float>}, float64{&kernel<C, double>};
#endif
};

}  // namespace throughtime::THROUGHTIME_ISA
