"""The experiments of the first system, and README's table of what differs from the published one."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from hounsfield.core.errors import WrongUse
from hounsfield.core.stages.command import Command, Stage, parse, stage_parser
from hounsfield.hemorrhage.config import DEFAULT_CONFIG, HemorrhageConfig, extracted_epochs
from programs import REPOSITORY

CONFIGS = REPOSITORY / "configs" / "hemorrhage"
PUBLISHED = CONFIGS / "published.yaml"
SECTION = "## Where this differs from the published systems, and how to switch"


def parsed(config: Path, *options: str) -> Command[HemorrhageConfig]:
    stage = Stage(HemorrhageConfig, "a stage", DEFAULT_CONFIG)
    return parse(stage_parser(stage), stage, ["--config", str(config), *options])


def rows_of_the_first_system() -> list[list[str]]:
    """The cells of the rows between the first system's heading in the table and the next heading, or the end."""
    section = (REPOSITORY / "README.md").read_text().split(SECTION)[1].split("\n## ")[0]
    lines = section.split("| **first system")[1].splitlines()[1:]
    found = []
    for line in lines:
        if not line.startswith("|") or line.startswith("| **"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def switches() -> dict[str, str]:
    """The options of the table's last column, `key: value`."""
    return {
        key: value
        for row in rows_of_the_first_system()
        for key, value in re.findall(r"`([a-z_]+\.[a-z_]+): ([^`]+)`", row[-1])
    }


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_is_read_and_its_folds_and_epochs_exist(config: Path) -> None:
    experiment = parsed(config).config
    assert all(fold == "all" or fold < experiment.prepare.fold_count for fold in experiment.folds)
    assert max(extracted_epochs(experiment)) < experiment.classifier.epochs


def test_the_single_model_sees_all_patients_for_three_epochs_and_one_view() -> None:
    single = parsed(CONFIGS / "single.yaml").config
    assert single.folds == ("all",)
    assert extracted_epochs(single) == (0, 1, 2)
    assert single.embedding.views == ("identity",)


def test_a_fold_is_a_number_or_all() -> None:
    with pytest.raises(WrongUse, match="folds"):
        parsed(DEFAULT_CONFIG, "--folds", "[most]")


def test_every_row_of_the_table_says_how_to_switch_or_that_it_cannot_be() -> None:
    rows = rows_of_the_first_system()
    assert len(rows) > 15
    for row in rows:
        assert len(row) == 5, row
        assert re.search(r"`[^`]+`|not switchable|nothing to switch", row[-1]), row


def test_the_published_experiment_sets_every_switch_of_the_table() -> None:
    published = yaml.safe_load(PUBLISHED.read_text())
    found = {key: published[key.split(".")[0]][key.split(".")[1]] for key in switches()}
    assert found == {key: yaml.safe_load(value) for key, value in switches().items()}


def test_every_switch_of_the_table_changes_the_default_but_the_one_that_is_the_default() -> None:
    defaults, published = asdict(parsed(DEFAULT_CONFIG).config), asdict(parsed(PUBLISHED).config)
    same = {key for key in switches() if value_of(defaults, key) == value_of(published, key)}
    assert same == {"sequence.hidden_units"}


def value_of(config: dict, key: str) -> object:
    part, name = key.split(".")
    return config[part][name]


def test_what_the_published_experiment_sets_beyond_the_table_are_the_defaults() -> None:
    published = yaml.safe_load(PUBLISHED.read_text())
    defaults = yaml.safe_load(yaml.safe_dump({k: v for k, v in asdict(HemorrhageConfig()).items() if k != "folds"}))
    differing = {
        f"{part}.{name}"
        for part in ("prepare", "classifier", "embedding", "sequence")
        for name, value in published[part].items()
        if defaults[part][name] != value
    }
    assert differing - set(switches()) == {"embedding.views", "embedding.epochs"}
