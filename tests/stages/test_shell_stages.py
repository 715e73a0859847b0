"""The stages in bin/: what they run, with which arguments and variables. Python itself is a stand-in."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from shell_tree import REPOSITORY, STAGES, Tree

from programs import run_program

CLASSIFIER = "run_12_trainfull_imgclassifier.sh"
SINGLE = "run_21_trainsngl_e2e.sh"
TRAINING = [f"hemorrhage_{name}" for name in ("train_classifier", "extract_embeddings", "train_sequence", "bag")]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_stage_passes_its_arguments_on_and_leaves_the_variables_to_the_program(tree: Tree) -> None:
    assert tree.run(CLASSIFIER, "--classifier.epochs", "1", FOLDS="0 1", CONFIG="a b.yaml").returncode == 0
    start = "CONFIG=a b.yaml|FOLDS=0 1|"
    assert tree.calls() == [f"{start}scripts/hemorrhage_train_classifier.py|--classifier.epochs|1"]


def test_root_is_found_from_another_folder_and_through_links(tree: Tree, tmp_path: Path) -> None:
    elsewhere = tmp_path / "some where"
    elsewhere.mkdir()
    (elsewhere / "train").symlink_to(tree.root / "bin" / CLASSIFIER)
    for stage in (f"../a clone/bin/{CLASSIFIER}", "./train"):
        assert tree.run(stage, cwd=elsewhere).returncode == 0
    assert tree.calls() == ["scripts/hemorrhage_train_classifier.py"] * 2


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
        ({"GPUS": "two"}, "GPUS=two NODES=1: both are whole numbers from 1"),
        ({"GPUS": "0"}, "GPUS=0 NODES=1: both are whole numbers from 1"),
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
    assert stage.wait(20) == 128 + signal.SIGTERM


@pytest.mark.parametrize("stage_file", [CLASSIFIER, SINGLE])
def test_request_to_stop_reaches_the_program_and_ends_the_stage(tree: Tree, stage_file: str) -> None:
    stage = tree.start(stage_file, HANG="yes")
    tree.wait_for_call("")
    time.sleep(0.2)
    stage.terminate()
    assert stage.wait(20) == 128 + signal.SIGTERM
    assert len(tree.calls()) == 1
    with pytest.raises(ProcessLookupError):  # nobody is left of the session that the stage led
        os.killpg(stage.pid, 0)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("option", ["--help", "--help-all"])
def test_help_shows_the_stage_s_own_words_without_any_data(tree: Tree, stage: str, option: str) -> None:
    done = tree.run(stage, option)
    assert done.returncode == 0, done.stderr
    header = (tree.root / "bin" / stage).read_text().splitlines()[1].removeprefix("# ")
    assert done.stdout.startswith(header)
    for word in ("\nIn: ", "\nOut:", f" sh bin/{stage}"):
        assert word in done.stdout
    assert [call.split("|")[-1] for call in tree.calls()] == [option] or "to see them: sh " in done.stdout


def test_quickstart_runs_all_stages_in_order(tree: Tree) -> None:
    done = tree.run("run_00_quickstart.sh", "--seed", "2", WORK="trial")
    assert done.returncode == 0, done.stderr
    assert tree.programs() == ["rsna2019_prepare", *TRAINING]
    start = "CONFIG=configs/hemorrhage/quickstart.yaml|WORK=trial|scripts/"
    assert all(call.startswith(start) and call.endswith("|--seed|2") for call in tree.calls())


@pytest.mark.parametrize("stage", ["run_00_quickstart.sh", SINGLE])
def test_several_stages_take_each_the_options_that_they_have(tree: Tree, stage: str) -> None:
    given = ("--jobs", "2", "--images", "a b", "c", "--force", "--labels=t.csv", "--fold", "0", "1", "--seed", "-3")
    done = tree.run(stage, *given)
    assert done.returncode == 0, done.stderr
    first, *others = [call.partition(".py|")[2] for call in tree.calls()]
    assert first == "--jobs|2|--images|a b|c|--force|--labels=t.csv|--seed|-3"
    assert others == ["--force|--fold|0|1|--seed|-3"] * 4


@pytest.mark.parametrize(
    ("file", "program"),
    [("_stage.sh", "rsna2019_prepare"), ("run_31_fastprediction_only.sh", "hemorrhage_import_embeddings")],
)
def test_the_options_that_one_stage_alone_has_are_those_of_its_program(
    file: str, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def options(name: str) -> set[str]:
        with pytest.raises(SystemExit):
            run_program(name, "--help-all")
        return set(re.findall(r"^  (--[a-z][a-z0-9-]*)\b(?![._])", capsys.readouterr().out, re.M))

    text = (REPOSITORY / "bin" / file).read_text().replace("\\\n", "")
    listed = set(re.search(r'^OF_\w+="(.*)"$', text, re.M)[1].split())
    assert listed == options(program) - options("hemorrhage_train_sequence")


def test_single_model_way_uses_the_fold_all(tree: Tree) -> None:
    assert tree.run(SINGLE).returncode == 0
    assert tree.programs() == ["rsna2019_prepare", *TRAINING]
    assert all(call.startswith("CONFIG=configs/hemorrhage/single.yaml|FOLDS=all|scripts/") for call in tree.calls())


@pytest.mark.parametrize(
    ("stage", "option"), [("run_01_prepare_data.sh", "--archive"), ("run_16_export_embeddings.sh", "--output")]
)
def test_an_archive_may_be_named_by_its_variable(tree: Tree, stage: str, option: str) -> None:
    tree.run(stage, "--force", ARCHIVE="/mnt/a b.zip")
    tree.run(stage)
    assert [call.partition("|")[2] for call in tree.calls()] == [f"{option}|/mnt/a b.zip|--force", ""]


@pytest.mark.parametrize(
    ("variables", "program"),
    [
        ({}, "predict_study"),
        ({"CONFIG": "configs/hemorrhage/quickstart.yaml"}, "predict_study"),
        ({"CONFIG": "configs/stacking/quickstart.yaml", "DATA_SET": "ward"}, "predict_study"),
    ],
)
def test_own_studies_go_to_the_program_of_the_configuration_s_system(
    tree: Tree, variables: dict[str, str], program: str
) -> None:
    done = tree.run("run_17_predict_studies.sh", "../Ward 7, 患者", "--force", "b c.zip", **variables)
    assert done.returncode == 0, done.stderr
    before = "".join(f"{name}={value}|" for name, value in variables.items())
    assert tree.calls() == [f"{before}scripts/{program}.py|../Ward 7, 患者|--force|b c.zip"]


def test_a_study_of_any_system_goes_to_one_program_with_all_that_is_said_of_runs(tree: Tree) -> None:
    done = tree.run("run_71_predict_study.sh", "../Ward 7", "--run", "spine/a b", "--out", "it's", CONFIG="x y.yaml")
    assert tree.calls() == ["CONFIG=x y.yaml|scripts/predict_study.py|../Ward 7|--run|spine/a b|--out|it's"], (
        done.stderr
    )


@pytest.mark.parametrize(
    ("shipped", "program"),
    [
        ("hemorrhage/quickstart", "predict_study"),
        ("stacking/quickstart", "predict_study"),
        ("pneumothorax/quickstart", "pneumothorax_predict_films"),
        ("pneumothorax/blend_v1", "pneumothorax_predict_films"),
        ("spine/quickstart", "spine_predict"),
        ("spine/published", "spine_predict"),
    ],
)
def test_a_configuration_of_ones_own_is_known_by_its_content_wherever_it_lies(
    tree: Tree, shipped: str, program: str
) -> None:
    copy = tree.write("my configs/mine.yaml", (REPOSITORY / "configs" / f"{shipped}.yaml").read_text())
    for config in (str(copy), "my configs/mine.yaml"):
        done = tree.run("run_17_predict_studies.sh", "ward", CONFIG=config, cwd=tree.root)
        assert tree.calls()[-1].endswith(f"my configs/mine.yaml|scripts/{program}.py|ward"), done.stderr


def test_own_studies_may_lie_in_a_folder_with_quotes_blanks_and_commands_in_its_name(
    tree: Tree, tmp_path: Path
) -> None:
    name = """it's "7" $(touch pwned) `touch pwned`;touch pwned & *"""
    done = tree.run("run_17_predict_studies.sh", f"../{name}", DATA_SET="ward")
    assert tree.calls() == [f"DATA_SET=ward|scripts/predict_study.py|../{name}"], done.stderr
    assert list(tmp_path.rglob("pwned")) == []


def test_fast_way_uses_the_experiment_and_the_folds_that_the_import_tells(tree: Tree) -> None:
    done = tree.run("run_31_fastprediction_only.sh", "small.tar", "--force", PRINT="my data/small.yaml\n0 2\n")
    assert done.returncode == 0, done.stderr
    assert tree.calls() == [
        "scripts/hemorrhage_import_embeddings.py|small.tar|--force",
        "CONFIG=my data/small.yaml|FOLDS=0 2|scripts/hemorrhage_train_sequence.py|--force",
        "CONFIG=my data/small.yaml|FOLDS=0 2|scripts/hemorrhage_bag.py|--force",
    ]


def test_fast_way_keeps_the_options_of_the_import_from_the_others(tree: Tree) -> None:
    given = ("--sha256", "0f", "--row-order", "a", "b", "c", "--force")
    assert tree.run("run_31_fastprediction_only.sh", "a.tar", *given, PRINT="x.yaml\n0\n").returncode == 0
    assert [call.partition(".py|")[2] for call in tree.calls()] == ["|".join(("a.tar", *given)), "--force", "--force"]


def test_fast_way_ends_with_an_import_that_fails(tree: Tree) -> None:
    assert tree.run("run_31_fastprediction_only.sh", "small.tar", EXIT="1").returncode == 1
    assert tree.programs() == ["hemorrhage_import_embeddings"]
    done = tree.run("run_31_fastprediction_only.sh")
    assert (done.returncode, done.stderr.split("?")[0]) == (2, "Which archive")


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


@pytest.mark.parametrize(
    ("system", "maker", "competition"),
    [
        ("pneumothorax", "run_65_pneumothorax_submit.sh", "siim-acr-pneumothorax-segmentation"),
        ("spine", "run_56_spine_predict.sh", "rsna-2022-cervical-spine-fracture-detection"),
    ],
)
def test_each_system_s_submission_goes_to_its_own_competition(
    tree: Tree, tmp_path: Path, system: str, maker: str, competition: str
) -> None:
    kaggle = tmp_path / "client/kaggle"
    kaggle.parent.mkdir()
    kaggle.write_text('#!/bin/sh\necho "$@" >>"$CALLS"\n')
    kaggle.chmod(0o755)
    variables = {"CONFIG": f"configs/{system}/mine.yaml", "PATH": f"{kaggle.parent}:/usr/bin:/bin"}
    assert maker in tree.run("submit.sh", **variables).stderr
    tree.write(f"preds/{system}/mine/submission.csv")
    assert tree.run("submit.sh", **variables).returncode == 0
    assert f"submit -c {competition} -f preds/{system}/mine/submission.csv " in tree.calls()[-1]


@pytest.mark.parametrize("system", ["hemorrhage", "stacking", "pneumothorax", "spine"])
def test_the_submission_of_a_configuration_of_ones_own_is_found_wherever_that_lies(
    tree: Tree, tmp_path: Path, system: str
) -> None:
    kaggle = tmp_path / "client/kaggle"
    kaggle.parent.mkdir()
    kaggle.write_text('#!/bin/sh\necho "$@" >>"$CALLS"\n')
    kaggle.chmod(0o755)
    shipped = (REPOSITORY / "configs" / system / "quickstart.yaml").read_text()
    variables = {"CONFIG": str(tree.write("spine/mine.yaml", shipped)), "PATH": f"{kaggle.parent}:/usr/bin:/bin"}
    name = "submission.csv" if system in ("pneumothorax", "spine") else "submission.csv.gz"
    made = tree.write(f"preds/{system}/mine/{name}")
    link = tree.root / "newest"
    link.symlink_to(made.parent)
    for arguments in ((), ("newest",), (f"newest/{name}",)):
        done = tree.run("submit.sh", *arguments, **variables)
        assert done.returncode == 0, done.stderr
        assert tree.calls()[-1].endswith(f"{name} -m hounsfield mine")


@pytest.mark.parametrize(
    ("made", "arguments", "variables"),
    [
        ("preds/stacking/mine", [], {"CONFIG": "configs/stacking/mine.yaml"}),
        ("preds/hemorrhage/single/foldall", [], {"CONFIG": "configs/hemorrhage/single.yaml"}),
        ("preds/hemorrhage/crop/foldall", [], {"FOLDS": "all"}),
        ("preds/bags/both", ["preds/bags/both"], {}),
        ("preds/bags/both", ["preds/bags/both/submission.csv.gz"], {}),
    ],
)
def test_every_stage_s_submission_can_be_handed_in(
    tree: Tree, tmp_path: Path, made: str, arguments: list[str], variables: dict[str, str]
) -> None:
    kaggle = tmp_path / "client/kaggle"
    kaggle.parent.mkdir()
    kaggle.write_text('#!/bin/sh\necho "$@" >>"$CALLS"\n')
    kaggle.chmod(0o755)
    variables = {**variables, "PATH": f"{kaggle.parent}:/usr/bin:/bin"}
    if "FOLDS" in variables:
        tree.write("preds/hemorrhage/crop/submission.csv.gz")  # cross-validated, beside the single model's
    assert tree.run("submit.sh", *arguments, **variables).returncode == 2
    tree.write(f"{made}/submission.csv.gz")
    assert tree.run("submit.sh", *arguments, **variables).returncode == 0
    assert f"-f {made}/submission.csv.gz -m " in tree.calls()[-1]


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
