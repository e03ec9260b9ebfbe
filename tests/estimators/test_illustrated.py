"""Estimators of data frames with a column of paths: numbers from words, columns and pictures."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from fathom import BatchNorm, Conv2D, FathomRegressor, GlobalAveragePool
from fathom.errors import InputError
from fathom.search import illustrating
from fathom.search.picturing import Size
from fathom.training.monitor import Monitor

N = 60
LAYERS = [BatchNorm(), Conv2D(channels=4), GlobalAveragePool()]


class Ear(Monitor):
    def __init__(self):
        self.heard = set()

    def on_epoch(self, start, epoch):
        self.heard.add(start)


@pytest.fixture(scope="module")
def listings(tmp_path_factory):
    """Return a data frame whose paths go from anywhere, and prices; two pictures are not there."""
    folder, rng = tmp_path_factory.mktemp("listings"), np.random.default_rng(0)
    levels = rng.integers(40, 200, N)
    paths = []
    for number, level in enumerate(levels):
        picture = np.full((8, 8, 3), level, np.uint8)
        picture[0, 0] = (255, 0, 0)
        Image.fromarray(picture).save(folder / f"{number}.png")
        paths.append(str(folder / f"{number}.png"))
    paths[3], paths[4] = None, str(folder / "lost.png")
    words = [f"a {('bright', 'dull')[k % 2]} room in house number {k}" for k in range(N)]
    frame = pl.DataFrame({"photo": paths, "words": words, "area": rng.normal(60, 20, N)})
    return frame, 1000 * levels + 500 * frame["area"].to_numpy()


@pytest.fixture(scope="module")
def model(listings):
    frame, prices = listings
    with pytest.MonkeyPatch.context() as patch:  # few epochs of a small network
        patch.setattr("fathom.estimators.illustrated.choose_size", lambda *_: Size(8, 4))
        patch.setattr(illustrating, "picture_layers", lambda *_: LAYERS)
        patch.setattr(illustrating, "Augmentation", lambda **_: None)
        patch.setattr("fathom.estimators.illustrated.challenge", lambda found, *_, **__: found)
        patch.setattr(illustrating, "STEPS", 1)
        patch.setattr(illustrating, "FEWEST_EPOCHS", 2)
        ear = Ear()
        model = FathomRegressor(time_limit=None, random_state=0)
        model.fit(frame, prices, groups=np.arange(N) // 2, monitor=ear)
    assert ear.heard == {0}
    return model


def test_each_sort_of_input_has_its_stem(model):
    columns = model.schema_.input.columns
    assert [c.kind for c in columns] == ["picture", "text", "number"]
    assert (columns[0].shape, columns[0].n_missing) == ((8, 8, 3), 2)
    stems = model.architecture_.layers[0].stems
    assert [stem.name for stem in stems] == ["columns", "text", "photo"]
    assert stems[0].layers[0].n_plain == 1  # the flag of rows without a picture
    assert model.architecture_.input_shape == (stems[-1].last,)


def test_numbers_come_back_in_their_own_unit(model, listings):
    frame, prices = listings
    found = model.predict(frame)
    assert found.shape == (N,)
    low, high = prices.min(), prices.max()
    assert ((found > low - (high - low)) & (found < high + (high - low))).all()
    assert found.std() > 0


def test_pictures_words_and_numbers_all_have_a_say(model, listings):
    row = listings[0][:1]
    before = model.predict(row)
    other = listings[0]["photo"][7]
    for name, value in (("photo", other), ("words", "a dull room"), ("area", 5.0)):
        assert model.predict(row.with_columns(pl.lit(value).alias(name))) != before


def test_a_row_without_a_picture_is_no_surprise_where_training_had_some(model, listings):
    row = listings[0][:1].with_columns(photo=pl.lit(None, pl.String))
    assert np.isfinite(model.predict(row)).all()
    assert not model.find_unusual(row).any()


def test_pictures_none_of_which_can_be_read_are_refused(listings):
    frame = listings[0].with_columns(photo=pl.lit("/nowhere/1.png"))[:5]
    model = FathomRegressor(time_limit=1, column_kinds={"photo": "picture"}, random_state=0)
    with pytest.raises(InputError, match="pictures in column photo — got none that can be read"):
        model.fit(frame, np.arange(5.0))
