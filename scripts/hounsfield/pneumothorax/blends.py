"""Maps of several experiments, averaged into one array: what a blend's stage 63 makes in place of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hounsfield.core.errors import WrongUse
from hounsfield.core.training.blocks import fill_arrays
from hounsfield.core.training.devices import Devices
from hounsfield.pneumothorax.config import MapsConfig
from hounsfield.pneumothorax.mapped_films import open_maps_of
from hounsfield.pneumothorax.maps import Maps, as_stored, blended_maps, refuse_other_films
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, command_of


def open_members(command: PneumothoraxCommand, folds: Sequence[int]) -> dict[str, Maps]:
    """The finished maps of a blend's experiments, by name.

    Raises MissingInput or StaleOutput with the commands that make them, and BadInput where films differ.
    """
    weights = [member.weight for member in command.config.blend]
    names = [member.experiment for member in command.config.blend]
    if min(weights) < 0 or not 0 < sum(weights) < np.inf or len(set(names)) < len(names):
        raise WrongUse(f"blend: each experiment stands once, with a weight from 0 on, not all of them 0; not {weights}")
    found = {name: open_maps_of(command_of(command, name), folds) for name in names}
    refuse_other_films(list(found.values()))
    return found


def write_blend(
    path: Path, members: Sequence[Maps], weights: Sequence[float], config: MapsConfig, devices: Devices
) -> None:
    """Write the weighted mean of the members' maps to `path`. A killed run goes on with the blocks that are missing."""

    def compute(batches: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
        for rows in batches:
            mean = np.stack(list(blended_maps(members, weights, rows.tolist())))
            yield [as_stored(mean, config.dtype)]

    count = len(members[0].rows)
    fill_arrays([path], count, compute, devices, batch_size=config.batch_size, block_batches=config.block_batches)
