"""The depth page: what layers make of a plane, and its rivals on the same points."""

import numpy as np

from fathom.inspection.depth.shapes import count_parameters
from fathom.inspection.planes import (
    Points,
    boosted_regions,
    dividing_line,
    draw_points,
    machine_regions,
    network_region,
    train_on_points,
)
from fathom.inspection.probes import LayerProbe, probe_layers
from fathom.inspection.projections import BentLayer, bend_grid
from fathom.studio.depth_messages import BendAnswer, BendAsk, BendStage, RivalsAnswer, RivalsAsk
from fathom.studio.wording import in_both

N_LINES, N_ALONG = 13, 41


def bend(asked: BendAsk) -> BendAnswer:
    """Train a network on points in the plane, and show what every layer makes of them."""
    points = draw_points(asked.points, noise=asked.noise, seed=asked.seed)
    network = train_on_points(points, asked.widths, asked.activation, seed=asked.seed).network
    grid = bend_grid(network, points.x, points.y, n_lines=N_LINES, n_points=N_ALONG)
    probes = probe_layers(network, points.x, points.y, points.x_test, points.y_test)
    stages = tuple(
        _stage(layer, probe, points)
        for layer, probe in zip(grid.layers[:-1], probes.layers[:-1], strict=True)
    )
    low, high = points.ends
    return BendAnswer(
        classes=points.y.tolist(), stages=stages, region=network_region(network, points),
        low=low.tolist(), high=high.tolist(),
        n_parameters=count_parameters(2, asked.widths, 2),
    )  # fmt: skip


def _stage(layer: BentLayer, probe: LayerProbe, points: Points) -> BendStage:
    return BendStage(
        number=layer.number, name=in_both(layer.name), n_neurons=probe.n_features,
        lines=layer.lines.tolist(), at=layer.at.tolist(), share=layer.share,
        line=dividing_line(np.asarray(layer.at), points.y), probe=probe.score,
    )  # fmt: skip


def rivals(asked: RivalsAsk) -> RivalsAnswer:
    """Let support vector machines and boosting divide the same points."""
    points = draw_points(asked.points, noise=asked.noise, seed=asked.seed)
    return RivalsAnswer(machines=machine_regions(points), boosted=boosted_regions(points))
