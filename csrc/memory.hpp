// Working memory of calls. Fresh pages cost more than many a kernel takes to fill them, so each thread that calls keeps
// what its last call has used, up to a bound, and large pieces stand on large pages.
#pragma once

#include <cstddef>

namespace throughtime {

// Bytes that a thread keeps between two calls, at most.
inline constexpr size_t most_kept_bytes = size_t(128) << 20;

// Asks for large pages for memory that has not been written yet. Small pieces stay as they are.
void advise_large_pages(void* data, size_t bytes);

// At least `bytes`, aligned for vectors, of unknown content.
class WorkingMemory {
  public:
    explicit WorkingMemory(size_t bytes);
    WorkingMemory(const WorkingMemory&) = delete;
    WorkingMemory& operator=(const WorkingMemory&) = delete;
    ~WorkingMemory();

    char* data() const { return data_; }

  private:
    char* data_;
    size_t bytes_;
};

}  // namespace throughtime
