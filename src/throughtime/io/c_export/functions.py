"""The functions that the generated code calls, as text of C: none of them needs a library.

`ERRORS` states the greatest error of each, with and without contraction to fused multiply-adds; under -ffast-math,
which adds in another order, exponential and sigmoid are within 64 ULP. tests/io/c_export/test_functions.py measures
them. NaN maps to NaN, and what lies outside of the range to the limit of the function. The polynomials are those of
csrc/engine/math.hpp.
"""

from __future__ import annotations

import re

ROWS = (16, 8, 4)
"""Rows of a matrix that are computed at once; those that remain are computed one by one."""

ERRORS = {
    "exponential": (2.0, -87.0, 88.0),
    "sigmoid": (4.0, -87.0, 1e30),
    "hyperbolic_tangent": (8.0, -1e30, 1e30),
    "square_root": (2.0, 1e-30, 1e30),
}
"""The greatest error in units in the last place (ULP), and the range in which it holds."""

_LANES = """
/* Numbers that one instruction computes at once, where there are such instructions. */
#if defined(__GNUC__) && (defined(__SSE2__) || defined(__ARM_NEON))
#define VECTOR(count) __attribute__((vector_size(4 * (count)), aligned(4), may_alias))
#if defined(__AVX512F__)
typedef float lanes_16 VECTOR(16);
#elif defined(__AVX__)
typedef float lanes_16 VECTOR(8);
#else
typedef float lanes_16 VECTOR(4);
#endif
#if defined(__AVX__)
typedef float lanes_8 VECTOR(8);
#else
typedef float lanes_8 VECTOR(4);
#endif
typedef float lanes_4 VECTOR(4);
#endif
"""

_PRODUCT = """
/* y = bias + weight x for blocks of {rows} rows; the {rows} weights of a column are contiguous. */
static inline void product_{rows}(int blocks, int columns, const float *weight, const float *bias, const float *x,
                              float *y)
{{
#ifdef VECTOR
    enum {{ count = (int)({rows} * sizeof(float) / sizeof(lanes_{rows})), together = count <= 2 ? 4 : 1 }};
    int block, group, j, k;
    for (block = 0; block < blocks; block += group) {{
        const lanes_{rows} *w = (const lanes_{rows} *)(weight + block * {rows} * columns);
        const lanes_{rows} *b = (const lanes_{rows} *)(bias + block * {rows});
        lanes_{rows} *out = (lanes_{rows} *)(y + block * {rows});
        lanes_{rows} sum[together * count];
        group = blocks - block < together ? 1 : together;
        if (group == 1) {{
            for (j = 0; j < count; ++j) sum[j] = b[j];
            for (k = 0; k < columns; ++k, w += count)
                for (j = 0; j < count; ++j) sum[j] += w[j] * x[k];
            for (j = 0; j < count; ++j) out[j] = sum[j];
        }} else {{ /* sums that do not wait for one another */
            for (j = 0; j < together * count; ++j) sum[j] = b[j];
            for (k = 0; k < columns; ++k, w += count)
                for (j = 0; j < together * count; ++j) sum[j] += w[j % count + j / count * count * columns] * x[k];
            for (j = 0; j < together * count; ++j) out[j] = sum[j];
        }}
    }}
#else
    int k;
    for (; blocks > 0; --blocks, bias += {rows}, y += {rows}) {{
{zeros}        for (k = 0; k < columns; ++k, weight += {rows}) {{
            const float v = x[k];
{sums}        }}
{stores}    }}
#endif
}}
"""

_PRODUCT_INT8 = """
/* y = bias + scale (weight x) for blocks of {rows} rows; the {rows} weights of a column are contiguous. */
static inline void product_{rows}(int blocks, int columns, const int8_t *weight, const float *scale, const float *bias,
                              const float *x, float *y)
{{
#ifdef __SSE2__
    int block, j, k;
    for (block = 0; block < blocks; ++block) {{
        const int8_t *w = weight + block * {rows} * columns;
        float sum[{rows}];
        for (j = 0; j < {rows}; ++j) sum[j] = 0.0f;
        for (k = 0; k < columns; ++k, w += {rows})
            for (j = 0; j < {rows}; ++j) sum[j] += (float)w[j] * x[k];
        for (j = 0; j < {rows}; ++j) {{
            const int row = block * {rows} + j;
            y[row] = bias[row] + scale[row] * sum[j];
        }}
    }}
#else
    int k;
    for (; blocks > 0; --blocks, bias += {rows}, scale += {rows}, y += {rows}) {{
{zeros}        for (k = 0; k < columns; ++k, weight += {rows}) {{
            const float v = x[k];
{sums}        }}
{stores}    }}
#endif
}}
"""

_DOT = """
/* The sum of weight[k] x[k], as 16 sums that are added at the end. */
static inline float dot(int columns, const {type} *weight, const float *x)
{{
    float sum[16], total;
    int j, k;
    for (j = 0; j < 16; ++j) sum[j] = 0.0f;
    for (k = 0; k + 16 <= columns; k += 16)
        for (j = 0; j < 16; ++j) sum[j] += {weight} * x[k + j];
    for (j = 0; j < 8; ++j) sum[j] += sum[j + 8];
    for (j = 0; j < 4; ++j) sum[j] += sum[j + 4];
    total = (sum[0] + sum[2]) + (sum[1] + sum[3]);
    for (j = 0; k < columns; ++k) total += {weight} * x[k];
    return total;
}}
"""

_FUNCTIONS = {
    "larger": """
static inline float larger(float a, float b) { return b > a ? b : a; }
""",
    "smaller": """
static inline float smaller(float a, float b) { return b < a ? b : a; }
""",
    "is_finite": """
/* Whether none of the numbers is NaN or infinite, by their bits. */
static int is_finite(const float *x, size_t count)
{
    uint32_t bad = 0;
    size_t i;
    for (i = 0; i < count; ++i) {
        union { float value; uint32_t bits; } u;
        u.value = x[i];
        bad |= (uint32_t)((u.bits & 0x7f800000u) == 0x7f800000u);
    }
    return bad == 0;
}
""",
    "exponential": """
static inline float exponential(float x)
{
    union { float value; uint32_t bits; } shifted, power; /* the low bits of a number near 1.5 2^23 are an integer */
    float n, r, r2, even, odd, y;
    shifted.value = x * 1.44269504f + 12582912.0f;
    power.bits = (shifted.bits + 127u) << 23;
#ifdef __FAST_MATH__ /* which takes (a + b) - b for a */
    n = (float)(int32_t)(shifted.bits - 0x4b400000u);
#else
    n = shifted.value - 12582912.0f;
#endif
    r = x - n * 0.693359375f + n * 2.12194440e-4f;
    r2 = r * r;
    even = 0.49999993451660991486f + r2 * (0.041668387369485337414f + r2 * 0.0013814612913096629024f);
    odd = 0.16666520689734752558f + r2 * 0.0083687098332030176747f;
    y = power.value + power.value * (r + r2 * (even + r * odd));
    y = x < -87.3f ? 0.0f : y;
    return x > 88.0f ? 1.6516363e38f : y;
}
""",
    "sigmoid": """
static inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }
""",
    "hyperbolic_tangent": """
static inline float hyperbolic_tangent(float x)
{
    const float above = x < -9.01f ? -9.01f : x;
    const float b = above > 9.01f ? 9.01f : above;
    const float u = b * b, u2 = u * u;
    const float p = (0.99999993106255f + u * 0.12929379483085612f) +
                    u2 * ((0.002931271231451987f + u * 9.355020344219168e-06f) +
                          u2 * (-1.3011218063330193e-08f + u * 1.8765019068687434e-11f));
    const float q = (1.0f + u * 0.4626269032011175f) + u2 * (0.023807300071227097f + u * 0.0002294970710014138f);
    const float quotient = b * p / q;
    const float y = quotient < -1.0f ? -1.0f : quotient;
    return y > 1.0f ? 1.0f : y;
}
""",
    "square_root": """
static inline float square_root(float x)
{
    union { float value; uint32_t bits; } u;
    float y;
    int i;
    u.value = x;
    u.bits = (u.bits >> 1) + 0x1fbd1df5u;
    y = u.value;
    for (i = 0; i < 4; ++i) y = 0.5f * (y + x / y);
    return y;
}
""",
    "normalize": """
/* y = (x - mean) / sqrt(variance + epsilon) */
static inline void normalize(int count, float epsilon, const float *x, float *y)
{
    float mean = 0.0f, variance = 0.0f, scale;
    int i;
    for (i = 0; i < count; ++i) mean += x[i];
    mean /= (float)count;
    for (i = 0; i < count; ++i) variance += (x[i] - mean) * (x[i] - mean);
    scale = 1.0f / square_root(variance / (float)count + epsilon);
    for (i = 0; i < count; ++i) y[i] = (x[i] - mean) * scale;
}
""",
}


def functions_for(code: str, *, int8: bool) -> str:
    """Return the functions that code calls, and those that these call, before their callers."""
    available = _available(int8=int8)
    needed = {name for name in available if _calls(code, name)}
    while True:
        more = {n for n in available if any(_calls(available[m], n) for m in needed)} - needed
        if not more:
            break
        needed |= more
    parts = [] if int8 or not any(f"product_{rows}" in needed for rows in ROWS) else [_LANES]
    return "".join([*parts, *(text for name, text in available.items() if name in needed)])


def _available(*, int8: bool) -> dict[str, str]:
    product = _PRODUCT_INT8 if int8 else _PRODUCT
    weight, kind = ("(float)weight[k + j]", "int8_t") if int8 else ("weight[k + j]", "float")
    products = {f"product_{rows}": product.format(rows=rows, **_unrolled(rows, int8=int8)) for rows in ROWS}
    return _FUNCTIONS | products | {"dot": _DOT.format(type=kind, weight=weight)}


def _unrolled(rows: int, *, int8: bool) -> dict[str, str]:
    """Return the lines of a product for each row: sums that compilers then keep in registers."""
    first, weight, total = (
        ("0.0f", "(float)weight[{}]", "bias[{0}] + scale[{0}] * s{0}") if int8 else ("bias[{}]", "weight[{}]", "s{}")
    )
    return {
        "zeros": "".join(f"        float s{row} = {first.format(row)};\n" for row in range(rows)),
        "sums": "".join(f"            s{row} += {weight.format(row)} * v;\n" for row in range(rows)),
        "stores": "".join(f"        y[{row}] = {total.format(row)};\n" for row in range(rows)),
    }


def _calls(code: str, name: str) -> bool:
    return re.search(rf"\b{name}\(", code) is not None
