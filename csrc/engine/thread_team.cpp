#include "engine/thread_team.hpp"

#include <atomic>
#include <thread>
#include <vector>

// The thread sanitizer does not understand an OpenMP runtime.
#if defined(__linux__) && !defined(__SANITIZE_THREAD__)
#define THROUGHTIME_FINDS_OPENMP 1
#include <dlfcn.h>
#endif

namespace throughtime {
namespace {

using Body = void (*)(const void* data, int member, int members);

#if defined(THROUGHTIME_FINDS_OPENMP)

// GCC's interface to its OpenMP runtime, which those of LLVM and Intel have too.
class OpenMp {
  public:
    // The runtime that the process has loaded, or null. Once it has one, the result stays.
    static const OpenMp* loaded() {
        static std::atomic<const OpenMp*> runtime{nullptr};
        if (const OpenMp* const current = runtime.load(std::memory_order_acquire)) return current;
        // By its usual name, else any that is visible to all libraries. Nothing is loaded that is not there.
        void* const library = dlopen("libgomp.so.1", RTLD_LAZY | RTLD_NOLOAD);
        const OpenMp candidate(library ? library : RTLD_DEFAULT);
        if (!candidate.parallel_ || !candidate.thread_num_ || !candidate.num_threads_) return nullptr;
        const OpenMp* const kept = new OpenMp(candidate);
        const OpenMp* expected = nullptr;
        if (runtime.compare_exchange_strong(expected, kept)) return kept;
        delete kept;
        return expected;
    }

    void run(int threads, Body body, const void* data) const {
        Region region{*this, body, data};
        parallel_(
            [](void* argument) {
                const Region& r = *static_cast<const Region*>(argument);
                r.body(r.data, r.runtime.thread_num_(), r.runtime.num_threads_());
            },
            &region, unsigned(threads), 0);
    }

    void release_threads() const {
        constexpr int soft = 1;
        if (pause_all_) pause_all_(soft);
    }

  private:
    struct Region {
        const OpenMp& runtime;
        Body body;
        const void* data;
    };

    explicit OpenMp(void* library) {
        find(library, "GOMP_parallel", parallel_);
        find(library, "omp_get_thread_num", thread_num_);
        find(library, "omp_get_num_threads", num_threads_);
        find(library, "omp_pause_resource_all", pause_all_);
    }

    template <class Function>
    static void find(void* library, const char* name, Function*& function) {
        function = reinterpret_cast<Function*>(dlsym(library, name));
    }

    void (*parallel_)(void (*)(void*), void*, unsigned, unsigned);
    int (*thread_num_)();
    int (*num_threads_)();
    int (*pause_all_)(int);  // null before OpenMP 5.0
};

#endif

void run_on_new_threads(int threads, Body body, const void* data) {
    std::vector<std::thread> others;
    std::atomic<int> members{0};  // unknown until all threads are started
    const auto work = [&](int member) {
        int all;
        while ((all = members.load(std::memory_order_acquire)) == 0) yield_processor();
        body(data, member, all);
    };
    try {
        others.reserve(size_t(threads) - 1);
        while (int(others.size()) + 1 < threads) others.emplace_back(work, int(others.size()) + 1);
    } catch (...) {  // no memory for another thread: the work is shared between fewer
    }
    members.store(int(others.size()) + 1, std::memory_order_release);
    work(0);
    for (std::thread& thread : others) thread.join();
}

}  // namespace

void run_team(int threads, Body body, const void* data) {
#if defined(THROUGHTIME_FINDS_OPENMP)
    if (const OpenMp* const runtime = OpenMp::loaded()) return runtime->run(threads, body, data);
#endif
    run_on_new_threads(threads, body, data);
}

void release_threads() {
#if defined(THROUGHTIME_FINDS_OPENMP)
    if (const OpenMp* const runtime = OpenMp::loaded()) runtime->release_threads();
#endif
}

void yield_processor() { std::this_thread::yield(); }

}  // namespace throughtime
