// Chains of multiply-adds in registers, enough of them that none waits for another.
#include "engine/peak_flops.hpp"

#include "engine/gemm.hpp"
#include "engine/kernel.hpp"
#include "engine/threads.hpp"

namespace throughtime::THROUGHTIME_ISA {
namespace {

constexpr int chains = 12;
constexpr int rounds = 200'000;

[[gnu::noinline]] float multiply_and_add(float start) {
    const FloatVec factor = splat<FloatVec>(0.999f), summand = splat<FloatVec>(start);
    FloatVec sum[chains];
    for (int c = 0; c < chains; ++c) sum[c] = splat<FloatVec>(start + float(c));
    for (int i = 0; i < rounds; ++i)
        THROUGHTIME_UNROLL for (int c = 0; c < chains; ++c) sum[c] = fma(sum[c], factor, summand);
    for (int c = 1; c < chains; ++c) sum[0] += sum[c];
    return sum[0][0];
}

double work(int threads) {
    int members = 1;
    parallel(threads, [&](int me, int all) {
        if (me == 0) members = all;
        [[maybe_unused]] volatile float kept = multiply_and_add(float(me) * 1e-3f);
    });
    return 2.0 * members * rounds * chains * lanes<float>;
}

constexpr Peak peak{THROUGHTIME_STRING(THROUGHTIME_ISA), work};
const RegisterOf<Peak> registered[] = {&peak};

}  // namespace
}  // namespace throughtime::THROUGHTIME_ISA
