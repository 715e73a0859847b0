"""The neck's and the film's networks: trained as on the CPU at small sizes, and measured at the published ones.

B windows, studies or films, T triplets of slices, S pixels a side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from benchmark.networks import timed
from gpu_checks.runs import Task, lone, peak_memory, start_counting
from gpu_checks.sizes import Sizes
from gpu_checks.table import Check, Part
from hounsfield.core.training.devices import Devices
from hounsfield.core.training.loop import Batch, Loss
from hounsfield.pneumothorax import networks as film_networks
from hounsfield.pneumothorax.config import LossConfig
from hounsfield.pneumothorax.config import NetworkConfig as FilmNetworkConfig
from hounsfield.pneumothorax.losses import combo_loss
from hounsfield.spine.config import NetworkConfig, SpineConfig, StudyConfig
from hounsfield.spine.losses import FRACTURE_COLUMNS, doubled_squares, fracture_loss, localizer_losses, study_loss
from hounsfield.spine.networks.fracture import FractureNetwork
from hounsfield.spine.networks.localizer import Localizer
from hounsfield.spine.networks.ratio import RatioNetwork
from hounsfield.spine.networks.study import FrozenFramesStudyNetwork

THRESHOLD = SpineConfig().windows.threshold
# a hundredth of the default, whose gradients are too large for the first scale of fp16: steps would be skipped
LOSS = LossConfig(bce=0.03, dice=0.01, focal=0.04)
Draw = Callable[[torch.Generator], tuple[Tensor, ...]]  # a batch


@dataclass(frozen=True)
class DrawnBatches:
    """An epoch of batches that are drawn here, in which every loss counts alike."""

    draw: Draw
    steps: int
    epoch: int

    def __len__(self) -> int:
        return self.steps

    def parts(self, first: int) -> Iterator[Sequence[Batch]]:
        """One part a step."""
        for step in range(first, self.steps):
            drawn = self.draw(torch.Generator().manual_seed(self.steps * self.epoch + step))
            yield [Batch(drawn, torch.full((len(drawn[0]),), 1 / len(drawn[0])))]

    def describe(self, step: int) -> str:
        """Nothing that has a name."""
        return f"drawn batch {step}"


def later_tasks(sizes: Sizes) -> dict[str, Task]:
    """A network over slices and their sequence, and one that outlines, at small sizes."""
    necks = NetworkConfig(backbone=sizes.stacking, size=sizes.pixels)
    films = FilmNetworkConfig(name="unet", encoder=sizes.hemorrhage, decoder_channels=sizes.film_decoder)
    return {
        "fracture network": Task(
            f"{necks.backbone} and LSTM",
            partial(_built, lambda: FractureNetwork(necks)),
            lambda epoch, devices: DrawnBatches(partial(draw_windows, 2, 8, sizes.pixels), sizes.steps, epoch),
            _loss_of(fracture_losses),
            fp16_on_cpu=False,
        ),
        "outline network": Task(
            f"U-Net over {films.encoder}",
            partial(_built, lambda: film_networks.build(films)),
            lambda epoch, devices: DrawnBatches(partial(draw_films, sizes.batch, sizes.pixels), sizes.steps, epoch),
            _loss_of(partial(film_losses, films)),
        ),
    }


def _built(make: Callable[[], nn.Module], devices: Devices) -> nn.Module:
    torch.manual_seed(0)
    return devices.place(make())


def _loss_of(
    losses: Callable[[nn.Module, Devices, tuple[Tensor, ...]], Tensor],
) -> Callable[[nn.Module, Devices], Loss]:
    def bind(model: nn.Module, devices: Devices) -> Loss:
        return lambda batch: losses(model, devices, tuple(one.to(devices.device) for one in batch))

    return bind


def draw_windows(windows: int, triplets: int, pixels: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Grey noise as (B, T, S, S, 3) uint8, targets that follow from its brightness, and positions (B, T)."""
    bright = torch.rand(windows, triplets, 1, 1, 1, generator=generator)
    noise = torch.rand(windows, triplets, pixels, pixels, 3, generator=generator)
    targets = (bright.flatten(1).unsqueeze(-1) - torch.linspace(0, 0.9, FRACTURE_COLUMNS)).clamp(min=0)
    return (255 * bright * noise).to(torch.uint8), targets, torch.linspace(0, 200, triplets).expand(windows, -1)


def draw_films(films: int, pixels: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Grey noise as (B, S, S) uint8, whose brighter left part is the mask (B, S, S)."""
    edge = torch.randint(1, pixels, (films, 1, 1), generator=generator)
    masks = (torch.arange(pixels) < edge).expand(films, pixels, pixels)
    noise = torch.rand(films, pixels, pixels, generator=generator)
    return (noise * (100 + 155 * masks)).to(torch.uint8), masks.float()


def fracture_losses(model: nn.Module, devices: Devices, batch: tuple[Tensor, ...]) -> Tensor:
    """Of each window."""
    triplets, targets, positions = batch
    with devices.autocast():
        predictions = model(triplets, positions)
    return fracture_loss(predictions, targets, THRESHOLD)


def film_losses(config: FilmNetworkConfig, model: nn.Module, devices: Devices, batch: tuple[Tensor, ...]) -> Tensor:
    """Of each film."""
    films, masks = batch
    with devices.autocast():
        logits = model(film_networks.network_input(films, config))
    counted = torch.ones(len(films), device=films.device)
    return combo_loss(logits, masks, counted, LOSS, devices.total)


@dataclass(frozen=True)
class Measured:
    """A network of a published configuration, and a batch of its published size."""

    name: str
    what: str  # a batch, in words
    build: Callable[[], nn.Module]
    batch: Draw
    losses: Callable[[nn.Module, Devices, tuple[Tensor, ...]], Tensor]


def published_networks(sizes: Sizes) -> list[Measured]:
    """Those of the fourth and the third system, one of each kind."""
    spine = SpineConfig()
    pixels, triplets = sizes.neck_pixels, sizes.triplets
    window, words = partial(draw_windows, 1, triplets, pixels), f"a window of {3 * triplets} slices at {pixels} px"
    count = spine.boxes.optimizer.batch_size

    def necks(backbone: str) -> NetworkConfig:
        return NetworkConfig(backbone=sizes.neck_backbone or backbone, size=pixels)

    found = [
        Measured(
            f"52, {spine.boxes.network.backbone}",
            f"{count} triplets at {pixels} px",
            partial(Localizer, necks(spine.boxes.network.backbone)),
            partial(draw_windows, count, 1, pixels),
            localizer_loss,
        )
    ]
    for ratio in spine.vertebrae.models[1:]:  # the first differs from the second in what it is shown
        slices = partial(RatioNetwork, necks(ratio.network.backbone), "true", spine.vertebrae.head_dropout)
        found.append(Measured(f"53, {ratio.network.backbone}", words, slices, window, ratio_loss))
    for model in spine.fracture.models:
        sequence = partial(FractureNetwork, necks(model.network.backbone))
        found.append(Measured(f"54, {model.network.backbone}", words, sequence, window, fracture_losses))
    for model in spine.fracture.models:
        level = partial(FrozenFramesStudyNetwork, necks(model.network.backbone), StudyConfig(hidden=sizes.full_width))
        found.append(Measured(f"55, over {model.network.backbone}", f"a study of {triplets} triplets", level, window,
                              study_losses))  # fmt: skip
    for name, encoder in sizes.film_networks:
        config = FilmNetworkConfig(name=name, encoder=encoder, decoder_channels=sizes.film_decoder)
        found.append(
            Measured(
                f"62, {name} over {encoder}",
                f"2 films at {sizes.film_pixels} px",
                partial(film_networks.build, config),
                partial(draw_films, 2, sizes.film_pixels),
                partial(film_losses, config),
            )
        )
    return found


def localizer_loss(model: nn.Module, devices: Devices, batch: tuple[Tensor, ...]) -> Tensor:
    """Of each triplet."""
    with devices.autocast():
        outputs = model(batch[0][:, 0])
    targets = torch.full((len(outputs), 5), 0.5, device=outputs.device)
    return localizer_losses(outputs, targets, 0.05).sum(dim=1)


def ratio_loss(model: nn.Module, devices: Devices, batch: tuple[Tensor, ...]) -> Tensor:
    """Of each window, whose slices have a position each."""
    triplets, _, positions = batch
    places = positions.repeat_interleave(3, dim=1)
    with devices.autocast():
        predictions = model(triplets, places)
    return doubled_squares(predictions, torch.ones_like(predictions), THRESHOLD)


def study_losses(model: nn.Module, devices: Devices, batch: tuple[Tensor, ...]) -> Tensor:
    """Of one study."""
    with devices.autocast():
        logits = model(batch[0][0], torch.tensor([batch[0].shape[1]]))
    return study_loss(logits, torch.tensor([[1.0, 1, 0, 0, 0, 0, 0, 0]], device=logits.device))


def published_parts(sizes: Sizes, device: torch.device) -> list[Part]:
    """A training step and a prediction of each, and the memory that they take."""
    return [Part("published", one.name, partial(measured, one, sizes, device)) for one in published_networks(sizes)]


def measured(network: Measured, sizes: Sizes, device: torch.device) -> list[Check]:
    """Milliseconds of a step with AdamW and of a forward pass, in the stages' own precision."""
    start_counting(device)
    devices = lone(device, "auto")
    model = _built(network.build, devices)
    batch = tuple(one.to(device) for one in network.batch(torch.Generator().manual_seed(0)))
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad])

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        network.losses(model, devices, batch).mean().backward()
        optimizer.step()

    @torch.no_grad()
    def forward() -> None:
        network.losses(model, devices, batch)

    model.train()
    checks = [_line(network, devices, "training step", timed(step, sizes.repeats, device))]
    checks += peak_memory(checks[0].name, device)
    model.eval()
    return [*checks, _line(network, devices, "prediction", timed(forward, sizes.repeats, device))]


def _line(network: Measured, devices: Devices, what: str, seconds: float) -> Check:
    compared = f"{network.what}, {devices.precision}, a batch that stays on the device"
    return Check(name=f"{network.name}, {what}", compared=compared, measured=1000 * seconds, unit="ms")
