"""One stacking experiment's configuration. Each part belongs to one stage; the numbers are the published ones.

RSNA 2019, 11th place. Where this project does something else, the published choice stands in the comment, and
configs/stacking/published.yaml makes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.stages.ranges import (
    Count,
    Natural,
    NotNegative,
    Positive,
    PositiveShare,
    Range,
    Share,
    Threads,
    Workers,
)
from hounsfield.core.training.precision import Precision

Booster = Literal["lightgbm", "catboost", "xgboost"]
Stopping = Literal["nested", "scored_fold"]
BOOSTERS: tuple[Booster, ...] = get_args(Booster)
STOPPINGS: tuple[Stopping, ...] = get_args(Stopping)  # what stops the training of boosters early
BeforeFirst = Literal["missing", "wrapped"]
StudyMean = Literal["class", "last_class"]
DEFAULT_CONFIG = REPOSITORY / "configs" / "stacking" / "se_resnext.yaml"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which slices the networks see, and the folds (stage 41)."""

    brain_diff_above: float = 60.0  # HU; a slice with less contrast in the brain window shows no brain
    fold_count: Count = 8
    fold_seed: Natural = 300  # breaks ties between equally suited folds
    # the fold of slices that show no brain: their patient's, or none (published), so that all models of the second
    # level learn from them and none is scored on them
    fold_without_brain: Literal["patient", "none"] = "patient"
    bad_share: Share = 0.2  # more slices that cannot be stored than this share, and the stage fails


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """One of the classifiers: its name, which names its files, and what differs between them."""

    name: str
    backbone: str  # a timm name
    size: Count  # pixels
    seed: Natural
    hu_noise: NotNegative  # in training, the whole image is multiplied by 1 +- this
    hu_noise_predicting: NotNegative
    weights: str | None = None  # a file to start from


SE_RESNEXT50 = NetworkConfig(
    name="se_resnext50", backbone="legacy_seresnext50_32x4d.in1k", size=512, seed=30, hu_noise=0.06,
    hu_noise_predicting=0.05,
)  # fmt: skip
SE_RESNEXT101 = NetworkConfig(
    name="se_resnext101", backbone="legacy_seresnext101_32x4d.in1k", size=480, seed=40, hu_noise=0.05,
    hu_noise_predicting=0.04,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How every one of the classifiers is trained (stage 42)."""

    download: bool = False  # may timm's hub be asked for the backbones' weights?
    mean: tuple[float, float, float] = (13.197, 7.179, -78.954)  # HU in the brain, subdural and soft tissue windows
    std: tuple[float, float, float] = (24.509, 55.063, 113.127)
    crop_scale: tuple[float, float] = (0.7, 1.0)  # share of the area that a random crop keeps
    rotation: NotNegative = 30.0  # degrees at most
    rotation_probability: Share = 0.5
    noise_probability: Share = 0.9
    epochs: Count = 4
    batch_size: Count = 28  # over all processes
    drop_last_batch: bool = False  # leave out an epoch's last batch when it is smaller; published: true
    accumulate: Count = 1  # parts a batch is cut into when it does not fit
    learning_rate: Positive = 1.4e-4
    learning_rate_steps: tuple[Count, ...] = (1, 2, 3)  # after so many epochs ...
    learning_rate_factor: Positive = 3 / 7  # ... it is multiplied by this
    precision: Precision = "auto"
    compile: bool = False  # torch.compile
    workers: Workers = 8  # loader processes for each training process
    steps_per_epoch: Count | None = None  # None: all slices; a number cuts every epoch short
    save_every: Count = 1000  # steps between saved training states


@dataclass(frozen=True, kw_only=True)
class PredictionConfig:
    """Random passes over held-out and test slices, averaged (stage 43)."""

    epochs: tuple[Natural, ...] = (2, 3)  # the checkpoints that are averaged, counted from 0
    passes: Count = 5
    crop_scale: tuple[float, float] = (0.75, 1.0)
    rotation: NotNegative = 25.0  # degrees at most
    rotation_probability: Share = 0.5
    noise_probability: Share = 0.7
    precision: Precision = "auto"  # published: fp32
    batch_size: Count = 64
    block_batches: Count = 16  # batches written at a time


@dataclass(frozen=True, kw_only=True)
class LightGBMConfig:
    """LightGBM's settings, under its own names."""

    num_leaves: Annotated[int, Range(2)] = 30
    max_depth: int = 5
    min_child_samples: Natural = 5
    learning_rate: Positive = 0.02
    bagging_fraction: PositiveShare = 0.7
    bagging_freq: Natural = 2
    feature_fraction: PositiveShare = 0.9
    lambda_l1: NotNegative = 0.9
    lambda_l2: NotNegative = 0.9
    seed: Natural = 20
    bagging_seed: Natural = 11
    rounds: Count = 5000  # at most
    patience: Count = 100  # rounds without gain


@dataclass(frozen=True, kw_only=True)
class CatBoostConfig:
    """CatBoost's settings, under its own names."""

    depth: Annotated[int, Range(1, 16)] = 4
    learning_rate: Positive = 0.02
    random_seed: Natural = 42
    rounds: Count = 20000  # at most
    patience: Count = 100  # rounds without gain


@dataclass(frozen=True, kw_only=True)
class XGBoostConfig:
    """XGBoost's settings, under its own names."""

    max_depth: Natural = 5
    learning_rate: Positive = 0.08
    colsample_bytree: PositiveShare = 0.9
    subsample: PositiveShare = 0.9
    tree_method: Literal["hist", "exact"] = "hist"  # published: exact, which tries every value as a threshold
    seed: Natural = 0
    rounds: Count = 500  # at most
    patience: Count = 50  # rounds without gain


@dataclass(frozen=True, kw_only=True)
class SecondLevelConfig:
    """Gradient boosting over a study's predictions, one model per class and fold (stage 44)."""

    boosters: tuple[Booster, ...] = BOOSTERS
    neighbours: Natural = 9  # slices before and after whose prediction is a feature
    before_first: BeforeFirst = "missing"  # neighbours before a study's first slice; published: wrapped, to its end
    study_mean: StudyMean = "class"  # whose mean over the study is a feature; published: last_class, for all classes
    lightgbm: LightGBMConfig = field(default_factory=LightGBMConfig)
    catboost: CatBoostConfig = field(default_factory=CatBoostConfig)
    xgboost: XGBoostConfig = field(default_factory=XGBoostConfig)


@dataclass(frozen=True, kw_only=True)
class SubmissionConfig:
    """The submission (stage 45)."""

    clip: NotNegative = 1e-5  # probabilities are kept so far from 0 and 1; published: 1e-6
    # what test slices without a prediction take: the training prior of their class, or the smallest label of all
    # slices and classes (published)
    missing: Literal["prior", "smallest"] = "prior"


@dataclass(frozen=True, kw_only=True)
class StackingConfig:
    """One experiment of the stacking system."""

    data_set: str = "rsna2019"  # the folder below data/ that it is trained on
    folds: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)
    seed: Natural = 300  # of the random passes of prediction, with network, fold and epoch
    threads: Threads | None = None  # compute threads of a process on a CPU; None: one for each core
    data: DataConfig = field(default_factory=DataConfig)
    networks: tuple[NetworkConfig, ...] = (SE_RESNEXT50, SE_RESNEXT101)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    prediction: PredictionConfig = field(default_factory=PredictionConfig)
    second_level: SecondLevelConfig = field(default_factory=SecondLevelConfig)
    submission: SubmissionConfig = field(default_factory=SubmissionConfig)
