"""What is known of a blend of several runs that was scored on their own data set: its weights, rule and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hounsfield.core.evaluation.calibration import CALIBRATION, Calibration, read_calibration
from hounsfield.core.evaluation.study_rule import RULE, StudyRule, read_rule
from hounsfield.core.stages.outputs import read_record, record_digest
from hounsfield.core.stages.records import record_among_others


class ScoredBlend(NamedTuple):
    """A finished blend."""

    digest: str  # of its record
    weights: np.ndarray  # (K,) in the order of the runs, with the sum 1
    rule: StudyRule
    calibration: Calibration

    @property
    def words(self) -> str:
        """Its weights."""
        return f"weights {', '.join(f'{weight:.3f}' for weight in self.weights)}"


def find_scored_blend(work: Path, runs: Sequence[str]) -> ScoredBlend | None:
    """The finished blend of exactly these runs as they are now; None where there is none.

    runs: K names <system>/<experiment>.
    """
    for folder in sorted((work / "preds" / "bags").glob("*")):
        record = record_among_others(folder)
        if record is None or RULE not in record["files"] or set(record["facts"].get("weights", ())) != set(runs):
            continue
        now = {name: read_record(work / "preds" / name) for name in runs}
        if all(one and record_digest(one) == record["inputs"][name]["sha256"] for name, one in now.items()):
            weights = np.array([record["facts"]["weights"][name] for name in runs])
            return ScoredBlend(
                record_digest(record), weights, read_rule(folder / RULE), read_calibration(folder / CALIBRATION)
            )
    return None
