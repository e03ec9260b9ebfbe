"""Fit and predict, as scikit-learn speaks."""

from fathom.estimators.classifier import FathomClassifier
from fathom.estimators.regressor import FathomRegressor

__all__ = ["FathomClassifier", "FathomRegressor"]
