"""Read a mutation where a death, a hang or a wild allocation costs nothing: in a forked process with limits."""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import select
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from fuzz.anatomy import dissect
from fuzz.damage import mutate
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.dicom.reason_codes import REFUSALS
from hounsfield.core.errors import Refused

IMAGES = frozenset({"CR", "CT", "DX", "MR", "NM", "OT"})
ANSWER_BYTES = 2**12
Reader = Callable[[bytes], DicomSlice]


@dataclass(frozen=True)
class Limits:
    """What one reading may take."""

    seconds: float = 20.0
    bytes: int = 4 * 2**30  # of address space: everything a decoder asks for counts, whether it is touched or not


class Reading(NamedTuple):
    """What came of reading one file in a process of its own."""

    outcome: str  # kept, refused, memory, uncaught, died, hung
    detail: str = ""  # the reason's code, the exception, the signal
    flags: tuple[str, ...] = ()
    digest: str = ""  # of the values, as they read, when kept
    peak: float = 0.0  # MB, resident
    seconds: float = 0.0  # of the processor


class Trial(NamedTuple):
    """One mutation and what came of it; see counts.OUTCOMES."""

    syntax: str
    number: int
    kind: str
    outcome: str
    detail: str
    peak: float
    seconds: float


@dataclass(frozen=True)
class Batch:
    """Some mutations of the sound files of one transfer syntax."""

    syntax: str
    sources: tuple[bytes, ...]
    seed: int
    numbers: range


def read_image(data: bytes) -> DicomSlice:
    """The reader under trial: read_slice, for any single grey image."""
    return read_slice(data, modalities=IMAGES)


def try_batches(batches: Sequence[Batch], *, read: Reader = read_image, limits: Limits = Limits()) -> list[Trial]:
    """Read every mutation of the batches, and compare it with what its sound file reads as."""
    trials = []
    for batch in batches:
        anatomies = [dissect(source) for source in batch.sources]
        sound = [read_apart(source, read, limits) for source in batch.sources]
        for number in batch.numbers:
            mutation = mutate(anatomies, batch.seed, batch.syntax, number)
            reading = read_apart(mutation.data, read, limits)
            outcome, detail = judged(reading, sound[mutation.source])
            trials.append(Trial(batch.syntax, number, mutation.kind, outcome, detail, reading.peak, reading.seconds))
    return trials


def judged(reading: Reading, sound: Reading) -> tuple[str, str]:
    """The outcome of a mutation (see counts.OUTCOMES) and its detail."""
    if reading.outcome != "kept":
        return reading.outcome, reading.detail
    new = [flag for flag in reading.flags if flag not in sound.flags]
    if new:
        return "flagged", " ".join(new)
    return ("unchanged" if reading.digest == sound.digest else "other pixels"), ""


def read_apart(data: bytes, read: Reader, limits: Limits) -> Reading:
    """Read `data` in a forked process, which is killed when its time is over."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(sender, data, read, limits)
    os.close(sender)
    with os.fdopen(receiver, "rb", buffering=0) as pipe:
        in_time = bool(select.select([pipe], [], [], limits.seconds)[0])  # the end of the process is heard too
        said = pipe.read(ANSWER_BYTES) if in_time else b""
    if not in_time:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if not in_time:
        reading = Reading("hung")
    elif not said:
        code = os.waitstatus_to_exitcode(status)
        reading = Reading("died", signal.Signals(-code).name if code < 0 else f"exit {code}")
    else:
        answer = json.loads(said)
        reading = Reading(answer["outcome"], answer["detail"], tuple(answer["flags"]), answer["digest"])
    return reading._replace(peak=usage.ru_maxrss * 1024 / 10**6, seconds=usage.ru_utime + usage.ru_stime)


def _answer(sender: int, data: bytes, read: Reader, limits: Limits) -> NoReturn:
    """What the forked process does: read, send one line, and end without any of its parent's clearing up."""
    status = 1
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        resource.setrlimit(resource.RLIMIT_AS, (limits.bytes, limits.bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = math.ceil(2 * limits.seconds)  # should the parent be killed, this process does not go on for ever
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        os.write(sender, json.dumps(_read(data, read)).encode())
        status = 0
    finally:
        os._exit(status)


def _read(data: bytes, read: Reader) -> dict[str, Any]:
    answer: dict[str, Any] = {"outcome": "kept", "detail": "", "flags": (), "digest": ""}
    try:
        slice_ = read(data)
        return answer | {"flags": slice_.flags, "digest": _digest(slice_)}
    except Refused as refused:
        if refused.code not in REFUSALS:
            return answer | {"outcome": "uncaught", "detail": f"unknown code {refused.code}"}
        outcome = "memory" if _ran_out_of_memory(refused) else "refused"
        return answer | {"outcome": outcome, "detail": refused.code}
    except BaseException as error:  # noqa: BLE001  (whatever it is: finding it is what this is for)
        return answer | {"outcome": "uncaught", "detail": type(error).__name__}


def _ran_out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__context__
    return False


def _digest(slice_: DicomSlice) -> str:
    """Of everything that the Hounsfield units follow from."""
    stored = slice_.stored
    facts = f"{stored.shape} {stored.dtype.str} {slice_.slope!r} {slice_.intercept!r} "
    return hashlib.sha256(facts.encode() + stored.tobytes()).hexdigest()
