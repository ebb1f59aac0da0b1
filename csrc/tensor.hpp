// Tensors of Python, read through DLPack's C exchange interface (DLPack 1.3, which torch offers since 2.10): one call
// of some 40 ns tells address, sizes, strides, element type and device, as much as a single attribute costs in Python.
//
// The structures are those of the standard (dmlc/dlpack), of which only what is used here is named.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <type_traits>

#include "memory.hpp"

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
    int64_t count() const {
        int64_t product = 1;
        for (int d = 0; d < dimensions; ++d) product *= sizes[d];
        return product;
    }
    bool contiguous() const {
        int64_t expected = 1;
        for (int d = dimensions - 1; d >= 0; --d) {
            if (sizes[d] != 1 && strides[d] != expected) return sizes[d] == 0;
            expected *= sizes[d];
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
        for (int d = 0; d < dimensions; ++d) count *= sizes[size_t(d)];
        // What describes the tensor stands before its elements, in one block. Those of large tensors begin with a page:
        // where threads write next to each other, their processors then fetch nothing that is the other's.
        const size_t bytes = size_t(count) * like_.element.bits / 8, start = bytes < large ? header : page;
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
    Made operator()(int64_t a, int64_t b, int64_t c) const { return strided(3, {a, b, c}, {b * c, c, 1}); }

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
