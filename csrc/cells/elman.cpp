// h = f(W_x x + W_h h' + b)                               Elman 1990, Finding Structure in Time
#include "engine/registration.hpp"

namespace throughtime::THROUGHTIME_ISA {

template <class F>
struct Elman {
    static constexpr const char *name = "rnn", *activation = F::name;
    static constexpr int gates = 1, states = 1, kept = 0, diagonals = 0;
    static constexpr bool separate[gates] = {false};

    template <class V>
    static THROUGHTIME_INLINE void forward(const V* columns, const V*, const V*, V* next, V*) {
        next[0] = F::value(columns[0]);
    }

    template <class V>
    static THROUGHTIME_INLINE void backward(const V*, const V*, const V*, const V* next, V* dstate, V* dcolumns, V*) {
        dcolumns[0] = F::through(dstate[0], next[0]);
        dstate[0] = V{};
    }
};

static const Registered<Elman<Tanh>> tanh_registered;
static const Registered<Elman<Relu>> relu_registered;
static const Registered<Elman<Sigmoid>> sigmoid_registered;

}  // namespace throughtime::THROUGHTIME_ISA
