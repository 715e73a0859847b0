"""Probability maps of out-of-fold and test films, by networks or as a blend (stage 63)."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from hounsfield.competitions.siim2019.tables import open_data_set, read_films
from hounsfield.core.logs import Stopwatch, logger, summary
from hounsfield.core.stages.command import applied_to
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Output, Provenance, output
from hounsfield.core.stages.upstream import Upstream, reading
from hounsfield.core.training.devices import Devices, open_devices
from hounsfield.pneumothorax.blends import open_members, write_blend
from hounsfield.pneumothorax.checkpoints import load_networks, mapped_part, maps_ledger, open_checkpoints, refuse_seen
from hounsfield.pneumothorax.films import FILM_COLUMNS, FilmsWithMasks
from hounsfield.pneumothorax.inference import write_maps
from hounsfield.pneumothorax.mapped_films import maps_place, maps_settings
from hounsfield.pneumothorax.maps import MAPS as ARRAY
from hounsfield.pneumothorax.maps import ROWS, FilmRows, every_film, films_to_map
from hounsfield.pneumothorax.paths import MAPS, TRAIN
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, data_set_folds, remedies


def make_maps(command: PneumothoraxCommand) -> None:
    """Make the maps that are not made yet."""
    config, remedy_of = command.config, remedies(command)
    with open_devices(config.maps.precision, config.threads) as devices:
        data = open_data_set(command.work, command.data_set, remedy_of)
        with reading(data.folder), ExitStack() as held:
            folds = data_set_folds(command, data)
            make = blend if config.blend else predict
            make(command, data, folds, devices, held)


def predict(command: PneumothoraxCommand, data: Upstream, folds: list[int], devices: Devices, held: ExitStack) -> None:
    """Make the maps by this experiment's networks."""
    watch, config = Stopwatch(), command.config.maps
    found = open_checkpoints(command, data, folds)
    inputs = {f"network fold {fold}": one.part for fold, one in found.items()}
    out = claim(command, data, folds, inputs, devices, held)
    if out.finished:
        return
    rows = rows_to_map(command, data, folds)
    ledger = maps_ledger(found)
    refuse_seen(ledger, rows, remedies(command)(TRAIN))
    size = command.config.training.parts[mapped_part(command.config)].size
    images = FilmsWithMasks(data, rows.films.assign(mask_crc32=np.nan), size, ())  # masks are not read
    images.remedy = "Lower maps.workers or maps.batch_size"
    networks_of = partial(load_networks, found, command.config, devices)
    write_maps(out.folder / ARRAY, images, rows.folds, networks_of, config, devices)
    finish(out, rows, ledger, devices, found[folds[0]].part.record["facts"].get("trained_on"))
    networks = sum(len(one.epochs) for one in found.values())
    summary("maps", len(rows.films), "films", watch.seconds, {"networks": networks})


def blend(command: PneumothoraxCommand, data: Upstream, folds: list[int], devices: Devices, held: ExitStack) -> None:
    """Average the maps of several experiments."""
    watch, config = Stopwatch(), command.config
    members = open_members(command, folds)
    for maps in members.values():
        held.enter_context(reading(maps.output.folder))
    inputs = {f"maps of {name}": maps.output for name, maps in members.items()}
    out = claim(command, data, folds, inputs, devices, held)
    if out.finished:
        return
    weights = [member.weight for member in config.blend]
    write_blend(out.folder / ARRAY, list(members.values()), weights, config.maps, devices)
    outputs = [maps.output for maps in members.values()]
    ledger = Ledger.joined([one.learned() for one in outputs])
    rows = rows_to_map(command, data, folds)
    finish(out, rows, ledger, devices, outputs[0].record["facts"].get("trained_on"))
    summary("blend", len(rows.films), "films", watch.seconds, {"experiments": len(members)})


def rows_to_map(command: PneumothoraxCommand, data: Upstream, folds: list[int]) -> FilmRows:
    """The films that get maps: held-out and test films, or all of a data set that is only predicted."""
    films = read_films(data, FILM_COLUMNS)
    return every_film(films) if applied_to(command) else films_to_map(films, folds)


def claim(
    command: PneumothoraxCommand,
    data: Upstream,
    folds: list[int],
    inputs: dict[str, Upstream],
    devices: Devices,
    held: ExitStack,
) -> Output:
    """The folder of the maps, held until `held` ends."""
    made_from = {"data set": data.as_input(), **{name: one.as_input() for name, one in inputs.items()}}
    provenance = Provenance(MAPS, maps_settings(command.config, folds), made_from, libraries=("torch",))
    remedy = remedies(command)(MAPS)
    opened = output(maps_place(command), provenance, force=command.force, remedy=remedy, processes=devices)
    out = held.enter_context(opened)
    if out.finished:
        logger.info("maps: nothing to do, %s is written", out.folder / ARRAY)
    return out


def finish(out: Output, rows: FilmRows, ledger: Ledger, devices: Devices, trained_on: dict[str, Any] | None) -> None:
    """Write which film each map is of, and that the maps are done. trained_on: as the networks' training noted it."""
    if devices.first:
        rows.write(out.folder / ROWS)
    out.finish([ARRAY, ROWS], learned=ledger, facts={"trained_on": trained_on})
