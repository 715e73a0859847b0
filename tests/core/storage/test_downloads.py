from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.storage import downloads
from hounsfield.core.storage.downloads import download, without_secrets

FILE = np.random.default_rng(0).bytes(3 * 2**20 + 17)


class Remote:
    """What the server does: `file` under /file.tar, of which each answer brings at most `most` bytes."""

    def __init__(self) -> None:
        self.file = FILE
        self.etag: str | None = '"one"'
        self.most = len(FILE)
        self.ranges = True
        self.says_length = True
        self.status = 0  # an error to answer with
        self.redirect = ""
        self.lies = False  # about the size, in partial answers
        self.requests: list[dict[str, str]] = []
        self.address = ""


class Handler(BaseHTTPRequestHandler):
    remote: Remote

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        remote = self.remote
        remote.requests.append(dict(self.headers))
        if remote.redirect and not self.path.startswith("/file.tar"):
            self.answer(302, b"", {"Location": remote.redirect})
        elif remote.status:
            self.answer(remote.status, b"", {})
        else:
            self.send_file(remote)

    def send_file(self, remote: Remote) -> None:
        size, start, status, headers = len(remote.file), 0, 200, {}
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if wanted and remote.ranges and condition in (None, remote.etag):
            start, status = int(wanted.removeprefix("bytes=").removesuffix("-")), 206
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size + remote.lies}"
            if start >= size:
                self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
        if remote.etag:
            headers["ETag"] = remote.etag
        if remote.says_length:
            headers["Content-Length"] = str(size - start)
        self.answer(status, remote.file[start : start + remote.most], headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def remote() -> Iterator[Remote]:
    state = Remote()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"remote": state}))
    state.address = f"http://127.0.0.1:{server.server_port}/file.tar"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "file.tar"


def left_behind(remote: Remote, target: Path, size: int) -> None:
    """What a killed download of the file leaves."""
    remote.most, remote.status = size, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads._Part, "complete", property(lambda part: False))
        patch.setattr(downloads._Part, "attempt", killed_after(downloads._Part.attempt))
        with pytest.raises(KeyboardInterrupt):
            download(remote.address, target)
    assert target.with_name("file.tar.partial").stat().st_size == size
    remote.most = len(remote.file)
    remote.requests.clear()


def killed_after(attempt):  # type: ignore[no-untyped-def]
    def attempt_and_die(part: object) -> None:
        attempt(part)
        raise KeyboardInterrupt

    return attempt_and_die


def test_download_brings_the_file_and_leaves_nothing_else(remote: Remote, target: Path) -> None:
    assert download(remote.address, target, sha256=hashlib.sha256(FILE).hexdigest().upper()) == target
    assert target.read_bytes() == FILE
    assert sorted(path.name for path in target.parent.iterdir()) == [".lock", "file.tar"]


def test_finished_file_is_not_asked_for_again(remote: Remote, target: Path) -> None:
    download(remote.address, target)
    download(remote.address, target)
    assert len(remote.requests) == 1


def test_killed_download_goes_on_where_it_was(remote: Remote, target: Path) -> None:
    left_behind(remote, target, 2**20 + 5)
    download(remote.address, target)
    assert target.read_bytes() == FILE
    assert [request["Range"] for request in remote.requests] == [f"bytes={2**20 + 5}-"]
    assert remote.requests[0]["If-Range"] == '"one"'


def test_line_that_breaks_again_and_again_is_taken_up_at_once(remote: Remote, target: Path) -> None:
    remote.most = 2**20
    download(remote.address, target)
    assert target.read_bytes() == FILE
    assert len(remote.requests) == 4


def test_line_that_brings_nothing_ends_with_what_to_do(remote: Remote, target: Path) -> None:
    left_behind(remote, target, 1000)
    remote.most = 0
    with pytest.raises(BadInput, match=r"/file\.tar: .* after 1000 bytes"):
        download(remote.address, target)
    assert target.with_name("file.tar.partial").read_bytes() == FILE[:1000]
    assert not target.exists()


def test_remote_file_that_changed_is_fetched_from_its_beginning(remote: Remote, target: Path) -> None:
    left_behind(remote, target, 1000)
    remote.file, remote.etag = FILE[::-1], '"two"'
    download(remote.address, target)
    assert target.read_bytes() == FILE[::-1]


def test_without_an_etag_another_length_tells_another_file(remote: Remote, target: Path) -> None:
    remote.etag = None
    left_behind(remote, target, 1000)
    remote.file = FILE[5:]
    download(remote.address, target)
    assert target.read_bytes() == FILE[5:]


def test_remote_file_that_shrank_below_what_is_here_is_fetched_anew(remote: Remote, target: Path) -> None:
    left_behind(remote, target, 1000)
    remote.file = FILE[:500]
    download(remote.address, target)
    assert target.read_bytes() == FILE[:500]


def test_server_that_knows_no_ranges_sends_all_again(remote: Remote, target: Path) -> None:
    remote.ranges = False
    left_behind(remote, target, 1000)
    download(remote.address, target)
    assert target.read_bytes() == FILE


def test_server_that_does_not_say_the_length_is_believed_when_it_closes_the_line(remote: Remote, target: Path) -> None:
    remote.says_length = False
    download(remote.address, target)
    assert target.read_bytes() == FILE


def test_part_of_another_address_is_not_gone_on_with(remote: Remote, target: Path) -> None:
    left_behind(remote, target, 1000)
    download(f"{remote.address}?version=2", target)
    assert "Range" not in remote.requests[0]
    assert target.read_bytes() == FILE


def test_wrong_checksum_is_an_error_and_costs_no_second_download(remote: Remote, target: Path) -> None:
    with pytest.raises(BadInput, match=r"/file\.tar: .*SHA-256"):
        download(remote.address, target, sha256="0" * 64)
    assert not target.exists()
    download(remote.address, target, sha256=hashlib.sha256(FILE).hexdigest())
    assert len(remote.requests) == 1
    with pytest.raises(BadInput, match=r"/file\.tar: .*SHA-256"):
        download(remote.address, target, sha256="0" * 64)
    assert target.exists()


@pytest.mark.parametrize(
    ("status", "error"), [(404, MissingInput), (403, MissingInput), (416, MissingInput), (503, BadInput)]
)
def test_refusal_is_told(remote: Remote, target: Path, status: int, error: type[Exception]) -> None:
    remote.status = status
    with pytest.raises(error, match=rf"/file\.tar: .*{status}"):
        download(remote.address, target)


def test_server_that_never_goes_on_where_it_was_is_left(remote: Remote, target: Path) -> None:
    left_behind(remote, target, 1000)
    remote.most = 2**20  # every answer brings something, and then claims another size
    remote.lies = True
    with pytest.raises(BadInput, match=r"/file\.tar: "):
        download(remote.address, target)
    assert len(remote.requests) <= 4


def test_redirection_is_followed_over_http_only(remote: Remote, target: Path) -> None:
    start = remote.address.replace("file.tar", "elsewhere")
    remote.redirect = remote.address
    assert download(start, target).read_bytes() == FILE
    target.unlink()
    for place in ("ftp://127.0.0.1/file", "file:///etc/passwd"):
        remote.redirect = place
        with pytest.raises((BadInput, MissingInput), match=r"/elsewhere"):
            download(start, target)
    assert not target.exists()


def test_disk_without_room_is_named_before_the_download(
    remote: Remote, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 5}))
    with pytest.raises(BadInput, match=r"/file\.tar: .*raw"):
        download(remote.address, target)


def test_server_that_is_not_there_is_told(target: Path) -> None:
    with pytest.raises(BadInput, match=r"/file\.tar: .* after 0 bytes .*refused"):
        download("http://127.0.0.1:9/file.tar", target)


@pytest.mark.parametrize("address", ["ftp://host/a", "file:///etc/passwd", "http://", "/local/path", "https://[::1"])
def test_only_http_addresses_are_downloaded(address: str, target: Path) -> None:
    with pytest.raises(WrongUse, match=r"http"):
        download(address, target)


def test_messages_show_no_secret_of_an_address() -> None:
    assert without_secrets("https://host:8443/a/b.tar?token=SECRET#x") == "https://host:8443/a/b.tar"
    with pytest.raises(WrongUse) as caught:
        without_secrets("https://user:SECRET@host/b.tar")
    assert "SECRET" not in str(caught.value)
