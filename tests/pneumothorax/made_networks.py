"""Networks with random weights as stage 62 leaves them, of the made-up data set, and what they give by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from made_data import DATA_SET, SIZE, made_films

from hounsfield.competitions.siim2019.paths import film_path
from hounsfield.competitions.siim2019.tables import open_data_set, read_films
from hounsfield.core.stages.command import Command, parse, stage_parser
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import output
from hounsfield.core.storage.checkpoints import load_weights, save_weights, weights_name
from hounsfield.core.storage.files import write_json
from hounsfield.core.storage.image_files import read_grey
from hounsfield.pneumothorax.config import PneumothoraxConfig
from hounsfield.pneumothorax.networks import build, network_input
from hounsfield.pneumothorax.part_run import PartRun
from hounsfield.pneumothorax.paths import TOP, maps_folder
from programs import load_program, run_program

EPOCHS, AVERAGED = (4, 1, 2), 2  # those that are kept, the best first, and how many of them make a map
CONFIG = f"""
data_set: {DATA_SET}
folds: [0, 1]
threads: 1
prepare: {{fold_count: 2}}
network: {{name: smp/unet/mobilenet_v2, decoder_channels: [16, 8, 8, 8, 4]}}
training: {{parts: [{{start: initial, size: {SIZE}, top: {len(EPOCHS)}}}]}}
maps: {{top: {AVERAGED}, batch_size: 3, block_batches: 2, workers: 0}}
"""


def command_of(work: Path, *more: str) -> Command[PneumothoraxConfig]:
    """Stage 63's command line."""
    stage = load_program("pneumothorax_maps").STAGE
    return parse(stage_parser(stage), stage, ["--config", str(work / "nets.yaml"), "--work", str(work), *more])


def made_part(work: Path, fold: int, *, broken: bool = False, knows: tuple[str, ...] = ()) -> Path:
    """What training leaves: three epochs' random weights, and whom they have seen."""
    command = command_of(work)
    data = open_data_set(work, DATA_SET, lambda stage, *_: stage)
    task = PartRun(command, data, fold, 0)
    table = read_films(data)
    own = table["fold"] == fold
    with output(task.folder, task.provenance(None), force=True, remedy="") as out:
        for epoch in EPOCHS:
            torch.manual_seed(10 * fold + epoch)
            network = build(command.config.network)
            last = list(network.parameters())[-2:]  # weights and bias: from grey to all shades, or to none
            torch.nn.init.normal_(last[0], std=20.0)
            torch.nn.init.constant_(last[1], float("nan") if broken else 0.0)
            facts = {**task.settings(), "size": SIZE, "epoch": epoch}
            save_weights(task.folder / weights_name(epoch), network.state_dict(), facts)
        write_json(task.folder / TOP, [{"epoch": epoch, "score": 0.5} for epoch in EPOCHS])
        names = [name for epoch in EPOCHS for name in (f"epoch{epoch}.safetensors", f"epoch{epoch}.json")]
        train = table[(table["split"] == "train") & ~own]["patient_id"]
        learned = [Ledger.of(DATA_SET, [*train, *knows]), Ledger.of(DATA_SET, table[own]["patient_id"], "early_stop")]
        facts = {"trained_on": {"data_set": DATA_SET, "drawn": True, "views": ["PA"]}}
        out.finish([TOP, *names], learned=Ledger.joined(learned), facts=facts)
    return task.folder


def made_parts(work: Path) -> Path:
    """Ten films, and what training leaves of both folds."""
    made_films(work, train=8, test=2)
    (work / "nets.yaml").write_text(CONFIG)
    for fold in (0, 1):
        made_part(work, fold)
    return work


def run_maps(work: Path, *more: object, data_set: str = DATA_SET) -> Path:
    """Run stage 63; returns the folder of the maps."""
    run_program("pneumothorax_maps", "--config", work / "nets.yaml", "--work", work, *more)
    return maps_folder(work, data_set, "nets")


def by_hand(work: Path, film: str, folds: tuple[int, ...], data_set: str = DATA_SET) -> np.ndarray:
    """The mean over folds, epochs and both views, one film and one network at a time."""
    command, image = command_of(work), read_grey(film_path(work, data_set, film))
    total, count = np.zeros((SIZE, SIZE)), 0
    for fold in folds:
        for epoch in EPOCHS[:AVERAGED]:
            folder = PartRun(command, open_data_set(work, DATA_SET, lambda stage, *_: stage), fold, 0).folder
            network = build(command.config.network).eval()
            network.load_state_dict(load_weights(folder / weights_name(epoch))[0])
            for view in (image, image[:, ::-1].copy()):
                with torch.no_grad():
                    found = network(network_input(torch.from_numpy(view)[None], command.config.network))
                found = found.sigmoid()[0, 0].double().numpy()
                total += found if count % 2 == 0 else found[:, ::-1]
                count += 1
    return total / count
