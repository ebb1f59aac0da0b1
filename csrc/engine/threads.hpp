// Threads: a parallel region, and a barrier that spins.
#pragma once

#include "engine/processors.hpp"
#include "engine/simd.hpp"
#include "engine/thread_team.hpp"

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
                yield_processor();
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
void parallel(int threads, const Body& body) {
    if (threads <= 1) return body(0, 1);
    const ActiveThreads active(threads);
    run_team(
        threads,
        [](const void* data, int member, int members) noexcept { (*static_cast<const Body*>(data))(member, members); },
        &body);
}

}  // namespace throughtime::THROUGHTIME_ISA
