"""Weights and training state on disk.

Weights are safetensors with a JSON file beside them: nothing in them can run code. The training state, which a killed
run goes on from, is `torch.save` behind a digest, and is read with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.logs import logger
from hounsfield.core.storage.files import atomic_write, file_digest, read_json, write_bytes, write_json

DIGEST_BYTES = 32  # SHA-256, in front of the training state


def save_weights(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write weights to `path` (.safetensors), then `facts` with their digest to the .json beside it."""
    with atomic_write(path) as partial:
        # serialised in memory first: the library's own writing does not report a full disk as such
        partial.write_bytes(save({name: value.detach().cpu().contiguous() for name, value in weights.items()}))
    write_json(path.with_suffix(".json"), {**facts, "sha256": file_digest(path)})


def weights_name(epoch: int) -> str:
    """The file of a network's weights after one of its epochs."""
    return f"epoch{epoch}.safetensors"


def with_facts(weights: Iterable[str]) -> list[str]:
    """Files of weights, and of the facts beside each."""
    return [name for own in weights for name in (own, own.replace(".safetensors", ".json"))]


def weights_exist(path: Path) -> bool:
    """True when the weights at `path` were written to the end."""
    return path.exists() and path.with_suffix(".json").exists()


def load_weights(path: Path, *, remedy: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read weights and facts that `save_weights` wrote; a digest that does not match is an error."""
    if not weights_exist(path):
        raise MissingInput(f"{path} is missing{'; make it with: ' + remedy if remedy else ''}")
    facts = read_json(path.with_suffix(".json"))
    if file_digest(path) != facts["sha256"]:
        raise BadInput(f"{path} does not match the digest beside it (.json); train it again with --force")
    return load_file(path), facts


def read_foreign_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict from elsewhere: safetensors, or a torch file that holds tensors and plain containers only.

    A leading `module.` (DataParallel's) is taken off the names. Raises MissingInput or BadInput, naming the file.
    """
    if not path.exists():
        raise MissingInput(f"{path} is missing: put the weights there, or name another file")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, SafetensorError, ValueError) as error:
        reason = str(error).splitlines()[0][:200]
        raise BadInput(
            f"{path} holds more than tensors, or is no weights file, and was not loaded: {reason}"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BadInput(f"{path} is not a state dict (names with tensors)")
    return {name.removeprefix("module."): value for name, value in state.items()}


def fill(model: nn.Module, weights: Mapping[str, Tensor], *, source: Path, replaced: str | None = None) -> list[str]:
    """Load weights from elsewhere into `model`; names and shapes must agree, except below the layer `replaced`.

    replaced: name of the last layer, whose weights are taken only where their shape fits (a network trained for
    another number of classes); None: there is none. Returns the names that kept their initial values. Raises BadInput
    otherwise.
    """
    own = model.state_dict()
    wrong = [name for name, value in weights.items() if name in own and own[name].shape != value.shape]
    unknown = [name for name in weights if name not in own and not name.endswith("num_batches_tracked")]
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    fatal = [name for name in (*wrong, *unknown, *missing) if replaced is None or not name.startswith(f"{replaced}.")]
    if fatal:
        raise BadInput(
            f"{source} does not fit the network: {len(fatal)} names or shapes differ, the first are {fatal[:5]}; "
            "is it the backbone that the configuration names?"
        )
    kept = sorted({*wrong, *missing})
    model.load_state_dict({n: v for n, v in weights.items() if n in own and n not in kept}, strict=False)
    return kept


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write the training state; the one before it stays beside it until the next save."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content = buffer.getvalue()
    if path.exists():
        path.replace(_previous(path))
    write_bytes(path, hashlib.sha256(content).digest() + content)


def load_state(path: Path) -> dict[str, Any] | None:
    """Read the newest training state that is whole; None when there is none.

    A state that is cut or damaged is named in a warning, and the one before it is used.
    """
    for candidate in (path, _previous(path)):
        if not candidate.exists():
            continue
        content = candidate.read_bytes()
        digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() == digest:
            return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        logger.warning("%s is damaged (its digest does not match); falling back to the state before it", candidate)
    return None


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous{path.suffix}")
