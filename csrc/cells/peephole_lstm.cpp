// i = s(i_sum + p_i c')   f = s(f_sum + p_f c')   g = f(...)   c = f c' + i g   o = s(o_sum + p_o c)   h = o f(c)
// Gers and Schmidhuber 2000, Recurrent Nets that Time and Count.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct PeepholeLstm {
    static constexpr const char *name = "peephole_lstm", *activation = F::name;
    static constexpr Names gates = "i f g o", separate_halves = "", states = "h c", diagonals = "i f o";
    static constexpr int saved = 4;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V* p, const V* previous, V* next, V* saved) {
        const V i = sigmoid(fma(p[0], previous[1], columns[0]));
        const V f = sigmoid(fma(p[1], previous[1], columns[1]));
        const V g = F::value(columns[2]);
        const V c = fma(f, previous[1], i * g);
        const V o = sigmoid(fma(p[2], c, columns[3]));
        next[0] = o * F::value(c);
        next[1] = c;
        saved[0] = i, saved[1] = f, saved[2] = g, saved[3] = o;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* saved, const V* p, const V* previous, const V* next, V* dstate,
                                            V* dcolumns, V* dp) {
        const V i = saved[0], f = saved[1], g = saved[2], o = saved[3];
        const V dh = dstate[0];
        const V y = F::value(next[1]);
        const V d_o = dh * y * Sigmoid::derivative(o);                          // h = o f(c)
        const V dc = fma(d_o, p[2], fma(dh * o, F::derivative(y), dstate[1]));  // o = s(o_sum + p_o c)
        const V di = dc * g * Sigmoid::derivative(i);                           // c = f c' + i g
        const V df = dc * previous[1] * Sigmoid::derivative(f);                 //
        dcolumns[0] = di, dcolumns[1] = df, dcolumns[2] = dc * i * F::derivative(g), dcolumns[3] = d_o;
        dp[0] = di * previous[1], dp[1] = df * previous[1], dp[2] = d_o * next[1];
        dstate[0] = V{};
        dstate[1] = fma(dc, f, fma(di, p[0], df * p[1]));
    }
};

static const RegisterCell<PeepholeLstm<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
