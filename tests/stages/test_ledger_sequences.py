"""Whatever is run, replaced or put back in whatever order: no row called out-of-fold is of a patient that was seen.

The stages are real but for their networks, which are stand-ins that carry along whom they have really seen: a
classifier's weights hold a mark for each patient of its training images, embeddings repeat the marks of the weights
that they were made by, and a sequence network predicts, for every slice, the number whose binary digits are the
patients behind it. So a table of predictions can be asked without any record or ledger.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from hounsfield.competitions.rsna2019.labels import CLASSES
from hounsfield.competitions.rsna2019.paths import PREPARE, SLICES
from hounsfield.competitions.rsna2019.tables import SLICE_SCHEMA, add_labels_and_folds
from hounsfield.core.errors import HounsfieldError
from hounsfield.core.evaluation import operating_points, score_table
from hounsfield.core.evaluation.predictions import OUT_OF_FOLD
from hounsfield.core.stages import command
from hounsfield.core.stages.outputs import Provenance, output, read_record
from hounsfield.core.storage.arrays import write_array
from hounsfield.core.storage.checkpoints import save_weights, weights_name, with_facts
from hounsfield.core.storage.tables import write_table
from hounsfield.hemorrhage import inference
from hounsfield.hemorrhage.paths import LOGITS, array_path
from programs import run_program, work_of

PATIENTS, SLICES_EACH = 12, 5  # five: the folds of two or three are then even
CONFIG = """\
data_set: toy
folds: [0, 1]
threads: 1
prepare: {fold_count: 2}
classifier: {backbone: test_byobnet, epochs: 1, workers: 0}
embedding: {views: [identity]}
sequence: {hidden_units: 2, epochs: 1, epochs_to_bag: 1}
"""
STAGES = ("hemorrhage_train_classifier", "hemorrhage_extract_embeddings", "hemorrhage_train_sequence", "hemorrhage_bag")
OUTPUTS = (
    "data/toy", "data/toy/embeddings", "checkpoints", "checkpoints/hemorrhage/toy/fold0", "preds",
    "preds/hemorrhage/toy/fold0_epoch0",
)  # fmt: skip


def patient_of(images: pd.Series | list[str]) -> np.ndarray:
    """Patients are numbered, and their images named after them."""
    return np.array([int(str(name).removeprefix("ID_")[:2]) for name in images])


class Marks(nn.Module):
    """A network of nothing but the patients that it has seen."""

    def __init__(self, *_: object) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(PATIENTS))


def train_classifier(task, train, validation, devices, course) -> None:
    network = Marks()
    network.seen[patient_of(train.image_ids(np.arange(len(train))))] = 1
    save_weights(task.folder / weights_name(0), network.state_dict(), {**task.facts, "epoch": 0, "scores": {}})


def extract_arrays(folder, network, images, config, trained, devices) -> list[Path]:
    paths = [array_path(folder, name) for name in ("identity", LOGITS)]
    write_array(paths[0], np.tile(network.seen.numpy(), (len(images), 1)).astype(np.float16))
    write_array(paths[1], np.zeros((len(images), len(CLASSES)), np.float32))
    return paths


def train_epochs(task, out, store, data, labels, devices, course) -> np.ndarray:
    marks = np.empty((1, PATIENTS), np.float32)
    store.read(0, 1, marks)
    seen = {*np.flatnonzero(marks[0]), *patient_of(data.patients)}
    save_weights(out.folder / weights_name(0), Marks().state_dict(), {})
    assert (out.folder / with_facts([weights_name(0)])[1]).exists()
    return np.full((len(labels), len(CLASSES)), sum(2 ** int(patient) for patient in seen) / 2**PATIENTS)


# What takes most of a stage's time beside its network, and is asked nothing here. A stage is started about a thousand
# times, with some fifty command lines: each of these is parsed once. Intervals are made of few draws.
COMMANDS: dict[tuple[str, ...], command.Command] = {}
DRAWS = 5
STAND_INS: dict[str, Callable] = {
    "train_classifier": train_classifier,
    "build_network": Marks,
    "embedding_width": lambda _: PATIENTS,
    "extract_arrays": extract_arrays,
    "train_epochs": train_epochs,
}


def prepare(work: Path, fold_count: int, seed: int) -> None:
    """The data set with other folds or labels, as preparation with --force leaves it."""
    number = np.repeat(np.arange(PATIENTS), SLICES_EACH)
    order = np.tile(np.arange(SLICES_EACH), PATIENTS)
    names = [f"ID_{patient:02d}{one:02d}" for patient, one in zip(number, order, strict=True)]
    rows = pd.DataFrame({"image_id": names, "path": names, "series": number, "order": order})
    rows = rows.assign(study_uid=[f"S{patient}" for patient in number])
    rows["series_uid"] = rows["study_uid"]
    rows = rows.assign(patient_id=[f"ID_{patient:02d}" for patient in number], image_crc32=0, x0=0, y0=0, x1=1, y1=1)
    shown = np.random.default_rng(seed).random((len(rows), len(CLASSES))) < 0.5
    shown[:, -1] = shown[:, :-1].any(axis=1)
    table = add_labels_and_folds(rows, pd.DataFrame(shown.astype(np.int8), names, list(CLASSES)), fold_count)
    folder = work / "data" / "toy"
    with output(folder, Provenance(PREPARE, {"fold_count": fold_count}, {}), force=True, remedy="") as out:
        write_table(folder / SLICES, table.reindex(columns=SLICE_SCHEMA.names).astype(object), SLICE_SCHEMA)
        out.finish([SLICES])


def start(work: Path, stage: str, *arguments: str) -> bool:
    """Run one stage; False when it refuses."""
    module = work_of(stage)
    words = ("--config", str(work / "toy.yaml"), "--work", str(work), *arguments)
    line = (stage, *words)

    def parse_once(parser: object, of: command.Stage) -> command.Command:
        if line not in COMMANDS:
            COMMANDS[line] = parse(parser, of)
        return COMMANDS[line]

    parse = command.parse
    with pytest.MonkeyPatch.context() as patch:
        for name, stand_in in STAND_INS.items():
            for where in (module, inference):
                if hasattr(where, name):
                    patch.setattr(where, name, stand_in)
        for where in (operating_points, score_table):
            patch.setattr(where, "DRAWS", DRAWS)
        patch.setattr(command, "parse", parse_once)
        if line in COMMANDS:
            patch.setattr(command, "stage_parser", MagicMock())
        try:
            run_program(stage, *words)
        except HounsfieldError:
            return False
    return True


def check_no_leak(work: Path) -> int:
    """Ask the bag's own numbers; returns how many rows are out of fold."""
    table = pd.read_parquet(work / "preds" / "hemorrhage" / "toy" / "bag.parquet")
    scored = table[table["split"] == OUT_OF_FOLD]
    behind = (scored["any"].to_numpy() * 2**PATIENTS).astype(int)
    leaks = (behind >> patient_of(scored["image_id"])) & 1
    assert not leaks.any(), scored["image_id"][leaks == 1].tolist()
    return len(scored)


def swap(work: Path, place: str) -> None:
    """Put back what was set aside before, and set aside what lies there now, as a person with a backup does."""
    here, aside = work / place, work / "aside" / place.replace("/", "+")
    there = work / "aside" / "once"
    shutil.rmtree(there, ignore_errors=True)
    if here.exists():
        shutil.copytree(here, there)
    if aside.exists():
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(aside, here)
        shutil.rmtree(aside)
    if there.exists():
        there.rename(aside)


FORCE = st.sampled_from([(), ("--force",)])
FOLDS = st.sampled_from([(), ("--fold", "0"), ("--fold", "1")])
CHANGES = st.one_of(
    st.tuples(st.just("prepare"), st.sampled_from([2, 3]), st.sampled_from([0, 1])),
    st.tuples(st.just("swap"), st.sampled_from(OUTPUTS)),
    st.tuples(st.just("start"), st.sampled_from(STAGES), FORCE, st.just(("--fold", "all"))),
)
# stages from one on, each with or without --force, all with the same folds: what a person does after a change
CHAINS = st.tuples(st.just("chain"), st.integers(0, 3), st.lists(FORCE, min_size=4, max_size=4), FOLDS)
ACTIONS = st.lists(st.one_of(CHANGES, CHANGES, CHAINS), min_size=1, max_size=5)


def fold_count(work: Path) -> str:
    """The folds of the data set as it is now, which a person gives so as not to be refused for their number."""
    record = read_record(work / "data" / "toy")
    return str(record["settings"]["fold_count"] if record else 2)


def do(work: Path, action: tuple) -> None:
    if action[0] == "prepare":
        prepare(work, *action[1:])
    elif action[0] == "swap":
        swap(work, action[1])
    elif action[0] == "start":
        start(work, action[1], *action[2], *action[3])
    else:
        _, first, forces, folds = action
        for stage, force in zip(STAGES[first:], forces[first:], strict=True):
            done = start(work, stage, *force, *folds, "--prepare.fold_count", fold_count(work))
        if done:
            check_no_leak(work)


def new_work(folder: Path) -> Path:
    folder.mkdir()
    (folder / "toy.yaml").write_text(CONFIG)
    prepare(folder, 2, 0)
    return folder


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run through all stages: what may leak is there only after it. It was made in the folder `work` beside it."""
    work = new_work(tmp_path_factory.mktemp("sequences") / "work")
    assert all(start(work, stage) for stage in STAGES)
    return work.rename(work.with_name("whole"))


def test_a_plain_run_scores_every_patient(tmp_path: Path) -> None:
    work = new_work(tmp_path / "work")
    assert all(start(work, stage) for stage in STAGES)
    assert check_no_leak(work) == PATIENTS * SLICES_EACH


def test_the_stand_ins_show_a_leak_that_no_record_tells_of(tmp_path: Path) -> None:
    work = new_work(tmp_path / "work")
    assert all(start(work, stage) for stage in STAGES)
    path = work / "preds" / "hemorrhage" / "toy" / "bag.parquet"
    pd.read_parquet(path).assign(any=1 - 2.0**-PATIENTS).to_parquet(path)
    with pytest.raises(AssertionError, match="ID_"):
        check_no_leak(work)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS, last=CHAINS)
def test_no_sequence_of_stages_and_changes_scores_a_seen_patient(
    whole_run: Path, actions: list[tuple], last: tuple
) -> None:
    work = whole_run.with_name("work")
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(whole_run, work)
    for action in [*actions, last]:
        do(work, action)
