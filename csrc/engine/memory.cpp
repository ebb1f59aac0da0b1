#include "engine/memory.hpp"

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>

#include "engine/free_memory.hpp"
#include "engine/saturating.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(_WIN32)
#include <malloc.h>
#else
#include <pthread.h>
#endif

namespace throughtime {
namespace {

constexpr size_t page = size_t(4) << 10, large_page = size_t(2) << 20;

// Four size classes for each power of two.
constexpr size_t smallest_class = 512;
constexpr size_t class_count = 4 * 20;

size_t class_of(size_t bytes) {
    if (bytes <= smallest_class) return 0;
    const auto power = size_t(std::bit_width((bytes - 1) / smallest_class)) - 1;  // smallest_class * 2^power < bytes
    const size_t quarter = (smallest_class << power) / 4;
    return 4 * power + (bytes - (smallest_class << power) + quarter - 1) / quarter;
}

size_t class_bytes(size_t index) { return (smallest_class << index / 4) / 4 * (4 + index % 4); }

// The address sanitizer detects accesses out of bounds if blocks have exactly the requested size and are not pooled.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool pools_blocks = false;
#else
constexpr bool pools_blocks = true;
#endif

// Null if out of memory.
char* try_allocate(size_t alignment, size_t bytes) noexcept {
#if defined(_WIN32)
    return static_cast<char*>(_aligned_malloc(bytes, alignment));
#else
    void* data = nullptr;
    return posix_memalign(&data, alignment, bytes) ? nullptr : static_cast<char*>(data);
#endif
}

void deallocate(char* data) noexcept {
#if defined(_WIN32)
    _aligned_free(data);
#else
    std::free(data);
#endif
}

Block allocate(size_t bytes) {
    if (bytes > size_t(count_limit)) bytes = size_t(count_limit);
    const bool large = bytes >= large_page;
    const size_t alignment = large ? large_page : bytes >= page ? page : 64;
    const size_t rounded = pools_blocks ? (bytes + alignment - 1) / alignment * alignment : bytes;
    char* data = try_allocate(alignment, rounded);
    if (!data) {
        Block::release_pool();
        data = try_allocate(alignment, rounded);
    }
    if (!data)
        throw OutOfMemory("out of memory: can't allocate " + std::to_string(bytes >> 20) +
                          " MiB. Use shorter windows or a smaller batch");
#if defined(__linux__)
    // Only for speed, so a failure is ignored.
    if (large) madvise(data, rounded, MADV_HUGEPAGE);
#endif
    return {data, rounded};
}

// The released blocks, by size. Never destroyed, since tensors may outlive it.
class Pool {
  public:
    static Pool& instance() {
        static Pool& pool = *new Pool;
        return pool;
    }

    Block take(size_t index) {
        {
            const std::lock_guard<std::mutex> locked(mutex_);
            SizeClass& size_class = size_classes_[index];
            size_class.used = ++clock_;
            if (size_class.first) {
                total_ -= class_bytes(index);
                return {size_class.pop(), class_bytes(index)};
            }
        }
        return {allocate(class_bytes(index)).data, class_bytes(index)};
    }

    void release(const Block& block, size_t index) noexcept {
        const std::lock_guard<std::mutex> locked(mutex_);
        size_classes_[index].push(block.data);
        total_ += class_bytes(index);
        while (total_ > max_pooled_bytes) evict_one();
    }

    void release() noexcept {
        const std::lock_guard<std::mutex> locked(mutex_);
        for (SizeClass& size_class : size_classes_)
            while (size_class.first) deallocate(size_class.pop());
        total_ = 0;
    }

  private:
    // A linked list inside the blocks, so that releasing one needs no memory.
    struct FreeBlock {
        FreeBlock* next;
    };
    struct SizeClass {
        FreeBlock* first = nullptr;
        uint64_t used = 0;

        void push(char* data) noexcept { first = new (data) FreeBlock{first}; }
        char* pop() noexcept {
            FreeBlock* const top = first;
            first = top->next;
            return reinterpret_cast<char*>(top);
        }
    };

    Pool() {
#if !defined(_WIN32)
        // A forked child must not inherit a mutex locked by another thread.
        pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                       [] { instance().mutex_.unlock(); });
#endif
    }

    // From the least recently used size class.
    void evict_one() noexcept {
        SizeClass* oldest = nullptr;
        for (SizeClass& size_class : size_classes_)
            if (size_class.first && (!oldest || size_class.used < oldest->used)) oldest = &size_class;
        total_ -= class_bytes(size_t(oldest - size_classes_));
        deallocate(oldest->pop());
    }

    std::mutex mutex_;
    SizeClass size_classes_[class_count];
    uint64_t clock_ = 0;
    size_t total_ = 0;
};

}  // namespace

Block Block::take(size_t bytes) {
    return bytes > max_pooled_bytes || !pools_blocks ? allocate(bytes) : Pool::instance().take(class_of(bytes));
}

void Block::release() const noexcept {
    bytes > max_pooled_bytes || !pools_blocks ? deallocate(data) : Pool::instance().release(*this, class_of(bytes));
}

void Block::release_pool() noexcept { Pool::instance().release(); }

}  // namespace throughtime
