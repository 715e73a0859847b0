from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from conftest import Work, copy_work, work_at
from faults.outputs import compared, differing
from faults.processes import Running
from faults.stops import cut, flip
from faults.table import Checks, as_markdown
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.stages.command import run
from hounsfield.core.storage.files import unwritable_named
from hounsfield.core.storage.image_files import read_image
from hounsfield.core.training.batches import delivered
from hounsfield.core.training.stops import Stopped, stop_on_sigterm
from programs import ask_to_stop, load_program, run_program

PROGRAM = "faults/run"


@pytest.mark.slow
def test_fault_stage_kills_preparation_once_and_writes_what_it_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = load_program(PROGRAM)
    options = ["--small", "--only", "kills", "--stages", "01", "--kills", "1", "--work", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [PROGRAM, *options])
    program.main()
    folder = tmp_path / "preds" / "faults"
    outcomes = json.loads((folder / "faults.json").read_text())["outcomes"]
    assert [outcome["held"] for outcome in outcomes] == [True, True]
    assert "0 of " in outcomes[0]["seen"]
    assert capsys.readouterr().out.endswith((folder / "faults.md").read_text() + "\n")


def test_fault_stage_fails_when_one_fault_does_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = load_program(PROGRAM)
    lost = Checks()
    lost.check(False, "same bytes", "2 of 9 files differ")
    outcome = lost.outcome("1. SIGKILL", "12 killed", "same bytes")
    monkeypatch.setattr(program, "kill_faults", lambda *_: iter([lambda: outcome]))
    monkeypatch.setattr(sys, "argv", [PROGRAM, "--only", "kills", "--work", str(tmp_path)])
    with pytest.raises(BadInput, match="1 of 1 faults did not end as they must"):
        program.main()
    written = (tmp_path / "preds" / "faults" / "faults.md").read_text()
    assert "| 12 killed | same bytes | NOT: 2 of 9 files differ | no |" in written


def test_table_of_faults_keeps_one_row_an_outcome_whatever_was_said() -> None:
    checks = Checks()
    checks.check(True, "said 'a | b'\nand more", "")
    row = as_markdown([checks.outcome("fault", "done", "expected")], []).splitlines()[2]
    assert row == "| fault | done | expected | said 'a / b' and more | yes |"


def test_files_that_hold_the_time_or_the_order_of_work_are_not_compared() -> None:
    assert not compared(Path("checkpoints/hemorrhage/x/fold0/tensorboard/events.out"))
    assert not compared(Path("data/phantom/parts/0000000.rows.parquet"))
    assert compared(Path("data/phantom/slices.parquet"))
    assert compared(Path("data/phantom/output.json"))


def test_missing_extra_and_other_files_are_told_apart() -> None:
    found = differing({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"})
    assert found == ["b differs", "c is missing"]
    assert differing({"a": "1"}, {}) == ["a is too many"]


def test_a_run_is_killed_with_its_children_and_one_that_hangs_is_told(tmp_path: Path) -> None:
    script = "sleep 60 & echo started; sleep 60"
    with Running(["/bin/sh", "-c", script], tmp_path / "said.txt") as running:
        assert running.until(lambda: "started" in running.said)
        assert running.kill() == []
    with Running(["/bin/sh", "-c", script], tmp_path / "said.txt") as running:
        assert running.wait(timeout=0.3).status is None


def test_damage_cuts_a_third_and_flips_a_single_bit() -> None:
    content = bytes(range(30))
    assert len(cut(content)) == 20
    changed = [a ^ b for a, b in zip(flip(content), content, strict=True)]
    assert sorted(changed) == [0] * 29 + [1]


# ---- what the faults have shown, mended ----------------------------------------------------------------------------


def test_an_unwritable_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    told = r"a\.jpg: cannot be written \(No space left on device\).*Make room.*start the same command again"
    with pytest.raises(BadInput, match=told), unwritable_named(tmp_path / "a.jpg"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_image_on_a_stale_handle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_: Path) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(Path, "read_bytes", stale)
    with pytest.raises(BadInput, match=r"a\.jpg cannot be read \(Stale file handle\)"):
        read_image(tmp_path / "a.jpg")


class Samples:
    """Numbers in place of images; the process that loads number 5 dies or fails."""

    def __init__(self, *, dies: bool) -> None:
        self._dies = dies

    def __len__(self) -> int:
        return 8

    def __getitem__(self, number: int) -> int:
        if number == 5 and self._dies:
            assert multiprocessing.parent_process(), "this is the test's own process"
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 5:
            raise MissingInput("/images/5.jpg is missing")
        return number


def loaded(dataset: Samples) -> list[object]:
    from torch.utils.data import DataLoader

    loader = DataLoader(dataset, batch_size=2, num_workers=1)
    return list(
        delivered(loader, lambda number: [f"ID_{2 * number}", f"ID_{2 * number + 1}"], "slices", "Lower the workers")
    )


def test_a_loader_process_that_is_killed_is_an_error_naming_slices_and_remedy() -> None:
    with pytest.raises(BadInput, match=r"killed or died.*were the slices ID_.*Lower the workers"):
        loaded(Samples(dies=True))


def test_what_a_loader_process_raises_is_told_without_its_traceback() -> None:
    with pytest.raises(MissingInput, match=r"\A/images/5\.jpg is missing\Z"):
        loaded(Samples(dies=False))


def test_a_stop_that_comes_after_the_last_look_stops_before_the_next_fold() -> None:
    with pytest.raises(Stopped), stop_on_sigterm():
        ask_to_stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "module", "predict"),
    [
        ("hemorrhage_train_classifier", "hounsfield.core.training.classifier", "shared_batches"),
        ("hemorrhage_train_sequence", "hounsfield.hemorrhage.study_prediction", "prediction_batches"),
    ],
)
def test_a_request_to_stop_is_heeded_in_validation_and_the_run_goes_on_to_the_same_bytes(
    finished: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, module: str, predict: str
) -> None:
    work = work_at(tmp_path / "work")
    copy_work(finished, work)
    weights = work.folder / "checkpoints/hemorrhage/mini/fold0"
    place = weights if "classifier" in program else weights / "sequence_epoch0"
    last = max(place.glob("epoch*.safetensors"))
    expected = last.read_bytes()
    original = getattr(sys.modules[module], predict)
    with monkeypatch.context() as patch:

        def ask_and_predict(*arguments: object, **options: object) -> object:
            ask_to_stop()
            return original(*arguments, **options)

        patch.setattr(sys.modules[module], predict, ask_and_predict)
        with pytest.raises(Stopped):
            run_program(program, *work.arguments, "--fold", 0, "--force")
    assert (place / "unfinished" / "state.pt").exists()
    assert not list(place.glob("epoch0.safetensors"))
    run_program(program, *work.arguments, "--fold", 0)
    assert last.read_bytes() == expected


def test_of_several_processes_only_the_first_speaks_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)

    def fail() -> None:
        raise BadInput("the same in every process")

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(SystemExit):
            run(fail)
    assert len(waited) == 1  # in the second, which torchrun ends meanwhile
    assert capsys.readouterr().err.count("error: the same in every process") == 2


def test_stop_request_of_a_run_that_was_not_asked_changes_nothing() -> None:
    with stop_on_sigterm() as stop:
        assert not stop.received
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
