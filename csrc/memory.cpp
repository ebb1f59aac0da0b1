#include "memory.hpp"

#include <cstdint>
#include <cstdlib>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace throughtime {
namespace {

constexpr size_t large_page = size_t(2) << 20;

struct Kept {
    char* data = nullptr;
    size_t bytes = 0;

    ~Kept() { std::free(data); }
};
thread_local Kept kept;

}  // namespace

void advise_large_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
    const auto first = (reinterpret_cast<uintptr_t>(data) + large_page - 1) / large_page * large_page;
    const auto last = (reinterpret_cast<uintptr_t>(data) + bytes) / large_page * large_page;
    // A refusal changes nothing but the time that it takes.
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

WorkingMemory::WorkingMemory(size_t bytes) {
    if (kept.bytes >= bytes) {
        data_ = std::exchange(kept.data, nullptr);
        bytes_ = std::exchange(kept.bytes, 0);
        return;
    }
    const size_t alignment = bytes < large_page ? 64 : large_page;
    bytes_ = (bytes + alignment) / alignment * alignment;
    data_ = static_cast<char*>(std::aligned_alloc(alignment, bytes_));
    if (!data_) std::abort();
    advise_large_pages(data_, bytes_);
}

WorkingMemory::~WorkingMemory() {
    if (bytes_ > most_kept_bytes || bytes_ < kept.bytes) {
        std::free(data_);
        return;
    }
    std::free(kept.data);
    kept.data = data_;
    kept.bytes = bytes_;
}

}  // namespace throughtime
