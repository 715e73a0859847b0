"""When outputs were made: a line each beside them, that nothing depends on."""

from __future__ import annotations

from pathlib import Path

from hounsfield.core.stages.outputs import Provenance, output, read_record, record_digest
from hounsfield.core.stages.times import TIMES, read_times, time_of


def make(folder: Path, content: str = "weights", *, force: bool = False) -> str:
    with output(folder, Provenance("train", {}, {}), force=force, remedy="") as out:
        if not out.finished:
            (folder / "weights").write_text(content)
            out.finish(["weights"])
    return record_digest(read_record(folder))


def test_an_output_notes_when_it_was_done_and_on_what(tmp_path: Path) -> None:
    digest = make(tmp_path / "checkpoints" / "a" / "fold0")
    line = time_of(read_times(tmp_path), "checkpoints/a/fold0", digest)
    assert line["seconds"] >= 0 and line["cores"] >= 1 and line["finished"].endswith("Z")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", TIMES]


def test_the_last_line_counts_and_only_for_what_the_output_holds_now(tmp_path: Path) -> None:
    folder = tmp_path / "preds" / "a"
    before, after = make(folder), make(folder, "others", force=True)
    times = read_times(tmp_path)
    assert time_of(times, "preds/a", before) is None
    assert time_of(times, "preds/a", after)["output"] == "preds/a"


def test_without_a_line_or_with_one_that_was_cut_nothing_is_known(tmp_path: Path) -> None:
    assert read_times(tmp_path) == {}
    digest = make(tmp_path / "data" / "set")
    path = tmp_path / TIMES
    path.write_text(f'{path.read_text()}{{"output": "data/set", "dig\n[1]\n')
    assert time_of(read_times(tmp_path), "data/set", digest) is not None


def test_an_output_is_done_where_its_time_cannot_be_noted(tmp_path: Path) -> None:
    (tmp_path / TIMES).mkdir()
    assert make(tmp_path / "data" / "set")
    assert make(tmp_path / "elsewhere")
