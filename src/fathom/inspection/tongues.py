"""Tongues: findings in the language of who reads them."""

from typing import Literal, TypeAlias

from fathom.errors import InputError
from fathom.inspection.chinese import CHINESE, TERMS, WORDS
from fathom.inspection.findings import ENGLISH, Fact, Finding, write

Language: TypeAlias = Literal["en", "zh"]
PROSE = ("layer", "score", "probe", "function", "loss_name", "measure", "rival")


def as_language(text: str) -> Language:
    """Return the language that is asked for.

    Raises
    ------
    InputError
        If it is neither English nor Chinese.

    Examples
    --------
    >>> as_language("zh")
    'zh'
    """
    if text not in ("en", "zh"):
        raise InputError("--lang en or zh", got=repr(text)[:80])
    return "zh" if text == "zh" else "en"


def say(finding: Finding, language: Language) -> str:
    """Write a finding as a sentence of a language.

    Parameters
    ----------
    finding : Finding
        What is to be said.
    language : {"en", "zh"}
        English or Chinese.

    Examples
    --------
    >>> from fathom.inspection.findings import find
    >>> print(say(find("no_dead_units", n_rows=500), "zh"))
    每个神经元都至少对这 500 行中的某些行有响应。
    """
    if language == "en":
        return write(finding, ENGLISH)
    numbers = tuple((name, _translated(name, fact)) for name, fact in finding.numbers)
    return write(finding.model_copy(update={"numbers": numbers}), CHINESE)


def _translated(name: str, fact: Fact) -> Fact:
    return name_layer(fact, "zh") if name in PROSE and isinstance(fact, str) else fact


def name_layer(name: str, language: Language) -> str:
    """Return what a layer, a score or a function is called, word for word.

    Examples
    --------
    >>> name_layer("dense 64 relu · dropout 0.2", "zh")
    '全连接 64 relu · 随机失活 0.2'
    """
    name = name.replace("_", " ").removesuffix(" identity")
    if language == "en":
        return name
    if name in TERMS:
        return TERMS[name]
    for term in sorted((term for term in TERMS if " " in term), key=len, reverse=True):
        name = name.replace(term, TERMS[term])
    return " ".join(WORDS.get(word, word) for word in name.split(" "))
