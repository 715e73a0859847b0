"""When each output was made, how long that took, and on what: a line each in `times.jsonl` of the work folder.

Nothing is made from it, and nothing fails without it: outputs of the same bytes took another time on another day, so it
stands in none of them. Reports read it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TIMES = "times.jsonl"
TOPS = ("data", "checkpoints", "preds")  # of a work folder, which hold all outputs


def note_time(folder: Path, digest: str, seconds: float) -> None:
    """Note that the output in `folder`, whose record has this digest, is done. seconds: since its stage opened it.

    Does nothing for a folder that is in no work folder, or where the file cannot be written.
    """
    work = work_of(folder)
    if work is None:
        return
    line = {
        "output": folder.resolve().relative_to(work).as_posix(),
        "digest": digest,
        "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(seconds, 3),
        **machine(),
    }
    with suppress(OSError), (work / TIMES).open("a") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")


def read_times(work: Path) -> dict[str, dict[str, Any]]:
    """The last line of each output, by its place below the work folder; lines that a kill has cut are passed over."""
    found: dict[str, dict[str, Any]] = {}
    with suppress(OSError):
        for text in (work / TIMES).read_text().splitlines():
            with suppress(json.JSONDecodeError, KeyError, TypeError):
                line = json.loads(text)
                found[str(line["output"])] = line
    return found


def time_of(times: Mapping[str, dict[str, Any]], place: str, digest: str | None) -> dict[str, Any] | None:
    """What is known of an output as it is now; None where its line is missing, or of another content."""
    line = times.get(place)
    return line if line is not None and line.get("digest") == digest else None


def work_of(folder: Path) -> Path | None:
    """The work folder that an output's folder is in; None where it is in none."""
    return next((above.parent for above in folder.resolve().parents if above.name in TOPS), None)


def machine() -> dict[str, Any]:
    """What this process computes on, and with which Python."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": _gpus(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _gpus() -> list[str]:
    """The GPUs that this process has used; a stage that has not imported torch has used none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
