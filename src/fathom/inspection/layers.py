"""What a trace holds of one layer: what flowed through it, what flowed back, and its parameters."""

from typing import Literal, TypeAlias

from pydantic import Field

from fathom.inspection.arrays import Measured, Numbers
from fathom.nn.named import ActivationName
from fathom.training.recipe import OptimizerName
from fathom.values import Value

LayerKind: TypeAlias = Literal[
    "dense",
    "conv2d",
    "max_pool",
    "average_pool",
    "global_average_pool",
    "batch_norm",
    "layer_norm",
    "activation",
    "dropout",
    "flatten",
    "residual",
    "columns",
    "gain",
    "combination",
]


class Update(Value):
    """How an optimizer turns the gradients of a first batch into a step.

    Attributes
    ----------
    optimizer : str
        Its name.
    learning_rate : float
        The step size η.
    momentum, beta_2, weight_decay, gradient_clip
        As in `Recipe`.
    gradient_norm : float
        Length of all gradients together, which the clip is held against.
    """

    optimizer: OptimizerName = "gradient_descent"
    learning_rate: float
    momentum: float = 0.9
    beta_2: float = 0.999
    weight_decay: float = 0.0
    gradient_clip: float | None = None
    gradient_norm: float


class ParameterTrace(Measured):
    """The parameters of one name in a layer, for example its weights.

    Attributes
    ----------
    name : str
        ``weight``, ``bias``, ``kernel``, ``scale``, ...
    value : numpy.ndarray
        What they are.
    gradient : numpy.ndarray or None
        ∂L/∂value; None where there is no target.
    direction : numpy.ndarray or None
        What the optimizer makes of the gradient: d.
    new : numpy.ndarray or None
        What they would be after the step, value - η d.
    rate : float
        By what the steps are multiplied, for what the parameter is for.
    decays : bool
        Whether weight decay acts on them.
    """

    name: str
    value: Numbers
    gradient: Numbers | None = None
    direction: Numbers | None = None
    new: Numbers | None = None
    rate: float = 1.0
    decays: bool = False


class LayerTrace(Measured):
    """What one layer did with a batch, and what flowed back through it.

    Attributes
    ----------
    name : str
        ``layer1``, ``layer2``, ..., the last one ``output``; ``layer3.inner2`` within a residual
        block.
    kind : str
        What it is, as in its description.
    source : str
        Where its input comes from: the name of another layer, or ``input``.
    activation : str
        Name of its activation function f; ``identity`` where it has none.
    x : numpy.ndarray
        What came in, one row of the first axis each.
    z : numpy.ndarray
        What its combination function made of that; for layers without weights, what they give.
    a : numpy.ndarray
        What its activation function made of that, a = f(z).
    delta : numpy.ndarray or None
        The node errors ∂L/∂z; None where there is no target.
    x_gradient : numpy.ndarray or None
        ∂L/∂x, what flows back to the layer before.
    parameters : tuple of ParameterTrace
        Its own parameters, without those of inner layers.
    constants : dict of str to numpy.ndarray
        Arrays it uses but no optimizer changes: means and variances, what dropout kept.
    settings : dict of str to number or str
        What its description fixed: stride, size, form, ...
    inner : tuple of LayerTrace
        The layers inside a residual block.
    """

    name: str
    kind: LayerKind
    source: str
    activation: ActivationName = "identity"
    x: Numbers
    z: Numbers
    a: Numbers
    delta: Numbers | None = None
    x_gradient: Numbers | None = None
    parameters: tuple[ParameterTrace, ...] = ()
    constants: dict[str, Numbers] = Field(default_factory=dict)
    settings: dict[str, int | float | str] = Field(default_factory=dict)
    inner: "tuple[LayerTrace, ...]" = ()

    @property
    def n_parameters(self) -> int:
        """Number of its trainable parameters, those of inner layers included."""
        own = sum(parameter.value.size for parameter in self.parameters)
        return own + sum(layer.n_parameters for layer in self.inner)

    def parameter(self, name: str) -> ParameterTrace | None:
        """Return the parameters of a name, or None where it has none."""
        return next((p for p in self.parameters if p.name == name), None)

    def __str__(self) -> str:
        """Name the layer in a few words, for headings."""
        shape = "×".join(map(str, self.a.shape[1:]))
        words = self.kind.replace("_", " ")
        if self.kind in ("dense", "conv2d"):
            words = f"{words} {shape} {self.activation}"
        elif self.kind == "activation":
            words = f"{self.activation} {shape}"
        else:
            words = f"{words} {shape}"
        return words
