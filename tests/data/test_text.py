"""Texts as n-grams: found by hand, weighted as tf-idf has it, and read in any encoding."""

import threading
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from fathom.data import text as encoding
from fathom.data.plaintext import decode_text, is_chinese
from fathom.data.tables import read_table
from fathom.data.text import CHARACTERS, TextEncoding, find_grams, normalize

TEXTS = [
    "the cat sat on the mat", "a dog and a cat", "dogs chase cats", "the mat is on the floor",
    "股市大跌 三成", "股市上升", "",
]  # fmt: skip


def grams_by_hand(text, lengths):
    return Counter(text[i : i + n] for n in lengths for i in range(len(text) - n + 1))


def test_character_n_grams_are_those_found_by_hand():
    found = find_grams(TEXTS)
    for number, text in enumerate(TEXTS):
        mine = ~found.is_word & (found.text == number)
        spelled = [text[b:e] for b, e in zip(found.begin[mine], found.end[mine], strict=True)]
        by_hand = grams_by_hand(text, range(CHARACTERS[0], CHARACTERS[1] + 1))
        assert Counter(spelled) == by_hand
        assert len(np.unique(found.hash[mine])) == len(by_hand)
        across = [" " in one[1:-1] for one in spelled]
        assert found.is_across[mine].tolist() == across


def test_words_are_runs_of_letters_and_characters_of_chinese():
    texts = ["don't 3 cats", "股市up 3%"]
    found = find_grams(texts)
    spelled = {
        number: [
            texts[number][b:e]
            for b, e, t in zip(found.begin, found.end, found.text, strict=True)
            if t == number
        ][: found.is_word[found.text == number].sum()]
        for number in (0, 1)
    }
    assert spelled[0] == ["don", "t", "3", "cats", "don't", "t 3", "3 cats"]
    assert spelled[1] == ["股", "市", "up", "3", "股市", "市up", "up 3"]


def test_one_n_gram_has_one_hash_wherever_it_stands():
    found = find_grams(["cat", "a cat", "cat cat"])
    is_cat = found.is_word & (found.end - found.begin == 3)
    words = found.hash[is_cat]
    assert len(words) == 4
    assert len(np.unique(words)) == 1


def within_words(text):
    """Return the n-grams of characters, with repetition, that have no blank inside."""
    found = grams_by_hand(text, range(CHARACTERS[0], CHARACTERS[1] + 1))
    return [one for one in found.elements() if " " not in one[1:-1]]


def test_weights_are_those_of_tf_idf_of_what_stands_between_blanks():
    whole = TextEncoding.fit(TEXTS)
    rows = whole.encode(TEXTS)
    vectorizer = TfidfVectorizer(analyzer=within_words, sublinear_tf=True)
    expected = vectorizer.fit_transform(TEXTS).toarray()
    grams = find_grams(TEXTS)
    of_characters = set(whole.codes_of(grams.hash[~grams.is_word]).tolist())
    for row, wanted in zip(rows, expected, strict=True):
        codes, weights = row[: whole.length], row[whole.length :]
        mine = [w for c, w in zip(codes, weights, strict=True) if w > 0 and int(c) in of_characters]
        np.testing.assert_allclose(sorted(mine), np.sort(wanted[wanted > 0]), rtol=1e-4)


def test_unknown_n_grams_and_the_empty_text_have_no_weight():
    encoding = TextEncoding.fit(["aaaa bbbb", "aaaa cccc"])
    rows = encoding.encode(["zzzz", "", "aaaa"])
    assert (rows[:2] == 0).all()
    assert rows[2, encoding.length :].max() > 0


def test_the_heaviest_n_grams_stay_where_a_text_is_long(monkeypatch):
    monkeypatch.setattr("fathom.data.text.LONGEST", 8)
    encoding = TextEncoding.fit(["one two three four five six seven", "one two three"])
    weights = encoding.encode(["one two three four five six seven"])[0, 8:]
    assert encoding.length == 8
    assert (np.diff(weights) <= 0).all()
    assert (weights > 0).all()


@pytest.mark.parametrize("pair", [("café", "cafe\u0301"), ("한국", "\u1112\u1161\u11ab국")])
def test_row_92_forms_of_one_text_are_one_text(pair):
    encoding = TextEncoding.fit([pair[0], "other"])
    a, b = encoding.encode(list(pair))
    np.testing.assert_array_equal(a, b)
    assert a.any()


def test_row_92_line_ends_and_directions_do_no_harm():
    assert normalize("a\r\nb") == normalize("a\nb") == "a b"
    family, arabic = "👩‍👩‍👧 ok", "مرحبا بالعالم"
    rows = TextEncoding.fit([family, arabic]).encode([family, arabic])
    assert np.isfinite(rows).all()
    assert rows.any(axis=1).all()


def test_row_91_empty_and_endless_texts():
    texts = ["", "   ", "word " * 200_000, "x" * 1_000_000]
    rows = TextEncoding.fit(texts).encode(texts)
    assert not rows[:2].any()
    assert rows[2:].any(axis=1).all()
    assert np.isfinite(rows).all()


def test_row_90_bytes_that_are_no_text_are_replaced():
    assert decode_text(b"\xef\xbb\xbfcaf\xc3\xa9")[0] == "café"
    assert decode_text("né\0x".encode())[0] == "né\ufffdx"
    assert decode_text(b"a \x81\xff b")[0].startswith("a ")
    lone = "a\ud800b"
    assert np.isfinite(TextEncoding.fit([lone, "b"]).encode([lone])).all()


CHINESE = "房间很大，位置不错，下次还会来住。服务也很好"


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "gb18030", "utf-16"])
def test_chinese_is_read_in_its_encodings(encoding):
    assert decode_text(CHINESE.encode(encoding))[0] == CHINESE


@pytest.mark.parametrize("text", ["Ein schöner Tag für Mädchen über Äcker", "café à la crème"])
def test_letters_with_accents_are_not_taken_for_chinese(text):
    data = text.encode("cp1252")
    assert not is_chinese(data)
    assert decode_text(data) == (text, "cp1252")


def test_a_table_in_gbk_is_found_out(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(f"label,review\n1,{CHINESE}\n0,{CHINESE[:9]}\n".encode("gbk"))
    table = read_table(path)
    assert table.frame["review"][0] == CHINESE
    assert any("GB18030" in note for note in table.notes)


RNG = np.random.default_rng(0)
SEVERAL = [
    " ".join(RNG.choice(["a", "bee", "sea", "d", "eel", "好", "房间"], size=RNG.integers(0, 30)))
    for _ in range(80)
]


def as_bytes(texts):
    found = TextEncoding.fit(texts)
    return found.hashes.tobytes(), found.rarity.tobytes(), found.encode(texts).tobytes()


@pytest.mark.parametrize("at_once", [1, 100, 10_000])
@pytest.mark.parametrize("cores", [1, 3])
def test_texts_are_the_same_in_parts_of_any_size_on_any_number_of_cores(
    monkeypatch, at_once, cores
):
    expected = as_bytes(SEVERAL)
    monkeypatch.setattr(encoding, "MOST_AT_ONCE", at_once)
    monkeypatch.setattr(encoding, "n_cores", lambda: cores)
    assert as_bytes(SEVERAL) == expected


def test_texts_are_encoded_where_no_thread_is_to_be_had(monkeypatch):
    expected = as_bytes(SEVERAL)
    monkeypatch.setattr(encoding, "MOST_AT_ONCE", 100)
    monkeypatch.setattr(encoding, "n_cores", lambda: 4)

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert as_bytes(SEVERAL) == expected
