// i = s(i_sum + p_i c')   f = s(f_sum + p_f c')   g = f(...)   c = f c' + i g   o = s(o_sum + p_o c)   h = o f(c)
// Gers and Schmidhuber 2000, Recurrent Nets that Time and Count.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct PeepholeLstm {
    static constexpr const char *name = "peephole_lstm", *activation = F::name;
    static constexpr int gates = 4, states = 2, kept = 4, diagonals = 3;   // p_i p_f p_o
    static constexpr bool separate[gates] = {false, false, false, false};  // i f g o

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V* p, const V* previous, V* next, V* keep) {
        const V i = sigmoid(fma(p[0], previous[1], columns[0]));
        const V f = sigmoid(fma(p[1], previous[1], columns[1]));
        const V g = F::value(columns[2]);
        const V c = fma(f, previous[1], i * g);
        const V o = sigmoid(fma(p[2], c, columns[3]));
        next[0] = o * F::value(c);
        next[1] = c;
        keep[0] = i, keep[1] = f, keep[2] = g, keep[3] = o;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* kept, const V* p, const V* previous, const V* next, V* dstate,
                                            V* dcolumns, V* dp) {
        const V i = kept[0], f = kept[1], g = kept[2], o = kept[3];
        const V dh = dstate[0];
        const V y = F::value(next[1]);
        const V d_o = dh * y * Sigmoid::slope(o);                          // h = o f(c)
        const V dc = fma(d_o, p[2], fma(dh * o, F::slope(y), dstate[1]));  // o = s(o_sum + p_o c)
        const V di = dc * g * Sigmoid::slope(i);                           // c = f c' + i g
        const V df = dc * previous[1] * Sigmoid::slope(f);                 //
        dcolumns[0] = di, dcolumns[1] = df, dcolumns[2] = dc * i * F::slope(g), dcolumns[3] = d_o;
        dp[0] = di * previous[1], dp[1] = df * previous[1], dp[2] = d_o * next[1];
        dstate[0] = V{};
        dstate[1] = fma(dc, f, fma(di, p[0], df * p[1]));
    }
};

static const Registered<PeepholeLstm<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
