// All that a cell's file includes: the engine, and the table entries for a cell.
#pragma once

#include "engine/backward.hpp"
#include "engine/forward.hpp"

namespace throughtime::THROUGHTIME_ISA {

// Narrow elements are for inference alone.
template <class C, class E>
constexpr auto backward_of() -> void (*)(const Backward&) {
    if constexpr (span<E> == 1)
        return backward<C, E>;
    else
        return nullptr;
}

template <class C, class E>
constexpr auto backward_bytes_of() -> size_t (*)(const Backward&) {
    if constexpr (span<E> == 1)
        return backward_bytes<C, E>;
    else
        return nullptr;
}

template <Cell C, class E>
inline constexpr Kernel kernel{
    .cell = C::name,
    .activation = C::activation,
    .isa = isa_name,
    .bits = 8 * sizeof(E),
    .gates = C::gates,
    .states = C::states,
    .diagonals = C::diagonals,
    .lanes = lanes<E>,
    .kept = Shape<C, E>::kept,
    .forward = forward<C, E>,
    .backward = backward_of<C, E>(),
    .packed_bytes = packed_bytes<C, E>,
    .pack = pack_weights<C, E>,
    .forward_bytes = forward_bytes<C, E>,
    .backward_bytes = backward_bytes_of<C, E>(),
};

// Puts a cell on the list, for each of the element types that this translation unit is compiled for.
template <Cell C>
struct Registered {
#if defined(THROUGHTIME_NARROW)
    Register narrow{&kernel<C, BFloat16>};
#else
    Register single{&kernel<C, float>}, twice{&kernel<C, double>};
#endif
};

}  // namespace throughtime::THROUGHTIME_ISA
