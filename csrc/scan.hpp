// All that a cell's file includes: the engine, and the table entry for a cell and an element type.
#pragma once

#include "backward.hpp"
#include "forward.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <Cell C, class T>
inline constexpr Kernel kernel{
    .cell = C::name,
    .activation = C::activation,
    .isa = THROUGHTIME_STRING(THROUGHTIME_ISA),
    .is_double = sizeof(T) == 8,
    .gates = C::gates,
    .states = C::states,
    .diagonals = C::diagonals,
    .lanes = lanes<T>,
    .kept = Shape<C, T>::kept,
    .forward = forward<C, T>,
    .backward = backward<C, T>,
    .packed_bytes = packed_bytes<C, T>,
    .pack = pack_weights<C, T>,
};

}  // namespace throughtime::THROUGHTIME_ISA
