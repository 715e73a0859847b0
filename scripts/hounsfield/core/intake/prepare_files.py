"""Files to rows and refusals, for every competition: in chunks, over processes or a cluster, recorded in a journal.

A competition hands in what becomes of one file. Here is the rest: a file that cannot be used is refused with a reason
and costs itself alone, also where it ends or blocks its process; and what was done before a kill is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import pandas as pd
from joblib import cpu_count

from hounsfield.core.counts import count_of
from hounsfield.core.dicom.reason_codes import LISTS_OF_FILES
from hounsfield.core.errors import BadInput, Refused, WrongUse
from hounsfield.core.intake.archives import FileList, SourceFile
from hounsfield.core.intake.executors import SECONDS_PER_FILE, file_time_limit, run_chunks
from hounsfield.core.intake.journal import UNREAD, Journal, Prepared, refusal, refusal_of_killed_file
from hounsfield.core.intake.listings import packed_file
from hounsfield.core.logs import logger, need_space, progress
from hounsfield.core.stages.outputs import Output
from hounsfield.core.storage.files import content_number, write_bytes
from hounsfield.core.storage.image_files import image_path
from hounsfield.core.storage.tables import escape_cell

FILES_PER_CHUNK = 64
REASONS_SHOWN = 3  # where no file can be used
BYTES_OF_A_BLOCK = 512  # as stat counts them
Prepare = Callable[..., dict[str, Any]]  # (file, its bytes, *facts) -> the file's row, but path, stamp and content


class NoneUsable(WrongUse):
    """Files, and not one that can be used as what is wanted: others were meant."""

    def __init__(self, listing: Path, fact: str) -> None:
        super().__init__(f"{listing}: {fact}")
        self.fact = fact


class Task(NamedTuple):
    """A file, and what is known of it already."""

    file: SourceFile
    facts: tuple[Any, ...] = ()


def prepare_files(
    files: FileList,
    prepare: Prepare,
    journal: Journal,
    *,
    facts: pd.DataFrame | None = None,
    jobs: int | None = None,
    dask_scheduler: str | None = None,
    files_per_chunk: int = FILES_PER_CHUNK,
    label: str = "",
) -> None:
    """Prepare `files` and record the results in `journal`.

    prepare: called in another process, so it is pickled; gets the file and its bytes, returns the columns of the
    journal's schema but path, stamp and content, and raises Refused for a file that cannot be used. facts: indexed by
    the files' labels; its columns are handed to `prepare` after the bytes. jobs: processes, None for one per core.
    dask_scheduler: the address of a cluster to use instead. label: of the progress bar.
    """
    results = run_chunks(
        partial(prepare_chunk, prepare=prepare),
        _chunks(files, facts, files_per_chunk),
        lambda task: refusal_of_killed_file(task.file),
        jobs=_processes(len(files), files_per_chunk, jobs) if dask_scheduler is None else jobs,
        dask_scheduler=dask_scheduler,
    )
    chunks = -(-len(files) // files_per_chunk)
    for number, prepared in enumerate(progress(results, total=chunks, unit="chunk", label=label)):
        journal.add(prepared)
        if number == 0 and chunks > 1:
            say_space(label, prepared, journal, len(files))


def say_space(label: str, prepared: Prepared, journal: Journal, count: int) -> None:
    """Say what disk `count` files will take, by the images of the first ones. Raises BadInput when it does not fit."""
    images = [image_path(journal.images, row["image_id"], journal.suffix) for row in prepared.rows]
    taken = sum(image.stat().st_blocks * BYTES_OF_A_BLOCK for image in images if image.exists())
    done = len(prepared.rows) + len(prepared.rejected)
    if taken:
        need_space(label, taken * count // done, journal.images, what=f"{count} files, by the first {done}")


def already_prepared(out: Output, files: FileList, missing: FileList) -> bool:
    """Whether there is nothing to do. Otherwise the output is taken back: no stage may read an old table of new images.

    out: the data set's. missing: those of `files` without a recorded result.
    """
    if out.finished and not missing:
        logger.info("prepare: nothing to do, %s: %s", out.folder.name, count_of(len(files), "files"))
        return True
    out.reopen()
    return False


def _processes(files: int, files_per_chunk: int, jobs: int | None) -> int:
    """No more processes than chunks: to start one takes longer than some files."""
    return max(1, min(jobs or cpu_count(), -(-files // files_per_chunk)))


def prepare_chunk(tasks: Sequence[Task], *, prepare: Prepare) -> Prepared:
    """Prepare each file; one that cannot be used is refused with a reason, and costs itself alone."""
    cv2.setNumThreads(1)  # the processes are the parallelism
    prepared = Prepared()
    for file, facts in tasks:
        number = UNREAD
        try:
            with file_time_limit(SECONDS_PER_FILE):
                content = file.read()
                number = content_number(content)
                row = prepare(file, content, *facts)
            prepared.rows.append({"path": file.label, "stamp": file.stamp, "content": number, **row})
        except Refused as refused:
            message = packed_file(file.name) if refused.code == "not_dicom" else ""
            prepared.rejected.append(refusal(file, refused.code, message or refused.message, number))
    return prepared


def _chunks(files: FileList, facts: pd.DataFrame | None, size: int) -> Iterator[list[Task]]:
    for block in files.blocks(size):
        if facts is None:
            yield list(map(Task, block))
        else:
            known = facts.loc[[file.label for file in block]].itertuples(index=False, name=None)
            yield list(map(Task, block, known))


def write_rejected(listing: Path, rejected: pd.DataFrame) -> None:
    """Write the refused files as CSV, sorted by path.

    rejected: at least the columns path, reason and message.
    """
    listed = rejected.sort_values("path")[["path", "reason", "message"]]
    listed[["path", "message"]] = listed[["path", "message"]].map(escape_cell)
    write_bytes(listing, listed.to_csv(index=False).encode())


def _why_none(messages: pd.Series) -> str:
    """Why no file can be used. messages: how often each occurs, the most frequent first."""
    count = int(messages.sum())
    fact = f"none of {count} files is usable" if count > 1 else "the one file is not usable"
    if len(messages) == 1:
        return f"{fact}: {messages.index[0]}"
    shown = (f"{message} ({number})" for message, number in messages.head(REASONS_SHOWN).items())
    return f"{fact}; the most frequent reasons: {'; '.join(shown)}"


def check_usable(
    listing: Path, usable: int, rejected: pd.DataFrame, share: float, *, option: str, foreign: Collection[str] = ()
) -> None:
    """Log how many files are refused for each reason.

    Raises NoneUsable when nothing is usable, and BadInput when more than `share` of the files is bad.
    listing: the CSV with the reasons, for the message. usable: number of files. option: the setting that `share` comes
    from. foreign: reasons of files that are not of the kind wanted, which are no sign of damage and do not count.
    """
    if len(rejected) and not usable:
        raise NoneUsable(listing, _why_none(rejected["message"].value_counts()))
    for reason, count in rejected["reason"].value_counts().items():
        if reason not in LISTS_OF_FILES:
            logger.warning("refused %d: %s (see %s)", count, reason, listing)
    bad = int((~rejected["reason"].isin(list(foreign))).sum())
    if bad > share * (bad + usable):
        raise BadInput(
            f"{listing}: {bad} of {bad + usable} files were refused, more than {option} ({share:.0%}); the reasons are "
            f"listed there. Mend the files, or accept their loss with a higher {option}"
        )
