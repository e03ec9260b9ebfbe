"""The plan: how many epochs and how many starts there is time for."""

import math
from dataclasses import dataclass

AIM_STEPS = 4000  # steps of a network's training, where there is time
FEWEST_EPOCHS, MOST_EPOCHS = 20, 150  # aimed at
LEAST_EPOCHS = 5  # however short the time
WANTED_SEEDS, FEW_SEEDS, LEAST_SEEDS = 8, 6, 2
MOST_SEEDS = 30  # where only the time limits them
RATES_TRIED = 3.3  # learning rates a network is tried with: three, and a fourth for some
SLACK = 1.15  # by how much trainings may take longer than those that were measured


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training rows, for every network.
    n_seeds : int
        Starts of every network.
    has_sizes : bool
        Whether there is time for learning curves.
    """

    epochs: int
    n_seeds: int
    has_sizes: bool


def aimed_epochs(n_training: int, batch_size: int) -> int:
    """Return the epochs a training takes where there is time."""
    steps = max(1, math.ceil(n_training / batch_size))
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(AIM_STEPS / steps)))


def batch_for(n_training: int) -> int:
    """Return the batch size for so many training rows."""
    return 32 if n_training < 1000 else 128 if n_training < 8000 else 256


def n_tuning_starts(n_training: int) -> int:
    """Return the starts a learning rate is chosen by: more where few rows make it chancy."""
    return 3 if n_training < 2000 else 2 if n_training < 8000 else 1


def n_curve_seeds(n_seeds: int) -> int:
    """Return the starts for each size of the training set: half as many, rounded up."""
    return math.ceil(n_seeds / 2)


def make_plan(
    seconds: float,
    epoch_s: float,
    curve_epoch_s: float,
    aim: int,
    *,
    n_tuning: int = 1,
    epochs: int | None = None,
    n_seeds: int | None = None,
) -> Plan:
    """Plan epochs and starts for the time there is.

    Epochs give way before starts fall below eight, down to half of those aimed at; then starts,
    down to six; then the learning curves; then epochs and starts again.

    Parameters
    ----------
    seconds : float
        Time there is, infinite for no limit.
    epoch_s : float
        Seconds in which all networks take an epoch each, side by side.
    curve_epoch_s : float
        The same for the networks of the learning curves; 0 where none are wanted.
    aim : int
        Epochs to aim at.
    n_tuning : int
        Starts that choose the learning rates.
    epochs, n_seeds : int, optional
        What is not to be planned.

    Examples
    --------
    >>> make_plan(120, epoch_s=0.2, curve_epoch_s=0.2, aim=40)
    Plan(epochs=34, n_seeds=8, has_sizes=True)
    """
    has_sizes, tuning_s = curve_epoch_s > 0, RATES_TRIED * n_tuning * epoch_s
    if seconds == math.inf:
        return Plan(epochs or aim, n_seeds or WANTED_SEEDS, has_sizes)

    def affordable_seeds(n_epochs: int, with_sizes: bool) -> int:
        each = epoch_s + (curve_epoch_s / 2 if with_sizes else 0.0)
        left = seconds / (SLACK * n_epochs) - tuning_s
        return min(MOST_SEEDS, math.floor(left / max(each, 1e-9)))

    def affordable_epochs(seeds: int, with_sizes: bool) -> int:
        curves = curve_epoch_s * n_curve_seeds(seeds) if with_sizes else 0.0
        whole = SLACK * max(tuning_s + seeds * epoch_s + curves, 1e-9)
        return max(1, math.floor(seconds / whole))

    half = max(LEAST_EPOCHS, aim // 2)
    for with_sizes in dict.fromkeys((has_sizes, False)):
        for wanted in (WANTED_SEEDS, FEW_SEEDS):
            seeds = n_seeds or wanted
            n_epochs = epochs or min(aim, affordable_epochs(seeds, with_sizes))
            found = n_seeds or affordable_seeds(n_epochs, with_sizes)
            if n_epochs >= (epochs or half) and found >= seeds:
                return Plan(n_epochs, found, with_sizes)
    seeds = n_seeds or 3
    n_epochs = epochs or max(LEAST_EPOCHS, min(aim, affordable_epochs(seeds, False)))
    found = n_seeds or max(LEAST_SEEDS, affordable_seeds(n_epochs, False))
    return Plan(n_epochs, found, False)
