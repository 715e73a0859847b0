"""What a person sees of a long stage: lines in a log, disk that is said at once."""

from __future__ import annotations

import logging
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from hounsfield.core import logs
from hounsfield.core.errors import BadInput
from hounsfield.core.logs import duration, need_space, progress, show


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logs.logger, "propagate", True)
    caplog.set_level(logging.INFO, logger="hounsfield")
    return caplog


def test_a_log_has_a_line_after_ten_seconds_and_one_a_minute_with_what_is_left(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    for _ in progress(range(100), unit="chunk", label="prepare"):
        now[0] += 2  # seconds an item
    lines = [record.getMessage() for record in said.records]
    assert lines[0] == "prepare: 5 of 100 chunks in 10 s, about 3 min left"
    assert len(lines) == 1 + (200 - 10) // 60
    assert lines[-1].endswith("about 10 s left")


def test_the_plural_of_a_unit_is_an_english_one(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    for _ in progress(range(3), unit="study", label="join"):
        now[0] += 10
    assert said.records[0].getMessage() == "join: 1 of 3 studies in 10 s, about 20 s left"


def test_a_part_of_a_stage_says_in_each_line_what_is_left_of_all_of_it(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    for _ in progress(range(20), unit="step", label="epoch 1", outlook=lambda done: f"{done} done, an hour to go"):
        now[0] += 1
    assert [record.getMessage() for record in said.records] == [
        "epoch 1: 10 of 20 steps in 10 s, about 10 s left; 10 done, an hour to go"
    ]


def test_a_terminal_has_a_bar_with_what_is_left_of_all_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(logs, "tqdm", partial(logs.tqdm, mininterval=0))
    steps = progress(range(3), unit="step", label="epoch 1", outlook=lambda done: f"an hour after {done}")
    assert list(steps) == [0, 1, 2]
    assert re.search(r"epoch 1: .* 2/3 .*an hour after 2", capsys.readouterr().err)


def test_a_name_that_would_rewrite_the_line_of_a_terminal_stands_there_as_escapes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show("refused: exam\u202egpj.exe and \x1b[2J\r\nstudy\tß 漢")
    assert capsys.readouterr().out == "refused: exam\\u202egpj.exe and \\x1b[2J\\r\nstudy\tß 漢\n"


def test_what_is_done_in_seconds_needs_no_line(said: pytest.LogCaptureFixture) -> None:
    assert list(progress(iter("abc"), total=3)) == ["a", "b", "c"]
    assert said.records == []


def test_paths_below_the_current_folder_are_said_as_a_person_there_types_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    logs.set_up_logging()
    logs.logger.info("%s is missing (see %s), WORK=%s", tmp_path / "data/a", tmp_path / "b.csv", f"/mnt{tmp_path}/c")
    logs.show(f"studies: {tmp_path / 'preds' / 'studies.csv'}\n{tmp_path}")
    out, err = capsys.readouterr()
    assert err.endswith(f" data/a is missing (see b.csv), WORK=/mnt{tmp_path}/c\n")
    assert out == f"studies: preds/studies.csv\n{tmp_path}\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_what_does_not_fit_on_the_disk_is_refused_with_both_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * 10**9)
    monkeypatch.setattr(logs.shutil, "disk_usage", lambda _: usage)
    need_space("prepare", 10**9, tmp_path, what="10 files")
    assert said.records[0].getMessage() == f"prepare: 10 files, about 1.00 GB of disk; 2.00 GB are free in {tmp_path}"
    said.clear()
    need_space("prepare", 10**7, tmp_path, what="1 file")  # next to nothing
    assert said.records == []
    with pytest.raises(BadInput, match=r"10 files need about 3\.00 GB, and 2\.00 GB are free"):
        need_space("prepare", 3 * 10**9, tmp_path, what="10 files")
