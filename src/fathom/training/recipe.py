"""A recipe: how a network is trained, as data."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from pydantic import Field, model_serializer

from fathom.values import Value

OptimizerName: TypeAlias = Literal[
    "gradient_descent", "momentum", "nesterov", "rmsprop", "adam", "adamw", "muon"
]
ScheduleName: TypeAlias = Literal[
    "constant", "linear", "cosine", "flat_cosine", "one_cycle", "cosine_bumps"
]

RMSPROP_DECAY = 0.9
MUON_STEP = 0.2  # root mean square of a step, the size Adam's steps usually have
DECOUPLED = frozenset({"adamw", "muon"})
"""Optimizers whose weight decay acts on the weights themselves rather than through the gradient."""


class Augmentation(Value):
    """Small random changes to every training image, new in every epoch.

    Each image is moved by x ↦ A x + t about its center, A composed of a rotation, a shear and a
    scaling of each axis, every amount uniform between minus and plus the value given. Pixels are
    interpolated bilinearly; what comes in from outside is 0.

    Parameters
    ----------
    shift : float, default 0
        Largest shift along each axis, in pixels.
    rotate : float, default 0
        Largest rotation, in degrees, 0 to 180.
    scale : float, default 0
        Largest relative change of size along each axis, 0 to 0.9.
    shear : float, default 0
        Largest shear, as the sideways shift of a pixel one pixel above the center, 0 to 1.
    bend : float, default 0
        Strength of a smooth random deformation (the elastic one), in pixels: the standard
        deviation of the displacement at its control points.
    light : float, default 0
        Largest relative change of brightness and of contrast, 0 to 0.9.
    mirror : bool, default False
        Whether every other image, at random, is mirrored left to right.
    slide : float, default 0
        Largest shift along the height beside that, in pixels: the time of a picture of sound.
    noise : float, default 0
        Largest standard deviation of noise added to pixels, in their units; each image has its own.
    tone : float, default 0
        Strength of a smooth random change of level from column to column, the same in all rows: the
        standard deviation at its control points, in units of pixels. Of a picture of sound, another
        microphone in another room; what is 0 stays 0, and the loudest as loud as it was.
    floor : float, default 0
        Highest level up to which what is below is raised, each image to its own: the rustle behind
        a recording.
    hide_rows, hide_columns : float, default 0
        Largest share of the height, and of the width, that is hidden in one stretch, 0 to 0.9.
    edge : {"zero", "repeat"}, default "zero"
        Whether what comes in from outside is 0, or what is at the nearest edge.
    threshold : float, optional
        Where given, pixels at or above it become 1 and the others 0, so that ink stays ink.

    References
    ----------
    Simard, Steinkraus, Platt (2003). Best practices for convolutional neural networks applied to
    visual document analysis. ICDAR. Park et al. (2019). SpecAugment. arXiv:1904.08779.

    Notes
    -----
    The smooth deformation is drawn on a coarse 4 × 4 grid and interpolated, rather than filtered
    from noise in every pixel.
    """

    shift: float = Field(default=0.0, ge=0, le=512)
    rotate: float = Field(default=0.0, ge=0, le=180)
    scale: float = Field(default=0.0, ge=0, le=0.9)
    shear: float = Field(default=0.0, ge=0, le=1)
    bend: float = Field(default=0.0, ge=0, le=64)
    light: float = Field(default=0.0, ge=0, le=0.9)
    mirror: bool = False
    slide: float = Field(default=0.0, ge=0, le=4096)
    noise: float = Field(default=0.0, ge=0, le=255)
    tone: float = Field(default=0.0, ge=0, le=255)
    floor: float = Field(default=0.0, ge=0, le=255)
    hide_rows: float = Field(default=0.0, ge=0, le=0.9)
    hide_columns: float = Field(default=0.0, ge=0, le=0.9)
    edge: Literal["zero", "repeat"] = "zero"
    threshold: float | None = Field(default=None, gt=0, lt=1)


class Recipe(Value):
    """How a network is trained.

    Parameters
    ----------
    optimizer : str, default "adamw"
        One of gradient_descent, momentum, nesterov, rmsprop, adam, adamw, muon.
    learning_rate : float, default 0.001
        The largest step size η of the schedule, above 0.
    momentum : float, default 0.9
        Share of the last step that is kept, for momentum and nesterov; in [0, 1).
    beta_2 : float, default 0.999
        Share of the running mean of squares that adam, adamw and muon keep each step; in [0, 1).
    rates : {"equal", "by_role"}, default "equal"
        Whether every parameter takes steps of size η, or steps that suit what it is for; see
        `fathom.training.optimizers.rate_factors`.
    schedule : str, default "cosine"
        How the learning rate goes from η towards 0; see `fathom.training.schedules`.
    batch_size : int, default 128
        Examples per step; a training set smaller than it is one batch.
    n_lengths : int, default 1
        Lengths to which sequences may be filled up where they are written down (loss ``"ctc"``),
        those of a batch alike; each is a program to compile. With 1 all are as long as the longest,
        as on accelerators.
    epochs : int, default 100
        Passes over the training set, at most.
    weight_decay : float, default 0
        Decay λ of weights (not of biases): added to the gradient as λ W; for adamw and muon
        decoupled from it, W ← W - η λ W.
    label_smoothing : float, default 0
        Share ε of each target that is spread evenly: y ← (1 - ε) y + ε / classes, for
        independent labels (1 - ε) y + ε / 2; targets that are numbers are left alone.
    augmentation : Augmentation, optional
        Random changes to training images.
    gradient_clip : float, optional
        Largest norm of a step's gradient; longer ones are shortened to it.
    validation_fraction : float, default 0.1
        Share of the examples held out to choose the best epoch and the best start; with 0 the
        last epoch is kept.
    patience : int, optional
        Epochs without a better validation loss after which training stops; never where None.
    n_starts : int, default 1
        Networks trained from different random starts, the simple way out of a local optimum.
    combine : {"best", "average"}, default "best"
        Keep the start with the best validation loss, or average the outputs of all.
    seed : int, default 0
        Seed of every random choice: starts, order of examples, dropout, augmentation.

    Examples
    --------
    >>> Recipe(optimizer="momentum", learning_rate=0.1).schedule
    'cosine'
    """

    optimizer: OptimizerName = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=1e6)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    rates: Literal["equal", "by_role"] = "equal"
    schedule: ScheduleName = "cosine"
    batch_size: int = Field(default=128, ge=1, le=1_000_000)
    n_lengths: int = Field(default=1, ge=1, le=4)
    epochs: int = Field(default=100, ge=1, le=1_000_000)
    weight_decay: float = Field(default=0.0, ge=0, le=100)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    augmentation: Augmentation | None = None
    gradient_clip: float | None = Field(default=None, gt=0)
    validation_fraction: float = Field(default=0.1, ge=0, lt=1)
    patience: int | None = Field(default=None, ge=1)
    n_starts: int = Field(default=1, ge=1, le=1000)
    combine: Literal["best", "average"] = "best"
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_serializer(mode="wrap")
    def _as_ever(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Say nothing of lengths where there is one, as files did before there were several."""
        said = handler(self)
        if self.n_lengths == 1:
            said.pop("n_lengths", None)
        return said
