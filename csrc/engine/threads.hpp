// Threads: a parallel region, and a barrier that spins.
//
// With OpenMP the region runs in the pool that the process already has (torch's, if torch is loaded), so that nothing
// is oversubscribed. Without OpenMP (thread sanitizer, compilers with another runtime) each call starts its own
// threads.
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
    // Returns after `members` threads have called it; the number must stay the same.
    void wait(int members) {
        if (members == 1) return;
        // The addition that counts the last thread also releases the others.
        const uint64_t before = __atomic_fetch_add(&arrived_, 1, __ATOMIC_ACQ_REL);
        const uint64_t expected = before - before % unsigned(members) + unsigned(members);
        // The missing thread may not be running: spin for some microseconds, then yield; with more threads than
        // processors yield at once.
        for (int spins = 0; __atomic_load_n(&arrived_, __ATOMIC_ACQUIRE) < expected; ++spins) {
            if (spins == spins_before_check && ActiveThreads::oversubscribed()) spins = max_spins;
            if (spins < max_spins)
                pause();
            else
                sched_yield();
        }
    }

  private:
    static constexpr int spins_before_check = 100, max_spins = 4000;

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    alignas(64) uint64_t arrived_ = 0;
};

// Calls body(member, members) on each of at most `threads` threads.
template <class Body>
void parallel(int threads, Body&& body) {
    if (threads <= 1) return body(0, 1);
    const ActiveThreads active(threads);
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads)
    body(omp_get_thread_num(), omp_get_num_threads());
#else
    std::vector<std::thread> others;
    int members = 0;  // unknown until all threads are started
    const auto work = [&body, &members](int member) {
        int all;
        while ((all = __atomic_load_n(&members, __ATOMIC_ACQUIRE)) == 0) sched_yield();
        body(member, all);
    };
    try {
        while (int(others.size()) + 1 < threads) others.emplace_back(work, int(others.size()) + 1);
    } catch (...) {  // no memory for another thread: the work is shared between fewer
    }
    __atomic_store_n(&members, int(others.size()) + 1, __ATOMIC_RELEASE);
    work(0);
    for (auto& thread : others) thread.join();
#endif
}

}  // namespace throughtime::THROUGHTIME_ISA
