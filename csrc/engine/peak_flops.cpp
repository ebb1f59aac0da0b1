// Independent chains of multiply-adds, enough to hide the latency of each.
#include "engine/peak_flops.hpp"

#include "engine/gemm.hpp"
#include "engine/kernel.hpp"
#include "engine/threads.hpp"

namespace throughtime::THROUGHTIME_ISA {
namespace {

constexpr int chains = 12;
constexpr int rounds = 200'000;

[[gnu::noinline]] float run_chains(float start) {
    const FloatVec factor = broadcast<FloatVec>(0.999f), summand = broadcast<FloatVec>(start);
    FloatVec sum[chains];
    for (int c = 0; c < chains; ++c) sum[c] = broadcast<FloatVec>(start + float(c));
    for (int i = 0; i < rounds; ++i)
        THROUGHTIME_UNROLL for (int c = 0; c < chains; ++c) sum[c] = fma(sum[c], factor, summand);
    for (int c = 1; c < chains; ++c) sum[0] += sum[c];
    return sum[0][0];
}

double run(int threads) {
    int members = 1;
    parallel(threads, [&](int me, int all) {
        if (me == 0) members = all;
        [[maybe_unused]] volatile float result = run_chains(float(me) * 1e-3f);
    });
    return 2.0 * members * rounds * chains * lanes<float>;
}

constexpr PeakFlops peak_flops{THROUGHTIME_STRING(THROUGHTIME_ISA), run};
const Registration<PeakFlops> registered[] = {&peak_flops};

}  // namespace
}  // namespace throughtime::THROUGHTIME_ISA
