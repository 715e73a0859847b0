"""The story of a data set that changes under its models, step by step: each step is refused, naming what and why."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from remedies import paste, paste_into_shell, remedies_in, stage_of
from trained_data_set import (
    BAG,
    CLASSIFIER,
    EMBEDDINGS,
    PREPARE,
    SEQUENCE,
    TRAINING,
    Told,
    assert_clean,
    follow_remedies,
    with_other_labels,
)

from conftest import MINI_PHANTOM
from hounsfield.core.errors import StaleOutput, WrongUse
from programs import MINI_CONFIG, held_by_another_process, run_program, work_of

pytestmark = pytest.mark.slow  # it trains five folds, and anew after most changes

THREE = ("--prepare.fold_count", 3, "--fold", 0, 1, 2)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "WORK", "DATA_SET", "FOLDS", "ARCHIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory, phantom_archive: Path) -> Told:
    """Five folds, trained to the end."""
    folder = tmp_path_factory.mktemp("story")
    config = folder / "five.yaml"
    text = MINI_CONFIG.read_text().replace("folds: [0, 1]", "folds: [0, 1, 2, 3, 4]")
    text = text.replace("fold_count: 2", "fold_count: 5").replace(
        "epochs: 2, batch_size: 8", "epochs: 1, batch_size: 16"
    )
    config.write_text(text)
    told = Told(folder / "work", phantom_archive, config)
    told.prepare()
    for program in TRAINING:
        told.run(program)
    return told


@pytest.fixture
def told(trained_once: Told, tmp_path: Path) -> Told:
    """A copy of the test's own."""
    shutil.copytree(trained_once.work, tmp_path / "work")
    return trained_once._replace(work=tmp_path / "work")


# ---- other folds


def test_other_folds_are_refused_saying_what_changes_and_what_becomes_stale(told: Told) -> None:
    refusal = told.refusal(PREPARE, "--archive", told.archive, "--prepare.fold_count", 3)
    assert "fold_count: 5 -> 3" in refusal
    assert "makes stale what was made from the data set phantom" in refusal
    assert str(told.work / "checkpoints/hemorrhage/five/fold0") in refusal
    assert stage_of(remedies_in(refusal)[0]) == ["run_01"]
    told.run(BAG)  # nothing has changed


def test_after_other_folds_every_stage_names_the_classifier_and_why_and_the_remedies_end_clean(told: Told) -> None:
    assert_clean(told, 5)
    told.prepare("--prepare.fold_count", 3, "--force")
    for program in TRAINING:
        refusal = told.refusal(program)
        assert "was prepared with 3 folds, and prepare.fold_count is 5" in refusal
        assert len(remedies_in(refusal)) == 2
    assert "checkpoints/hemorrhage/five/fold0 was made from something else" in told.refusal(CLASSIFIER, *THREE)
    for program, again in ((EMBEDDINGS, "12"), (SEQUENCE, "12 13"), (BAG, "12 13 14")):
        refusal = told.refusal(program, *THREE)
        assert "checkpoints/hemorrhage/five/fold0: data set.fold_count: 5 -> 3" in refusal
        assert stage_of(remedies_in(refusal)[0]) == [f"run_{stage}" for stage in again.split()]
    assert follow_remedies(told, BAG, *THREE) == ["run_12", "run_13", "run_14", "run_15"]
    assert_clean(told, 3)


def test_the_folds_of_the_data_set_can_be_kept_as_the_second_remedy_says(told: Told) -> None:
    told.prepare("--prepare.fold_count", 3, "--force")
    keep = remedies_in(told.refusal(CLASSIFIER))[1]
    assert keep.endswith("--fold 0 1 2 --prepare.fold_count 3")
    with pytest.raises(StaleOutput, match="fold_count: 5 -> 3"):
        paste(keep)
    paste(f"{keep} --force")


def test_preparing_again_as_the_first_remedy_says_makes_all_whole_without_training(told: Told) -> None:
    told.prepare("--prepare.fold_count", 3, "--force")
    paste(remedies_in(told.refusal(BAG))[0])
    told.run(BAG)
    assert_clean(told, 5)


def test_embeddings_of_a_classifier_of_other_folds_are_refused(told: Told, tmp_path: Path) -> None:
    """A person puts the classifiers of five folds back where those of three were trained."""
    shutil.copytree(told.work / "checkpoints", tmp_path / "five folds")
    told.prepare("--prepare.fold_count", 3, "--force")
    follow_remedies(told, EMBEDDINGS, *THREE)
    shutil.rmtree(told.work / "checkpoints")
    shutil.copytree(tmp_path / "five folds", told.work / "checkpoints")
    for program in (EMBEDDINGS, SEQUENCE, BAG):
        assert "fold0: data set.fold_count: 5 -> 3" in told.refusal(program, *THREE)
    follow_remedies(told, BAG, *THREE)
    assert_clean(told, 3)


def test_changed_labels_are_refused_and_train_everything_anew(told: Told, tmp_path: Path) -> None:
    other = with_other_labels(told.archive, tmp_path / "other labels.zip")
    refusal = told.refusal(PREPARE, "--archive", other)
    assert "labels: another content" in refusal and "makes stale" in refusal
    paste(remedies_in(refusal)[0])
    assert "fold0: data set: another content" in told.refusal(BAG)
    assert follow_remedies(told, BAG) == ["run_12", "run_13", "run_14", "run_15"]
    assert_clean(told, 5)


def test_another_folder_of_images_is_refused(told: Told, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    run_program("rsna2019_phantom", "--output", other, *MINI_PHANTOM[:-1], 8)
    refusal = told.refusal(PREPARE, "--archive", other)
    assert "files: another content" in refusal and "makes stale" in refusal
    assert "labels: another content" in refusal


def test_a_classifier_that_is_trained_anew_makes_stale_what_was_made_from_the_one_before(told: Told) -> None:
    told.run(CLASSIFIER, "--fold", 0, "--classifier.learning_rate", 0.01, "--force")
    for program, again in ((EMBEDDINGS, "13"), (SEQUENCE, "13"), (BAG, "13 14")):
        refusal = told.refusal(program, "--classifier.learning_rate", 0.01)
        assert "classifier.learning_rate: 0.001 -> 0.01" in refusal
        assert stage_of(remedies_in(refusal)[0]) == [f"run_{stage}" for stage in again.split()]


# ---- while a stage runs


def test_a_data_set_that_a_stage_reads_is_not_replaced(told: Told) -> None:
    before = (told.work / "data/phantom/output.json").read_bytes()
    reader = held_by_another_process(told.work / "data/phantom", shared=True)
    with reader, pytest.raises(WrongUse, match=r"data/phantom: another run is reading"):
        told.prepare("--prepare.fold_count", 3, "--force")
    assert (told.work / "data/phantom/output.json").read_bytes() == before


@pytest.mark.parametrize(
    ("program", "inside", "held"),
    [
        (CLASSIFIER, "train_classifier", ["data/phantom"]),
        (EMBEDDINGS, "fill_store", ["data/phantom", "checkpoints/hemorrhage/five/fold0"]),
        (SEQUENCE, "train", ["data/phantom", "data/phantom/embeddings/five/fold0/epoch0"]),
        (
            BAG,
            "bag",
            ["data/phantom", "data/phantom/embeddings/five/fold0/epoch0", "preds/hemorrhage/five/fold0_epoch0"],
        ),
    ],
)
def test_every_stage_holds_what_it_reads(told: Told, program: str, inside: str, held: list[str]) -> None:
    """While it works another process cannot write there."""
    code = (
        "import sys; from pathlib import Path; from hounsfield.core.storage.files import locked\n"
        "from hounsfield.core.errors import WrongUse\n"
        "for place in sys.argv[1:]:\n"
        "    try:\n        with locked(Path(place)): print('free')\n"
        "    except WrongUse: print('held')\n"
    )
    found = []

    class Enough(Exception):
        pass

    def look(*_: object) -> None:
        command = [sys.executable, "-c", code, *(told.work / place for place in held)]
        environment = {"PYTHONPATH": ":".join(sys.path)}
        found.extend(subprocess.run(command, env=environment, capture_output=True, text=True).stdout.split())
        raise Enough

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Enough):
        patch.setattr(work_of(program), inside, look)
        run_program(program, *told.arguments, "--fold", "0", "--force")
    assert found == ["held"] * len(held)


# ---- the wrong data set


def test_a_data_set_at_odds_with_the_configuration_is_refused(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_SET", "other")
    assert "DATA_SET=other is at odds with" in told.refusal(CLASSIFIER)
    for program in (EMBEDDINGS, SEQUENCE, BAG):
        refusal = told.refusal(program)
        assert f"{told.work}/data/other is missing; make it with: " in refusal
        assert "DATA_SET=other" in remedies_in(refusal)[0]


# ---- every remedy, as a person pastes it


def refusals(told: Told) -> Iterator[str]:
    """Things to be put right, one after the other; each begins where the remedy of the one before has been pasted."""
    work, one = told.work, told.refusal
    shutil.rmtree(work / "data/phantom")
    yield one(CLASSIFIER, "--fold", 0)  # no data set
    yield one(EMBEDDINGS, "--fold", 0)  # no classifier
    yield one(SEQUENCE, "--fold", 0)  # no embeddings
    yield one(BAG, "--fold", 0)  # no predictions
    yield one(CLASSIFIER, "--fold", 0, "--classifier.learning_rate", 0.01)  # another classifier is there
    yield one(EMBEDDINGS, "--fold", 0, "--classifier.learning_rate", 0.01)  # embeddings of the one before
    yield one(BAG, "--fold", 0, "--classifier.learning_rate", 0.01)  # a network on the embeddings before
    (work / "preds/hemorrhage/five/fold0_epoch0/predictions.parquet").unlink()
    yield one(BAG, "--fold", 0, "--classifier.learning_rate", 0.01, "--sequence.epochs", 3)  # a file has gone
    yield one(SEQUENCE, "--fold", 0, "--classifier.learning_rate", 0.01, "--sequence.learning_rate", 0.002)
    yield one(PREPARE, "--archive", told.archive, "--prepare.fold_count", 3)  # other folds
    yield one(CLASSIFIER, "--fold", 0)  # the configuration says five
    yield one(BAG, "--fold", 0, *THREE[:2])  # all that was made of five


def test_every_remedy_works_as_it_is_printed_from_another_folder(trained_once: Told, tmp_path: Path) -> None:
    """Paths hold blanks and a quote. Each command ends well, and what it was to put right is not refused again."""
    folder = tmp_path / "it's another folder"
    folder.mkdir()
    shutil.copy(trained_once.config, folder / "five.yaml")
    (tmp_path / "elsewhere").mkdir()
    archive = Path(shutil.copy(trained_once.archive, folder / "all of it.zip"))
    told = Told(folder / "work", archive, folder / "five.yaml")
    raw = told.work / "data/raw/phantom"
    raw.mkdir(parents=True)
    shutil.copy(archive, raw / "rsna-intracranial-hemorrhage-detection.zip")
    (told.work / "data/phantom").mkdir()
    refused: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "elsewhere")
        for message in refusals(told):
            assert message not in refused
            refused.append(message)
            paste_into_shell(remedies_in(message)[0], tmp_path)
    assert len(refused) >= 10
