"""Data sets by name and from a path, and what is refused."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from fathom.data import datasets
from fathom.data.datasets import load_digits, read_idx
from fathom.data.splitting import hold_out
from fathom.errors import DatasetError

RNG = np.random.default_rng(0)
IMAGES = (RNG.random((60, 28, 28)) * 255 * (RNG.random((60, 28, 28)) > 0.7)).astype(np.uint8)
LABELS = np.arange(60, dtype=np.uint8) % 4


def idx(array):
    return (
        b"\0\0\x08"
        + bytes([array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + (array.astype(np.uint8).tobytes())
    )


def write_idx(folder, prefix, n, packed):
    pack = gzip.compress if packed else bytes
    end = ".gz" if packed else ""
    (folder / f"{prefix}-images-idx3-ubyte{end}").write_bytes(pack(idx(IMAGES[:n])))
    (folder / f"{prefix}-labels-idx1-ubyte{end}").write_bytes(pack(idx(LABELS[:n])))


def test_bundled_digits_are_real_ink():
    found = load_digits("digits")
    assert (len(found.x_train), len(found.x_test)) == (1438, 359)
    assert found.x_train.shape[1:] == (16, 16)
    assert set(np.unique(found.x_train)) == {0, 1}
    assert set(np.unique(found.y_test)) == set(range(10))
    again = load_digits("digits")
    np.testing.assert_array_equal(found.x_test, again.x_test)
    assert not np.array_equal(load_digits("digits", seed=1).y_test, found.y_test)


def test_pixels_of_any_size_are_read(tmp_path):
    np.savez(tmp_path / "huge.npz", x=IMAGES * 1e300, y=LABELS)
    np.savez(tmp_path / "plain.npz", x=IMAGES, y=LABELS)
    huge, plain = (load_digits(str(tmp_path / f"{name}.npz")) for name in ("huge", "plain"))
    np.testing.assert_array_equal(huge.x_train, plain.x_train)


@pytest.mark.parametrize("packed", [True, False])
def test_an_idx_folder_with_an_official_split(tmp_path, packed):
    write_idx(tmp_path, "train", 60, packed)
    write_idx(tmp_path, "t10k", 20, packed)
    found = load_digits(str(tmp_path))
    assert found.is_official_split
    assert (len(found.y_train), len(found.y_test)) == (60, 20)
    np.testing.assert_array_equal(found.y_test, LABELS[:20])


def test_one_idx_file_finds_its_labels(tmp_path):
    write_idx(tmp_path, "train", 60, True)
    found = load_digits(str(tmp_path / "train-images-idx3-ubyte.gz"))
    assert len(found.y_train) + len(found.y_test) == 60


@pytest.mark.parametrize("flat", [True, False])
def test_npz_files(tmp_path, flat):
    x = IMAGES.reshape(60, -1) if flat else IMAGES / 255.0
    np.savez(tmp_path / "a.npz", x=x, y=LABELS)
    assert len(load_digits(str(tmp_path / "a.npz")).y_train) == 48
    np.savez(
        tmp_path / "b.npz", train_data=x, train_target=LABELS, test_data=x[:9],
        test_target=LABELS[:9],
    )  # fmt: skip
    assert load_digits(str(tmp_path / "b.npz")).is_official_split


def test_a_folder_of_pictures_for_each_class(tmp_path):
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        for i in range(15):
            Image.fromarray(IMAGES[i]).save(tmp_path / name / f"{i}.png")
    found = load_digits(str(tmp_path))
    assert set(found.y_train) == {"left", "right"}
    assert len(found.y_test) == 6


@pytest.mark.parametrize("name", ["minst", "MNIST2", "ups", "nothing-like-it"])
def test_an_unknown_name_lists_the_nearest(name):
    with pytest.raises(DatasetError, match="did you mean"):
        load_digits(name)


def test_no_network_says_which_file_to_put_where(monkeypatch):
    import sklearn.datasets

    def fail(*args, **options):
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fail)
    with pytest.raises(DatasetError, match=r"put mnist\.npz .* into .*datasets"):
        load_digits("mnist")


def fake_openml(monkeypatch, n, pixels):
    import sklearn.datasets

    class Bunch:
        data = RNG.random((n, pixels)).round()
        target = np.array([str(i % 10 + 1) for i in range(n)], object)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *a, **k: Bunch)


def test_a_download_is_checked_and_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path))
    fake_openml(monkeypatch, 1593, 256)
    found = load_digits("semeion")
    assert len(found.y_train) + len(found.y_test) == 1593
    assert set(np.unique(found.y_train)) == set(range(10))
    kept = datasets.cache_folder() / "datasets" / "semeion.npz"
    monkeypatch.setattr("sklearn.datasets.fetch_openml", None)  # from now on the copy is read
    np.testing.assert_array_equal(load_digits("semeion").x_test, found.x_test)
    kept.unlink()
    fake_openml(monkeypatch, 1500, 256)
    with pytest.raises(DatasetError, match="1593 pictures"):
        load_digits("semeion")
    fake_openml(monkeypatch, 1593, 100)
    with pytest.raises(DatasetError, match="256 pixels"):
        load_digits("semeion")


def test_a_copy_in_the_cache_is_used_and_checked(monkeypatch, tmp_path):
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    x = (RNG.random((1593, 16, 16)) > 0.5).astype(np.uint8)
    np.savez(tmp_path / "datasets" / "semeion.npz", x=x, y=np.arange(1593) % 10)
    assert len(load_digits("semeion").y_test) == 319
    np.savez(tmp_path / "datasets" / "usps.npz", x=x, y=np.arange(1593) % 10)
    with pytest.raises(DatasetError, match="9298 pictures"):
        load_digits("usps")


def broken_files(folder):
    whole = gzip.compress(idx(IMAGES))
    write_idx(folder, "train", 60, True)
    np.savez(folder / "whole.npz", x=IMAGES, y=LABELS)
    content = (folder / "whole.npz").read_bytes()
    pickled = np.array([{"a": 1}] * 3, object)
    np.savez(folder / "pickle.npz", x=pickled, y=LABELS[:3])
    np.savez(folder / "shape.npz", x=IMAGES[0], y=LABELS)
    np.savez(folder / "rows.npz", x=IMAGES, y=LABELS[:9])
    np.savez(folder / "names.npz", a=IMAGES, b=LABELS)
    np.savez(folder / "nan.npz", x=np.full((9, 4, 4), np.nan), y=LABELS[:9])
    np.savez(folder / "text.npz", x=np.full((9, 4, 4), "a"), y=LABELS[:9])
    np.savez(folder / "one.npz", x=IMAGES, y=np.zeros(60, int))
    np.savez(folder / "few.npz", x=IMAGES[:4], y=LABELS[:4])
    (folder / "cut.npz").write_bytes(content[: len(content) // 2])
    (folder / "not.npz").write_bytes(b"hello")
    (folder / "empty.npz").write_bytes(b"")
    (folder / "cut-images-idx3-ubyte.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "cut-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    (folder / "alone-images-idx3-ubyte.gz").write_bytes(whole)
    (folder / "strange.xyz").write_bytes(b"hello")
    (folder / "nothing").mkdir()
    np.savez(
        folder / "unseen.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=LABELS + 9
    )
    (folder / ("n" * 200)).write_bytes(b"")
    return [
        "unseen.npz", "n" * 200, "n" * 300, "absent/" * 3,
        "pickle.npz", "shape.npz", "rows.npz", "names.npz", "nan.npz", "text.npz", "one.npz",
        "few.npz", "cut.npz", "not.npz", "empty.npz", "cut-images-idx3-ubyte.gz",
        "alone-images-idx3-ubyte.gz", "strange.xyz", "nothing",
    ]  # fmt: skip


def test_every_broken_file_is_refused_in_one_line(tmp_path):
    for name in broken_files(tmp_path):
        with pytest.raises(DatasetError) as caught:
            load_digits(str(tmp_path / name))
        assert "\n" not in str(caught.value), name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x0d\x01\0\0\0\0",
        idx(LABELS)[:-1],
        idx(LABELS) + b"x",
        b"\0\0\x08\x05",
    ],
)
def test_an_idx_file_is_what_its_header_states_or_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DatasetError):
        read_idx(tmp_path / "a")


def test_hold_out_keeps_shares_and_never_holds_out_a_single_row():
    classes = np.repeat([0, 1, 2], [60, 39, 1])
    training, held_out = hold_out(100, 0.2, 0, classes)
    assert sorted([*training, *held_out]) == list(range(100))
    assert 99 in training
    assert np.bincount(classes[held_out]).tolist() == [12, 8]


@pytest.mark.parametrize(("n", "classes"), [(10, None), (30, np.arange(30) % 10), (3, None)])
def test_nothing_is_held_out_of_too_little(n, classes):
    training, held_out = hold_out(n, 0.1, 0, classes)
    assert held_out is None
    assert len(training) == n


def test_real_files(shared):
    semeion = load_digits(str(shared / "digits" / "semeion.npz"))
    assert len(semeion.y_train) + len(semeion.y_test) == 1593
    usps = load_digits(str(shared / "digits" / "usps.npz"))
    assert (len(usps.y_train), len(usps.y_test)) == (7291, 2007)
    assert datasets.NAMES == ("digits", "semeion", "usps", "mnist")
