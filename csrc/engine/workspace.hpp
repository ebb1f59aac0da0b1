// The working memory of a call: one block, cut into arrays.
#pragma once

#include "engine/memory.hpp"
#include "engine/simd.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace throughtime::THROUGHTIME_ISA {

// A fixed number of objects; std::vector would be an inline function of another instruction set.
template <class T>
class Array {
  public:
    explicit Array(ptrdiff_t count) : data_(new T[size_t(count)]) {}
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    ~Array() { delete[] data_; }

    T& operator[](ptrdiff_t i) const { return data_[i]; }
    T* data() const { return data_; }

  private:
    T* const data_;
};

// Allocates arrays from a block; without a block it only counts. Large arrays start on a page of their own, so that
// threads that write to neighbouring arrays do not prefetch each other's cache lines.
class Arena {
  public:
    explicit Arena(char* block = nullptr) : block_(block) {}

    template <class T>
    T* allocate(ptrdiff_t count) {
        const size_t bytes = size_t(count) * sizeof(T), alignment = bytes < large ? 64 : page;
        const size_t first = ceil_div(used_, alignment) * alignment;
        used_ = first + bytes;
        guard();
        return block_ ? reinterpret_cast<T*>(block_ + first) : nullptr;
    }
    // Hardware prefetching stops at a page, so the memory of each thread starts on a new one.
    void align_to_page() { used_ = ceil_div(used_, page) * page; }
    size_t used() const { return used_; }

  private:
    // Under the address sanitizer arrays have poisoned gaps between them, so that an access out of bounds is detected.
    void guard() {
#if defined(__SANITIZE_ADDRESS__)
        if (block_) __asan_poison_memory_region(block_ + used_, page);
        used_ += page;
#endif
    }

    static constexpr size_t page = 4096, large = 4 * page;
    char* block_;
    size_t used_ = 0;
};

// A block for the arrays that `layout` allocates; it is called twice, to measure and to place them.
class Workspace {
  public:
    template <class Layout>
    explicit Workspace(Layout&& layout) : memory_(measure(layout)) {
        Arena arena(memory_.data());
        layout(arena);
    }

    template <class Layout>
    static size_t measure(Layout&& layout) {
        Arena arena;
        layout(arena);
        return arena.used();
    }

  private:
    PooledBuffer memory_;
};

template <class T>
void fill(T* p, ptrdiff_t count, T value) {
    for (ptrdiff_t i = 0; i < count; ++i) p[i] = value;
}

}  // namespace throughtime::THROUGHTIME_ISA
