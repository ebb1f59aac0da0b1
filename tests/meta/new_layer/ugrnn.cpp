// z = s(...)   n = f(...)   h = n + z (h' - n)
// Collins et al. 2017, Capacity and Trainability in Recurrent Neural Networks.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct UpdateGate {
    static constexpr const char *name = "ugrnn", *activation = F::name;
    static constexpr Names gates = "z n", separate_halves = "", states = "h", diagonals = "";
    static constexpr int saved = 2;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V* previous, V* next, V* saved) {
        const V z = sigmoid(columns[0]);
        const V n = F::value(columns[1]);
        next[0] = fma(z, previous[0] - n, n);
        saved[0] = z, saved[1] = n;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* saved, const V*, const V* previous, const V*, V* dstate,
                                            V* dcolumns, V*) {
        const V z = saved[0], n = saved[1];
        const V dh = dstate[0];
        dcolumns[0] = dh * (previous[0] - n) * Sigmoid::derivative(z);
        dcolumns[1] = dh * (1 - z) * F::derivative(n);
        dstate[0] = dh * z;
    }
};

static const RegisterCell<UpdateGate<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
