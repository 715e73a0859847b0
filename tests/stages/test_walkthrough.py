"""The walk-through of a small run: each number on its page against one that is computed here by itself."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import Work, work_at
from hounsfield.competitions.rsna2019.labels import CLASS_WEIGHTS, CLASSES
from hounsfield.core.errors import MissingInput, WrongUse
from hounsfield.core.training.state import TrainingState
from page_tables import PageText, number_before
from programs import run_program
from reference.log_loss import competition_log_loss

PROGRAM = "hemorrhage_walkthrough"
PAGE = "preds/hemorrhage/mini/walkthrough.html"
ABLATIONS = ("other_seed", "without_deltas", "without_sequence", "without_views")


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory, finished: Work) -> Work:
    """The finished run after stage 82."""
    work = work_at(tmp_path_factory.mktemp("explained") / "work")
    shutil.copytree(finished.folder, work.folder)
    run_program(PROGRAM, *work.arguments)
    return work


@pytest.fixture(scope="module")
def shown(explained: Work) -> PageText:
    return PageText((explained.folder / PAGE).read_text())


@pytest.fixture(scope="module")
def slices(explained: Work) -> pd.DataFrame:
    return pd.read_parquet(explained.folder / "data/phantom/slices.parquet")


@pytest.fixture(scope="module")
def embeddings(explained: Work) -> np.ndarray:
    """Those of the first fold by its last classifier epoch, the mean of both views."""
    store = explained.folder / "data/phantom/embeddings/mini/fold0/epoch1"
    views = [np.load(store / f"{view}.npy").astype(np.float32) for view in ("identity", "hflip")]
    return (views[0] + views[1]) / 2


def column(table: list[list[str]], name: str) -> list[str]:
    place = table[0].index(name)
    return [row[place] for row in table[1:]]


def test_it_counts_what_the_run_holds(shown: PageText, slices: pd.DataFrame) -> None:
    lengths = slices.groupby("series").size()
    for words, count in {
        "slices": len(slices),
        "series": len(lengths),
        "patients": slices["patient_id"].nunique(),
        "numbers in an embedding": 96,
        "hidden units each way": 16,
    }.items():
        assert number_before(shown.text, words) == count
    assert f"{lengths.min()} / {lengths.median():.0f} / {lengths.max()} slices in a series" in shown.text


def test_the_series_is_listed_by_name_and_numbered_along_its_normal(shown: PageText, slices: pd.DataFrame) -> None:
    ((caption, table),) = [one for one in shown.tables.items() if "as a folder lists it" in one[0]]
    own = slices[slices["series"] == int(caption.split()[1])]
    assert column(table, "file") == sorted(own["image_id"])
    along = dict(zip(column(table, "file"), map(float, column(table, "along the normal")), strict=True))
    seq = dict(zip(column(table, "file"), map(int, column(table, "seq")), strict=True))
    assert sorted(seq, key=seq.__getitem__) == sorted(along, key=along.__getitem__)
    assert sorted(seq.values()) == list(range(1, len(own) + 1))
    rows, columns = (own[[f"{line}_{axis}" for axis in "xyz"]].to_numpy() for line in ("row", "column"))
    expected = (np.cross(rows, columns) * own[["x_mm", "y_mm", "z_mm"]].to_numpy()).sum(axis=1)
    np.testing.assert_allclose([along[name] for name in own["image_id"]], expected, atol=0.006)


def test_deltas_are_measured_on_neighbours_of_the_fold_that_the_network_has_not_seen(
    shown: PageText, slices: pd.DataFrame, embeddings: np.ndarray
) -> None:
    lengths: dict[str, list[float]] = {}
    for _, own in slices[slices["fold"] == 0].groupby("series"):
        rows = own.sort_values("order").index
        for earlier, later in itertools.pairwise(rows):
            kind = slices.loc[[earlier, later], "any"].sum()
            name = {0: "both without", 1: "one with a finding, one without", 2: "both with a finding"}[int(kind)]
            lengths.setdefault(name, []).append(float(np.sqrt(((embeddings[later] - embeddings[earlier]) ** 2).sum())))
    table = shown.tables["Neighbours in a series: how far apart they are, on average"]
    found = dict(
        zip(column(table, "neighbours"), zip(column(table, "pairs"), column(table, "length"), strict=True), strict=True)
    )
    for name, values in lengths.items():
        assert found[name][0] == str(len(values))
        assert float(found[name][1]) == pytest.approx(np.mean(values), abs=6e-4)


def test_the_batch_is_filled_up_to_its_longest_series(shown: PageText, slices: pd.DataFrame) -> None:
    table = shown.tables["The series of the batch"]
    lengths = [int((slices["series"] == int(number)).sum()) for number in column(table, "series")]
    assert [int(one) for one in column(table, "slices")] == lengths
    assert [int(one) for one in column(table, "padding")] == [max(lengths) - one for one in lengths]
    assert number_before(shown.text, "steps of this batch") == max(lengths) * len(lengths)
    assert number_before(shown.text, "slices count, each by") == sum(lengths)


def test_every_line_of_the_network_has_its_shape_and_its_weights(shown: PageText) -> None:
    table = shown.tables["The forward pass"]
    batch = shown.tables["The series of the batch"]
    b, t = len(batch) - 1, max(int(one) for one in column(batch, "slices"))
    widths = [int(shape.strip("()").split(", ")[-1]) for shape in column(table, "here")]
    assert [shape.startswith(f"({b}, {t}, ") for shape in column(table, "here")] == [True] * 9
    assert widths == [96, 3 * 96, 32, 32, 32, 32, 32, 32, 6]
    one_way = [
        4 * 16 * (wide + 16 + 2) for wide in (3 * 96, 32)
    ]  # gates i, f, g, o: weights of input and h, two biases
    expected = ["–", "–", *(2 * one for one in one_way), 32 * 33, 32 * 33, 97 * 32, "–", 33 * 6]
    assert [one if one == "–" else int(one.replace(",", "")) for one in column(table, "weights")] == expected


def probabilities_of(work: Work, folder: str) -> np.ndarray:
    return np.load(work.folder / "checkpoints/hemorrhage/mini" / folder / "probabilities.npy")


def out_of_fold_loss(work: Work, slices: pd.DataFrame, name: str) -> float:
    """Of each fold the slices that its network has not learnt from."""
    found, truth = [], []
    for fold in (0, 1):
        rows = np.flatnonzero(slices["fold"] == fold)
        found.append(probabilities_of(work, f"fold{fold}/{name}")[rows])
        truth.append(slices[list(CLASSES)].to_numpy()[rows])
    return competition_log_loss(np.concatenate(found).tolist(), np.concatenate(truth).tolist(), CLASS_WEIGHTS, 1e-5)


def test_losses_and_their_changes_are_those_of_the_networks_probabilities(
    explained: Work, shown: PageText, slices: pd.DataFrame
) -> None:
    table = shown.tables["Out-of-fold loss"]
    losses = dict(zip(column(table, "network"), map(float, column(table, "loss")), strict=True))
    changes = dict(zip(column(table, "network"), column(table, "change"), strict=True))
    expected = {name: out_of_fold_loss(explained, slices, f"{name}_epoch1") for name in ("sequence", *ABLATIONS)}
    assert losses["as it is"] == pytest.approx(expected["sequence"], abs=6e-5)
    words = ("another seed, nothing left out", "without deltas", "without the sequence", "without views")
    for name, word in zip(ABLATIONS, words, strict=True):
        assert losses[word] == pytest.approx(expected[name], abs=6e-5)
        assert float(changes[word]) == pytest.approx(expected[name] - expected["sequence"], abs=6e-5)
    scores = pd.read_csv(explained.folder / "preds/hemorrhage/mini/scores.csv").set_index("system")
    assert losses["classifier alone, no sequence network"] == pytest.approx(
        scores.loc["classifier", "weighted_log_loss"], abs=6e-5
    )
    assert len({*losses.values()}) == 6


def test_the_ablations_have_learnt_from_the_patients_of_the_other_folds_alone(
    explained: Work, slices: pd.DataFrame
) -> None:
    for name in ABLATIONS:
        learned = pd.read_parquet(explained.folder / f"checkpoints/hemorrhage/mini/fold0/{name}_epoch1/learned.parquet")
        assert set(learned["patient_id"]) == set(slices.loc[slices["fold"] == 1, "patient_id"])


def test_a_second_run_trains_nothing_and_builds_the_same_page(
    explained: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in explained.folder.rglob("*_epoch1/probabilities.npy")}
    page = (explained.folder / PAGE).read_bytes()
    run_program(PROGRAM, *explained.arguments)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (explained.folder / PAGE).read_bytes() == page
    assert "to train" not in capsys.readouterr().err


@pytest.mark.slow
def test_ablations_that_were_killed_go_on_to_the_same_probabilities(
    finished: Work, explained: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, done, update = work_at(tmp_path / "work"), [0], TrainingState.update
    shutil.copytree(finished.folder, work.folder)

    def update_or_die(state: TrainingState, loss: float) -> None:
        done[0] += 1
        if done[0] > 20:
            raise KeyboardInterrupt
        update(state, loss)

    monkeypatch.setattr(TrainingState, "update", update_or_die)
    with pytest.raises(KeyboardInterrupt):
        run_program(PROGRAM, *work.arguments)
    assert not (work.folder / PAGE).exists()
    monkeypatch.setattr(TrainingState, "update", update)
    run_program(PROGRAM, *work.arguments)
    assert (work.folder / PAGE).read_bytes() == (explained.folder / PAGE).read_bytes()


def test_without_ablations_nothing_is_trained_and_without_images_none_are_shown(finished: Work, tmp_path: Path) -> None:
    work = work_at(tmp_path / "work")
    shutil.copytree(finished.folder, work.folder)
    shutil.rmtree(work.folder / "data/phantom/images")
    run_program(PROGRAM, *work.arguments, "--without-ablations")
    page = (work.folder / PAGE).read_text()
    assert "Not measured" in PageText(page).text
    assert "run_82_walkthrough.sh" in page
    assert "data:image/png" not in page
    assert list(work.folder.rglob("without_*")) == []


def test_the_page_asks_nothing_of_a_network_and_gives_away_no_path(explained: Work) -> None:
    page = (explained.folder / PAGE).read_text()
    assert "://" not in page
    assert "src=" in page and all(one.startswith('"data:') for one in page.split("src=")[1:])
    assert str(explained.folder) not in page


def test_the_fold_that_holds_nobody_out_is_refused(finished: Work) -> None:
    with pytest.raises(WrongUse, match="holds no patient out"):
        run_program(PROGRAM, *finished.arguments, "--fold", "all")


def test_a_missing_network_is_named_with_the_command_that_trains_it(finished: Work, tmp_path: Path) -> None:
    work = work_at(tmp_path / "work")
    shutil.copytree(finished.folder, work.folder)
    shutil.rmtree(work.folder / "checkpoints/hemorrhage/mini/fold0/sequence_epoch1")
    with pytest.raises(MissingInput, match=r"sequence_epoch1.*run_14_trainfull_sequential\.sh"):
        run_program(PROGRAM, *work.arguments)
