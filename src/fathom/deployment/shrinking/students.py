"""Students: one small network that learns what a whole ensemble says of a table."""

from dataclasses import replace

import numpy as np

from fathom.compression.sites import Described
from fathom.data.features import TableEncoding
from fathom.data.splitting import Fold
from fathom.deployment.shrinking.rows import Part, predictions
from fathom.deployment.shrinking.steps import STORY_BYTES, size_of, stored
from fathom.deployment.shrinking.teaching import Lesson, aims_for, form_of, teach
from fathom.deployment.shrinking.units import Model, restored_design, trimmed
from fathom.nn.architecture import Architecture
from fathom.nn.keys import host_key
from fathom.nn.network import Network, build
from fathom.nn.vectors import outline_of
from fathom.search.design import Design, Member
from fathom.search.material import Material, TargetScale
from fathom.search.report import Candidate, Report
from fathom.search.space import Genes
from fathom.training.history import History, StartHistory
from fathom.training.monitor import Deadline, Monitor
from fathom.training.recipe import Recipe

WIDTHS = (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 4)
ROW_MARK = "distilled from the whole ensemble"


class Student:
    """One network for a table that is yet to learn, with an encoding of its own.

    Parameters
    ----------
    teacher : estimator
        A model that designed itself for a table.
    learn, choose : Part
        Rows it learns from, and rows that calibrate it.
    seed : int
        Seed of every random choice.
    """

    def __init__(self, teacher: Model, learn: Part, choose: Part, seed: int) -> None:
        self._teacher, self._learn, self._seed = teacher, learn, seed
        self._choose = choose
        self._target = teacher.schema_.target
        n = len(learn.y)
        order = np.random.default_rng(seed).permutation(n)
        folds = (Fold(np.sort(order[n // 10 :]), np.sort(order[: n // 10])),)
        self._material = Material(
            learn.x, self._target, learn.y, np.ones(n, np.float32), folds, seed % 2**32
        )

    def genes(self, width: int) -> Genes:
        """Return the genes of a student: those of the ensemble's heaviest deep network."""
        members = sorted(self._teacher.design_.members, key=lambda member: -member.weight)
        deep = [member.genes for member in members if member.genes.depth]
        usual = deep[0] if deep else Genes(input_form="quantile", activation="selu")
        depth = min(max(usual.depth, 1), 2)
        is_log = usual.is_log_target and self._material.can_log
        return usual.model_copy(
            update={
                "width": width, "depth": depth, "has_trees": False, "dropout": 0.0,
                "is_log_target": is_log,
            }
        )  # fmt: skip

    def widest_within(self, most_bytes: float) -> int | None:
        """Return the widest student whose file, of whole numbers, is small enough."""
        for width in WIDTHS:
            empty = outline_of(self._architecture(width))
            made = stored(self._with(width, empty, 1.0), "int8", None)
            assert made is not None
            if size_of(made) + STORY_BYTES <= most_bytes:
                return width
        return None

    def _architecture(self, width: int) -> Architecture:
        return self.genes(width).architecture(self._material.layout(False), self._target)

    def learned(self, width: int, deadline: Deadline, monitor: Monitor | None) -> Model:
        """Return the model of a student of some width that has learned from its teacher."""
        genes, architecture = self.genes(width), self._architecture(width)
        network = build(architecture, host_key(self._seed % 2**32))
        said = predictions(self._teacher, self._learn.x)
        scale = self._material.scales.get(genes.is_log_target)
        form = form_of(architecture)
        aim = aims_for(form, said, self._learn.y, self._target, architecture.n_outputs, scale)
        x = np.asarray(self._material.examples(0, genes.view, genes.is_log_target, False).x)
        recipe = Recipe(
            learning_rate=genes.learning_rate / 2, epochs=60, weight_decay=genes.weight_decay,
            batch_size=min(256, max(32, len(x) // 40)), rates="by_role", beta_2=0.95,
            schedule="flat_cosine", seed=self._seed % 2**32,
        )  # fmt: skip
        described = teach(
            Described(architecture, network), Lesson(x, aim), recipe, deadline=deadline,
            monitor=monitor,
        )  # fmt: skip
        return self._with(width, described.network, 1.0)

    def _with(self, width: int, network: Network, sharpness: float) -> Model:
        before: Design = self._teacher.design_
        genes = self.genes(width)
        member = Member(genes, 1.0, self._architecture(width), (0,), (network,))
        encoding: TableEncoding = self._material.encoding(0)
        scales: dict[bool, TargetScale] = dict(self._material.scales)
        told = Candidate(
            number=0, genes=genes, origin=ROW_MARK, status="kept", weight=1.0, n_folds=1
        )  # fmt: skip
        report: Report = before.report.model_copy(
            update={
                "candidates": (told,), "n_folds": 1, "n_train": len(self._learn.y),
                "n_held_out": len(self._choose.y), "validation_loss": None, "scores": (),
            }
        )  # fmt: skip
        history = History(
            starts=(StartHistory(),), kept=(0,), score_name=before.history.score_name,
            seconds=before.history.seconds,
        )  # fmt: skip
        found = replace(
            before, encodings=(encoding,), trees=(), members=(member,), sharpness=sharpness,
            scales=scales, report=report, history=history, record=None,
        )  # fmt: skip
        return trimmed(restored_design(self._teacher, found))
