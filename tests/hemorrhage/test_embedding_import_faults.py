from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import tarfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from embedding_stores import DATA_SET, EXPERIMENT, WIDTH, contents_of, export, make_work, store_folder, take

from hounsfield.core.errors import BadInput
from hounsfield.core.storage import packed_folder
from hounsfield.core.storage.files import file_digest
from hounsfield.core.storage.packed_folder import CHECKSUMS, Contents, Listed, pack, read_contents


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(tmp_path_factory.mktemp("made") / "work")


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "work")


def repack(archive: Path, change: Callable[[dict[str, bytes]], None], facts: dict[str, object] | None = None) -> Path:
    """The archive with other members and checksums that fit them."""
    folder = archive.parent / "repack"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as old:
        members = {member.name: old.extractfile(member) for member in old}
        files = {name: file.read() for name, file in members.items() if file is not None and name != CHECKSUMS}
    change(files)
    paths = {}
    for name, content in files.items():
        paths[name] = folder / name
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        paths[name].write_bytes(content)
    listed = {name: Listed(file_digest(path), path.stat().st_size) for name, path in paths.items()}
    pack(archive, paths, Contents(read_contents(archive).facts | (facts or {}), listed))
    return archive


def test_flipped_bit_is_refused_naming_the_member_and_nothing_is_left(work: Path, tmp_path: Path) -> None:
    archive = export(work)
    content = bytearray(archive.read_bytes())
    embeddings = (store_folder(work, DATA_SET, EXPERIMENT, "1", 1) / "hflip.npy").read_bytes()
    content[content.index(embeddings) + 130] ^= 1
    archive.write_bytes(content)
    with pytest.raises(BadInput, match=r"fold1/epoch1/hflip\.npy does not match its checksum"):
        take(archive, tmp_path / "other")
    assert contents_of(tmp_path / "other") == {}


RECORD = "fold0/epoch0/output.json"


def edit_record(members: dict[str, bytes], *, name: str = RECORD, part: str = "", **changes: object) -> None:
    record = json.loads(members[name])
    changes = {part: record[part] | changes} if part else changes
    members[name] = json.dumps(record | changes).encode()


def replace_array(array: np.ndarray, members: dict[str, bytes]) -> None:
    """Another array, which the record knows by its digest."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    members["fold0/epoch0/hflip.npy"] = stream.getvalue()
    entry = {"sha256": hashlib.sha256(stream.getvalue()).hexdigest(), "bytes": len(stream.getvalue())}
    edit_record(members, part="files", **{"hflip.npy": entry})


WRONG_SHAPE = np.zeros((12, WIDTH + 1), np.float16)
EVIL = {"sha256": "0" * 64, "record": "../../evil/output.json", "settings": {}}
PICKLES = np.array([[{"a": 1}] * WIDTH] * 12, dtype=object)


def without(name: str, members: dict[str, bytes]) -> None:
    del members[name]


def with_member(name: str, members: dict[str, bytes]) -> None:
    members[name] = b"x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (partial(replace_array, WRONG_SHAPE), r"epoch0/hflip\.npy: float16 \(12, 6\), expected float16 \(12, 5\)"),
        (partial(replace_array, PICKLES), r"hflip\.npy is not a readable array"),
        (partial(edit_record, part="facts", rows=13), r"fold0/epoch0/output\.json does not describe this store"),
        (partial(edit_record, part="settings", epoch=7), r"fold0/epoch0/output\.json does not describe this store"),
        (partial(edit_record, part="facts", views=["../evil"]), r"epoch0/output\.json does not describe this store"),
        (partial(edit_record, part="facts", views=3), r"epoch0/output\.json does not describe this store"),
        (partial(edit_record, files=3), r"fold0/epoch0/output\.json is no record of a finished output"),
        (partial(edit_record, files={}), r"fold0/epoch0/output\.json: its files are not those of the store"),
        (partial(edit_record, inputs={}), r"fold0/epoch0/output\.json: it was made from another slices\.parquet"),
        (partial(edit_record, part="inputs", classifier=EVIL), r"output\.json is no record of a finished output"),
        (partial(edit_record, name="output.json", settings={}), r"output\.json is not the record of slices\.parquet"),
        (partial(without, RECORD), r"fold0/epoch0: output\.json is missing"),
        (partial(without, "fold0/epoch0/learned.parquet"), r"output\.json: its files are not those of the store"),
        (partial(without, "slices.parquet"), r"is incomplete: it lacks slices\.parquet"),
        (partial(without, "tiny.yaml"), r"is incomplete: it lacks tiny\.yaml"),
        (partial(with_member, "fold0/epoch0/evil.py"), r"does not belong there: \['fold0/epoch0/evil\.py'\]"),
        (partial(with_member, "learned.parquet"), r"holds what does not belong there: \['learned\.parquet'\]"),
        (partial(with_member, "slices.parquet"), r"slices\.parquet is not a readable Parquet table"),
    ],
)
def test_archive_whose_members_do_not_fit_is_refused_and_nothing_is_left(
    work: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], message: str
) -> None:
    archive = repack(export(work), change)
    with pytest.raises(BadInput, match=message):
        take(archive, tmp_path / "other")
    assert contents_of(tmp_path / "other") == {}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"data_set": "../evil"}, r"data_set '\.\./evil' cannot name a folder"),
        ({"experiment": ".hidden"}, r"experiment '\.hidden' cannot name a folder"),
        ({"experiment": None}, "is incomplete|does not belong"),
        ({"version": 1}, r"holds 'hounsfield hemorrhage embeddings', version 1; this program reads"),
        ({"format": ["x"]}, "this program reads"),
    ],
)
def test_archive_that_names_itself_badly_is_refused(
    work: Path, tmp_path: Path, facts: dict[str, object], message: str
) -> None:
    archive = repack(export(work), lambda files: None, facts)
    with pytest.raises(BadInput, match=message):
        take(archive, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def import_slowly(archive: Path, other: Path) -> None:
    slow = packed_folder._write_out

    def write_out(*arguments: object) -> str:
        time.sleep(0.02)
        return slow(*arguments)  # type: ignore[arg-type]

    packed_folder._write_out = write_out  # type: ignore[assignment]
    take(archive, other)


def assert_same(imported: dict[str, bytes], exported: dict[str, bytes]) -> None:
    """All that was exported is there, but what the data set was prepared from."""
    record = f"{DATA_SET}/output.json"
    assert json.loads(imported[record]) == json.loads(exported.pop(record)) | {"facts": {"drawn": False}}
    assert {name: imported[name] for name in exported} == exported


@pytest.mark.parametrize("seconds", [0.03, 0.15, 0.3, 0.45])
def test_killed_import_leaves_nothing_half_and_the_next_one_is_whole(
    work: Path, tmp_path: Path, seconds: float
) -> None:
    archive, other = export(work), tmp_path / "other"
    run = get_context("fork").Process(target=import_slowly, args=(archive, other))
    run.start()
    time.sleep(seconds)
    run.kill()
    run.join()
    assert run.exitcode == -signal.SIGKILL
    visible = {name for name in contents_of(other) if "/.import-" not in name}
    assert visible == set()
    take(archive, other)
    assert not list((other / "data" / DATA_SET).glob(".import-*"))
    imported = contents_of(other / "data")
    assert_same(imported, contents_of(work / "data"))


@pytest.mark.parametrize("moved", range(8))
def test_import_killed_while_it_moves_files_goes_on(
    work: Path, tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, other = export(work), tmp_path / "other"
    with monkeypatch.context() as patch:
        replace, count = Path.replace, iter(range(100))

        def replace_some(path: Path, target: Path) -> Path:
            if next(count) >= moved:
                raise KeyboardInterrupt
            return replace(path, target)

        patch.setattr(Path, "replace", replace_some)
        with pytest.raises(KeyboardInterrupt):
            take(archive, other)
    take(archive, other)
    imported = contents_of(other / "data")
    assert_same(imported, contents_of(work / "data"))
    assert len(imported) == len(contents_of(work / "data")) + 1
