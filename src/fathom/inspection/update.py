"""The update: what an optimizer would make of the gradients of a first batch."""

from typing import NamedTuple

from fathom.nn.xla import Array, PyTree, jax, jitted, jnp
from fathom.training.optimizers import make_optimizer, rate_factors
from fathom.training.recipe import DECOUPLED, Recipe


class Step(NamedTuple):
    """A first step, as trees of the shape of the parameters.

    Attributes
    ----------
    direction : pytree
        The direction d of every parameter; the step is W ← W - η d.
    rates : pytree
        By what the steps of each are multiplied; that is in d already.
    norm : float
        Length of all gradients together, before any clip.
    """

    direction: PyTree
    rates: PyTree
    norm: float


def first_step(parameters: PyTree, gradient: PyTree, recipe: Recipe) -> Step:
    """Return the step an optimizer that has seen nothing yet takes on a gradient.

    It is what the training loop does: weight decay λ goes into the gradient, g ← g + λ W, or, for
    optimizers that decouple it, into the direction, d ← d + λ W; on weights, not on biases.

    Parameters
    ----------
    parameters, gradient : pytree
        The trainable part of a network, and ∂L/∂ each.
    recipe : Recipe
        Names the optimizer, and its settings.
    """
    direction, norm = _direction(parameters, gradient, recipe)
    rates = jax.tree.map(lambda _: 1.0, parameters)
    if recipe.rates == "by_role":
        rates = rate_factors(parameters)
    return Step(direction, rates, float(norm))


@jitted(static_argnums=2)  # one program, not one for every operation on every shape
def _direction(parameters: PyTree, gradient: PyTree, recipe: Recipe) -> tuple[PyTree, Array]:
    """Return the direction of every parameter, and the length of the gradient before any clip."""
    optimizer = make_optimizer(
        recipe.optimizer, recipe.momentum, recipe.gradient_clip, recipe.beta_2
    )
    decay = jax.tree.map(lambda p: recipe.weight_decay * (p.ndim > 1) * p, parameters)
    is_decoupled = recipe.optimizer in DECOUPLED
    if not is_decoupled:
        gradient = jax.tree.map(jnp.add, gradient, decay)
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
    with jax.numpy_dtype_promotion("standard"):  # optax mixes the types of its counters
        direction, _ = optimizer.update(gradient, optimizer.init(parameters), parameters)
    if recipe.rates == "by_role":
        direction = jax.tree.map(lambda d, rate: rate * d, direction, rate_factors(parameters))
    if is_decoupled:
        direction = jax.tree.map(jnp.add, direction, decay)
    return direction, norm
