"""One experiment's configuration. Each part belongs to one stage; the numbers are the published ones.

RSNA 2022 Cervical Spine Fracture, 3rd place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hounsfield.competitions.rsna2022.config import PrepareConfig
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.stages.ranges import Count, Natural, NotNegative, Positive, Share, Threads, Workers
from hounsfield.core.training.precision import Precision

DEFAULT_CONFIG = REPOSITORY / "configs" / "spine" / "published.yaml"


@dataclass(frozen=True, kw_only=True)
class IntensityConfig:
    """Hounsfield units to 8-bit grey."""

    low: float = -500.0  # HU; published: window centre 400, width 1800
    high: float = 1300.0
    # fixed: from `low` to `high`; slice (published): from the darkest to the brightest of each slice within these
    scaling: Literal["fixed", "slice"] = "fixed"


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network that sees the slices, three at a time."""

    backbone: str  # a timm name
    weights: str | None = None  # a file that it starts from
    download: bool = False  # may timm's hub be asked for its weights?
    size: Count = 512  # pixels; slices are resized to it
    gradient_checkpointing: bool = False  # less memory, a third more time


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW with a linear rise of the learning rate and a cosine back to 0, stepped with each batch."""

    learning_rate: Positive
    weight_decay: NotNegative
    epochs: Count
    batch_size: Count  # over all processes
    accumulate: Count = 1  # parts a batch is cut into when it does not fit
    warm_up: Share = 0.1  # of all steps


@dataclass(frozen=True, kw_only=True)
class BoxesConfig:
    """The localiser, and one box and range of slices per study (stage 52)."""

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(backbone="efficientnet_b1.ft_in1k"))
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=2e-4, weight_decay=0.0, epochs=15, batch_size=32)
    )
    seeds: tuple[Natural, ...] = (0, 1, 2)  # networks for each fold, averaged
    refit: bool = True  # one more on every study, for those without labels; False: the folds' networks, averaged
    box_weight: Share = 0.8  # of the box's absolute error in the loss; the rest is the presence's cross-entropy
    label_smoothing: Share = 0.05  # presence is learnt as this or 1 minus this
    reversed_channels: Share = (
        0.5  # probability that a training triplet is turned head to feet; published: always (a slip)
    )
    presence: Share = 0.5  # a triplet's box counts above this
    quantile: Share = 0.0  # of the boxes' edges that is cut off at either side; 0, as published: the outermost edges
    smoothing: Count = 5  # triplets in the rolling mean of presence ...
    range_presence: Share = 0.1  # ... whose first and last above this bound the range of slices
    fallback_box: tuple[float, float, float, float] = (0.2, 0.2, 0.8, 0.8)  # x0, y0, x1, y1; shares of the image
    batch_size: Count = 256  # triplets, to predict

    @property
    def name(self) -> str:
        """Of its one model."""
        return "localizer"


@dataclass(frozen=True, kw_only=True)
class RatioModelConfig:
    """One of the networks that tell how much of each vertebra a slice shows."""

    name: str
    network: NetworkConfig
    optimizer: OptimizerConfig
    crop: bool  # to the study's box; False: the whole slice
    sparse: Share = 0.0  # probability that a training window skips slices, in strides of up to 4
    keeps_bad_scans: bool = False  # trains on the studies of `excluded`, too


def _ratio_models() -> tuple[RatioModelConfig, ...]:
    optimizer = {"learning_rate": 3e-4, "weight_decay": 5e-4}
    resnest = NetworkConfig(backbone="resnest50d.in1k")
    efficientnet = NetworkConfig(backbone="efficientnetv2_rw_m.agc_in1k")
    usual = OptimizerConfig(epochs=3, batch_size=16, accumulate=8, **optimizer)
    large = OptimizerConfig(epochs=2, batch_size=16, accumulate=16, **optimizer)
    return (
        RatioModelConfig(name="full", network=resnest, optimizer=usual, crop=False, keeps_bad_scans=True),  # 02G
        RatioModelConfig(name="cropped", network=resnest, optimizer=usual, crop=True),  # 04A
        RatioModelConfig(name="sparse", network=efficientnet, optimizer=large, crop=True, sparse=0.6),  # 04F
    )


@dataclass(frozen=True, kw_only=True)
class WindowsConfig:
    """Windows of consecutive slices, three of which are one image."""

    slices: Count = 96
    train_step: Count = 12  # slices between the starts of windows to train on
    predict_step: Count = 16  # ... and to predict
    # true: sinusoids of where in the study a slice lies; ordinal (published): of its number in the window
    position: Literal["true", "ordinal"] = "true"
    threshold: NotNegative = 5e-4  # a target above it is not 0, and counts double


@dataclass(frozen=True, kw_only=True)
class VertebraeConfig:
    """The ratio networks and the pseudo-labels that they make (stage 53)."""

    models: tuple[RatioModelConfig, ...] = field(default_factory=_ratio_models)
    seeds: tuple[Natural, ...] = (0, 1, 2)
    head_dropout: Share = 0.1
    decimals: Natural | None = None  # of pseudo-labels; published: 3


@dataclass(frozen=True, kw_only=True)
class FractureModelConfig:
    """One network of slices and sequence that learns fractures from pseudo-labels."""

    name: str
    network: NetworkConfig
    optimizer: OptimizerConfig
    seeds: tuple[Natural, ...]  # of the networks that are trained on every study; the first is the folds', too


def _fracture_models() -> tuple[FractureModelConfig, ...]:
    optimizer = OptimizerConfig(learning_rate=3e-4, weight_decay=5e-4, epochs=3, batch_size=48, accumulate=16)
    return (
        FractureModelConfig(  # 04F
            name="resnest", network=NetworkConfig(backbone="resnest50d.in1k"), optimizer=optimizer,
            seeds=(0, 1, 2, 3, 4, 5),
        ),
        FractureModelConfig(  # 04G
            name="seresnext", network=NetworkConfig(backbone="seresnext50_32x4d.racm_in1k"), optimizer=optimizer,
            seeds=(0, 1, 2, 3),
        ),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FractureConfig:
    """The fracture sequence networks (stage 54)."""

    models: tuple[FractureModelConfig, ...] = field(default_factory=_fracture_models)
    refit: bool = True  # trains on every study, too: these answer for studies without labels


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """The study-level network over the frozen slice network of stage 54 (stage 55)."""

    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=1e-3, weight_decay=5e-4, epochs=3, batch_size=8)
    )
    hidden: Count = 2048  # of the LSTM, per direction
    steps: Count = 192  # longer sequences are brought to this length
    margin: Natural = 2  # slices before the range of the box that are looked at, too, and one fewer behind it
    chunk: Count = 64  # images at a time through the slice network
    train_statistics: bool = False  # published: the frozen network's batch statistics moved on


@dataclass(frozen=True, kw_only=True)
class SpineConfig:
    """One experiment of the spine system."""

    data_set: str = "rsna2022"  # the folder below data/ that it is trained on
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    # true: boxes and pseudo-labels that a fold's networks learn from know nothing of the fold, which takes networks of
    # stages 52 and 53 for each pair of folds; false (published): the networks that made them have seen its patients
    nested: bool = False
    seed: Natural = 42
    threads: Threads | None = None  # compute threads of a process on a CPU; None: one for each core
    precision: Precision = "auto"
    workers: Workers = 8  # loader processes for each training process
    save_every: Count = 500  # steps between saved training states
    excluded: tuple[str, ...] = (  # two known bad scans, left out of training
        "1.2.826.0.1.3680043.20574",
        "1.2.826.0.1.3680043.29952",
    )
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    intensity: IntensityConfig = field(default_factory=IntensityConfig)
    windows: WindowsConfig = field(default_factory=WindowsConfig)
    boxes: BoxesConfig = field(default_factory=BoxesConfig)
    vertebrae: VertebraeConfig = field(default_factory=VertebraeConfig)
    fracture: FractureConfig = field(default_factory=FractureConfig)
    study: StudyConfig = field(default_factory=StudyConfig)
