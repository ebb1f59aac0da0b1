// Products and sums of sizes that saturate at a limit instead of overflowing, so that comparisons with them are right.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace throughtime {

// Stands for this number and every larger one.
inline constexpr int64_t count_limit = int64_t(1) << 62;

inline int64_t saturating_product(int64_t a, int64_t b) {
    int64_t result;
    if (a == 0 || b == 0) return 0;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &result) || result > count_limit ? count_limit : result;
}

inline int64_t saturating_product(std::initializer_list<int64_t> factors) {
    int64_t result = 1;
    for (const int64_t factor : factors) result = saturating_product(result, factor);
    return result;
}

inline int64_t saturating_sum(std::initializer_list<int64_t> summands) {
    int64_t result = 0;
    for (const int64_t summand : summands) {
        if (summand < 0 || __builtin_add_overflow(result, summand, &result) || result > count_limit) return count_limit;
    }
    return result;
}

}  // namespace throughtime
