// n = f(... + p h')   h = q n + r h'
// A cell of the tests alone: more diagonals than gates.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct ThreeDiagonals {
    static constexpr const char *name = "three_diagonals", *activation = F::name;
    static constexpr Names gates = "n", separate_halves = "", states = "h", diagonals = "p q r";
    static constexpr int saved = 1;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V* w, const V* previous, V* next, V* saved) {
        const V n = F::value(fma(w[0], previous[0], columns[0]));
        next[0] = fma(w[1], n, w[2] * previous[0]);
        saved[0] = n;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* saved, const V* w, const V* previous, const V*, V* dstate,
                                            V* dcolumns, V* dw) {
        const V n = saved[0], dh = dstate[0];
        const V dsum = dh * w[1] * F::derivative(n);  // h = q n + r h'
        dw[0] = dsum * previous[0], dw[1] = dh * n, dw[2] = dh * previous[0];
        dcolumns[0] = dsum;  // n = f(... + p h')
        dstate[0] = fma(dsum, w[0], dh * w[2]);
    }
};

static const RegisterCell<ThreeDiagonals<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
