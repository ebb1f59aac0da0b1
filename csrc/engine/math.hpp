// exp, sigmoid and tanh of a vector, with their greatest error in units in the last place (ULP).
//
//              float           double      range in which the bound holds
//   exp        1.5             1.5         [-87, 88]          [-708, 708]
//   sigmoid    2.5             2.5         [-87, 87]          [-708, 708]
//   tanh       6.0             2.5         everywhere         everywhere
//
// tests/kernels/test_math.py measures these numbers on every instruction set. Outside its range sigmoid is within one
// subnormal of the true value. |tanh| does not exceed 1. NaN maps to NaN.
//
// Polynomials are minimax fits (Remez exchange, weighted for relative error) made for this file:
//   exp(r)  = 1 + r + r^2 q(r)           |r| <= ln(2)/2      float: deg q = 4, 3e-9;   double: deg q = 9, 4e-18
//   tanh(x) = x P(x^2) / Q(x^2)          |x| <= 9.01         float: deg 5 / 3, 7e-8
//   tanh(x) = x + x^3 p(x^2)             |x| <= 0.55         double: deg p = 9, 2e-17
//           = 1 - 2 / (exp(2x) + 1)      elsewhere
#pragma once

#include "engine/simd.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class V, int N>
THROUGHTIME_INLINE V polynomial(V x, const Element<V> (&c)[N]) {
    V p = broadcast<V>(c[N - 1]);
    for (int i = N - 2; i >= 0; --i) p = fma(p, x, broadcast<V>(c[i]));
    return p;
}

// Likewise, given the square of x: even and odd powers are independent chains, which takes half as long.
template <class V, int N>
THROUGHTIME_INLINE V polynomial(V x, V square, const Element<V> (&c)[N]) {
    V first = broadcast<V>(c[N - 1]), second = broadcast<V>(c[N - 2]);
    for (int i = N - 3; i >= 0; i -= 2) first = fma(first, square, broadcast<V>(c[i]));
    for (int i = N - 4; i >= 0; i -= 2) second = fma(second, square, broadcast<V>(c[i]));
    return N % 2 == 1 ? fma(second, x, first) : fma(first, x, second);
}

// 2^n for the integer that `shifted` = n + magic carries in its low bits.
THROUGHTIME_INLINE FloatVec power_of_two(FloatVec shifted) { return FloatVec((Int32Vec(shifted) + 127) << 23); }
THROUGHTIME_INLINE DoubleVec power_of_two(DoubleVec shifted) { return DoubleVec((Int64Vec(shifted) + 1023) << 52); }

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
    static constexpr float low = -87.3f, high = 88.0f, no_sigmoid = -88.7f;
    static constexpr float magic = 0x1.8p23f;
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static constexpr float q[] = {0.49999993451660991486f, 0.16666520689734752558f, 0.041668387369485337414f,
                                  0.0083687098332030176747f, 0.0013814612913096629024f};
};
template <>
struct ExpConstants<double> {
    static constexpr double low = -708.3, high = 709.0, no_sigmoid = -709.7;
    static constexpr double magic = 0x1.8p52;
    static constexpr double ln2_high = 6.93145751953125e-1, ln2_low = 1.42860682030941723212e-6;
    static constexpr double q[] = {0.50000000000000106167,   0.16666666666666412768,   0.04166666666653026625,
                                   0.0083333333334943369077, 0.0013888888943597656428, 0.00019841269506772570734,
                                   2.4801493136213324683e-5, 2.7557586271893254954e-6, 2.7630233913308856125e-7,
                                   2.5000070758045937628e-8};
};

// exp(x) = (1 + rest) * power. The argument is clamped to [low, high], without overflow or subnormals.
template <class V>
struct Exponential {
    V rest, power;

    THROUGHTIME_INLINE explicit Exponential(V x) {
        using K = ExpConstants<Element<V>>;
        x = max(min(x, broadcast<V>(K::high)), broadcast<V>(K::low));
        const V shifted = fma(x, broadcast<V>(Element<V>(1.4426950408889634074)), broadcast<V>(K::magic));
        const V n = shifted - broadcast<V>(K::magic);
        const V r = fma(n, broadcast<V>(-K::ln2_low), fma(n, broadcast<V>(-K::ln2_high), x)), square = r * r;
        rest = fma(square, polynomial(r, square, K::q), r);
        power = power_of_two(shifted);
    }
};

template <class V>
THROUGHTIME_INLINE V exp(V x) {
    const Exponential<V> e(x);
    return fma(e.rest, e.power, e.power);
}

template <class V>
THROUGHTIME_INLINE V sigmoid(V x) {
    const Exponential<V> e(-x);
    // Zero where exp(-x) overflows: its product with an infinite state is NaN then, as in torch.
    return x < broadcast<V>(ExpConstants<Element<V>>::no_sigmoid) ? V{} : 1 / fma(e.rest, e.power, e.power + 1);
}

THROUGHTIME_INLINE FloatVec tanh(FloatVec x) {
    constexpr float p[] = {0.99999993106255f,      0.12929379483085612f,     0.002931271231451987f,
                           9.355020344219168e-06f, -1.3011218063330193e-08f, 1.8765019068687434e-11f};
    constexpr float q[] = {1.0f, 0.4626269032011175f, 0.023807300071227097f, 0.0002294970710014138f};
    x = max(min(x, broadcast<FloatVec>(9.01f)), broadcast<FloatVec>(-9.01f));
    const FloatVec u = x * x;
    const FloatVec y = x * polynomial(u, p) / polynomial(u, q);
    return max(min(y, broadcast<FloatVec>(1)), broadcast<FloatVec>(-1));
}

THROUGHTIME_INLINE DoubleVec tanh(DoubleVec x) {
    constexpr double p[] = {-0.3333333333333231327,   0.1333333333316870314,    -0.05396825387607840076,
                            0.02186948597480067078,   -0.008863194504192524169, 0.003591719698781216914,
                            -0.001453216763871727458, 0.0005791370369747137832, -0.0002103024322587582044,
                            5.102149902413472214e-5};
    const DoubleVec a = abs(x), u = x * x;
    const DoubleVec near = fma(x * u, polynomial(u, p), x);
    const DoubleVec far = 1 - 2 / (exp(a + a) + 1);
    const DoubleVec signed_far = x < 0 ? -far : far;
    return a < 0.55 ? near : (a > 20 ? (x < 0 ? broadcast<DoubleVec>(-1) : broadcast<DoubleVec>(1)) : signed_far);
}

}  // namespace throughtime::THROUGHTIME_ISA
