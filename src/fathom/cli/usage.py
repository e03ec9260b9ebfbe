"""Usage: what cannot be understood of a command line, said as every other error."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from fathom.errors import InputError


def as_refusal(error: Any, arguments: Sequence[str]) -> InputError:
    """Return what the command line's parser found wrong as an error of ours.

    Parameters
    ----------
    error : exception
        The parser's: an option it does not know, an argument that is missing, and the like.
    arguments : sequence of str
        The command line, without the program's name.

    Examples
    --------
    >>> class NoSuchOption(Exception):
    ...     option_name, message, ctx = "--tagret", "No such option: --tagret", None
    >>> print(as_refusal(NoSuchOption(), ["train", "--tagret", "churn"]))
    expected an option of fathom train — got --tagret — fathom train --help shows what there is
    """
    context = error.ctx
    verb = [word for word in arguments[:1] if not word.startswith("-")]
    path = context.command_path if context else " ".join(["fathom", *verb])
    help_ = f"{path} --help shows what there is"
    name, parameter = getattr(error, "option_name", None), getattr(error, "param", None)
    quoted = re.findall(r"'([^']*)'", error.message)
    if hasattr(error, "possibilities") or type(error).__name__ == "NoSuchOption":
        known = [one for p in (context.command.params if context else ()) for one in p.opts]
        return InputError(f"an option of {path}", got=f"{name}", hint=_meant(name, known) or help_)
    if name is not None:
        option = _with_value(next((p for p in _options(context) if name in p.opts), None), name)
        if "does not take" in error.message:
            return InputError(f"{name} without a value", got="one", hint=help_)
        return InputError(f"{option}, a value after it", got="none", hint=help_)
    if type(error).__name__ == "MissingParameter":
        about = _about(parameter)
        return InputError(f"{_shown(parameter)}{about}", got="none", hint=help_)
    if parameter is not None:
        wanted = _wanted(error.message)
        got = _value_of(parameter, arguments) or (quoted or ["another value"])[-1]
        return InputError(f"{_shown(parameter)}: {wanted}", got=got, hint=help_)
    if error.message.startswith("No such command"):
        commands = list(context.command.commands) if context else []
        got = (quoted or ["another"])[0]
        hint = _meant(got, commands) or help_
        return InputError(f"a command: {', '.join(commands)}", got=got, hint=hint)
    extra = re.search(r"extra arguments? \((.*)\)|extra argument\(s\) \((.*)\)", error.message)
    if extra:
        got = next(part for part in extra.groups() if part is not None)
        hint = f"put quotes around names with spaces; {help_}"
        return InputError(f"no more arguments for {path}", got=got, hint=hint)
    return InputError(f"a command line as {path} --help shows it", got=error.message, hint=help_)


def _options(context: Any) -> list[Any]:
    return list(context.command.params) if context else []


def _meant(given: str | None, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given or "", known, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _shown(parameter: Any) -> str:
    """Return how a parameter is called: the option with what follows it, or the argument."""
    if parameter.param_type_name == "option":
        return _with_value(parameter, parameter.opts[0])
    return str(parameter.name).upper()


def _with_value(option: Any, name: str) -> str:
    metavar = getattr(option, "metavar", None)
    return f"{name} {metavar}" if metavar else name


def _about(parameter: Any) -> str:
    words = (getattr(parameter, "help", None) or "").rstrip(".")
    return f", {words[:1].lower()}{words[1:]}" if words else ""


def _wanted(message: str) -> str:
    if "integer" in message:
        return "a whole number"
    if "number" in message or "float" in message:
        return "a number"
    return message[:1].lower() + message[1:].rstrip(".")


def _value_of(parameter: Any, arguments: Sequence[str]) -> str | None:
    """Return what was written for an option."""
    for place, word in enumerate(arguments):
        option, sign, value = word.partition("=")
        if option not in parameter.opts:
            continue
        if sign:
            return value
        if place + 1 < len(arguments):
            return arguments[place + 1]
    return None
