"""What a report says of a fitted model, found out on rows whose target is known."""

from fathom.estimators.reporting.gathering import gather_report as gather_report

__all__ = ["gather_report"]
