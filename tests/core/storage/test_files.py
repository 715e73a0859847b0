from __future__ import annotations

import errno
import resource
import signal
from pathlib import Path

import pytest

from hounsfield.core.errors import BadInput, WrongUse
from hounsfield.core.storage.files import atomic_write, locked, read_json, value_digest, write_bytes, write_json
from programs import held_by_another_process


def test_a_write_that_fails_halfway_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "table.bin"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError), atomic_write(path) as partial:
        partial.write_bytes(b"half of the n")
        raise RuntimeError("killed")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.bin"]


def test_what_a_killed_run_left_behind_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".table.bin.partial").write_bytes(b"a much longer remainder of a killed run")
    write_bytes(tmp_path / "table.bin", b"new")
    assert (tmp_path / "table.bin").read_bytes() == b"new"
    assert not (tmp_path / ".table.bin.partial").exists()


def test_a_damaged_json_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text("{")
    with pytest.raises(BadInput, match=r"facts\.json .*JSON"):
        read_json(tmp_path / "facts.json")


def test_json_never_holds_a_number_that_json_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "scores.json", {"loss": float("nan")})
    assert not (tmp_path / "scores.json").exists()


def test_equal_values_have_equal_digests_whatever_the_order_of_keys() -> None:
    assert value_digest({"a": 1, "b": [2]}) == value_digest({"b": [2], "a": 1})
    assert value_digest({"a": 1}) != value_digest({"a": 2})


def test_a_folder_on_a_disk_that_cannot_be_written_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "open", read_only)
    said = r"out: cannot be written \(Read-only file system\).* start the same command"
    with pytest.raises(BadInput, match=said), locked(tmp_path / "out"):
        pass


def test_a_second_run_in_the_same_folder_is_refused_and_a_dead_one_leaves_no_lock(tmp_path: Path) -> None:
    with held_by_another_process(tmp_path) as other:
        with pytest.raises(WrongUse, match="another run is reading or writing here"), locked(tmp_path):
            pass
        other.kill()
        other.wait()
        with locked(tmp_path):
            pass


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.bin"
    write_bytes(path, b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(BadInput, match=r"table\.bin: .*File too large"):
            write_bytes(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
