"""The chain of records: what is missing, what is stale, and in which order to make it anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hounsfield.core.errors import BadInput, MissingInput, StaleOutput
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, check_made, dependents, require

CHAIN = ("data", "classifier", "embeddings", "sequence")  # each is made from the one before it and from the data


def remedy_of(stage: str) -> str:
    return f"run {stage}"


def make(work: Path, stage: str, *, force: bool = False, **settings: int) -> Upstream:
    """One output of the chain, from what there is."""
    place = CHAIN.index(stage)
    above = (
        {} if not place else {name: require(work, work / name, name, remedy_of) for name in {CHAIN[place - 1], "data"}}
    )
    provenance = Provenance(stage, settings, {name: one.as_input() for name, one in above.items()})
    with output(work / stage, provenance, force=force, remedy=remedy_of(stage)) as out:
        if not out.finished:
            (out.folder / "table").write_text(f"{stage} {settings}")
            learned = Ledger.joined(
                [Ledger.of("data", [f"P{place}"]), *(one.learned().upstream_of() for one in above.values())]
            )
            out.finish(["table"], learned=learned)
    return require(work, work / stage, stage, remedy_of)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for stage in CHAIN:
        make(tmp_path, stage)
    return tmp_path


def test_a_whole_chain_passes_and_knows_whom_it_has_seen(work: Path) -> None:
    last = require(work, work / "sequence", "sequence", remedy_of)
    assert last.learned().roles_of(np.array(["P3", "P1", "P9"])).tolist() == ["train", "upstream", ""]


@pytest.mark.parametrize("record", [False, True])
def test_what_is_missing_or_only_begun_names_its_stage(tmp_path: Path, record: bool) -> None:
    if record:
        with output(tmp_path / "data", Provenance("data", {}, {}), force=False, remedy=""):
            pass
    with pytest.raises(MissingInput, match=r"make it with: run data$"):
        require(tmp_path, tmp_path / "data", "data", remedy_of)


def test_of_a_work_folder_that_is_not_there_it_is_said(tmp_path: Path) -> None:
    work = tmp_path / "mistyped"
    with pytest.raises(MissingInput, match=rf"is missing: there is no folder {work} at all"):
        require(work, work / "data", "data", remedy_of)


def test_a_change_at_the_top_is_told_at_the_bottom_with_all_commands_in_order(work: Path) -> None:
    make(work, "data", force=True, folds=3)
    expected = r"classifier: data\.folds: null -> 3(.|\n)*Make anew: run classifier --force && run embeddings --force"
    with pytest.raises(StaleOutput, match=expected):
        require(work, work / "embeddings", "embeddings", remedy_of)


def test_what_is_made_anew_in_the_middle_leaves_what_stands_above_it_alone(work: Path) -> None:
    make(work, "embeddings", force=True, views=2)
    require(work, work / "embeddings", "embeddings", remedy_of)
    with pytest.raises(StaleOutput, match=r"Make anew: run sequence --force$"):
        require(work, work / "sequence", "sequence", remedy_of)


def test_the_same_made_again_is_the_same(work: Path) -> None:
    make(work, "data", force=True)
    require(work, work / "sequence", "sequence", remedy_of)


def test_what_is_being_made_anew_is_told(work: Path) -> None:
    with output(work / "data", Provenance("data", {"folds": 3}, {}), force=True, remedy=""):
        pass
    with pytest.raises(StaleOutput, match="begun anew and is not finished"):
        require(work, work / "classifier", "classifier", remedy_of)


def test_what_is_no_longer_there_contradicts_nothing(work: Path) -> None:
    for file in (work / "classifier").iterdir():
        file.unlink()
    require(work, work / "sequence", "sequence", remedy_of)


def test_a_file_with_another_content_is_refused_when_it_is_read(work: Path) -> None:
    data = require(work, work / "data", "data", remedy_of)
    (work / "data" / "table").write_text("data {X")
    with pytest.raises((BadInput, MissingInput), match="table"):
        data.file("table")


def test_everything_made_from_an_output_is_found(work: Path) -> None:
    assert dependents(work, work / "classifier") == [work / "embeddings", work / "sequence"]
    assert dependents(work, work / "sequence") == []


@pytest.mark.parametrize("content", ["[1]", "", '{"stage": ', '{"inputs": []}', '{"inputs": {"a": 1}}'])
def test_a_record_that_is_none_rests_on_nothing(work: Path, content: str) -> None:
    (work / "sequence" / "output.json").write_text(content)
    assert dependents(work, work / "classifier") == [work / "embeddings"]


def test_where_other_folds_alone_are_asked_for_the_first_remedy_replaces_nothing(tmp_path: Path) -> None:
    made = make(tmp_path, "data", folds=3, size=8)
    with pytest.raises(StaleOutput, match=r"folds: 3 -> 1\nLeave out FOLDS and --fold.*: run data --force$"):
        check_made(made, {"folds": 1, "size": 8})
    with pytest.raises(StaleOutput, match=r"folds: 3 -> 1\n  size: 8 -> 9\nMake it anew: run data --force$"):
        check_made(made, {"folds": 1, "size": 9})
