"""Training one part of one fold: the sampler's epochs, the combo loss, the epochs that are kept. B films."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau

from hounsfield.core.logs import logger
from hounsfield.core.stages.outputs import Output
from hounsfield.core.stages.upstream import Upstream
from hounsfield.core.storage.checkpoints import save_weights, weights_name, with_facts
from hounsfield.core.storage.files import write_json
from hounsfield.core.training.batches import ImageBatch, ImageBatches
from hounsfield.core.training.blocks import share_rows
from hounsfield.core.training.course import Course
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.draws import seed_of
from hounsfield.core.training.kept_epochs import epochs_of, kept_with, none_kept, remove_other_epochs
from hounsfield.core.training.loop import Batch, TrainingRun, training
from hounsfield.pneumothorax.config import PartConfig
from hounsfield.pneumothorax.films import FilmsWithMasks
from hounsfield.pneumothorax.losses import combo_loss
from hounsfield.pneumothorax.networks import build, encoder_of, network_input, start_encoder
from hounsfield.pneumothorax.part_run import PartRun, kept_epochs, load_part
from hounsfield.pneumothorax.paths import TOP
from hounsfield.pneumothorax.sampling import sample_epoch
from hounsfield.pneumothorax.validation import epoch_scores, score_films

PLATEAU_THRESHOLD = 1e-7  # a score is better when it is so much better, relative to the best


class FilmBatches:
    """One epoch's batches; the loss is handed the weights, too, since Dice needs to know which films count."""

    def __init__(self, batches: ImageBatches) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        """This process's parts of each step from `first` on."""
        for step in self._batches.parts(first):
            yield [Batch((samples, weights), weights) for samples, weights in step]

    def describe(self, step: int) -> str:
        """The films of a step, by their identifiers."""
        return self._batches.describe(step)


def train_part(
    task: PartRun,
    out: Output,
    start: Upstream | None,
    train: FilmsWithMasks,
    validation: FilmsWithMasks,
    devices: Devices,
    course: Course,
) -> list[str]:
    """Train from where the last run stopped to the last epoch, or to the one after which no better one comes.

    start: the part whose best weights it starts from. course: of the stage. Returns the names of the files that are
    left.
    """
    config, own = task.config, task.own
    torch.manual_seed(seed_of(*task.seeds))
    network = devices.place(build(config.network))
    if own.freeze_encoder:
        encoder_of(network).requires_grad_(False)
    optimizer = torch.optim.Adam(network.parameters(), lr=own.learning_rate, weight_decay=own.weight_decay)
    with training(
        out.unfinished, network, optimizer, schedule_of(optimizer, own), devices,
        seed=seed_of(*task.seeds), save_every=config.training.save_every, name=task.name,
        scalars=out.folder / "tensorboard", clip_norm=config.training.clip_norm, course=course,
    ) as run:  # fmt: skip
        if run.is_fresh:
            start_network(network, task, start)
            run.tensors["kept"] = none_kept()
        model = devices.wrap(network)
        if config.training.compile:
            model.compile()
        loss = film_loss(model, task, devices)
        while run.epoch < own.epochs and not stops_early(run, own):
            if devices.first:
                remove_other_epochs(out.folder, run.tensors["kept"])
            run.steps(epoch_batches(task, train, run.epoch, devices), loss)
            end_epoch(task, out, run, network, validation, devices)
        return finish_part(out, run, devices)


def start_network(network: nn.Module, task: PartRun, start: Upstream | None) -> None:
    """Give the network the best weights of the part that it starts from, or the initial ones."""
    if start is None:
        start_encoder(network, task.config.network)
    else:
        best = kept_epochs(start)[0]
        load_part(network, task.config, start, best.epoch)
        logger.info("%s starts from %s, epoch %d", task.name, start.folder, best.epoch)


def schedule_of(optimizer: Optimizer, config: PartConfig) -> LRScheduler | None:
    """How the learning rate changes after each epoch; None: it is constant."""
    if config.schedule == "plateau":
        return ReduceLROnPlateau(
            optimizer, "max", config.plateau_factor, config.plateau_patience, threshold=PLATEAU_THRESHOLD,
            min_lr=config.lowest_learning_rate,
        )  # fmt: skip
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, config.cosine_epochs, config.lowest_learning_rate)
    return None


def epoch_batches(task: PartRun, train: FilmsWithMasks, epoch: int, devices: Devices) -> FilmBatches:
    """One epoch's films, drawn by the part's share of positives."""
    own = task.own
    order = sample_epoch(
        train.positive, own.positive_share, negatives_repeat=task.config.training.negatives_repeat,
        seed=(*task.seeds, epoch),
    )  # fmt: skip
    images = ImageBatches(
        train, epoch, devices, order=order, batch_size=own.batch_size, accumulate=own.accumulate,
        workers=task.config.training.workers,
    )  # fmt: skip
    return FilmBatches(images)


def film_loss(model: nn.Module, task: PartRun, devices: Devices) -> Callable[[tuple[ImageBatch, Tensor]], Tensor]:
    """The loss of a batch as a share for each of its films, (B,). model: the network as it is trained."""
    config, encoder = task.config, encoder_of(getattr(model, "module", model))

    def loss(samples: tuple[ImageBatch, Tensor]) -> Tensor:
        batch, weights = samples
        if task.own.freeze_encoder:
            encoder.eval()  # its running statistics stay, too; the loop has put all of the network in training mode
        films, masks = (one.to(devices.device, non_blocking=True) for one in batch)
        with devices.autocast():
            logits = model(network_input(films, config.network))
        return combo_loss(logits, masks, weights.to(devices.device) > 0, config.training.loss, devices.total)

    return loss


def stops_early(run: TrainingRun, config: PartConfig) -> bool:
    """Whether the best epoch lies more epochs back than the part is patient for."""
    kept = epochs_of(run.tensors["kept"])
    return config.kept == "best" and bool(kept) and run.epoch - 1 - kept[0].epoch > config.patience


def end_epoch(
    task: PartRun, out: Output, run: TrainingRun, network: nn.Module, validation: FilmsWithMasks, devices: Devices
) -> None:
    """Score the epoch, keep its weights where it is among those to be kept, and step over to the next one."""
    config, own, epoch = task.config.training, task.own, run.epoch
    found = score_films(
        network, task.config.network, validation, config.triplets, devices, batch_size=own.batch_size,
        workers=config.workers,
    )  # fmt: skip
    dice = share_rows(found, (len(validation), len(config.triplets)), devices, run.stop)
    scores = epoch_scores(dice, validation.positive, config.triplets)
    kept = kept_with(run.tensors["kept"], epoch, scores["dice"], own.top, own.kept)
    if devices.first and epoch in [one.epoch for one in epochs_of(kept)]:
        facts = {**task.settings(), "size": own.size, "epoch": epoch, "scores": scores}
        save_weights(out.folder / weights_name(epoch), network.state_dict(), facts)
    run.tensors["kept"] = kept
    run.end_epoch({name: scores[name] for name in ("dice", "dice_positive")}, score=scores["dice"])


def finish_part(out: Output, run: TrainingRun, devices: Devices) -> list[str]:
    """Write which epochs were kept, and remove the weights of the others. Returns the names of the files."""
    kept = run.tensors["kept"]
    if devices.first:
        remove_other_epochs(out.folder, kept)
        write_json(out.folder / TOP, [one._asdict() for one in epochs_of(kept)])
    return [TOP, *with_facts(weights_name(one.epoch) for one in epochs_of(kept))]
