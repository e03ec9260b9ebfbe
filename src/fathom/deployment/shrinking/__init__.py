"""Shrinking: a fitted estimator made as small or as fast as asked for, at the least loss."""

from fathom.deployment.shrinking.search import compress as compress
