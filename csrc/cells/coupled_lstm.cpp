// i o = s(...)   g = f(...)   c = c' + i (g - c')   h = o f(c), with peepholes or without
// Greff et al. 2017, LSTM: A Search Space Odyssey; its variant CIFG forgets as much as it takes in, f = 1 - i.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F, bool peephole>
struct CoupledLstm {
    static constexpr const char* name = peephole ? "coupled_peephole_lstm" : "coupled_lstm";
    static constexpr const char* activation = F::name;
    static constexpr int gates = 3, states = 2, kept = 3, diagonals = peephole ? 2 : 0;  // p_i p_o
    static constexpr bool separate[gates] = {false, false, false};                       // i g o

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V* p, const V* previous, V* next, V* keep) {
        const V i = sigmoid(peephole ? fma(p[0], previous[1], columns[0]) : columns[0]);
        const V g = F::value(columns[1]);
        const V c = fma(i, g - previous[1], previous[1]);
        const V o = sigmoid(peephole ? fma(p[1], c, columns[2]) : columns[2]);
        next[0] = o * F::value(c);
        next[1] = c;
        keep[0] = i, keep[1] = g, keep[2] = o;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* kept, const V* p, const V* previous, const V* next, V* dstate,
                                            V* dcolumns, V* dp) {
        const V i = kept[0], g = kept[1], o = kept[2];
        const V dh = dstate[0];
        const V y = F::value(next[1]);
        const V d_o = dh * y * Sigmoid::slope(o);                 // h = o f(c)
        V dc = fma(dh * o, F::slope(y), dstate[1]);               //
        if constexpr (peephole) dc = fma(d_o, p[1], dc);          // o = s(o_sum + p_o c)
        const V di = dc * (g - previous[1]) * Sigmoid::slope(i);  // c = c' + i (g - c')
        dcolumns[0] = di, dcolumns[1] = dc * i * F::slope(g), dcolumns[2] = d_o;
        dstate[0] = V{};
        dstate[1] = dc * (1 - i);
        if constexpr (peephole) {
            dstate[1] = fma(di, p[0], dstate[1]);
            dp[0] = di * previous[1], dp[1] = d_o * next[1];
        }
    }
};

static const Registered<CoupledLstm<Tanh, false>> registered;
static const Registered<CoupledLstm<Tanh, true>> peephole_registered;

}  // namespace throughtime::THROUGHTIME_ISA
