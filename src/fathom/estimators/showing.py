"""Showing: what a fitted estimator says of itself in a notebook."""

from fathom.display import note, table
from fathom.nn.architecture import Architecture
from fathom.search.report import Report
from fathom.training.history import History

MOST_NETWORKS = 10


def in_one_unit(history: History, n_outputs: int) -> History:
    """Return a history of a search for numbers with all losses in the unit of the held-out ones.

    What is minimized is half the sum of the squared errors of the outputs; what judges a network
    on rows held out is their root mean square.

    Parameters
    ----------
    history : History
        As a search for numbers keeps it.
    n_outputs : int
        Numbers a network predicts of a row.

    Examples
    --------
    >>> from fathom.training.history import Epoch, StartHistory
    >>> epoch = Epoch(epoch=1, train_loss=0.02, train_score=0.96, validation_loss=0.21,
    ...               validation_score=0.95, learning_rate=0.1, seconds=1)
    >>> start = StartHistory(epochs=(epoch,), best_epoch=1)
    >>> history = History(starts=(start,), kept=(0,), score_name="r2", seconds=1)
    >>> in_one_unit(history, 1).starts[0].epochs[0].train_loss
    0.2
    """
    starts = []
    for start in history.starts:
        epochs = tuple(
            epoch.model_copy(update={"train_loss": (2 * epoch.train_loss / n_outputs) ** 0.5})
            for epoch in start.epochs
        )
        starts.append(start.model_copy(update={"epochs": epochs}))
    return history.model_copy(update={"starts": tuple(starts)})


def summarize(architecture: Architecture, history: History, report: Report | None) -> str:
    """Return HTML on a fitted estimator: how good it is, and which networks it is made of.

    Parameters
    ----------
    architecture : Architecture
        Its network, or the heaviest of them.
    history : History
        How they were trained.
    report : Report or None
        What the search tried; None where the network was given.
    """
    if report is None:
        parts = architecture._repr_html_() + history._repr_html_()
        return f'<div class="fathom-summary">{parts}</div>'
    worth = report.words()[-1]
    lines = [
        (str(one.genes), f"{one.number + 1}", f"{one.weight:.0%}", _shown(one.loss))
        for one in report.kept[:MOST_NETWORKS]
    ]
    n = len(report.candidates)
    of = f"{len(report.kept)} of {n} networks that were tried" if n > 1 else "1 network"
    parts = note(worth) + note(f"Made of {of}:")
    parts += table(("network", "number", "share", f"held-out {report.loss_name}"), lines)
    return f'<div class="fathom-summary">{parts}{history._repr_html_()}</div>'


def _shown(loss: float | None) -> str:
    return "–" if loss is None else f"{loss:.4f}"
