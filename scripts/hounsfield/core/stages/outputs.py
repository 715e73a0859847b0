"""What an output folder was made from, written into it before the first output.

A stage claims its folder with a recipe. The same recipe means: go on, or there is nothing to do. Another recipe means
that old and new would be mixed: the stage says what differs, and asks for `--force`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hounsfield.core.errors import StaleOutput
from hounsfield.core.storage.files import file_digest, json_values, read_json, value_digest, write_json

RECIPE = "recipe.json"


@dataclass(frozen=True)
class Recipe:
    """stage: its name. settings: the part of the configuration that shapes the output. inputs: name -> digest."""

    stage: str
    settings: dict[str, Any]
    inputs: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values (tuples become lists), as it reads back from a file."""
        values: dict[str, Any] = json_values(asdict(self))
        return values

    def digest(self) -> str:
        """One digest of stage, settings and inputs."""
        return value_digest(self.as_json())


def claim(folder: Path, recipe: Recipe, *, force: bool) -> None:
    """Mark `folder` as made by `recipe`, or confirm that it is.

    Raises StaleOutput, listing what differs, when the folder was made by another recipe. With `force` the folder's old
    content is removed, whatever made it.
    """
    path = folder / RECIPE
    if force and folder.exists():
        _empty(folder)
    elif path.exists():
        changes = differences(read_json(path), recipe.as_json())
        if changes:
            listing = "\n".join(f"  {change}" for change in changes[:20])
            raise StaleOutput(
                f"{folder} was made from something else:\n{listing}\nMake it anew by adding --force (its content is "
                "removed), or use another experiment name"
            )
        return
    write_json(path, recipe.as_json())


def outputs_finished(manifest: Path, recipe: Recipe, *, force: bool) -> bool:
    """True when the outputs that a manifest names lie beside it, whole, and were made by this recipe.

    For a folder that also holds other stages' files, and so cannot be claimed: its outputs are replaced one by one,
    and the manifest, with `recipe` and `outputs` (name -> digest), is written last. With `force` they never count.
    Raises StaleOutput, listing what differs, when they were made by another recipe.
    """
    if force or not manifest.exists():
        return False
    written = read_json(manifest)
    changes = differences(written["recipe"], recipe.as_json())
    if changes:
        listing = "\n".join(f"  {change}" for change in changes[:20])
        names = ", ".join(written["outputs"])
        raise StaleOutput(
            f"{manifest.parent}: {names} were made from something else:\n{listing}\nReplace them by adding --force"
        )
    outputs = {manifest.parent / name: digest for name, digest in written["outputs"].items()}
    return all(path.exists() and file_digest(path) == digest for path, digest in outputs.items())


def differences(old: Any, new: Any, key: str = "") -> list[str]:
    """List what differs between two JSON values, one `key: old -> new` a line."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name in sorted(old.keys() | new.keys()):
            below = f"{key}.{name}" if key else name
            found += differences(old.get(name), new.get(name), below)
        return found
    return [] if old == new else [f"{key}: {_short(old)} -> {_short(new)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _empty(folder: Path) -> None:
    """Remove all but the lock and the recipe: after a kill in between, what is left still has its recipe."""
    for entry in folder.iterdir():
        if entry.name in (".lock", RECIPE):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
