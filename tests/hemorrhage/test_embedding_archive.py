from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from embedding_stores import DATA_SET, EXPERIMENT, contents_of, export, make_slices, make_store, make_work

from hounsfield.competitions.rsna2019.paths import sample_submission_path
from hounsfield.core.errors import BadInput, MissingInput, StaleOutput, WrongUse
from hounsfield.core.storage import packed_folder
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.packed_folder import read_contents
from hounsfield.hemorrhage.embedding_archive import import_embeddings
from hounsfield.hemorrhage.paths import embeddings_folder, store_folder
from programs import run_program

PROGRAM = "hemorrhage_embedding_archive"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return make_work(tmp_path / "work")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "configs" / f"{EXPERIMENT}.yaml"
    path.parent.mkdir()
    path.write_text(f"data_set: {DATA_SET}\nclassifier:\n  epochs: 2\n")
    return path


def export_by_program(work: Path, config: Path, *more: object) -> Path:
    archive = work.parent / "by_program.tar"
    run_program(PROGRAM, "export", "--config", config, "--work", work, "--output", archive, *more)
    return archive


def test_import_gives_the_files_of_the_export_byte_for_byte(
    work: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, other = export_by_program(work, config), tmp_path / "other"
    capsys.readouterr()
    run_program(PROGRAM, "import", archive, "--work", other)
    yaml = embeddings_folder(other, DATA_SET, EXPERIMENT) / f"{EXPERIMENT}.yaml"
    assert capsys.readouterr().out == f"{yaml}\n"
    imported = contents_of(other / "data")
    resolved = imported.pop(str(yaml.relative_to(other / "data")))
    assert imported == contents_of(work / "data")
    assert b"data_set: toy\n" in resolved and b"hidden_units: 2048\n" in resolved


def test_imported_configuration_exports_the_same_archive_again(work: Path, config: Path, tmp_path: Path) -> None:
    archive = export_by_program(work, config)
    yaml = import_embeddings(archive, tmp_path / "other", force=False)
    run_program(PROGRAM, "export", "--config", yaml, "--work", tmp_path / "other")
    assert (yaml.parent.parent / f"{EXPERIMENT}.tar").read_bytes() == archive.read_bytes()


def test_export_packs_the_wanted_folds_and_epochs(work: Path, config: Path) -> None:
    archive = export_by_program(work, config, "--fold", "1", "--embedding.epochs", "[1]")
    names = {name.rpartition("/")[0] for name in read_contents(archive).files}
    assert names == {"", "fold1/epoch1"}


def test_unfinished_stores_are_left_out_and_none_is_an_error(work: Path) -> None:
    (store_folder(work, DATA_SET, EXPERIMENT, "0", 1) / "manifest.json").unlink()
    assert not any(name.startswith("fold0/epoch1") for name in read_contents(export(work)).files)
    with pytest.raises(MissingInput, match=r"no finished embeddings of folds 2, epochs \[0, 1\]\. Make them"):
        export(work, folds=("2",))


def test_export_a_second_time_does_nothing_and_another_content_needs_force(work: Path) -> None:
    archive = export(work)
    stamp = archive.stat().st_mtime_ns
    export(work)
    assert archive.stat().st_mtime_ns == stamp
    with pytest.raises(StaleOutput, match=r"tiny\.tar holds something else; replace it by adding --force"):
        export(work, folds=("0",))
    export(work, folds=("0",), force=True)
    assert not any(name.startswith("fold1") for name in read_contents(archive).files)


def test_export_refuses_a_store_that_is_damaged_or_belongs_to_other_slices(work: Path) -> None:
    array = store_folder(work, DATA_SET, EXPERIMENT, "0", 0) / "hflip.npy"
    whole = array.read_bytes()
    array.write_bytes(whole[:-1] + b"\xff")
    with pytest.raises(BadInput, match=r"hflip\.npy is not the file that its checksum describes"):
        export(work)
    array.write_bytes(whole)
    make_slices(work, prefix="XX_")
    with pytest.raises(StaleOutput, match=r"fold0/epoch0 was made from another slices\.parquet"):
        export(work)
    assert not (work.parent / "tiny.tar").exists()


def test_import_a_second_time_does_nothing(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, other = export(work), tmp_path / "other"
    first = import_embeddings(archive, other, force=False)
    monkeypatch.setattr(packed_folder, "_write_out", lambda *_: pytest.fail("unpacked again"))
    assert import_embeddings(archive, other, force=False) == first


def test_folds_can_come_in_several_archives(work: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for fold in ("0", "1"):
        import_embeddings(export(work, folds=(fold,), force=True), other, force=False)
    assert sorted(path.name for path in embeddings_folder(other, DATA_SET, EXPERIMENT).iterdir()) == [
        "fold0",
        "fold1",
        "tiny.yaml",
    ]


def other_slices(other: Path) -> None:
    make_slices(other, prefix="XX_")
    (other / "data" / DATA_SET / "prepared.json").write_text("{}")


def other_sample(other: Path) -> None:
    sample_submission_path(other, DATA_SET).write_text("ID,Label\n")


def other_embeddings(other: Path) -> None:
    with (store_folder(other, DATA_SET, EXPERIMENT, "1", 0) / "identity.npy").open("r+b") as file:
        file.write(b"XX")


def half_a_store(other: Path) -> None:
    (store_folder(other, DATA_SET, EXPERIMENT, "1", 0) / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (other_slices, "slices.parquet"),
        (other_sample, "sample_submission.csv"),
        (other_embeddings, "fold1/epoch0/identity.npy"),
        (half_a_store, "fold1/epoch0/manifest.json"),
    ],
)
def test_what_differs_is_named_and_replaced_by_force_only(
    work: Path, tmp_path: Path, change: Callable[[Path], None], named: str
) -> None:
    archive, other = export(work), tmp_path / "other"
    import_embeddings(archive, other, force=False)
    wanted = contents_of(other)
    change(other)
    changed = contents_of(other)
    with pytest.raises(StaleOutput, match=rf"holds other content than .*tiny\.tar: .*{named}.*--force"):
        import_embeddings(archive, other, force=False)
    assert contents_of(other) == changed
    import_embeddings(archive, other, force=True)
    assert contents_of(other) == wanted


def test_force_takes_away_the_embeddings_that_belong_to_replaced_slices(work: Path, tmp_path: Path) -> None:
    archive, other = export(work, folds=("0",)), tmp_path / "other"
    make_slices(other, prefix="XX_")
    make_store(other, "3", 0)
    import_embeddings(archive, other, force=True)
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


def test_archive_at_an_address_is_downloaded_when_that_is_allowed(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, other = export(work), tmp_path / "other"
    (tmp_path / "site").mkdir()
    shutil.copy(archive, tmp_path / "site" / "tiny.tar")
    with served(tmp_path / "site") as address:
        with pytest.raises(WrongUse, match=r"tiny\.tar is an address; allow the download with --download"):
            run_program(PROGRAM, "import", f"{address}/tiny.tar?key=SECRET", "--work", other)
        run_program(
            PROGRAM, "import", f"{address}/tiny.tar?key=SECRET", "--work", other, "--download",
            "--sha256", file_digest(archive),
        )  # fmt: skip
    kept = list((other / "data" / "raw" / "downloads").glob("*/tiny.tar"))
    assert [path.read_bytes() for path in kept] == [archive.read_bytes()]
    captured = capsys.readouterr()
    assert captured.out.endswith(f"{EXPERIMENT}.yaml\n")
    assert "SECRET" not in captured.out + captured.err


def test_wrong_use_is_told() -> None:
    with pytest.raises(WrongUse, match="say what to do"):
        run_program(PROGRAM, "exports")
    with pytest.raises(WrongUse, match="--sha256 goes with a download"):
        run_program(PROGRAM, "import", "x.tar", "--sha256", "0")
    with pytest.raises(MissingInput, match=r"nowhere\.tar is missing"):
        run_program(PROGRAM, "import", "nowhere.tar")
