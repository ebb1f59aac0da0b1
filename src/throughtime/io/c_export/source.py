"""The text of the two files: statements become C."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.io.c_export.expressions import POINTWISE, number
from throughtime.io.c_export.functions import functions_for
from throughtime.io.c_export.lowering import Buffer, Copy, Loop, Normalization, Product, Program, Span
from throughtime.io.c_export.optimization import spans_of, stored
from throughtime.io.c_export.packing import pack, quantize, split_rows

if TYPE_CHECKING:
    from throughtime.io.c_export.lowering import Statement

_WIDTH = 116


@dataclass
class Code:
    """The parts of the source file that depend on the network.

    Attributes:
        constants: definitions of arrays.
        functions: that the statements call.
        body: of the function that advances a state by one step.
        constant_bytes: size of the arrays.
        scratch_bytes: size of the local arrays of a step.
    """

    constants: str
    functions: str
    body: str
    constant_bytes: int
    scratch_bytes: int


def write_code(program: Program, weights: str) -> Code:
    """Return the code of a program, with weights of 'float32' or 'int8'."""
    writer = _Writer(program, int8=weights == "int8")
    statements = "".join(map(writer.statement, program.statements))
    arrays = stored(program)
    local = "".join(f"    float {b.name}[{b.size}];\n" for b in arrays)
    body = f"{local}    int i;\n{statements}" if "(i = 0" in statements else local + statements
    functions = functions_for(f"{statements} is_finite(", int8=writer.int8)
    size = 4 * sum(b.size for b in arrays)
    return Code("".join(writer.constants), functions, body, writer.constant_bytes, size)


@dataclass
class _Writer:
    program: Program
    int8: bool
    constants: list[str] = field(default_factory=list)
    constant_bytes: int = 0

    def statement(self, statement: Statement) -> str:
        """Return a statement as C."""
        match statement:
            case Product():
                return self._product(statement)
            case Loop():
                return self._loop(statement)
            case Normalization():
                x = self._pointer(statement.x)
                size, y = statement.target.size, statement.target.name
                return f"    normalize({size}, {number(statement.epsilon)}, {x}, {y});\n"
            case Copy():
                to = f"{self._pointer_to(statement.target)}[{_sum('i', statement.offset)}]"
                return f"    for (i = 0; i < {statement.size}; ++i) {to} = {self._element(statement.x)};\n"

    def _product(self, product: Product) -> str:
        rows, columns = product.weight.shape
        x, y = self._pointer(product.x), self._pointer_to(product.target)
        if self.int8:
            whole, scales = quantize(product.weight)
            weight = self._array("w", pack(whole), "int8_t")
            scale = self._array("s", scales, "float")
        else:
            weight, scale = self._array("w", pack(product.weight), "float"), ""
        if product.initial is not None:
            b = product.initial.name
        else:
            b = self._array("b", np.zeros(rows, np.float32) if product.bias is None else product.bias, "float")
        lines = []
        for size, count, first in split_rows(rows):
            w = _sum(weight, first * columns)
            if size > 1:
                scaled = f"{_sum(scale, first)}, " if scale else ""
                lines.append(
                    f"product_{size}({count}, {columns}, {w}, {scaled}{_sum(b, first)}, {x}, {_sum(y, first)});"
                )
                continue
            for row in range(first, rows):
                scaled = f"{scale}[{row}] * " if scale else ""
                lines.append(f"{y}[{row}] = {b}[{row}] + {scaled}dot({columns}, {_sum(weight, row * columns)}, {x});")
        return "".join(f"    {line}\n" for line in lines)

    def _loop(self, loop: Loop) -> str:
        read = {id(span.buffer) for statement in self.program.statements for span in spans_of(statement)}
        used = {o for line in loop.lines for o in line.operands if isinstance(o, str)}
        lines = []
        for line in loop.lines:
            expression = POINTWISE[line.operator](*map(self._operand, line.operands))
            is_stored = id(line.result) in read or line.result in self.program.states.values()
            if is_stored or line.name in used:
                lines.append(f"const float {line.name} = {expression};")
            if is_stored:
                lines.append(f"{self._pointer_to(line.result)}[{_sum('i', line.offset)}] = {line.name};")
        inner = "".join(f"        {line}\n" for line in lines)
        states = self.program.states.values()
        reads_state = any(span.buffer is state for span in spans_of(loop) for state in states)
        reload = "    RELOAD();\n" if reads_state else ""
        return f"{reload}    for (i = 0; i < {loop.size}; ++i) {{\n{inner}    }}\n"

    def _operand(self, operand: Any) -> Any:
        if isinstance(operand, Span):
            return self._element(operand)
        if isinstance(operand, np.ndarray):
            return f"{self._array('c', operand, 'float')}[i]"
        return operand

    def _element(self, span: Span) -> str:
        return f"{self._pointer_to(span.buffer)}[{span.offset if span.repeated else _sum('i', span.offset)}]"

    def _pointer(self, span: Span) -> str:
        return _sum(self._pointer_to(span.buffer), span.offset)

    def _pointer_to(self, buffer: Buffer) -> str:
        is_state = any(buffer is state for state in self.program.states.values())
        return f"state->{buffer.name}" if is_state else buffer.name

    def _array(self, kind: str, values: np.ndarray, element: str) -> str:
        """Define a constant array. Returns its name."""
        name = f"{kind}{len(self.constants)}"
        texts = [str(int(v)) if element == "int8_t" else number(v) for v in values]
        self.constants.append(f"static const {element} {name}[{len(values)}] = {{\n{_wrapped(texts)}}};\n")
        self.constant_bytes += len(values) * (1 if element == "int8_t" else 4)
        return name


def _sum(base: str, offset: int) -> str:
    return f"{base} + {offset}" if offset else base


def _wrapped(texts: list[str]) -> str:
    lines, line = [], "   "
    for text in texts:
        if len(line) + len(text) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {text},"
    return "\n".join([*lines, line]) + "\n"
