"""A run is found by its name, by its configuration, or as the newest that has finished models."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.stages.command import REPOSITORY, Command, Stage, parse, shown, stage_parser
from hounsfield.core.stages.kept_configs import keep_config, kept_config, remedy_of_run
from hounsfield.core.stages.mistakes import first_keys
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.hemorrhage.config import HemorrhageConfig
from hounsfield.systems import SYSTEMS, ChosenRun, named_run, naming_kept_config, newest_runs, run_of_config
from programs import MINI_CONFIG, load_program


def finish(work: Path, model: str, when: int) -> None:
    """A finished model in a folder below checkpoints/."""
    folder = work / "checkpoints" / model
    with output(folder, Provenance("train", {}, {}), force=False, remedy="") as out:
        out.finish([])
    os.utime(folder / "output.json", (when, when))


@pytest.mark.parametrize(
    "text",
    [
        "checkpoints/spine/quickstart",
        "spine/quickstart",
        "{work}/checkpoints/spine/quickstart/",
        "preds/spine/quickstart",
    ],
)
def test_a_run_is_named_as_it_lies(tmp_path: Path, text: str) -> None:
    chosen = named_run(tmp_path, text.format(work=tmp_path), None)
    assert chosen.name == "spine/quickstart"
    assert chosen.config == REPOSITORY / "configs/spine/quickstart.yaml"


def test_the_given_configuration_is_that_of_the_run_of_its_name_alone(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    assert named_run(tmp_path, "hemorrhage/mine", own).config == own
    assert named_run(tmp_path, "hemorrhage/crop", own).config == REPOSITORY / "configs/hemorrhage/crop.yaml"


def test_what_names_no_run_is_answered_with_those_that_are_there(tmp_path: Path) -> None:
    finish(tmp_path, "hemorrhage/quickstart/fold0", 1)
    with pytest.raises(WrongUse, match=r"names no run; .*: --run checkpoints/hemorrhage/quickstart$"):
        named_run(tmp_path, "checkpoints/quickstart", None)
    with pytest.raises(WrongUse, match=r"is not below the work folder"):
        named_run(tmp_path, "/elsewhere/checkpoints/hemorrhage/quickstart", None)
    with pytest.raises(WrongUse, match=r"hemorrhage/mine names no run .*: --run checkpoints/hemorrhage/quickstart$"):
        named_run(tmp_path, "checkpoints/hemorrhage/mine", None)
    finish(tmp_path, "hemorrhage/mine/fold0", 2)
    with pytest.raises(MissingInput, match=r"hemorrhage/mine.yaml is missing; .* --config or CONFIG"):
        named_run(tmp_path, "hemorrhage/mine", None)


def test_a_run_trained_with_a_configuration_of_one_s_own_is_found_with_what_it_was_trained_with(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("data_set: ward7\nclassifier: {epochs: 3}\n")
    stage = load_program("hemorrhage_train_classifier").STAGE
    trained = parse(stage_parser(stage), stage, ["--config", str(own), "--work", str(tmp_path), "--seed", "5"])
    finish(tmp_path, "hemorrhage/mine/fold0", 1)
    assert newest_runs(tmp_path) == []  # of a run from before configurations were kept nobody knows it
    keep_config(trained, "hemorrhage", trained=True)
    own.unlink()
    chosen = named_run(tmp_path, "checkpoints/hemorrhage/mine", None)
    assert newest_runs(tmp_path) == [chosen]
    again = parse(stage_parser(stage), stage, ["--config", str(chosen.config), "--work", str(tmp_path)])
    assert (again.config, again.experiment) == (trained.config, "mine")
    words = shlex.split(remedy_of_run("run_15_bagged_submission", tmp_path / "preds/hemorrhage/mine"))
    assert words[0] == f"CONFIG={shown(chosen.config)}"


def test_a_configuration_that_is_shipped_comes_before_the_kept_one(tmp_path: Path) -> None:
    kept = kept_config(tmp_path, "spine", "quickstart")
    kept.parent.mkdir(parents=True)
    kept.write_text("data_set: other\n")
    assert named_run(tmp_path, "spine/quickstart", None).config == REPOSITORY / "configs/spine/quickstart.yaml"


def test_where_the_shipped_configuration_fits_no_model_the_kept_one_is_named_with_a_line_that_works(
    tmp_path: Path,
) -> None:
    own = tmp_path / "crop.yaml"
    own.write_text("data_set: ward7\nclassifier: {epochs: 3}\n")
    stage = load_program("hemorrhage_extract_embeddings").STAGE

    def asked(run: ChosenRun) -> Command[HemorrhageConfig]:
        return parse(stage_parser(stage), stage, ["--config", str(run.config), "--work", str(tmp_path)])

    finish(tmp_path, "hemorrhage/crop/fold0", 1)
    keep_config(asked(ChosenRun(SYSTEMS["hemorrhage"], own)), "hemorrhage", trained=True)
    shipped = named_run(tmp_path, "hemorrhage/crop", None)
    missing = f"{tmp_path / 'checkpoints/hemorrhage/crop/fold1'} is missing"
    with (
        pytest.raises(MissingInput, match=r" is missing\nOr .*classifier.epochs: 3 -> 5") as caught,
        naming_kept_config(shipped, asked(shipped), "run_71_predict_study.sh", ["a b", "--run", "hemorrhage/crop"]),
    ):
        raise MissingInput(missing)
    words = shlex.split(str(caught.value).rpartition("To answer with it: ")[2])
    config = next(word for word in words if word.startswith("CONFIG=")).removeprefix("CONFIG=")
    assert words[-3:] == ["a b", "--run", "hemorrhage/crop"]
    again = named_run(tmp_path, "hemorrhage/crop", Path(config))
    assert asked(again).config.classifier.epochs == 3
    with (
        pytest.raises(MissingInput, match=r"fold1 is missing$"),
        naming_kept_config(again, asked(again), "run_71_predict_study.sh", []),
    ):
        raise MissingInput(missing)
    with (
        pytest.raises(MissingInput, match=r"labels.csv is missing$"),  # is nothing of the run
        naming_kept_config(shipped, asked(shipped), "run_71_predict_study.sh", []),
    ):
        raise MissingInput(f"{tmp_path / 'crop.yaml/labels.csv'} is missing")


def kept_by(work: Path, *options: str, trained: bool = True) -> HemorrhageConfig:
    """What is kept of a run after a stage with these options."""
    stage = load_program("hemorrhage_train_classifier").STAGE

    def command(config: Path, *words: str) -> Command[HemorrhageConfig]:
        return parse(stage_parser(stage), stage, ["--config", str(config), "--work", str(work), *words])

    keep_config(command(MINI_CONFIG, *options), "hemorrhage", trained=trained)
    return command(kept_config(work, "hemorrhage", MINI_CONFIG.stem)).config


def test_a_stage_that_trains_nothing_leaves_the_kept_configuration_as_it_is(tmp_path: Path) -> None:
    first = kept_by(tmp_path, "--seed", "1", trained=False)  # of a run from before configurations were kept
    assert first.seed == 1
    assert kept_by(tmp_path, "--seed", "2", "--folds", "[0]", trained=False) == first
    kept = kept_config(tmp_path, "hemorrhage", MINI_CONFIG.stem)
    os.utime(kept, (1, 1))
    assert kept_by(tmp_path, "--seed", "1") == first
    assert kept.stat().st_mtime == 1


def test_a_run_that_is_trained_fold_by_fold_keeps_all_of_its_folds(tmp_path: Path) -> None:
    several = ("--prepare.fold_count", "4")
    assert kept_by(tmp_path, *several, "--folds", "[2]").folds == (2,)
    assert kept_by(tmp_path, *several, "--folds", "[0, 3]").folds == (0, 2, 3)
    again = kept_by(tmp_path, *several, "--folds", "[2]", "--classifier.epochs", "1", "--force")
    assert (again.folds, again.classifier.epochs) == ((0, 2, 3), 1)
    assert kept_by(tmp_path, "--prepare.fold_count", "3", "--folds", "[1]").folds == (0, 1, 2)  # there is no fold 3
    assert kept_by(tmp_path, "--folds", "[all]").folds == ("all",)
    assert kept_by(tmp_path, *several, "--folds", "[1]").folds == (1,)


@pytest.mark.parametrize("content", [b"folds: 3", b"folds: [0, [1], x, -2, 99]", b"words", b"\xff"])
def test_what_is_kept_and_cannot_be_read_is_written_anew(tmp_path: Path, content: bytes) -> None:
    kept = kept_config(tmp_path, "hemorrhage", MINI_CONFIG.stem)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    assert set(kept_by(tmp_path, "--folds", "[1]").folds) <= {0, 1}


def test_models_that_are_only_applied_keep_no_configuration(tmp_path: Path) -> None:
    stage = load_program("hemorrhage_train_sequence").STAGE
    applied = ["--config", str(MINI_CONFIG), "--work", str(tmp_path), "--apply-to", "ward7"]
    keep_config(parse(stage_parser(stage), stage, applied), "hemorrhage", trained=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "configs").glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_every_shipped_configuration_reads_back_the_same_where_it_is_kept(path: Path, tmp_path: Path) -> None:
    config_class, default = SYSTEMS[path.parent.name].config_class()
    stage = Stage(config_class, "", default)
    first = parse(stage_parser(stage), stage, ["--config", str(path), "--work", str(tmp_path)])
    keep_config(first, path.parent.name, trained=True)
    kept = kept_config(tmp_path, path.parent.name, path.stem)
    again = parse(stage_parser(stage), stage, ["--config", str(kept), "--work", str(tmp_path)])
    assert again.config == first.config
    assert run_of_config(kept).system.name == path.parent.name


def test_the_newest_run_comes_first_and_what_is_unfinished_or_unknown_counts_for_nothing(tmp_path: Path) -> None:
    finish(tmp_path, "hemorrhage/quickstart/fold0", 10)
    finish(tmp_path, "hemorrhage/quickstart/fold1/sequence_epoch0", 40)
    finish(tmp_path, "stacking/quickstart/small/fold0", 30)
    finish(tmp_path, "hemorrhage/nobody_has_its_configuration/fold0", 50)
    finish(tmp_path, "other/quickstart/fold0", 60)
    with output(tmp_path / "checkpoints/spine/quickstart/a", Provenance("train", {}, {}), force=False, remedy=""):
        pass  # begun
    damaged = tmp_path / "checkpoints/pneumothorax/quickstart/output.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text('{"stage": ')
    assert [run.name for run in newest_runs(tmp_path)] == ["hemorrhage/quickstart", "stacking/quickstart"]
    assert newest_runs(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "configs").glob("*/quickstart.yaml")), ids=lambda p: p.parent.name
)
def test_a_configuration_is_of_its_folder_s_system_and_elsewhere_of_the_one_that_knows_its_settings(
    path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "mine.yaml"
    copy.write_bytes(path.read_bytes())
    assert run_of_config(path).system.name == path.parent.name
    assert run_of_config(copy).name == f"{path.parent.name}/mine"
    assert run_of_config(MINI_CONFIG).system.name == "hemorrhage"


def test_a_configuration_of_no_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("colour: 1\n")
    with pytest.raises(WrongUse, match=r"x.yaml: no system has all of its settings \(colour\)"):
        run_of_config(tmp_path / "x.yaml")


def test_each_system_s_program_of_preparation_can_be_imported() -> None:
    """By name, without what it prepares with."""
    names = [system.prepare for system in SYSTEMS.values()]
    code = f"import sys, {', '.join(names)}\nassert 'torch' not in sys.modules"
    environment = {"PYTHONPATH": str(REPOSITORY / "scripts")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_models_are_looked_for_before_torch_is_imported() -> None:
    """It takes seconds, in which files can be read."""
    code = "import sys\nfrom hounsfield.systems import SYSTEMS\n"
    code += "for name in ('hemorrhage', 'stacking'): SYSTEMS[name].adaptor()\n"
    code += "assert not {'torch', 'timm', 'captum'} & set(sys.modules)"
    environment = {"PYTHONPATH": str(REPOSITORY / "scripts")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize("content", [b"x: " + b"[" * 20_000, b"a: &a [1]\nb: *a\n", b"\xff", b"words"])
def test_a_file_that_no_stage_would_read_has_no_keys_to_know_a_system_by(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    assert first_keys(path) == set()
