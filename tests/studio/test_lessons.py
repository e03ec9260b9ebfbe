"""The lessons: every answer is checked by computing it, in both languages."""

import re

import pytest

from fathom.errors import InputError
from fathom.studio.lesson_messages import LessonAnswer
from fathom.studio.lessons import LESSONS, check, every_lesson
from fathom.studio.lessons.plan import Choice, Number, Reach, number_of
from fathom.studio.messages import Descend, Reshape
from fathom.studio.networks import descend
from fathom.studio.reshaping import reshape

STEPS = [(lesson, at) for lesson in LESSONS for at in range(len(lesson.steps))]
# worked out by hand, or with a few lines of plain Python, beside the network's own numbers
ANSWERS = {
    ("neuron", 0): -2, ("neuron", 1): 0.98, ("neuron", 2): 1, ("function", 0): 0.51,
    ("outputs", 0): 0.88, ("outputs", 2): 1.73, ("loss", 0): 0.42, ("loss", 1): 0.13,
    ("descent", 0): 1.94, ("backpropagation", 0): -0.090, ("backpropagation", 1): -0.046,
    ("backpropagation", 2): -0.078, ("depth", 2): 105, ("overfitting", 2): 18,
    ("representation", 1): 4, ("representation", 2): 7, ("design", 2): 0.6,
}  # fmt: skip


def is_chinese(text):
    return re.search(r"[\u4e00-\u9fff]", text) is not None


def test_there_are_ten_and_all_speak_both_languages():
    assert len(LESSONS) == 10
    for lesson in every_lesson().lessons:
        texts = [lesson.title, lesson.about, *(step.text for step in lesson.steps)]
        for step in lesson.steps:
            if step.task is not None:
                texts += [step.task.ask, *step.task.choices]
        for one in texts:
            assert not is_chinese(one.en)
            assert is_chinese(one.zh) or re.fullmatch(r"[\d.]+", one.zh)
        assert 3 <= len(lesson.steps) <= 5
    assert '"right"' not in every_lesson().model_dump_json()  # no answer is given away


@pytest.mark.parametrize(("lesson", "at"), STEPS, ids=lambda one: getattr(one, "key", one))
def test_right_is_right_and_wrong_is_wrong(lesson, at):
    task, state = lesson.steps[at].task, lesson.steps[at].state
    if isinstance(task, Number):
        right = ANSWERS[lesson.key, at]
        assert check(LessonAnswer(lesson=lesson.key, step=at, number=right)).is_right
        for wrong in (right + 0.7, -right, right * 2):
            verdict = check(LessonAnswer(lesson=lesson.key, step=at, number=wrong, state=state))
            assert not verdict.is_right
    elif isinstance(task, Choice):
        verdicts = [
            check(LessonAnswer(lesson=lesson.key, step=at, choice=k))
            for k in range(len(task.choices))
        ]
        assert [one.is_right for one in verdicts].count(True) == 1
        assert verdicts[task.right].said == task.because
    elif isinstance(task, Reach):
        assert not check(LessonAnswer(lesson=lesson.key, step=at, state=state)).is_right
    if task is not None:
        with pytest.raises(InputError, match="an answer to what is asked"):
            check(LessonAnswer(lesson=lesson.key, step=at))


def steps_of(key):
    return next(one for one in LESSONS if one.key == key).steps


def is_reached(key, at, state):
    return check(LessonAnswer(lesson=key, step=at, state=state)).is_right


def changed(state, layer, **update):
    layers = list(state.layers)
    layers[layer] = layers[layer].model_copy(update=update)
    return state.model_copy(update={"layers": tuple(layers)})


def test_what_is_to_be_reached_can_be_reached():
    hand = steps_of("neuron")[3].state
    assert is_reached("neuron", 3, changed(hand, 0, biases=(-4.0, 0.0)))
    by_weights = changed(hand, 0, weights=((-5.0, 0.0), (-1.0, 1.0)))
    assert not is_reached("neuron", 3, by_weights)  # only the biases may be changed
    softmax = steps_of("outputs")[3].state
    assert is_reached("outputs", 3, changed(softmax, 0, biases=(0.0, 0.0, 9.0)))
    assert is_reached("loss", 3, changed(hand, 2, biases=(2.0, -4.0)))
    state = descend(Descend(state=steps_of("descent")[1].state, n_steps=20)).answer.state
    assert is_reached("descent", 1, state)


def test_exclusive_or_is_reached_with_a_hidden_layer_alone():
    by_hand = steps_of("function")[2].state
    by_hand = changed(by_hand, 0, weights=((4.0, 4.0), (4.0, 4.0)), biases=(-2.0, -6.0))
    by_hand = changed(by_hand, 1, weights=((4.0, -4.0),), biases=(-4.0,))
    assert is_reached("function", 2, by_hand)
    assert is_reached("depth", 1, by_hand)
    alone = reshape(Reshape(state=by_hand, n_inputs=2, units=(1,), activations=("sigmoid",))).state
    assert not is_reached("depth", 1, alone)


def test_slips_are_told_apart():
    def said(key, at, number):
        return check(
            LessonAnswer(lesson=key, step=at, number=number, state=steps_of(key)[at].state)
        ).said.en

    assert said("neuron", 0, 2) == "Look at the sign."
    assert said("neuron", 1, 4).startswith("That is the sum z")
    assert said("neuron", 2, 0) == "The bias is missing."
    assert said("descent", 0, 2.06).startswith("That goes uphill")
    assert said("loss", 0, 7) == "Not yet."


def test_numbers_in_the_texts_are_those_of_the_network():
    hand = steps_of("backpropagation")[1].state
    shown = {
        "layer2.neuron1.delta": None, "output.neuron1.delta": "−0.0903",
        "output.neuron2.delta": "0.1175", "output.neuron1.a": "0.6177",
        "output.neuron2.a": "0.8291",
    }  # fmt: skip
    texts = " ".join(
        step.text.en + step.text.zh + (step.task.ask.en + step.task.ask.zh if step.task else "")
        for lesson in LESSONS for step in lesson.steps
    )  # fmt: skip
    for name, text in shown.items():
        if text:
            assert f"{number_of(hand, name):.4f}".replace("-", "−") == text
            assert texts.count(text) >= 2  # in both languages


def test_what_was_changed_on_the_page_is_what_is_checked():
    state = steps_of("neuron")[1].state
    other = changed(state, 0, biases=(-1.0, 0.0))  # z is 2 now
    answer = LessonAnswer(lesson="neuron", step=1, number=0.88, state=other)
    assert check(answer).is_right
    smaller = reshape(
        Reshape(state=state, n_inputs=2, units=(1, 2), activations=("sigmoid", "sigmoid"))
    ).state
    kept = LessonAnswer(lesson="backpropagation", step=1, number=-0.046, state=smaller)
    assert check(kept).is_right in (True, False)  # never an error


@pytest.mark.parametrize(("key", "step"), [("no_such", 0), ("neuron", 19)])
def test_there_is_no_other_step(key, step):
    with pytest.raises(InputError, match="a step of a lesson"):
        check(LessonAnswer(lesson=key, step=step, number=1))
