"""How stages start a program and end with it: devices, machines, other launchers, exit codes, requests to stop."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from shell_tree import CLASSIFIER, SINGLE, Tree, nobody_is_left

from faults.processes import PATIENCE


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_several_devices_and_machines_are_launched_by_torchrun(tree: Tree) -> None:
    tree.run(CLASSIFIER, "--force", GPUS="4", NODES="2", NODE_RANK="1", MASTER_ADDR="node-a")
    assert tree.calls() == [
        "-m|torch.distributed.run|--nnodes|2|--nproc-per-node|4|--node-rank|1|--master-addr|node-a|--master-port|29500"
        "|scripts/hemorrhage_train_classifier.py|--force"
    ]


def test_several_devices_on_one_machine_need_no_address(tree: Tree) -> None:
    tree.run(CLASSIFIER, GPUS="2")
    assert tree.calls()[0].startswith("-m|torch.distributed.run|--standalone|--nproc-per-node|2|scripts/")


def test_restarts_are_left_to_torchrun_even_of_one_process(tree: Tree) -> None:
    tree.run(CLASSIFIER, RESTARTS="3")
    start = "-m|torch.distributed.run|--standalone|--nproc-per-node|1|--max-restarts|3|scripts/"
    assert tree.calls()[0].startswith(start)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"GPUS": "two"}, "GPUS=two NODES=1: both are whole numbers from 1 to 999"),
        ({"GPUS": "0"}, "GPUS=0 NODES=1: both are whole numbers from 1 to 999"),
        ({"NODES": "1000"}, "GPUS=1 NODES=1000: both are whole numbers from 1 to 999"),
        ({"NODES": "2"}, "NODES=2 needs MASTER_ADDR, the first machine's name"),
        ({"NODE_RANK": "1"}, "NODE_RANK=1 needs NODES, the number of machines"),
        ({"RESTARTS": "often"}, "RESTARTS=often: a whole number is needed"),
        ({"RESTARTS": "1", "NODES": "2"}, "RESTARTS=1 needs NODES=1; run the same command again instead"),
    ],
)
def test_unusable_numbers_of_devices_are_refused(tree: Tree, variables: dict[str, str], message: str) -> None:
    done = tree.run(CLASSIFIER, **variables)
    assert (done.returncode, done.stderr.strip()) == (2, message)


LEFT_BY_ANOTHER = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "TORCHELASTIC_RUN_ID": "none",
    "PYTHONSAFEPATH": "1",
    "PYTHONHOME": "/nowhere",
    "MASTER_ADDR": "node-a",
    "MASTER_PORT": "1",
}


def test_what_another_launcher_left_reaches_no_program(tree: Tree) -> None:
    stand_in = tree.python.read_text()
    tree.python.write_text(stand_in.replace("case ", 'env >"$CALLS.env"\ncase ', 1))
    assert tree.run(CLASSIFIER, **LEFT_BY_ANOTHER).returncode == 0
    kept = {line.partition("=")[0] for line in Path(f"{tree.calls_file}.env").read_text().splitlines()}
    assert not kept & set(LEFT_BY_ANOTHER) - {"MASTER_ADDR", "MASTER_PORT"}
    assert tree.calls() == ["scripts/hemorrhage_train_classifier.py"]


def test_a_temporary_folder_whose_name_is_too_long_for_a_socket_is_not_used(tree: Tree, tmp_path: Path) -> None:
    folder = tmp_path / ("a_scratch_folder_of_a_job_" * 3)
    folder.mkdir()
    stand_in = tree.python.read_text()
    tree.python.write_text(stand_in.replace("case ", 'printf %s "${TMPDIR:-}" >"$CALLS.tmp"\ncase ', 1))
    done = tree.run(CLASSIFIER, TMPDIR=str(folder))
    assert (done.returncode, Path(f"{tree.calls_file}.tmp").read_text()) == (0, "/tmp")
    assert "is too long for a socket; /tmp is used instead" in done.stderr
    assert tree.run(CLASSIFIER, TMPDIR="/var/tmp").stderr == ""
    assert Path(f"{tree.calls_file}.tmp").read_text() == "/var/tmp"


@pytest.mark.parametrize("stage", [CLASSIFIER, SINGLE])
def test_exit_code_of_a_program_is_that_of_the_stage_and_ends_it(tree: Tree, stage: str) -> None:
    assert tree.run(stage, EXIT="7").returncode == 7
    assert len(tree.calls()) == 1


def test_torchrun_that_was_asked_to_stop_ends_the_stage_with_143(tree: Tree) -> None:
    stand_in = tree.python.read_text()
    tree.python.write_text(stand_in.replace("exec sleep 60", "trap 'exit 1' TERM; sleep 60 & wait"))
    stage = tree.start(CLASSIFIER, HANG="yes", GPUS="2")
    tree.wait_for_call("-m|torch.distributed.run")
    time.sleep(0.2)
    os.killpg(stage.pid, signal.SIGTERM)
    assert stage.wait(PATIENCE) == 128 + signal.SIGTERM


@pytest.mark.parametrize("stage_file", [CLASSIFIER, SINGLE])
def test_request_to_stop_reaches_the_program_and_ends_the_stage(tree: Tree, stage_file: str) -> None:
    stage = tree.start(stage_file, HANG="yes")
    tree.wait_for_call("")
    time.sleep(0.2)
    stage.terminate()
    assert stage.wait(PATIENCE) == 128 + signal.SIGTERM
    assert len(tree.calls()) == 1
    assert nobody_is_left(stage.pid)


def test_slurm_job_runs_the_stage_on_each_of_its_machines(tree: Tree, tmp_path: Path) -> None:
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    commands = {
        "scontrol": "echo node-a; echo node-b",
        "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; SLURM_NODEID=0 "$@"; SLURM_NODEID=1 "$@"',
    }
    for name, body in commands.items():
        (cluster / name).write_text(f"#!/bin/sh\nset -e\n{body}\n")
        (cluster / name).chmod(0o755)
    facts = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "node-[a-b]", "SLURM_JOB_ID": "20007"}
    gpus = {"SLURM_GPUS_ON_NODE": "4", "SLURM_ARRAY_TASK_ID": "2", "PATH": f"{cluster}:{os.environ['PATH']}"}
    done = tree.run("bin/slurm/folds.sbatch", CLASSIFIER, "--force", **facts, **gpus)
    assert done.returncode == 0, done.stderr
    launched = [call.removeprefix("FOLDS=2|") for call in tree.calls() if call.startswith("FOLDS=2|-m|")]
    assert launched == [
        f"-m|torch.distributed.run|--nnodes|2|--nproc-per-node|4|--node-rank|{rank}|--master-addr|node-a"
        "|--master-port|20007|scripts/hemorrhage_train_classifier.py|--force"
        for rank in (0, 1)
    ]
