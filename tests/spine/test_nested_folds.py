"""`nested: true` through stages 52 to 56 on made-up necks: nothing upstream of a fold's scores has seen its patients.

Published, the networks behind boxes and pseudo-labels have seen the scored patients (defect 20).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from found_necks import found_boxes, found_pseudo_labels
from spine_runs import CONFIG as PLAIN
from spine_runs import NAME, start

from hounsfield.competitions.rsna2022.paths import data_folder
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.evaluation.score_table import read_scores
from hounsfield.core.stages.command import Stage, parse, stage_parser
from hounsfield.core.stages.ledger import Ledger, fold_part
from hounsfield.core.stages.lineage import rested_on
from hounsfield.core.storage.files import read_json
from hounsfield.core.training.state import TrainingState
from hounsfield.spine.config import DEFAULT_CONFIG, SpineConfig
from hounsfield.spine.localizer_training import localizer_runs
from hounsfield.spine.neck_runs import refuse_seen
from hounsfield.spine.nested import answers_for, folds_of, pairs_to_train, tables
from hounsfield.spine.paths import boxes_folder, pseudo_labels_folder
from hounsfield.spine.ratio_training import ratio_runs
from hounsfield.spine.remedies import SpineCommand
from killed_runs import files_left, killed_at
from spine.made_data import DATA_SET, made_necks

FOLDS, STUDIES = (0, 1, 2), 6  # study n is of fold n % 3, and of patient p00n
STAGES = ("boxes", "vertebrae", "fracture", "study")
ONE_MODEL = PLAIN[: PLAIN.index("    - name: two")] + PLAIN[PLAIN.index("  refit: false\nstudy") :]
NESTED = ONE_MODEL.replace("folds: [0, 1]", "folds: [0, 1, 2]\nnested: true").replace("fold_count: 2", "fold_count: 3")
PUBLISHED = NESTED.replace("nested: true", "nested: false")


def configured(work: Path, config: str) -> Path:
    (work / f"{NAME}.yaml").write_text(config)
    return work


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages. Tests that change something copy the work folder first."""
    work = configured(tmp_path_factory.mktemp("nested"), NESTED)
    made_necks(work, train=STUDIES, test=0, folds=3, slices=(18, 24), unsegmented=1)
    for stage in STAGES:
        start(work, stage)
    start(work, "predict", "--pictures", 1)
    return work


@pytest.fixture
def copied(nested: Path, tmp_path: Path) -> Path:
    return shutil.copytree(nested, tmp_path / "work")


def localizers(work: Path) -> Path:
    return work / "checkpoints" / "spine" / NAME / "boxes" / "localizer"


def predictions(work: Path, fold: int) -> Path:
    return work / "preds" / "spine" / NAME / "study" / "one" / f"fold{fold}_seed7"


def who_has_seen(work: Path, fold: int) -> Iterator[str]:
    """The outputs upstream of a fold's predictions of which any part has seen a patient of the fold in any way."""
    patients = np.array([f"p{number:03d}" for number in range(STUDIES) if number % 3 == fold])
    for one in rested_on(work, predictions(work, fold).relative_to(work).as_posix(), 0, set()):
        if one.ledger.upstream_of().roles_of(patients).any():
            yield one.place


def command(*words: str) -> SpineCommand:
    stage = Stage(SpineConfig, "", DEFAULT_CONFIG, single=True)
    return parse(stage_parser(stage), stage, ["--config", str(DEFAULT_CONFIG), *words])


@pytest.mark.slow
@pytest.mark.parametrize("fold", FOLDS)
def test_nothing_upstream_of_a_folds_scores_has_seen_its_patients_in_any_way(nested: Path, fold: int) -> None:
    assert list(who_has_seen(nested, fold)) == []
    learned = Ledger.read(predictions(nested, fold) / "learned.parquet")
    others = {f"p{number:03d}" for number in range(STUDIES) if number % 3 != fold}
    assert set(learned.rows["patient_id"]) == others  # it is no empty list that has seen nobody


@pytest.mark.slow
def test_scores_are_out_of_fold_and_no_leak_is_named(nested: Path) -> None:
    scores = read_scores(nested / "preds" / "spine" / NAME / "scores.csv").set_index("system")
    assert scores["ledger"].to_dict() == {
        "prior": "chosen in hindsight: no constant is better", "one": "out-of-fold", "bag": "out-of-fold"
    }  # fmt: skip
    assert read_json(predictions(nested, 0) / "output.json")["facts"]["by_design"] == {"words": "", "roles": []}


@pytest.mark.slow
def test_without_the_option_boxes_and_pseudo_labels_have_seen_them_and_the_rows_say_so(copied: Path) -> None:
    configured(copied, PUBLISHED)
    for stage in (*STAGES, "predict"):
        start(copied, stage, "--force")
    seen = set(who_has_seen(copied, 0))
    assert {f"data/{DATA_SET}/boxes/{NAME}", f"data/{DATA_SET}/pseudo_labels/{NAME}"} < seen
    scores = read_scores(copied / "preds" / "spine" / NAME / "scores.csv")
    assert scores["system"].tolist() == ["prior", "one_second_order", "bag_second_order"]


@pytest.mark.slow
def test_each_pair_of_folds_has_networks_that_have_learnt_from_neither(nested: Path) -> None:
    for folder in (localizers(nested), localizers(nested).parents[1] / "vertebrae" / "cropped"):
        assert sorted(path.name for path in folder.iterdir()) == [
            f"fold{name}_seed0" for name in ("0+1", "0+2", "0", "1+2", "1", "2")
        ]
    learned = Ledger.read(localizers(nested) / "fold0+2_seed0" / "learned.parquet")
    assert set(learned.rows["patient_id"]) == {"p001", "p004"}


@pytest.mark.slow
def test_a_table_for_a_fold_is_answered_by_networks_that_have_seen_neither_it_nor_the_study(nested: Path) -> None:
    table = pd.read_parquet(pseudo_labels_folder(nested, DATA_SET, NAME, (1,)) / "rows.parquet")
    of_study = table.groupby("study_uid")["models"].unique().explode()
    assert of_study.tolist() == [f"cropped fold{name} seeds 0" for name in ("0+1", "1", "1+2") * 2]
    own, usual = (
        pd.read_parquet(boxes_folder(nested, DATA_SET, NAME, without) / "rows.parquet").set_index("study_uid")
        for without in ((1,), ())
    )
    scored = ["1.2.001", "1.2.004"]  # of fold 1: its own networks answer in both
    np.testing.assert_allclose(own.loc[scored, "presence"], usual.loc[scored, "presence"], atol=1e-6)


@pytest.mark.parametrize("count", [3, 6])
def test_folds_have_all_pairs_between_them_and_each_pair_once(count: int) -> None:
    given = ["--nested", "true", "--folds", str(list(range(count)))]
    pairs = pairs_to_train(command(*given))
    assert len(pairs) == count * (count - 1) // 2
    assert [folds_of(name) for name in pairs] == list(combinations(range(count), 2))
    apart = [name for fold in range(count) for name in pairs_to_train(command(*given, "--fold", str(fold)))]
    assert apart == pairs
    assert pairs_to_train(command(*given, "--fold", "all")) == []


@pytest.mark.parametrize("count", [3, 5])
def test_every_answer_in_a_table_comes_from_networks_that_are_trained_and_kept_apart(count: int) -> None:
    given = command("--nested", "true", "--folds", str(list(range(count))))
    trained = {*map(str, range(count)), *pairs_to_train(given)}
    for without in tables(given.config):
        for fold in range(count):
            name = answers_for(fold, without)
            assert name in trained
            assert set(without) <= set(folds_of(name))
            assert fold in folds_of(name) or len(without) == 2  # a pair's own training studies


def test_the_published_networks_and_their_number_stay_and_ten_pairs_come_beside_them() -> None:
    assert (pairs_to_train(command()), tables(command().config)) == ([], [()])
    nested = command("--nested", "true")
    pairs = pairs_to_train(nested)
    assert len(localizer_runs(nested, pairs)) == 10 * 3
    assert sum(len(ratio_runs(nested, model, pairs)) for model in nested.config.vertebrae.models) == 10 * 3 * 3
    usual = localizer_runs(command(), ["0", "all"]) + ratio_runs(command(), command().config.vertebrae.models[0], ["0"])
    same = localizer_runs(nested, ["0", "all"]) + ratio_runs(nested, nested.config.vertebrae.models[0], ["0"])
    assert [(one.settings(), one.seeds) for one in same] == [(one.settings(), one.seeds) for one in usual]
    cropped = ratio_runs(nested, nested.config.vertebrae.models[1], ["0", "0+3"])
    assert [one.without for one in cropped] == [(0,), (0,), (0,), (0, 3), (0, 3), (0, 3)]


@pytest.mark.slow
def test_what_is_there_is_not_made_again(copied: Path) -> None:
    before = files_left(copied)
    for stage in STAGES:
        start(copied, stage)
    assert files_left(copied) == before


@pytest.mark.slow
def test_a_pairs_network_that_was_killed_goes_on_to_the_same_bytes(
    nested: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(localizers(copied) / "fold1+2_seed0")
    for without in ((1,), (2,), (1, 2)):
        shutil.rmtree(boxes_folder(copied, DATA_SET, NAME, without))

    with killed_at(1, TrainingState, "update"):
        start(copied, "boxes")
    assert "nested: 3 networks for pairs of folds, beside the usual 3" in capsys.readouterr().err
    start(copied, "boxes", "--fold", 0)  # which the pair is not of
    assert "fold1+2_seed0" in capsys.readouterr().err.rpartition("nothing is predicted yet")[2]
    with pytest.raises(MissingInput, match=r"without1 is missing; make it with: (?!.*FOLDS).*run_52_spine_boxes\.sh"):
        start(copied, "vertebrae")
    start(copied, "boxes")
    for place in ("data", "checkpoints"):
        assert files_left(copied / place) == files_left(nested / place)


@pytest.mark.parametrize("stage", STAGES[1:])
def test_stages_name_what_was_not_made_nested_with_the_command(tmp_path: Path, stage: str) -> None:
    made_necks(tmp_path, train=STUDIES, test=0, folds=3)
    configured(tmp_path, PUBLISHED)
    found_boxes(tmp_path, NAME)
    found_pseudo_labels(tmp_path, NAME)
    missing = r"boxes/small/without0 is missing; make it with: .*run_52_spine_boxes\.sh --nested true"
    with pytest.raises(MissingInput, match=missing):
        start(tmp_path, stage, "--nested", "true")


@pytest.mark.slow
def test_pseudo_labels_for_a_fold_that_are_missing_are_named(copied: Path) -> None:
    shutil.rmtree(pseudo_labels_folder(copied, DATA_SET, NAME, (2,)))
    with pytest.raises(MissingInput, match=r"without2 is missing; make it with: .*run_53_spine_vertebrae\.sh"):
        start(copied, "fracture")


@pytest.mark.slow
def test_networks_of_the_other_kind_are_not_used(copied: Path) -> None:
    before = files_left(copied)
    start(configured(copied, PUBLISHED), "boxes")  # whose networks are the same
    for stage in (*STAGES[1:], "predict"):
        with pytest.raises(StaleOutput, match=r"nested: true -> null(.|\n)*--force"):
            start(copied, stage)
    configured(copied, NESTED)
    kept = {"checkpoints/spine/small/small.yaml": b""}  # the configuration of the stage that was started last
    assert files_left(copied) | kept == before | kept


@pytest.mark.parametrize("stage", STAGES)
def test_two_folds_cannot_be_kept_apart_from_networks(tmp_path: Path, stage: str) -> None:
    configured(tmp_path, PLAIN)
    with pytest.raises(WrongUse, match=r"nested: true with folds 0 1: .* 3 folds are needed; .*--folds '\[0, 1, 2\]'"):
        start(tmp_path, stage, "--nested", "true")


def test_a_ledger_that_shows_a_patient_of_the_fold_in_any_part_is_refused() -> None:
    studies = pd.DataFrame({"split": "train", "fold": [0, 1], "patient_id": ["p000", "p001"]})
    parts = [Ledger.of("necks", ["p000"], "upstream", fold_part(1)), Ledger.of("necks", ["p001"], part=fold_part(0))]
    ledger = Ledger.joined(parts)
    refuse_seen("boxes", ledger, studies, "make")  # as published: no study is answered by what was trained on it
    with pytest.raises(BadInput, match=r"boxes without fold 0: 1 of 1 patients .*upstream: 1.*make --force"):
        refuse_seen("boxes without fold 0", ledger, studies, "make", (0,))


@pytest.mark.slow
def test_tables_that_are_kept_apart_lie_within_the_usual_ones(nested: Path) -> None:
    boxes, labels = (data_folder(nested, DATA_SET) / name / NAME for name in ("boxes", "pseudo_labels"))
    pairs = [f"without{name}" for name in ("0+1", "0+2", "1+2")]
    singles = [f"without{fold}" for fold in FOLDS]
    assert sorted(path.name for path in boxes.iterdir() if path.is_dir()) == sorted(pairs + singles)
    assert sorted(path.name for path in labels.iterdir() if path.is_dir()) == singles
