// i o = s(...)   g = f(...)   c = c' + i (g - c')   h = o f(c), with peepholes or without
// Greff et al. 2017, LSTM: A Search Space Odyssey; variant CIFG: input and forget gate are coupled, f = 1 - i.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F, bool peephole>
struct CoupledLstm {
    static constexpr const char* name = peephole ? "coupled_peephole_lstm" : "coupled_lstm";
    static constexpr const char* activation = F::name;
    static constexpr Names gates = "i g o", separate_halves = "", states = "h c";
    static constexpr Names diagonals = peephole ? "i o" : "";
    static constexpr int saved = 3;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V* p, const V* previous, V* next, V* saved) {
        const V i = sigmoid(peephole ? fma(p[0], previous[1], columns[0]) : columns[0]);
        const V g = F::value(columns[1]);
        const V c = fma(i, g - previous[1], previous[1]);
        const V o = sigmoid(peephole ? fma(p[1], c, columns[2]) : columns[2]);
        next[0] = o * F::value(c);
        next[1] = c;
        saved[0] = i, saved[1] = g, saved[2] = o;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* saved, const V* p, const V* previous, const V* next, V* dstate,
                                            V* dcolumns, V* dp) {
        const V i = saved[0], g = saved[1], o = saved[2];
        const V dh = dstate[0];
        const V y = F::value(next[1]);
        const V d_o = dh * y * Sigmoid::derivative(o);                 // h = o f(c)
        V dc = fma(dh * o, F::derivative(y), dstate[1]);               //
        if constexpr (peephole) dc = fma(d_o, p[1], dc);               // o = s(o_sum + p_o c)
        const V di = dc * (g - previous[1]) * Sigmoid::derivative(i);  // c = c' + i (g - c')
        dcolumns[0] = di, dcolumns[1] = dc * i * F::derivative(g), dcolumns[2] = d_o;
        dstate[0] = V{};
        dstate[1] = dc * (1 - i);
        if constexpr (peephole) {
            dstate[1] = fma(di, p[0], dstate[1]);
            dp[0] = di * previous[1], dp[1] = d_o * next[1];
        }
    }
};

static const RegisterCell<CoupledLstm<Tanh, false>> registered;
static const RegisterCell<CoupledLstm<Tanh, true>> peephole_registered;

}  // namespace throughtime::THROUGHTIME_ISA
