"""Teaching: a small network learns what a large model says, on rows it is shown."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fathom.compression.sites import Described
from fathom.data.schema import Target
from fathom.errors import TrainingError
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense, DenseLayer
from fathom.nn.named import LossName
from fathom.nn.network import Network
from fathom.nn.xla import jax, jnp
from fathom.training.loop import train
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe

TEACHER_SHARE = 0.7  # of what is learned; the rest is the truth
LEAST_PROBABILITY = 1e-4  # that a student is to tell from others
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 4000
Form: TypeAlias = Literal["pair", "sums", "plain"]


@dataclass(frozen=True)
class Lesson:
    """What a student is shown.

    Attributes
    ----------
    x : numpy.ndarray
        Rows as its network takes them.
    aim : numpy.ndarray
        What it is to say, float32 of shape (rows, outputs).
    """

    x: np.ndarray
    aim: np.ndarray


def form_of(architecture: Architecture) -> Form:
    """Return how a network is taught.

    A choice between two is the difference of their sums, one sigmoid; one between more is taught
    by the sums themselves, the logarithms of the teacher's probabilities; anything else as it is.
    """
    if architecture.output_activation != "softmax":
        return "plain"
    return "pair" if architecture.n_outputs == 2 else "sums"


def aims_for(
    form: Form, taught: np.ndarray, y: np.ndarray, target: Target, n_outputs: int, encoding: Any
) -> np.ndarray:
    """Return what outputs should be.

    Parameters
    ----------
    form : {"pair", "sums", "plain"}
        How the network is taught.
    taught : numpy.ndarray
        The teacher's probabilities, or numbers.
    y : numpy.ndarray
        The truth: class numbers, or labels or numbers of shape (rows, outputs).
    target : Target
        What is predicted.
    n_outputs : int
        Outputs of the network.
    encoding : object or None
        Brings numbers to the network's scale, by ``encode``.

    References
    ----------
    Ba, Caruana (2014). Do deep nets really need to be deep? NeurIPS (the sums as aims).
    Hinton, Vinyals, Dean (2015). Distilling the knowledge in a neural network. arXiv:1503.02531.
    """
    if form == "sums":
        logs = np.log(np.maximum(taught, LEAST_PROBABILITY))
        return (logs - logs.mean(axis=1, keepdims=True)).astype(np.float32)
    truth = y
    if target.task == "classes":
        truth = np.eye(len(target.classes))[y]
        if n_outputs == 1 or form == "pair":
            truth, taught = truth[:, 1:2], taught[:, 1:2]
    mixed = TEACHER_SHARE * taught + (1 - TEACHER_SHARE) * truth
    if target.task == "numbers" and encoding is not None:
        return np.asarray(encoding.encode(mixed), np.float32)
    return mixed.astype(np.float32)


def teach(
    student: Described,
    lesson: Lesson,
    recipe: Recipe,
    *,
    deadline: Deadline,
    monitor: Monitor | None = None,
) -> Described:
    """Return the network after it has learned; as it was where it came to no finite loss.

    Parameters
    ----------
    student : Described
        The network as it begins.
    lesson : Lesson
        What it is shown; a tenth of it chooses the best epoch.
    recipe : Recipe
        How it is trained.
    deadline : Deadline
        When to be done.
    monitor : Monitor, optional
        Told of every epoch, and asked whether to stop.
    """
    form = form_of(student.architecture)
    learner = _as_learner(student, form)
    n = len(lesson.x)
    order = np.random.default_rng(recipe.seed).permutation(n)
    n_out = min(max(1, round(HELD_OUT_SHARE * n)), MOST_HELD_OUT)
    examples = Examples(
        jnp.asarray(lesson.x), jnp.asarray(lesson.aim), jnp.ones(n, jnp.float32)
    )  # fmt: skip
    judges = jax.tree.map(lambda part: part[np.sort(order[:n_out])], examples)
    try:
        network, history = train(
            learner.network, learner.architecture, recipe, examples, judges,
            rows=np.sort(order[n_out:]), monitor=monitor, deadline=deadline,
        )  # fmt: skip
    except TrainingError:
        return student
    if not history.epochs:
        return student
    return _as_before(network, student, form)


def _as_learner(student: Described, form: Form) -> Described:
    """Return the network with the output layer and the loss that it is taught with."""
    if form == "plain":
        return student
    output, last = student.network.output, student.architecture.layers[-1]
    assert isinstance(last, Dense)
    assert isinstance(output, DenseLayer)
    weight, bias = output.weight, output.bias
    loss: LossName = "squared_error"
    changes: dict[str, object] = {"activation": "identity"}
    if form == "pair":
        weight = weight[1:] - weight[:1]
        bias = None if bias is None else bias[1:] - bias[:1]
        loss, changes = "binary_cross_entropy", {"activation": "sigmoid", "units": 1}
    described = last.model_copy(update=changes)
    architecture = student.architecture.model_copy(
        update={"layers": (*student.architecture.layers[:-1], described), "loss": loss}
    )
    layer = DenseLayer(weight, bias, described.activation)
    return Described(architecture, Network((*student.network.layers[:-1], layer)))


def _as_before(network: Network, student: Described, form: Form) -> Described:
    """Return what was learned with the student's own output layer."""
    if form == "plain":
        return Described(student.architecture, network)
    output, before = network.output, student.network.output
    assert isinstance(output, DenseLayer)
    assert isinstance(before, DenseLayer)
    weight, bias = output.weight, output.bias
    if form == "pair":  # softmax of (-z / 2, z / 2) is sigmoid of z
        weight = jnp.concatenate([-weight / 2, weight / 2])
        bias = None if bias is None else jnp.concatenate([-bias / 2, bias / 2])
    layer = DenseLayer(weight, bias, before.activation, before.data_scale)
    return Described(student.architecture, Network((*network.layers[:-1], layer)))
