"""Wording: what Python says, in both languages of the page."""

from fathom.inspection.findings import Finding
from fathom.inspection.phrasebook import say_text
from fathom.inspection.tongues import say
from fathom.studio.door_messages import Refusal
from fathom.values import Value


class Words(Value):
    """A text in both languages; where Chinese has no words for it yet, it is English in both."""

    en: str
    zh: str


def in_both(said: str | Finding) -> Words:
    """Return a text or a finding in both languages.

    Examples
    --------
    >>> in_both("all epochs done").zh
    '全部轮次完成'
    >>> in_both("my own words")
    Words(en='my own words', zh='my own words')
    """
    if isinstance(said, Finding):
        return Words(en=str(said), zh=say(said, "zh"))
    return Words(en=said, zh=say_text(said, "zh"))


def refusal(message: str, expected: str = "", got: str = "", hint: str = "") -> Refusal:
    """Return what is refused in both languages.

    Examples
    --------
    >>> refusal("there is nothing at this address").zh
    '这个地址上什么也没有'
    """
    zh = say_text(message, "zh")
    return Refusal(
        message=message, zh="" if zh == message else zh, expected=expected, got=got, hint=hint
    )
