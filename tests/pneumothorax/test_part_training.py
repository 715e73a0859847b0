"""Stage 62 on made-up films: its chain of parts, what it keeps, and where it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from film_files import DATA_SET, make_films
from safetensors.torch import load_file

from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.stages.ledger import Ledger
from hounsfield.core.storage.files import read_json
from hounsfield.core.training.state import TrainingState
from killed_runs import Killed, files_left, killed_at
from programs import run_program

CONFIG = """
data_set: discs
folds: [0, 1]
threads: 1
network: {name: unet, encoder: test_resnet, decoder_channels: [8, 8, 8, 8, 8]}
training:
  workers: 0
  save_every: 1
  clip_norm: 1.0
  parts:
    - {start: initial, size: 64, batch_size: 3, learning_rate: 1.0e-3, schedule: plateau, epochs: 3, top: 2,
       positive_share: 0.5}
    - {start: part0, size: 64, batch_size: 4, learning_rate: 1.0e-3, epochs: 2, top: 1, kept: last,
       freeze_encoder: true, extra_films: true}
"""
SUBJECT = "pneumothorax_train"
Run = Callable[..., Path]


def train(work: Path, *arguments: object, config: str = "discs.yaml") -> Path:
    """Train fold 0 in `work`, and return the folder of its parts."""
    run_program(
        SUBJECT,
        "--config",
        work / config,
        "--work",
        work,
        *(() if "--fold" in arguments else ("--fold", 0)),
        *arguments,
    )
    return work / "checkpoints" / "pneumothorax" / config.removesuffix(".yaml") / "fold0"


def with_films(work: Path) -> Path:
    """A work folder with films and the configuration."""
    make_films(work)
    (work / "discs.yaml").write_text(CONFIG)
    return work


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both parts of fold 0. Tests that change something copy the work folder first."""
    work = with_films(tmp_path_factory.mktemp("trained"))
    train(work)
    return work


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "work")


def part(work: Path, number: int) -> Path:
    return work / "checkpoints" / "pneumothorax" / "discs" / "fold0" / f"part{number}"


def test_each_part_leaves_its_best_epochs_and_a_list_of_them(trained: Path) -> None:
    for number, count in ((0, 2), (1, 1)):
        top = read_json(part(trained, number) / "top.json")
        assert len(top) == count
        kept = {path.name for path in part(trained, number).glob("epoch*")}
        assert kept == {f"epoch{one['epoch']}{suffix}" for one in top for suffix in (".safetensors", ".json")}
    scores = [one["score"] for one in read_json(part(trained, 0) / "top.json")]
    assert scores == sorted(scores, reverse=True)
    assert [one["epoch"] for one in read_json(part(trained, 1) / "top.json")] == [1]


def test_weights_say_what_they_were_trained_on(trained: Path) -> None:
    epoch = read_json(part(trained, 0) / "top.json")[0]
    facts = read_json(part(trained, 0) / f"epoch{epoch['epoch']}.json")
    assert facts["network"]["normalise"] is False
    assert (facts["size"], facts["fold"], facts["part"]["positive_share"]) == (64, 0, 0.5)
    assert facts["scores"]["dice"] == epoch["score"] == max(facts["scores"]["dice_by_triplet"])


def test_the_ledger_holds_who_was_trained_on_and_who_chose_the_epochs(trained: Path) -> None:
    fold0, fold1 = ([f"patient{number}" for number in range(9) if number % 2 == fold] for fold in (0, 1))
    first = Ledger.read(part(trained, 0) / "learned.parquet")
    assert set(first.roles_of(np.array(fold1))) == {"train"}
    assert set(first.roles_of(np.array(fold0))) == {"early_stop"}
    assert list(first.roles_of(np.array(["patient9"]))) == [""]  # of no fold, and this part does not want them
    second = Ledger.read(part(trained, 1) / "learned.parquet")
    assert list(second.roles_of(np.array(["patient9"]))) == ["train"]
    assert set(second.roles_of(np.array(fold0))) == {"early_stop"}  # by the part that it starts from


def test_a_frozen_encoder_moves_neither_in_its_weights_nor_in_its_statistics(trained: Path) -> None:
    best = read_json(part(trained, 0) / "top.json")[0]["epoch"]
    before = load_file(part(trained, 0) / f"epoch{best}.safetensors")
    after = load_file(part(trained, 1) / "epoch1.safetensors")
    encoder = [name for name in before if name.startswith("encoder.")]
    assert any("running_mean" in name for name in encoder)
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    assert not any(torch.equal(before[name], after[name]) for name in before if name.endswith("enlarged.0.weight"))


def test_what_is_trained_is_not_trained_again(copied: Path) -> None:
    before = files_left(copied)
    train(copied)
    assert files_left(copied) == before


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 2, 6, 9])
def test_a_run_killed_in_any_step_goes_on_to_the_same_bytes(tmp_path: Path, trained: Path, step: int) -> None:
    work = with_films(tmp_path / "work")
    with killed_at(step + 1, TrainingState, "update"):
        train(work)
    assert files_left(train(work)) == files_left(part(trained, 0).parent)


def test_a_run_killed_between_an_epochs_weights_and_its_state_goes_on_to_the_same_bytes(
    tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, save = with_films(tmp_path / "work"), TrainingState.save

    def die_before_the_second_epoch(state: TrainingState) -> None:
        if (state.epoch, state.step) == (2, 0):
            raise Killed
        save(state)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(TrainingState, "save", die_before_the_second_epoch)
        train(work)
    assert files_left(train(work)) == files_left(part(trained, 0).parent)


def test_a_part_that_is_missing_is_named_with_the_command_that_trains_it(
    tmp_path: Path,
) -> None:
    work = with_films(tmp_path / "work")
    with pytest.raises(MissingInput, match=r"part0 is missing; make it with: .*run_62_pneumothorax_train\.sh --part 0"):
        train(work, "--part", 1)


@pytest.mark.slow
def test_a_part_of_another_experiment_is_named_with_its_configuration(copied: Path) -> None:
    later = CONFIG.replace("start: part0", "start: discs/part0").replace("start: initial", "start: nowhere/part1")
    (copied / "later.yaml").write_text(later)
    with pytest.raises(MissingInput, match=r"CONFIG=\S*nowhere\.yaml .*run_62_pneumothorax_train\.sh --part 1"):
        train(copied, config="later.yaml")
    started = train(copied, "--part", 1, config="later.yaml")
    assert files_left(started / "part1")["epoch1.safetensors"] == files_left(part(copied, 1))["epoch1.safetensors"]


def test_weights_of_a_normalised_network_do_not_start_one_that_is_not(copied: Path) -> None:
    later = CONFIG.replace("start: part0", "start: discs/part0").replace("network: {", "network: {normalise: true, ")
    (copied / "later.yaml").write_text(later)
    with pytest.raises(BadInput, match=r"epoch\d\.safetensors was trained otherwise .* network\.normalise"):
        train(copied, "--part", 1, config="later.yaml")


@pytest.mark.slow
def test_changed_settings_are_refused_and_a_part_trained_anew_makes_the_next_one_stale(copied: Path) -> None:
    other = CONFIG.replace("batch_size: 3", "batch_size: 2")
    (copied / "discs.yaml").write_text(other)
    with pytest.raises(StaleOutput, match=r"part\.batch_size: 3 -> 2"):
        train(copied)
    train(copied, "--part", 0, "--force")
    with pytest.raises(StaleOutput, match="part1 was made from something else"):
        train(copied)


def test_films_without_a_pneumothorax_are_refused_naming_the_fold(tmp_path: Path) -> None:
    work = tmp_path / "work"
    make_films(work, positive=["film02", "film06", "film10", "film14"])  # all of fold 1
    (work / "discs.yaml").write_text(CONFIG)
    with pytest.raises(BadInput, match=r"fold 0: the validation films .* none that shows a pneumothorax"):
        train(work)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (("start: part0", "start: part1"), "start 'part1' is not initial, part0 to part0"),
        (("start: part0", "start: ''"), "start '' is not"),
        (("size: 64", "size: 72"), "72 pixels"),
        (("positive_share: 0.5", "positive_share: 0"), "positive_share 0.0: give a number above 0"),
        (("top: 1, kept", "schedule: plateau, top: 1, kept"), "kept: last"),
        (("top: 2", "top: 0"), "top"),
        (("name: unet", "name: vnet"), "vnet"),
        (("start: part0", "strat: part0"), "strat"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_wrong_use(tmp_path: Path, change: tuple[str, str], fact: str) -> None:
    assert change[0] in CONFIG
    (tmp_path / "discs.yaml").write_text(CONFIG.replace(*change))
    with pytest.raises(WrongUse, match=fact):
        train(tmp_path)


def test_a_part_stops_when_no_better_epoch_comes(tmp_path: Path) -> None:
    """Nothing is learnt at this rate, so the first epoch is the best one."""
    work = with_films(tmp_path / "work")
    idle = CONFIG.replace("learning_rate: 1.0e-3, schedule: plateau, epochs: 3", "learning_rate: 1.0e-12, patience: 1")
    (work / "discs.yaml").write_text(idle)
    train(work, "--part", 0)
    assert [one["epoch"] for one in read_json(part(work, 0) / "top.json")] == [0, 1]
    assert not (part(work, 0) / "epoch3.safetensors").exists()


def test_a_part_does_not_end_early_for_the_score_of_the_part_that_it_starts_from(copied: Path) -> None:
    """Nothing is learnt at this rate, so no epoch is better than part 0; the first is the best of its own."""
    idle = CONFIG.replace("batch_size: 4, learning_rate: 1.0e-3, epochs: 2", "batch_size: 4, learning_rate: 1.0e-12")
    (copied / "discs.yaml").write_text(idle.replace("top: 1, kept: last", "top: 4, patience: 1"))
    train(copied, "--part", 1, "--force")
    kept = read_json(part(copied, 1) / "top.json")
    assert [one["epoch"] for one in kept] == [0, 1, 2]
    assert kept[0]["score"] <= read_json(part(copied, 0) / "top.json")[0]["score"]


@pytest.mark.slow
def test_a_folds_weights_do_not_depend_on_the_folds_trained_before_it(tmp_path: Path) -> None:
    alone, after = with_films(tmp_path / "alone"), with_films(tmp_path / "after")
    train(alone, "--part", 0, "--fold", 1)
    train(after, "--part", 0, "--fold", 0, 1)
    place = Path("checkpoints/pneumothorax/discs/fold1/part0")
    assert files_left(alone / place) == files_left(after / place)


@pytest.mark.slow
def test_the_data_set_stays_as_it_was(trained: Path, tmp_path: Path) -> None:
    make_films(tmp_path / "fresh")
    assert files_left(trained / "data" / DATA_SET) == files_left(tmp_path / "fresh" / "data" / DATA_SET)
