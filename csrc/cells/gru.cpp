// r = s(r_x + r_h)   z = s(z_x + z_h)   n = f(n_x + r n_h)   h = (1 - z) n + z h'
// Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder; reset gate after the product, as in
// cuDNN.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct Gru {
    static constexpr const char *name = "gru", *activation = F::name;
    static constexpr Names gates = "r z n", separate_halves = "n", states = "h", diagonals = "";
    static constexpr int saved = 4;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V* previous, V* next, V* saved) {
        const V n_x = columns[0], n_h = columns[3];
        const V r = sigmoid(columns[1]);
        const V z = sigmoid(columns[2]);
        const V n = F::value(fma(r, n_h, n_x));
        next[0] = fma(z, previous[0] - n, n);
        saved[0] = r, saved[1] = z, saved[2] = n, saved[3] = n_h;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* saved, const V*, const V* previous, const V*, V* dstate,
                                            V* dcolumns, V*) {
        const V r = saved[0], z = saved[1], n = saved[2], n_h = saved[3];
        const V dh = dstate[0];
        const V dz = dh * (previous[0] - n);              // h = n + z (h' - n)
        const V dn = dh * (1 - z) * F::derivative(n);     // n = f(n_x + r n_h)
        dcolumns[0] = dn;                                 // n_x
        dcolumns[1] = dn * n_h * Sigmoid::derivative(r);  // r
        dcolumns[2] = dz * Sigmoid::derivative(z);        // z
        dcolumns[3] = dn * r;                             // n_h
        dstate[0] = dh * z;
    }
};

static const RegisterCell<Gru<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
