// State that the parallel regions of all instruction sets share: the number of active threads, and the exception of a
// region. Nothing is inline, since kernels use no inline functions from outside of their instruction set.
#pragma once

#include <exception>

namespace throughtime {

// Number of processors that the process may run on, by its affinity mask and the quota of its control group; at least
// 1. Changes are noticed after a second.
int processors();

// Adds the threads of a parallel region to those of all callers, while it lives.
class ActiveThreads {
  public:
    explicit ActiveThreads(int threads);
    ActiveThreads(const ActiveThreads&) = delete;
    ActiveThreads& operator=(const ActiveThreads&) = delete;
    ~ActiveThreads();

    // Whether there are more active threads than processors, so that a spinning thread may block another one.
    static bool oversubscribed();

  private:
    const int threads_;
};

// The first exception of the members of a parallel region, which exceptions may not leave.
class FirstException {
  public:
    FirstException();
    FirstException(const FirstException&) = delete;
    FirstException& operator=(const FirstException&) = delete;
    ~FirstException();

    void capture() noexcept;  // in a catch clause
    bool captured() const noexcept;
    void rethrow() const;  // if there is one

  private:
    std::exception_ptr exception_;
    int captured_ = 0;
};

}  // namespace throughtime
