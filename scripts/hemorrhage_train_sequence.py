"""Train the sequence network on one classifier's embeddings and predict with it.

In: data/<data set>/embeddings/<experiment>/fold<k>/epoch<e>/, data/<data set>/slices.parquet.
Out: preds/hemorrhage/<experiment>/fold<k>_epoch<e>.parquet,
checkpoints/hemorrhage/<experiment>/fold<k>/sequence_epoch<e>/.
With --apply-to another data set, whose studies are predicted with the networks trained before.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hounsfield.competitions.rsna2019.held_out import ALL
from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import slices_path
from hounsfield.competitions.rsna2019.predictions import (
    OUT_OF_FOLD,
    TEST,
    is_finished,
    manifest_path,
    write_predictions,
)
from hounsfield.competitions.rsna2019.scores import score
from hounsfield.competitions.rsna2019.tables import read_slices
from hounsfield.core.errors import BadInput, StaleOutput, WrongUse
from hounsfield.core.logs import Scalars, Stopwatch, logger, set_up_logging, summary
from hounsfield.core.stages.command import Command, check_name, parse, run, stage_parser
from hounsfield.core.stages.outputs import Recipe, differences
from hounsfield.core.storage.checkpoints import load_weights, save_weights
from hounsfield.core.storage.files import file_digest, locked
from hounsfield.core.training.devices import Devices, claimed, open_devices
from hounsfield.core.training.draws import seed_of, stop_on_sigterm
from hounsfield.core.training.state import TrainingState
from hounsfield.hemorrhage.config import (
    DEFAULT_CONFIG,
    HemorrhageConfig,
    SequenceConfig,
    extracted_epochs,
    sequence_settings,
)
from hounsfield.hemorrhage.folds import add_fold_argument, check_folds
from hounsfield.hemorrhage.networks import SequenceNetwork
from hounsfield.hemorrhage.paths import (
    TRAIN_SEQUENCE,
    predictions_folder,
    predictions_path,
    sequence_folder,
    store_folder,
)
from hounsfield.hemorrhage.sequence_batches import EmbeddingStore, SeriesIndex, index_series
from hounsfield.hemorrhage.training import predict_series, train_epoch

HemorrhageCommand = Command[HemorrhageConfig]


def main() -> None:
    """Train and predict for every extracted epoch of the fold's classifier, or predict another data set."""
    parser = stage_parser(HemorrhageConfig, "Train the sequence network of one fold", default_config=DEFAULT_CONFIG)
    add_fold_argument(parser)
    parser.add_argument("--apply-to", type=str, default=None, help="another prepared data set, to be predicted only")
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    config, folds = command.config, check_folds(command.arguments.fold, command.config)
    if not 1 <= config.sequence.epochs_to_bag <= config.sequence.epochs:
        raise WrongUse(f"sequence.epochs_to_bag must be 1 to sequence.epochs ({config.sequence.epochs})")
    data_set = check_name(command.arguments.apply_to or config.data_set, "--apply-to")
    slices = read_slices(command.work, data_set, ("image_id", "split", "series", *CLASSES, "fold"))
    with open_devices(config.sequence.precision, config.threads) as devices:
        set_up_logging(rank=devices.rank)
        for fold, epoch in itertools.product(folds, extracted_epochs(config)):
            run_of = SequenceRun(command, fold, epoch, data_set)
            if data_set == config.data_set:
                run_of.train(slices, devices)
            else:
                run_of.predict_only(slices, devices)
            devices.barrier()


class SequenceRun:
    """One run: the sequence network on the embeddings by one classifier checkpoint."""

    def __init__(self, command: HemorrhageCommand, fold: str, epoch: int, data_set: str) -> None:
        self.config, self.fold, self.epoch = command.config, fold, epoch
        self.settings: SequenceConfig = command.config.sequence
        self.force = command.force
        work, experiment = command.work, command.experiment
        self.folder = sequence_folder(work, experiment, fold, epoch)
        self.store = store_folder(work, data_set, experiment, fold, epoch)
        folder = predictions_folder(work, experiment, self.config.data_set, data_set)
        self.predictions = predictions_path(folder, fold, epoch)
        self.name = f"sequence fold {fold} epoch {epoch}"
        self.facts = {"experiment": experiment, "data_set": data_set, "fold": fold, "epoch": epoch}
        self.slices_file = slices_path(work, data_set)

    def manifest(self) -> dict[str, Any]:
        """What the predictions rest on."""
        inputs = {"slices": file_digest(self.slices_file), "store": file_digest(self.store / "manifest.json")}
        return {"stage": "sequence", **self.facts, "settings": sequence_settings(self.config), "inputs": inputs}

    def weights(self, epoch: int) -> Path:
        """Weights of the sequence network after one of its own epochs."""
        return self.folder / f"epoch{epoch}.safetensors"

    def network(self, width: int, devices: Devices) -> SequenceNetwork:
        """The network with its seeded random start."""
        torch.manual_seed(seed_of(self.config.seed))
        return SequenceNetwork(width, self.settings.hidden_units, packed=self.settings.packed).to(devices.device)

    def train(self, slices: pd.DataFrame, devices: Devices) -> None:
        """Train every epoch, score it on the fold's patients, and write the bagged probabilities."""
        refuse_float16_on_cpu(devices)
        store, watch, settings = EmbeddingStore(self.store, slices), Stopwatch(), self.settings
        manifest = self.manifest()
        recipe = Recipe("sequence", manifest["settings"], manifest["inputs"])
        with claimed(devices, self.folder, recipe, force=self.force):
            if self.finished(manifest):
                logger.info("%s: nothing to do, %s is written", self.name, self.predictions)
                return
            if devices.first:  # with --force there is one that vouches for weights which have gone
                manifest_path(self.predictions).unlink(missing_ok=True)
            index, labels = index_series(slices), np.array(slices[list(CLASSES)], np.float32)
            learnt, scored, predicted = split_series(slices, index, self.fold, packed=settings.packed)
            network = self.network(store.width, devices)
            optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
            schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.learning_rate_decay)
            scaler = torch.amp.GradScaler(devices.device.type, enabled=devices.scales_gradients)
            state = TrainingState(
                self.folder / "state.pt", network, optimizer, scaler, schedule, devices.world, devices.precision
            )
            if not state.restore():
                state.tensors = {"probabilities": torch.zeros(len(slices), len(CLASSES), dtype=torch.float64)}
            facts = {**self.facts, "settings": manifest["settings"], "width": store.width}
            model = devices.wrap(network)
            scalars = Scalars(self.folder / "tensorboard", enabled=devices.first)
            with stop_on_sigterm() as stop:
                while state.epoch < settings.epochs:
                    train_epoch(
                        model, state, store, index.only(learnt), labels, settings, self.config.seed, devices, stop
                    )
                    found = np.zeros((len(slices), len(CLASSES)))
                    for chosen in predicted:
                        found += predict_series(
                            network, store, index.only(chosen), len(slices), settings, devices, stop
                        )
                    self.report(state, score(found[scored], labels[scored]) if scored.any() else {}, scalars)
                    if state.epoch >= settings.epochs - settings.epochs_to_bag:
                        state.tensors["probabilities"] += torch.from_numpy(found)
                    if devices.first and state.epoch >= settings.epochs - settings.keep_epochs:
                        save_weights(self.weights(state.epoch), network.state_dict(), facts)
                    state.next_epoch()
                    if devices.first:
                        state.save()
            scalars.close()
            if devices.first:
                mean = state.tensors["probabilities"].numpy() / settings.epochs_to_bag
                self.write(slices, mean, scored, manifest)
                state.clear()
        summary(self.name, int(index.lengths[learnt].sum()) * settings.epochs, "slices", watch.seconds)

    def predict_only(self, slices: pd.DataFrame, devices: Devices) -> None:
        """Predict another data set: the mean over the epochs whose weights were kept."""
        store, watch, settings = EmbeddingStore(self.store, slices), Stopwatch(), self.settings
        last = min(settings.keep_epochs, settings.epochs_to_bag)
        manifest = self.manifest()
        kept = [
            load_weights(self.weights(e), remedy=f"{TRAIN_SEQUENCE} --force")
            for e in range(settings.epochs - last, settings.epochs)
        ]
        for _, facts in kept:
            changes = differences(facts["settings"], manifest["settings"])
            if changes or facts["width"] != store.width:
                listing = ", ".join(changes) or f"embedding width {facts['width']} -> {store.width}"
                raise StaleOutput(
                    f"{self.folder}: trained with other settings ({listing}); train again: {TRAIN_SEQUENCE} --force"
                )
        manifest["inputs"]["weights"] = [facts["sha256"] for _, facts in kept]
        if self.finished(manifest):
            logger.info("%s: nothing to do, %s is written", self.name, self.predictions)
            return
        index, network = index_series(slices), self.network(store.width, devices)
        total = np.zeros((len(slices), len(CLASSES)))
        with stop_on_sigterm() as stop:
            for weights, _ in kept:
                network.load_state_dict(weights)
                total += predict_series(network, store, index, len(slices), settings, devices, stop)
        if devices.first:
            with locked(self.predictions.parent):
                self.write(slices.assign(split="test"), total / last, np.zeros(len(slices), bool), manifest)
        summary(self.name, len(slices), "slices", watch.seconds, {"epochs averaged": last})

    def finished(self, manifest: dict[str, Any]) -> bool:
        """True when the predictions are there and rest on the same inputs and settings."""
        return not self.force and is_finished(self.predictions, manifest)

    def report(self, state: TrainingState, scores: dict[str, float | None], scalars: Scalars) -> None:
        """Log an epoch's losses."""
        loss = scores.get("weighted_log_loss")
        training = state.loss / max(1, state.step)
        validation = "no held-out patients" if loss is None else f"validation weighted log loss {loss:.4f}"
        logger.info("%s, its epoch %d: training loss %.4f, %s", self.name, state.epoch, training, validation)
        for name, value in {"training_loss": training, **scores}.items():
            if value is not None:
                scalars.add(name, value, state.epoch)

    def write(
        self, slices: pd.DataFrame, probabilities: np.ndarray, scored: np.ndarray, manifest: dict[str, Any]
    ) -> None:
        """Write the probabilities of held-out and test slices."""
        split = np.where(scored, OUT_OF_FOLD, np.where(slices["split"] == "test", TEST, ""))
        frame = pd.DataFrame(probabilities, columns=list(CLASSES))
        frame.insert(0, "image_id", slices["image_id"].to_numpy())
        frame.insert(1, "split", split)
        write_predictions(self.predictions, frame[split != ""], manifest)


def refuse_float16_on_cpu(devices: Devices) -> None:
    """Raise WrongUse where torch would stop with a message about primitives."""
    if devices.half is torch.float16 and devices.device.type == "cpu":
        raise WrongUse(
            "sequence.precision fp16 needs a GPU: torch trains no LSTM in it on a CPU; add --sequence.precision fp32"
        )


def split_series(
    slices: pd.DataFrame, index: SeriesIndex, fold: str, *, packed: bool
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Which series are learnt from (S,), which slices are scored out of fold (N,), which series are predicted (S,).

    The last is a list: unpacked, held-out and test series are predicted apart, so that, as published, none of a batch's
    series is of the other set.
    """
    training = (slices["split"] == "train").to_numpy()
    held_out = training & (slices["fold"] == int(fold)).to_numpy() if fold != ALL else np.zeros(len(slices), bool)
    learnt = (training & ~held_out)[index.starts]
    if not learnt.any():
        raise BadInput(f"fold {fold}: no labelled series to learn from")
    is_test = ~training[index.starts]
    return learnt, held_out, [~learnt] if packed else [held_out[index.starts], is_test]


if __name__ == "__main__":
    run(main)
