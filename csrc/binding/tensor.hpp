// Tensors of Python, read through DLPack's C exchange interface (DLPack 1.3, which torch offers since 2.10): one call
// of some 40 ns tells address, sizes, strides, element type and device, as much as a single attribute costs in Python.
//
// The structures are those of the standard (dmlc/dlpack), of which only what is used here is named.
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
    // Elements; `beyond_count` where there are more than that.
    int64_t count() const {
        int64_t elements = 1;
        for (int d = 0; d < dimensions; ++d) elements = product(elements, sizes[d]);
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
    // Whether elements stand where their type allows.
    bool aligned() const { return (reinterpret_cast<uintptr_t>(data) + byte_offset) * 8 % element.bits == 0; }
    bool contiguous() const {
        int64_t expected = 1;
        for (int d = dimensions - 1; d >= 0; --d) {
            if (sizes[d] != 1 && strides[d] != expected) return sizes[d] == 0;
            expected = product(expected, sizes[d]);
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

// The table of functions behind `__dlpack_c_exchange_api__`.
struct Exchange {
    struct {
        uint32_t major, minor;
    } version;
    const void* earlier;
    const void *allocate, *own;
    int (*give)(ManagedTensor* from, PyObject** to);
    int (*view)(void* object, Tensor* to);  // -1 with a Python exception set
    const void* stream;

    static const Exchange& of(nanobind::handle object) {
        static const Exchange* const table = [&] {
            const nanobind::object capsule = object.type().attr("__dlpack_c_exchange_api__");
            const auto* const found =
                static_cast<const Exchange*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
            if (!found) throw nanobind::python_error();
            if (found->version.major != 1 || !found->view)
                throw std::runtime_error("torch speaks another DLPack than version 1");
            return found;
        }();
        return *table;
    }
};

inline Tensor view(nanobind::handle object) {
    Tensor tensor;
    if (Exchange::of(object).view(object.ptr(), &tensor)) throw nanobind::python_error();
    return tensor;
}

// A tensor of the library, and where its elements stand.
struct Made {
    nanobind::object object;
    void* data;
};

// Makes tensors of the library, element type and device of another one, over memory of our own.
class TensorMaker {
  public:
    TensorMaker(nanobind::handle like, const Tensor& tensor) : exchange_(Exchange::of(like)), like_(tensor) {}

    static constexpr int max_dimensions = 3;
    using Sizes = std::array<int64_t, max_dimensions>;

    Made strided(int dimensions, const Sizes& sizes, const Sizes& strides) const {
        int64_t count = 1;
        for (int d = 0; d < dimensions; ++d) count = product(count, sizes[size_t(d)]);
        const int64_t needed = product(count, like_.element.bits / 8);
        if (needed >= beyond_count) throw OutOfMemory("out of memory: a result has more bytes than can be addressed");
        // What describes the tensor stands before its elements, in one block. Those of large tensors begin with a page:
        // where threads write next to each other, their processors then fetch nothing that is the other's.
        const size_t bytes = size_t(needed), start = bytes < large ? header : page;
        const Block block = Block::take(start + bytes);
        auto* const owned = new (block.data) Owned{};
        owned->sizes = sizes;
        owned->strides = strides;
        owned->block = block;
        owned->version = {1, 0};
        owned->release = [](ManagedTensor* self) {
            const Block back = static_cast<Owned*>(self)->block;
            back.give_back();
        };
        owned->tensor = like_;
        owned->tensor.data = block.data + start;
        owned->tensor.byte_offset = 0;
        owned->tensor.dimensions = dimensions;
        owned->tensor.sizes = owned->sizes.data();
        owned->tensor.strides = owned->strides.data();
        PyObject* made = nullptr;
        if (exchange_.give(owned, &made)) {
            owned->release(owned);
            throw nanobind::python_error();
        }
        return {nanobind::steal(made), block.data + start};
    }
    Made operator()(int64_t count) const { return strided(1, {count}, {1}); }
    Made operator()(int64_t a, int64_t b) const { return strided(2, {a, b}, {b, 1}); }
    Made operator()(int64_t a, int64_t b, int64_t c) const { return strided(3, {a, b, c}, {product(b, c), c, 1}); }

    // Of the sizes of another one, without gaps.
    Made like(const Tensor& other) const {
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

    const Exchange& exchange_;
    Tensor like_;
};

}  // namespace throughtime
