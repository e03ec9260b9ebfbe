"""Decimal commas: numbers written 1.234,5 become 1234.5, where that is beyond doubt."""

import polars as pl

MOSTLY = 0.95

_GROUPED = r"[0-9]{1,3}(?:[. '\u{a0}\u{202f}][0-9]{3})+"
_NUMBER = rf"^\s*[+-]?(?:(?:{_GROUPED}|[0-9]+)(?:,[0-9]+)?|,[0-9]+)(?:[eE][+-]?[0-9]{{1,4}})?\s*$"
# 1,234 may be a thousand and more, written the English way
_UNCLEAR = r"^\s*[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+\s*$"


def commas_to_points(
    frame: pl.DataFrame, decimal: str | None, *, is_sought: bool
) -> tuple[pl.DataFrame, str, list[str]]:
    """Rewrite numbers with a decimal comma in columns that hold such numbers.

    Which mark a file uses is one question for the whole file: it is the comma as soon as one
    column of numbers has a comma that can be nothing else.

    Parameters
    ----------
    frame : polars.DataFrame
        Columns of text.
    decimal : {".", ","} or None
        The mark, where it is known.
    is_sought : bool
        Whether to look for decimal commas if it is not.

    Returns
    -------
    frame : polars.DataFrame
        The table, its numbers with points.
    decimal : {".", ","}
        The mark the file uses.
    notes : list of str
        What was found and done.

    Examples
    --------
    >>> frame = pl.DataFrame({"price": ["1,5", "1.200,25"], "name": ["a,b", "c"]})
    >>> commas_to_points(frame, None, is_sought=True)[0].rows()
    [('1.5', 'a,b'), ('1200.25', 'c')]
    """
    if decimal == "." or (decimal is None and not is_sought):
        return frame, ".", []
    with_comma = [column.name for column in frame if _has_numbers(column, ",")]
    clear = [name for name in with_comma if _is_clear(frame[name])]
    if decimal is None and with_comma and not clear:
        name = with_comma[0][:80]
        return frame, ".", [f"commas in {name!r} may mark decimals; if so, give --decimal ','"]
    if decimal is None and not clear:
        return frame, ".", []
    # where the comma is the decimal mark, 1.234 is a whole number
    grouped = [c.name for c in frame if c.name not in with_comma and _has_numbers(c, ".")]
    changed = with_comma + grouped
    frame = frame.with_columns(_with_points(name) for name in changed)
    found = "given" if decimal else "found"
    shown = ", ".join(repr(name[:80]) for name in changed[:3]) + (", …" if changed[3:] else "")
    columns = f"; numbers were rewritten in {shown}" if changed else ""
    return frame, ",", [f"the decimal comma was {found}{columns}"]


def _has_numbers(column: pl.Series, mark: str) -> bool:
    """Whether the mark is in it, and of what has digits in it nearly all are numbers."""
    if not column.str.contains(mark, literal=True).any():
        return False
    n_numbers = int(column.str.contains(_NUMBER).sum() or 0)
    n_with_digits = int(column.str.contains("[0-9]").sum() or 0)
    return n_numbers >= MOSTLY * n_with_digits > 0


def _is_clear(column: pl.Series) -> bool:
    decimals = column.filter(column.str.contains(_NUMBER) & column.str.contains(",", literal=True))
    return not decimals.str.contains(_UNCLEAR).all()


def _with_points(name: str) -> pl.Expr:
    value = pl.col(name)
    plain = value.str.replace_all(r"[. '\s\u{a0}\u{202f}]", "").str.replace(",", ".", literal=True)
    return pl.when(value.str.contains(_NUMBER)).then(plain).otherwise(value).alias(name)
