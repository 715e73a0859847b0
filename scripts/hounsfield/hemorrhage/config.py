"""One experiment's configuration. Each part belongs to one stage; the numbers are the published ones.

RSNA 2019, 2nd place: crop family v01, no-crop family v02.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hounsfield.competitions.rsna2019.config import PrepareConfig
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.stages.configuration import plain
from hounsfield.core.stages.ranges import Count, Natural, Positive, Threads, Workers
from hounsfield.core.training.precision import Precision

View = Literal["identity", "hflip", "transpose"]
DEFAULT_CONFIG = REPOSITORY / "configs" / "hemorrhage" / "crop.yaml"


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """The slice classifier (stage 12)."""

    backbone: str = "resnext101_32x8d.tv2_in1k"  # a timm name
    weights: str | None = None  # a file to start from
    download: bool = False  # may timm's hub be asked for the backbone's weights?
    crop: bool = True  # cut the head out and put it on a black square; False is the v02 family
    crop_boxes: Literal["prepared", "jpeg"] = "prepared"  # found before JPEG, once; jpeg: at every load, as published
    size: Count = 480  # pixels
    mean: tuple[float, float, float] = (0.22363983, 0.18190407, 0.2523437)  # brain, subdural, soft tissue; of 0..1
    std: tuple[float, float, float] = (0.32451536, 0.2956294, 0.31335256)
    epochs: Count = 5
    batch_size: Count = 64  # over all processes
    accumulate: Count = 1  # parts a batch is cut into when it does not fit
    learning_rate: Positive = 2e-5  # constant
    precision: Precision = "auto"
    compile: bool = False  # torch.compile
    workers: Workers = 8  # loader processes for each training process
    steps_per_epoch: Count | None = None  # None: all slices; a number cuts every epoch short
    save_every: Count = 1000  # steps between saved training states
    sanity_slices: Count = 1000  # fold `all`: the first training slices, scored to see that it learns at all


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """The vector after global average pooling, for every slice and view (stage 13)."""

    views: tuple[View, ...] = ("identity", "hflip", "transpose")
    epochs: tuple[Natural, ...] | None = None  # classifier epochs to extract; None: all
    dtype: Literal["float16", "float32"] = "float16"
    batch_size: Count = 64
    block_batches: Count = 16  # batches written at a time


@dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """The recurrent network over a series' embeddings (stage 14)."""

    hidden_units: Count = 2048  # per direction
    packed: bool = True  # padding is inert; False: as published, states run over it, and batches are not by length
    epochs: Count = 12
    epochs_to_bag: Count = 12  # the last epochs, averaged into one prediction
    learning_rate: Positive = 1e-5
    learning_rate_decay: Positive = 0.95  # multiplied in after each epoch
    batch_size: Count = 4  # series
    predict_batch_size: Count = 16  # series
    keep_epochs: Count = (
        1  # the last epochs whose weights are kept to predict other studies with; 1 GB each at full width
    )
    precision: Precision = "auto"
    save_every: Count = 1000  # steps between saved training states


@dataclass(frozen=True, kw_only=True)
class HemorrhageConfig:
    """One experiment of the hemorrhage system."""

    data_set: str = "rsna2019"  # the folder below data/ that it is trained on
    folds: tuple[int | Literal["all"], ...] = (0, 1, 2)  # all: one model of every patient. Three were trained in 2019
    seed: Natural = 1234
    threads: Threads | None = None  # compute threads of a process on a CPU; None: one for each core
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    classifier: ClassifierConfig = field(default_factory=ClassifierConfig)
    embedding: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    sequence: SequenceConfig = field(default_factory=SequenceConfig)


def extracted_epochs(config: HemorrhageConfig) -> tuple[int, ...]:
    """The classifier epochs whose embeddings are extracted and used."""
    return config.embedding.epochs if config.embedding.epochs is not None else tuple(range(config.classifier.epochs))


def sequence_settings(config: HemorrhageConfig) -> dict[str, object]:
    """What a sequence network depends on, beside its inputs."""
    return {**plain(config.sequence, "save_every", "keep_epochs"), "seed": config.seed}
