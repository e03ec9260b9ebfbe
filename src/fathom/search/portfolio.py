"""The portfolio: the first networks of a search, known to be good on many tables."""

from fathom.search.space import Genes


def first_members(
    usual: Genes, *, is_classes: bool, has_numbers: bool, has_trees: bool
) -> tuple[Genes, ...]:
    """Return the first networks to train, the surest first.

    A linear model, which nothing beats on some small tables and which is there at once; RealMLP's
    network (periodic embeddings, robust scaling); and networks that see numbers in other ways:
    as thermometers of a tree's thresholds, piecewise-linear, as quantiles, in quicker waves; some
    of them beside what a forest and boosted trees say of the row.

    Parameters
    ----------
    usual : Genes
        Gives what depends on the size of the table: width, epochs, batch.
    is_classes : bool
        Whether classes (or labels) are predicted rather than numbers.
    has_numbers : bool
        Whether there are numbers; without them only forms that differ otherwise are returned.
    has_trees : bool
        Whether decision trees can be grown in the time there is.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart (2024). Better by default. arXiv:2407.04491.
    """
    main = {
        "activation": "selu" if is_classes else "mish",
        "schedule": "cosine_bumps" if is_classes else "flat_cosine",
    }
    narrow = max(64, usual.width // 2)
    changes: tuple[dict[str, object], ...] = (
        {"depth": 0, "input_form": "robust", "epochs": min(usual.epochs, 30), "dropout": 0.0,
         "learning_rate": 0.15},
        {**main, "input_form": "periodic", "has_trees": True, "epochs": usual.epochs // 2 + 1},
        {**main, "input_form": "periodic"},
        {**main, "input_form": "piecewise", "dropout": 0.1},
        {"input_form": "thermometer", "depth": 2, "width": narrow, "activation": "relu",
         "dropout": 0.3, "learning_rate": 0.02, "schedule": "flat_cosine"},
        {"depth": 0, "input_form": "robust", "dropout": 0.0, "learning_rate": 0.02,
         "has_trees": True, "epochs": min(usual.epochs, 30)},
        {"input_form": "quantile", "depth": 2, "activation": "relu", "dropout": 0.3,
         "learning_rate": 0.02},
        {**main, "input_form": "piecewise", "dropout": 0.2, "has_trees": True, "depth": 2},
        {**main, "input_form": "periodic_quantile", "spread": 0.4, "depth": 2},
        {"input_form": "robust", "depth": 3, "width": narrow, "activation": "mish", "dropout": 0.4},
        {**main, "input_form": "periodic", "spread": 1.0, "depth": 2, "dropout": 0.05},
        {"depth": 0, "input_form": "thermometer", "dropout": 0.0, "learning_rate": 0.01},
    )  # fmt: skip
    members = [usual.model_copy(update=change) for change in changes]
    if not has_numbers:
        members = [genes for genes in members if genes.input_form in ("robust", "quantile")]
    if not has_trees:
        members = [genes for genes in members if not genes.has_trees]
    return tuple(members)
