"""Arithmetic that is shown: printed with just as many digits as make it come out right."""

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fathom.values import Value

DIGITS = 4  # significant ones of a result, and of what it is made of if that will do
MORE_DIGITS = (4, 5, 6, 7, 8, 10, 12, 14, 17)
MOST_TERMS, MOST_SHOWN = 12, 10  # of a sum that is shown whole, and of one that is not
FUNCTIONS: MappingProxyType[str, Callable[..., Any]] = MappingProxyType(
    {
        "exp": math.exp, "expm1": math.expm1, "log": math.log, "log1p": math.log1p,
        "sqrt": math.sqrt, "tanh": math.tanh, "erf": math.erf, "cos": math.cos, "sin": math.sin,
        "abs": abs, "max": max, "min": min, "int": int,
    }
)  # fmt: skip
"""What may be called in shown arithmetic: Python's functions of these names, and math's."""

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: operator.pow, ast.USub: operator.neg,
    ast.UAdd: operator.pos, ast.Eq: operator.eq, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_SLOT = re.compile(r"\{(\w+)\}")


class Operand(Value):
    """A number that stands in arithmetic.

    Attributes
    ----------
    name : str
        The name under which it can be asked for in turn; empty where it is given.
    value : float
        The number.
    note : str
        What it is, in words.
    """

    name: str = ""
    value: float
    note: str = ""

    @property
    def label(self) -> str:
        """What it is called where it is shown."""
        if self.name and self.note:
            return f"{self.name} ({self.note})"
        return self.name or self.note


class Line(NamedTuple):
    """One line of arithmetic.

    Attributes
    ----------
    template : str
        What Python evaluates, with the keys of the operands in braces.
    operands : mapping of str to Operand
        The numbers in it.
    note : str
        What stands beside it; the names of the operands where empty.
    is_term : bool
        Whether it is a term of a sum, a plus before all but the first.
    """

    template: str
    operands: Mapping[str, Operand] = MappingProxyType({})
    note: str = ""
    is_term: bool = False


def product(note: str = "", **operands: Operand) -> Line:
    """Return a term that is the product of numbers."""
    template = " * ".join(f"{{{key}}}" for key in operands)
    return Line(template, operands, note, is_term=True)


def total(terms: Sequence[Line], noun: str = "terms") -> list[Line]:
    """Return the terms of a sum: all of them, or the ten largest and what the others make.

    Parameters
    ----------
    terms : sequence of Line
        Terms, in their order.
    noun : str
        What they are called where they are counted.
    """
    if len(terms) <= MOST_TERMS:
        return list(terms) or [Line("0", note=f"no {noun}", is_term=True)]
    values = np.array([value_of(term) for term in terms])
    largest = np.sort(np.argsort(-np.abs(values), kind="stable")[:MOST_SHOWN])
    others = np.delete(values, largest)
    rest = Operand(value=float(others.sum()), note=f"the other {len(others):,} {noun}")
    return [*(terms[place] for place in largest), Line("{rest}", {"rest": rest}, "", True)]


def value_of(line: Line) -> float:
    """Return what one line is worth, with all the digits of its operands."""
    if line.template == " * ".join(f"{{{key}}}" for key in line.operands):
        return math.prod(operand.value for operand in line.operands.values())
    return evaluate(_fill(line, 17))


def write_number(value: float, digits: int = DIGITS) -> str:
    """Write a number as Python reads it, with so many significant digits.

    Examples
    --------
    >>> write_number(0.98201379), write_number(-2.0), write_number(123456.7), write_number(1e-7)
    ('0.982', '-2', '123457', '1e-07')
    """
    if not math.isfinite(value):
        return str(value)
    if digits >= 17:
        return repr(float(value)).removesuffix(".0")
    if value == round(value) and abs(value) < 1e15:
        written = f"{value:.0f}"
        if len(written.lstrip("-")) <= max(digits, 7):
            return written if written != "-0" else "0"
    if 10**digits <= abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def evaluate(text: str) -> float:
    """Return what arithmetic comes to; NaN where it cannot be worked out.

    Only numbers, operators and the functions of `FUNCTIONS` are understood, as Python does.

    Examples
    --------
    >>> evaluate("2 * 3 + sqrt(16)")
    10.0
    """
    try:
        return float(_evaluate(ast.parse(text.strip(), mode="eval").body))
    except (ArithmeticError, ValueError, LookupError):
        return math.nan


def _evaluate(node: ast.AST) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.Name) and node.id == "pi":
        return math.pi
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_evaluate(node.left), _evaluate(node.right))
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_evaluate(node.operand))
    if isinstance(node, ast.Compare):
        return _OPERATORS[type(node.ops[0])](_evaluate(node.left), _evaluate(node.comparators[0]))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return FUNCTIONS[node.func.id](*map(_evaluate, node.args))
    raise ValueError("no arithmetic")


def settle(lines: Sequence[Line], value: float) -> tuple[list[str], str]:
    """Write lines with the fewest digits at which they give the value as it is printed.

    Returns
    -------
    tuple of list of str and str
        The lines, and the result.
    """
    wanted = write_number(value)
    texts: list[str] = []
    for digits in MORE_DIGITS:
        texts = _write_lines(lines, digits)
        if write_number(evaluate(_joined(texts))) == wanted:
            return texts, wanted
    # Terms that cancel but for rounding: what is printed is what comes out.
    return texts, write_number(evaluate(_joined(texts)))


def _joined(texts: Sequence[str]) -> str:
    return f"({' '.join(texts)})"


def _write_lines(lines: Sequence[Line], digits: int) -> list[str]:
    widths: dict[tuple[str, str], int] = {}
    for line in lines:
        if line.is_term:
            for key, operand in line.operands.items():
                place = (line.template, key)
                width = len(write_number(operand.value, digits))
                widths[place] = max(widths.get(place, 0), width)
    is_long = sum(line.is_term for line in lines) > 1
    written, is_first, depth = [], True, 0
    for line in lines:
        text = _fill(line, digits, widths if line.is_term and is_long else None)
        sign = "" if not line.is_term or not is_long else "  " if is_first else "+ "
        is_first = is_first and not line.is_term
        depth -= text.startswith(")")
        written.append("  " * depth + sign + text)
        depth += text.endswith("(")
    return written


def _fill(line: Line, digits: int, widths: Mapping[tuple[str, str], int] | None = None) -> str:
    """Put the numbers of a line in place, in brackets where a sign before or a power asks for."""

    def written(slot: re.Match[str]) -> str:
        key = slot[1]
        text = write_number(line.operands[key].value, digits)
        before, after = line.template[: slot.start()], line.template[slot.end() :]
        if text.startswith("-") and (before.endswith("-") or after.startswith("**")):
            return f"({text})"
        return text if widths is None else text.rjust(widths[line.template, key])

    return _SLOT.sub(written, line.template)


def notes_of(lines: Sequence[Line]) -> Iterator[str]:
    """Return what stands beside each line: its own note, or what its operands are."""
    for line in lines:
        if line.note:
            yield line.note
        elif line.is_term:
            sign = ", " if "(" in line.template else " · "
            yield sign.join(o.label for o in line.operands.values() if o.label)
        else:
            named = (f"{key} = {o.label}" for key, o in line.operands.items() if o.label)
            yield ", ".join(named)
