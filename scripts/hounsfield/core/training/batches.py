"""Images with labels or masks, loaded in batches by background processes. B images, S pixels a side, C classes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hounsfield.core.errors import BadInput, HounsfieldError
from hounsfield.core.logs import logger
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import batches, split_batch
from hounsfield.core.training.loop import Batch
from hounsfield.core.training.stops import Stopped, asked_to_stop

SECONDS_BETWEEN_LOOKS = 5  # while a batch is awaited, for a request to stop
SECONDS_TO_WARN = 60  # without a batch
UNAUGMENTED = -1  # in place of an epoch: the image as it is
NAMED = 64  # images named in a message
Draw = Callable[[str, int, int, int], np.ndarray]  # identifier, checksum, row, epoch -> (S, S, 3)
BatchT = TypeVar("BatchT")


class ImageBatch(NamedTuple):
    """images: (B, S, S, 3), or (B, S, S) where they are grey, of the data set's own type.

    labels: (B, C) float32, NaN where unknown; of images with masks these, (B, S, S) uint8.
    """

    images: Tensor
    labels: Tensor


class Images(Protocol):
    """Images and what is known of each, by (epoch, row): what a draw gives depends on these two alone."""

    unit: str  # what one of them is, in messages: slices, films
    remedy: str  # what to lower when a process that loads them dies for lack of memory

    def __len__(self) -> int:
        """Rows."""

    def __getitem__(self, key: tuple[int, int], /) -> tuple[Tensor, ...]:
        """One image, and its labels or its mask; or a named tuple of more, whose batch is one of its kind."""

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The identifiers of some rows, for messages."""


class SliceImages(Dataset[tuple[Tensor, Tensor]]):
    """The images of some slices, with the labels of each."""

    unit = "slices"

    def __init__(self, ids: np.ndarray, checksums: np.ndarray, labels: np.ndarray, draw: Draw, *, remedy: str) -> None:
        """ids: (N,) text. checksums: (N,) CRC-32 of the images' files. labels: (N, C), NaN where unknown.

        remedy: what to lower when a process that loads them dies for lack of memory.
        """
        # fixed-width arrays: a million Python strings would be copied into every loader worker as it touches them
        self._ids = ids.astype("S")
        self._checksums = checksums.astype(np.int64)
        self.labels = labels.astype(np.float32)
        self._draw = draw
        self.remedy = remedy

    def __len__(self) -> int:
        return len(self._ids)

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """The identifiers of some rows, for messages."""
        return [name.decode() for name in self._ids[rows]]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """One slice's image (S, S, 3) and its labels (C,)."""
        epoch, row = key
        image = self._draw(self._ids[row].decode(), int(self._checksums[row]), row, epoch)
        return torch.from_numpy(image), torch.from_numpy(self.labels[row])


class ImageBatches:
    """One epoch's batches of images."""

    def __init__(
        self,
        images: Images,
        epoch: int,
        devices: Devices,
        *,
        order: np.ndarray,
        batch_size: int,
        accumulate: int = 1,
        drop_last: bool = False,
        steps: int | None = None,
        workers: int,
    ) -> None:
        """order: (N,) row numbers, a function of the epoch. batch_size: over all processes.

        accumulate: parts that a batch is cut into. steps: at most; None: all. drop_last: leave out a last batch that is
        smaller. Raises BadInput when no batch is left.
        """
        self._images, self._epoch, self._devices = images, epoch, devices
        self._accumulate, self._workers = accumulate, workers
        self._rows = batches(order, batch_size, drop_last=drop_last)[:steps]
        if not self._rows:
            raise BadInput(
                f"{len(order)} {images.unit} to train on are fewer than one batch of {batch_size}, and a smaller batch "
                "is dropped: lower the batch size, or keep the last batch"
            )

    def __len__(self) -> int:
        return len(self._rows)

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        """This process's parts of each step from `first` on, their samples as `load_batches` gives them."""
        rank, world = self._devices.rank, self._devices.world
        shares = [split_batch(rows, rank=rank, world=world, parts=self._accumulate) for rows in self._rows[first:]]
        loader = load_batches(
            self._images,
            [(self._epoch, share.samples) for step in shares for share in step],
            workers=self._workers,
            device=self._devices.device,
        )
        for step in shares:
            yield [Batch(next(loader), torch.from_numpy(share.weights)) for share in step]

    def describe(self, step: int) -> str:
        """The images of a step, by their identifiers."""
        return f"the {self._images.unit} {', '.join(self._images.image_ids(self._rows[step])[:NAMED])}"


def load_batches(
    dataset: Images, batches: Sequence[tuple[int, np.ndarray]], *, workers: int, device: torch.device
) -> Iterator[Any]:
    """Load batches in order, in background processes. batches: the epoch and the row numbers of each.

    A batch is an ImageBatch; of named tuples one of their kind, stacked, or as the kind's own `collate` joins them.
    """
    loader: DataLoader[Any] = DataLoader(
        dataset,  # type: ignore[arg-type]  # torch asks for its own class; what it uses is in Images
        batch_sampler=_Keys(batches),
        num_workers=min(workers, len(batches)) if len(batches) > 1 else 0,  # to start one takes longer than a batch
        collate_fn=_collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=_one_thread,
    )
    return delivered(loader, lambda number: dataset.image_ids(batches[number][1]), dataset.unit, dataset.remedy)


def shared_batches(
    images: Images, batch_size: int, devices: Devices, *, workers: int
) -> Iterator[tuple[np.ndarray, Any]]:
    """This process's share of all images as they are: row numbers (B,), and the batch as `load_batches` gives it."""
    own = batches(np.arange(len(images)), batch_size)[devices.rank :: devices.world]
    loader = load_batches(images, [(UNAUGMENTED, rows) for rows in own], workers=workers, device=devices.device)
    return zip(own, loader, strict=True)


def delivered(
    loader: DataLoader[BatchT], ids_of: Callable[[int], Sequence[str]], unit: str, remedy: str
) -> Iterator[BatchT]:
    """The loader's batches, its processes started at once.

    ids_of: the identifiers of the images of a batch, by its number. unit: what one is, in messages. Raises BadInput
    with them and the remedy when the process that loads them died, and what a loader process raised as it would be
    raised here.
    """
    if not loader.num_workers:
        return iter(loader)
    loader.timeout = SECONDS_BETWEEN_LOOKS
    batches = iter(loader)
    if threading.current_thread() is threading.main_thread():
        # torch raises from a signal handler, wherever the program then is; where a batch is asked for, its images are
        # known, and a death is noticed there all the same
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return _deliver(batches, ids_of, unit, remedy)


def _deliver(
    batches: Iterator[BatchT], ids_of: Callable[[int], Sequence[str]], unit: str, remedy: str
) -> Iterator[BatchT]:
    number, waited = 0, 0
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except HounsfieldError as error:
            # torch puts the traceback of the loader process in front of the message
            raise type(error)(str(error).rpartition(f"{type(error).__name__}: ")[2].strip()) from error
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
            # a batch that a dead process had announced is asked for at a socket that went with it
            _end_if_asked(getattr(batches, "_workers", ()))
            names = f"{unit} {', '.join(ids_of(number)[:NAMED])}"
            if not _stalled(error):
                raise BadInput(
                    f"a process that loads images was killed or died; the next to come were the {names}. Was memory "
                    f"short, or /dev/shm full? {remedy}, and start the same command again; what was saved is intact"
                ) from error
            waited += SECONDS_BETWEEN_LOOKS  # and the same batch is asked for again
            if waited % SECONDS_TO_WARN == 0:
                logger.warning("no data for %d s: the %s are awaited. Does their disk answer?", waited, names)
            continue
        yield batch
        number, waited = number + 1, 0


def _stalled(error: Exception) -> bool:
    """True when no loader process has died, and none has delivered. Raises an error that is neither."""
    if isinstance(error, RuntimeError) and "exited unexpectedly" not in str(error):
        if "timed out" not in str(error):
            raise error
        return True
    return False


def _end_if_asked(loaders: Sequence[BaseProcess]) -> None:
    """Raise Stopped when the run is asked to stop: the same request may have ended the loaders, or they are stuck."""
    if asked_to_stop():
        for loader in loaders:
            loader.kill()  # else each is waited for
        raise Stopped


class _Keys:
    """The keys of each batch, made when they are asked for: of a million slices they would take a hundred megabytes."""

    def __init__(self, batches: Sequence[tuple[int, np.ndarray]]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch, rows in self._batches:
            yield [(epoch, int(row)) for row in rows]


def _collate(samples: Sequence[tuple[Tensor, ...]]) -> Any:
    kind: Any = type(samples[0])
    if hasattr(kind, "collate"):
        return kind.collate(samples)
    stacked = [torch.stack(parts) for parts in zip(*samples, strict=True)]
    return ImageBatch(*stacked) if kind is tuple else kind(*stacked)


def _one_thread(_: int) -> None:
    """The loader processes are the parallelism; threads inside them would only fight.

    A request to stop that is sent to the whole group is heeded by the process that trains; what it still needs, they
    load, in a group of their own. They end with it.
    """
    os.setpgid(0, 0)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
