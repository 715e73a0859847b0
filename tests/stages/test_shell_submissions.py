"""What bin/submit.sh hands to Kaggle's client, of every system, and what it asks for. The client is a stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell_tree import REPOSITORY, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


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
