"""What a work folder holds, byte for byte, and what of it two runs that did the same may differ in."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.storage.files import file_digest

TOPS = ("data", "checkpoints", "preds")
# pattern below the work folder -> why two undisturbed runs differ there, too
NOT_COMPARED = {
    "**/tensorboard/*": "TensorBoard's event files hold the time of day",
    "data/*/parts/*.parquet": "preparation's own book-keeping: one file a chunk, numbered as the chunks were done",
    "**/.lock": "the empty file that a run locks",
}
KEPT_CONFIG = "checkpoints/*/*/*.yaml"  # holds the number of processes, too: not compared where that is another


def contents(work: Path) -> dict[str, str]:
    """The digest of every file that counts, by its path below `work`."""
    return {
        str(path.relative_to(work)): file_digest(path)
        for top in TOPS
        for path in sorted((work / top).rglob("*"))
        if path.is_file() and compared(path.relative_to(work))
    }


def compared(path: Path) -> bool:
    """True when two runs that did the same must agree in this file (its path below the work folder)."""
    return not any(path.match(pattern) for pattern in NOT_COMPARED)


def differing(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """The files that are missing, that are too many, or whose bytes differ."""
    missing = [f"{name} is missing" for name in expected if name not in found]
    extra = [f"{name} is too many" for name in found if name not in expected]
    other = [f"{name} differs" for name in found if name in expected and found[name] != expected[name]]
    return [*other, *missing, *extra]
