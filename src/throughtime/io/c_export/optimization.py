"""Removes what the statements of a step do for nothing: unread rows, copies of states, buffers that are not needed."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from throughtime.io.c_export.lowering import Buffer, Copy, Loop, Normalization, Product, Program, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from throughtime.io.c_export.lowering import Assignment, Statement


def optimize(program: Program) -> Program:
    """Return a program with the same results."""
    _narrow_products(program)
    _chain_products(program)
    _store_states_directly(program)
    _share_buffers(program)
    return program


def spans_of(statement: Statement) -> Iterator[Span]:
    """Yield what a statement reads."""
    if isinstance(statement, Loop):
        yield from (o for line in statement.lines for o in line.operands if isinstance(o, Span))
    else:
        yield statement.x


def targets_of(statement: Statement) -> list[Buffer]:
    """Return the buffers that a statement writes."""
    if isinstance(statement, Loop):
        return [line.result for line in statement.lines]
    return [statement.target]


def _reads(statement: Statement) -> Iterator[tuple[Buffer, int, int]]:
    """Yield the ranges that a statement reads."""
    for span in spans_of(statement):
        if isinstance(statement, Loop):
            size = 1 if span.repeated else statement.size
        elif isinstance(statement, Product):
            size = statement.weight.shape[1]
        elif isinstance(statement, Normalization):
            size = statement.target.size
        else:
            size = statement.size
        yield span.buffer, span.offset, span.offset + size
    if isinstance(statement, Product) and statement.initial is not None:
        yield statement.initial, 0, statement.initial.size


def _narrow_products(program: Program) -> None:
    """Compute no rows before the first one and after the last one that something reads."""
    for product in [s for s in program.statements if isinstance(s, Product)]:
        reads = [(s, start, end) for s in program.statements for b, start, end in _reads(s) if b is product.target]
        first = min((start for _, start, _ in reads), default=0)
        last = max((end for _, _, end in reads), default=0)
        product.weight = product.weight[first:last]
        product.bias = None if product.bias is None else product.bias[first:last]
        product.target.size = last - first
        for span in {
            id(s): s for st in program.statements for s in spans_of(st) if s.buffer is product.target
        }.values():
            span.offset -= first
    program.statements[:] = [s for s in program.statements if not isinstance(s, Product) or s.target.size]


def _chain_products(program: Program) -> None:
    """Let a product begin with another one, where nothing but the sums of both is read: most gates."""
    loops = [s for s in program.statements if isinstance(s, Loop)]
    products = [s for s in program.statements if isinstance(s, Product)]
    for first, second in combinations(products, 2):
        pair = (first.target, second.target)
        sums = [(loop, line) for loop in loops for line in loop.lines if _is_sum(line, pair)]
        reads = [b for s in program.statements for b, _, _ in _reads(s) if any(b is t for t in pair)]
        inner = all(not _is_read(program, line.result) for _, line in sums)
        if not sums or len(reads) != 2 * len(sums) or not inner or first.target.size != second.target.size:
            continue
        first.bias = _add(first.bias, second.bias)
        second.bias, second.initial = None, first.target
        for loop, line in sums:
            loop.lines.remove(line)
            (offset,) = {o.offset for o in line.operands if isinstance(o, Span)}
            for other in loop.lines:
                other.operands = [
                    Span(second.target, offset) if isinstance(o, str) and o == line.name else o for o in other.operands
                ]


def _is_sum(line: Assignment, pair: tuple[Buffer, Buffer]) -> bool:
    """Return whether a line adds the same rows of two buffers."""
    if line.operator != "aten.add.Tensor" or len(line.operands) != len(pair):
        return False
    a, b = line.operands
    if not isinstance(a, Span) or not isinstance(b, Span) or a.offset != b.offset or a.repeated or b.repeated:
        return False
    return {id(a.buffer), id(b.buffer)} == {id(buffer) for buffer in pair}


def _is_read(program: Program, buffer: Buffer) -> bool:
    return any(b is buffer for s in program.statements for b, _, _ in _reads(s))


def _add(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    return b if a is None else a if b is None else a + b


def _store_states_directly(program: Program) -> None:
    """Let a loop write a new state in its place, where nothing reads the old one afterwards."""
    states = list(program.states.values())
    for copy in [s for s in program.statements if isinstance(s, Copy) and any(s.target is b for b in states)]:
        source = copy.x.buffer
        loop = next(
            (s for s in program.statements if isinstance(s, Loop) and any(source is t for t in targets_of(s))), None
        )
        if loop is None or copy.x.offset or copy.size != source.size:
            continue
        here, there = program.statements.index(loop), program.statements.index(copy)
        start = copy.offset
        if not _may_store(copy, program.statements[here + 1 : there], loop):
            continue
        program.statements.remove(copy)
        for line in loop.lines:
            if line.result is source:
                line.result = copy.target
                line.offset = start
        for statement in program.statements[here + 1 :]:
            for span in spans_of(statement):
                if span.buffer is source:
                    span.buffer, span.offset = copy.target, span.offset + start


def _may_store(copy: Copy, later: list[Statement], loop: Loop) -> bool:
    """Return whether a loop may write the target of a copy: later statements do not read it, nor other lanes of it."""

    def reads(statement: Statement) -> bool:
        start, end = copy.offset, copy.offset + copy.size
        return any(b is copy.target and first < end and last > start for b, first, last in _reads(statement))

    if any(map(reads, later)):
        return False
    aligned = all(s.offset == copy.offset and not s.repeated for s in spans_of(loop) if s.buffer is copy.target)
    return aligned or not reads(loop)


def _share_buffers(program: Program) -> None:
    """Give buffers of one size, of which one is no longer read when the other is written, one name."""
    fixed = {id(b) for b in (program.inputs, program.output, *program.states.values())}
    last_read: dict[int, int] = {}
    for i, statement in enumerate(program.statements):
        for buffer, _, _ in _reads(statement):
            last_read[id(buffer)] = i
    free: dict[int, list[str]] = {}
    count = 0
    live: list[Buffer] = []
    named: set[int] = set()
    for i, statement in enumerate(program.statements):
        if isinstance(statement, Product) and statement.initial is not None:  # is read before it is written
            free[statement.initial.size].append(statement.initial.name)
            live = [b for b in live if b is not statement.initial]
        for buffer in targets_of(statement):
            if id(buffer) in fixed or id(buffer) in named or id(buffer) not in last_read:
                continue
            names = free.setdefault(buffer.size, [])
            if names:
                buffer.name = names.pop()
            else:
                buffer.name, count = f"a{count}", count + 1
            named.add(id(buffer))
            live.append(buffer)
        for buffer in [b for b in live if last_read[id(b)] <= i]:
            free[buffer.size].append(buffer.name)
        live = [b for b in live if last_read[id(b)] > i]


def stored(program: Program) -> list[Buffer]:
    """Return the local arrays of a step, one for each name."""
    fixed = {id(b) for b in (program.inputs, program.output, *program.states.values())}
    read = {id(b) for s in program.statements for b, _, _ in _reads(s)}
    buffers = [b for s in program.statements for b in targets_of(s) if id(b) not in fixed and id(b) in read]
    return list({b.name: b for b in buffers}.values())
