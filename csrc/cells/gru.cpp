// r = s(r_x + r_h)   z = s(z_x + z_h)   n = f(n_x + r n_h)   h = (1 - z) n + z h'
// Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder; the reset gate acts after the product.
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct Gru {
    static constexpr const char *name = "gru", *activation = F::name;
    static constexpr int gates = 3, states = 1, kept = 4, diagonals = 0;
    static constexpr bool separate[gates] = {false, false, true};  // r z n

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V* previous, V* next, V* keep) {
        const V n_x = columns[0], n_h = columns[3];
        const V r = sigmoid(columns[1]);
        const V z = sigmoid(columns[2]);
        const V n = F::value(fma(r, n_h, n_x));
        next[0] = fma(z, previous[0] - n, n);
        keep[0] = r, keep[1] = z, keep[2] = n, keep[3] = n_h;
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V* kept, const V*, const V* previous, const V*, V* dstate,
                                            V* dcolumns, V*) {
        const V r = kept[0], z = kept[1], n = kept[2], n_h = kept[3];
        const V dh = dstate[0];
        const V dz = dh * (previous[0] - n);         // h = n + z (h' - n)
        const V dn = dh * (1 - z) * F::slope(n);     // n = f(n_x + r n_h)
        dcolumns[0] = dn;                            // n_x
        dcolumns[1] = dn * n_h * Sigmoid::slope(r);  // r
        dcolumns[2] = dz * Sigmoid::slope(z);        // z
        dcolumns[3] = dn * r;                        // n_h
        dstate[0] = dh * z;
    }
};

static const Registered<Gru<Tanh>> registered;

}  // namespace throughtime::THROUGHTIME_ISA
