"""Showing: what a fitted estimator says of itself in a notebook."""

from fathom.display import note, table
from fathom.nn.architecture import Architecture
from fathom.search.report import Report
from fathom.training.history import History

MOST_NETWORKS = 10


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
