"""Checks of the shapes in annotations: jaxtyping's, by beartype, in every function and class of the package with some.

An import hook decorates them, and keeps the compiled modules, as Python does. Annotations are strings, and the names in
them are imported for the type checker alone, so they are evaluated at the first call. Nothing is checked while torch
traces: there a size may be a symbol.
"""

from __future__ import annotations

import ast
import functools
import marshal
import re
import sys
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.util import cache_from_source, source_hash
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import jaxtyping
import torch
from beartype import beartype
from jaxtyping import jaxtyped
from torch._C import _len_torch_dispatch_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_enabled = True
_test = 0
_FIRST, _EVERY = 16, 64  # calls of a function that are checked in a test: the first ones, then one of so many
_DTYPES = "|".join(name for name, item in vars(jaxtyping).items() if isinstance(item, type(jaxtyping.Float)))
_SHAPE = re.compile(rf"\b(?:{_DTYPES})\[[\w.]+, '([^']*)'\]")  # as `ast.unparse` writes it
_DECORATOR = "_check_shapes_"
_OWN_SOURCE = Path(__file__).read_bytes()


def install(package: str) -> None:
    """Check the shapes of a package that is not imported yet."""
    assert package not in sys.modules, f"{package} is imported already"
    sys.meta_path.insert(0, _Finder(package))


def begin_test() -> None:
    """Check the first calls of every function again."""
    global _test  # noqa: PLW0603
    _test += 1


@contextmanager
def unchecked() -> Iterator[None]:
    """Check no shapes, for a test of wrong ones, or of Python's global generator, from which beartype draws."""
    global _enabled  # noqa: PLW0603
    _enabled = False
    try:
        yield
    finally:
        _enabled = True


class _Finder:
    """Finds the modules of the package where the other finders do, and gives them another loader."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] != self._package:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):  # whichever loader reads it
            spec.loader = _Loader(name, spec.origin)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        source = self.get_data(self.path)
        if not _SHAPE.search(source.decode().replace('"', "'")):
            return super().get_code(fullname)
        cache = Path(cache_from_source(self.path, optimization="shapes"))
        key = source_hash(source + _OWN_SOURCE)
        cached = cache.read_bytes() if cache.exists() else b""
        if cached.startswith(key):
            return _with_path(marshal.loads(cached[len(key) :]), self.path)
        code = compile(_Decorate().visit(ast.parse(source)), self.path, "exec", dont_inherit=True)
        if not sys.dont_write_bytecode:
            self.set_data(str(cache), key + marshal.dumps(code))  # at once, and silent where nothing can be written
        return code

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, _DECORATOR, check_shapes)
        super().exec_module(module)


def _with_path(code: CodeType, path: str) -> CodeType:
    """Name the file in code that may come from a copy of it."""
    constants = (_with_path(item, path) if isinstance(item, CodeType) else item for item in code.co_consts)
    return code.replace(co_filename=path, co_consts=tuple(constants))


class _Decorate(ast.NodeTransformer):
    """Decorates functions, and classes with fields such as dataclasses, that have shapes in their annotations."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        arguments = (argument.annotation for argument in ast.walk(node.args) if isinstance(argument, ast.arg))
        if any(map(_has_shape, (node.returns, *arguments))):
            node.decorator_list.append(self._decorator(node))
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        if any(_has_shape(field.annotation) for field in node.body if isinstance(field, ast.AnnAssign)):
            node.decorator_list.insert(0, self._decorator(node))
        return node

    @staticmethod
    def _decorator(node: ast.AST) -> ast.expr:
        return ast.copy_location(ast.Name(_DECORATOR, ast.Load()), node)


def _has_shape(node: ast.AST | None) -> bool:
    return node is not None and _SHAPE.search(ast.unparse(node)) is not None


def check_shapes(checked: Any) -> Any:
    """Decorate a function, or the constructor of a dataclass or named tuple."""
    if not isinstance(checked, type):
        return _lazily(checked, checked.__module__)
    constructor = "__new__" if issubclass(checked, tuple) else "__init__"
    setattr(checked, constructor, _lazily(getattr(checked, constructor), checked.__module__))
    return checked


def _lazily(function: Any, module: str) -> Any:
    check: Callable[..., Any] | None = None
    test, count = _test, 0

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal check, test, count
        if torch.compiler.is_compiling() or _len_torch_dispatch_stack() > 0 or not _enabled or _is_importing(module):
            return function(*args, **kwargs)
        count = count + 1 if test == _test else 1  # after torch has been asked: it traces what comes before
        test = _test
        if count > _FIRST and count % _EVERY:
            return function(*args, **kwargs)
        if check is None:
            check = _with_checks(function, module)
        return check(*args, **kwargs)

    return call


def _is_importing(module: str) -> bool:
    return getattr(sys.modules[module].__spec__, "_initializing", False)


def _with_checks(function: Any, module: str) -> Callable[..., Any]:
    code, names = function.__code__, _names(module)
    copy = FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__, copy.__qualname__, copy.__module__ = function.__kwdefaults__, function.__qualname__, module
    copy.__annotations__ = {name: _evaluated(hint, names) for name, hint in function.__annotations__.items()}
    return jaxtyped(typechecker=beartype)(copy)


def _evaluated(hint: Any, names: dict[str, Any]) -> Any:
    """Evaluate an annotation that has a shape in it; others are for the type checker alone."""
    text = getattr(hint, "__forward_arg__", hint)  # of a named tuple's field
    if not isinstance(text, str):
        return Any
    text = ast.unparse(ast.parse(text, mode="eval"))
    return eval(_SHAPE.sub(_with_opaque_axes, text), names) if _SHAPE.search(text) else Any


def _with_opaque_axes(match: re.Match[str]) -> str:
    """Make an axis such as G*H a name: jaxtyping computes it only where G and H are known before."""
    axes = [axis if axis[0] in "*#" else re.sub(r"\W", "_", axis) for axis in match[1].replace("...", "*_").split()]
    axes = ["*_" if axis == "*_" else f"axis_{axis}" if re.match(r"\d+\D", axis) else axis for axis in axes]
    return match[0].replace(match[1], " ".join(axes))


@functools.cache
def _names(module: str) -> dict[str, Any]:
    """Return the globals of a module, with those that it has for the type checker alone."""
    source = sys.modules[module].__spec__
    assert source is not None
    assert isinstance(source.loader, _Loader)
    names = dict(vars(sys.modules[module]))
    for node in ast.parse(source.loader.get_data(source.loader.path)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), source.loader.path, "exec", dont_inherit=True), names)
    return names
