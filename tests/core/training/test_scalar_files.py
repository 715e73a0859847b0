"""What trainings leave for TensorBoard, read back as numbers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from hounsfield.core.logs import Scalars
from hounsfield.core.training.scalar_files import COLUMNS, read_scalars


def write(folder: Path, values: dict[int, float], name: str = "training_loss") -> None:
    with closing(Scalars(folder, enabled=True)) as scalars:
        for epoch, value in values.items():
            scalars.add(name, value, epoch)


def test_scalars_come_back_by_name_and_epoch(tmp_path: Path) -> None:
    write(tmp_path, {1: 0.25, 0: 0.5})
    write(tmp_path, {0: 0.75}, "dice")
    table = read_scalars(tmp_path)
    assert table[["name", "epoch", "value"]].to_numpy().tolist() == [
        ["dice", 0, 0.75], ["training_loss", 0, 0.5], ["training_loss", 1, 0.25],
    ]  # fmt: skip
    assert (table["time"] > 1.6e9).all()


def test_of_an_epoch_that_was_trained_twice_the_last_value_counts(tmp_path: Path) -> None:
    write(tmp_path / "before", {0: 0.5, 1: 0.4})
    write(tmp_path / "after", {1: 0.3})
    for number, part in enumerate(("before", "after")):
        (file,) = (tmp_path / part).iterdir()
        file.rename(tmp_path / f"events.out.tfevents.{number}")
    assert read_scalars(tmp_path)["value"].tolist() == pytest.approx([0.5, 0.3])


def test_a_file_that_was_cut_ends_at_the_cut_and_no_file_holds_nothing(tmp_path: Path) -> None:
    assert read_scalars(tmp_path).columns.tolist() == list(COLUMNS)
    write(tmp_path, {0: 0.5, 1: 0.4})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert read_scalars(tmp_path)["value"].tolist() == pytest.approx([0.5])
