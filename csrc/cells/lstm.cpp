// i f o = s(...)   g = f(...)   c = f c' + i g   h = o f(c)
// Hochreiter and Schmidhuber 1997, Long Short-Term Memory; forget gate: Gers et al. 2000, Learning to Forget.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct Lstm {
    static constexpr const char *name = "lstm", *activation = F::name;
    static constexpr Names gates = "i f g o", separate_halves = "", states = "h c", diagonals = "";
    static constexpr int saved = 4;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V* previous, V* next, V* saved) {
        const V i = sigmoid(columns[0]);
        const V f = sigmoid(columns[1]);
        const V g = F::value(columns[2]);
        const V o = sigmoid(columns[3]);
        const V c = fma(f, previous[1], i * g);
        next[0] = o * F::value(c);
        next[1] = c;
        saved[0] = i, saved[1] = f, saved[2] = g, saved[3] = o;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* saved, const V*, const V* previous, const V* next, V* dstate,
                                            V* dcolumns, V*) {
        const V i = saved[0], f = saved[1], g = saved[2], o = saved[3];
        const V dh = dstate[0];
        const V y = F::value(next[1]);
        const V d_o = dh * y;                                   // h = o f(c)
        const V dc = fma(dh * o, F::derivative(y), dstate[1]);  //
        dcolumns[0] = dc * g * Sigmoid::derivative(i);          // c = f c' + i g
        dcolumns[1] = dc * previous[1] * Sigmoid::derivative(f);
        dcolumns[2] = dc * i * F::derivative(g);
        dcolumns[3] = d_o * Sigmoid::derivative(o);
        dstate[0] = V{};
        dstate[1] = dc * f;
    }
};

static const RegisterCell<Lstm<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
