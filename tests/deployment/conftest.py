"""A designed ensemble of any members, with random weights, made without any training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom import FathomClassifier, FathomRegressor
from fathom.data import trees
from fathom.data.frames import to_frame
from fathom.data.schema import Schema, Target
from fathom.data.splitting import make_folds
from fathom.estimators.designing import describe_table
from fathom.nn.network import draw
from fathom.search.design import Design, Member
from fathom.search.material import Material
from fathom.search.report import Candidate, Report
from fathom.training.history import History, StartHistory


def target_of(y):
    """Return a target, and y as a search sees it: words and whole numbers are classes."""
    if y.dtype.kind == "U" or (y.ndim == 1 and y.dtype.kind == "i"):
        classes, numbers = np.unique(y, return_inverse=True)
        return Target(task="classes", classes=tuple(classes.tolist())), numbers
    task = "labels" if y.dtype.kind == "i" else "numbers"
    columns = y.reshape(len(y), -1)
    return Target(task=task, n_outputs=columns.shape[1], is_flat=y.ndim == 1), columns


def make_members(genes, material, target, n_folds, is_complete):
    rng = np.random.default_rng(0)
    fill = lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32)
    for number, one in enumerate(genes):
        architecture = one.architecture(material.layout(one.has_trees), target)
        shown = tuple(range(n_folds)) if number or is_complete else (n_folds - 1,)
        networks = tuple(
            jax.tree.map(fill, draw(architecture, jax.random.key(fold))) for fold in shown
        )
        yield Member(one, 1 / len(genes), architecture, shown, networks)


@pytest.fixture(scope="session")
def craft():
    """Return a function that makes a fitted estimator of the members it is told."""

    def make(table, y, choose_genes, n_folds=2, *, is_complete=True):
        n, (target, aims) = len(table), target_of(y)
        described, parsed, _ = describe_table(to_frame(table), None, has_names=True)
        folds = make_folds(n, n_folds, 0.2, 0)
        material = Material(parsed, target, aims, np.ones(n, np.float32), folds, 0)
        genes = choose_genes(material.n_tree_columns > 0)
        has_trees = any(one.has_trees for one in genes)
        candidates = tuple(
            Candidate(number=k, genes=one, origin="first", status="kept", weight=1 / len(genes),
                      loss=k)
            for k, one in enumerate(genes)
        )  # fmt: skip
        report = Report(
            candidates=candidates, loss_name="log loss", n_train=100, n_held_out=100,
            n_folds=n_folds, baseline_loss=0.7, seconds=1.5, notes=("a <b>note</b>",),
        )  # fmt: skip
        score_name = "r2" if target.task == "numbers" else "accuracy"
        flat = aims.reshape(n, -1).astype(float)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trees, "N_FOREST", 5)
            patch.setattr(trees, "N_ROUNDS", {True: 5, False: 5})
            grown = tuple(material.trees(fold) for fold in range(n_folds * has_trees))
        design = Design(
            target=target, encodings=tuple(material.encoding(fold) for fold in range(n_folds)),
            trees=grown,
            members=tuple(make_members(genes, material, target, n_folds, is_complete)),
            sharpness=1.3 if target.task == "classes" else 1.0, scales=dict(material.scales),
            low=flat.min(axis=0), high=flat.max(axis=0), report=report,
            history=History(starts=(StartHistory(),), kept=(0,), score_name=score_name, seconds=1),
            seed=7, n_rows=n,
        )  # fmt: skip
        model = (FathomRegressor if target.task == "numbers" else FathomClassifier)(time_limit=3)
        return model.restore_design(Schema(input=described, target=target), design)

    return make
