"""Fathom: deep neural networks that show every number of how they work.

Nothing heavy is loaded until a name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fathom.data.datasets import load_digits as load_digits
    from fathom.deployment.archive import load as load
    from fathom.deployment.archive import save as save
    from fathom.estimators.classifier import FathomClassifier as FathomClassifier
    from fathom.estimators.regressor import FathomRegressor as FathomRegressor
    from fathom.nn.architecture import Architecture as Architecture
    from fathom.nn.network import build as build
    from fathom.training.recipe import Augmentation as Augmentation
    from fathom.training.recipe import Recipe as Recipe

__version__: str

_HOMES = {
    "Architecture": "fathom.nn.architecture",
    "Augmentation": "fathom.training.recipe",
    "FathomClassifier": "fathom.estimators.classifier",
    "FathomRegressor": "fathom.estimators.regressor",
    "Recipe": "fathom.training.recipe",
    "build": "fathom.nn.network",
    "load": "fathom.deployment.archive",
    "load_digits": "fathom.data.datasets",
    "save": "fathom.deployment.archive",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("fathom-dnn")
    if name not in _HOMES:
        raise AttributeError(f"module 'fathom' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
