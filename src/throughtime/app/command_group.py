"""The Typer application, and how a function becomes one of its commands.

Options that several commands share are the fields of a dataclass. A command takes the dataclass as one parameter; its
fields become options of the command line.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

import typer
from typer.core import TyperGroup

from throughtime.app.signals import CommandInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Command = Callable[..., None]

EXAMPLES = "Examples:"
"""The line between the options of a command and its examples."""


class CommandGroup(TyperGroup):
    """All commands. Click would end an interrupted command without a message."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command of a command line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise CommandInterrupted from error


def format_examples(*examples: str) -> str:
    """Return the end of a help text."""
    return "\n".join([EXAMPLES, *examples])


app = typer.Typer(
    cls=CommandGroup,
    epilog=format_examples("throughtime forecast sales.csv --horizon 12", "throughtime train --help"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(*examples: str) -> Callable[[Command], Command]:
    """Register a function as the command of its name.

    Args:
        examples: command lines at the end of the help.
    """

    def register(function: Command) -> Command:
        app.command(epilog=format_examples(*examples))(_expand_dataclasses(function))
        return function

    return register


def _expand_dataclasses(function: Command) -> Command:
    """Return a function that takes the fields of each dataclass parameter as parameters of its own."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    groups: dict[str, Any] = {p.name: p.annotation for p in parameters if is_dataclass(p.annotation)}

    def call(**options: Any) -> None:
        for name, group in groups.items():
            options[name] = group(**{field.name: options.pop(field.name) for field in fields(group)})
        function(**options)

    expanded = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in parameters
        for option in (_field_parameters(groups[parameter.name]) if parameter.name in groups else [parameter])
    ]
    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__annotations__ = {option.name: option.annotation for option in expanded}
    call.__signature__ = inspect.Signature(expanded)  # type: ignore[attr-defined]
    return call


def _field_parameters(group: Any) -> Iterator[inspect.Parameter]:
    types = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[field.name]
        )
