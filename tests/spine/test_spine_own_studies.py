"""Neck CT of one's own, from DICOM to a line per study, by a run that is finished."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from spine_runs import NAME, start

from hounsfield.competitions.rsna2022.labels import NAMES
from hounsfield.core.errors import MissingInput, WrongTable, WrongUse
from hounsfield.core.storage.files import read_json, write_json
from neck_files import fractured, labels_csv, neck, write_files
from programs import run_program
from spine.made_data import DATA_SET


@pytest.fixture
def copied(finished_necks: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_necks, tmp_path / "work")


def predict(work: Path, *arguments: object) -> None:
    """Stage 71, without pages."""
    shared = ("--config", work / f"{NAME}.yaml", "--work", work, "--no-pages", "--jobs", 1)
    run_program("predict_study", *arguments, *shared)


def given(folder: Path, study: str, count: int = 14, **more: object) -> Path:
    """A study's files under names that tell nothing, with one among them that is no DICOM file."""
    files = {f"IM{number:04d}": data for number, data in neck(count, study, **more).items()}
    return write_files(folder, {**files, "notes.txt": "not a slice"})


def answers(work: Path, name: str) -> pd.DataFrame:
    folder = work / "preds" / "spine" / NAME / "studies" / name
    return pd.read_csv(folder / "findings.csv", dtype={"study": str}, keep_default_na=False)


def test_a_folder_and_a_zip_end_in_a_line_and_findings_per_study(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disc = write_files(tmp_path / "disc.zip", {f"{n}.dcm": data for n, data in neck(20, "1.2.8", seed=3).items()})
    predict(copied, given(tmp_path / "ward 7", "1.2.7"), disc)
    table = answers(copied, "disc_and_1_more")
    assert sorted(table["slices"]) == [14, 20]
    assert sorted(table["folder"]) == ["disc.zip", "ward 7"]
    assert table[list(NAMES)].apply(lambda column: column.between(0, 1)).all().all()
    folder = copied / "preds" / "spine" / NAME / "studies" / "disc_and_1_more"
    assert sorted(path.parent.name for path in folder.glob("*/findings.json")) == sorted(table["study"])
    assert pd.read_csv(folder / "refused.csv")["path"].tolist() == ["ward 7/notes.txt"]
    shown = capsys.readouterr().out
    assert all(study in shown for study in table["study"])
    assert "1.2.7" not in "".join(path.read_text() for path in folder.glob("*.csv"))  # pseudonyms alone


def test_answers_of_a_phantoms_run_say_so_and_what_they_are_outside_of(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The made-up necks are of 1 mm slices; this study is twice as long as any."""
    for record in copied.rglob("study/*/*/output.json"):
        content = read_json(record)
        if "trained_on" in content["facts"]:
            content["facts"]["trained_on"]["drawn"] = True
            write_json(record, content)
    predict(copied, given(tmp_path / "ct", "1.2.7", 30))
    table = answers(copied, "ct")
    assert "PHANTOMS" in table.loc[0, "trained_on"]
    assert "drawn images: no finding" in table.loc[0, "warnings"]
    assert "mm from first to last slice 87, trained on 24 to 30" in table.loc[0, "warnings"]
    assert "PHANTOMS" in capsys.readouterr().out


def test_a_study_says_the_same_alone_beside_others_and_under_other_file_names(copied: Path, tmp_path: Path) -> None:
    predict(copied, given(tmp_path / "alone", "1.2.7"))
    renamed = {f"z/{99 - number}x": data for number, data in neck(14, "1.2.7").items()}
    others = {f"other/{number}": data for number, data in neck(17, "1.2.9", seed=5).items()}
    predict(copied, write_files(tmp_path / "both", {**renamed, **others}))
    alone, both = (answers(copied, name) for name in ("alone", "both"))
    again = both[both["slices"] == 14].iloc[0]
    assert again[list(NAMES)].to_numpy(float) == pytest.approx(alone.loc[0, list(NAMES)].to_numpy(float), abs=1e-6)
    assert again[["first_slice", "last_slice", "C4_slice"]].tolist() == (
        alone.loc[0, ["first_slice", "last_slice", "C4_slice"]].tolist()
    )


def test_a_run_answers_without_the_configuration_of_one_s_own_that_it_was_trained_with(
    copied: Path, tmp_path: Path
) -> None:
    (copied / f"{NAME}.yaml").unlink()
    run = ("--run", f"checkpoints/spine/{NAME}", "--work", copied, "--no-pages", "--jobs", 1)
    run_program("predict_study", given(tmp_path / "ct", "1.2.7"), *run)
    assert len(answers(copied, "ct")) == 1


def test_studies_with_labels_score_the_run(copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "data" / DATA_SET / "pseudonyms.key").write_bytes(b"k" * 32)
    folder = given(tmp_path / "ct", "1.2.7")
    write_files(folder, {f"other/{number}": data for number, data in neck(12, "1.2.8", seed=4).items()})
    labels = tmp_path / "labels.csv"
    labels.write_text(labels_csv({"1.2.7": fractured("C2"), "1.2.8": fractured()}))
    predict(copied, folder, "--labels", labels)
    table = pd.read_csv(copied / "preds/spine" / NAME / "studies/ct/validation/validation.csv")
    assert table["system"].tolist() == ["prior", "bag"]
    assert (table["studies"].tolist(), table["patients"].tolist()) == ([2, 2], [2, 2])
    assert "validation.csv" in capsys.readouterr().out


def test_labels_of_other_studies_are_refused_before_the_networks_answer(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(labels_csv({"9.9": fractured("C2")}))
    with pytest.raises(WrongTable, match=r"labels\.csv: not one of its rows with a label is of a study"):
        predict(copied, given(tmp_path / "ct", "1.2.7"), "--labels", tmp_path / "labels.csv")
    assert (copied / "data/ct/studies.parquet").exists()
    assert not (copied / "data/ct/boxes").exists()


@pytest.mark.slow
def test_files_that_are_added_are_answered_for_in_the_same_data_set(copied: Path, tmp_path: Path) -> None:
    folder = given(tmp_path / "ct", "1.2.7")
    predict(copied, folder)
    assert len(answers(copied, "ct")) == 1
    write_files(folder / "later", {str(number): data for number, data in neck(12, "1.2.8").items()})
    predict(copied, folder)
    assert sorted(answers(copied, "ct")["slices"]) == [12, 14]


def test_own_identifiers_are_shown_where_they_are_asked_for(copied: Path, tmp_path: Path) -> None:
    predict(copied, given(tmp_path / "ct", "1.2.7", patient="Smith^Jane"), "--show-identifiers")
    folder = copied / "preds" / "spine" / NAME / "studies" / "ct"
    own = pd.read_csv(folder / "identified" / "findings.csv", dtype=str)
    assert own.loc[0, ["patient", "study"]].tolist() == ["Smith^Jane", "1.2.7"]
    assert "Smith" not in (folder / "findings.csv").read_text()


@pytest.mark.parametrize(
    ("gone", "stage"),
    [("boxes", "run_52_spine_boxes"), ("vertebrae", "run_53_spine_vertebrae"), ("study", "run_55_spine_study")],
)
def test_missing_networks_are_named_before_a_file_is_read(copied: Path, tmp_path: Path, gone: str, stage: str) -> None:
    shutil.rmtree(copied / "checkpoints" / "spine" / NAME / gone)
    with pytest.raises(MissingInput, match=rf"{gone}/.* is missing; make it with: .*{stage}"):
        predict(copied, given(tmp_path / "ct", "1.2.7"))
    assert [path.name for path in (copied / "data").iterdir()] == [DATA_SET]


def test_paths_that_are_given_to_stage_56_are_answered_with_the_stage_that_takes_them(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied)
    with pytest.raises(MissingInput, match="ward does not exist"):
        start(copied, "predict", "ward")
    (copied / "ward").mkdir()
    with pytest.raises(WrongUse, match=r"ward: studies of your own are answered by: .*run_71_predict_study\.sh ward$"):
        start(copied, "predict", "ward")


def test_wrong_use_is_named(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="nowhere does not exist"):
        predict(copied, "nowhere")
    with pytest.raises(WrongUse, match=f"--apply-to {DATA_SET} is not free"):
        predict(copied, given(tmp_path / "ct", "1.2.7"), "--apply-to", DATA_SET)
