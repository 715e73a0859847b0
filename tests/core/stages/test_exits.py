"""How a stage program ends when the system, or who reads its output, lets it down."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faults.processes import PATIENCE
from hounsfield.core.stages.exits import run
from programs import REPOSITORY

START = (
    "import sys, os, errno\nfrom hounsfield.core.stages.exits import run\n"
    "from hounsfield.core.logs import logger, set_up_logging\nfrom hounsfield.core.errors import BadInput\n"
)


def ended(main: str, *, shell: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program whose main is these lines. shell: what its command line goes on with."""
    code = f"{START}def main():\n    " + main.replace("\n", "\n    ") + "\nrun(main)\n"
    environment = {"PYTHONPATH": str(REPOSITORY / "scripts"), "PATH": os.environ["PATH"], **variables}
    words = ["bash", "-c", f'set -o pipefail; "$0" -c "$1" {shell}', sys.executable, code]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("lines", ["print('x')", "print('x' * 100000)", "for _ in range(9999): print('x', flush=True)"])
def test_output_that_nobody_reads_any_more_ends_the_program_quietly(lines: str) -> None:
    done = ended(lines, shell="| true")
    assert done.stderr == ""
    assert done.returncode in (0, 128 + signal.SIGPIPE)


def test_messages_that_nobody_reads_any_more_do_not_end_what_is_worth_doing(tmp_path: Path) -> None:
    mark = tmp_path / "done"
    done = ended(
        "set_up_logging()\nimport time; time.sleep(0.3)\nfor _ in range(99): logger.info('x')\n"
        f"open({str(mark)!r}, 'w')",
        shell="2>&1 | true",
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert mark.exists()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EMFILE, "too many open files"),
        (errno.ENFILE, "too many open files"),
        (errno.ENOMEM, "not enough memory"),
        (errno.ENOSPC, "no space left on a disk"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_limit_of_the_system_is_called_by_its_own_name(
    number: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(SystemExit) as stopped:
        run(main)
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert words in said and said.count("\n") == 1
    assert ("disk" in said) == (number == errno.ENOSPC)


def test_too_many_open_files_are_named_as_such() -> None:
    done = ended(
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))\n[open('/dev/null') for _ in 'x' * 9]"
    )
    assert done.returncode == 1
    assert "too many open files" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "xx_YY"}, {"PYTHONIOENCODING": "ascii"}, {"LANG": ""}])
def test_a_name_that_the_locale_cannot_show_is_no_traceback(locale: dict[str, str]) -> None:
    done = ended("raise BadInput('患者/käse.dcm is cut')", **locale)
    assert done.returncode == 1
    assert "is cut" in done.stderr and "Traceback" not in done.stderr


def test_an_interrupted_program_says_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    done = ended("set_up_logging()\nraise KeyboardInterrupt")
    assert done.returncode == 128 + signal.SIGINT
    assert "what was saved is intact" in done.stderr and "the same command goes on" in done.stderr


def test_an_error_names_a_path_below_the_current_folder_as_it_would_be_typed_there() -> None:
    done = ended('raise BadInput(f"{os.getcwd()}/labels.csv is empty")')
    assert (done.returncode, done.stderr) == (1, "error: labels.csv is empty\n")


def test_what_was_registered_for_the_end_is_done_although_no_module_is_taken_down() -> None:
    done = ended(
        "import atexit, threading, time\n"
        "class Last:\n    def __del__(self): print('taken down')\n"
        "sys.last = Last()\n"
        "atexit.register(lambda: print('registered'))\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('a thread'))).start()\n"
        "sys.stdout.write('unflushed ')\n"
        "raise SystemExit(143)"
    )
    assert (done.stdout, done.returncode) == ("unflushed a thread\nregistered\n", 143)
