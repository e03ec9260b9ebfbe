"""Fathom: deep neural networks that show every number of how they work.

Nothing heavy is loaded until a name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fathom.data.audio import Recordings as Recordings
    from fathom.data.datasets import load_digits as load_digits
    from fathom.deployment.archive import load as load
    from fathom.deployment.archive import load_transcriber as load_transcriber
    from fathom.deployment.archive import save as save
    from fathom.deployment.shrinking.search import compress as compress
    from fathom.estimators.classifier import FathomClassifier as FathomClassifier
    from fathom.estimators.opening import open_model as open_model
    from fathom.estimators.regressor import FathomRegressor as FathomRegressor
    from fathom.estimators.transcriber import FathomTranscriber as FathomTranscriber
    from fathom.inspection.trace import trace as trace
    from fathom.inspection.traced import Trace as Trace
    from fathom.inspection.why import why as why
    from fathom.nn.architecture import Architecture as Architecture
    from fathom.nn.bag import Bag as Bag
    from fathom.nn.blocks import Activation as Activation
    from fathom.nn.blocks import Dropout as Dropout
    from fathom.nn.blocks import Flatten as Flatten
    from fathom.nn.blocks import Residual as Residual
    from fathom.nn.combination import Combination as Combination
    from fathom.nn.convolution import AveragePool as AveragePool
    from fathom.nn.convolution import Conv2D as Conv2D
    from fathom.nn.convolution import GlobalAveragePool as GlobalAveragePool
    from fathom.nn.convolution import MaxPool as MaxPool
    from fathom.nn.dense import Dense as Dense
    from fathom.nn.embedding import Columns as Columns
    from fathom.nn.embedding import Gain as Gain
    from fathom.nn.initializers import Initializer as Initializer
    from fathom.nn.network import build as build
    from fathom.nn.normalization import BatchNorm as BatchNorm
    from fathom.nn.normalization import LayerNorm as LayerNorm
    from fathom.nn.sequence import Conv1D as Conv1D
    from fathom.nn.stems import Stem as Stem
    from fathom.nn.stems import Stems as Stems
    from fathom.training.monitor import Monitor as Monitor
    from fathom.training.recipe import Augmentation as Augmentation
    from fathom.training.recipe import Recipe as Recipe

__version__: str

_HOMES = {
    "Activation": "fathom.nn.blocks",
    "Architecture": "fathom.nn.architecture",
    "AveragePool": "fathom.nn.convolution",
    "Bag": "fathom.nn.bag",
    "BatchNorm": "fathom.nn.normalization",
    "Columns": "fathom.nn.embedding",
    "Combination": "fathom.nn.combination",
    "Conv1D": "fathom.nn.sequence",
    "Conv2D": "fathom.nn.convolution",
    "Dense": "fathom.nn.dense",
    "Dropout": "fathom.nn.blocks",
    "Flatten": "fathom.nn.blocks",
    "Gain": "fathom.nn.embedding",
    "GlobalAveragePool": "fathom.nn.convolution",
    "Initializer": "fathom.nn.initializers",
    "LayerNorm": "fathom.nn.normalization",
    "MaxPool": "fathom.nn.convolution",
    "Monitor": "fathom.training.monitor",
    "Recordings": "fathom.data.audio",
    "Residual": "fathom.nn.blocks",
    "Stem": "fathom.nn.stems",
    "Stems": "fathom.nn.stems",
    "Augmentation": "fathom.training.recipe",
    "FathomClassifier": "fathom.estimators.classifier",
    "FathomRegressor": "fathom.estimators.regressor",
    "FathomTranscriber": "fathom.estimators.transcriber",
    "Recipe": "fathom.training.recipe",
    "build": "fathom.nn.network",
    "compress": "fathom.deployment.shrinking.search",
    "load": "fathom.deployment.archive",
    "load_transcriber": "fathom.deployment.archive",
    "load_digits": "fathom.data.datasets",
    "open_model": "fathom.estimators.opening",
    "save": "fathom.deployment.archive",
    "Trace": "fathom.inspection.traced",
    "trace": "fathom.inspection.trace",
    "why": "fathom.inspection.why",
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
