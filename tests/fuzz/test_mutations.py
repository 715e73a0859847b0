"""Damaged files: made alike again, read where nothing can happen, counted rightly, and all of them refused or used.

The readings are forked from a pool's processes: a test process is too large to be forked a thousand times.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np
import pytest

import dicom_files as files
from fuzz.anatomy import dissect
from fuzz.counts import NAMES, OUTCOMES, as_json, as_markdown, counted, passes
from fuzz.damage import KINDS, mutate
from fuzz.encodings import ENCODERS, NEAR_LOSSLESS_ERROR, encoded
from fuzz.trial import Batch, Limits, Trial, read_apart, try_batches
from hounsfield.core.dicom.codestreams import CODECS
from hounsfield.core.dicom.reader import DicomSlice, read_slice
from hounsfield.core.errors import Refused, WrongUse
from hounsfield.core.intake.executors import open_executor
from programs import load_program

SHORT = Limits(seconds=0.5)
SMOKE = 12  # mutations a transfer syntax
LOSSLESS = [syntax for syntax in CODECS if not syntax.endswith((".50", ".51", ".81", ".91", ".201", ".202", ".203"))]


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with open_executor(2, None) as (pool, _):
        yield pool


def sound_files(syntax: str) -> tuple[bytes, ...]:
    unsigned = np.clip(files.UNSIGNED, 0, 4095)
    plain = (files.ct_file(), files.ct_file(unsigned, BitsStored=12, HighBit=11))
    return tuple(encoded(data, syntax) for data in plain)


# Readers that go wrong, by name, so that a pool can find them.


def dying(_: bytes) -> DicomSlice:
    os.abort()


def leaving(_: bytes) -> DicomSlice:
    os._exit(3)


def hanging(_: bytes) -> DicomSlice:
    time.sleep(60)
    raise AssertionError("waited for")


def greedy(_: bytes) -> DicomSlice:
    np.empty(5 * 2**30, np.uint8)  # never touched: it is the claim that counts
    raise AssertionError("5 GB under a limit of 4 GB")


def greedy_decoder(data: bytes) -> DicomSlice:
    try:
        return greedy(data)
    except MemoryError:
        raise Refused("unreadable", "decoding failed") from None


def defective(_: bytes) -> DicomSlice:
    raise ZeroDivisionError


def vague(_: bytes) -> DicomSlice:
    raise Refused("somehow", "a code that nobody explains")


def dying_of_short_files(data: bytes) -> DicomSlice:
    return dying(data) if len(data) < len(files.ct_file()) else read_slice(data)


@pytest.mark.parametrize("syntax", CODECS)
def test_every_transfer_syntax_is_written_and_named(syntax: str) -> None:
    assert set(ENCODERS) == set(NAMES) == set(CODECS)
    assert read_slice(sound_files(syntax)[0]).transfer_syntax == syntax


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_lossless_encodings_keep_every_value(syntax: str) -> None:
    for data in sound_files(syntax):
        assert np.array_equal(files.hounsfield_units(read_slice(data, repair_intercept=False)), files.head_hu())


def test_lossy_encodings_stay_close() -> None:
    for syntax, error in (("1.2.840.10008.1.2.4.81", NEAR_LOSSLESS_ERROR), ("1.2.840.10008.1.2.4.50", 150)):
        read = files.hounsfield_units(read_slice(sound_files(syntax)[0]))
        assert np.abs(read - files.head_hu()).max() <= error


def mutations(syntax: str, seed: int, count: int = 50) -> list[bytes]:
    anatomies = [dissect(file) for file in sound_files(syntax)]
    return [mutate(anatomies, seed, syntax, number).data for number in range(count)]


@pytest.mark.parametrize("syntax", [files.EXPLICIT, files.DEFLATED, files.RLE, files.JPEG_2000])
def test_a_seed_gives_the_same_mutations_each_time_and_another_seed_others(syntax: str) -> None:
    first = mutations(syntax, seed=1)
    assert first == mutations(syntax, seed=1)
    assert len(set(first) - set(mutations(syntax, seed=2))) > 40
    assert not set(first) & set(sound_files(syntax))


def test_a_mutation_does_not_depend_on_the_others() -> None:
    anatomies = [dissect(file) for file in sound_files(files.JPEG_LS)]
    assert mutate(anatomies, 3, files.JPEG_LS, 37).data == mutations(files.JPEG_LS, seed=3)[37]


@pytest.mark.parametrize("syntax", CODECS)
def test_every_part_of_a_file_is_damaged_and_in_every_way(syntax: str) -> None:
    anatomies = [dissect(file) for file in sound_files(syntax)]
    made = [mutate(anatomies, 0, syntax, number) for number in range(300)]
    possible = set(KINDS) if CODECS[syntax] != "native" else set(KINDS) - {"fragments", "sizes"}
    assert {mutation.kind for mutation in made} == possible
    file, anatomy = sound_files(syntax)[0], anatomies[0][-1]
    first_changes = [
        next((at for at, (old, new) in enumerate(zip(file, mutation.data, strict=False)) if old != new), None)
        for mutation in made
        if mutation.source == 0
    ]
    for region in anatomy.regions.values():
        assert any(at in region for at in first_changes if at is not None)


@pytest.mark.parametrize(
    ("reader", "outcome", "detail"),
    [
        (dying, "died", "SIGABRT"),
        (leaving, "died", "exit 3"),
        (hanging, "hung", ""),
        (greedy, "uncaught", "MemoryError"),
        (greedy_decoder, "memory", "unreadable"),
        (defective, "uncaught", "ZeroDivisionError"),
        (vague, "uncaught", "unknown code somehow"),
    ],
)
def test_what_a_reader_does_wrong_is_told_by_name(pool: Executor, reader: object, outcome: str, detail: str) -> None:
    limits = SHORT if reader is hanging else Limits()
    reading = pool.submit(read_apart, b"", reader, limits).result(timeout=30)
    assert (reading.outcome, reading.detail) == (outcome, detail)


def test_a_mutation_that_ends_its_process_is_counted_and_the_run_goes_on(pool: Executor) -> None:
    batch = Batch(files.EXPLICIT, (files.ct_file(),), seed=0, numbers=range(80))
    trials = pool.submit(try_batches, [batch], read=dying_of_short_files).result(timeout=60)
    count = counted(trials, [files.EXPLICIT])[files.EXPLICIT]
    assert count.outcomes.total() == 80
    assert 0 < count.outcomes["died"] < 40
    assert set(count.noteworthy) == {("died", "SIGABRT")}
    assert trials == sorted(trials, key=lambda trial: trial.number)


def test_no_mutation_raises_anything_but_a_refusal(pool: Executor) -> None:
    batches = [Batch(syntax, sound_files(syntax), seed=11, numbers=range(SMOKE)) for syntax in CODECS]
    trials = [trial for found in pool.map(try_batches, [[batch] for batch in batches]) for trial in found]
    counts = counted(trials, list(CODECS))
    assert {syntax: count.outcomes.total() for syntax, count in counts.items()} == dict.fromkeys(CODECS, SMOKE)
    assert passes(counts), as_markdown(counts, [])
    outcomes = sum((count.outcomes for count in counts.values()), Counter())
    assert outcomes["refused"] > outcomes.total() // 4
    assert outcomes["unchanged"] > len(CODECS)
    assert max(count.peak for count in counts.values()) < 1000


def trial(number: int, outcome: str, detail: str = "") -> Trial:
    return Trial(files.JPEG_LS, number, "flip", outcome, detail, peak=50.0 + number, seconds=number / 100)


def test_the_table_lists_what_is_to_be_replayed() -> None:
    trials = [trial(0, "refused", "codestream"), trial(9, "died", "SIGSEGV"), trial(7, "died", "SIGSEGV")]
    counts = counted(trials, [files.JPEG_LS])
    table = as_markdown(counts, ["seed 0"])
    assert "| JPEG-LS lossless (.4.80) | 3 | 0 | 0 | 0 | 1 | 0 | 2 | 0 | 0 | 59 | 0.09 |" in table
    assert f"- JPEG-LS lossless: died (SIGSEGV), 2: --replay {files.JPEG_LS} 7, 9" in table
    assert passes(counts)
    facts = as_json(counts)[files.JPEG_LS]
    assert facts["outcomes"] == dict.fromkeys(OUTCOMES, 0) | {"refused": 1, "died": 2}
    assert (facts["replay"], facts["slowest_number"]) == ({"died: SIGSEGV": [7, 9]}, 9)


def test_an_exception_that_is_no_refusal_fails_the_gate() -> None:
    assert not passes(counted([trial(1, "refused", "bits"), trial(2, "uncaught", "KeyError")], [files.JPEG_LS]))


@pytest.mark.parametrize(
    ("word", "meant"),
    [(".4.70", [files.JPEG_LOSSLESS_FIRST_ORDER]), ("jpeg_ls", [files.JPEG_LS, "1.2.840.10008.1.2.4.81"]),
     (files.IMPLICIT, [files.IMPLICIT]), ("5", [files.RLE])],
)  # fmt: skip
def test_a_codec_is_named_by_its_name_or_its_uid_or_the_end_of_that(word: str, meant: list[str]) -> None:
    sources = dict.fromkeys(CODECS, ())
    assert load_program("fuzz/run").syntaxes_named(word, sources) == meant


def test_a_replay_tells_what_came_of_one_mutation_or_which_one_to_choose() -> None:
    program, sources = load_program("fuzz/run"), {syntax: sound_files(syntax) for syntax in (files.RLE,)}
    assert program.replayed("rle", "4", sources, 0).startswith(f"{files.RLE}, mutation 4 (")
    with pytest.raises(WrongUse, match="--replay"):
        program.replayed("rle", "-4", sources, 0)
    with pytest.raises(WrongUse, match="transfer syntax"):
        program.replayed("jpeg", "4", sources, 0)
