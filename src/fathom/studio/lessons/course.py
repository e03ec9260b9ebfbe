"""The course: all lessons in their order, as the page gets them."""

from fathom.studio.lesson_messages import LessonsView, LessonView, StepView, TaskView
from fathom.studio.lessons.computing import COMPUTING
from fathom.studio.lessons.designing import DESIGNING
from fathom.studio.lessons.learning import LEARNING
from fathom.studio.lessons.plan import Choice, Number, Step, Task

LESSONS = (*COMPUTING, *LEARNING, *DESIGNING)


def every_lesson() -> LessonsView:
    """Return all lessons, without the answers.

    Examples
    --------
    >>> len(every_lesson().lessons)
    10
    """
    return LessonsView(
        lessons=tuple(
            LessonView(
                key=one.key, title=one.title, about=one.about, steps=tuple(map(_view, one.steps))
            )
            for one in LESSONS
        )
    )


def _view(step: Step) -> StepView:
    return StepView(
        text=step.text, formula=step.formula, page=step.page, state=step.state,
        focus=step.focus, hides=step.hides,
        task=None if step.task is None else _task_view(step.task),
    )  # fmt: skip


def _task_view(task: Task) -> TaskView:
    if isinstance(task, Number):
        return TaskView(kind="number", ask=task.ask, decimals=task.decimals)
    if isinstance(task, Choice):
        return TaskView(kind="choice", ask=task.ask, choices=task.choices)
    return TaskView(kind="reach", ask=task.ask)
