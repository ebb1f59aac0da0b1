// Products of sizes that may be anything. They stop at a limit instead of overflowing, so that whatever is compared
// with them comes out right.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace throughtime {

// As many as this or more.
inline constexpr int64_t beyond_count = int64_t(1) << 62;

inline int64_t product(int64_t a, int64_t b) {
    int64_t result;
    if (a == 0 || b == 0) return 0;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &result) || result > beyond_count ? beyond_count : result;
}

inline int64_t product(std::initializer_list<int64_t> factors) {
    int64_t result = 1;
    for (const int64_t factor : factors) result = product(result, factor);
    return result;
}

inline int64_t sum(std::initializer_list<int64_t> summands) {
    int64_t result = 0;
    for (const int64_t summand : summands) {
        if (summand < 0 || __builtin_add_overflow(result, summand, &result) || result > beyond_count)
            return beyond_count;
    }
    return result;
}

}  // namespace throughtime
