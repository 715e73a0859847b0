"""The systems' stages as faults are done to them: their programs, small configurations, and what these begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hounsfield.core.stages.outputs import UNFINISHED

EXPERIMENT, DATA_SET, FOLD = "faults", "phantom", "0"
CONFIG = """\
# What faults are done to: the smallest network that every stage runs, long enough to be hit in its midst.
data_set: phantom
folds: [0, 1]
threads: 1
prepare: {{fold_count: 2}}
classifier: {{backbone: test_resnet, size: 64, epochs: {epochs}, batch_size: 8, learning_rate: 1.0e-3, workers: 1,
             save_every: 2, steps_per_epoch: {steps}}}
embedding: {{views: [identity, hflip], epochs: [0], batch_size: 8, block_batches: 1}}
sequence: {{hidden_units: 32, epochs: {sequence_epochs}, epochs_to_bag: 2, keep_epochs: 1, batch_size: 2,
           learning_rate: 1.0e-3, save_every: 2}}
"""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much the phantoms and their training hold."""

    train_patients: int = 24
    test_patients: int = 4
    slices: int = 10  # a patient
    pixels: int = 128
    epochs: int = 3
    steps: int = 12  # an epoch of the classifier
    sequence_epochs: int = 10
    film_patients: int = 100  # of the chest films, to train on; about as many and a half are their films
    neck_patients: int = 16  # to train on


FULL = Sizes()
SMALL = Sizes(
    train_patients=10,
    test_patients=2,
    slices=8,
    epochs=2,
    steps=2,
    sequence_epochs=2,
    film_patients=12,
    neck_patients=8,
)


@dataclass(frozen=True)
class Stage:
    """One stage program: its file, its own arguments, the folder that it locks, what changes its speed alone."""

    program: str
    arguments: tuple[str, ...]
    folder: str  # below the work folder
    other_workers: tuple[str, ...]


class Chain(NamedTuple):
    """The stages of one system, one after the other; the first one prepares what the phantom's program draws."""

    experiment: str  # names the configuration
    config: str  # filled in from the sizes
    phantom: str
    drawing: Callable[[Sizes], tuple[object, ...]]  # the phantom's options
    stages: dict[str, Stage]


CHECKPOINTS = f"checkpoints/hemorrhage/{EXPERIMENT}/fold{FOLD}"
SEQUENCE = f"{CHECKPOINTS}/sequence_epoch0"
EMBEDDINGS = f"data/{DATA_SET}/embeddings/{EXPERIMENT}/fold{FOLD}/epoch0"
PREDICTIONS = f"preds/hemorrhage/{EXPERIMENT}"
RUN = f"{PREDICTIONS}/fold{FOLD}_epoch0"  # of the sequence network
FILMS, FILM_EXPERIMENT = "films", "films_faults"
FILM_CHECKPOINTS = f"checkpoints/pneumothorax/{FILM_EXPERIMENT}/fold{FOLD}"
NECKS, NECK_EXPERIMENT = "necks", "necks_faults"
NECK_CHECKPOINTS = f"checkpoints/spine/{NECK_EXPERIMENT}"  # of all folds: only then come boxes and pseudo-labels
# a pattern of the saved state below the work folder; of several parts or folds the last one's counts
STATES = {
    "12": f"{CHECKPOINTS}/{UNFINISHED}/state.pt",
    "14": f"{SEQUENCE}/{UNFINISHED}/state.pt",
    "52": f"{NECK_CHECKPOINTS}/boxes/*/*/{UNFINISHED}/state.pt",
    "53": f"{NECK_CHECKPOINTS}/vertebrae/*/*/{UNFINISHED}/state.pt",
    "54": f"{NECK_CHECKPOINTS}/fracture/*/*/{UNFINISHED}/state.pt",
    "55": f"{NECK_CHECKPOINTS}/study/*/*/{UNFINISHED}/state.pt",
    "62": f"{FILM_CHECKPOINTS}/part*/{UNFINISHED}/state.pt",
}
WORKERS = "--classifier.workers"
STAGES = {
    "01": Stage("rsna2019_prepare.py", ("--jobs", "2"), f"data/{DATA_SET}", ("--jobs", "1")),
    "12": Stage("hemorrhage_train_classifier.py", ("--fold", FOLD), CHECKPOINTS, (WORKERS, "2")),
    "13": Stage("hemorrhage_extract_embeddings.py", ("--fold", FOLD), EMBEDDINGS, (WORKERS, "2")),
    "14": Stage("hemorrhage_train_sequence.py", ("--fold", FOLD), SEQUENCE, ()),
    "15": Stage("hemorrhage_bag.py", ("--fold", FOLD), PREDICTIONS, ()),
}
FILM_CONFIG = """\
# The same of the chest films' system: two parts, so that a kill may fall between them.
data_set: films
folds: [0, 1]
threads: 1
prepare: {{image_size: 64, fold_count: 2}}
network: {{name: unet, encoder: test_resnet, decoder_channels: [16, 8, 8, 8, 8]}}
training:
  workers: 1
  save_every: 2
  parts:
    - {{start: initial, size: 64, batch_size: 6, learning_rate: 1.0e-3, schedule: plateau, epochs: {epochs}, top: 2,
       positive_share: 0.5}}
    - {{start: part0, size: 64, batch_size: 6, learning_rate: 1.0e-3, epochs: 2, top: 2, positive_share: 0.5}}
maps: {{batch_size: 1, block_batches: 1, top: 2, workers: 1}} # a block a film, so that a kill may fall between two
"""
FILM_STAGES = {
    "61": Stage("siim2019_prepare.py", ("--jobs", "2"), f"data/{FILMS}", ("--jobs", "1")),
    "62": Stage("pneumothorax_train.py", ("--fold", FOLD), FILM_CHECKPOINTS, ("--training.workers", "2")),
    "63": Stage(
        "pneumothorax_maps.py", ("--fold", FOLD), f"data/{FILMS}/maps/{FILM_EXPERIMENT}", ("--maps.workers", "2")
    ),
}


NECK_CONFIG = """\
# The same of the necks' system: small networks, every fold.
data_set: necks
folds: [0, 1]
threads: 1
workers: 1
save_every: 2
excluded: []
prepare: {{fold_count: 2}}
windows: {{slices: 24, train_step: 12, predict_step: 12}}
boxes:
  network: {{backbone: test_resnet, size: 32}}
  optimizer: {{learning_rate: 1.0e-3, weight_decay: 0, epochs: {epochs}, batch_size: 16}}
  seeds: [0]
  refit: false
vertebrae:
  models:
    - name: cropped
      network: {{backbone: test_resnet, size: 32}}
      optimizer: {{learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: {epochs}, batch_size: 2}}
      crop: true
  seeds: [0]
fracture:
  models:
    - name: small
      network: {{backbone: test_resnet, size: 32}}
      optimizer: {{learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: {epochs}, batch_size: 2}}
      seeds: [0]
  refit: false
study:
  optimizer: {{learning_rate: 1.0e-3, weight_decay: 5.0e-4, epochs: {epochs}, batch_size: 2}}
  hidden: 32
  steps: 16
"""
NECK_STAGES = {
    "51": Stage("rsna2022_prepare.py", ("--jobs", "2"), f"data/{NECKS}", ("--jobs", "1")),
    **{
        number: Stage(program, (), NECK_CHECKPOINTS, ("--workers", "2"))
        for number, program in (
            ("52", "spine_boxes.py"),
            ("53", "spine_vertebrae.py"),
            ("54", "spine_fracture.py"),
            ("55", "spine_study.py"),
        )
    },
}


def _heads(sizes: Sizes) -> tuple[object, ...]:
    patients = ("--train-patients", sizes.train_patients, "--test-patients", sizes.test_patients)
    return (*patients, "--slices", sizes.slices, sizes.slices, "--size", sizes.pixels)


def _films(sizes: Sizes) -> tuple[object, ...]:
    return ("--train-patients", sizes.film_patients, "--test-patients", sizes.test_patients, "--size", sizes.pixels)


def _necks(sizes: Sizes) -> tuple[object, ...]:
    patients = ("--train-patients", sizes.neck_patients, "--test-patients", sizes.test_patients)
    return (*patients, "--size", 64, "--spacing", 4.0, 4.4, "--segmented-share", 1)


CHAINS = (
    Chain(EXPERIMENT, CONFIG, "rsna2019_phantom.py", _heads, STAGES),
    Chain(NECK_EXPERIMENT, NECK_CONFIG, "rsna2022_phantom.py", _necks, NECK_STAGES),
    Chain(FILM_EXPERIMENT, FILM_CONFIG, "siim2019_phantom.py", _films, FILM_STAGES),
)
EVERY_STAGE = {name: stage for chain in CHAINS for name, stage in chain.stages.items()}


def chain_of(stage: str) -> Chain:
    """The system that a stage belongs to."""
    return next(chain for chain in CHAINS if stage in chain.stages)
