#include "engine/processors.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

#include "engine/cgroups.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

namespace throughtime {
namespace {

#if defined(__linux__)

// The CPU quota of the control groups in whole processors, rounded up.
int64_t quota() {
    int64_t smallest = unlimited;
    const auto add_limit = [&](int64_t time, int64_t period) {
        if (time > 0 && time != unlimited && period > 0) smallest = std::min(smallest, (time + period - 1) / period);
    };
    for (const std::string& group : control_groups("", "/sys/fs/cgroup")) {
        std::ifstream file(group + "/cpu.max");
        int64_t time = 0, period = 0;
        if (file >> time >> period) add_limit(time, period);
    }
    for (const std::string& group : control_groups("cpu", "/sys/fs/cgroup/cpu"))
        add_limit(read_number(group + "/cpu.cfs_quota_us"), read_number(group + "/cpu.cfs_period_us"));
    return smallest;
}

int64_t allowed_by_affinity() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) return int64_t(std::thread::hardware_concurrency());
    return CPU_COUNT(&set);
}

#endif

int count_processors() {
#if defined(__linux__)
    const int64_t count = std::min(allowed_by_affinity(), quota());
#else
    const int64_t count = std::thread::hardware_concurrency();
#endif
    return int(std::clamp(count, int64_t(1), int64_t(1024)));
}

std::atomic<int> active_threads{0};

}  // namespace

int processors() {
    using Clock = std::chrono::steady_clock;
    static std::atomic<int> count{0};
    static std::atomic<Clock::rep> read_at{0};
    const Clock::rep now = Clock::now().time_since_epoch().count();
    constexpr Clock::rep second = Clock::duration(std::chrono::seconds(1)).count();
    if (count.load(std::memory_order_relaxed) == 0 || now - read_at.load(std::memory_order_relaxed) > second) {
        count.store(count_processors(), std::memory_order_relaxed);
        read_at.store(now, std::memory_order_relaxed);
    }
    return count.load(std::memory_order_relaxed);
}

ActiveThreads::ActiveThreads(int threads) : threads_(threads) {
    active_threads.fetch_add(threads, std::memory_order_relaxed);
}
ActiveThreads::~ActiveThreads() { active_threads.fetch_sub(threads_, std::memory_order_relaxed); }

bool ActiveThreads::oversubscribed() { return active_threads.load(std::memory_order_relaxed) > processors(); }

FirstException::FirstException() = default;
FirstException::~FirstException() = default;

void FirstException::capture() noexcept {
    if (__atomic_exchange_n(&captured_, 1, __ATOMIC_ACQ_REL) == 0) exception_ = std::current_exception();
}

bool FirstException::captured() const noexcept { return __atomic_load_n(&captured_, __ATOMIC_ACQUIRE); }

void FirstException::rethrow() const {
    if (exception_) std::rethrow_exception(exception_);
}

}  // namespace throughtime
