// Memory that is free for the process, and the exception where it is not enough.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace throughtime {

// No memory for a call: a RuntimeError in Python, as torch's.
class OutOfMemory : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Bytes that the process can still allocate: the smallest of what the machine, the control groups and the limits of the
// process (RLIMIT_AS, RLIMIT_DATA) leave. The largest number where the system does not tell.
int64_t free_memory();

}  // namespace throughtime
