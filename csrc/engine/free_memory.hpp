// Free memory of the process, and the exception for too little of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace throughtime {

// Becomes a RuntimeError in Python, as torch's does.
class OutOfMemory : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// Bytes that the process can still allocate: the minimum over the machine, the control groups and the limits of the
// process (RLIMIT_AS, RLIMIT_DATA). The largest number if the system does not say.
int64_t free_memory();

}  // namespace throughtime
