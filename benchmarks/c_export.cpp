// A network of `throughtime export --to c` against the same network in the style of RTNeural: templates of the sizes,
// weights in arrays of the object, loops and std::inner_product, std::exp and std::tanh.
//
// Compiled by benchmarks/c_export.py, which defines HIDDEN, IS_GRU and, with the real library, RTNEURAL.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include "net.h"

#ifdef RTNEURAL
#include <RTNeural/RTNeural.h>
#endif

template <int inputs, int hidden, int gates>
struct Gates {
    float weight_ih[gates][hidden][inputs] = {}, weight_hh[gates][hidden][hidden] = {}, bias[2][gates][hidden] = {};

    float input_half(int gate, int unit, const float* x) const {
        return std::inner_product(x, x + inputs, weight_ih[gate][unit], bias[0][gate][unit]);
    }
    float hidden_half(int gate, int unit, const float* h) const {
        return std::inner_product(h, h + hidden, weight_hh[gate][unit], bias[1][gate][unit]);
    }
};

inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

template <int inputs, int hidden>
struct Lstm : Gates<inputs, hidden, 4> {
    float h[hidden] = {}, c[hidden] = {};

    void forward(const float* x) {
        float sums[4][hidden];
        for (int gate = 0; gate < 4; ++gate)
            for (int i = 0; i < hidden; ++i) sums[gate][i] = this->input_half(gate, i, x) + this->hidden_half(gate, i, h);
        for (int i = 0; i < hidden; ++i) c[i] = sigmoid(sums[1][i]) * c[i] + sigmoid(sums[0][i]) * std::tanh(sums[2][i]);
        for (int i = 0; i < hidden; ++i) h[i] = sigmoid(sums[3][i]) * std::tanh(c[i]);
    }
};

template <int inputs, int hidden>
struct Gru : Gates<inputs, hidden, 3> {
    float h[hidden] = {};

    void forward(const float* x) {
        float sums[3][hidden], new_half[hidden];
        for (int gate = 0; gate < 2; ++gate)
            for (int i = 0; i < hidden; ++i) sums[gate][i] = this->input_half(gate, i, x) + this->hidden_half(gate, i, h);
        for (int i = 0; i < hidden; ++i) sums[2][i] = this->input_half(2, i, x), new_half[i] = this->hidden_half(2, i, h);
        for (int i = 0; i < hidden; ++i) {
            const float z = sigmoid(sums[1][i]);
            h[i] = (1 - z) * std::tanh(sums[2][i] + sigmoid(sums[0][i]) * new_half[i]) + z * h[i];
        }
    }
};

template <class Layer, int hidden>
struct Network {
    Layer layer;
    float weight[hidden] = {}, bias = 0;

    float forward(const float* x) {
        layer.forward(x);
        return std::inner_product(layer.h, layer.h + hidden, weight, bias);
    }
};

template <class Function>
double seconds(Function&& function) {
    const auto start = std::chrono::steady_clock::now();
    function();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
}

int main() {
    constexpr int steps = 2000, pairs = 101, inputs = NET_INPUTS, hidden = HIDDEN, gates = IS_GRU ? 3 : 4;
    std::mt19937 generator(0);
    std::normal_distribution<float> normal;
    std::vector<float> x(steps * inputs), y(steps);
    for (float& value : x) value = normal(generator);
#ifdef RTNEURAL
#if IS_GRU
    using Layer = RTNeural::GRULayerT<float, inputs, hidden>;
#else
    using Layer = RTNeural::LSTMLayerT<float, inputs, hidden>;
#endif
    static RTNeural::ModelT<float, inputs, 1, Layer, RTNeural::DenseT<float, hidden, 1>> other;
    std::vector<std::vector<float>> w(inputs, std::vector<float>(gates * hidden)), u(hidden, w[0]);
    for (auto* rows : {&w, &u})
        for (auto& row : *rows)
            for (float& value : row) value = 0.2f * normal(generator);
    other.template get<0>().setWVals(w);
    other.template get<0>().setUVals(u);
    other.reset();
#else
    using Layer = std::conditional_t<IS_GRU, Gru<inputs, hidden>, Lstm<inputs, hidden>>;
    static Network<Layer, hidden> other;
    for (auto& gate : other.layer.weight_hh)
        for (auto& row : gate)
            for (float& value : row) value = 0.2f * normal(generator);
    for (auto& gate : other.layer.weight_ih)
        for (auto& row : gate)
            for (float& value : row) value = 0.2f * normal(generator);
#endif
    static net_state state;
    net_init(&state);
    float sum = 0;
    std::vector<double> ours, theirs, ratios;
    for (int i = 0; i < pairs; ++i) {
        ours.push_back(seconds([&] {
            for (int t = 0; t < steps; ++t) net_step(&state, &x[t * inputs], &y[t]);
        }));
        theirs.push_back(seconds([&] {
            for (int t = 0; t < steps; ++t) sum += other.forward(&x[t * inputs]);
        }));
        ratios.push_back(theirs.back() / ours.back());
    }
    std::printf("%.0f %.0f %.2f %g\n", median(ours) / steps * 1e9, median(theirs) / steps * 1e9, median(ratios),
                double(sum + y[0]));
}
