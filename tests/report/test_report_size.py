"""How large the report of many patients gets: its curves are thinned, and its pictures small and few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bagged_run import make_bag

from hounsfield.core.stages.finished import finished_run
from hounsfield.hemorrhage.report_facts import report_facts
from hounsfield.report.build import write_report

MOST_BYTES = 15_000_000


def noise(row: int, column: int) -> np.ndarray:
    """A picture that no codec makes smaller."""
    return np.random.default_rng((row, column)).integers(0, 256, (480, 960, 3), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("patients", [20, 2000])
def test_the_report_of_few_and_of_many_patients_is_a_page_of_less_than_15_mb(tmp_path: Path, patients: int) -> None:
    folder = make_bag(tmp_path, patients=patients, slices=12, epochs=1)
    found, remedy_of = finished_run(tmp_path, folder, "")
    facts = report_facts(found, remedy_of)
    slices, *others = facts.levels
    page = write_report(replace(facts, levels=[replace(slices, picture=noise), *others]))
    assert page.stat().st_size < MOST_BYTES
    assert page.read_text().count("data:image/png") > 30
