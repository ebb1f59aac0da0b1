// Memory for tensors and workspaces. Touching fresh pages costs more than many a kernel takes to fill them, and the
// allocator trims its heap on large requests. So released blocks are pooled for the next call, up to a limit, and large
// blocks use huge pages.
#pragma once

#include <cstddef>

namespace throughtime {

inline constexpr size_t max_pooled_bytes = size_t(256) << 20;

// Smaller calls do not ask how much memory is free.
inline constexpr size_t memory_check_threshold = size_t(256) << 20;

// Raises OutOfMemory with both numbers if `bytes` exceed the free memory. `purpose` names what needs them.
void require_memory(size_t bytes, const char* purpose);

// Memory aligned for vectors, uninitialised.
struct Block {
    char* data;
    size_t bytes;

    static Block take(size_t bytes);  // at least `bytes`; raises OutOfMemory
    void release() const noexcept;
    static void release_pool() noexcept;  // to the system
};

// A block for as long as the object lives.
class PooledBuffer {
  public:
    explicit PooledBuffer(size_t bytes) : block_(Block::take(bytes)) {}
    PooledBuffer(const PooledBuffer&) = delete;
    PooledBuffer& operator=(const PooledBuffer&) = delete;
    ~PooledBuffer() { block_.release(); }

    char* data() const { return block_.data; }

  private:
    Block block_;
};

}  // namespace throughtime
