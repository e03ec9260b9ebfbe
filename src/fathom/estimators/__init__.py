"""Fit and predict, as scikit-learn speaks.

An estimator is loaded when its name is used: a search can begin without one.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fathom.estimators.classifier import FathomClassifier as FathomClassifier
    from fathom.estimators.regressor import FathomRegressor as FathomRegressor
    from fathom.estimators.transcriber import FathomTranscriber as FathomTranscriber

_HOMES = {
    "FathomClassifier": "fathom.estimators.classifier",
    "FathomRegressor": "fathom.estimators.regressor",
    "FathomTranscriber": "fathom.estimators.transcriber",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'fathom.estimators' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
