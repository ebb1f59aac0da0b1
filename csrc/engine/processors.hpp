// What the parallel regions of all instruction sets share: how many threads are at work, and how an exception leaves a
// region. Nothing here is inline, since the kernels use no inline functions from outside of their instruction set.
#pragma once

#include <exception>

namespace throughtime {

// Processors that the process may run on, by its affinity mask and the quota of its control group; at least 1. Changes
// are seen after a second.
int processors();

// Counts the threads of a parallel region among those of all callers, while it lives.
class ThreadsAtWork {
  public:
    explicit ThreadsAtWork(int threads);
    ThreadsAtWork(const ThreadsAtWork&) = delete;
    ThreadsAtWork& operator=(const ThreadsAtWork&) = delete;
    ~ThreadsAtWork();

    // Whether there are more of them than processors, so that a thread that spins may keep another from running.
    static bool exceed_processors();

  private:
    const int threads_;
};

// The first exception of the members of a parallel region, which no exception may leave.
class Failure {
  public:
    Failure();
    Failure(const Failure&) = delete;
    Failure& operator=(const Failure&) = delete;
    ~Failure();

    void keep() noexcept;  // the exception that is being handled
    bool happened() const noexcept;
    void rethrow() const;  // where it happened

  private:
    std::exception_ptr first_;
    int kept_ = 0;
};

}  // namespace throughtime
