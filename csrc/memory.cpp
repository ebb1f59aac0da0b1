#include "memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sys/mman.h>
#endif

namespace throughtime {
namespace {

constexpr size_t small_page = size_t(4) << 10, large_page = size_t(2) << 20;
// Smaller blocks are the allocator's business: it keeps them itself.
constexpr size_t smallest_kept = size_t(64) << 10;

Block allocate(size_t bytes) {
    const bool large = bytes >= large_page;
    const size_t unit = bytes < smallest_kept ? 64 : small_page;
    bytes = (std::max(bytes, unit) + unit - 1) / unit * unit;
    auto* const data = static_cast<char*>(std::aligned_alloc(large ? large_page : 64, bytes));
    if (!data) std::abort();
#if defined(__linux__)
    // A refusal changes nothing but the time that it takes.
    if (large) madvise(data, bytes / large_page * large_page, MADV_HUGEPAGE);
#endif
    return {data, bytes};
}

// The blocks that are kept, oldest first. It is never destroyed, since tensors may outlive it.
class Pool {
  public:
    static Pool& instance() {
        static Pool& pool = *new Pool;
        return pool;
    }

    // The smallest block of at least `bytes` that does not waste as much again; a new one where there is none.
    Block take(size_t bytes) {
        const std::lock_guard<std::mutex> locked(mutex_);
        auto best = blocks_.end();
        for (auto block = blocks_.begin(); block != blocks_.end(); ++block)
            if (block->bytes >= bytes && block->bytes <= 2 * bytes &&
                (best == blocks_.end() || block->bytes < best->bytes))
                best = block;
        if (best == blocks_.end()) return allocate(bytes);
        const Block found = *best;
        blocks_.erase(best);
        total_ -= found.bytes;
        return found;
    }

    void give_back(const Block& block) {
        const std::lock_guard<std::mutex> locked(mutex_);
        blocks_.push_back(block);
        total_ += block.bytes;
        while (total_ > most_kept_bytes) {
            total_ -= blocks_.front().bytes;
            std::free(blocks_.front().data);
            blocks_.erase(blocks_.begin());
        }
    }

  private:
    Pool() {
#if defined(__linux__)
        // A child must not inherit the lock of a thread that it does not have.
        pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                       [] { instance().mutex_.unlock(); });
#endif
    }

    std::mutex mutex_;
    std::vector<Block> blocks_;
    size_t total_ = 0;
};

}  // namespace

Block Block::take(size_t bytes) { return bytes < smallest_kept ? allocate(bytes) : Pool::instance().take(bytes); }

void Block::give_back() const { bytes < smallest_kept ? std::free(data) : Pool::instance().give_back(*this); }

}  // namespace throughtime
