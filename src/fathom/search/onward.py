"""Onward: the networks of a search trained on rows that did not fit into it."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from fathom.data.parsing import ParsedTable
from fathom.data.splitting import Fold
from fathom.errors import TrainingError
from fathom.nn.forward import Forward
from fathom.nn.network import Network
from fathom.nn.xla import jnp
from fathom.search.design import Design, Member, calibrate
from fathom.search.material import Material, TargetScale
from fathom.search.prediction import to_matrix
from fathom.search.tried import Tried
from fathom.training.engines import cores_each
from fathom.training.loop import train
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.starts import n_workers

SHARE_OF_RATE = 0.3  # of a network's learning rate, with which it goes on; it falls to 0
LEAST_ROWS = 1000  # of a window that is worth a step
END_WINDOWS = 1.2  # times a window took, that have to be left for one: reading it, and the end


@dataclass(frozen=True)
class Window:
    """Rows to train on.

    Attributes
    ----------
    parsed : ParsedTable
        The rows.
    y, weight : numpy.ndarray
        Their target and weight, as a search is given them.
    progress : float
        Share of all rows that came before, 0 to 1.
    """

    parsed: ParsedTable
    y: np.ndarray
    weight: np.ndarray
    progress: float


@dataclass(frozen=True)
class Onward:
    """What came of it.

    Attributes
    ----------
    design : Design
        The ensemble, with the networks that are better for it.
    n_rows : int
        Rows it saw besides those of the search.
    n_better, n_networks : int
        Networks that are better, and all of them.
    loss_before : float or None
        Held-out loss of the ensemble before.
    seconds : float
        From the first window to the last.
    """

    design: Design
    n_rows: int
    n_better: int
    n_networks: int
    loss_before: float | None
    seconds: float


def train_onward(
    found: Design,
    sample: ParsedTable,
    y: np.ndarray,
    weight: np.ndarray,
    folds: Sequence[Fold],
    windows: Iterable[Window],
    *,
    deadline: Deadline,
    monitor: Monitor | None = None,
) -> Onward:
    """Train the networks of an ensemble on, window after window.

    Encodings and trees stay those of the search. Rates begin at a share of each network's own and
    come down to 0 with the rows, or with the time where that is shorter. A network that is no
    better on the rows held out in the search stays as it was.

    Parameters
    ----------
    found : Design
        The ensemble.
    sample : ParsedTable
        The rows it was searched on.
    y, weight : numpy.ndarray
        Their target and weight.
    folds : sequence of Fold
        Their division.
    windows : iterable of Window
        Further rows, none of them in the sample.
    deadline : Deadline
        No window is begun that would not be done by then, as far as those before it tell.
    monitor : Monitor, optional
        Asked whether to stop.

    Returns
    -------
    Onward
        The ensemble anew, calibrated on the held-out rows.
    """
    monitor = monitor or Monitor()
    material = Material(sample, found.target, y, weight, tuple(folds), found.seed)
    places = [(m, f) for m, member in enumerate(found.members) for f in range(len(member.folds))]
    before = [found.members[m].networks[f] for m, f in places]
    now, n_rows, given_s, began = list(before), 0, deadline.remaining(), time.monotonic()
    low, high, longest_s = found.low, found.high, 0.0
    with cores_each(1), ThreadPoolExecutor(n_workers()) as pool:
        for number, window in enumerate(windows):
            if deadline.remaining() <= longest_s or monitor.should_stop():
                break
            begun = time.monotonic()
            if len(window.y) < LEAST_ROWS:
                continue
            late = 1 - deadline.remaining() / given_s if np.isfinite(given_s) else 0.0
            factor = SHARE_OF_RATE * (1 - min(max(window.progress, late), 1.0))
            jobs = [
                pool.submit(_step, found, m, f, now[at], window, factor, number)
                for at, (m, f) in enumerate(places)
            ]
            now = [job.result() for job in jobs]
            longest_s = max(longest_s, END_WINDOWS * (time.monotonic() - begun))
            n_rows += len(window.y)
            rows_y = window.y.reshape(len(window.y), -1)
            low, high = np.minimum(low, rows_y.min(axis=0)), np.maximum(high, rows_y.max(axis=0))
        seconds = time.monotonic() - began
        kept, sums = _keep_better(found, material, places, before, now)
    n_better = sum(new is not old for new, old in zip(kept, before, strict=True))
    design = replace(_with_networks(found, material, places, kept, sums), low=low, high=high)
    return Onward(design, n_rows, n_better, len(places), found.report.validation_loss, seconds)


def _step(
    found: Design, m: int, f: int, network: Network, window: Window, factor: float, number: int
) -> Network:
    """Train one network on a window, once through."""
    member = found.members[m]
    genes, fold = member.genes, member.folds[f]
    matrix = to_matrix(found, window.parsed, fold, genes.view, genes.has_trees)
    examples = Examples(
        jnp.asarray(matrix), jnp.asarray(_aim(found, window.y, genes.is_log_target)),
        jnp.asarray(window.weight.astype(np.float32)),
    )  # fmt: skip
    usual = genes.recipe((found.seed + number) % 2**32)
    rate = max(genes.learning_rate * factor, 1e-7)
    recipe = usual.model_copy(
        update={"epochs": 1, "schedule": "constant", "learning_rate": rate, "patience": None}
    )
    try:
        trained, _ = train(
            network, member.architecture, recipe, examples, None, start=fold, engine="loops"
        )
    except TrainingError:
        return network  # this window has values no rate is small enough for
    return trained


def _aim(found: Design, y: np.ndarray, is_log: bool) -> np.ndarray:
    if found.target.task == "classes":
        return y.astype(np.int32)
    if found.target.task == "labels":
        return y.astype(np.float32)
    scale: TargetScale = found.scales[is_log]
    return scale.encode(np.maximum(y, found.low) if is_log else y)


def _keep_better(
    found: Design,
    material: Material,
    places: list[tuple[int, int]],
    before: list[Network],
    now: list[Network],
) -> tuple[list[Network], dict[tuple[int, int], np.ndarray]]:
    """Return of each network the better one on its held-out rows, and its sums z there."""
    kept, sums = [], {}
    for (m, f), old, new in zip(places, before, now, strict=True):
        member = found.members[m]
        fold, genes = member.folds[f], member.genes
        held_out = material.parsed.take(material.folds[fold].held_out)
        matrix = to_matrix(found, held_out, fold, genes.view, genes.has_trees)
        judge = material.judge(fold, genes.is_log_target)
        rated = []
        for network in (old, new):
            forward = Forward.of(network)
            assert forward is not None  # a search makes no convolutions
            z = forward.combine(matrix)
            rated.append((judge(z)[0], z, network))
        best = min(rated, key=lambda one: one[0])  # of two alike, the first
        kept.append(best[2])
        sums[m, fold] = best[1]
    return kept, sums


def _with_networks(
    found: Design,
    material: Material,
    places: list[tuple[int, int]],
    networks: list[Network],
    sums: dict[tuple[int, int], np.ndarray],
) -> Design:
    """Return the ensemble with other networks in its places, calibrated anew."""
    members = []
    for m, member in enumerate(found.members):
        own = [net for net, place in zip(networks, places, strict=True) if place[0] == m]
        members.append(replace(member, networks=tuple(own)))
    tried = [_as_tried(at, member, material, sums) for at, member in enumerate(members)]
    sharpness, loss, scores = calibrate(tried, material)
    report = found.report.model_copy(
        update={"validation_loss": loss, "scores": scores, "temperature": 1 / sharpness}
    )
    return replace(
        found, members=tuple(members), sharpness=sharpness, report=report, record=None
    )  # fmt: skip


def _as_tried(
    m: int, member: Member, material: Material, sums: dict[tuple[int, int], np.ndarray]
) -> Tried:
    """Return a member as a candidate with its held-out predictions, for calibrating."""
    ends = np.cumsum([len(fold.held_out) for fold in material.folds])
    tried = Tried(m, member.genes, "", status="kept", weight=member.weight)
    for fold in member.folds:
        shown = material.predict(sums[m, fold], member.genes.is_log_target)
        if tried.predictions is None:
            tried.predictions = np.full((ends[-1], shown.shape[1]), np.nan)
        tried.predictions[ends[fold] - len(shown) : ends[fold]] = shown
    return tried
