"""A fitted estimator leaves home."""

from fathom.deployment.archive import load, save

__all__ = ["load", "save"]
