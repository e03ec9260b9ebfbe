"""Optimizers by name: the direction each takes down the error surface."""

import math
from functools import lru_cache
from itertools import starmap
from typing import TYPE_CHECKING, TypeAlias

from jaxtyping import Float

from fathom.nn.tree import named_leaves, rebuild
from fathom.nn.xla import Array, PyTree, jax
from fathom.training.recipe import MUON_STEP, RMSPROP_DECAY

if TYPE_CHECKING:
    import optax

MUON_MOMENTUM = 0.95
Rule: TypeAlias = "optax.GradientTransformation"
"""What turns a gradient into a direction."""


@lru_cache(maxsize=64)
def make_optimizer(
    name: str, momentum: float = 0.9, gradient_clip: float | None = None, beta_2: float = 0.999
) -> Rule:
    """Make the rule that turns a gradient g into a direction d; the step itself is W ← W - η d.

    ================ ==========================================================================
    gradient_descent d = g
    momentum         m ← μ m + g, d = m
    nesterov         m ← μ m + g, d = g + μ m
    rmsprop          v ← 0.9 v + 0.1 g², d = g / √(v + 1e-8)
    adam, adamw      m ← 0.9 m + 0.1 g, v ← β v + (1 - β) g², β = 0.999 unless given otherwise,
                     d = m̂ / (√v̂ + 1e-8), m̂ and v̂ corrected for their start at 0
    muon             weight matrices: m ← 0.95 m + 0.05 g, d = 0.2 √max(in, out) times the
                     orthogonal matrix nearest to 0.95 m + 0.05 g (five Newton-Schulz steps); all
                     other parameters: adam
    ================ ==========================================================================

    The learning rate and the weight decay λ are applied by the loop: g ← g + λ W before the rule,
    or, for the decoupled ``adamw`` and ``muon``, d ← d + λ W after it.

    Parameters
    ----------
    name : str
        One of the names above.
    momentum : float
        The share μ for momentum and nesterov, in [0, 1).
    gradient_clip : float, optional
        Largest norm of the gradient, in front of the rule.
    beta_2 : float
        The share β for adam, adamw and muon, in [0, 1).

    Returns
    -------
    optax.GradientTransformation
        The same object for the same arguments, so that a compiled step is found again.

    References
    ----------
    Polyak (1964). Nesterov (1983). Tieleman, Hinton (2012), lecture 6.5. Kingma, Ba (2014),
    arXiv:1412.6980. Loshchilov, Hutter (2017), arXiv:1711.05101. Jordan (2024), Muon,
    kellerjordan.github.io/posts/muon. Liu et al. (2025), arXiv:2502.16982, for the size of its
    step, which lets it share Adam's learning rate.
    """
    import optax  # here, as loops need no rule of it

    rules = {
        "gradient_descent": optax.identity,
        "momentum": lambda: optax.trace(momentum),
        "nesterov": lambda: optax.trace(momentum, nesterov=True),
        "rmsprop": lambda: optax.scale_by_rms(RMSPROP_DECAY),
        "adam": lambda: optax.scale_by_adam(b2=beta_2),
        "adamw": lambda: optax.scale_by_adam(b2=beta_2),
        "muon": lambda: _muon(beta_2),
    }
    rule = rules[name]()
    if gradient_clip is None:
        return rule
    return optax.chain(optax.clip_by_global_norm(gradient_clip), rule)


BY_MATRIX = frozenset({"muon"})
"""Optimizers that look at a weight matrix as a whole rather than at each number by itself."""

ROLE_FACTORS = {"bias": 0.1, "gain": 6.0, "frequency": 0.1, "phase": 0.1, "mix": 0.1, "shift": 0.1}
"""By what each parameter's steps are multiplied under ``rates="by_role"``, besides its fan-in."""


def rate_factors(parameters: PyTree) -> PyTree:
    """Return the factor of every parameter's steps, by its role in its layer.

    ================================ ====================================================
    weight with n inputs a neuron    1 / √n, so that one learning rate suits every width
    bias                             0.1
    gain of an input                 6
    embedding of a number            0.1
    everything else                  1
    ================================ ====================================================

    Parameters
    ----------
    parameters : pytree
        The trainable part of a network.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart (2024). Better by default: strong pre-tuned MLPs and boosted
    trees on tabular data. arXiv:2407.04491.

    Notes
    -----
    There weights are kept times √n and divided by it in the forward pass; with Adam's steps, whose
    size does not depend on the gradient's, a step divided by √n is the same.
    """

    def factor(name: str, leaf: Float[Array, "..."]) -> float:
        name = name.rpartition(".")[2]
        if name == "weight" and leaf.ndim == 2:
            return float(leaf.shape[1] ** -0.5)
        if name == "kernel":
            return float(math.prod(leaf.shape[:-1]) ** -0.5)
        return ROLE_FACTORS.get(name, 1.0)

    return rebuild(parameters, starmap(factor, named_leaves(parameters)))


def _muon(beta_2: float) -> Rule:
    import optax
    import optax.contrib

    def label(parameters: PyTree) -> PyTree:
        return jax.tree.map(lambda p: "matrix" if p.ndim == 2 else "other", parameters)

    def resize(updates: PyTree, _: PyTree | None) -> PyTree:
        return jax.tree.map(lambda u: MUON_STEP * max(u.shape) ** 0.5 * u, updates)

    axes = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=0)  # (out, in)
    orthogonalize = optax.chain(
        optax.contrib.scale_by_muon(
            beta=MUON_MOMENTUM,
            weight_dimension_numbers=lambda updates: jax.tree.map(lambda _: axes, updates),
        ),
        optax.stateless(resize),
    )
    return optax.partition(
        {"matrix": orthogonalize, "other": optax.scale_by_adam(b2=beta_2)}, label
    )
