"""Everything that is found out shows itself: as text, as a drawing, and from JSON again."""

from xml.etree import ElementTree

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from fathom import Architecture, Conv2D, Dense, Flatten, Recipe, build
from fathom.errors import InputError
from fathom.inspection.attribution import attribute
from fathom.inspection.dependence import measure_dependence
from fathom.inspection.features import draw_neuron, first_weights, look_at_neuron
from fathom.inspection.funnel import measure_funnel
from fathom.inspection.health import check_network
from fathom.inspection.importance import measure_importance
from fathom.inspection.kernels import learn_kernel
from fathom.inspection.pictures import cloud, heat_map, picture_grid
from fathom.inspection.probes import probe_layers
from fathom.inspection.projections import bend_grid, project
from fathom.inspection.rivals import draw_stages, train_rivals
from fathom.inspection.trust import check_calibration, check_confusion

X, Y = load_digits(return_X_y=True)
X, Y = (X / 16)[:300], Y[:300]
NAMES = np.array([f'<{c}> & "{c}"' for c in range(10)])


def make(*layers, shape=(64,)):
    described = Architecture(
        input_shape=shape, layers=(*layers, Dense(units=10, activation="softmax")),
        loss="cross_entropy",
    )  # fmt: skip
    return build(described, jax.random.key(0)), described


@pytest.fixture(scope="module")
def shown():
    network, described = make(Dense(units=12), Dense(units=8, activation="tanh"))
    plane = make(Dense(units=3), shape=(2,))[0]
    picture, _ = make(Conv2D(channels=3), Flatten(), shape=(8, 8, 1))
    model = KNeighborsClassifier().fit(X, NAMES[Y])
    p = model.predict_proba(X)
    pixels = X.reshape(-1, 8, 8, 1)
    return {
        "probes": probe_layers(network, X, NAMES[Y], folds=2, kind="ridge"),
        "rivals": train_rivals(X, NAMES[Y], folds=2, n_stages=3),
        "kernel": learn_kernel(network, X, NAMES[Y], folds=2),
        "plane": project(network, X, NAMES[Y], n_shown=60),
        "grid": bend_grid(plane, X[:40, 10:12], NAMES[Y[:40]]),
        "neuron": look_at_neuron(network, X, NAMES[Y], layer=1, neuron=2),
        "channel": look_at_neuron(picture, pixels, NAMES[Y], layer=1, neuron=2),
        "weights": first_weights(network, (8, 8)),
        "funnel": measure_funnel(network, X, Y),
        "attribution": attribute(network, X[:2], names=tuple(f"<{n}>" for n in range(64))),
        "importance": measure_importance(model.predict, X[:, :], NAMES[Y], n_repeats=1),
        "dependence": measure_dependence(model.predict_proba, X, 20, output=3),
        "health": check_network(network, described, X, Y, Recipe()),
        "calibration": check_calibration(p, Y),
        "confusion": check_confusion(Y, p, NAMES.tolist()),
        "picture": attribute(picture, pixels[:2]),
    }


KINDS = [
    "probes", "rivals", "kernel", "plane", "grid", "neuron", "channel", "weights", "funnel",
    "attribution", "importance", "dependence", "health", "calibration", "confusion", "picture",
]  # fmt: skip


def require_drawing(html):
    """Refuse what is no well-formed markup, or would load or run anything."""
    root = ElementTree.fromstring(f"<div>{html}</div>")
    for element in root.iter():
        assert not element.tag.endswith("script")
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert "://" not in value
            if name.endswith("href"):
                assert value.startswith("data:image/png;base64,")
    assert "nan" not in html.lower().replace("nance", "")


@pytest.mark.parametrize("kind", KINDS)
def test_it_draws_itself_without_scripts_or_anything_from_outside(shown, kind):
    html = shown[kind]._repr_html_()
    assert "<svg" in html
    require_drawing(html)
    assert len(html) < 400_000


@pytest.mark.parametrize("kind", KINDS)
def test_it_prints_and_comes_back_from_json(shown, kind):
    value = shown[kind]
    assert type(value).model_validate_json(value.model_dump_json()) == value
    assert hash(value) == hash(type(value).model_validate_json(value.model_dump_json()))
    lines = str(value).splitlines()
    assert lines
    assert max(map(len, lines)) < 250
    assert repr(value) == str(value)


def test_pictures_can_be_shown_of_rows_laid_out(shown):
    require_drawing(draw_neuron(shown["neuron"], (8, 8)))
    require_drawing(draw_stages(shown["rivals"], shown["probes"]))


def test_clouds_need_points_in_the_plane():
    require_drawing(cloud(np.eye(2), ["10", "9"], title="a", x_label="b", y_label="c"))
    many = [str(n) for n in range(40)]
    require_drawing(cloud(np.zeros((40, 2)), many, title="a", x_label="b", y_label="c"))
    with pytest.raises(InputError):
        cloud(np.eye(3), ["a"] * 3, title="", x_label="", y_label="")


def test_a_picture_has_the_colors_of_its_signs():
    import base64
    import io

    from PIL import Image

    html = picture_grid([np.array([[1.0, -2.0], [0.0, 1.0]])], ["one"], title="t")
    data = html.split("base64,")[1].split('"')[0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert pixels[0, 0].tolist() == [213, 94, 0, 128]  # half of the largest size, above 0
    assert pixels[0, 1].tolist() == [0, 114, 178, 255]
    assert pixels[1, 0, 3] == 0
    require_drawing(heat_map(np.eye(4), title="t", names=["a", "a", "b", "b"]))
