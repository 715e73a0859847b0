"""The rule that turns probability maps into masks, chosen over a whole grid, nested by fold (stage 64)."""

from __future__ import annotations

from hounsfield.competitions.siim2019.tables import open_data_set
from hounsfield.core.errors import BadInput
from hounsfield.core.logs import Stopwatch, logger, progress, summary
from hounsfield.core.stages.outputs import Output, Provenance, output
from hounsfield.core.stages.upstream import reading
from hounsfield.core.storage.files import read_json
from hounsfield.pneumothorax.choice import GRID, RULES, SURFACE, choice_ledger, write_choice
from hounsfield.pneumothorax.config import Triplet
from hounsfield.pneumothorax.figures import draw_surface
from hounsfield.pneumothorax.mapped_films import MappedFilms, open_maps
from hounsfield.pneumothorax.paths import THRESHOLDS, thresholds_folder
from hounsfield.pneumothorax.remedies import PneumothoraxCommand, data_set_folds, remedies
from hounsfield.pneumothorax.rules import in_words
from hounsfield.pneumothorax.thresholds import (
    choose,
    count_films,
    dice_by_rule,
    grid,
    threshold_settings,
    thresholds_of,
)


def choose_thresholds(command: PneumothoraxCommand) -> None:
    """Choose, and show what was chosen."""
    rules, remedy_of = grid(command.config.thresholds), remedies(command)
    data = open_data_set(command.work, command.data_set, remedy_of)
    with reading(data.folder):
        maps = open_maps(command, data_set_folds(command, data))
        settings = threshold_settings(command.config.thresholds)
        inputs = {"data set": data.as_input(), "maps": maps.output.as_input()}
        folder = thresholds_folder(command.work, command.experiment)
        claim = output(
            folder, Provenance(THRESHOLDS, settings, inputs), force=command.force, remedy=remedy_of(THRESHOLDS)
        )
        with reading(maps.output.folder), claim as out:
            if out.finished:
                logger.info("thresholds: nothing to do, %s is written", folder / RULES)
            else:
                search(command, MappedFilms(maps, data), rules, out)
        chosen = read_json(folder / RULES)
    print(f"chosen on all out-of-fold films: {in_words(Triplet(**chosen['everywhere']))}")
    for fold, rule in chosen["by_fold"].items():
        print(f"chosen without fold {fold}:          {in_words(Triplet(**rule))}")
    if chosen["dice_nested"] is not None:
        print(f"mean Dice, nested by fold:       {chosen['dice_nested']:.4f}")
    print(f"mean Dice, on the same films:    {chosen['dice_optimistic']:.4f} (optimistic)")


def search(command: PneumothoraxCommand, films: MappedFilms, rules: list[Triplet], out: Output) -> None:
    """Score every rule on every out-of-fold film, and write what is best."""
    watch, count = Stopwatch(), len(films.held_out)
    if not count:
        raise BadInput(
            f"{films.maps.output.folder} holds no out-of-fold maps: there is nothing to choose thresholds by"
        )
    for fold in sorted(set(films.folds)):
        if not films.labels[films.folds == fold].any():
            logger.warning("fold %d has no film with a pneumothorax; its score says only what is left empty", fold)
    read = progress(films.maps_and_masks(), total=count, unit="film", label="count")
    dice = dice_by_rule(count_films(read, thresholds_of(rules)), rules)
    choice = choose(dice, films.labels, films.folds)
    write_choice(out.folder, choice, rules)
    draw_surface(out.folder / SURFACE, choice, rules, f"{command.experiment}, {len(rules)} rules, {count} films")
    ledger = choice_ledger(command.data_set, films.patients, films.folds, films.maps.output.learned())
    out.finish([RULES, GRID, SURFACE], learned=ledger)
    summary("thresholds", count, "films", watch.seconds, {"rules": len(rules)})
