"""The space: which networks are thinkable, and how likely each is to be good."""

from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field

from fathom.data.features import Layout
from fathom.data.schema import Target
from fathom.data.views import N_BINS, View
from fathom.nn.architecture import Architecture, Layer
from fathom.nn.blocks import Dropout
from fathom.nn.dense import Dense
from fathom.nn.embedding import Columns, Gain, NumberForm
from fathom.nn.initializers import Initializer
from fathom.nn.named import ActivationName, LossName
from fathom.search.factors import with_factors
from fathom.training.recipe import Recipe, ScheduleName
from fathom.values import Value

InputForm: TypeAlias = Literal[
    "robust", "quantile", "periodic", "periodic_quantile", "piecewise", "thermometer"
]
INPUT_FORMS: dict[InputForm, tuple[View, NumberForm]] = {
    "robust": ("robust", "as_is"),
    "quantile": ("quantile", "as_is"),
    "periodic": ("robust", "periodic"),
    "periodic_quantile": ("quantile", "periodic"),
    "piecewise": ("bins", "piecewise"),
    "thermometer": ("tree_bins", "thermometer"),
}
WIDTHS = (64, 128, 256, 384)
MOST_DEPTH = 4
FEWEST_EPOCHS, MOST_EPOCHS = 4, 300


class Genes(Value):
    """Everything the search chooses about one network.

    Attributes
    ----------
    input_form : str
        How numbers come in: the view of the encoding and the form of the first layer.
    depth, width : int
        Hidden layers, and neurons in each; depth 0 is a linear model.
    activation : str
        Activation function of the hidden layers.
    dropout : float
        Share of the hidden values dropped in training.
    learning_rate, weight_decay, label_smoothing : float
        As in `Recipe`, with rates by role.
    schedule : str
        As in `Recipe`.
    epochs, batch_size : int
        As in `Recipe`.
    spread : float
        Spread of the first frequencies, where the form is periodic.
    is_log_target : bool
        Whether the network predicts the logarithm of the target.
    has_trees : bool
        Whether what decision trees say comes in beside the columns.
    """

    input_form: InputForm = "periodic"
    depth: int = Field(default=3, ge=0, le=MOST_DEPTH)
    width: int = Field(default=256, ge=1, le=4096)
    activation: ActivationName = "selu"
    dropout: float = Field(default=0.15, ge=0, lt=1)
    learning_rate: float = Field(default=0.04, gt=0, le=10)
    weight_decay: float = Field(default=0.02, ge=0, le=100)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    schedule: ScheduleName = "cosine_bumps"
    epochs: int = Field(default=64, ge=1, le=100_000)
    batch_size: int = Field(default=256, ge=1)
    spread: float = Field(default=0.1, gt=0, le=1000)
    is_log_target: bool = False
    has_trees: bool = False

    @property
    def view(self) -> View:
        """The encoding's view of the numbers."""
        return INPUT_FORMS[self.input_form][0]

    @property
    def structure(self) -> tuple[object, ...]:
        """What decides the compiled program; the other genes are handed to it."""
        return (
            self.input_form, self.depth, self.width if self.depth else 0, self.activation,
            self.batch_size, self.has_trees,
        )  # fmt: skip

    def architecture(self, layout: Layout, target: Target) -> Architecture:
        """Describe the network for columns of a layout and a target."""
        columns = Columns(
            n_numbers=layout.n_numbers, n_plain=layout.n_plain, codes=layout.codes,
            form=INPUT_FORMS[self.input_form][1], bins=N_BINS, spread=self.spread,
        )  # fmt: skip
        layers: list[Layer] = [columns, Gain()]
        for _ in range(self.depth):
            layers += [Dense(units=self.width, activation=self.activation)]
            layers += [Dropout(rate=self.dropout)]
        output, loss = _output(target)
        whole = Architecture(input_shape=(layout.width,), layers=(*layers, output), loss=loss)
        return with_factors(whole, target)

    def recipe(self, seed: int) -> Recipe:
        """Return how the network is trained."""
        return Recipe(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            schedule=self.schedule,
            epochs=self.epochs,
            batch_size=self.batch_size,
            beta_2=0.95,
            rates="by_role",
            seed=seed,
        )

    def __str__(self) -> str:
        if self.depth == 0:
            shape = "linear"
        else:
            shape = f"{self.depth} × {self.width} {self.activation}, dropout {self.dropout:.2g}"
        log = ", log target" if self.is_log_target else ""
        trees = " and trees" if self.has_trees else ""
        return (
            f"{shape}, numbers {self.input_form.replace('_', ' ')}{trees}, "
            f"rate {self.learning_rate:.3g}, decay {self.weight_decay:.2g}, "
            f"{self.epochs} epochs{log}"
        )


def _output(target: Target) -> tuple[Dense, LossName]:
    zeros = Initializer(name="zeros")
    if target.task == "classes":
        units = len(target.classes)
        return Dense(units=units, activation="softmax", initializer=zeros), "cross_entropy"
    if target.task == "labels":
        return (
            Dense(units=target.n_outputs, activation="sigmoid", initializer=zeros),
            "binary_cross_entropy",
        )
    output = Dense(units=target.n_outputs, activation="identity", initializer=zeros)
    return output, "squared_error"


def draw_genes(rng: np.random.Generator, usual: Genes, *, has_numbers: bool) -> Genes:
    """Draw genes from the prior.

    Depth 1 to 4 with weights 1 : 2 : 3 : 1, width from the usual one downwards, dropout 0 in four
    of ten and U(0, 0.5) otherwise, learning rate and decay log-uniform over a decade and more
    around RealMLP's, the form of the numbers any.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    usual : Genes
        Gives what depends on the size of the table: width, epochs, batch.
    has_numbers : bool
        Whether there are numbers, without which all forms are the same.

    References
    ----------
    Gorishniy, Kotelnikov, Babenko (2024). TabM. arXiv:2410.24210, tuned configurations for depth,
    width, dropout. Holzmüller, Grinsztajn, Steinwart (2024). arXiv:2407.04491, for the rates.
    """
    forms = list(INPUT_FORMS) if has_numbers else ["robust"]
    widths = [width for width in WIDTHS if width <= usual.width] or [usual.width]
    return usual.model_copy(
        update={
            "input_form": str(rng.choice(forms)),
            "depth": int(rng.choice((1, 2, 3, 4), p=np.array((1, 2, 3, 1)) / 7)),
            "width": int(rng.choice(widths[-2:])),
            "activation": str(rng.choice(("selu", "mish", "relu"))),
            "dropout": 0.0 if rng.random() < 0.4 else round(rng.uniform(0, 0.5), 2),
            "learning_rate": _log_uniform(rng, 0.01, 0.12),
            "weight_decay": _log_uniform(rng, 1e-3, 0.3),
            "spread": _log_uniform(rng, 0.05, 2.0),
            "schedule": str(rng.choice(("cosine_bumps", "flat_cosine"))),
        }
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")


def mutate(
    genes: Genes,
    rng: np.random.Generator,
    *,
    has_numbers: bool,
    best_share: float,
    gap: float,
    can_log: bool,
    has_trees: bool,
) -> tuple[Genes, str]:
    """Change one or two genes, in a direction that what was seen suggests.

    Parameters
    ----------
    genes : Genes
        The parent's.
    rng : numpy.random.Generator
        Source of randomness.
    has_numbers : bool
        Whether there are numbers.
    best_share : float
        Where in its epochs the parent was best, 0 to 1: near 1 asks for more of them, near 0 for
        fewer, or more regularization.
    gap : float
        Relative gap between held-out and training loss: large is overfitting.
    can_log : bool
        Whether the target has a logarithm worth trying.
    has_trees : bool
        Whether there are trees to look at.

    Returns
    -------
    tuple of Genes and str
        The child's genes, and what was changed, in words.
    """
    changes: dict[str, object] = {}
    is_early = best_share < 0.5
    options = {"rate": 1.5, "decay": 1.0, "seed": 1.5, "epochs": 1.5, "depth": 1.0}
    if genes.depth:  # a linear model has none of these
        options |= {"dropout": 1.5, "width": 0.7, "activation": 0.5}
    if has_numbers:
        options["input"] = 3.0
    if genes.input_form.startswith("periodic"):
        options["spread"] = 1.0
    if can_log:
        options["log"] = 0.7
    if has_trees:
        options["trees"] = 1.0
    chances = np.array(list(options.values())) / sum(options.values())
    for name in rng.choice(list(options), size=int(rng.integers(1, 3)), replace=False, p=chances):
        _change(str(name), genes, changes, rng, is_early=is_early, is_overfit=gap > 0.3)
    child = genes.model_copy(update=changes)
    told = [
        f"{name.replace('_', ' ')} {_short(getattr(genes, name))} → {_short(value)}"
        for name, value in changes.items()
        if getattr(genes, name) != value
    ]
    return child, ", ".join(told) or "another random start"


def _change(  # noqa: C901 (one small rule for each gene)
    name: str,
    genes: Genes,
    changes: dict[str, object],
    rng: np.random.Generator,
    *,
    is_early: bool,
    is_overfit: bool,
) -> None:
    if name == "rate":
        rate = genes.learning_rate * float(2 ** rng.uniform(-1, 1))
        changes["learning_rate"] = float(f"{min(max(rate, 1e-3), 0.5):.3g}")
    elif name == "decay":
        low, high = (0.5, 3) if is_overfit else (-2, 2)
        decay = max(genes.weight_decay, 1e-3) * float(2 ** rng.uniform(low, high))
        changes["weight_decay"] = float(f"{min(decay, 2.0):.3g}")
    elif name == "dropout":
        step = rng.uniform(0.05, 0.25) if is_overfit or is_early else rng.uniform(-0.2, 0.2)
        changes["dropout"] = round(float(min(max(genes.dropout + step, 0.0), 0.7)), 2)
    elif name == "epochs":
        factor = rng.uniform(0.4, 0.8) if is_early else rng.uniform(1.3, 2.2)
        epochs = round(genes.epochs * float(factor))
        changes["epochs"] = int(min(max(epochs, FEWEST_EPOCHS), MOST_EPOCHS))
    elif name == "depth":
        changes["depth"] = int(min(max(genes.depth + rng.choice((-1, 1)), 1), MOST_DEPTH))
    elif name == "width":
        at = min(range(len(WIDTHS)), key=lambda i: abs(WIDTHS[i] - genes.width))
        step = -1 if is_overfit else int(rng.choice((-1, 1)))
        changes["width"] = WIDTHS[min(max(at + step, 0), len(WIDTHS) - 1)]
    elif name == "activation":
        others = [a for a in ("selu", "mish", "relu") if a != genes.activation]
        changes["activation"] = str(rng.choice(others))
    elif name == "input":
        changes["input_form"] = str(rng.choice([f for f in INPUT_FORMS if f != genes.input_form]))
    elif name == "spread":
        spread = genes.spread * float(3 ** rng.uniform(-1, 1))
        changes["spread"] = float(f"{min(max(spread, 0.01), 10):.2g}")
    elif name == "log":
        changes["is_log_target"] = not genes.is_log_target
    elif name == "trees":
        changes["has_trees"] = not genes.has_trees


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("_", " ")
