"""The stages in bin/: what they run, with which arguments and variables. Python itself is a stand-in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shell_tree import CLASSIFIER, REPOSITORY, SINGLE, STAGES, TRAINING, Tree

from programs import run_program


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


@pytest.mark.parametrize("stage", ["run_17_predict_studies.sh", "run_71_predict_study.sh"])
def test_studies_of_any_system_go_to_one_program_by_both_names_with_all_that_is_said(tree: Tree, stage: str) -> None:
    done = tree.run(stage, "../Ward 7, 患者", "--run", "spine/a b", "--out", "it's", CONFIG="x y.yaml", DATA_SET="w")
    assert done.returncode == 0, done.stderr
    words = "../Ward 7, 患者|--run|spine/a b|--out|it's"
    assert tree.calls() == [f"CONFIG=x y.yaml|DATA_SET=w|scripts/predict_study.py|{words}"]


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
