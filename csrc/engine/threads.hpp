// Threads: a parallel region, and a barrier that spins.
//
// With OpenMP the region runs in the pool that the process already has (torch's, where torch is loaded), so nothing is
// oversubscribed. Without it (thread sanitizer, compilers with another OpenMP runtime) threads are started for the
// call.
#pragma once

#include <sched.h>
#if defined(_OPENMP)
#include <omp.h>
#else
#include <thread>
#include <vector>
#endif

#include "engine/processors.hpp"
#include "engine/simd.hpp"

namespace throughtime::THROUGHTIME_ISA {

class Barrier {
  public:
    // Returns once as many threads as `members` have called it; that number stays the same.
    void wait(int members) {
        if (members == 1) return;
        // The last one to arrive lets the others go by the very addition that counts it.
        const uint64_t before = __atomic_fetch_add(&arrived_, 1, __ATOMIC_ACQ_REL);
        const uint64_t wanted = before - before % unsigned(members) + unsigned(members);
        // The thread waited for may not be running at all: spin for some microseconds, then give way; at once where
        // there are more threads than processors.
        for (int spins = 0; __atomic_load_n(&arrived_, __ATOMIC_ACQUIRE) < wanted; ++spins) {
            if (spins == few_spins && ThreadsAtWork::exceed_processors()) spins = most_spins;
            if (spins < most_spins)
                pause();
            else
                sched_yield();
        }
    }

  private:
    static constexpr int few_spins = 100, most_spins = 4000;

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    alignas(64) uint64_t arrived_ = 0;
};

// Calls body(member, members) on each of at most `threads` threads at once.
template <class Body>
void parallel(int threads, Body&& body) {
    if (threads <= 1) return body(0, 1);
    const ThreadsAtWork at_work(threads);
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads)
    body(omp_get_thread_num(), omp_get_num_threads());
#else
    std::vector<std::thread> others;
    int members = 0;  // unknown, until no more threads are started
    const auto work = [&body, &members](int member) {
        int all;
        while ((all = __atomic_load_n(&members, __ATOMIC_ACQUIRE)) == 0) sched_yield();
        body(member, all);
    };
    try {
        while (int(others.size()) + 1 < threads) others.emplace_back(work, int(others.size()) + 1);
    } catch (...) {  // there is no memory for another thread: fewer do the same
    }
    __atomic_store_n(&members, int(others.size()) + 1, __ATOMIC_RELEASE);
    work(0);
    for (auto& thread : others) thread.join();
#endif
}

}  // namespace throughtime::THROUGHTIME_ISA
