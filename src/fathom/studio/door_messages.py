"""Messages at the door, which are needed before the engine is loaded."""

from typing import Annotated

from pydantic import Field

from fathom.values import Value

MOST_LAYERS, MOST_UNITS, MOST_EXAMPLES = 8, 32, 16


class Refusal(Value):
    """What was expected, what came, and what to do, for a person.

    Attributes
    ----------
    zh : str
        The message in Chinese; empty where Chinese has no words for it yet.
    """

    message: str
    zh: str = ""
    expected: str = ""
    got: str = ""
    hint: str = ""


class Session(Value):
    """The token of the link in the terminal, exchanged once for a cookie."""

    token: Annotated[str, Field(max_length=200)]


class Welcome(Value):
    """What the page has to know first."""

    version: str
    most_layers: int = MOST_LAYERS
    most_units: int = MOST_UNITS
    most_examples: int = MOST_EXAMPLES
    most_upload_bytes: int


DOOR_MESSAGES: tuple[type[Value], ...] = (Refusal, Session, Welcome)
"""What is said before anything else."""
