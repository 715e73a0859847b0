"""Runs that end in the midst of their work, and what a run leaves, to be held against an undisturbed one's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@contextmanager
def killed_at(call: int, owner: object, name: str) -> Iterator[None]:
    """Let the run inside end when `owner`'s function of that name is called for the `call`-th time, before it acts."""
    calls, whole = [0], getattr(owner, name)

    def killed(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == call:
            raise Killed
        return whole(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, name, killed)
        yield


def files_left(folder: Path, *, but: Collection[str] = ()) -> dict[str, bytes]:
    """Every file below a folder, by its path there, without locks and TensorBoard's, which hold the time.

    but: other files and folders to leave out, by name.
    """
    left_out = {".lock", "tensorboard", *but}
    names = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(name): (folder / name).read_bytes() for name in names if left_out.isdisjoint(name.parts)}
