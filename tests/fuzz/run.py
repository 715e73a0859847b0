"""Damage DICOM files of every transfer syntax in thousands of seeded ways, and count what the reader makes of them.

In: nothing (phantom slices are drawn and encoded), or a folder of DICOM files.
Out: preds/mutations/mutations.md, which is printed too, and mutations.json.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from fuzz.counts import as_json, as_markdown, counted, passes
from fuzz.encodings import encoded
from fuzz.trial import Batch, Limits, Trial, read_apart, read_image, try_batches
from hounsfield.competitions.rsna2019.head_phantom.archive import render_patient
from hounsfield.competitions.rsna2019.head_phantom.recipe import PhantomRecipe
from hounsfield.core.dicom.codestreams import CODECS
from hounsfield.core.dicom.header import read_header
from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.intake.archives import list_files
from hounsfield.core.intake.executors import run_chunks
from hounsfield.core.logs import Stopwatch, logger, progress, summary
from hounsfield.core.stages.command import REPOSITORY, run
from hounsfield.core.stages.ranges import whole_count
from hounsfield.core.storage.files import write_bytes, write_json

BATCH = 100  # mutations
PHANTOM_PATIENTS = (1, 2, 3)  # two with 12 bits and a wrong intercept, one with 16 bits, a sign and padding
PHANTOM_SIZE = 128  # pixels a side: small, so that headers are a good part of the file
SOURCES_A_SYNTAX = 4  # of a folder's files

Sources = dict[str, tuple[bytes, ...]]


def main() -> None:
    """Damage, read, count; exit code 1 when the reader raised anything but a refusal."""
    options = parse_arguments()
    sources = folder_sources(options.files) if options.files else phantom_sources()
    if options.replay:
        word, number = options.replay
        print(replayed(word, number, sources, options.seed))
        return
    wanted = [syntax for word in options.only for syntax in syntaxes_named(word, sources)] or list(sources)
    sources = {syntax: sources[syntax] for syntax in CODECS if syntax in wanted}
    stopwatch = Stopwatch()
    counts = counted(trials(sources, options), list(sources))
    remarks = [
        f"seed {options.seed}; made of {options.files or 'phantom slices, encoded here'}",
        f"each read in a process of its own with {Limits().bytes / 2**30:g} GB of address space and "
        f"{Limits().seconds:g} s; peak MB is resident, Python included; seconds are the processor's",
    ]
    table = as_markdown(counts, remarks)
    output = options.work / "preds" / "mutations"
    write_bytes(output / "mutations.md", table.encode())
    write_json(output / "mutations.json", {"seed": options.seed, "codecs": as_json(counts)})
    print(table, end="")
    summary("mutations", options.count * len(sources), "mutations", stopwatch.seconds)
    if not passes(counts):
        logger.error("the reader raised something else than a refusal; the table says where")
        sys.exit(1)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, default=REPOSITORY, help="folder that holds preds")
    parser.add_argument("--files", type=Path, help="damage the files of this folder instead of phantoms")
    parser.add_argument("--count", type=whole_count, default=5000, help="mutations a transfer syntax")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="CODEC",
        help="transfer syntaxes, by UID or its end (.4.70), or one of: " + ", ".join(sorted(set(CODECS.values()))),
    )  # fmt: skip
    parser.add_argument("--replay", nargs=2, metavar=("SYNTAX", "NUMBER"), help="read one mutation, print its outcome")
    parser.add_argument("--jobs", type=whole_count, help="processes (default: one a core)")
    return parser.parse_args(arguments)


def phantom_sources() -> Sources:
    """One slice of each phantom patient, under every transfer syntax."""
    recipe = PhantomRecipe(size=PHANTOM_SIZE, slices=(4, 4))
    plain = [render_patient(recipe, patient)[-1].data for patient in PHANTOM_PATIENTS]
    return {syntax: tuple(encoded(slice_, syntax) for slice_ in plain) for syntax in CODECS}


def folder_sources(folder: Path) -> Sources:
    """The folder's files that are read without complaint, a few of each transfer syntax, from all over the folder."""
    found = defaultdict(list)
    for file in list_files(folder):
        data = Path(file.container, file.name).read_bytes()
        if read_apart(data, read_image, Limits()).outcome == "kept":
            found[read_header(data).transfer_syntax].append(data)
    if not found:
        raise MissingInput(f"{folder}: none of its files is a single-frame image that can be read")
    return {syntax: tuple(files[:: -(-len(files) // SOURCES_A_SYNTAX)]) for syntax, files in found.items()}


def syntaxes_named(word: str, sources: Sources) -> list[str]:
    """The transfer syntaxes that a codec's name, a UID or the end of one means. Raises WrongUse."""
    ends = word if word.startswith(".") else f".{word}"
    found = [syntax for syntax in sources if word in (syntax, CODECS[syntax]) or syntax.endswith(ends)]
    if not found:
        raise WrongUse(f"no file here has the transfer syntax {word[:64]!r}; there are: {', '.join(sources)}")
    return found


def replayed(word: str, number: str, sources: Sources, seed: int) -> str:
    """One mutation read again, and what came of it. Raises WrongUse when it is not clear which is meant."""
    syntaxes = syntaxes_named(word, sources)
    if len(syntaxes) > 1 or not number.isdecimal():
        raise WrongUse(f"--replay takes one transfer syntax ({' or '.join(syntaxes)}) and a number from 0 up")
    batch = Batch(syntaxes[0], sources[syntaxes[0]], seed, range(int(number), int(number) + 1))
    (trial,) = try_batches([batch])
    return f"{trial.syntax}, mutation {trial.number} ({trial.kind}): {trial.outcome} {trial.detail}".strip()


def trials(sources: Sources, options: argparse.Namespace) -> Iterator[Trial]:
    """All mutations, read on all cores, in any order."""
    batches = [
        [Batch(syntax, files, options.seed, range(start, min(start + BATCH, options.count)))]
        for syntax, files in sources.items()
        for start in range(0, options.count, BATCH)
    ]
    results = run_chunks(try_batches, batches, refuse=lost, jobs=options.jobs)
    for result in progress(results, total=len(batches), unit=" batches", label="mutations"):
        yield from result


def lost(batch: Batch) -> list[Trial]:
    """What is counted when the process that starts the readings was itself killed."""
    return [Trial(batch.syntax, number, "", "died", "with its batch", 0.0, 0.0) for number in batch.numbers]


if __name__ == "__main__":
    run(main)
