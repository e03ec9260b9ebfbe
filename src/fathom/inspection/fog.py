"""The fog: of the error surface, one who descends knows only what lies around the way taken."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from fathom.errors import InputError
from fathom.inspection.arrays import Measured
from fathom.inspection.surface import LossSurface
from fathom.inspection.svg import Say

NOTABLE = 0.02  # of the path's fall: what lies lower by more is worth a word


class Fog(Measured):
    """A surface of which only the neighborhood of visited places is known.

    Attributes
    ----------
    surface : LossSurface
        The whole surface, with the path on it.
    radius : float
        How far one sees, as a share of the map's sides.
    """

    surface: LossSurface
    radius: float = Field(gt=0)

    @property
    def n_places(self) -> int:
        """Number of places on the path."""
        assert self.surface.path is not None
        return len(self.surface.path.steps)

    def known(self, n_places: int | None = None) -> np.ndarray:
        """Return what is known once some places of the path have been visited.

        Parameters
        ----------
        n_places : int, optional
            How many, the start among them; all where left out.

        Returns
        -------
        numpy.ndarray
            Shape (y, x): whether a visited place is within the radius.
        """
        surface = self.surface
        assert surface.path is not None
        across, up = float(np.ptp(surface.x)), float(np.ptp(surface.y))
        known = np.zeros(surface.losses.shape, bool)
        visited = (surface.path.x[:n_places], surface.path.y[:n_places])
        for x, y in zip(*visited, strict=True):
            away = ((surface.x[None, :] - x) / across) ** 2 + ((surface.y[:, None] - y) / up) ** 2
            known |= away <= self.radius**2
        return known

    def share_known(self, n_places: int | None = None) -> float:
        """Return the share of the map that is known."""
        return float(self.known(n_places).mean())

    def lowest_known(self, n_places: int | None = None) -> tuple[float, float, float]:
        """Return place and loss of the lowest point that is known; NaN where none is."""
        known = self.known(n_places) & np.isfinite(self.surface.losses)
        if not known.any():
            return (np.nan, np.nan, np.nan)
        heights = np.where(known, self.surface.losses, np.inf)
        row, column = np.unravel_index(int(np.argmin(heights)), heights.shape)
        x, y = self.surface.x[column], self.surface.y[row]
        return float(x), float(y), float(heights[row, column])

    def __str__(self) -> str:
        x, y, seen = self.lowest_known()
        x_true, y_true, least = self.surface.lowest
        assert self.surface.path is not None
        heights = self.surface.path.losses
        lines = [
            f"seen from {self.n_places} places, {self.radius:.0%} of the map around each: "
            f"{self.share_known():.0%} of the map",
            f"lowest seen: {seen:.4g} at ({x:.4g}, {y:.4g})",
        ]
        if seen - least > NOTABLE * (heights[0] - heights[-1]):
            where = f"{least:.4g} at ({x_true:.4g}, {y_true:.4g})"
            lines.append(f"the map revealed: {where} is lower, and was never seen")
        else:
            lines.append("the map revealed: nothing notably lower lies on it")
        return "\n".join(lines)

    __repr__ = __str__

    def to_svg(self, n_places: int | None = None, say: Say = str, **size: float) -> str:
        """Draw what is known once some places have been visited, as static SVG.

        Parameters
        ----------
        n_places : int, optional
            How many; where left out, all of them.
        say : callable
            Turns a label into the reader's language.
        **size : float
            Width and height in pixels.
        """
        count = self.n_places if n_places is None else n_places
        title = say("What the descent has seen")
        return self.surface.to_svg(say, known=self.known(count), title=title, n_steps=count, **size)

    def _repr_html_(self) -> str:
        revealed = self.surface.to_svg(title="The map revealed", width=400, height=380)
        return self.to_svg(width=400, height=380) + revealed


def under_fog(surface: LossSurface, radius: float = 0.12) -> Fog:
    """Lay fog over a surface: only what is near the path on it is known.

    Parameters
    ----------
    surface : LossSurface
        A surface with a path.
    radius : float
        How far one sees from a place of the path, as a share of the map's sides, above 0.

    Raises
    ------
    InputError
        If there is no path on the surface.
    """
    if surface.path is None:
        raise InputError(
            "a surface with a path on it", got="one without",
            hint="give path= to the function that makes it",
        )  # fmt: skip
    return Fog(surface=surface, radius=radius)


def first_seen(
    surface: LossSurface, tracks: Sequence[tuple[np.ndarray, np.ndarray]], radius: float = 0.12
) -> np.ndarray:
    """Return for every place of a surface the step at which walks side by side first see it.

    Parameters
    ----------
    surface : LossSurface
        The surface.
    tracks : sequence of tuple of numpy.ndarray
        Where each walk is across and up, step by step; places that are not finite see nothing.
    radius : float
        How far one sees from a place, as a share of the map's sides, above 0.

    Returns
    -------
    numpy.ndarray
        Shape (y, x), whole numbers: the step, 0 at the start; -1 where it is never seen.
    """
    if not radius > 0:
        raise InputError("a radius above 0", got=f"{radius:g}")
    across, up = float(np.ptp(surface.x)), float(np.ptp(surface.y))
    seen = np.full(surface.losses.shape, np.inf)
    for xs, ys in tracks:
        for step, (x, y) in enumerate(zip(xs, ys, strict=True)):
            if not np.isfinite(x + y):
                break
            away = ((surface.x[None, :] - x) / across) ** 2 + ((surface.y[:, None] - y) / up) ** 2
            seen = np.where(away <= radius**2, np.minimum(seen, step), seen)
    return np.where(np.isfinite(seen), seen, -1).astype(int)
