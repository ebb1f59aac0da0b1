// oneDNN's own primitives on the shapes of `throughtime bench`: their best times in milliseconds, weights that are
// reordered for each training call included, as they change. Takes oneDNN 3 (`pip download onednn-devel-cpu-gomp
// onednn-cpu-gomp` has one built with GCC's OpenMP):
//
//     g++ -std=c++20 -O2 -I include benchmarks/onednn.cpp -L lib -ldnnl -o onednn
//     OMP_NUM_THREADS=2 LD_LIBRARY_PATH=lib ./onednn [seconds for each row]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <vector>

#include "dnnl.hpp"

using namespace dnnl;
using Arguments = std::unordered_map<int, memory>;
using Dims = memory::dims;
using Tag = memory::format_tag;

namespace {

struct Shape {
    int64_t batch, steps, inputs, hidden;
};
constexpr Shape shapes[] = {{1, 1, 1, 32},       {1, 100, 1, 32},     {1, 1000, 64, 256},
                            {32, 24, 1, 32},     {32, 100, 1, 64},    {64, 100, 64, 128},
                            {64, 100, 128, 256}, {64, 100, 256, 512}, {64, 25, 1024, 1024}};

const engine cpu(engine::kind::cpu, 0);

memory filled(const memory::desc& desc) {
    memory tensor(desc, cpu);
    auto* const values = static_cast<float*>(tensor.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i)
        values[i] = 0.1f * (float(std::rand() % 200) / 100 - 1);
    return tensor;
}

memory::desc described(const Dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }

// The sizes of one layer's tensors.
struct Sizes {
    memory::desc x, state, y, w_ih, w_hh, bias, any_ih, any_hh;

    Sizes(const Shape& s, int64_t gates, int64_t biases)
        : x(described({s.steps, s.batch, s.inputs}, Tag::tnc)),
          state(described({1, 1, s.batch, s.hidden}, Tag::ldnc)),
          y(described({s.steps, s.batch, s.hidden}, Tag::tnc)),
          w_ih(described({1, 1, s.inputs, gates, s.hidden}, Tag::ldigo)),
          w_hh(described({1, 1, s.hidden, gates, s.hidden}, Tag::ldigo)),
          bias(described({1, 1, biases, s.hidden}, Tag::ldgo)),
          any_ih(described({1, 1, s.inputs, gates, s.hidden}, Tag::any)),
          any_hh(described({1, 1, s.hidden, gates, s.hidden}, Tag::any)) {}
};

struct Rnn {
    using Forward = vanilla_rnn_forward;
    using Backward = vanilla_rnn_backward;
    static constexpr const char* name = "RNN";
    static constexpr int gates = 1, biases = 1;
    static auto forward(const Sizes& z, prop_kind kind) {
        return Forward::primitive_desc(cpu, kind, algorithm::eltwise_tanh, rnn_direction::unidirectional_left2right,
                                       z.x, z.state, z.any_ih, z.any_hh, z.bias, z.y, z.state);
    }
    static auto backward(const Sizes& z, const Forward::primitive_desc& hint) {
        return Backward::primitive_desc(
            cpu, prop_kind::backward, algorithm::eltwise_tanh, rnn_direction::unidirectional_left2right, z.x, z.state,
            z.any_ih, z.any_hh, z.bias, z.y, z.state, z.x, z.state, z.any_ih, z.any_hh, z.bias, z.y, z.state, hint);
    }
};

struct Gru {  // with the reset gate after the product
    using Forward = lbr_gru_forward;
    using Backward = lbr_gru_backward;
    static constexpr const char* name = "GRU";
    static constexpr int gates = 3, biases = 4;
    static auto forward(const Sizes& z, prop_kind kind) {
        return Forward::primitive_desc(cpu, kind, rnn_direction::unidirectional_left2right, z.x, z.state, z.any_ih,
                                       z.any_hh, z.bias, z.y, z.state);
    }
    static auto backward(const Sizes& z, const Forward::primitive_desc& hint) {
        return Backward::primitive_desc(cpu, prop_kind::backward, rnn_direction::unidirectional_left2right, z.x,
                                        z.state, z.any_ih, z.any_hh, z.bias, z.y, z.state, z.x, z.state, z.any_ih,
                                        z.any_hh, z.bias, z.y, z.state, hint);
    }
};

struct Lstm {
    using Forward = lstm_forward;
    using Backward = lstm_backward;
    static constexpr const char* name = "LSTM";
    static constexpr int gates = 4, biases = 4;
    static auto forward(const Sizes& z, prop_kind kind) {
        return Forward::primitive_desc(cpu, kind, rnn_direction::unidirectional_left2right, z.x, z.state, z.state,
                                       z.any_ih, z.any_hh, z.bias, z.y, z.state, z.state);
    }
    static auto backward(const Sizes& z, const Forward::primitive_desc& hint) {
        return Backward::primitive_desc(cpu, prop_kind::backward, rnn_direction::unidirectional_left2right, z.x,
                                        z.state, z.state, z.any_ih, z.any_hh, z.bias, z.y, z.state, z.state, z.x,
                                        z.state, z.state, z.any_ih, z.any_hh, z.bias, z.y, z.state, z.state, hint);
    }
};

// The best time of a call in milliseconds, over some seconds.
template <class Call>
double best(double seconds, Call&& call) {
    using Clock = std::chrono::steady_clock;
    const auto timed = [&] {
        const auto started = Clock::now();
        call();
        return std::chrono::duration<double>(Clock::now() - started).count();
    };
    timed();
    double fastest = timed();
    for (double spent = 0; spent < seconds;) {
        const double once = timed();
        spent += once;
        fastest = std::min(fastest, once);
    }
    return 1e3 * fastest;
}

template <class C>
double inference(const Shape& shape, double seconds) {
    const Sizes z(shape, C::gates, C::biases);
    const auto desc = C::forward(z, prop_kind::forward_inference);
    const typename C::Forward call(desc);
    Arguments arguments{{DNNL_ARG_SRC_LAYER, filled(z.x)},
                        {DNNL_ARG_SRC_ITER, filled(z.state)},
                        {DNNL_ARG_SRC_ITER_C, filled(z.state)},
                        {DNNL_ARG_WEIGHTS_LAYER, filled(desc.weights_layer_desc())},
                        {DNNL_ARG_WEIGHTS_ITER, filled(desc.weights_iter_desc())},
                        {DNNL_ARG_BIAS, filled(z.bias)},
                        {DNNL_ARG_DST_LAYER, filled(z.y)},
                        {DNNL_ARG_DST_ITER, filled(z.state)},
                        {DNNL_ARG_DST_ITER_C, filled(z.state)}};
    stream queue(cpu);
    return best(seconds, [&] { call.execute(queue, arguments), queue.wait(); });
}

template <class C>
double training(const Shape& shape, double seconds) {
    const Sizes z(shape, C::gates, C::biases);
    const auto desc = C::forward(z, prop_kind::forward_training);
    const auto back_desc = C::backward(z, desc);
    const typename C::Forward forward(desc);
    const typename C::Backward backward(back_desc);
    memory w_ih = filled(z.w_ih), w_hh = filled(z.w_hh), space = filled(desc.workspace_desc());
    Arguments there{{DNNL_ARG_SRC_LAYER, filled(z.x)},
                    {DNNL_ARG_SRC_ITER, filled(z.state)},
                    {DNNL_ARG_SRC_ITER_C, filled(z.state)},
                    {DNNL_ARG_WEIGHTS_LAYER, filled(desc.weights_layer_desc())},
                    {DNNL_ARG_WEIGHTS_ITER, filled(desc.weights_iter_desc())},
                    {DNNL_ARG_BIAS, filled(z.bias)},
                    {DNNL_ARG_DST_LAYER, filled(z.y)},
                    {DNNL_ARG_DST_ITER, filled(z.state)},
                    {DNNL_ARG_DST_ITER_C, filled(z.state)},
                    {DNNL_ARG_WORKSPACE, space}};
    Arguments back = there;
    back[DNNL_ARG_WEIGHTS_LAYER] = filled(back_desc.weights_layer_desc());
    back[DNNL_ARG_WEIGHTS_ITER] = filled(back_desc.weights_iter_desc());
    back[DNNL_ARG_DIFF_SRC_LAYER] = filled(z.x);
    back[DNNL_ARG_DIFF_WEIGHTS_LAYER] = filled(back_desc.diff_weights_layer_desc());
    back[DNNL_ARG_DIFF_WEIGHTS_ITER] = filled(back_desc.diff_weights_iter_desc());
    back[DNNL_ARG_DIFF_BIAS] = filled(z.bias);
    back[DNNL_ARG_DIFF_DST_LAYER] = filled(z.y);
    for (int argument :
         {DNNL_ARG_DIFF_SRC_ITER, DNNL_ARG_DIFF_SRC_ITER_C, DNNL_ARG_DIFF_DST_ITER, DNNL_ARG_DIFF_DST_ITER_C})
        back[argument] = filled(z.state);
    stream queue(cpu);
    const auto reordered = [&](memory& from, memory& to) { reorder(from, to).execute(queue, from, to); };
    return best(seconds, [&] {
        for (Arguments* arguments : {&there, &back}) {
            reordered(w_ih, (*arguments)[DNNL_ARG_WEIGHTS_LAYER]);
            reordered(w_hh, (*arguments)[DNNL_ARG_WEIGHTS_ITER]);
        }
        forward.execute(queue, there);
        backward.execute(queue, back);
        queue.wait();
    });
}

template <class C>
void row(const Shape& s, double seconds) {
    std::printf("%-4s (%ld, %ld, %ld, %ld): inference %.4g ms, training %.4g ms\n", C::name, s.batch, s.steps, s.inputs,
                s.hidden, inference<C>(s, seconds), training<C>(s, seconds));
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
    const double seconds = count > 1 ? std::atof(arguments[1]) : 0.3;
    const version_t* const v = version();
    std::printf("oneDNN %d.%d.%d\n", v->major, v->minor, v->patch);
    for (const Shape& shape : shapes) {
        row<Rnn>(shape, seconds);
        row<Gru>(shape, seconds);
        row<Lstm>(shape, seconds);
    }
}
