"""One experiment's configuration. Each part belongs to one stage; the numbers are the published ones.

SIIM-ACR 2019, 1st place. Areas are shares of the image, so that they mean the same at every size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hounsfield.competitions.siim2019.config import PrepareConfig
from hounsfield.core.stages.command import REPOSITORY
from hounsfield.core.stages.ranges import Count, Natural, NotNegative, Positive, PositiveShare, Threads, Workers
from hounsfield.core.training.precision import Kept, Precision

DEFAULT_CONFIG = REPOSITORY / "configs" / "pneumothorax" / "albunet_valid.yaml"
PUBLISHED_PIXELS = 1024 * 1024  # of the image that the published areas count pixels of


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """A film shows a pneumothorax where enough of it is above `top`; then all above `bottom` is the mask."""

    top: float  # probability
    area: float  # smallest share of the image above `top`
    bottom: float  # probability


# the one that did best in validation for its authors, on all of their networks
PUBLISHED_RULE = Triplet(top=0.75, area=2000 / PUBLISHED_PIXELS, bottom=0.3)
# the eight between which an epoch's score chooses
PUBLISHED_TRIPLETS = tuple(
    Triplet(top=top, area=pixels / PUBLISHED_PIXELS, bottom=bottom)
    for top, pixels in ((0.75, 1000), (0.75, 2000), (0.6, 2000), (0.6, 3000))
    for bottom in (0.3, 0.4)
)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network: 3 channels in, one logit per pixel out."""

    name: str = "albunet"  # albunet, unet, scse_unet; or smp/<architecture>/<encoder>, of segmentation_models_pytorch
    encoder: str = "resnet34.tv_in1k"  # a timm name; not for smp, whose name holds it
    decoder_channels: tuple[Count, ...] | None = None  # deep first; None: the published ones, or those of smp
    weights: str | None = None  # a file that the encoder starts from
    download: bool = False  # may timm's hub be asked for the encoder's weights?
    normalise: bool = False  # by the mean and deviation of ImageNet; False: grey levels 0..1 as they are


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """How much each loss counts in their sum."""

    bce: NotNegative = 3.0
    dice: NotNegative = 1.0
    focal: NotNegative = 4.0


@dataclass(frozen=True, kw_only=True)
class PartConfig:
    """One of the parts that a network is trained in, one after the other."""

    # the weights it starts from: `initial` (those of the network section), `part0` (the best of an earlier part of this
    # experiment and fold), or `<experiment>/part<p>` (of another experiment, the same fold)
    start: str
    size: Count = 1024  # pixels; films are resized to it
    batch_size: Count = 2  # over all processes
    accumulate: Count = 1  # parts a batch is cut into when it does not fit
    learning_rate: Positive = 1e-5
    weight_decay: NotNegative = 5e-6
    schedule: Literal["plateau", "cosine", "constant"] = "cosine"  # stepped after each epoch
    lowest_learning_rate: NotNegative = 1e-7
    plateau_factor: PositiveShare = 0.1  # plateau: multiplied in ...
    plateau_patience: Natural = 2  # ... after more epochs than these without a better score
    cosine_epochs: Count = 8  # cosine: down to the lowest in so many, and up again in as many
    epochs: Count = 50  # at most
    patience: Natural = 12  # stops after more epochs than these without a better score
    top: Count = 3  # epochs whose weights are kept ...
    # ... the best ones, or the last: then the validation fold chooses nothing, and no part stops early
    kept: Kept = "best"
    positive_share: PositiveShare | None = None  # of an epoch's films; None: all films of the training folds
    extra_films: bool = False  # trains on the films of fold -2, too, which are never validated
    freeze_encoder: bool = False  # neither its weights nor its running statistics move


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the network is trained (stage 62)."""

    loss: LossConfig = field(default_factory=LossConfig)
    parts: tuple[PartConfig, ...] = (PartConfig(start="initial"),)
    negatives_repeat: bool = False  # negatives are drawn with replacement within an epoch; published: true
    clip_norm: Positive = 0.1  # of all gradients together
    triplets: tuple[Triplet, ...] = PUBLISHED_TRIPLETS  # the best one's mean Dice is an epoch's score
    precision: Precision = "auto"
    compile: bool = False  # torch.compile
    workers: Workers = 8  # loader processes for each training process
    save_every: Count = 1000  # steps between saved training states


@dataclass(frozen=True, kw_only=True)
class MapsConfig:
    """Probability maps of out-of-fold and test films (stage 63)."""

    part: Natural | None = None  # whose checkpoints are averaged; None: the last
    top: Count = 3  # best epochs of it that are averaged
    flip: bool = True  # averaged with the mirrored film's map
    dtype: Literal["uint8", "float16"] = "uint8"
    precision: Precision = "auto"
    batch_size: Count = 2
    block_batches: Count = 16  # batches written at a time
    workers: Workers = 8  # loader processes


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """One of the experiments whose maps are blended."""

    experiment: str  # of the same data set and folds
    weight: float  # relative to the others': they are brought to the sum 1


@dataclass(frozen=True, kw_only=True)
class ThresholdsConfig:
    """The rule that turns maps into masks, chosen over a grid (stage 64)."""

    triplets: tuple[Triplet, ...] = PUBLISHED_TRIPLETS  # the grid, unless `tops` are given
    tops: tuple[float, ...] = ()  # every one with every area and bottom
    areas: tuple[float, ...] = ()  # shares of the image; without areas and bottoms the rules are single thresholds
    bottoms: tuple[float, ...] = ()  # without bottoms they are doublets: top and bottom are one


@dataclass(frozen=True, kw_only=True)
class SubmissionConfig:
    """Masks and run lengths (stage 65)."""

    triplet: Triplet | None = None  # None: the one that stage 64 chose on all out-of-fold films
    # bottom of a film of which the sample asks for several masks, which needs no area; None: the triplet's
    leak: float | None = None
    # components and contours are filtered by size; as contours (published) a hole stays open if its own outline is kept
    regions: Literal["all", "components", "contours"] = "all"
    least_region: float = 0.0  # share of the image that a region must exceed
    most_regions: bool = False  # only so many, the largest, as the sample has rows of the film
    holes: Literal["keep", "fill"] = "keep"  # of components


@dataclass(frozen=True, kw_only=True)
class PneumothoraxConfig:
    """One experiment of the pneumothorax system."""

    data_set: str = "siim2019"  # the folder below data/ that it is trained on
    folds: tuple[int, ...] = (0, 1, 2, 3, 4)
    seed: Natural = 42
    threads: Threads | None = None  # compute threads of a process on a CPU; None: one for each core
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    blend: tuple[MemberConfig, ...] = ()  # experiments whose maps are averaged, in place of networks of its own
    maps: MapsConfig = field(default_factory=MapsConfig)
    thresholds: ThresholdsConfig = field(default_factory=ThresholdsConfig)
    submission: SubmissionConfig = field(default_factory=SubmissionConfig)
