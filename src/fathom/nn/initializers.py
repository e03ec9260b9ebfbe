"""Initializers: where on the error surface the walk begins."""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from pydantic import AfterValidator, Field, model_validator

from fathom.errors import ArchitectureError, FathomError
from fathom.nn.keys import RandomKey, hollow, lay
from fathom.nn.xla import Array, jax, jnp
from fathom.values import Value

InitializerName: TypeAlias = Literal[
    "zeros",
    "constant",
    "uniform",
    "normal",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "orthogonal",
    "data_scaled",
]
RANDOM_SCALE = 0.05  # spread of the plain uniform and normal initializers, where none is given


class Initializer(Value):
    """How the weights of a layer are drawn, as data.

    With n_in inputs and n_out outputs per neuron, and gain g:

    ================ ==============================================================
    name             weights
    ================ ==============================================================
    zeros            0
    constant         ``value``
    uniform          U(-g, g), g = 0.05 unless ``scale`` is given
    normal           N(0, g²), g = 0.05 unless ``scale`` is given
    glorot_uniform   U(-l, l), l = g √(6 / (n_in + n_out))
    glorot_normal    N(0, 2 g² / (n_in + n_out))
    he_uniform       U(-l, l), l = g √(6 / n_in)
    he_normal        N(0, 2 g² / n_in)
    lecun_uniform    U(-l, l), l = g √(3 / n_in)
    lecun_normal     N(0, g² / n_in)
    orthogonal       g Q, rows (or columns) of Q orthonormal
    data_scaled      N(0, 1 / n_in), then each neuron divided by the standard deviation
                     of its own sum over the training data, times g
    ================ ==============================================================

    Parameters
    ----------
    name : str
        One of the names above.
    value : float, default 0
        The constant, used by ``constant`` only.
    scale : float, optional
        The gain g, above 0; 1 unless the table says otherwise.

    Examples
    --------
    >>> Initializer(name="he_normal")
    Initializer(name='he_normal', value=0.0, scale=None)

    References
    ----------
    Glorot, Bengio (2010), AISTATS, 249-256. He, Zhang, Ren, Sun (2015), arXiv:1502.01852.
    LeCun, Bottou, Orr, Müller (1998), Efficient BackProp. Saxe, McClelland, Ganguli (2013),
    arXiv:1312.6120. Mishkin, Matas (2015), All you need is a good init, arXiv:1511.06422.

    Notes
    -----
    The normal ones are not truncated. ``data_scaled`` is the scaling step of Mishkin and Matas
    without their orthogonal start, taken neuron by neuron rather than layer by layer.
    """

    error_type: ClassVar[type[FathomError]] = ArchitectureError

    name: InitializerName
    value: float = Field(default=0.0, ge=-1e6, le=1e6)
    scale: float | None = Field(default=None, gt=0, le=1e6)

    @model_validator(mode="before")
    @classmethod
    def _accept_a_name(cls, data: object) -> object:
        return {"name": data} if isinstance(data, str) else data

    def draw(
        self, key: RandomKey, shape: tuple[int, ...], n_in: int, n_out: int
    ) -> Float[Array, "..."]:
        """Draw weights.

        Parameters
        ----------
        key : jax.Array, numpy.ndarray or None
            Random key, its numbers, or nothing for an outline; see `fathom.nn.keys`.
        shape : tuple of int
            Shape of the weights; for ``orthogonal`` its last axis against all the others.
        n_in, n_out : int
            Numbers of inputs and outputs of one neuron (for a convolution: times kernel size).

        Returns
        -------
        jax.Array or numpy.ndarray
            Float32 weights of the given shape, of JAX where the key is.
        """
        scale = 1.0 if self.scale is None else self.scale
        if self.name in ("zeros", "constant"):
            value = self.value if self.name == "constant" else 0.0
            return hollow(shape) if key is None else lay(key, np.full(shape, value, np.float32))
        if self.name == "orthogonal":
            return _draw_orthogonal(key, shape, scale)
        if self.name in ("uniform", "normal"):
            spread = RANDOM_SCALE if self.scale is None else self.scale
            is_uniform = self.name == "uniform"
        else:
            spread = scale * _variance(self.name, n_in, n_out) ** 0.5
            is_uniform = self.name.endswith("uniform")
            spread *= 3**0.5 if is_uniform else 1.0  # U(-l, l) has variance l²/3
        return draw_uniform(key, shape, spread) if is_uniform else draw_normal(key, shape, spread)


def draw_uniform(key: RandomKey, shape: tuple[int, ...], spread: float) -> Float[Array, "..."]:
    """Draw float32 numbers from U(-spread, spread)."""
    return _draw(key, shape, lambda rng: rng.random(shape, np.float32) * (2 * spread) - spread)


def draw_normal(key: RandomKey, shape: tuple[int, ...], spread: float) -> Float[Array, "..."]:
    """Draw float32 numbers from N(0, spread²)."""
    return _draw(key, shape, lambda rng: rng.standard_normal(shape, np.float32) * spread)


def _draw_orthogonal(key: RandomKey, shape: tuple[int, ...], scale: float) -> Any:
    if key is None:
        return hollow(shape)
    is_ours = isinstance(key, np.ndarray)
    theirs: Any = jax.random.wrap_key_data(jnp.asarray(key)) if is_ours else key
    draw = jax.nn.initializers.orthogonal(scale, column_axis=-1)
    drawn = draw(theirs, shape, jnp.float32)
    return np.asarray(drawn) if is_ours else drawn


def _draw(
    key: RandomKey, shape: tuple[int, ...], draw: Callable[[np.random.Generator], np.ndarray]
) -> Any:
    """Draw on the host, where nothing is compiled for each new shape, seeded by a key."""
    if key is None:
        return hollow(shape)

    def on_host(data: Any) -> np.ndarray:
        return draw(np.random.default_rng(np.asarray(data))).astype(np.float32)

    if isinstance(key, np.ndarray):
        return on_host(key)
    data = jax.random.key_data(key)
    if not isinstance(data, jax.core.Tracer):
        return jax.device_put(on_host(data))
    described = jax.ShapeDtypeStruct(shape, jnp.float32)
    return jax.pure_callback(on_host, described, data, vmap_method="sequential")


def _require_bias_initializer(initializer: Initializer) -> Initializer:
    if initializer.name in ("orthogonal", "data_scaled"):
        raise ArchitectureError(
            "biases drawn one by one", got=f"{initializer.name}",
            hint="use zeros, constant or uniform",
        )  # fmt: skip
    return initializer


BiasInitializer: TypeAlias = Annotated[Initializer, AfterValidator(_require_bias_initializer)]
"""An initializer that can draw biases: not one that needs a whole matrix or the data."""


def _variance(name: str, n_in: int, n_out: int) -> float:
    family = name.split("_")[0]
    return {"glorot": 2 / (n_in + n_out), "he": 2 / n_in}.get(family, 1 / n_in)
