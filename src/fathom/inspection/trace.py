"""A trace: every number of a network on a batch, forward and backward."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.inspection.backward import (
    Passage,
    constants_of,
    flow_back,
    run_backward,
    run_forward,
    settings_of,
)
from fathom.inspection.goal import output_errors, targets_of
from fathom.inspection.layers import LayerTrace, ParameterTrace, Update
from fathom.inspection.traced import Trace
from fathom.inspection.update import Step, first_step
from fathom.nn.blocks import ResidualLayer
from fathom.nn.layer import partition
from fathom.nn.losses import LOSSES
from fathom.nn.named import LossName, ReductionName
from fathom.nn.network import Network
from fathom.nn.xla import PyTree, jax, jnp
from fathom.training.recipe import Recipe

LEARNING_RATE = 0.1  # of plain gradient descent, where no recipe is given


def trace(
    network: Network,
    x: Any,
    y: Any = None,
    *,
    loss: LossName,
    reduction: ReductionName = "mean",
    recipe: Recipe | None = None,
    learning_rate: float | None = None,
    key: Any = None,
    input_names: tuple[str, ...] = (),
    feature_names: tuple[str, ...] = (),
    output_names: tuple[str, ...] = (),
) -> Trace:
    """Compute a batch forward and backward and keep every number.

    Forward, layer by layer, z = W a + b and a = f(z); backward, from the node errors of the output
    layer, δ = ∂L/∂z, those of each layer before it, δ = (Wᵀ δ) ⊙ f′(z) with W and δ of the layer
    behind, the gradients ∂L/∂W = δ aᵀ and ∂L/∂b = δ, and what the optimizer makes of them.

    Parameters
    ----------
    network : Network
        The network.
    x : array
        Examples, one row of the first axis each.
    y : array, optional
        What the outputs should be: numbers of classes, shape (batch,), or rows (batch, outputs).
        Where left out, the trace is of the forward half alone.
    loss : str
        The loss, by the name an `Architecture` gives it.
    reduction : {"mean", "total"}
        How the losses of a batch are joined.
    recipe : Recipe, optional
        Gives the optimizer, whose first step is shown, with its full learning rate; and the
        smoothing of labels. Plain gradient descent where left out.
    learning_rate : float, optional
        The step size η, above 0; the recipe's, or 0.1, where left out.
    key : jax.Array, optional
        Where given, layers compute as while learning, with this randomness: dropout drops, and
        batch normalization goes by the batch. As a trained network computes where left out.
    input_names, feature_names, output_names : tuple of str
        What inputs are, what the first layer makes of the columns of a table, and what outputs
        are, for showing.

    Returns
    -------
    Trace
        In float64, whatever the network computes in.

    Raises
    ------
    InputError
        If the network does not take such examples, or the targets do not belong to them.

    Examples
    --------
    >>> from fathom.inspection.example import hand_worked
    >>> network, architecture = hand_worked()
    >>> traced = trace(network, [[1.0, -1.0]], [[1.0, 0.0]], loss=architecture.loss)
    >>> traced.layers[0].z
    array([[ 4., -2.]])
    >>> traced.output.round(2)
    array([[0.62, 0.83]])
    >>> traced.layer("output").delta.round(3)
    array([[-0.09 ,  0.117]])

    References
    ----------
    Rumelhart, Hinton, Williams (1986). Learning representations by back-propagating errors.
    Nature 323, 533-536.
    """
    chosen = _chosen_recipe(recipe, learning_rate)
    with jax.enable_x64(True):
        exact = jax.tree.map(_as_float64, network)
        rows = _checked_rows(exact, x)
        target = None if y is None else _targets(y, exact, loss, len(rows), recipe)
        passages = run_forward(exact.layers[:-1], rows, key)
        hidden = passages[-1].a if passages else rows
        passages += run_forward(exact.layers[-1:], hidden, None)
        step, losses, joined = None, None, None
        if target is not None:
            last = passages[-1]
            compute_losses = jax.jit(LOSSES[loss], static_argnums=2)
            losses = np.asarray(compute_losses(last.z, target, exact.output.activation))
            joined = float(losses.mean() if reduction == "mean" else losses.sum())
            share = 1 / len(rows) if reduction == "mean" else 1.0
            errors = output_errors(last.z, last.a, last.activation, target, loss, share)
            upstream = flow_back(last, errors)
            run_backward(passages[:-1], upstream)
            gradient = Network(tuple(passage.gradient for passage in passages))
            step = first_step(partition(exact)[0], gradient, chosen)
        layers = tuple(_describe(passages, step, chosen))
    return Trace(
        x=rows, layers=layers, loss_name=loss, reduction=reduction, target=target, losses=losses,
        loss=joined, update=None if step is None else _describe_update(chosen, step),
        input_names=input_names, feature_names=feature_names, output_names=output_names,
    )  # fmt: skip


def _checked_rows(network: Network, x: Any) -> np.ndarray:
    rows = np.asarray(x, np.float64)
    if rows.ndim < 2 or not len(rows):
        raise InputError("a batch of examples, one row each", got=f"shape {rows.shape}")
    try:
        jax.eval_shape(network, jax.ShapeDtypeStruct(rows.shape, jnp.float64))
    except (TypeError, ValueError, IndexError):
        raise InputError(
            "examples of the shape the network takes", got=f"{rows.shape[1:]} each"
        ) from None
    return rows


def _chosen_recipe(recipe: Recipe | None, learning_rate: float | None) -> Recipe:
    plain = Recipe(optimizer="gradient_descent", learning_rate=LEARNING_RATE)
    chosen = recipe or plain
    if learning_rate is None:
        return chosen
    return chosen.model_copy(update={"learning_rate": learning_rate})


def _as_float64(leaf: Any) -> Any:
    is_float = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.device_put(np.asarray(leaf, np.float64)) if is_float else leaf


def _targets(
    y: Any, network: Network, loss: LossName, n_rows: int, recipe: Recipe | None
) -> np.ndarray:
    smoothing = recipe.label_smoothing if recipe is not None else 0.0
    shape = n_rows, len(network.output.weight)
    return targets_of(y, shape, network.output.activation, loss, smoothing)


def _describe_update(recipe: Recipe, step: Step) -> Update:
    return Update(
        optimizer=recipe.optimizer, learning_rate=recipe.learning_rate, momentum=recipe.momentum,
        beta_2=recipe.beta_2, weight_decay=recipe.weight_decay,
        gradient_clip=recipe.gradient_clip, gradient_norm=step.norm,
    )  # fmt: skip


def _describe(
    passages: tuple[Passage, ...], step: Step | None, recipe: Recipe
) -> Iterator[LayerTrace]:
    """Return every layer as a value; the last one is called ``output``."""
    source = "input"
    for number, passage in enumerate(passages, start=1):
        name = "output" if number == len(passages) else f"layer{number}"
        parts = [getattr(tree, "layers", ())[number - 1] for tree in _trees(step)]
        yield _describe_one(passage, name, source, parts, recipe)
        source = name


def _trees(step: Step | None) -> tuple[PyTree, ...]:
    return () if step is None else (step.direction, step.rates)


def _describe_one(
    passage: Passage, name: str, source: str, parts: list[PyTree], recipe: Recipe
) -> LayerTrace:
    inner, before = [], source
    for position, one in enumerate(passage.inner):
        its_name = f"{name}.inner{position + 1}"
        its_parts = [part.layers[position] for part in parts]
        inner.append(_describe_one(one, its_name, before, its_parts, recipe))
        before = its_name
    return LayerTrace(
        name=name, kind=passage.kind, source=source,
        activation=passage.activation,
        x=passage.x, z=passage.z, a=passage.a, delta=passage.delta, x_gradient=passage.x_gradient,
        parameters=tuple(_describe_parameters(passage, parts, recipe)),
        constants=constants_of(passage), settings=settings_of(passage), inner=tuple(inner),
    )  # fmt: skip


def _describe_parameters(
    passage: Passage, parts: list[PyTree], recipe: Recipe
) -> Iterator[ParameterTrace]:
    """Return a layer's own parameters, with what becomes of them where there is a step."""
    names = (
        ["projection"] if isinstance(passage.layer, ResidualLayer)
        else list(vars(partition(passage.layer)[0]))
    )  # fmt: skip
    trainable = partition(passage.layer)[0]
    for name in names:
        value = getattr(trainable, name)
        if not isinstance(value, jax.Array):
            continue
        if not parts:
            yield ParameterTrace(name=name, value=value)
            continue
        direction, rate = (getattr(part, name) for part in parts)
        new = np.asarray(value) - recipe.learning_rate * np.asarray(direction)
        yield ParameterTrace(
            name=name, value=value, gradient=getattr(passage.gradient, name),
            direction=direction, new=new, rate=rate,
            decays=value.ndim > 1 and recipe.weight_decay > 0,
        )  # fmt: skip
