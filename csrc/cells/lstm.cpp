// i f o = s(...)   g = f(...)   c = f c' + i g   h = o f(c)
// Hochreiter and Schmidhuber 1997, Long Short-Term Memory; the forget gate is of Gers et al. 2000, Learning to Forget.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct Lstm {
    static constexpr const char *name = "lstm", *activation = F::name;
    static constexpr int gates = 4, states = 2, kept = 4, diagonals = 0;
    static constexpr bool separate[gates] = {false, false, false, false};  // i f g o

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V* previous, V* next, V* keep) {
        const V i = sigmoid(columns[0]);
        const V f = sigmoid(columns[1]);
        const V g = F::value(columns[2]);
        const V o = sigmoid(columns[3]);
        const V c = fma(f, previous[1], i * g);
        next[0] = o * F::value(c);
        next[1] = c;
        keep[0] = i, keep[1] = f, keep[2] = g, keep[3] = o;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* kept, const V*, const V* previous, const V* next, V* dstate,
                                            V* dcolumns, V*) {
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3];
        const V dh = dstate[0];
        const V y = F::value(next[1]);
        const V d_o = dh * y;                              // h = o f(c)
        const V dc = fma(dh * o, F::slope(y), dstate[1]);  //
        dcolumns[0] = dc * g * Sigmoid::slope(i);          // c = f c' + i g
        dcolumns[1] = dc * previous[1] * Sigmoid::slope(f);
        dcolumns[2] = dc * i * F::slope(g);
        dcolumns[3] = d_o * Sigmoid::slope(o);
        dstate[0] = V{};
        dstate[1] = dc * f;
    }
};

static const Registered<Lstm<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
