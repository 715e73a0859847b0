"""What is particular to training this system's classifiers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
from torch.optim.lr_scheduler import MultiStepLR

from hounsfield.competitions.rsna2019.labels import LABELS
from hounsfield.core.errors import BadInput
from hounsfield.core.evaluation.labels import LabelSet
from hounsfield.core.evaluation.score_table import score
from hounsfield.core.training.classifier import Classifier
from hounsfield.stacking.config import NetworkConfig, StackingConfig
from hounsfield.stacking.images import normalise
from hounsfield.stacking.losses import stacking_loss
from hounsfield.stacking.network_settings import training_settings


def classifier_of(
    config: StackingConfig, network: NetworkConfig, folder: Path, fold: int, label_set: LabelSet = LABELS
) -> Classifier:
    """One network of one fold. folder: where its weights go."""
    return Classifier(
        name=f"{network.name} fold {fold}",
        folder=folder,
        backbone=network.backbone,
        pretrained=network.weights,
        classes=len(label_set.names),
        settings=config.training,
        seed=network.seed,
        normalise=partial(normalise, config=config.training),
        loss=partial(stacking_loss, class_weights=label_set.weights),
        score=partial(score, label_set),
        facts={"network": training_settings(config, network, fold)},
        schedule=partial(
            MultiStepLR,
            milestones=list(config.training.learning_rate_steps),
            gamma=config.training.learning_rate_factor,
        ),
        drop_last=config.training.drop_last_batch,
    )


def split_slices(slices: pd.DataFrame, fold: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The labelled slices that show brain: those to train on, and those of the validation fold.

    Raises BadInput when either would be empty.
    """
    usable = slices[(slices["split"] == "train") & slices["hu_crc32"].notna()]
    in_fold = usable["fold"] == fold
    if in_fold.all() or not in_fold.any():
        raise BadInput(f"fold {fold} holds {in_fold.sum()} of {len(usable)} labelled slices; too few for folds")
    return usable[~in_fold], usable[in_fold]
