"""The header and the source file around the code of a step."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from throughtime.io.c_export.source import Code


class Facts(NamedTuple):
    """What a header states of a network.

    Attributes:
        name: prefix of all names.
        version: of throughtime.
        network: in words.
        checksum: SHA-256 of the weights.
        weights: how they are stored.
        error: of weights that are not float32, in words.
        inputs: I.
        outputs: O.
        states: count of numbers of each state, by name.
    """

    name: str
    version: str
    network: str
    checksum: str
    weights: str
    error: str
    inputs: int
    outputs: int
    states: dict[str, int]

    @property
    def state_bytes(self) -> int:
        """Size of the state of a stream."""
        return 4 * sum(self.states.values())


_HEADER = """\
/*
 * Written by throughtime {version}. {network}.
 *
 * weights   {weights}, SHA-256 {checksum}
{error} * flash     {constant_bytes} bytes of constants, and the code
 * RAM       {state_bytes} bytes for each stream, which the caller owns, none static;
 *           a step takes {scratch_bytes} bytes of the stack for its local arrays
 *
 * C99, or C++. No allocation, no library, no variables outside of the arguments: any number of streams, and threads,
 * as long as two threads do not use one state. A state may be copied to keep it, and to continue from it.
 *
 *     {name}_state state;
 *     {name}_init(&state);
 *     for (;;) {{ ... {name}_step(&state, x, y); ... }}
 */
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_INPUTS {inputs}
#define {upper}_OUTPUTS {outputs}
#define {upper}_CONSTANT_BYTES {constant_bytes}
#define {upper}_STATE_BYTES {state_bytes}
#define {upper}_STACK_BYTES {scratch_bytes}
#define {upper}_WEIGHTS_SHA256 "{checksum}"

/* What a function returns for inputs that are NaN or infinite: the state, and y, are as they were. */
#define {upper}_OK 0
#define {upper}_NOT_FINITE 1

/* The state of one stream. */
typedef struct {{
{fields}}} {name}_state;

/* Begin a stream: all zeros. */
void {name}_init({name}_state *state);

/* Advance by one step, from x[{inputs}] to y[{outputs}]. {in_place} */
int {name}_step({name}_state *state, const float *x, float *y);

/* Advance by some steps, from x[steps][{inputs}] to y[steps][{outputs}].
 * No step is run where an input is not finite. */
int {name}_run({name}_state *state, size_t steps, const float *x, float *y);

/*
 * Advance each of n streams by one step, from x[n][{inputs}] to y[n][{outputs}]. A stream whose input is not
 * finite keeps its state and its y, and the others advance. Returns the number of such streams.
 */
size_t {name}_step_many({name}_state *states, size_t n, const float *x, float *y);

#ifdef __cplusplus
}}
#endif

#endif
"""

_SOURCE = """\
/* Written by throughtime {version}. {network}. See {name}.h. */
#include "{name}.h"

#include <stdint.h>

/* Before a loop over units: Clang keeps a number from the product before for it, and then uses no vectors. */
#if defined(__GNUC__)
#define RELOAD() __asm__ volatile("" : : : "memory")
#else
#define RELOAD() (void)0
#endif

typedef char state_has_the_stated_size[sizeof({name}_state) == {upper}_STATE_BYTES ? 1 : -1];

{constants}{functions}
/* One step; what it reads of x is read before y is written. */
static void advance({name}_state *state, const float *x, float *y)
{{
{body}}}

void {name}_init({name}_state *state)
{{
    int i;
{zeros}}}

int {name}_step({name}_state *state, const float *x, float *y)
{{
    if (!is_finite(x, {inputs})) return {upper}_NOT_FINITE;
    advance(state, x, y);
    return {upper}_OK;
}}

int {name}_run({name}_state *state, size_t steps, const float *x, float *y)
{{
    size_t t;
    if (!is_finite(x, steps * {inputs})) return {upper}_NOT_FINITE;
    for (t = 0; t < steps; ++t) advance(state, x + t * {inputs}, y + t * {outputs});
    return {upper}_OK;
}}

size_t {name}_step_many({name}_state *states, size_t n, const float *x, float *y)
{{
    size_t i, refused = 0;
    for (i = 0; i < n; ++i)
        refused += (size_t){name}_step(states + i, x + i * {inputs}, y + i * {outputs});
    return refused;
}}
"""


def write_header(facts: Facts, code: Code) -> str:
    """Return the text of the header."""
    is_square = facts.inputs == facts.outputs
    return _HEADER.format(
        **facts._asdict() | {"error": _error_lines(facts.error)},
        upper=facts.name.upper(),
        constant_bytes=code.constant_bytes,
        scratch_bytes=code.scratch_bytes,
        state_bytes=facts.state_bytes,
        fields="".join(f"    float {name}[{size}];\n" for name, size in facts.states.items()),
        in_place="They may be the same array." if is_square else "They do not overlap.",
    )


def _error_lines(error: str) -> str:
    lines = textwrap.wrap(error, 100)
    return "".join(f" * {'' if i else 'error':9} {line}\n" for i, line in enumerate(lines))


def write_source(facts: Facts, code: Code) -> str:
    """Return the text of the source file."""
    zeros = (f"    for (i = 0; i < {size}; ++i) state->{name}[i] = 0.0f;\n" for name, size in facts.states.items())
    return _SOURCE.format(
        **facts._asdict(),
        upper=facts.name.upper(),
        constants=code.constants,
        functions=code.functions,
        body=code.body,
        zeros="".join(zeros),
    )
