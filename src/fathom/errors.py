"""Every error Fathom raises: what was expected, what came, what to do."""

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pydantic import ValidationError


class FathomError(Exception):
    """Root of all errors raised by Fathom.

    The message always has the same three parts, joined by a dash: what was expected, what came
    instead, and what to do about it.

    Parameters
    ----------
    expected : str
        What was expected.
    got : str
        What came instead, with the offending name and value.
    hint : str
        What to do, usually a command or an argument.

    Examples
    --------
    >>> print(FathomError("a positive width", got="-3", hint="give units=1 or more"))
    expected a positive width — got -3 — give units=1 or more
    """

    exit_code = 2

    def __init__(self, expected: str, got: str = "", hint: str = "") -> None:
        super().__init__(expected, got, hint)
        self.expected = expected
        self.got = got
        self.hint = hint

    def __str__(self) -> str:
        parts = [f"expected {self.expected}"]
        if self.got:
            parts.append(f"got {self.got}")
        if self.hint:
            parts.append(self.hint)
        return " — ".join(parts)

    @classmethod
    def from_validation(cls, error: "ValidationError") -> Self:
        """Turn pydantic's report on a value into one line that names the field at fault."""
        first, *others = error.errors()
        more = f"and {len(others)} more like it" if others else ""
        where = " ".join(
            f"{part + 1}" if isinstance(part, int) else str(part) for part in first["loc"]
        )
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, FathomError):
            expected = f"in {where} {cause.expected}" if where else cause.expected
            return cls(expected, got=cause.got, hint=cause.hint or more)
        reason = first["msg"][:1].lower() + first["msg"][1:]
        return cls(f"a valid {where}: {reason}", got=repr(first["input"])[:80], hint=more)


class InputError(FathomError, ValueError):
    """Data or an argument that cannot be used."""


class ArchitectureError(FathomError, ValueError):
    """A network that cannot be built; says which layer and why."""


class DatasetError(InputError):
    """A dataset that is unknown, absent, or not what it claims to be."""


class ModelFileError(FathomError, ValueError):
    """A model file that is damaged, hostile, or of a version this Fathom does not read.

    Where nothing else is to be done, it says to ask for the file again.
    """

    def __init__(self, expected: str, got: str = "", hint: str = "") -> None:
        super().__init__(expected, got, hint or "ask for the file again, from a source you trust")


class TrainingError(FathomError, RuntimeError):
    """Training that cannot go on, for example because every restart diverged."""


class ExecutorError(FathomError, RuntimeError):
    """Work that cannot be done on other processes or machines, as there are none left."""
