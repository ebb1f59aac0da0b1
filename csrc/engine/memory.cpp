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
#include <pthread.h>
#include <sys/mman.h>
#endif

namespace throughtime {
namespace {

constexpr size_t page = size_t(4) << 10, large_page = size_t(2) << 20;

// Blocks come in sizes of which four lie between a power of two and the next.
constexpr size_t smallest = 512;
constexpr size_t sizes = 4 * 20;

size_t index_of(size_t bytes) {
    if (bytes <= smallest) return 0;
    const auto power = size_t(std::bit_width((bytes - 1) / smallest)) - 1;  // smallest * 2^power < bytes
    const size_t quarter = (smallest << power) / 4;
    return 4 * power + (bytes - (smallest << power) + quarter - 1) / quarter;
}

size_t size_at(size_t index) { return (smallest << index / 4) / 4 * (4 + index % 4); }

// The address sanitizer sees a step outside of a block that has exactly the size that was asked for, and is not kept.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool keeps_blocks = false;
#else
constexpr bool keeps_blocks = true;
#endif

// Null where there is no memory.
char* try_allocate(size_t unit, size_t bytes) noexcept {
    void* data = nullptr;
    return posix_memalign(&data, unit, bytes) ? nullptr : static_cast<char*>(data);
}

Block allocate(size_t bytes) {
    if (bytes > size_t(beyond_count)) bytes = size_t(beyond_count);
    const bool large = bytes >= large_page;
    const size_t unit = large ? large_page : bytes >= page ? page : 64;
    const size_t whole = keeps_blocks ? (bytes + unit - 1) / unit * unit : bytes;
    char* data = try_allocate(unit, whole);
    if (!data) {
        Block::release_kept();
        data = try_allocate(unit, whole);
    }
    if (!data)
        throw OutOfMemory("out of memory: can't allocate " + std::to_string(bytes >> 20) +
                          " MiB. Use shorter windows or a smaller batch");
#if defined(__linux__)
    // A refusal changes nothing but the time that it takes.
    if (large) madvise(data, whole, MADV_HUGEPAGE);
#endif
    return {data, whole};
}

// The blocks that are kept, by size. It is never destroyed, since tensors may outlive it.
class Pool {
  public:
    static Pool& instance() {
        static Pool& pool = *new Pool;
        return pool;
    }

    Block take(size_t index) {
        {
            const std::lock_guard<std::mutex> locked(mutex_);
            Shelf& shelf = shelves_[index];
            shelf.used = ++clock_;
            if (shelf.first) {
                total_ -= size_at(index);
                return {shelf.pop(), size_at(index)};
            }
        }
        return {allocate(size_at(index)).data, size_at(index)};
    }

    void give_back(const Block& block, size_t index) noexcept {
        const std::lock_guard<std::mutex> locked(mutex_);
        shelves_[index].push(block.data);
        total_ += size_at(index);
        while (total_ > most_kept_bytes) drop_one();
    }

    void release() noexcept {
        const std::lock_guard<std::mutex> locked(mutex_);
        for (Shelf& shelf : shelves_)
            while (shelf.first) std::free(shelf.pop());
        total_ = 0;
    }

  private:
    // A block that is kept holds the address of the next one, so that giving one back needs no memory.
    struct Kept {
        Kept* next;
    };
    struct Shelf {
        Kept* first = nullptr;
        uint64_t used = 0;

        void push(char* data) noexcept { first = new (data) Kept{first}; }
        char* pop() noexcept {
            Kept* const top = first;
            first = top->next;
            return reinterpret_cast<char*>(top);
        }
    };

    Pool() {
#if defined(__linux__)
        // A child must not inherit the lock of a thread that it does not have.
        pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                       [] { instance().mutex_.unlock(); });
#endif
    }

    // Of the size that was not asked for the longest.
    void drop_one() noexcept {
        Shelf* oldest = nullptr;
        for (Shelf& shelf : shelves_)
            if (shelf.first && (!oldest || shelf.used < oldest->used)) oldest = &shelf;
        total_ -= size_at(size_t(oldest - shelves_));
        std::free(oldest->pop());
    }

    std::mutex mutex_;
    Shelf shelves_[sizes];
    uint64_t clock_ = 0;
    size_t total_ = 0;
};

}  // namespace

Block Block::take(size_t bytes) {
    return bytes > most_kept_bytes || !keeps_blocks ? allocate(bytes) : Pool::instance().take(index_of(bytes));
}

void Block::give_back() const noexcept {
    bytes > most_kept_bytes || !keeps_blocks ? std::free(data) : Pool::instance().give_back(*this, index_of(bytes));
}

void Block::release_kept() noexcept { Pool::instance().release(); }

}  // namespace throughtime
