"""A fitted estimator as a program that needs nothing but NumPy."""

from fathom.deployment.source.program import Program, export_source

__all__ = ["Program", "export_source"]
