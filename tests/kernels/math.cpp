// The functions of csrc/engine/math.hpp over arrays, for the test that measures their errors.
#include "engine/math.hpp"

#include <cstddef>

namespace {

using namespace throughtime::THROUGHTIME_ISA;

template <class T, class Function>
void map(const T* x, T* y, ptrdiff_t count, Function&& f) {
    for (ptrdiff_t i = 0; i < count; i += lanes<T>) {
        const ptrdiff_t here = min_of(ptrdiff_t(lanes<T>), count - i);
        store_first(y + i, f(load_first(x + i, here)), here);
    }
}

}  // namespace

#define THROUGHTIME_EXPORT(name, type)                                                       \
    extern "C" void name##_##type(const type* x, type* y, ptrdiff_t count) {                 \
        map(x, y, count, [](Vec<type> v) { return throughtime::THROUGHTIME_ISA::name(v); }); \
    }

THROUGHTIME_EXPORT(exp, float)
THROUGHTIME_EXPORT(exp, double)
THROUGHTIME_EXPORT(sigmoid, float)
THROUGHTIME_EXPORT(sigmoid, double)
THROUGHTIME_EXPORT(tanh, float)
THROUGHTIME_EXPORT(tanh, double)
