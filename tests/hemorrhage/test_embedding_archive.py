from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from embedding_stores import DATA_SET, EXPERIMENT, contents_of, export, make_slices, make_store, make_work, take

from hounsfield.competitions.rsna2019.paths import data_folder
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.stages.outputs import RECORD
from hounsfield.core.storage import packed_folder
from hounsfield.core.storage.data_sets import sample_submission_path
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.packed_folder import read_contents
from hounsfield.hemorrhage.paths import embeddings_folder, store_folder
from programs import held_by_another_process, run_program

EXPORT, IMPORT = "hemorrhage_export_embeddings", "hemorrhage_import_embeddings"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(tmp_path_factory.mktemp("made") / "work")


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "work")


def test_import_gives_the_files_of_the_export_byte_for_byte(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But where the data set was prepared from, which is nobody else's concern."""
    archive, other = export(work), tmp_path / "other"
    capsys.readouterr()
    run_program(IMPORT, archive, "--work", other)
    yaml = embeddings_folder(other, DATA_SET, EXPERIMENT) / f"{EXPERIMENT}.yaml"
    assert capsys.readouterr().out == f"{yaml}\n0 1\n"
    imported, exported = contents_of(other / "data"), contents_of(work / "data")
    resolved = imported.pop(str(yaml.relative_to(other / "data")))
    record = f"{DATA_SET}/{RECORD}"
    assert json.loads(imported.pop(record)) == json.loads(exported.pop(record)) | {"facts": {"drawn": False}}
    assert imported == exported
    assert b"data_set: toy\n" in resolved and b"hidden_units: 2048\n" in resolved
    assert b"/a/secret/place" not in archive.read_bytes()


def test_imported_configuration_exports_the_same_archive_again(work: Path, tmp_path: Path) -> None:
    archive = export(work)
    yaml = take(archive, tmp_path / "other")
    run_program(EXPORT, "--config", yaml, "--work", tmp_path / "other")
    assert (yaml.parent.parent / f"{EXPERIMENT}.tar").read_bytes() == archive.read_bytes()


def test_export_packs_the_wanted_folds_and_epochs(work: Path) -> None:
    archive = export(work, "--fold", "1", "--embedding.epochs", "[1]")
    names = {name.rpartition("/")[0] for name in read_contents(archive).files}
    assert names == {"", "fold1/epoch1"}


def test_unfinished_stores_are_left_out_and_none_is_an_error(work: Path) -> None:
    (store_folder(work, DATA_SET, EXPERIMENT, "0", 1) / RECORD).unlink()
    assert not any(name.startswith("fold0/epoch1") for name in read_contents(export(work)).files)
    with pytest.raises(MissingInput, match=r"no finished embeddings of folds 2, epochs \[0, 1\]\. Make them"):
        export(work, "--fold", "2")


def test_export_a_second_time_does_nothing_and_another_content_needs_force(work: Path) -> None:
    archive = export(work)
    stamp = archive.stat().st_mtime_ns
    export(work)
    assert archive.stat().st_mtime_ns == stamp
    with pytest.raises(StaleOutput, match=r"tiny\.tar holds something else.*run_16_.* --output .* --force"):
        export(work, "--fold", "0")
    export(work, "--fold", "0", "--force")
    assert not any(name.startswith("fold1") for name in read_contents(archive).files)


def test_export_refuses_a_store_that_is_damaged_or_belongs_to_other_slices(work: Path) -> None:
    array = store_folder(work, DATA_SET, EXPERIMENT, "0", 0) / "hflip.npy"
    whole = array.read_bytes()
    array.write_bytes(whole[:-1] + b"\xff")
    with pytest.raises(BadInput, match=r"hflip\.npy is not the file that its checksum describes"):
        export(work)
    array.write_bytes(whole)
    make_slices(work, prefix="XX_")
    with pytest.raises(StaleOutput, match=r"fold0/epoch0: data set: another content(.|\n)*run_13_"):
        export(work)
    assert not (work.parent / "tiny.tar").exists()


def test_import_a_second_time_does_nothing(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, other = export(work), tmp_path / "other"
    first = take(archive, other)
    monkeypatch.setattr(packed_folder, "_write_out", lambda *_: pytest.fail("unpacked again"))
    assert take(archive, other) == first


def test_import_leaves_the_same_data_set_as_it_was_prepared_here(work: Path) -> None:
    before = (data_folder(work, DATA_SET) / RECORD).read_bytes()
    archive = export(work)
    shutil.rmtree(embeddings_folder(work, DATA_SET, EXPERIMENT))
    take(archive, work)
    assert (data_folder(work, DATA_SET) / RECORD).read_bytes() == before


def test_import_does_not_replace_a_data_set_that_is_being_read(work: Path, tmp_path: Path) -> None:
    archive, other = export(work), tmp_path / "other"
    make_slices(other, prefix="XX_")
    reader = held_by_another_process(data_folder(other, DATA_SET), shared=True)
    with reader, pytest.raises(WrongUse, match="another run is reading"):
        take(archive, other, force=True)


def test_what_becomes_stale_by_an_import_is_said(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, other = export(work), tmp_path / "other"
    make_slices(other, prefix="XX_")
    run = make_store(other, "3", 0).rename(other / "data" / "of_another_experiment")
    with pytest.raises(StaleOutput, match=f"(?s)makes stale .*{run.name}"):
        take(archive, other)


def test_folds_can_come_in_several_archives(work: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for fold in ("0", "1"):
        take(export(work, "--fold", fold, "--force"), other)
    assert sorted(path.name for path in embeddings_folder(other, DATA_SET, EXPERIMENT).iterdir()) == [
        "fold0",
        "fold1",
        "tiny.yaml",
    ]


def other_slices(other: Path) -> None:
    make_slices(other, prefix="XX_")


def other_sample(other: Path) -> None:
    sample_submission_path(other, DATA_SET).write_text("ID,Label\n")


def other_embeddings(other: Path) -> None:
    with (store_folder(other, DATA_SET, EXPERIMENT, "1", 0) / "identity.npy").open("r+b") as file:
        file.write(b"XX")


def half_a_store(other: Path) -> None:
    (store_folder(other, DATA_SET, EXPERIMENT, "1", 0) / RECORD).unlink()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (other_slices, "slices.parquet"),
        (other_sample, "sample_submission.csv"),
        (other_embeddings, "fold1/epoch0/identity.npy"),
        (half_a_store, "fold1/epoch0/output.json"),
    ],
)
def test_what_differs_is_named_and_replaced_by_force_only(
    work: Path, tmp_path: Path, change: Callable[[Path], None], named: str
) -> None:
    archive, other = export(work), tmp_path / "other"
    take(archive, other)
    wanted = contents_of(other)
    change(other)
    changed = contents_of(other)
    with pytest.raises(StaleOutput, match=rf"holds other content than .*tiny\.tar: .*{named}.*--force"):
        take(archive, other)
    assert contents_of(other) == changed
    take(archive, other, force=True)
    assert contents_of(other) == wanted


def test_force_takes_away_the_embeddings_that_belong_to_replaced_slices(work: Path, tmp_path: Path) -> None:
    archive, other = export(work, "--fold", "0"), tmp_path / "other"
    make_slices(other, prefix="XX_")
    make_store(other, "3", 0)
    take(archive, other, force=True)
    assert not store_folder(other, DATA_SET, EXPERIMENT, "3", 0).exists()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_archive_at_an_address_is_downloaded(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive, other = export(work), tmp_path / "other"
    (tmp_path / "site").mkdir()
    shutil.copy(archive, tmp_path / "site" / "tiny.tar")
    with served(tmp_path / "site") as address:
        with pytest.raises(BadInput, match=r"tiny\.tar"):
            run_program(IMPORT, f"{address}/tiny.tar?key=SECRET", "--work", other, "--sha256", "0" * 64)
        run_program(IMPORT, f"{address}/tiny.tar?key=SECRET", "--work", other, "--sha256", file_digest(archive))
    kept = list((other / "data" / "raw" / "downloads").glob("*/tiny.tar"))
    assert [path.read_bytes() for path in kept] == [archive.read_bytes()]
    captured = capsys.readouterr()
    assert captured.out.endswith(f"{EXPERIMENT}.yaml\n0 1\n")
    assert "SECRET" not in captured.out + captured.err


def test_only_the_wanted_folds_are_told_and_they_must_be_there(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = export(work)
    capsys.readouterr()
    run_program(IMPORT, archive, "--work", tmp_path / "other", "--fold", "1")
    assert capsys.readouterr().out.endswith("\n1\n")
    with pytest.raises(MissingInput, match="no embeddings of fold 4; there are those of 0, 1"):
        run_program(IMPORT, archive, "--work", tmp_path / "other", "--fold", "4")


def test_wrong_use_is_told() -> None:
    with pytest.raises(WrongUse, match="--sha256 goes with a download"):
        run_program(IMPORT, "x.tar", "--sha256", "0")
    with pytest.raises(MissingInput, match=r"nowhere\.tar is missing"):
        run_program(IMPORT, "nowhere.tar")
