"""Train the slice classifier of one fold.

In: data/<data set>/slices.parquet and images/. Out: checkpoints/hemorrhage/<experiment>/fold<k>/epoch<e>.safetensors.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import images_folder, slices_path
from hounsfield.competitions.rsna2019.slices import read_slices
from hounsfield.core.checkpoints import save_weights, weights_exist
from hounsfield.core.devices import Devices, claimed, open_devices
from hounsfield.core.errors import BadInput, MissingInput
from hounsfield.core.files import file_digest
from hounsfield.core.logs import Scalars, Stopwatch, logger, progress, set_up_logging, summary
from hounsfield.core.networks import build_network, load_pretrained
from hounsfield.core.recipes import Recipe
from hounsfield.core.stages import Command, parse, plain, run, stage_parser
from hounsfield.core.training import (
    Stopped,
    StopRequest,
    batches,
    epoch_order,
    seed_of,
    seed_step,
    split_batch,
    stop_on_sigterm,
)
from hounsfield.core.training_state import TrainingState
from hounsfield.hemorrhage.classifier import predict_slices
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig
from hounsfield.hemorrhage.folds import ALL, add_fold_argument, check_folds
from hounsfield.hemorrhage.loss import hemorrhage_loss, score
from hounsfield.hemorrhage.paths import classifier_folder, classifier_weights
from hounsfield.hemorrhage.slice_images import SAMPLE_COLUMNS, SliceImages, load_batches, normalise, open_slice_images

# these change how fast a run goes, not what comes out; the weights count by their digest, not by where they lie
SPEED_SETTINGS = ("workers", "save_every", "download", "compile", "weights")
HemorrhageCommand = Command[HemorrhageConfig]


def main() -> None:
    """Train every epoch that is not there yet."""
    parser = stage_parser(HemorrhageConfig, "Train the slice classifier of one fold", default_config=DEFAULT_CONFIG)
    add_fold_argument(parser)
    command = parse(parser, HemorrhageConfig, default_config=DEFAULT_CONFIG)
    folds = check_folds(command.arguments.fold, command.config)
    with open_devices(command.config.classifier.precision, command.config.threads) as devices:
        set_up_logging(rank=devices.rank)
        for fold in folds:
            folder = classifier_folder(command.work, command.experiment, fold)
            with claimed(devices, folder, training_recipe(command, fold), force=command.force):
                train(command, fold, devices)


def training_recipe(command: HemorrhageCommand, fold: str) -> Recipe:
    """What the weights depend on."""
    config = command.config
    inputs = {"slices.parquet": file_digest(slices_path(command.work, config.data_set))}
    if config.classifier.weights is not None:
        inputs["weights"] = file_digest(Path(config.classifier.weights))
    return Recipe("classifier", {**shaping_settings(config), "fold": fold, "seed": config.seed}, inputs)


def shaping_settings(config: HemorrhageConfig) -> dict[str, Any]:
    """The classifier's settings without those that only change its speed."""
    return {name: value for name, value in plain(config.classifier).items() if name not in SPEED_SETTINGS}


def split_slices(command: HemorrhageCommand, fold: str) -> tuple[SliceImages, SliceImages]:
    """Training and validation images; no patient is in both, except in the sanity check of fold `all`."""
    config, folder = command.config, images_folder(command.work, command.config.data_set)
    slices = read_slices(command.work, config.data_set, (*SAMPLE_COLUMNS, "split", "fold"))
    slices = slices[slices["split"] == "train"]
    if slices.empty:
        raise MissingInput(f"{slices_path(command.work, config.data_set)} holds no labelled slices to train on")
    if fold == ALL:
        training, validation = slices, slices.iloc[: config.classifier.sanity_slices]
    else:
        held_out = slices["fold"] == int(fold)
        training, validation = slices[~held_out], slices[held_out]
    if training.empty or validation.empty:
        raise BadInput(
            f"fold {fold} holds {len(validation)} of {len(slices)} labelled slices; too few patients for folds"
        )
    return (
        open_slice_images(training, folder, config.classifier, config.seed),
        open_slice_images(validation, folder, config.classifier, config.seed),
    )


def train(command: HemorrhageCommand, fold: str, devices: Devices) -> None:
    """Train from where the last run stopped to the last epoch."""
    config = command.config.classifier
    folder = classifier_folder(command.work, command.experiment, fold)
    weights = [classifier_weights(command.work, command.experiment, fold, epoch) for epoch in range(config.epochs)]
    if all(weights_exist(path) for path in weights):
        logger.info("classifier fold %s: nothing to do, %d epochs are trained", fold, config.epochs)
        return
    training, validation = split_slices(command, fold)
    torch.manual_seed(seed_of(command.config.seed))
    network = devices.place(build_network(config.backbone, len(CLASSES)))
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    scaler = torch.amp.GradScaler(devices.device.type, enabled=devices.scales_gradients)
    state = TrainingState(
        folder / "state.pt", network, optimizer, scaler, processes=devices.world, precision=devices.precision
    )
    if not state.restore():
        load_pretrained(network, config.backbone, config.weights, download=config.download)
    model = devices.wrap(network)
    if config.compile:
        model.compile()
    scalars = Scalars(folder / "tensorboard", enabled=devices.first)
    with stop_on_sigterm() as stop:
        while state.epoch < config.epochs:
            watch = Stopwatch()
            waited = train_epoch(command.config, devices, model, state, training, stop)
            scores = score(predict_slices(network, validation, config, devices), validation.labels)
            report(fold, state, scores, scalars)
            if devices.first:
                facts = {
                    "classifier": shaping_settings(command.config),
                    "fold": fold,
                    "epoch": state.epoch,
                    "scores": scores,
                }
                save_weights(weights[state.epoch], network.state_dict(), facts)
            times = {"s waiting for data": f"{waited:.1f}", "s computing": f"{watch.seconds - waited:.1f}"}
            seen = min(len(training), state.step * config.batch_size)
            summary(f"classifier fold {fold} epoch {state.epoch}", seen, "slices", watch.seconds, times)
            state.next_epoch()
            if devices.first:
                state.save()
    scalars.close()
    if devices.first:
        state.clear()


def train_epoch(
    config: HemorrhageConfig,
    devices: Devices,
    model: nn.Module,
    state: TrainingState,
    dataset: SliceImages,
    stop: StopRequest,
) -> float:
    """Train from the state's place to the end of its epoch. Returns the seconds spent waiting for data."""
    settings = config.classifier
    order = epoch_order(config.seed, state.epoch, len(dataset))
    todo = batches(order, settings.batch_size)[: settings.steps_per_epoch]
    shares = [split_batch(b, rank=devices.rank, world=devices.world, parts=settings.accumulate) for b in todo]
    rows = [share.samples for step in shares[state.step :] for share in step]
    loader = load_batches(dataset, rows, state.epoch, workers=settings.workers, pin=devices.device.type == "cuda")
    model.train()
    waited = 0.0
    for step in progress(range(state.step, len(todo)), unit="step", label=f"epoch {state.epoch}"):
        seed_step(config.seed, state.epoch, step, devices.rank)
        state.optimizer.zero_grad(set_to_none=True)
        step_loss = torch.zeros((), device=devices.device)
        for share in shares[step]:
            start = time.perf_counter()
            batch = next(loader)
            waited += time.perf_counter() - start
            with devices.autocast():
                logits = model(normalise(batch.images.to(devices.device, non_blocking=True), settings))
            losses = hemorrhage_loss(logits, batch.labels.to(devices.device, non_blocking=True))
            loss = (losses * torch.from_numpy(share.weights).to(devices.device)).sum()
            # gradients are averaged over the processes; the weights alone already make the sum a mean
            state.descend(loss * devices.world)
            step_loss += loss.detach()
        # one process that is asked to stop stops them all, at the same step
        loss_sum, stops = devices.total(torch.stack([step_loss, step_loss.new_tensor(float(stop.received))])).tolist()
        state.update(finite(loss_sum, dataset, todo[step]))
        last = state.step == len(todo)
        if devices.first and (stops or last or state.step % settings.save_every == 0):
            state.save()
        if stops:
            raise Stopped
    devices.share_buffers(state.network)
    return waited


def finite(loss: float, dataset: SliceImages, rows: np.ndarray) -> float:
    """The loss as it is. Raises BadInput naming the batch's slices when it is not a finite number."""
    if not math.isfinite(loss):
        raise BadInput(
            f"the loss is {loss} on the slices {', '.join(dataset.image_ids(rows)[:64])}: look at these images, or "
            "lower classifier.learning_rate; what was saved before is intact"
        )
    return loss


def report(fold: str, state: TrainingState, scores: dict[str, float | None], scalars: Scalars) -> None:
    """Log the epoch's losses and AUC."""
    numbers = {name: math.nan if value is None else value for name, value in scores.items()}
    numbers["training_loss"] = state.loss / max(1, state.step)
    logger.info(
        "classifier fold %s epoch %d: training loss %.4f, %s weighted log loss %.4f, AUC %s",
        fold,
        state.epoch,
        numbers["training_loss"],
        "sanity-check" if fold == ALL else "validation",
        numbers["weighted_log_loss"],
        " ".join(f"{name} {numbers[f'auc_{name}']:.3f}" for name in CLASSES),
    )
    for name, value in numbers.items():
        scalars.add(name, value, state.epoch)


if __name__ == "__main__":
    run(main)
