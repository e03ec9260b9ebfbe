"""Checking: whether an answer is right, and what to say where it is a known slip."""

from fathom.errors import InputError
from fathom.studio.lesson_messages import LessonAnswer, LessonVerdict
from fathom.studio.lessons.course import LESSONS
from fathom.studio.lessons.plan import Choice, Number, Reach, Step, both, number_of
from fathom.studio.messages import NetworkState
from fathom.studio.wording import Words

RIGHT = both("Right.", "正确。")
NOT_YET = both("Not yet.", "还不对。")


def check(answer: LessonAnswer) -> LessonVerdict:
    """Check an answer.

    Raises
    ------
    InputError
        If there is no such step, or the answer is not of its kind.
    """
    step = _find(answer)
    task = step.task
    if isinstance(task, Number) and answer.number is not None:
        return _check_number(step, task, answer.number, answer.state)
    if isinstance(task, Choice) and answer.choice is not None:
        is_right = answer.choice == task.right
        return LessonVerdict(is_right=is_right, said=task.because if is_right else NOT_YET)
    if isinstance(task, Reach) and answer.state is not None:
        is_right = task.is_reached(answer.state)
        return LessonVerdict(is_right=is_right, said=RIGHT if is_right else task.hint)
    raise InputError(
        "an answer to what is asked", got="another kind of answer", hint="reload the page"
    )


def _find(answer: LessonAnswer) -> Step:
    lesson = next((one for one in LESSONS if one.key == answer.lesson), None)
    if lesson is None or answer.step >= len(lesson.steps):
        raise InputError(
            "a step of a lesson", got="none of this name and number", hint="reload the page"
        )
    return lesson.steps[answer.step]


def _check_number(
    step: Step, task: Number, given: float, state: NetworkState | None
) -> LessonVerdict:
    if not isinstance(task.right, str):
        fixed = task.right() if callable(task.right) else task.right
        is_right = _is_near(given, fixed, task.decimals)
        return LessonVerdict(is_right=is_right, said=RIGHT if is_right else NOT_YET)
    asked = state or step.state
    assert asked is not None
    try:
        right = number_of(asked, task.right)
    except InputError:  # the network was given another shape meanwhile
        asked = step.state or asked
        right = number_of(asked, task.right)
    if _is_near(given, right, task.decimals):
        return LessonVerdict(is_right=True, said=RIGHT)
    return LessonVerdict(is_right=False, said=_slip(asked, task, given, right))


def _is_near(given: float, right: float, decimals: int) -> bool:
    """Tell whether a number is right as far as it is asked for, be it rounded or cut off."""
    return abs(given - right) <= (10.0**-decimals * 1.001 if decimals else 0.5)


def _slip(state: NetworkState, task: Number, given: float, right: float) -> Words:
    """Return what to say to a wrong number, by what it is right for."""
    assert isinstance(task.right, str)
    if right and _is_near(given, -right, task.decimals):
        return both("Look at the sign.", "看看正负号。")
    stem, _, quantity = task.right.rpartition(".")
    if quantity == "z":
        without = right - number_of(state, f"{stem}.bias")
        if _is_near(given, without, task.decimals):
            return both("The bias is missing.", "漏了偏置。")
    if quantity == "a" and _is_near(given, number_of(state, f"{stem}.z"), task.decimals):
        return both(
            "That is the sum z; the activation function is still to come.",
            "这是加权和 z；还要经过激活函数。",
        )
    if quantity == "new" and _is_near(given, 2 * number_of(state, stem) - right, task.decimals):
        return both("That goes uphill: subtract the slope.", "这是上坡：应减去斜率。")
    return NOT_YET
