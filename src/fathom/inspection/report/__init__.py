"""A report on a model: one HTML file, in English or Chinese."""

from fathom.inspection.report.contents import ReportContents as ReportContents
from fathom.inspection.report.page import write_report as write_report

__all__ = ["ReportContents", "write_report"]
