"""Messages of the lessons page: what is taught, and whether an answer is right."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, FiniteFloat

from fathom.studio.messages import NetworkState
from fathom.studio.wording import Words
from fathom.values import Value

PageName: TypeAlias = Literal["network", "descent", "digits", "depth", "data"]
TaskKind: TypeAlias = Literal["number", "choice", "reach"]
Key: TypeAlias = Annotated[str, Field(pattern=r"^[a-z_]{1,30}$")]


class TaskView(Value):
    """What there is to do or to find, without the answer.

    Attributes
    ----------
    kind : str
        ``number`` is to be typed, ``choice`` to be chosen, ``reach`` to be done on the page.
    decimals : int
        To how many decimals a number is wanted.
    """

    kind: TaskKind
    ask: Words
    choices: tuple[Words, ...] = ()
    decimals: int = 2


class StepView(Value):
    """One step of a lesson.

    Attributes
    ----------
    text : Words
        A few sentences.
    formula : str
        What they say in signs; empty where there is nothing to say in signs.
    page : str
        The page it is about.
    state : NetworkState or None
        What is put on the network page; None where what stands there stays.
    focus : str
        The number that is explained; empty for none.
    hides : bool
        Whether the network is shown before it has computed, so that there is something to find.
    """

    text: Words
    formula: str
    page: PageName
    state: NetworkState | None
    focus: str
    hides: bool
    task: TaskView | None


class LessonView(Value):
    """A lesson."""

    key: Key
    title: Words
    about: Words
    steps: tuple[StepView, ...]


class LessonsView(Value):
    """All lessons, in their order."""

    lessons: tuple[LessonView, ...]


class LessonAnswer(Value):
    """An answer to a step's task, with the network as it stands on the page."""

    lesson: Key
    step: int = Field(ge=0, lt=20)
    number: FiniteFloat | None = None
    choice: int | None = Field(default=None, ge=0, lt=10)
    state: NetworkState | None = None


class LessonVerdict(Value):
    """Whether an answer is right, and what to say to it."""

    is_right: bool
    said: Words


LESSON_MESSAGES: tuple[type[Value], ...] = (LessonsView, LessonAnswer, LessonVerdict)
"""What the lessons page and the server say to each other."""
