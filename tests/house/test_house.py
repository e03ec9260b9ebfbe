"""The house itself: what it shows to the outside, what it loads, and how it is written."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fathom

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "fathom").rglob("*.py"))
MODULES = [m.name for m in pkgutil.walk_packages(fathom.__path__, "fathom.")]


def loaded_after(statement):
    code = f"import sys; {statement}; print(*sorted(m.split('.')[0] for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split("\n")[-2].split())


def test_importing_loads_nothing_heavy():
    heavy = {"jax", "sklearn", "numpy", "scipy", "pydantic", "optax", "PIL", "rich"}
    heavy |= {"polars", "narwhals"}
    assert not heavy & loaded_after("import fathom")


def test_help_loads_nothing_heavy():
    help_ = "import fathom.cli as c; sys.argv = ['fathom', '--help']\n"
    help_ += "try: c.app()\nexcept SystemExit: pass\n"
    code = f"import sys\n{help_}print(*sorted(m.split('.')[0] for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.splitlines()[-1].split())
    heavy = {"jax", "sklearn", "numpy", "scipy", "pydantic", "PIL", "polars"}
    assert not heavy & loaded


def test_the_first_network_of_the_studio_waits_for_no_engine():
    first = "from fathom.studio.network_routes import network_routes; network_routes()"
    compute = "from fathom.studio.networks import answer, example; answer(example('hand_worked'))"
    engine = {"jax", "optax", "sklearn", "scipy", "numba", "polars", "pandas"}
    assert not engine & loaded_after(f"{first}; {compute}")


def test_the_first_epoch_of_a_search_waits_for_nothing_that_later_ones_need(tmp_path):
    # 60 rows of noise and one column that tells the target so well that it is looked into
    lines = [
        f"{row * 37 % 60},{row * 7 % 60},{'yes' if row * 7 % 60 > 30 else 'no'}\n"
        for row in range(60)
    ]
    (tmp_path / "t.csv").write_text("a,b,bought\n" + "".join(lines))
    code = """
import math, os, sys
import fathom.search.design
from fathom.training.population import _JobMonitor

def say(self, start, epoch):
    print("at the first epoch", *sorted({m.split(".")[0] for m in sys.modules}), flush=True)
    os._exit(0)

_JobMonitor.on_epoch = say  # before anybody hears of it, as the rest is loaded then
fathom.search.design.OPENING_S = math.inf  # however busy the machine is
import fathom.cli
sys.argv = "fathom train t.csv --target bought --time-limit 600".split()
fathom.cli.main()
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    (line,) = [one for one in run.stdout.splitlines() if one.startswith("at the first epoch")]
    assert "numpy" in line.split()
    assert not {"jax", "sklearn", "pandas", "joblib"} & set(line.split())


def test_a_model_of_a_table_learns_and_predicts_without_jax(tmp_path):
    rows = "import numpy as np; x = np.random.default_rng(0).normal(size=(60, 2))"
    learn = "import fathom; model = fathom.FathomClassifier(time_limit=1).fit(x, x[:, 0] > 0)"
    path = tmp_path / "m.fathom"
    assert "jax" not in loaded_after(f"{rows}; {learn}; fathom.save(model, {str(path)!r})")
    use = f"import fathom; model = fathom.load({str(path)!r}); model.predict_proba(x)"
    assert "jax" not in loaded_after(f"{rows}; {use}")


def test_jax_comes_from_one_place():
    # whoever imports it beside `fathom.nn.xla` may find networks it does not know for trees
    allowed = {"src/fathom/nn/xla.py", "src/fathom/training/council.py"}  # a part it has to ask for
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "jax" for name in names):
                assert str(path.relative_to(ROOT)) in allowed, ast.unparse(node)


def test_importing_changes_nothing():
    before = "import os, warnings, signal; e = dict(os.environ); f = list(warnings.filters)"
    after = "import fathom; assert e == dict(os.environ) and f == list(warnings.filters)"
    subprocess.run([sys.executable, "-c", f"{before}; {after}"], check=True)


def test_the_public_list_is_what_it_is():
    assert fathom.__all__ == [
        "Activation", "Architecture", "Augmentation", "AveragePool", "Bag", "BatchNorm", "Columns",
        "Combination", "Conv1D", "Conv2D", "Dense", "Dropout", "FathomClassifier",
        "FathomRegressor", "FathomTranscriber", "Flatten", "Gain", "GlobalAveragePool",
        "Initializer", "LayerNorm", "MaxPool", "Monitor", "Recipe", "Recordings", "Residual",
        "Stem", "Stems", "Trace", "build", "compress", "load", "load_digits", "load_transcriber",
        "open_model", "save", "trace", "why",
    ]  # fmt: skip
    for name in fathom.__all__:
        assert getattr(fathom, name).__doc__
    with pytest.raises(AttributeError):
        fathom.nothing  # noqa: B018


@pytest.mark.parametrize("name", [m for m in MODULES if m != "fathom.__main__"])
def test_the_examples_of_the_docstrings_run(name):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_a_benchmark_imports_what_there_is(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fathom"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                is_there = hasattr(module, alias.name)
                assert is_there or f"{node.module}.{alias.name}" in MODULES, ast.unparse(node)


def test_no_shipped_file_is_over_500_lines():
    long = {p.name: n for p in SOURCES if (n := len(p.read_text().splitlines())) > 500}
    assert not long


# Functions that may be longer than 50 lines, and why.
LONG_FUNCTIONS = {
    "src/fathom/cli/__init__.py:train": "half of it are its options, a named type each",
    "src/fathom/estimators/base.py:_fit": "a fifth of it are its parameters",
}


def functions_in(node):
    """Yield the functions of a file, without a look at expressions, which are most of it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child
            yield from functions_in(child)


def test_no_function_is_over_50_lines_without_its_docstring():
    long = {}
    folders = ("src", "tests", "benchmarks", "docs", "examples")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in functions_in(ast.parse(path.read_text())):
            text = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
            n_told = text.end_lineno - text.lineno + 1 if text else 0
            n_lines = node.end_lineno - node.lineno + 1 - n_told
            if n_lines > 50:
                long[f"{path.relative_to(ROOT).as_posix()}:{node.name}"] = n_lines
    assert set(long) == set(LONG_FUNCTIONS), long


def readme_blocks(language):
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_readmes_python_runs(tmp_path):
    for block in readme_blocks("python"):
        hurried = re.sub(r"time_limit=\d+", "time_limit=3", block)
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", hurried], cwd=tmp_path,
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr


def test_ci_runs_the_readmes_test_command_as_it_is_written():
    command = "pip install '.[test]' && pytest"
    assert any(command in block for block in readme_blocks("sh"))
    assert command in (ROOT / ".ci" / "run").read_text()


def test_every_room_and_file_in_the_code_map_exists_and_the_reverse():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text))
    found = {str(p.relative_to(ROOT / "src" / "fathom")) for p in SOURCES}
    found = {name for name in found if not name.endswith("__init__.py")}
    assert {name for name in named if "/" in name or name in found} >= found
    for name in named:
        assert name in found or (ROOT / name).exists(), name
