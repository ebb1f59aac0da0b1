#include "memory.hpp"

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <vector>

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

Block allocate(size_t bytes) {
    const bool large = bytes >= large_page;
    const size_t unit = large ? large_page : bytes >= page ? page : 64;
    bytes = (bytes + unit - 1) / unit * unit;
    auto* const data = static_cast<char*>(std::aligned_alloc(unit, bytes));
    if (!data) std::abort();
#if defined(__linux__)
    // A refusal changes nothing but the time that it takes.
    if (large) madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return {data, bytes};
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
            if (!shelf.blocks.empty()) {
                const Block found = shelf.blocks.back();
                shelf.blocks.pop_back();
                total_ -= size_at(index);
                return found;
            }
        }
        return {allocate(size_at(index)).data, size_at(index)};
    }

    void give_back(const Block& block, size_t index) {
        const std::lock_guard<std::mutex> locked(mutex_);
        shelves_[index].blocks.push_back(block);
        total_ += block.bytes;
        while (total_ > most_kept_bytes) drop_one();
    }

  private:
    struct Shelf {
        std::vector<Block> blocks;
        uint64_t used = 0;
    };

    Pool() {
#if defined(__linux__)
        // A child must not inherit the lock of a thread that it does not have.
        pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                       [] { instance().mutex_.unlock(); });
#endif
    }

    // Of the size that was not asked for the longest.
    void drop_one() {
        Shelf* oldest = nullptr;
        for (Shelf& shelf : shelves_)
            if (!shelf.blocks.empty() && (!oldest || shelf.used < oldest->used)) oldest = &shelf;
        total_ -= oldest->blocks.back().bytes;
        std::free(oldest->blocks.back().data);
        oldest->blocks.pop_back();
    }

    std::mutex mutex_;
    Shelf shelves_[sizes];
    uint64_t clock_ = 0;
    size_t total_ = 0;
};

}  // namespace

Block Block::take(size_t bytes) {
    return bytes > most_kept_bytes ? allocate(bytes) : Pool::instance().take(index_of(bytes));
}

void Block::give_back() const {
    bytes > most_kept_bytes ? std::free(data) : Pool::instance().give_back(*this, index_of(bytes));
}

}  // namespace throughtime
