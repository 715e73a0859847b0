"""The folder of predicted studies: of each its findings and a page per series; of all a table of studies.

A study is an output of its own: one that is finished is not made again, and one at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hounsfield.core.evaluation.findings import MANY_STUDIES, REFUSED, write_csv
from hounsfield.core.evaluation.findings_file import study_row, write_findings
from hounsfield.core.evaluation.joined_view import BLEND, JoinedView
from hounsfield.core.evaluation.score_table import aligned
from hounsfield.core.evaluation.study_findings import StudyFindings
from hounsfield.core.evaluation.study_view import StudyView
from hounsfield.core.imaging.series_view import Overlay, SeriesPixels
from hounsfield.core.intake.given_studies import own_identifiers
from hounsfield.core.logs import Stopwatch, progress, show
from hounsfield.core.stages.outputs import (
    Input,
    Output,
    Provenance,
    made_otherwise,
    maker,
    output,
    read_record,
    to_replace,
)
from hounsfield.core.stages.records import forget_damaged
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.storage.tables import escape_cell

STUDIES, IDENTIFIED = "studies.csv", "identified.csv"
OF_STUDIES = ("patient_id", "study_uid", "series_uid")  # identifiers in headers
Draw = Callable[[StudyFindings, int, SeriesPixels, Sequence[Overlay]], str]  # HTML of a series by its place


@dataclass(frozen=True)
class Pages:
    """What draws a page per series."""

    draw: Draw
    name: Callable[[int], str]  # its file, by the series' place


class Answered(NamedTuple):
    """A run's answers, and how long they took."""

    run: str  # <system>/<experiment>
    view: StudyView
    seconds: float


def answer_studies(
    answered: Sequence[Answered],
    folder: Path | None,
    stage: str,
    pages: Pages | None,
    *,
    force: bool,
    given: Sequence[Path],
) -> None:
    """Write what is not written yet for each study, and say where it is.

    answered: of one run, or of several for the same studies. folder: None is that of the run's studies by the name of
    their data set. stage: that writes. pages: None where none are wanted. force: write everything anew. given: where
    the files lie whose identifiers are to be written, too.
    """
    views = [one.view for one in answered]
    view = as_one(views)
    folder = folder or studies_folder(answered)
    seconds = {f"predict {one.run}": round(one.seconds, 3) for one in answered}
    provenance, rows = provenance_of(views, stage, pages is not None), []
    for study in progress(view.studies, total=len(view.studies), unit="study", label="studies"):
        findings = replace(view.findings(study), seconds=seconds)
        answer_study(view, findings, folder / study, provenance, pages, force=force)
        rows.append(study_row(findings, f"{study}/{pages.name(0)}" if pages else ""))
    write_csv(folder / STUDIES, pd.DataFrame(rows))
    refused = view.answers.folder / REFUSED
    if refused.exists() and refused != folder / REFUSED:
        write_bytes(folder / REFUSED, refused.read_bytes())
    if given:
        show(f"whose study each is: {_write_identified(folder, given, view)}")
    if len(views) > 1:
        show(f"\n{_printed_runs(view.findings(study) for study in view.studies[:MANY_STUDIES])}")
    show(f"\n{_printed_pages(folder, rows)}")


def studies_folder(answered: Sequence[Answered]) -> Path:
    """Where the studies of a run lie; those of several runs lie with the bags."""
    answers, names = answered[0].view.answers, [one.run for one in answered]
    data_set = Path(answers.record["inputs"]["data set"]["record"]).parent.name
    name = names[0] if len(names) == 1 else f"bags/{'_and_'.join(one.replace('/', '_') for one in names)}"
    return answers.work / "preds" / name / "studies" / data_set


def as_one(views: Sequence[StudyView]) -> StudyView:
    """One run's answers, or those of several and of their blend."""
    return views[0] if len(views) == 1 else JoinedView(views)


def provenance_of(views: Sequence[StudyView], stage: str, has_pages: bool = True) -> Provenance:
    """The answers and what they are of: equal answers may be of other pictures."""
    inputs = {}
    for number, one in enumerate(views):
        inputs[f"answers {number}"] = one.answers.as_input()
        if "data set" in one.answers.record["inputs"]:
            inputs[f"data set {number}"] = Input(**one.answers.record["inputs"]["data set"])
    blend = JoinedView(views).scored if len(views) > 1 else None
    if blend is not None:
        inputs["blend"] = Input(blend.digest)
    return Provenance(stage, {"pages": has_pages}, inputs)


def answer_study(
    view: StudyView, findings: StudyFindings, place: Path, provenance: Provenance, pages: Pages | None, *, force: bool
) -> None:
    """Write findings and pages of one study, unless they are there. force: write them anew."""
    forget_damaged(place)
    if pages is None and not force and _has_pages(place, provenance):
        return  # findings alone are asked for, and the pages beside them cost nothing
    anew = force or made_otherwise(place, provenance)
    if anew and pages is not None and findings.series and maker(place) is not None:
        view.pixels(findings.study, findings.series[0].series)  # a source that is gone must not cost the old pages
    with output(place, provenance, force=anew, remedy="") as out:
        if not out.finished:
            _write_study(view, findings, out, pages)


def _has_pages(place: Path, provenance: Provenance) -> bool:
    """Whether a study is finished with pages, and is otherwise what is asked for."""
    with_pages = replace(provenance, settings={**provenance.settings, "pages": True})
    return read_record(place) is not None and not to_replace(place, with_pages)


def _write_study(view: StudyView, findings: StudyFindings, out: Output, pages: Pages | None) -> None:
    watch, drawn = Stopwatch(), {} if pages is None else _draw_pages(view, findings, out, pages)
    timed = replace(findings, seconds={**findings.seconds, "pages": round(watch.seconds, 3)})
    out.finish([*drawn.values(), *write_findings(out.folder, timed, drawn)])


def _draw_pages(view: StudyView, findings: StudyFindings, out: Output, pages: Pages) -> dict[str, str]:
    """The file of each series' page, by series."""
    names, study = {}, findings.study
    for place, series in enumerate(findings.series):
        pixels, overlays = view.pixels(study, series.series), view.overlays(study, series.series)
        names[series.series] = pages.name(place)
        write_bytes(out.folder / pages.name(place), pages.draw(findings, place, pixels, overlays).encode())
    return names


def _write_identified(folder: Path, given: Sequence[Path], view: StudyView) -> Path:
    """Write whose study each is, by the header of its first file. given: where the files lie."""
    files = {study: view.findings(study).series[0].slices["file"].iloc[0] for study in view.studies}
    own = own_identifiers(given, pd.DataFrame({"path": list(files.values())}))
    found = own.reindex(list(files.values()))[list(OF_STUDIES)].fillna("").map(escape_cell)
    found.insert(0, "study", list(files))
    write_csv(folder / IDENTIFIED, found)
    return folder / IDENTIFIED


def _printed_runs(findings: Iterable[StudyFindings]) -> str:
    """The answers of several runs and of their blend, a line per study and run."""
    rows: list[list[str]] = []
    for one in findings:
        rows = rows or [["study", "run", *one.names]]
        for run in (*(run.name for run in one.runs), BLEND):
            values = {answer.label: answer.raw for answer in one.answers if answer.run == run}
            rows.append([one.study, run, *(f"{values[name]:.3f}" if name in values else "" for name in one.names)])
    return "\n".join(aligned(rows)) if rows else ""


def _printed_pages(folder: Path, rows: Sequence[Mapping[str, object]]) -> str:
    lines = [f"{row['study']}: {folder / str(row['page'])}" for row in rows[:MANY_STUDIES] if row["page"]]
    if lines and len(rows) > MANY_STUDIES:
        lines.append(f"and {len(rows) - MANY_STUDIES} more")
    return "\n".join([*lines, f"all studies: {folder / STUDIES}"])
