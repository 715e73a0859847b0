"""A small prepared data set, embeddings and predictions as the stages 01, 13 and 14 leave them, without images.

Labels, logits and predictions are made up, so that the classifier beats the prior, the sequence network the classifier,
and the bag the sequence network.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from hounsfield.competitions.rsna2019.labels import CLASSES, LABELS
from hounsfield.competitions.rsna2019.paths import PREPARE, SLICES, data_folder
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA, add_labels_and_folds, open_data_set, read_slices
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD, TEST, write_predictions
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.stages.outputs import Provenance, output
from hounsfield.core.stages.upstream import Upstream, require
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.tables import write_table
from hounsfield.hemorrhage.config import (
    ClassifierConfig,
    EmbeddingConfig,
    HemorrhageConfig,
    SequenceConfig,
    extracted_epochs,
    sequence_settings,
)
from hounsfield.hemorrhage.paths import (
    EXTRACT,
    LOGITS,
    PREDICTIONS,
    ROWS,
    ROWS_SCHEMA,
    TRAIN_CLASSIFIER,
    TRAIN_SEQUENCE,
    array_path,
    classifier_folder,
    predictions_folder,
    run_folder,
    sequence_folder,
    store_folder,
)

DATA_SET = "toy"
EMBEDDING_WIDTH = 4
FOLD_COUNT = 5


def open_toy(work: Path, name: str = DATA_SET) -> Upstream:
    """The data set as a stage opens it."""
    return open_data_set(work, name, str)


def made(work: Path, folder: Path, stage: str) -> Upstream:
    """An output as a stage opens it."""
    return require(work, folder, stage, str)


def toy_config(data_set: str = DATA_SET, folds: tuple[int, ...] = (0, 1, 2, 3, 4), epochs: int = 2) -> HemorrhageConfig:
    """A configuration of stages that take no time."""
    return HemorrhageConfig(
        data_set=data_set,
        folds=folds,
        classifier=ClassifierConfig(epochs=epochs),
        embedding=EmbeddingConfig(views=("identity",)),
        sequence=SequenceConfig(hidden_units=8, epochs=2, epochs_to_bag=2),
    )


def write_config(folder: Path, experiment: str, config: HemorrhageConfig) -> Path:
    """The experiment's YAML, with those values that `toy_config` sets."""
    values = {
        "data_set": config.data_set,
        "folds": list(config.folds),
        "classifier": {"epochs": config.classifier.epochs},
        "embedding": {"views": list(config.embedding.views)},
        "sequence": {"hidden_units": config.sequence.hidden_units, "epochs": 2, "epochs_to_bag": 2},
    }
    path = folder / f"{experiment}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values))
    return path


def make_data_set(
    work: Path, name: str = DATA_SET, *, patients: int = 40, test_patients: int = 5, slices: int = 6, seed: int = 0
) -> pd.DataFrame:
    """Prepare a data set (each patient one series of `slices` slices), or the same again. Returns its slices."""
    generator = np.random.default_rng(seed)
    count = patients + test_patients
    number = np.repeat(np.arange(count), slices)
    order = np.tile(np.arange(slices), count)
    hashes = generator.permutation(1_000_000)[: len(number)]
    rows = pd.DataFrame(
        {
            "image_id": [f"ID_{name}{value:06d}" for value in hashes],
            "path": [f"images/{value:06d}.dcm" for value in hashes],
            "patient_id": [f"ID_p{value:04d}" for value in number],
            "study_uid": [f"ID_t{value:04d}" for value in number],
            "series_uid": [f"ID_s{value:04d}" for value in number],
            "series": number,
            "order": order,
            "normal_mm": order * 5.0,
        }
    )
    ill = generator.random((count, 5)) < 0.4
    shown = (generator.random((len(number), 5)) < 0.8) & ill[number]
    labels = pd.DataFrame(np.column_stack([shown, shown.any(axis=1)]).astype(np.int8), rows["image_id"], list(CLASSES))
    table = add_labels_and_folds(rows, labels[number < patients] if patients else None, FOLD_COUNT)
    folder = data_folder(work, name)
    with output(folder, Provenance(PREPARE, {"fold_count": FOLD_COUNT}, {}), force=True, remedy="") as out:
        write_table(folder / SLICES, table.reindex(columns=SLICE_SCHEMA.names).astype(object), SLICE_SCHEMA)
        out.finish([SLICES])
    return read_slices(open_toy(work, name))


def write_sample(work: Path, ids: list[str], name: str = DATA_SET) -> None:
    """The sample submission, as preparation copies it from the archive."""
    path = sample_submission_path(work, name)
    path.write_text("ID,Label\n" + "".join(f"{one},0.5\n" for one in ids))


def guesses(slices: pd.DataFrame, *, sharpness: float, noise: float, seed: int) -> np.ndarray:
    """Logits (N, 6) that know the truth up to noise; of test slices pure noise."""
    generator = np.random.default_rng(seed)
    truth = slices[list(CLASSES)].astype("float64").fillna(0.5).to_numpy()
    return sharpness * (2 * truth - 1) + noise * generator.standard_normal(truth.shape)


def seen_by(slices: pd.DataFrame, fold: str) -> np.ndarray:
    """The patients that the fold's models learn from."""
    trained = (slices["split"] == "train") & (slices["fold"] != (-1 if fold == "all" else int(fold)))
    return slices["patient_id"][trained].to_numpy()


def make_classifier(work: Path, experiment: str, fold: str, data_set: str = DATA_SET, *, epochs: int = 2) -> Upstream:
    """A classifier without weights, as far as what is made from it can tell; made once."""
    data = open_toy(work, data_set)
    settings = {"fold": fold, "learning_rate": 2e-5, "epochs": epochs}
    folder = classifier_folder(work, experiment, fold)
    provenance = Provenance(TRAIN_CLASSIFIER, settings, {"data set": data.as_input()})
    with output(folder, provenance, force=False, remedy="") as out:
        if not out.finished:
            (folder / "weights").write_text(f"{experiment} {fold}")
            learned = Ledger.of(data_set, seen_by(read_slices(data), fold))
            out.finish(["weights"], learned=learned)
    return made(work, folder, TRAIN_CLASSIFIER)


def make_store(
    work: Path,
    experiment: str,
    fold: str,
    epoch: int,
    data_set: str = DATA_SET,
    *,
    trained_on: str | None = None,
    logits: bool = True,
) -> Upstream:
    """Embeddings as stage 13 leaves them. logits: False for those published in 2019."""
    data, classifier = open_toy(work, data_set), make_classifier(work, experiment, fold, trained_on or data_set)
    slices = read_slices(data)
    folder = store_folder(work, data_set, experiment, fold, epoch)
    seed = 100 * epoch + (9 if fold == "all" else int(fold))
    inputs = {"data set": data.as_input(), "classifier": classifier.as_input()}
    names = ["identity", LOGITS] if logits else ["identity"]
    with output(folder, Provenance(EXTRACT, {"fold": fold, "epoch": epoch}, inputs), force=True, remedy="") as out:
        embeddings = np.random.default_rng(seed).random((len(slices), EMBEDDING_WIDTH)).astype(np.float16)
        write_array(array_path(folder, "identity"), embeddings)
        if logits:
            values = guesses(slices, sharpness=2, noise=1.5, seed=seed).astype(np.float32)
            write_array(array_path(folder, LOGITS), values)
        write_table(folder / ROWS, slices, ROWS_SCHEMA)
        out.finish(
            [ROWS, *(f"{name}.npy" for name in names)],
            learned=classifier.learned().upstream_of(),
            facts={"rows": len(slices), "width": EMBEDDING_WIDTH, "dtype": "float16", "views": ["identity"]},
        )
    return made(work, folder, EXTRACT)


def make_network(work: Path, experiment: str, config: HemorrhageConfig, fold: str, epoch: int) -> Upstream:
    """A sequence network without weights, as stage 14 leaves it."""
    data = open_toy(work, config.data_set)
    embeddings = made(work, store_folder(work, config.data_set, experiment, fold, epoch), EXTRACT)
    folder = sequence_folder(work, experiment, fold, epoch)
    settings = {**sequence_settings(config), "fold": fold, "epoch": epoch}
    inputs = {"data set": data.as_input(), "embeddings": embeddings.as_input()}
    with output(folder, Provenance(TRAIN_SEQUENCE, settings, inputs), force=True, remedy="") as out:
        (folder / "weights").write_text(f"{experiment} {fold} {epoch}")
        own = Ledger.of(config.data_set, seen_by(read_slices(data), fold))
        out.finish(["weights"], learned=Ledger.joined([own, embeddings.learned().upstream_of()]))
    return made(work, folder, TRAIN_SEQUENCE)


def make_predictions(
    work: Path,
    experiment: str,
    config: HemorrhageConfig,
    fold: str,
    epoch: int,
    data_set: str | None = None,
    *,
    of_fold: str | None = None,
    learned: Ledger | None = None,
) -> Upstream:
    """One run's predictions as stage 14 leaves them. of_fold: predict another fold's slices, as no stage would."""
    data_set = data_set or config.data_set
    data, network = open_toy(work, data_set), make_network(work, experiment, config, fold, epoch)
    slices = read_slices(data)
    foreign = data_set != config.data_set
    is_test = np.full(len(slices), foreign) | (slices["split"] == "test").to_numpy()
    predicted = of_fold or fold
    held_out = ~is_test & (slices["fold"] == (-1 if predicted == "all" else int(predicted))).to_numpy()
    seed = 1000 + 100 * epoch + (9 if fold == "all" else int(fold)) + 10_000 * (experiment == "no_crop")
    logits = guesses(slices, sharpness=2.5, noise=1.5, seed=seed)
    frame = pd.DataFrame(1 / (1 + np.exp(-logits)), columns=list(CLASSES))
    frame = frame.assign(image_id=slices["image_id"], split=np.where(is_test, TEST, OUT_OF_FOLD))[is_test | held_out]
    folder = run_folder(predictions_folder(work, experiment, config.data_set, data_set), fold, epoch)
    inputs = {"data set": data.as_input(), "sequence network": network.as_input()}
    provenance = Provenance(TRAIN_SEQUENCE, {"fold": fold, "epoch": epoch}, inputs)
    with output(folder, provenance, force=True, remedy="") as out:
        write_predictions(folder / PREDICTIONS, LABELS, frame)
        out.finish([PREDICTIONS], learned=learned if learned is not None else network.learned())
    return made(work, folder, TRAIN_SEQUENCE)


def make_runs(
    work: Path,
    experiment: str,
    config: HemorrhageConfig,
    *,
    folds: tuple[str, ...] | None = None,
    data_set: str | None = None,
) -> None:
    """Embeddings, networks and predictions of every fold and extracted epoch."""
    for fold in folds if folds is not None else tuple(map(str, config.folds)):
        for epoch in extracted_epochs(config):
            for name in dict.fromkeys((config.data_set, data_set or config.data_set)):
                make_store(work, experiment, fold, epoch, name, trained_on=config.data_set)
            make_predictions(work, experiment, config, fold, epoch, data_set)
