// h = f(W_x x + W_h h' + b)                               Elman 1990, Finding Structure in Time
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct Elman {
    static constexpr const char *name = "rnn", *activation = F::name;
    static constexpr Names gates = "h", separate_halves = "", states = "h", diagonals = "";
    static constexpr int saved = 0;

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V*, V* next, V*) {
        next[0] = F::value(columns[0]);
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V*, const V*, const V*, const V* next, V* dstate, V* dcolumns, V*) {
        dcolumns[0] = F::gradient(dstate[0], next[0]);
        dstate[0] = V{};
    }
};

static const RegisterCell<Elman<Tanh>> tanh_registered;
static const RegisterCell<Elman<Relu>> relu_registered;
static const RegisterCell<Elman<Sigmoid>> sigmoid_registered;

}  // namespace throughtime::THROUGHTIME_ISA
