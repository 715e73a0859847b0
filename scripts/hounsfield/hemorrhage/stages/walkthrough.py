"""The page that explains the sequence network on a run's own numbers (stage 82)."""

from __future__ import annotations

from hounsfield.competitions.rsna2019.labels import label_set_of
from hounsfield.competitions.rsna2019.tables import open_data_set, read_slices
from hounsfield.core.errors import WrongUse
from hounsfield.core.logs import Stopwatch, show, summary
from hounsfield.core.stages.command import ALL
from hounsfield.core.stages.upstream import reading
from hounsfield.core.storage.files import write_bytes
from hounsfield.core.training.devices import open_devices
from hounsfield.hemorrhage.paths import WALKTHROUGH, walkthrough_path
from hounsfield.hemorrhage.remedies import HemorrhageCommand, data_set_folds, remedies
from hounsfield.hemorrhage.training import check_sequence
from hounsfield.hemorrhage.walkthrough.ablations import ablated_runs, runs_of, score_ablations, train_ablations
from hounsfield.hemorrhage.walkthrough.facts import gather, open_example
from hounsfield.hemorrhage.walkthrough.page import walkthrough_page
from hounsfield.hemorrhage.walkthrough.series_facts import ORDERED_BY

COLUMNS = ("split", "series", "order", "fold", "image_crc32")  # beside those that give the order


def explain(command: HemorrhageCommand) -> None:
    """Train the ablations that are not trained yet, and build the page.

    Raises WrongUse for the fold `all`, which holds nobody out, and MissingInput or StaleOutput with the command that
    makes what the page needs.
    """
    watch, config = Stopwatch(), command.config
    with open_devices(config.sequence.precision, config.threads) as devices:
        check_sequence(config.sequence, devices)
        data = open_data_set(command.work, command.data_set, remedies(command))
        with reading(data.folder):
            folds = data_set_folds(command, data, WALKTHROUGH)
            if ALL in folds:
                raise WrongUse(f"fold {ALL} holds no patient out, so nothing can be measured; give --fold 0, say")
            names = label_set_of(data).names
            slices = read_slices(data, tuple(dict.fromkeys((*ORDERED_BY, *COLUMNS, *names))))
            runs = runs_of(command, data, folds)
            example, scores = open_example(runs[0], slices, devices), None
            if not command.arguments.without_ablations:
                ablated = ablated_runs(runs)
                train_ablations(ablated, slices, devices)
                scores = score_ablations(runs, ablated, slices)
            if devices.first:
                path = walkthrough_path(command.work, command.experiment)
                text = walkthrough_page(gather(example, scores, devices), command.remedy(f"{WALKTHROUGH}.sh"))
                write_bytes(path, text.encode())
                summary("walk-through", len(slices), "slices", watch.seconds)
                show(f"walkthrough.html: {path}")
