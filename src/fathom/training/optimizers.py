"""Optimizers by name: the direction each takes down the error surface."""

from functools import lru_cache

import jax
import optax
import optax.contrib
from jaxtyping import Array, Float, PyTree

RMSPROP_DECAY = 0.9
MUON_MOMENTUM = 0.95
MUON_STEP = 0.2  # root mean square of a step, the size Adam's steps usually have
DECOUPLED = frozenset({"adamw", "muon"})
"""Optimizers whose weight decay acts on the weights themselves rather than through the gradient."""


@lru_cache(maxsize=64)
def make_optimizer(
    name: str, momentum: float = 0.9, gradient_clip: float | None = None
) -> optax.GradientTransformation:
    """Make the rule that turns a gradient g into a direction d; the step itself is W ← W - η d.

    ================ ==========================================================================
    gradient_descent d = g
    momentum         m ← μ m + g, d = m
    nesterov         m ← μ m + g, d = g + μ m
    rmsprop          v ← 0.9 v + 0.1 g², d = g / √(v + 1e-8)
    adam, adamw      m ← 0.9 m + 0.1 g, v ← 0.999 v + 0.001 g², d = m̂ / (√v̂ + 1e-8), m̂ and v̂
                     corrected for their start at 0
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
    rules = {
        "gradient_descent": optax.identity,
        "momentum": lambda: optax.trace(momentum),
        "nesterov": lambda: optax.trace(momentum, nesterov=True),
        "rmsprop": lambda: optax.scale_by_rms(RMSPROP_DECAY),
        "adam": optax.scale_by_adam,
        "adamw": optax.scale_by_adam,
        "muon": _muon,
    }
    rule = rules[name]()
    if gradient_clip is None:
        return rule
    return optax.chain(optax.clip_by_global_norm(gradient_clip), rule)


def _muon() -> optax.GradientTransformation:
    def label(parameters: PyTree[Float[Array, "..."]]) -> PyTree[str]:
        return jax.tree.map(lambda p: "matrix" if p.ndim == 2 else "other", parameters)

    def resize(
        updates: PyTree[Float[Array, "..."]], _: PyTree | None
    ) -> PyTree[Float[Array, "..."]]:
        return jax.tree.map(lambda u: MUON_STEP * max(u.shape) ** 0.5 * u, updates)

    axes = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=0)  # (out, in)
    orthogonalize = optax.chain(
        optax.contrib.scale_by_muon(
            beta=MUON_MOMENTUM,
            weight_dimension_numbers=lambda updates: jax.tree.map(lambda _: axes, updates),
        ),
        optax.stateless(resize),
    )
    return optax.partition({"matrix": orthogonalize, "other": optax.scale_by_adam()}, label)
