#include "engine/free_memory.hpp"

#include <algorithm>
#include <string>

#include "engine/cgroups.hpp"
#include "engine/memory.hpp"

#if defined(__linux__)
#include <sys/resource.h>
#endif

namespace throughtime {
namespace {

#if defined(__linux__)

int64_t left_of(int64_t limit, int64_t used) {
    if (limit == unlimited || used == unlimited) return unlimited;
    return std::max(int64_t(0), limit - used);
}

// In the control groups of one version. The inactive page cache counts as free.
int64_t free_in(const std::vector<std::string>& groups, const char* limit, const char* used, const char* cache) {
    int64_t left = unlimited;
    for (const std::string& group : groups) {
        const int64_t maximum = read_number(group + limit);
        if (maximum == unlimited) continue;
        const int64_t all = read_number(group + used), cached = read_number(group + "/memory.stat", cache);
        left = std::min(left, left_of(maximum, cached == unlimited ? all : left_of(all, cached)));
    }
    return left;
}

int64_t free_in_control_groups() {
    return std::min(free_in(control_groups("", "/sys/fs/cgroup"), "/memory.max", "/memory.current", "inactive_file "),
                    free_in(control_groups("memory", "/sys/fs/cgroup/memory"), "/memory.limit_in_bytes",
                            "/memory.usage_in_bytes", "total_inactive_file "));
}

int64_t free_within(decltype(RLIMIT_AS) resource, const char* used) {
    rlimit limit;
    if (getrlimit(resource, &limit) || limit.rlim_cur == RLIM_INFINITY) return unlimited;
    const int64_t kibibytes = read_number("/proc/self/status", used);
    return kibibytes == unlimited ? unlimited : left_of(int64_t(limit.rlim_cur), kibibytes * 1024);
}

#endif

}  // namespace

int64_t free_memory() {
#if defined(__linux__)
    const int64_t available = read_number("/proc/meminfo", "MemAvailable:"),
                  swap = read_number("/proc/meminfo", "SwapFree:");
    const int64_t machine = available == unlimited ? unlimited : (available + (swap == unlimited ? 0 : swap)) * 1024;
    return std::min(
        {machine, free_in_control_groups(), free_within(RLIMIT_AS, "VmSize:"), free_within(RLIMIT_DATA, "VmData:")});
#else
    return unlimited;
#endif
}

void require_memory(size_t bytes, const char* purpose) {
    if (bytes < memory_check_threshold) return;
    const auto exceeds = [&] { return bytes > size_t(free_memory()); };
    if (!exceeds()) return;
    Block::release_pool();
    if (!exceeds()) return;
    const auto mebibytes = [](size_t count) { return std::to_string(count >> 20); };
    throw OutOfMemory("out of memory: " + std::string(purpose) + " needs " + mebibytes(bytes) + " MiB, and " +
                      mebibytes(size_t(free_memory())) +
                      " MiB are free. Use shorter windows or a smaller batch; in training also CheckpointedBPTT, which "
                      "keeps fewer states; for outputs alone torch.no_grad()");
}

}  // namespace throughtime
