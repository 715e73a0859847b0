"""The benchmark: that it compares equal work, judges rightly and writes its table. Nothing here is timed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import epochs
from benchmark.full_size import full_size_lines
from benchmark.measurements import Line, as_markdown
from benchmark.networks import inference, network_lines, operations, training
from benchmark.phantom_files import link_files, write_phantoms
from benchmark.preparation import prepare_into
from benchmark.sequences import make_case, series_lengths
from hounsfield.competitions.rsna2019.source import GIVEN_NAMES
from hounsfield.core.storage.image_files import image_path
from hounsfield.hemorrhage.config import ClassifierConfig
from hounsfield.hemorrhage.sequence_batches import build_batch
from hounsfield.hemorrhage.sequence_network import with_deltas
from programs import load_program
from reference.published_batches import PublishedBatches
from reference.published_preparation import published_metadata, published_prepare

PROGRAM = "benchmark/run"


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_published_preparation_and_ours_write_the_same_bytes(tmp_path: Path) -> None:
    files = write_phantoms(tmp_path / "dicom", 20, size=128)
    plain, images = tmp_path / "plain", tmp_path / "images"
    plain.mkdir()
    prepare_into(images, files, repair=False)
    for file in files:
        path = Path(file.container) / file.name
        published_prepare(path, plain)
        assert (plain / f"{path.stem}.jpg").read_bytes() == image_path(images, GIVEN_NAMES.image_id(file)).read_bytes()
    metadata = published_metadata(path)
    assert metadata["PatientID"].startswith("ID_")
    assert not {"PixelData", "Rows", "Columns"} & set(metadata)


def test_published_batches_and_ours_hold_the_same_values(tmp_path: Path) -> None:
    case = make_case(tmp_path, slices=400, series=10, width=6, batches=2)
    published = PublishedBatches(case.table, case.array)
    for series in case.batches:
        inputs, mask, labels, _ = published.batch([f"ID_{number:09x}" for number in series])
        batch = build_batch(case.store, case.series, series, case.labels, pad_front=True)
        assert not batch.is_slice.all()
        assert torch.equal(batch.is_slice, mask.bool())
        assert torch.equal(batch.labels, labels)
        assert torch.equal(with_deltas(batch.embeddings, batch.is_slice), inputs)
        assert batch.embeddings.abs().sum() > 0


def test_lengths_of_series_sum_up_to_the_slices_asked_for() -> None:
    for slices in (24 * 50, 41 * 50, 60 * 50):
        lengths = series_lengths(slices, 50, np.random.default_rng(0))
        assert (lengths.sum(), len(lengths)) == (slices, 50)
        assert lengths.min() >= 24
        assert lengths.max() <= 60
    with pytest.raises(ValueError, match="100 slices are no 50 series of 24 to 60"):
        series_lengths(100, 50, np.random.default_rng(0))


def test_links_make_many_files_of_few(tmp_path: Path) -> None:
    files = write_phantoms(tmp_path / "drawn", 2, size=64)
    linked = link_files(files, tmp_path / "linked", 5)
    assert len({file.name for file in linked}) == 5
    assert len({(tmp_path / "linked" / file.name).stat().st_ino for file in linked}) == 2


@pytest.mark.parametrize(
    ("line", "demanded", "verdict"),
    [
        (Line(what="a", measured=50, unit="x/s", reference=10, at_least=5), ">= 5 x", "holds"),
        (Line(what="a", measured=49, unit="x/s", reference=10, at_least=5), ">= 5 x", "falls short"),
        (Line(what="a", measured=120, unit="MB", reference=100, at_most=1.2), "<= 1.2 x", "holds"),
        (Line(what="a", measured=121, unit="MB", reference=100, at_most=1.2), "<= 1.2 x", "falls short"),
        (Line(what="a", measured=20, unit="s", at_most=20), "<= 20 s", "holds"),
        (Line(what="a", measured=21, unit="s", at_most=20), "<= 20 s", "falls short"),
        (Line(what="a", measured=21, unit="images/s", reference=7), "", "reported"),
    ],
)
def test_a_line_says_whether_it_holds(line: Line, demanded: str, verdict: str) -> None:
    assert (line.demanded, line.verdict) == (demanded, verdict)


def test_table_has_a_row_a_line_and_the_notes_below() -> None:
    lines = [Line(what="peak", measured=120, unit="MB", reference=100, at_most=1.2, note="two workers")]
    assert as_markdown(lines, ["sizes: quick"]).splitlines()[2:] == [
        "| peak | 120 MB | 100 MB | 1.2 x | <= 1.2 x | holds |",
        "",
        "- peak: two workers",
        "- sizes: quick",
    ]


def test_synthetic_competition_goes_through_folds_order_index_and_three_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "ClassifierConfig", lambda: ClassifierConfig(batch_size=8, size=64))
    lines = full_size_lines(tmp_path, 4100, width=8, images=10)
    assert "4100 slices in 100 series" in lines[0].note
    assert all(line.measured > 0 for line in lines)
    memory = [line for line in lines if line.what.startswith("memory over")]
    assert [len(line.note.split(": ")[1].split()) for line in memory] == [9, 9]


def test_networks_are_measured_in_every_form() -> None:
    lines = network_lines("test_byobnet", size=32, batch=2, repeats=1, device=torch.device("cpu"))
    assert len(lines) == 6
    assert all(line.verdict == "reported" and line.measured > 0 for line in lines)


def test_training_takes_nearly_three_times_the_operations_of_inference() -> None:
    forward = operations(inference, "test_byobnet", 64)
    assert 2.5 < operations(training, "test_byobnet", 64) / forward <= 3


def test_program_prints_and_writes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = load_program(PROGRAM)
    tiny = replace(
        program.QUICK, drawn=2, pixels=64, linked=32, batches=2, store_slices=400, store_series=10, width=8,
        extracted=4, extracted_pixels=32, repeats=1,
    )  # fmt: skip
    program.QUICK = tiny
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [PROGRAM, "--quick", "--work", str(tmp_path), "--only", "sequences", "extraction"])
        program.main()
    written = (tmp_path / "preds" / "benchmark" / "benchmark.md").read_text()
    assert capsys.readouterr().out == written + "\n"
    lines = json.loads((tmp_path / "preds" / "benchmark" / "benchmark.json").read_text())["lines"]
    assert [line["verdict"] in ("holds", "falls short", "reported") for line in lines] == [True] * 4
    assert {"what", "measured", "unit", "reference", "ratio"} <= set(lines[0])
