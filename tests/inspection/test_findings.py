"""Findings: every code has its sentence, every sentence its numbers, and all go to JSON."""

import re
import string
from pathlib import Path

import numpy as np
import pytest

import fathom.inspection
from fathom.errors import InputError
from fathom.inspection.findings import ENGLISH, Finding, find, write

FOLDER = Path(fathom.inspection.__file__).parent
SOURCE = "\n".join(path.read_text() for path in FOLDER.rglob("*.py") if path.name != "findings.py")


@pytest.mark.parametrize("code", ENGLISH)
def test_every_sentence_can_be_written_and_is_used(code):
    fields = {name for _, name, _, _ in string.Formatter().parse(ENGLISH[code]) if name}
    formats = {name: spec for _, name, spec, _ in string.Formatter().parse(ENGLISH[code]) if name}
    # whole numbers fit every format, words those that have none
    values = {name: 3 if formats[name] or f"{{{name}:" in ENGLISH[code] else "x" for name in fields}
    sentence = str(find(code, **values))
    assert "{" not in sentence
    assert sentence.endswith(".")
    assert ENGLISH[code][0].isupper() or ENGLISH[code][0] == "{"
    assert f'"{code}"' in SOURCE


def test_every_code_in_use_has_a_sentence():
    used = set(re.findall(r'find\(\s*"([a-z_]+)"', SOURCE)) | set(
        re.findall(r'code = "([a-z_]+)"', SOURCE)
    )
    assert used
    assert used <= set(ENGLISH)


def test_one_and_many():
    one = find("dead_units", number=1, layer="dense 4 relu", n_dead=1, n_units=4, n_rows=1500)
    assert str(one) == "Layer 1 (dense 4 relu): 1 of 4 neurons never fires on these 1,500 rows."
    assert one["n_dead"] == 1


def test_numbers_of_numpy_become_plain_and_go_to_json():
    found = find("sampled", "note", n_used=np.int64(5), n_rows=np.float32(9))
    assert [type(value) for _, value in found.numbers] == [int, float]
    assert Finding.model_validate_json(found.model_dump_json()) == found
    assert hash(found) == hash(Finding.model_validate_json(found.model_dump_json()))


def test_another_language_takes_the_same_numbers():
    found = find("no_mistakes", "good", n_rows=12)
    assert write(found, {"no_mistakes": "{n_rows} 行全部正确。"}) == "12 行全部正确。"
    assert write(found, {}) == "no mistakes: n_rows 12"


def test_large_numbers_are_written_out():
    large = {"mean": 2648.7, "low": 1840.2, "high": 3471.9}
    assert "by 2650 on average (1840 to 3470)" in str(find("residual_low", "warning", **large))
    assert "+2650 on average" in str(find("residual_centered", "good", **large))
    assert "9e+12" in str(find("residual_low", "warning", **large | {"high": 9e12}))


def test_what_is_no_finding_is_refused():
    for given in ({"code": "No code"}, {"code": "x", "level": "bad"}):
        with pytest.raises(InputError):
            Finding(**given)
    with pytest.raises(InputError):
        find("sampled", n_used=float("nan"))
