"""Fit and predict, as scikit-learn speaks."""

from fathom.estimators.classifier import FathomClassifier
from fathom.estimators.regressor import FathomRegressor
from fathom.estimators.transcriber import FathomTranscriber

__all__ = ["FathomClassifier", "FathomRegressor", "FathomTranscriber"]
