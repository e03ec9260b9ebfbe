"""What the studio says to people, in both languages of its page."""

import ast
import re
from pathlib import Path

import pytest

import fathom.studio
from fathom.inspection.phrasebook import say_text
from fathom.inspection.why import why
from fathom.inspection.why_phrases import CHINESE_MEANINGS
from fathom.studio.messages import Example, LayerState, NetworkState
from fathom.studio.networks import trace_state
from fathom.studio.security import RefusedError
from fathom.studio.wording import in_both, refusal

ROOM = Path(fathom.studio.__file__).parent
NAME = re.compile(r"[a-z]\w*(?:\.\w+)+")
MATHEMATICS = {"tanh", "softmax", "max"}  # the same in both languages
FUNCTIONS = (
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish",
    "softplus", "softmax",
)  # fmt: skip


def written(node):
    """Return a text of the source, a 7 in place of what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "7"
                       for one in node.values)  # fmt: skip
    return None


def refusals():
    """Return every refusal in the source of the studio, as it is said."""
    found = []
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(getattr(node, "func", None), "id", "")
            if called not in ("InputError", "RefusedError"):
                continue
            given = {one.arg: written(one.value) for one in node.keywords}
            parts = [written(one) for one in node.args if not isinstance(one, ast.Starred)]
            if called == "RefusedError":
                parts = parts[1:]  # the status
            names = dict(zip(("expected", "got", "hint"), parts, strict=False)) | given
            if names.get("expected"):
                hint = f" — {names['hint']}" if names.get("hint") else ""
                found.append(f"expected {names['expected']} — got {names.get('got') or '7'}{hint}")
    return found


def test_there_are_refusals_to_look_at():
    assert len(refusals()) > 40


@pytest.mark.parametrize("said", sorted(set(refusals())))
def test_every_refusal_is_said_in_chinese(said):
    chinese = say_text(said, "zh")
    assert chinese.startswith("需要"), said
    assert not re.search(r"\b(?:the|of|and|on|is|are|with|from|one|another|it)\b", chinese), chinese


def test_a_refusal_says_both_and_its_parts():
    found = refusal("expected a network of two weights or more — got 1", "x", "y", "z")
    assert found.zh == "需要至少有两个权重的网络，得到的是1"
    assert (found.expected, found.got, found.hint) == ("x", "y", "z")
    assert refusal("nobody said this before").zh == ""
    door = RefusedError(403, "the address in the terminal", "another")
    assert "需要终端里的地址" in door.said()
    assert in_both("expected a moon — got one more").zh == "expected a moon — got one more"


def networks():
    """Return small networks with every activation function, and every loss that suits it."""
    for name in FUNCTIONS:
        is_last = name == "softmax"
        losses = ["cross_entropy"] if is_last else ["squared_error"]
        losses += ["binary_cross_entropy"] if name == "sigmoid" else []
        for loss in losses:
            layers = tuple(
                LayerState(activation=function, weights=[[0.3, -0.2], [0.1, 0.4]], biases=[0.1, 0])
                for function in ("relu" if is_last else name, name)
            )
            examples = (Example(x=(1, -1), target=(1, 0)), Example(x=(0, 1), target=(0, 1)))
            yield NetworkState(layers=layers, examples=examples, loss=loss)


def test_every_note_on_a_number_has_chinese_words():
    """The page looks up whole notes, and each side of ``name = meaning``."""
    known = set(CHINESE_MEANINGS)
    asked = ["loss", "row1.input.1", "row1.layer1.neuron1.weight1.new", "row1.layer1.neuron1.slope"]
    asked += [f"row1.{layer}.neuron1.{quantity}" for layer in ("layer1", "output")
              for quantity in ("z", "a", "delta", "weight1.gradient", "bias.new")]  # fmt: skip
    missing = set()
    for state in networks():
        traced = trace_state(state)
        for name in asked:
            found = why(traced, name)
            for text in (found.meaning, found.formula, *found.notes):
                for piece in NAME.split(text):
                    sides = re.split("[=,]", piece)
                    whole = [piece.strip()] if piece.strip() in known else map(str.strip, sides)
                    for side in whole:
                        words = set(re.findall("[A-Za-z]{3,}", side)) - MATHEMATICS
                        if words and side not in known:
                            missing.add(side)
    assert missing == set()
