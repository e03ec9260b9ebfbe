"""Standardization keeps its promises at any size of number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fathom.data.encoding import FARTHEST, Standardization
from fathom.data.schema import ImageInput, NumbersInput, Schema, Target
from fathom.errors import InputError

numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=numbers))
def test_any_finite_numbers_become_finite(x):
    encoding = Standardization.fit(x)
    encoded = encoding.encode(x)
    assert np.isfinite(encoded).all()
    assert np.abs(encoded).max() <= FARTHEST
    assert encoded.dtype == np.float32
    assert (encoding.scale > 0).all()


def test_mean_0_and_standard_deviation_1_and_back():
    x = np.random.default_rng(0).normal(5, 3, (1000, 2)) * [1, 1e200]
    encoding = Standardization.fit(x)
    encoded = encoding.encode(x)
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(encoded.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(encoding.decode(encoded), x, rtol=1e-4)


def test_a_constant_column_becomes_0():
    x = np.array([[7.0, 1.0], [7.0, 2.0], [7.0, 4.0]])
    assert not Standardization.fit(x).encode(x)[:, 0].any()


@pytest.mark.parametrize(
    ("x", "top"),
    [(np.array([[0, 200]], np.uint8), 255.0), (np.array([[0.0, 0.5]]), 1.0),
     (np.array([[0, 4000]], np.uint16), 4000.0), (np.array([[0, 1]], np.uint8), 1.0)],
)  # fmt: skip
def test_pixels_come_to_the_unit_interval(x, top):
    assert Standardization.of_pixels(x).scale[0] == top


label_lists = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=5, unique=True),
    st.lists(st.text(max_size=8), min_size=2, max_size=5, unique=True),
    st.lists(numbers, min_size=2, max_size=5, unique=True),
    st.just([False, True]),
)


@settings(deadline=None)
@given(label_lists, st.booleans())
def test_a_schema_goes_to_json_and_back_with_the_types_of_its_classes(labels, is_image):
    shown = ImageInput(height=9, width=8, channels=1) if is_image else NumbersInput(n_features=4)
    schema = Schema(input=shown, target=Target(task="classes", classes=tuple(labels)))
    again = Schema.model_validate_json(schema.model_dump_json())
    assert again == schema
    kinds = [type(label) for label in again.target.classes]
    assert kinds == [type(label) for label in labels]


@pytest.mark.parametrize(
    "given",
    [
        {"task": "classes", "classes": ("a",)}, {"task": "classes", "classes": ("a", "a")},
        {"task": "classes", "classes": ("a", 1)}, {"task": "numbers", "classes": ("a", "b")},
        {"task": "labels", "n_outputs": 0}, {"task": "classes", "classes": (1.0, float("nan"))},
    ],
    ids=str,
)  # fmt: skip
def test_a_target_refuses_what_cannot_be(given):
    with pytest.raises(InputError):
        Target(**given)
