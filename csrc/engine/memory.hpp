// Memory for tensors and for the work of a call. Fresh pages cost more than many a kernel takes to fill them, and the
// allocator tidies up behind others whenever it is asked for much. So blocks that are given back are kept for the next
// call, up to a bound, and large ones stand on large pages.
#pragma once

#include <cstddef>

namespace throughtime {

// Bytes that the process keeps between calls, at most.
inline constexpr size_t most_kept_bytes = size_t(256) << 20;

// Calls that need less are made without asking how much memory is free.
inline constexpr size_t large_call_bytes = size_t(256) << 20;

// Raises OutOfMemory, with both numbers, where so many bytes exceed what is free. `purpose` says what needs them.
void require_memory(size_t bytes, const char* purpose);

// Memory aligned for vectors, of unknown content.
struct Block {
    char* data;
    size_t bytes;

    static Block take(size_t bytes);  // at least so many; raises OutOfMemory
    void give_back() const noexcept;
    static void release_kept() noexcept;  // to the system, what is kept for the next call
};

// A block for as long as the object lives.
class WorkingMemory {
  public:
    explicit WorkingMemory(size_t bytes) : block_(Block::take(bytes)) {}
    WorkingMemory(const WorkingMemory&) = delete;
    WorkingMemory& operator=(const WorkingMemory&) = delete;
    ~WorkingMemory() { block_.give_back(); }

    char* data() const { return block_.data; }

  private:
    Block block_;
};

}  // namespace throughtime
