from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from hounsfield.core.intake.executors import file_time_limit, run_chunks


def double(files: Sequence[int]) -> list[int]:
    """Doubles each number; 13 ends the process as a decoder's abort does, 14 hangs as one in C does."""
    for file in files:
        if file == 13:
            os.abort()
        with file_time_limit(0.5):
            while file == 14:
                time.sleep(0.05)
    return [2 * file for file in files]


def refuse(file: int) -> list[int]:
    return [-file]


def test_every_chunk_is_worked_on_once() -> None:
    chunks = [list(range(start, start + 5)) for start in range(20, 60, 5)]
    results = list(run_chunks(double, chunks, refuse, jobs=2))
    assert sorted(sum(results, [])) == [2 * n for n in range(20, 60)]


def test_a_decoder_that_dies_and_one_that_hangs_cost_one_file_each() -> None:
    chunks = [[10, 11], [12, 13, 15], [14, 16], [17, 18], [19]]
    results = list(run_chunks(double, chunks, refuse, jobs=2))
    assert sorted(sum(results, [])) == sorted([-13, -14, *(2 * n for n in (10, 11, 12, 15, 16, 17, 18, 19))])


@pytest.mark.slow
def test_a_worker_that_dies_while_the_caller_is_busy_costs_its_file_alone() -> None:
    chunks = [[n, 13] if n == 22 else [n] for n in range(20, 30)]
    results = []
    for result in run_chunks(double, chunks, refuse, jobs=2):
        time.sleep(0.15)  # writing what was prepared, say
        results += result
    assert sorted(results) == sorted([-13, *(2 * n for n in range(20, 30))])


PROGRAM = """
import time
from hounsfield.core.intake.executors import run_chunks
import test_executors
for pid in run_chunks(test_executors.own_number, [["a"]], str, jobs=1):
    print(pid, flush=True)
    time.sleep(60)
"""


def own_number(_files: Sequence[str]) -> int:
    return os.getpid()


def test_a_killed_program_leaves_no_worker_behind() -> None:
    tests = Path(__file__).parent
    scripts = tests.parents[2] / "scripts"
    environment = {**os.environ, "PYTHONPATH": f"{scripts}{os.pathsep}{tests}"}
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, env=environment, text=True)
    assert program.stdout is not None
    worker = int(program.stdout.readline())
    assert Path(f"/proc/{worker}").exists()

    program.kill()
    program.wait()

    until = time.monotonic() + 20
    while running(worker) and time.monotonic() < until:
        time.sleep(0.1)
    assert not running(worker)


def running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # ended, and not yet looked at by its new parent
