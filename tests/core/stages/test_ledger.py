"""The ledger: who was seen, by which part, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from hounsfield.core.stages.ledger import ROLES, Ledger

PATIENTS = [f"P{number}" for number in range(6)]


def test_a_patient_in_several_roles_counts_in_the_gravest(tmp_path: Path) -> None:
    ledger = Ledger.joined([Ledger.of("set", ["A", "B"]), Ledger.of("set", ["B", "C"], "early_stop")])
    ledger = Ledger.joined([ledger, Ledger.of("set", ["C", "D"]).upstream_of()])
    ledger.write(tmp_path / "learned.parquet")
    read = Ledger.read(tmp_path / "learned.parquet")
    assert read.roles_of(np.array(["A", "B", "C", "D", "E"])).tolist() == [
        "train",
        "train",
        "early_stop",
        "upstream",
        "",
    ]


def test_each_part_answers_for_itself() -> None:
    ledger = Ledger.joined([Ledger.of("set", ["A"], part="fold0"), Ledger.of("set", ["B"], part="fold1")])
    assert ledger.roles_of(np.array(["A", "B"]), "fold0").tolist() == ["train", ""]
    assert ledger.roles_of(np.array(["A", "B"]), "fold1").tolist() == ["", "train"]


def test_the_same_patient_of_another_data_set_was_seen_all_the_same() -> None:
    assert Ledger.of("stage_1", ["A"]).roles_of(np.array(["A"])).tolist() == ["train"]


def test_nobody_has_seen_nobody(tmp_path: Path) -> None:
    Ledger.nobody().write(tmp_path / "learned.parquet")
    assert Ledger.read(tmp_path / "learned.parquet").roles_of(np.array(PATIENTS)).tolist() == [""] * 6


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(PATIENTS), st.sampled_from(ROLES)), max_size=12))
def test_what_is_made_from_something_has_seen_whom_that_has_seen(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["patient_id", "role"]).assign(part="", data_set="set")
    ledger = Ledger.joined([frame])
    through = ledger.upstream_of("fold3").roles_of(np.array(PATIENTS), "fold3")
    assert ((through != "") == (ledger.roles_of(np.array(PATIENTS)) != "")).all()
    assert set(through) <= {"", "upstream"}
