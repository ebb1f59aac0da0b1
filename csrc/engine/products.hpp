// The products that cells share. They are compiled once for each instruction set, in instantiations.cpp, instead of in
// each cell's file; products for other numbers of gates are compiled with their cell.
#pragma once

#include "engine/gemm.hpp"
#include "engine/packing.hpp"

#if defined(THROUGHTIME_INSTANTIATE)
#define THROUGHTIME_EXTERN
#else
#define THROUGHTIME_EXTERN extern
#endif

#define THROUGHTIME_GEMM(E, G, split_sums) \
    THROUGHTIME_EXTERN template void gemm<E, G, 0, split_sums>(const Gemm<E>&, ptrdiff_t, ptrdiff_t, ptrdiff_t)
#define THROUGHTIME_PRODUCTS(E)    \
    THROUGHTIME_GEMM(E, 1, false); \
    THROUGHTIME_GEMM(E, 3, false); \
    THROUGHTIME_GEMM(E, 4, false)
#define THROUGHTIME_GRADIENT_PRODUCTS(E)                                                                             \
    THROUGHTIME_GEMM(E, 1, true);                                                                                    \
    THROUGHTIME_EXTERN template void outer_products<E>(const E*, ptrdiff_t, Grid<const E>, ptrdiff_t, ptrdiff_t, E*, \
                                                       ptrdiff_t, bool)

namespace throughtime::THROUGHTIME_ISA {

#if defined(THROUGHTIME_BFLOAT16)
THROUGHTIME_PRODUCTS(BFloat16);
#else
THROUGHTIME_PRODUCTS(float);
THROUGHTIME_PRODUCTS(double);
THROUGHTIME_GRADIENT_PRODUCTS(float);
THROUGHTIME_GRADIENT_PRODUCTS(double);
#endif

}  // namespace throughtime::THROUGHTIME_ISA
