// i = s(...)   g = f(...)   c = c' + i (g - c')   m = m' / 2 + c   h = f(c) + m m'
// A cell of the tests alone: more states than any that is published here.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct ThreeStates {
    static constexpr const char *name = "three_states", *activation = F::name;
    static constexpr Names gates = "i g", separate_halves = "", states = "h c m", diagonals = "";
    static constexpr int saved = 2;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V* previous, V* next, V* saved) {
        const V i = sigmoid(columns[0]);
        const V g = F::value(columns[1]);
        const V c = fma(i, g - previous[1], previous[1]);
        const V m = fma(previous[2], broadcast<V>(Element<V>(0.5)), c);
        next[0] = fma(m, previous[2], F::value(c));
        next[1] = c;
        next[2] = m;
        saved[0] = i, saved[1] = g;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* saved, const V*, const V* previous, const V* next, V* dstate,
                                            V* dcolumns, V*) {
        const V i = saved[0], g = saved[1];
        const V dh = dstate[0];
        const V dm = fma(dh, previous[2], dstate[2]);                         // h = f(c) + m m'
        const V dc = dstate[1] + dm + dh * F::derivative(F::value(next[1]));  // m = m' / 2 + c
        dcolumns[0] = dc * (g - previous[1]) * Sigmoid::derivative(i);        // c = c' + i (g - c')
        dcolumns[1] = dc * i * F::derivative(g);
        dstate[0] = V{};
        dstate[1] = dc * (1 - i);
        dstate[2] = fma(dh, next[2], dm * broadcast<V>(Element<V>(0.5)));
    }
};

static const RegisterCell<ThreeStates<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
