// Vectors of the instruction set that this translation unit is compiled for.
//
// Everything is in a namespace named after the instruction set, so that the linker cannot merge code compiled with
// higher flags into a path for an older processor. For the same reason neither this file nor those that include it use
// inline functions of the standard library.
//
// Fused multiply-adds are explicit, and the library is compiled with -ffp-contract=off: contractions chosen by the
// compiler would let two tile shapes round the same sum differently.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef THROUGHTIME_ISA
#define THROUGHTIME_ISA baseline
#endif

#define THROUGHTIME_INLINE inline __attribute__((always_inline))
#define THROUGHTIME_UNROLL _Pragma("GCC unroll 16")
#define THROUGHTIME_STRING_OF(name) #name
#define THROUGHTIME_STRING(name) THROUGHTIME_STRING_OF(name)

namespace throughtime::THROUGHTIME_ISA {

// The name that users choose. The set for bfloat16 belongs to the one that it extends.
#if defined(__AVX512BF16__)
inline constexpr const char* isa_name = "avx512";
#else
inline constexpr const char* isa_name = THROUGHTIME_STRING(THROUGHTIME_ISA);
#endif

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int vector_registers = 32;
#elif defined(__AVX2__)
inline constexpr int vector_bytes = 32;
inline constexpr int vector_registers = 16;
#elif defined(__aarch64__)
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#endif

#if defined(__AVX512BF16__)
#define THROUGHTIME_BFLOAT16 1
// The upper half of a float.
struct BFloat16 {
    uint16_t bits;
};
#endif

// The type of sums and states for elements `E`: float for bfloat16, else E. One multiplication takes `span<E>` elements
// in each lane.
template <class E>
struct SumOf {
    using type = E;
};
#if defined(THROUGHTIME_BFLOAT16)
template <>
struct SumOf<BFloat16> {
    using type = float;
};
#endif
template <class E>
using Sum = typename SumOf<E>::type;
template <class E>
inline constexpr int span = int(sizeof(Sum<E>) / sizeof(E));

// `Vec<E>` holds `lanes<E>` sums; loading widens elements, and storing narrows them.
template <class T>
struct VecOf {
    typedef T type __attribute__((vector_size(vector_bytes)));
};
template <class E>
using Vec = typename VecOf<Sum<E>>::type;
template <class E>
inline constexpr int lanes = vector_bytes / int(sizeof(Sum<E>));

using FloatVec = Vec<float>;
using DoubleVec = Vec<double>;
using Int32Vec = VecOf<int32_t>::type;
using Int64Vec = VecOf<int64_t>::type;

template <class V>
struct ElementOf;
template <>
struct ElementOf<FloatVec> {
    using type = float;
};
template <>
struct ElementOf<DoubleVec> {
    using type = double;
};
template <class V>
using Element = typename ElementOf<V>::type;

template <class V>
THROUGHTIME_INLINE V broadcast(Element<V> s) {
    return s - V{};  // subtracted, since -0 + 0 is +0 and the compiler could not remove the addition
}

template <class T>
THROUGHTIME_INLINE Vec<T> load(const T* p) {
    Vec<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class T>
THROUGHTIME_INLINE void store(T* p, Vec<T> v) {
    __builtin_memcpy(p, &v, sizeof v);
}

inline constexpr bool vector_is_cache_line = vector_bytes == 64;

// Bypasses the caches; p is aligned to a cache line. Other threads see the value after `fence` only.
template <class T>
THROUGHTIME_INLINE void store_nontemporal(T* p, Vec<T> v) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(p), __m512i(v));
#else
    store(p, v);
#endif
}
THROUGHTIME_INLINE void fence() {
#if defined(__AVX512F__)
    _mm_sfence();
#endif
}

// The first `count` lanes from memory, zero in the others; reads nothing after them.
template <class T>
THROUGHTIME_INLINE Vec<T> load_first(const T* p, ptrdiff_t count) {
    Vec<T> v{};
    for (ptrdiff_t i = 0; i < count; ++i) v[i] = p[i];
    return v;
}

template <class T>
THROUGHTIME_INLINE void store_first(T* p, Vec<T> v, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; ++i) p[i] = v[i];
}

// The first `count` lanes, zero in the others.
template <class I, class V>
THROUGHTIME_INLINE V mask_lanes(V v, ptrdiff_t count) {
    using Element = decltype(I{}[0] + 0);
    I lane;
    for (int i = 0; i < int(sizeof(I) / sizeof lane[0]); ++i) lane[i] = i;
    return V(I(v) & I(lane < (I{} + Element(count))));
}
THROUGHTIME_INLINE FloatVec first_lanes(FloatVec v, ptrdiff_t count) { return mask_lanes<Int32Vec>(v, count); }
THROUGHTIME_INLINE DoubleVec first_lanes(DoubleVec v, ptrdiff_t count) { return mask_lanes<Int64Vec>(v, count); }

#if defined(__AVX512F__)
THROUGHTIME_INLINE FloatVec fma(FloatVec a, FloatVec b, FloatVec c) { return FloatVec(_mm512_fmadd_ps(a, b, c)); }
THROUGHTIME_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return DoubleVec(_mm512_fmadd_pd(a, b, c)); }

template <>
THROUGHTIME_INLINE FloatVec load_first(const float* p, ptrdiff_t count) {
    return FloatVec(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1u), p));
}
template <>
THROUGHTIME_INLINE DoubleVec load_first(const double* p, ptrdiff_t count) {
    return DoubleVec(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1u), p));
}
template <>
THROUGHTIME_INLINE void store_first(float* p, FloatVec v, ptrdiff_t count) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1u), v);
}
template <>
THROUGHTIME_INLINE void store_first(double* p, DoubleVec v, ptrdiff_t count) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << count) - 1u), v);
}
#elif defined(__AVX2__)
THROUGHTIME_INLINE FloatVec fma(FloatVec a, FloatVec b, FloatVec c) { return FloatVec(_mm256_fmadd_ps(a, b, c)); }
THROUGHTIME_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return DoubleVec(_mm256_fmadd_pd(a, b, c)); }
#elif defined(__aarch64__)
THROUGHTIME_INLINE FloatVec fma(FloatVec a, FloatVec b, FloatVec c) { return FloatVec(vfmaq_f32(c, a, b)); }
THROUGHTIME_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return DoubleVec(vfmaq_f64(c, a, b)); }
#else
THROUGHTIME_INLINE FloatVec fma(FloatVec a, FloatVec b, FloatVec c) { return a * b + c; }
THROUGHTIME_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return a * b + c; }
#endif

#if defined(THROUGHTIME_BFLOAT16)
typedef uint16_t BFloat16Vec __attribute__((vector_size(vector_bytes / 2)));
THROUGHTIME_INLINE FloatVec to_float(__m256i v) {
    return FloatVec(__builtin_convertvector(BFloat16Vec(v), Int32Vec) << 16);
}
THROUGHTIME_INLINE __m256i to_bfloat16(FloatVec v) {
    return __m256i(_mm512_cvtneps_pbh(v));
}  // to nearest, ties to even

template <>
THROUGHTIME_INLINE FloatVec load(const BFloat16* p) {
    return to_float(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
template <>
THROUGHTIME_INLINE void store(BFloat16* p, FloatVec v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bfloat16(v));
}
template <>
THROUGHTIME_INLINE FloatVec load_first(const BFloat16* p, ptrdiff_t count) {
    return to_float(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << count) - 1u), p));
}
template <>
THROUGHTIME_INLINE void store_first(BFloat16* p, FloatVec v, ptrdiff_t count) {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << count) - 1u), to_bfloat16(v));
}
#endif

// Operands of products, `span<E>` elements in each lane: the same ones in all lanes, or adjacent ones.
template <class E>
THROUGHTIME_INLINE Vec<E> broadcast_operand(const E* p) {
    return broadcast<Vec<E>>(*p);
}
template <class E>
THROUGHTIME_INLINE Vec<E> load_operand(const E* p) {
    return load(p);
}
// sum + a b
template <class E>
THROUGHTIME_INLINE Vec<E> multiply_add(Vec<E> a, Vec<E> b, Vec<E> sum) {
    return fma(a, b, sum);
}
#if defined(THROUGHTIME_BFLOAT16)
template <>
THROUGHTIME_INLINE FloatVec broadcast_operand(const BFloat16* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return FloatVec(pair - Int32Vec{});
}
template <>
THROUGHTIME_INLINE FloatVec load_operand(const BFloat16* p) {
    FloatVec v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
template <>
THROUGHTIME_INLINE FloatVec multiply_add<BFloat16>(FloatVec a, FloatVec b, FloatVec sum) {
    return FloatVec(_mm512_dpbf16_ps(sum, __m512bh(a), __m512bh(b)));
}
#endif

// Lane by lane; a NaN in `a` stays NaN. Intrinsics, because GCC compiles a > b ? b : a to a comparison and a masked
// move; masked ones, because GCC 12 warns of an undefined value in its own plain ones.
#if defined(__AVX512F__)
THROUGHTIME_INLINE FloatVec min(FloatVec a, FloatVec b) { return FloatVec(_mm512_maskz_min_ps(__mmask16(-1), b, a)); }
THROUGHTIME_INLINE FloatVec max(FloatVec a, FloatVec b) { return FloatVec(_mm512_maskz_max_ps(__mmask16(-1), b, a)); }
THROUGHTIME_INLINE DoubleVec min(DoubleVec a, DoubleVec b) {
    return DoubleVec(_mm512_maskz_min_pd(__mmask8(-1), b, a));
}
THROUGHTIME_INLINE DoubleVec max(DoubleVec a, DoubleVec b) {
    return DoubleVec(_mm512_maskz_max_pd(__mmask8(-1), b, a));
}
#elif defined(__AVX2__)
THROUGHTIME_INLINE FloatVec min(FloatVec a, FloatVec b) { return FloatVec(_mm256_min_ps(b, a)); }
THROUGHTIME_INLINE FloatVec max(FloatVec a, FloatVec b) { return FloatVec(_mm256_max_ps(b, a)); }
THROUGHTIME_INLINE DoubleVec min(DoubleVec a, DoubleVec b) { return DoubleVec(_mm256_min_pd(b, a)); }
THROUGHTIME_INLINE DoubleVec max(DoubleVec a, DoubleVec b) { return DoubleVec(_mm256_max_pd(b, a)); }
#else
template <class V>
THROUGHTIME_INLINE V min(V a, V b) {
    return a > b ? b : a;
}
template <class V>
THROUGHTIME_INLINE V max(V a, V b) {
    return a < b ? b : a;
}
#endif
#if defined(__AVX512F__)
THROUGHTIME_INLINE FloatVec sqrt(FloatVec a) { return FloatVec(_mm512_maskz_sqrt_ps(__mmask16(-1), a)); }
THROUGHTIME_INLINE DoubleVec sqrt(DoubleVec a) { return DoubleVec(_mm512_maskz_sqrt_pd(__mmask8(-1), a)); }
#elif defined(__AVX2__)
THROUGHTIME_INLINE FloatVec sqrt(FloatVec a) { return FloatVec(_mm256_sqrt_ps(a)); }
THROUGHTIME_INLINE DoubleVec sqrt(DoubleVec a) { return DoubleVec(_mm256_sqrt_pd(a)); }
#else
template <class V>
THROUGHTIME_INLINE V sqrt(V a) {
    for (int i = 0; i < lanes<Element<V>>; ++i) a[i] = Element<V>(__builtin_sqrt(double(a[i])));
    return a;
}
#endif
THROUGHTIME_INLINE FloatVec abs(FloatVec a) { return FloatVec(Int32Vec(a) & 0x7fffffff); }
THROUGHTIME_INLINE DoubleVec abs(DoubleVec a) { return DoubleVec(Int64Vec(a) & 0x7fffffffffffffff); }

template <class I>
constexpr I min_of(I a, I b) {
    return a < b ? a : b;
}
template <class I>
constexpr I max_of(I a, I b) {
    return a < b ? b : a;
}
template <class I>
constexpr I ceil_div(I a, I b) {
    return (a + b - 1) / b;
}

}  // namespace throughtime::THROUGHTIME_ISA
