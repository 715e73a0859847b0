"""Which run the report is asked of, and what it cannot be asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.stages.outputs import Provenance, output
from programs import load_program, run_program


def test_a_run_that_is_not_there_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"crop holds no finished run; make it with: .*run_15_bagged_submission.sh"):
        run_program("report", "--run", "preds/hemorrhage/crop", "--work", tmp_path)
    with output(tmp_path / "preds/hemorrhage/one", Provenance("x", {}, {}), force=False, remedy="") as out:
        out.finish([])
    with pytest.raises(WrongUse, match=r"other is no run; those of .*: \S+/preds/hemorrhage/one$"):
        run_program("report", "--run", "preds/hemorrhage/other", "--work", tmp_path)
    trained = tmp_path / "checkpoints/spine/two"
    with output(trained, Provenance("x", {}, {}), force=False, remedy="") as out:
        out.finish([])
    with pytest.raises(WrongUse, match=r"is no run of .*; those of \S+: --run checkpoints/spine/two$"):
        run_program("report", "--run", tmp_path, "--work", tmp_path)
    with pytest.raises(WrongUse, match=rf"--run {trained}$"):
        run_program("report", trained, "--work", tmp_path)


def test_a_configuration_stands_for_its_run(tmp_path: Path) -> None:
    program, own = load_program("report"), tmp_path / "mine.yaml"
    assert program.run_of(tmp_path, Path("configs/spine/published.yaml")) == Path("preds/spine/published")
    with pytest.raises(WrongUse, match="0 systems have a run mine"):
        program.run_of(tmp_path, own)
    (tmp_path / "preds/stacking/mine").mkdir(parents=True)
    assert program.run_of(tmp_path, own) == Path("preds/stacking/mine")


def test_checkpoints_stand_for_their_run() -> None:
    found = load_program("report").run_folder(Path("/w"), Path("/w/checkpoints/spine/published"))
    assert found == Path("/w/preds/spine/published")


def test_robustness_that_a_system_has_not_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="--shifts: the spine system has no changes of its images"):
        run_program("report", "--run", tmp_path / "preds/spine/one", "--work", tmp_path, "--shifts")
