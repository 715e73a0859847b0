"""How much is checked and measured."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Networks that are compared with the CPU, and those whose speed is measured."""

    hemorrhage: str = "regnetx_002"  # timm; grouped convolutions, as the ResNeXts have; no maximum pooling, whose
    stacking: str = "regnety_002"  # gradient has no deterministic form on a GPU. The second has squeeze-and-excitation
    layer_norm: str = "convnext_atto"  # for several processes: batch normalisation would see each one's share only
    pixels: int = 96
    batch: int = 16  # images
    width: int = 256  # E
    hidden: int = 192  # H; another number than E, so that the projection is learnt too
    series_per_batch: int = 4
    steps: int = 4  # of each of two epochs
    backbone: str = "resnext101_32x8d"  # whose speed is measured
    speed_pixels: int = 480
    speed_batch: int = 64
    full_width: int = 2048  # E = H, as published
    warm_up: int = 10  # steps before the clock is looked at; loader processes fill their queues meanwhile
    timed: int = 30  # steps
    repeats: int = 10  # of one resident batch
    neck_backbone: str = ""  # in place of each published one
    neck_pixels: int = 512
    triplets: int = 32
    film_pixels: int = 1024
    film_networks: tuple[tuple[str, str], ...] = (
        ("albunet", "resnet34"), ("unet", "resnet50"), ("scse_unet", "legacy_seresnext50_32x4d"),
    )  # fmt: skip
    film_decoder: tuple[int, ...] | None = None  # channels, deep first; None: the published ones


FULL = Sizes()
QUICK = replace(FULL, backbone="resnext50_32x4d", speed_pixels=224, warm_up=5, timed=10, repeats=5)
TINY = Sizes(
    hemorrhage="test_resnet", stacking="test_resnet", layer_norm="test_convnext", pixels=64, batch=8, width=8,
    hidden=6, steps=3, backbone="test_resnet", speed_pixels=64, speed_batch=8, full_width=16, warm_up=1, timed=2,
    repeats=1, neck_backbone="test_resnet", neck_pixels=64, triplets=2, film_pixels=64,
    film_networks=(("unet", "test_resnet"),), film_decoder=(8, 8, 8, 8, 8),  # a CPU convolves fp16 slowly
)  # fmt: skip
BY_NAME = {"full": FULL, "quick": QUICK, "tiny": TINY}
