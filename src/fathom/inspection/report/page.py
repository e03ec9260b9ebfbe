"""The page of a report: its parts in order, in one file that needs nothing else."""

from importlib.metadata import version

from fathom.errors import InputError
from fathom.inspection.report.answers import answers_section, mistakes_section, quality_section
from fathom.inspection.report.contents import ReportContents
from fathom.inspection.report.factors import factors_section
from fathom.inspection.report.inside import (
    columns_section,
    curves_section,
    health_section,
    network_section,
    networks_section,
)
from fathom.inspection.report.labels import LABELS, Labels
from fathom.inspection.report.layout import draw_page
from fathom.inspection.report.overview import data_section, verdict_section
from fathom.inspection.tongues import Language

PARTS = (
    verdict_section, data_section, quality_section, factors_section, answers_section,
    mistakes_section, columns_section, networks_section, curves_section, network_section,
    health_section,
)  # fmt: skip


def write_report(contents: ReportContents, language: Language = "en") -> str:
    """Write a report as an HTML page of its own: no script, nothing from outside, light or dark.

    Parameters
    ----------
    contents : ReportContents
        What it says.
    language : {"en", "zh"}, default "en"
        English or Chinese.

    Returns
    -------
    str
        A whole HTML page.

    Raises
    ------
    InputError
        If there is no such language.

    Examples
    --------
    >>> contents = ReportContents(
    ...     model="m", data="iris.csv", task="numbers", target="", classes=(), n_rows=3, n_all=3,
    ...     verdict=(),
    ... )
    >>> page = write_report(contents, "zh")
    >>> page[:15], "<script" in page
    ('<!DOCTYPE html>', False)
    """
    if language not in LABELS:
        raise InputError(f"a language: {' or '.join(LABELS)}", got=repr(language)[:40])
    labels = LABELS[language]
    drawn = [part(contents, labels) for part in PARTS]
    return draw_page(
        [section for section in drawn if section is not None],
        heading=_heading(contents, labels), subtitle=_subtitle(contents, labels), labels=labels,
        end=labels.end.format(version=version("fathom-dnn")),
    )  # fmt: skip


def _heading(contents: ReportContents, labels: Labels) -> str:
    if not contents.target:
        return labels.heading_plain.format(model=contents.model)
    return labels.heading.format(model=contents.model, target=contents.target)


def _subtitle(contents: ReportContents, labels: Labels) -> str:
    n = f"{contents.n_rows:,}"
    if contents.picture_shape:
        size = "×".join(map(str, contents.picture_shape[:2]))
        return labels.subtitle_pictures.format(n=n, data=contents.data, size=size)
    n_columns = f"{len(contents.columns):,}"
    return labels.subtitle_table.format(n=n, data=contents.data, n_columns=n_columns)
