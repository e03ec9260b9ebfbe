"""Scripts: a program, and commands, that do again what was done on the data page."""

import shlex
from collections.abc import Iterator, Sequence

from fathom.studio.jobs import TEST_SHARE, JobTicket
from fathom.studio.row_messages import RowWhy, Script, ScriptWish

REMARKS = {
    "what": (
        "What was done on the studio's page, once more. Run it in the folder of the table.",
        "再做一遍在工作室页面上做过的事。请在表格所在的文件夹里运行。",
    ),
    "apart": (
        "Rows without a target are left out; some of the others are kept apart to judge by.",
        "略去没有目标的行；再留出一部分行用来评判。",
    ),
    "search": (
        "Networks are designed and trained within the time limit, in seconds.",
        "在时间上限（秒）之内设计并训练网络。",
    ),
    "more": (
        "More time, as it was given: the same search goes on.",
        "又给的时间：同一次搜索继续下去。",
    ),
    "judge": (
        "How good it is on the rows that no network has seen.",
        "在任何网络都没见过的行上有多好。",
    ),
    "ask": ("The row that was asked about by hand.", "手工填写的那一行。"),
    "path": (
        "The row that was followed, number by number, and why one number is what it is.",
        "走过网络的那一行，逐个数字；以及其中一个数字从何而来。",
    ),
    "rows": (
        "In the folder with the rows learned from and those kept apart, as they are given here.",
        "请在放有这里提供的两个文件（学习用的行和留出的行）的文件夹里运行。",
    ),
}


def write_script(
    ticket: JobTicket, columns: Sequence[str], wish: ScriptWish, *, can_open: bool
) -> Script:
    """Write what was done on the page as a program of Python and as commands.

    Every name of the user's stands in it as a literal, whatever it holds.

    Parameters
    ----------
    ticket : JobTicket
        What the search was started with.
    columns : sequence of str
        The columns a row has, without the target.
    wish : ScriptWish
        What else was done: a row filled in, a row followed.
    can_open : bool
        Whether the model's networks can be followed number by number; those of texts cannot.
    """
    python = [part for part in _python(ticket, columns, wish, can_open=can_open) if part]
    commands = _commands(ticket, wish, can_open=can_open)
    return Script(python="\n".join(python) + "\n", commands="\n".join(commands) + "\n")


def _python(
    ticket: JobTicket, columns: Sequence[str], wish: ScriptWish, *, can_open: bool
) -> Iterator[str]:
    is_classes, has_test = ticket.task == "classes", ticket.n_test > 0
    path = wish.path if can_open and has_test else None
    yield f"# {_remark('what', wish)}\n"
    yield "\n".join(_imports(is_classes, has_test, wish, path))
    yield _division(ticket, wish)
    yield _search(ticket, wish, is_classes)
    if has_test:
        yield f"\n# {_remark('judge', wish)}\n" + _judgement(ticket.request.target, is_classes)
    if wish.values is not None:
        yield _question(columns, wish, is_classes)
    if path is not None:
        yield _path(path, wish)
    yield "\nsave(model, 'model.fathom')"


def _remark(key: str, wish: ScriptWish) -> str:
    return REMARKS[key][wish.language == "zh"]


def _imports(
    is_classes: bool, has_test: bool, wish: ScriptWish, path: RowWhy | None
) -> Iterator[str]:
    if has_test and is_classes:
        yield "import numpy as np"
    if wish.values is not None:
        yield "import polars as pl"
    if wish.values is not None or (has_test and is_classes):
        yield ""
    kind = "FathomClassifier" if is_classes else "FathomRegressor"
    inside = [", open_model", ", why"] if path else ["", ""]
    yield f"from fathom import {kind}{inside[0]}, save{inside[1]}"
    yield "from fathom.data.dividing import divide"
    yield "from fathom.data.tables import read_table"
    if has_test:
        yield f"from fathom.estimators.evaluation import evaluate_{_task(is_classes)}"


def _task(is_classes: bool) -> str:
    return "classes" if is_classes else "numbers"


def _division(ticket: JobTicket, wish: ScriptWish) -> str:
    request = ticket.request
    share = TEST_SHARE if request.keeps_test_rows else 0.0
    sheet = "" if request.sheet is None else f", sheet={request.sheet!r}"
    return (
        f"\n# {_remark('apart', wish)}\n"
        f"table = read_table({ticket.name!r}{sheet})\n"
        f"parts = divide(\n"
        f"    table.frame, {request.target!r}, task={ticket.task!r}, fraction={share!r},\n"
        f"    seed={request.seed!r},\n"
        f")\n"
        "print(len(parts.training), 'rows to learn from,', len(parts.test), 'kept apart')"
    )


def _search(ticket: JobTicket, wish: ScriptWish, is_classes: bool) -> str:
    request = ticket.request
    times = ticket.times or (request.time_limit,)
    kinds = {column: kind for column, kind in request.kinds.items() if column != request.target}
    told = f" column_kinds={kinds!r}," if kinds else ""
    kind = "FathomClassifier" if is_classes else "FathomRegressor"
    lines = [
        f"\n# {_remark('search', wish)}",
        f"model = {kind}(time_limit={times[0]:g},{told} random_state={request.seed!r})",
        "model.fit(parts.x_train, parts.y_train)",
    ]
    if len(times) > 1:
        lines.append(f"\n# {_remark('more', wish)}")
    for more in times[1:]:
        lines.append(f"model.set_params(warm_start=True, time_limit={more:g})")
        lines.append("model.fit(parts.x_train, parts.y_train)")
    return "\n".join(lines)


def _judgement(target: str, is_classes: bool) -> str:
    if not is_classes:
        return f"print(evaluate_numbers(parts.y_test, model.predict(parts.x_test), [{target!r}]))"
    return (
        "numbers = np.searchsorted(model.classes_, parts.y_test)\n"
        "probabilities = model.predict_proba(parts.x_test)\n"
        "print(evaluate_classes(numbers, probabilities, model.classes_.tolist()))"
    )


def _question(columns: Sequence[str], wish: ScriptWish, is_classes: bool) -> str:
    assert wish.values is not None
    given = wish.values.values
    lines = [f"    {name!r}: {given.get(name) or None!r}," for name in columns]
    said = (
        "print(dict(zip(model.classes_.tolist(), model.predict_proba(row)[0].tolist())))"
        if is_classes else "print(model.predict(row))"
    )  # fmt: skip
    values = "\n".join(lines)
    return (
        f"\n# {_remark('ask', wish)}\n"
        f"values = {{\n{values}\n}}\n"
        f"row = pl.DataFrame([values], schema=dict.fromkeys(values, pl.String))\n{said}"
    )


def _path(path: RowWhy, wish: ScriptWish) -> str:
    which = f", member={path.member}, fold={path.fold}" if path.member or path.fold else ""
    return (
        f"\n# {_remark('path', wish)}\n"
        f"followed = parts.x_test[{path.row}:{path.row + 1}]\n"
        f"traced = open_model(model, followed{which}).trace()\n"
        f"print(traced)\n"
        f"print(why(traced, {path.name!r}))"
    )


def _commands(ticket: JobTicket, wish: ScriptWish, *, can_open: bool) -> Iterator[str]:
    """Return commands for a terminal, where the rows are that the search has learned from."""
    request = ticket.request
    times = ticket.times or (request.time_limit,)
    yield f"# {_remark('rows', wish)}"
    first = [
        "fathom", "train", "train.parquet", f"--target={request.target}",
        f"--time-limit={times[0]:g}", f"--task={ticket.task}", f"--seed={request.seed}",
        "--output=model.fathom",
        *(f"--kind={column}={kind}" for column, kind in request.kinds.items()
          if column != request.target),
    ]  # fmt: skip
    yield shlex.join(first)
    for more in times[1:]:
        yield shlex.join([
            "fathom", "train", "train.parquet", f"--target={request.target}",
            f"--time-limit={more:g}", "--continue=model.fathom",
        ])  # fmt: skip
    if not ticket.n_test:
        return
    yield "fathom evaluate model.fathom test.parquet"
    if wish.path is not None:
        row = f"fathom inspect model.fathom --data=test.parquet --row={wish.path.row + 1}"
        if can_open:
            row += f" --why={shlex.quote(wish.path.name)}"
            row += f" --network={wish.path.member + 1}.{wish.path.fold + 1}"
        yield row
