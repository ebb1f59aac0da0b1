// Python tensors, read through DLPack's C exchange interface (DLPack 1.3, in torch since 2.10): one call of about 40 ns
// returns address, sizes, strides, element type and device; in Python a single attribute costs as much.
//
// The structures are those of the standard (dmlc/dlpack); members that are not used here have no name.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "engine/free_memory.hpp"
#include "engine/memory.hpp"
#include "engine/saturating.hpp"

namespace throughtime {

// DLTensor
struct Tensor {
    void* data;
    struct {
        int32_t type, id;
    } device;
    int32_t dimensions;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } element;
    const int64_t* sizes;
    const int64_t* strides;  // in elements
    uint64_t byte_offset;

    static constexpr int32_t cpu = 1;
    static constexpr uint8_t integer = 0, floating = 2, bfloat = 4;

    bool on_cpu(uint8_t code, int bits) const {
        return device.type == cpu && element.code == code && element.bits == bits && element.lanes == 1;
    }
    int64_t size(int d) const { return sizes[d < 0 ? dimensions + d : d]; }
    int64_t stride(int d) const { return strides[d < 0 ? dimensions + d : d]; }
    // Number of elements, at most `count_limit`.
    int64_t count() const {
        int64_t elements = 1;
        for (int d = 0; d < dimensions; ++d) elements = saturating_product(elements, sizes[d]);
        return elements;
    }
    bool has_sizes(std::initializer_list<int64_t> expected) const {
        if (size_t(dimensions) != expected.size()) return false;
        const int64_t* size = sizes;
        for (const int64_t value : expected)
            if (*size++ != value) return false;
        return true;
    }
    std::string shape() const {
        std::string text = "(";
        for (int d = 0; d < dimensions; ++d) text += (d ? ", " : "") + std::to_string(sizes[d]);
        return text + (dimensions == 1 ? ",)" : ")");
    }
    // Whether the address is a multiple of the element size.
    bool aligned() const { return (reinterpret_cast<uintptr_t>(data) + byte_offset) * 8 % element.bits == 0; }
    bool contiguous() const {
        int64_t expected = 1;
        for (int d = dimensions - 1; d >= 0; --d) {
            if (sizes[d] != 1 && strides[d] != expected) return sizes[d] == 0;
            expected = saturating_product(expected, sizes[d]);
        }
        return true;
    }
    template <class T>
    T* at() const {
        return reinterpret_cast<T*>(static_cast<char*>(data) + byte_offset);
    }
};

// DLManagedTensorVersioned
struct ManagedTensor {
    struct {
        uint32_t major, minor;
    } version;
    void* context;
    void (*release)(ManagedTensor*);
    uint64_t flags;
    Tensor tensor;
};

// The table of functions in `__dlpack_c_exchange_api__`.
struct DlpackExchange {
    struct {
        uint32_t major, minor;
    } version;
    const void* earlier;
    const void *allocate, *own;
    int (*make)(ManagedTensor* from, PyObject** to);
    int (*view)(void* object, Tensor* to);  // -1 with a Python exception set
    const void* stream;

    static const DlpackExchange& of(nanobind::handle object) {
        static const DlpackExchange* const exchange = [&] {
            const nanobind::object capsule = object.type().attr("__dlpack_c_exchange_api__");
            const auto* const table =
                static_cast<const DlpackExchange*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
            if (!table) throw nanobind::python_error();
            if (table->version.major != 1 || !table->view)
                throw std::runtime_error("expected version 1 of DLPack from torch");
            return table;
        }();
        return *exchange;
    }
};

inline Tensor view(nanobind::handle object) {
    Tensor tensor;
    if (DlpackExchange::of(object).view(object.ptr(), &tensor)) throw nanobind::python_error();
    return tensor;
}

// A new tensor, and the address of its elements.
struct OwnedTensor {
    nanobind::object object;
    void* data;
};

// Makes tensors with the library, element type and device of a given one, in memory from the pool.
class TensorMaker {
  public:
    TensorMaker(nanobind::handle like, const Tensor& tensor) : exchange_(DlpackExchange::of(like)), like_(tensor) {}

    static constexpr int max_dimensions = 3;
    using Sizes = std::array<int64_t, max_dimensions>;

    OwnedTensor strided(int dimensions, const Sizes& sizes, const Sizes& strides) const {
        int64_t count = 1;
        for (int d = 0; d < dimensions; ++d) count = saturating_product(count, sizes[size_t(d)]);
        const int64_t needed = saturating_product(count, like_.element.bits / 8);
        if (needed >= count_limit) throw OutOfMemory("out of memory: a result has more bytes than can be addressed");
        // One block holds the header and the elements. Elements of large tensors start on a page of their own, so that
        // threads that write to neighbouring tensors do not prefetch each other's cache lines.
        const size_t bytes = size_t(needed), start = bytes < large ? header : page;
        const Block block = Block::take(start + bytes);
        auto* const owned = new (block.data) Owned{};
        owned->sizes = sizes;
        owned->strides = strides;
        owned->block = block;
        owned->version = {1, 0};
        owned->release = [](ManagedTensor* self) {
            const Block block = static_cast<Owned*>(self)->block;  // it holds `self`
            block.release();
        };
        owned->tensor = like_;
        owned->tensor.data = block.data + start;
        owned->tensor.byte_offset = 0;
        owned->tensor.dimensions = dimensions;
        owned->tensor.sizes = owned->sizes.data();
        owned->tensor.strides = owned->strides.data();
        PyObject* object = nullptr;
        if (exchange_.make(owned, &object)) {
            owned->release(owned);
            throw nanobind::python_error();
        }
        return {nanobind::steal(object), block.data + start};
    }
    OwnedTensor operator()(int64_t count) const { return strided(1, {count}, {1}); }
    OwnedTensor operator()(int64_t a, int64_t b) const { return strided(2, {a, b}, {b, 1}); }
    OwnedTensor operator()(int64_t a, int64_t b, int64_t c) const {
        return strided(3, {a, b, c}, {saturating_product(b, c), c, 1});
    }

    // Contiguous, with the sizes of `other`.
    OwnedTensor like(const Tensor& other) const {
        Sizes sizes{}, strides{};
        int64_t stride = 1;
        for (int d = other.dimensions - 1; d >= 0; stride *= other.size(d--)) {
            sizes[size_t(d)] = other.size(d);
            strides[size_t(d)] = stride;
        }
        return strided(other.dimensions, sizes, strides);
    }

  private:
    struct Owned : ManagedTensor {
        Sizes sizes, strides;
        Block block;
    };
    static constexpr size_t header = (sizeof(Owned) + 63) / 64 * 64, page = 4096, large = 16 * page;
    static_assert(std::is_trivially_destructible_v<Owned>);

    const DlpackExchange& exchange_;
    Tensor like_;
};

}  // namespace throughtime
