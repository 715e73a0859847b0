"""What a person names as studies to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hounsfield.core.errors import MissingInput, StaleOutput, UnusableSource, WrongUse
from hounsfield.core.intake.given_studies import (
    Intake,
    check_given,
    on_given,
    prepare_given,
    prepare_options,
    up_to_date,
)
from hounsfield.core.intake.prepare_files import check_usable
from hounsfield.core.intake.pseudonyms import read_key
from hounsfield.core.intake.sources import list_own
from hounsfield.core.logs import logger
from hounsfield.core.stages.command import Command, Stage, parse, stage_parser
from hounsfield.core.stages.out_folder import out_folder
from hounsfield.core.stages.outputs import Input, Provenance, output, read_record
from hounsfield.core.storage.data_sets import data_folder

INTAKE = Intake(stage="run_01_their_prepare", reserved=("theirs",), lists=("images",), places="images")


@dataclass(frozen=True, kw_only=True)
class AnyConfig:
    """An experiment's."""

    data_set: str = "theirs"
    folds: tuple[int, ...] = (0,)


def command_in(work: Path, *words: str) -> Command[Any]:
    (work / "any.yaml").write_text("data_set: theirs\n")
    stage = Stage(AnyConfig, "", work / "any.yaml", role="applies", parts=())
    return parse(stage_parser(stage), stage, ["--config", str(work / "any.yaml"), "--work", str(work), *words])


def prepared(work: Path, stage: str, name: str, given: Path) -> None:
    """A data set that a stage has prepared from a folder."""
    with output(data_folder(work, name), Provenance(stage, {}, {}), force=False, remedy="") as out:
        out.finish([], facts={"source": ["--images", str(given)]})


def test_the_same_folder_is_a_data_set_of_its_own_for_each_kind_of_competition(tmp_path: Path) -> None:
    """A head that was answered for bleeds, and then for fractures: the second must not replace the first."""
    given = tmp_path / "ward"
    given.mkdir()
    prepared(tmp_path, "run_61_other_prepare", "ward", given)
    assert on_given(command_in(tmp_path), [given], INTAKE, {}).data_set == "ward_2"
    prepared(tmp_path, "run_01_their_prepare", "ward_2", given)
    assert on_given(command_in(tmp_path), [given], INTAKE, {}).data_set == "ward_2"
    with pytest.raises(WrongUse, match=r"--apply-to ward: .*ward was prepared by another stage than run_01_their"):
        on_given(command_in(tmp_path, "--apply-to", "ward"), [given], INTAKE, {})
    assert on_given(command_in(tmp_path, "--apply-to", "ward_2"), [given], INTAKE, {}).data_set == "ward_2"


def test_a_run_that_prepares_films_of_another_size_has_a_data_set_of_its_own(tmp_path: Path) -> None:
    """The first run's answers must stay those of films that are still there."""
    given = tmp_path / "ward"
    given.mkdir()
    made = Provenance(INTAKE.stage, {"size": 64, "fold_count": 3}, {})
    with output(data_folder(tmp_path, "ward"), made, force=False, remedy="") as out:
        out.finish([], facts={"source": ["--images", str(given)]})
    assert on_given(command_in(tmp_path), [given], INTAKE, {"size": 64}).data_set == "ward"
    assert on_given(command_in(tmp_path), [given], INTAKE, {"size": 128}).data_set == "ward_2"
    asked = command_in(tmp_path, "--apply-to", "ward")
    with pytest.raises(StaleOutput, match=r"--apply-to ward: .*ward was prepared with other .*size: 64 -> 128"):
        on_given(asked, [given], INTAKE, {"size": 128})
    assert on_given(replace(asked, force=True), [given], INTAKE, {"size": 128}).data_set == "ward"


def test_a_place_that_is_given_twice_by_a_link_or_in_another_order_is_one_data_set(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level("INFO", logger="hounsfield")
    for name in ("ward", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "ward")
    ward, link, other = (str(tmp_path / name) for name in ("ward", "link", "other"))
    assert check_given([ward, f"{ward}/.", link], "run_77") == [tmp_path / "ward"]
    assert len({text for text in caplog.messages if text.endswith("read once")}) == 2
    command = command_in(tmp_path)
    prepared(tmp_path, INTAKE.stage, "ward", tmp_path / "ward")
    assert on_given(command, check_given([link, ward], "run_77"), INTAKE, {}).data_set == "ward"
    first, second = ([Path(one), Path(two)] for one, two in ((ward, other), (other, ward)))
    with output(data_folder(tmp_path, "both"), Provenance(INTAKE.stage, {}, {}), force=False, remedy="") as out:
        out.finish([], facts={"source": prepare_options(for_data_set(command, "both"), first, INTAKE)[-3:]})
    assert "--force" in prepare_options(for_data_set(command, "both"), second, INTAKE)


def for_data_set(command: Command[Any], data_set: str) -> Command[Any]:
    command.arguments.jobs = None
    return replace(command, data_set=data_set)


def test_a_second_run_with_other_folds_leaves_the_data_set_as_the_first_has_prepared_it(tmp_path: Path) -> None:
    command = replace(command_in(tmp_path), data_set="ward")
    command.arguments.jobs = None
    assert "--prepare.fold_count" not in prepare_options(command, [tmp_path / "ct"], INTAKE)
    made = Provenance(INTAKE.stage, {"fold_count": 3, "size": 9}, {})
    with output(data_folder(tmp_path, "ward"), made, force=False, remedy="") as out:
        out.finish([], facts={"source": ["--images", str(tmp_path / "ct")]})
    options = prepare_options(command, [tmp_path / "ct"], INTAKE)
    assert options[options.index("--prepare.fold_count") + 1] == "3"
    assert "--force" in options and "--prepare.size" not in options


def test_answers_are_made_anew_for_other_studies_and_refused_for_other_settings(tmp_path: Path) -> None:
    """Answers of one fold must not replace those of all folds unawares."""
    answers = tmp_path / "answers"

    def step(folds: list[int], files: str) -> Callable[[Command[Any]], list[int]]:
        def run(command: Command[Any]) -> list[int]:
            made_from = Provenance("run_77_answer", {"folds": folds}, {"files": Input(files)})
            with output(answers, made_from, force=command.force, remedy="sh bin/run_77_answer.sh") as out:
                out.finish([])
            return folds

        return run

    command = command_in(tmp_path)
    assert up_to_date(step([0, 1], "one"), command) == up_to_date(step([0, 1], "two"), command) == [0, 1]
    with pytest.raises(StaleOutput, match=r"answers was made from.*\n  folds: \[0, 1\] -> \[0\]\n.*--force.*DATA_SET="):
        up_to_date(step([0], "two"), command)
    kept = read_record(answers)
    assert kept is not None and kept["settings"] == {"folds": [0, 1]}
    assert up_to_date(step([0], "two"), replace(command, force=True)) == [0]


@pytest.mark.parametrize("sign", ["\n", "\t", "\x1b", "\u202e", "\u2028"])
def test_a_control_in_a_folder_s_name_is_shown_as_an_escape_wherever_it_is_told(
    tmp_path: Path, sign: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level("INFO", logger="hounsfield")
    given = tmp_path / f"ward{sign}12:00:00 all is well"

    def prepare(_: Command[Any], paths: Sequence[Path]) -> None:
        list_own(paths)

    with pytest.raises(MissingInput) as absent:
        check_given([str(given)], "run_77")
    given.mkdir()
    with pytest.raises(MissingInput) as empty:
        prepare_given(command_in(tmp_path), check_given([str(given)] * 2, "run_77"), INTAKE, prepare, {})
    with pytest.raises(WrongUse) as within:
        out_folder(str(given / "out"), tmp_path, [str(given)])
    told = [*set(caplog.messages), *(str(one.value) for one in (absent, empty, within))]
    assert len(told) == 5
    for text in told:
        assert sign not in text and f"ward{ascii(sign)[1:-1]}12:00:00" in text


def test_an_empty_folder_leaves_no_data_set_and_is_told_no_option_of_another_stage(tmp_path: Path) -> None:
    (tmp_path / "ward").mkdir()

    def prepare(command: Command[Any], paths: Sequence[Path]) -> None:
        data_folder(command.work, command.data_set).mkdir(parents=True)
        (data_folder(command.work, command.data_set) / "pseudonyms.key").touch()
        list_own(paths)

    with pytest.raises(MissingInput, match=r"ward: 0 files; name folders") as caught:
        prepare_given(command_in(tmp_path), [tmp_path / "ward"], INTAKE, prepare, {})
    assert "--" not in str(caught.value).replace(str(tmp_path), "")
    assert not data_folder(tmp_path, "ward").exists()


@pytest.mark.parametrize("reasons", [("modality", "dicomdir"), ("modality", "source_unusable")], ids=["kind", "fault"])
@pytest.mark.parametrize("before", [False, True], ids=["new", "known"])
def test_files_of_which_none_can_be_used_are_wrong_use_and_leave_no_new_data_set(
    tmp_path: Path, before: bool, reasons: tuple[str, str]
) -> None:
    given, command = tmp_path / "ward", command_in(tmp_path)
    given.mkdir()
    if before:
        prepared(tmp_path, INTAKE.stage, "ward", given)

    def prepare(command: Command[Any], paths: Sequence[Path]) -> None:
        folder = data_folder(command.work, command.data_set)
        with output(folder, Provenance(INTAKE.stage, {}, {}), force=True, remedy="", extends=True) as out:
            rejected = pd.DataFrame({"path": ["a", "b"], "reason": reasons, "message": ["MR", "list"]})
            check_usable(folder / "rejected.csv", 0, rejected, 1.0, option="share")
            out.finish([])

    with pytest.raises(WrongUse, match=r"ward: none of 2 files is usable; .*MR") as caught:
        prepare_given(command, [given], INTAKE, prepare, {})
    assert caught.value.exit_code == 2
    assert data_folder(tmp_path, "ward").exists() is before


@pytest.mark.parametrize("persons_own", [False, True], ids=["new", "own"])
def test_an_archive_that_cannot_be_opened_leaves_no_key_and_removes_no_folder_of_a_person(
    tmp_path: Path, persons_own: bool
) -> None:
    folder = data_folder(tmp_path, "ward")
    if persons_own:
        folder.mkdir(parents=True)
        (folder / "mine").write_bytes(b"kept")
    (tmp_path / "ward.zip").write_bytes(b"")

    def prepare(command: Command[Any], paths: Sequence[Path]) -> None:
        read_key(folder / "pseudonyms.key")
        list_own(paths)

    with pytest.raises(UnusableSource):
        prepare_given(command_in(tmp_path), [tmp_path / "ward.zip"], INTAKE, prepare, {})
    assert (folder / "mine").exists() is folder.exists() is persons_own
