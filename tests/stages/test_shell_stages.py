"""The stages in bin/: what they guard, what they run, and with which arguments. Python itself is a stand-in."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from shell_tree import STAGES, Tree

CLASSIFIER = "run_12_trainfull_imgclassifier.sh"
QUICKSTART = "configs/hemorrhage/quickstart.yaml"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def prepared(tree: Tree) -> Tree:
    tree.write("data/rsna2019/slices.parquet")
    return tree


def test_guard_names_the_missing_file_and_the_remedy_and_ends_with_2(tree: Tree) -> None:
    done = tree.run(CLASSIFIER)
    assert done.returncode == 2
    assert done.stderr == "data/rsna2019/slices.parquet is missing; make it with: sh bin/run_01_prepare_data.sh\n"
    assert tree.calls() == []


def test_remedy_repeats_what_is_not_default(tree: Tree) -> None:
    done = tree.run("run_13_trainfull_embedding_extract.sh", CONFIG=QUICKSTART, DATA_SET="ward7")
    assert done.stderr.endswith(f"make it with: CONFIG='{QUICKSTART}' DATA_SET='ward7' sh bin/run_01_prepare_data.sh\n")


def test_stage_takes_the_folds_of_its_configuration_and_passes_arguments_on(prepared: Tree) -> None:
    assert prepared.run(CLASSIFIER, "--classifier.epochs", "1").returncode == 0
    assert prepared.calls() == [
        "scripts/hemorrhage_train_classifier.py|--config|configs/hemorrhage/crop.yaml|--work|ROOT"
        "|--fold|0|1|2|--classifier.epochs|1"
    ]


def test_folds_may_stand_one_a_line_in_the_configuration(tree: Tree) -> None:
    tree.write("data/phantom/slices.parquet")
    tree.run(CLASSIFIER, "--config", QUICKSTART)
    assert tree.programs() == ["hemorrhage_train_classifier 0 1 2"]


def test_settings_can_be_given_as_variables_or_as_options(tree: Tree) -> None:
    """Embeddings of folds 1 and 4 are there; the guard of fold 3 tells that it knows which folds are meant."""
    stage = "run_14_trainfull_sequential.sh"
    for fold in (1, 4):
        tree.write(f"elsewhere/data/ward/embeddings/quickstart/fold{fold}/x")
    variables = {"CONFIG": QUICKSTART, "WORK": "elsewhere", "DATA_SET": "ward"}
    options = ("--config", QUICKSTART, "--work=elsewhere", "--apply-to", "ward")
    assert tree.run(stage, FOLDS="1 4", **variables).returncode == 0
    assert tree.run(stage, *options, "--fold", "1", "4", "--force").returncode == 0
    assert tree.run(stage, "--fold", "1", "4", *options, FOLDS="3").returncode == 0
    assert "fold3 is missing" in tree.run(stage, "--fold", "1", "3", *options).stderr
    first, *others = tree.calls()
    assert first.endswith(f"|--config|{QUICKSTART}|--work|elsewhere|--fold|1|4|--apply-to|ward")
    assert [call[: len(first)] for call in others] == [first, first]


def test_root_is_found_from_another_folder_and_through_links(prepared: Tree, tmp_path: Path) -> None:
    elsewhere = tmp_path / "some where"
    elsewhere.mkdir()
    (elsewhere / "train").symlink_to(prepared.root / "bin" / CLASSIFIER)
    for stage in (f"../a clone/bin/{CLASSIFIER}", "./train"):
        assert prepared.run(stage, cwd=elsewhere, FOLDS="0").returncode == 0
    first, second = prepared.calls()
    assert first == second
    assert first.startswith("scripts/hemorrhage_train_classifier.py|--config|configs/hemorrhage/crop.yaml|--work|ROOT|")


def test_relative_paths_mean_the_folder_where_the_person_stands(tree: Tree, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else"
    (elsewhere / "work" / "data" / "mine").mkdir(parents=True)
    (elsewhere / "work" / "data" / "mine" / "slices.parquet").touch()
    (elsewhere / "mine.yaml").write_text("data_set: mine\nfolds: [4]\n")
    done = tree.run(f"../a clone/bin/{CLASSIFIER}", cwd=elsewhere, CONFIG="mine.yaml", WORK="work")
    assert done.returncode == 0, done.stderr
    assert f"--config|{elsewhere}/mine.yaml|--work|work|--fold|4" in tree.calls()[0]


def test_missing_configuration_is_named(tree: Tree) -> None:
    done = tree.run(CLASSIFIER, "--config", "configs/none.yaml")
    assert (done.returncode, done.stderr.split(";")[0]) == (2, "configs/none.yaml is missing")


def test_several_devices_and_machines_are_launched_by_torchrun(prepared: Tree) -> None:
    prepared.run(CLASSIFIER, GPUS="4", NODES="2", NODE_RANK="1", MASTER_ADDR="node-a", FOLDS="0")
    assert prepared.calls()[0].startswith(
        "-m|torch.distributed.run|--nnodes|2|--nproc-per-node|4|--node-rank|1|--master-addr|node-a|--master-port|29500"
        "|scripts/hemorrhage_train_classifier.py|--config|"
    )


def test_several_devices_on_one_machine_need_no_address(prepared: Tree) -> None:
    prepared.run(CLASSIFIER, GPUS="2", FOLDS="0")
    assert prepared.calls()[0].startswith("-m|torch.distributed.run|--standalone|--nproc-per-node|2|scripts/")


def test_restarts_are_left_to_torchrun_even_of_one_process(prepared: Tree) -> None:
    prepared.run(CLASSIFIER, RESTARTS="3", FOLDS="0")
    start = "-m|torch.distributed.run|--standalone|--nproc-per-node|1|--max-restarts|3|scripts/"
    assert prepared.calls()[0].startswith(start)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"GPUS": "two"}, "GPUS=two NODES=1: both are whole numbers from 1"),
        ({"GPUS": "0"}, "GPUS=0 NODES=1: both are whole numbers from 1"),
        ({"NODES": "2"}, "NODES=2 needs MASTER_ADDR, the first machine's name"),
        ({"RESTARTS": "often"}, "RESTARTS=often: a whole number is needed"),
        ({"RESTARTS": "1", "NODES": "2"}, "RESTARTS=1 needs NODES=1; run the same command again instead"),
    ],
)
def test_unusable_numbers_of_devices_are_refused(prepared: Tree, variables: dict[str, str], message: str) -> None:
    done = prepared.run(CLASSIFIER, **variables)
    assert (done.returncode, done.stderr.strip()) == (2, message)


@pytest.mark.parametrize("stage", [CLASSIFIER, "run_21_trainsngl_e2e.sh"])
def test_exit_code_of_a_program_is_that_of_the_stage_and_ends_it(prepared: Tree, stage: str) -> None:
    assert prepared.run(stage, EXIT="7").returncode == 7
    assert len(prepared.calls()) == 1


@pytest.mark.parametrize("stage_file", [CLASSIFIER, "run_21_trainsngl_e2e.sh"])
def test_request_to_stop_reaches_the_program_and_ends_the_stage(prepared: Tree, stage_file: str) -> None:
    stage = prepared.start(stage_file, HANG="yes")
    prepared.wait_for_call("scripts/")
    time.sleep(0.2)
    stage.terminate()
    assert stage.wait(20) == 128 + signal.SIGTERM
    assert len(prepared.calls()) == 1
    with pytest.raises(ProcessLookupError):  # nobody is left of the session that the stage led
        os.killpg(stage.pid, 0)


@pytest.mark.parametrize("stage", STAGES)
def test_help_shows_the_stage_s_own_words_without_any_data(tree: Tree, stage: str) -> None:
    done = tree.run(stage, "--help")
    assert done.returncode == 0, done.stderr
    header = (tree.root / "bin" / stage).read_text().splitlines()[1].removeprefix("# ")
    assert done.stdout.startswith(header)
    for word in ("\nIn: ", "\nOut:", f" sh bin/{stage}"):
        assert word in done.stdout
    assert [call.split("|")[1:] for call in tree.calls()] == [["--help"]] or "sh bin/run_01" in done.stdout


def test_quickstart_runs_phantoms_and_all_stages_in_order(tree: Tree) -> None:
    for folder in ("checkpoints/hemorrhage", "data/phantom/embeddings"):
        for fold in (0, 1, 2):
            tree.write(f"{folder}/quickstart/fold{fold}/x")
    for file in ("data/phantom/slices.parquet", "preds/hemorrhage/quickstart/x"):
        tree.write(file)
    done = tree.run("run_00_quickstart.sh")
    assert done.returncode == 0, done.stderr
    assert tree.programs() == [
        "rsna2019_phantom",
        "rsna2019_prepare",
        "hemorrhage_train_classifier 0 1 2",
        "hemorrhage_extract_embeddings 0 1 2",
        "hemorrhage_train_sequence 0 1 2",
        "hemorrhage_bag 0 1 2",
    ]
    archive = "data/raw/phantom/rsna-intracranial-hemorrhage-detection.zip"
    assert tree.calls()[0] == f"scripts/rsna2019_phantom.py|--output|{archive}"
    assert done.stderr.endswith("Submission and scores: preds/hemorrhage/quickstart\n")


def test_single_model_way_uses_the_fold_all_and_skips_finished_preparation(prepared: Tree) -> None:
    for file in ("data/rsna2019/embeddings", "checkpoints/hemorrhage"):
        prepared.write(f"{file}/single/foldall/x")
    prepared.write("preds/hemorrhage/single/x")
    assert prepared.run("run_21_trainsngl_e2e.sh").returncode == 0
    stages = ("hemorrhage_train_classifier all", "hemorrhage_extract_embeddings all", "hemorrhage_train_sequence all")
    assert prepared.programs() == [*stages, "hemorrhage_bag all"]


def test_each_stage_of_the_single_model_takes_the_fold_all_of_its_configuration(prepared: Tree) -> None:
    assert prepared.run(CLASSIFIER, CONFIG="configs/hemorrhage/single.yaml").returncode == 0
    assert prepared.programs() == ["hemorrhage_train_classifier all"]


def test_preparation_takes_the_archive_that_is_there_or_says_where_it_is_missed(tree: Tree) -> None:
    missing = tree.run("run_01_prepare_data.sh")
    assert missing.returncode == 2
    assert missing.stderr.startswith("data/raw/rsna2019/rsna-intracranial-hemorrhage-detection.zip is missing; ")
    tree.write("data/raw/rsna2019/stage_2_train.csv")
    tree.run("run_01_prepare_data.sh", "--jobs", "2")
    tree.run("run_01_prepare_data.sh", "--images", "/mnt/ct", DATA_SET="ward")
    start = "scripts/rsna2019_prepare.py|--config|configs/hemorrhage/crop.yaml|--work|ROOT|--data_set"
    assert tree.calls() == [f"{start}|rsna2019|--archive|data/raw/rsna2019|--jobs|2", f"{start}|ward|--images|/mnt/ct"]


def test_own_studies_take_their_folder_s_name_and_the_experiment_s_models(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "Ward 7, Jüne").mkdir()
    for fold in (0, 1, 2):
        tree.write(f"checkpoints/hemorrhage/crop/fold{fold}/x")
        tree.write(f"data/ward_7_j_ne/embeddings/crop/fold{fold}/x")
    tree.write("data/ward_7_j_ne/slices.parquet")
    tree.write("preds/hemorrhage/crop/x")
    done = tree.run("run_17_predict_studies.sh", "../Ward 7, Jüne", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    calls = tree.calls()
    assert calls[0].endswith("|--data_set|ward_7_j_ne|--images|../Ward 7, Jüne")
    assert len(calls) == 4
    assert all("|--apply-to|ward_7_j_ne" in call for call in calls[1:])


def test_own_studies_may_lie_in_a_folder_with_quotes_blanks_and_commands_in_its_name(
    tree: Tree, tmp_path: Path
) -> None:
    name = """it's "7" $(touch pwned) `touch pwned`;touch pwned & *"""
    (tmp_path / name).mkdir()
    tree.write("data/ward/embeddings/crop/fold0/x")
    done = tree.run("run_17_predict_studies.sh", f"../{name}", DATA_SET="ward", FOLDS="0")
    assert tree.calls()[0].endswith(f"|--data_set|ward|--images|../{name}"), done.stderr
    assert list(tmp_path.rglob("pwned")) == []


def test_own_studies_never_mix_with_the_training_data(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "rsna2019").mkdir()
    done = tree.run("run_17_predict_studies.sh", "../rsna2019")
    assert (done.returncode, done.stderr) == (
        2,
        "'rsna2019' cannot name the data set of ../rsna2019; choose another name: DATA_SET=name\n",
    )


def test_fast_way_uses_the_experiment_and_the_folds_of_the_archive(tree: Tree) -> None:
    brought = tree.write("data/phantom/embeddings/small.yaml", "data_set: phantom\nfolds: [0, 1, 2]\n")
    for fold in (0, 2):
        tree.write(f"data/phantom/embeddings/small/fold{fold}/x")
    tree.write("preds/hemorrhage/small/x")
    archive = tree.write("small.tar")
    done = tree.run("run_31_fastprediction_only.sh", archive.name, PRINT=f"{brought}\n")
    assert done.returncode == 0, done.stderr
    assert tree.calls()[0] == "scripts/hemorrhage_embedding_archive.py|import|small.tar|--work|ROOT"
    assert tree.programs()[1:] == ["hemorrhage_train_sequence 0 2", "hemorrhage_bag 0 2"]
    assert all("--config|data/phantom/embeddings/small.yaml" in call for call in tree.calls()[1:])


def test_fast_way_downloads_only_from_an_address(tree: Tree) -> None:
    address = "https://example.org/crop.tar"
    tree.run("run_31_fastprediction_only.sh", address, EXIT="1")
    assert tree.calls() == [f"scripts/hemorrhage_embedding_archive.py|import|{address}|--work|ROOT|--download"]
    missing = tree.run("run_31_fastprediction_only.sh", "none.tar")
    assert missing.stderr == "none.tar is missing; make it with: sh bin/run_16_export_embeddings.sh\n"


def test_submission_is_handed_to_the_client_of_kaggle(tree: Tree, tmp_path: Path) -> None:
    client = tmp_path / "client"
    client.mkdir()
    path = f"{client}:/usr/bin:/bin"
    assert "crop/submission.csv.gz is missing" in tree.run("submit.sh", PATH=path).stderr
    tree.write("preds/hemorrhage/crop/submission.csv.gz")
    assert tree.run("submit.sh", PATH=path).stderr.startswith("Kaggle's client is missing. Install it")
    kaggle = client / "kaggle"
    kaggle.write_text('#!/bin/sh\necho "$@" >>"$CALLS"\nexit ${EXIT:-0}\n')
    kaggle.chmod(0o755)
    assert "Kaggle's client is not let in. Log in" in tree.run("submit.sh", PATH=path, EXIT="1").stderr
    assert tree.run("submit.sh", PATH=path, MESSAGE="a try").returncode == 0
    competition = "-c rsna-intracranial-hemorrhage-detection"
    assert tree.calls()[-1] == f"competitions submit {competition} -f preds/hemorrhage/crop/submission.csv.gz -m a try"


def test_slurm_job_runs_the_stage_on_each_of_its_machines(prepared: Tree, tmp_path: Path) -> None:
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
    done = prepared.run("bin/slurm/folds.sbatch", CLASSIFIER, "--force", **facts, **gpus)
    assert done.returncode == 0, done.stderr
    launched = [call for call in prepared.calls() if call.startswith("-m|")]
    assert [call.split("|--config|")[0] for call in launched] == [
        f"-m|torch.distributed.run|--nnodes|2|--nproc-per-node|4|--node-rank|{rank}|--master-addr|node-a"
        "|--master-port|20007|scripts/hemorrhage_train_classifier.py"
        for rank in (0, 1)
    ]
    assert all(call.endswith("|--fold|2|--force") for call in launched)
