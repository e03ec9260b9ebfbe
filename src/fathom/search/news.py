"""News: what a search tells the outside about its networks while it goes on."""

import math
from collections.abc import Sequence

from fathom.search.material import Material
from fathom.search.tried import Tried
from fathom.training.history import NetworkEvent, NetworkStatus
from fathom.training.monitor import Monitor


class News:
    """Tells a monitor what becomes of candidates, and of the ensemble.

    Parameters
    ----------
    monitor : Monitor or None
        Who is told; None for nobody.
    material : Material
        The table, which knows what a loss is.
    """

    def __init__(self, monitor: Monitor | None, material: Material) -> None:
        self._monitor = monitor or Monitor()
        self._loss_name, self._unit = material.shown_loss
        self._members: dict[int, Tried] = {}
        self._ensemble_loss: float | None = None

    def tell(
        self,
        tried: Tried,
        status: NetworkStatus,
        *,
        reason: str = "",
        epoch: int | None = None,
        loss: float = math.inf,
        behind: float | None = None,
    ) -> None:
        """Tell what became of a candidate, losses in the unit of the search."""
        self._monitor.on_network(
            NetworkEvent(
                number=tried.number,
                status=status,
                structure=str(tried.genes),
                reason=reason,
                epoch=epoch,
                epochs=tried.genes.epochs,
                loss=self._shown(loss),
                behind=behind,
                loss_name=self._loss_name,
                ensemble_loss=self._ensemble_loss,
                members=tuple(self._members),
            )
        )

    def choose(self, kept: Sequence[Tried], loss: float, latest: Tried | None = None) -> None:
        """Tell how the ensemble was chosen anew, after the latest candidate was complete."""
        before = self._members
        self._members = {t.number: t for t in sorted(kept, key=lambda t: -t.weight)}
        self._ensemble_loss = self._shown(loss)
        if latest is not None:
            first = latest.trained.get(0)
            epoch = len(first.history.epochs) if first else None
            self.tell(latest, "complete", reason=latest.reason, epoch=epoch, loss=latest.loss)
        for tried in self._members.values():
            if tried.number not in before:
                self.tell(tried, "chosen", loss=tried.loss)
        for tried in before.values():
            if tried.number not in self._members:
                self.tell(tried, "dropped", loss=tried.loss)

    def _shown(self, loss: float) -> float | None:
        shown = loss * self._unit
        return shown if math.isfinite(shown) else None
