"""Several processes, on one machine or two, and what becomes of a run when one of them dies.

The network has layer normalisation: batch statistics are of each process's own share, so that they differ with their
number. Nothing has dropout, whose draws differ with it too (they are seeded by the rank).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from processes import PATIENCE, free_port, run_together
from safetensors.numpy import load_file
from shell_tree import Tree

from conftest import Work, copy_work, work_at
from hounsfield.competitions.rsna2019.labels import CLASSES
from killed_runs import files_left
from programs import REPOSITORY, run_program

pytestmark = pytest.mark.slow  # each process imports torch anew

CONFIG = """
data_set: phantom
folds: [0, 1]
threads: 1
prepare: {fold_count: 2}
classifier:
    {backbone: test_convnext, size: 64, epochs: 2, batch_size: 7, learning_rate: 1.0e-3, workers: 0, save_every: 1}
embedding: {views: [identity, hflip], batch_size: 8, block_batches: 1}
sequence:
    {hidden_units: 16, epochs: 3, epochs_to_bag: 2, keep_epochs: 2, batch_size: 4, predict_batch_size: 2,
    learning_rate: 1.0e-3, save_every: 1}
"""
CLASSIFIER, SEQUENCE = "hemorrhage_train_classifier", "hemorrhage_train_sequence"
FOLD = ("--fold", 1)
NUMBERS = (1, 2, 3)  # of processes
WEIGHTS = "checkpoints/hemorrhage/several/fold1/epoch1.safetensors"
PREDICTIONS = "preds/hemorrhage/several/fold1_epoch1/predictions.parquet"
# the same sums in another order: float32, through ten steps of Adam
LOSS_TOLERANCE, WEIGHT_TOLERANCE, PROBABILITY_TOLERANCE = 1e-5, 1e-4, 1e-5

# A program of which one process dies, unless it has been started again.
DYING = """
import os, runpy, sys
sys.path[:0] = [{scripts!r}, {here!r}]
from processes import kill_after_steps
rank, steps = os.environ["KILL"].split()
if os.environ["RANK"] == rank and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    kill_after_steps(int(steps))
runpy.run_path({program!r}, run_name="__main__")
"""


class Run(NamedTuple):
    work: Work
    losses: np.ndarray  # of every step


def run_copy(source: Work, folder: Path, processes: int, program: str, *arguments: object) -> Run:
    """Run a program on a copy of a work folder."""
    work = work_at(folder / "work", Path(source.arguments[1]))
    copy_work(source, work)
    return Run(work, run_on(work, processes, program, *arguments))


def run_on(work: Work, processes: int, program: str, *arguments: object) -> np.ndarray:
    log = work.folder.parent / f"{program}.log"
    return np.array(run_together(processes, program, *work.arguments, *FOLD, *arguments, log=log))


@pytest.fixture(scope="module")
def start(prepared: Work, tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Prepared phantoms, and the configuration of this module."""
    folder = tmp_path_factory.mktemp("several")
    (folder / "several.yaml").write_text(CONFIG)
    return work_at(prepared.folder, folder / "several.yaml")


@pytest.fixture(scope="module")
def classifiers(start: Work, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """The classifier as so many processes train it."""
    return {n: run_copy(start, tmp_path_factory.mktemp(f"classifier{n}"), n, CLASSIFIER) for n in NUMBERS}


@pytest.fixture(scope="module")
def extracted(classifiers: dict[int, Run]) -> Work:
    """The classifier that one process has trained, with its embeddings."""
    run_on(classifiers[1].work, 1, "hemorrhage_extract_embeddings")
    return classifiers[1].work


@pytest.fixture(scope="module")
def sequences(extracted: Work, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Run]:
    """The sequence network and its predictions from the same embeddings, as so many processes train it."""
    return {n: run_copy(extracted, tmp_path_factory.mktemp(f"sequence{n}"), n, SEQUENCE) for n in NUMBERS}


def files(work: Work, *tops: str) -> dict[str, bytes]:
    return {name: content for name, content in files_left(work.folder).items() if name.startswith(tops)}


def differing(found: dict[str, bytes], expected: dict[str, bytes]) -> set[str]:
    return {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}


def largest_difference(first: Work, second: Work, name: str) -> float:
    one, other = load_file(first.folder / name), load_file(second.folder / name)
    assert one.keys() == other.keys()
    return max(float(np.abs(one[key] - other[key]).max()) for key in one)


# ---- training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_train_the_classifier_as_one_does(classifiers: dict[int, Run], processes: int) -> None:
    """The last batch has two slices: they are shared out unevenly, and of three processes one has none."""
    one, several = classifiers[1], classifiers[processes]
    assert len(one.losses) == 2 * 5
    np.testing.assert_allclose(several.losses, one.losses, rtol=0, atol=LOSS_TOLERANCE)
    assert largest_difference(one.work, several.work, WEIGHTS) < WEIGHT_TOLERANCE
    for epoch in (0, 1):
        path = f"checkpoints/hemorrhage/several/fold1/epoch{epoch}.json"
        scores = [json.loads((run.work.folder / path).read_text())["scores"] for run in (one, several)]
        assert scores[1]["weighted_log_loss"] == pytest.approx(scores[0]["weighted_log_loss"], abs=LOSS_TOLERANCE)


def test_parts_of_a_batch_change_nothing_in_several_processes(
    classifiers: dict[int, Run], start: Work, tmp_path: Path
) -> None:
    parts = run_copy(start, tmp_path, 2, CLASSIFIER, "--classifier.accumulate", 2)
    np.testing.assert_allclose(parts.losses, classifiers[1].losses, rtol=0, atol=LOSS_TOLERANCE)
    assert largest_difference(classifiers[1].work, parts.work, WEIGHTS) < WEIGHT_TOLERANCE


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_train_the_sequence_network_as_one_does(sequences: dict[int, Run], processes: int) -> None:
    """The series differ in length, and the last batch has but one: all processes but one have none."""
    one, several = sequences[1], sequences[processes]
    assert len(one.losses) == 2 * 3 * 3  # of both checkpoints of the classifier
    np.testing.assert_allclose(several.losses, one.losses, rtol=0, atol=LOSS_TOLERANCE)
    weights = "checkpoints/hemorrhage/several/fold1/sequence_epoch1/epoch2.safetensors"
    assert largest_difference(one.work, several.work, weights) < WEIGHT_TOLERANCE


def test_padding_counts_as_published_however_a_batch_is_shared_out(extracted: Work, tmp_path: Path) -> None:
    """A batch of seven has one series longer than the others, in one process's share alone."""
    published = ("--sequence.packed", "false", "--sequence.batch_size", 7, "--embedding.epochs", "[1]")
    one, two = (run_copy(extracted, tmp_path / str(n), n, SEQUENCE, *published) for n in (1, 2))
    assert len(one.losses) == 2 * 3
    np.testing.assert_allclose(two.losses, one.losses, rtol=0, atol=LOSS_TOLERANCE)


# ---- embeddings and predictions ------------------------------------------------------------------------------------


def test_any_number_of_processes_extracts_and_predicts_to_the_same_bytes(
    sequences: dict[int, Run], tmp_path: Path
) -> None:
    """Batches are cut before they are shared out, so each sum is the same."""
    found = {}
    for processes in NUMBERS:
        work = work_at(tmp_path / str(processes) / "work", Path(sequences[1].work.arguments[1]))
        copy_work(sequences[1].work, work)
        (work.folder / "data/phantom").rename(work.folder / "data/own")  # the same studies as if they were others
        run_on(work, processes, "hemorrhage_extract_embeddings", "--apply-to", "own", "--force")
        run_on(work, processes, SEQUENCE, "--apply-to", "own")
        run_program("hemorrhage_bag", *work.arguments, *FOLD, "--apply-to", "own")
        found[processes] = files(work, "data/own/embeddings", "preds/hemorrhage/several/own")
    assert {
        f"preds/hemorrhage/several/own/{name}" for name in ("submission.csv.gz", "fold1_epoch0/predictions.parquet")
    } < set(found[1])
    assert sum(name.endswith(".npy") for name in found[1]) == 2 * 3
    assert differing(found[2], found[1]) == set()
    assert differing(found[3], found[1]) == set()


@pytest.mark.parametrize("processes", [2, 3])
def test_predictions_of_networks_trained_by_several_have_the_same_rows(
    sequences: dict[int, Run], processes: int
) -> None:
    """Equal within rounding: the weights are what sums in another order make of them."""
    one, several = (pd.read_parquet(sequences[n].work.folder / PREDICTIONS) for n in (1, processes))
    assert several[["image_id", "split"]].equals(one[["image_id", "split"]])
    assert set(one["split"]) == {"out-of-fold", "test"}
    np.testing.assert_allclose(several[list(CLASSES)], one[list(CLASSES)], rtol=0, atol=PROBABILITY_TOLERANCE)
    submissions = []
    for n in (1, processes):
        work = sequences[n].work
        run_program("hemorrhage_bag", *work.arguments, *FOLD)
        submissions.append(pd.read_csv(work.folder / "preds/hemorrhage/several/submission.csv.gz"))
    assert submissions[1]["ID"].equals(submissions[0]["ID"])
    np.testing.assert_allclose(submissions[1]["Label"], submissions[0]["Label"], rtol=0, atol=PROBABILITY_TOLERANCE)


# ---- death of a process --------------------------------------------------------------------------------------------


def test_after_the_death_of_one_of_three_the_same_command_ends_with_the_same_bytes(
    classifiers: dict[int, Run], start: Work, tmp_path: Path
) -> None:
    """Of three: two summands are the same in any order, so two processes would forgive a sum in another one."""
    work = work_at(tmp_path / "work", Path(start.arguments[1]))
    copy_work(start, work)
    run_together(3, CLASSIFIER, *work.arguments, *FOLD, log=tmp_path / "log", kill=(0, 6))
    assert not (work.folder / WEIGHTS).exists()
    assert len(run_on(work, 3, CLASSIFIER)) == 10 - 6
    assert differing(files(work, "checkpoints"), files(classifiers[3].work, "checkpoints")) == set()


def run_stages(tree: Tree, stage: str, work: Work, variables: list[dict[str, str]]) -> list[int]:
    """Run a stage of bin/ once for each set of variables, all at the same time. Returns their exit codes."""
    given = {"PYTHON": sys.executable, "CONFIG": work.arguments[1], "WORK": str(work.folder), "FOLDS": "1"}
    started = [
        subprocess.Popen(
            ["sh", str(tree.root / "bin" / stage)], env=tree.environment(**given, **one), start_new_session=True
        )
        for one in variables
    ]
    try:
        return [process.wait(PATIENCE) for process in started]
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_a_stage_survives_the_death_of_a_process_with_restarts_or_when_it_is_called_again(
    sequences: dict[int, Run], extracted: Work, tmp_path: Path
) -> None:
    """The first call has no restarts and ends; the second has one, and needs it."""
    tree, work = Tree(tmp_path), work_at(tmp_path / "work", Path(extracted.arguments[1]))
    copy_work(extracted, work)
    paths = {"scripts": str(REPOSITORY / "scripts"), "here": str(Path(__file__).parent)}
    dying = DYING.format(**paths, program=f"{paths['scripts']}/{SEQUENCE}.py")
    tree.write(f"scripts/{SEQUENCE}.py", dying)
    stage = "run_14_trainfull_sequential.sh"
    assert run_stages(tree, stage, work, [{"GPUS": "2", "KILL": "0 4"}]) == [1]
    assert not (work.folder / "preds").exists()
    assert run_stages(tree, stage, work, [{"GPUS": "2", "KILL": "1 7", "RESTARTS": "1"}]) == [0]
    expected = files(sequences[2].work, "checkpoints", "preds")
    expected = {name: content for name, content in expected.items() if "fold1_epoch" in name or "checkpoints" in name}
    assert differing(files(work, "checkpoints", "preds"), expected) == set()


def test_two_machines_train_as_two_processes_of_one(classifiers: dict[int, Run], start: Work, tmp_path: Path) -> None:
    """Two calls of the stage, as on two machines that share a folder."""
    tree, work = Tree(tmp_path), work_at(tmp_path / "work", Path(start.arguments[1]))
    copy_work(start, work)
    (tree.root / "scripts").symlink_to(REPOSITORY / "scripts")
    several = {"NODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    nodes = [{**several, "NODE_RANK": rank} for rank in ("0", "1")]
    assert run_stages(tree, "run_12_trainfull_imgclassifier.sh", work, nodes) == [0, 0]
    assert differing(files(work, "checkpoints"), files(classifiers[2].work, "checkpoints")) == set()
