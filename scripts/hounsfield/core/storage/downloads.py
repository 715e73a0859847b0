"""Downloads over http(s) that a broken line or a killed process does not throw back to the beginning.

Nothing here is called unless the person gave the address. What has arrived lies in `<name>.partial`; beside it
`<name>.partial.json` says of which version of the remote file it is a part.
"""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from io import FileIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from hounsfield.core.errors import BadInput, HounsfieldError, MissingInput, WrongUse
from hounsfield.core.logs import logger, progress
from hounsfield.core.storage.files import file_digest, locked, read_json, value_digest, write_json

CHUNK = 2**20
TIMEOUT = 60.0  # seconds without a byte
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


def download(url: str, target: Path, *, sha256: str | None = None) -> Path:
    """Fetch `url` to `target`, going on with what an earlier attempt left. Returns `target`.

    A finished `target` is not asked for again. A broken line is taken up at once as long as every attempt brings
    something. sha256: what the file must be; a file that is not that does not become `target`, and is not used.
    Raises WrongUse for an address that is not http(s), MissingInput when there is nothing, BadInput otherwise.
    """
    shown = without_secrets(url)
    with locked(target.parent):
        if target.exists():
            logger.info("%s is here already; remove it to download it again", target)
            _refuse_other(target, shown, sha256)
            return target
        part = _Part(url, target)
        while not part.complete:
            before = part.have
            problem = part.fetch()
            if problem is not None and part.have <= before:
                raise problem
        _refuse_other(part.path, shown, sha256)
        part.path.replace(target)
        part.record.unlink()
        logger.info("downloaded %s (%.1f MB) to %s", shown, target.stat().st_size / 1e6, target)
    return target


def _refuse_other(path: Path, shown: str, sha256: str | None) -> None:
    if sha256 is not None and file_digest(path) != sha256.lower():
        raise BadInput(
            f"{shown}: what arrived does not have the SHA-256 that was given. Correct that, or remove {path} to "
            "download it again"
        )


def without_secrets(url: str) -> str:
    """The address without its query, for messages. Raises WrongUse when it is not http(s), or holds a user name."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise WrongUse("the address is malformed; give http://... or https://...") from None
    if parts.scheme not in ("http", "https") or not host:
        raise WrongUse(f"{parts.scheme or 'no scheme'}: only http://... and https://... are downloaded")
    if parts.username is not None:
        raise WrongUse("the address holds a user name, which is not sent; download the file with another program")
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


class _Part:
    """What has arrived of one remote file."""

    def __init__(self, url: str, target: Path) -> None:
        self.url, self.shown = url, without_secrets(url)
        self.path = target.with_name(f"{target.name}.partial")
        self.record = target.with_name(f"{target.name}.partial.json")
        self.facts: dict[str, Any] = {}
        self.restarted = False
        if self.record.exists() and self.path.exists():
            found = read_json(self.record)
            self.facts = found if found["address"] == value_digest(url) else {}

    @property
    def have(self) -> int:
        """Bytes that are here, of the version that the record describes."""
        return self.path.stat().st_size if self.facts and self.path.exists() else 0

    @property
    def complete(self) -> bool:
        """True when all bytes are here; a length that the server does not say is known when it has closed the line."""
        return bool(self.facts) and self.facts["size"] is not None and self.have == self.facts["size"]

    def fetch(self) -> HounsfieldError | None:
        """One attempt. Returns what ended it early, if a further attempt may help; raises what no attempt mends."""
        try:
            with closing(self._open()) as answer:
                self._receive(answer)
        except urllib.error.HTTPError as error:
            return self._refused(error)
        except (HTTPException, OSError) as error:  # a name that is not known, no line, a line that broke
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
            return BadInput(f"{self.shown}: broke off after {self.have} bytes ({reason}); the same command goes on")
        return None

    def _open(self) -> HTTPResponse:
        headers = {"Accept-Encoding": "identity", "User-Agent": "hounsfield"}
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
            if self.facts["version"]:
                headers["If-Range"] = self.facts["version"]  # another version is sent from its beginning
        return _opener().open(urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT)  # noqa: S310

    def _refused(self, error: urllib.error.HTTPError) -> HounsfieldError | None:
        error.close()
        fact = f"{self.shown}: the server answers {error.code} {error.reason}"
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self.have:
            self._start_over()  # what is here is longer than what is there
            return None
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return BadInput(f"{fact}; try the same command later, it goes on after {self.have} bytes")
        raise MissingInput(f"{fact}; check the address and whether it asks for a login")

    def _receive(self, answer: HTTPResponse) -> None:
        start, size = 0, answer.length
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            if not self._continues(answer):
                self._start_over()
                return
            start, size = self.have, self.facts["size"]
        else:
            self._forget()
            version = _version(answer.headers)
            self.facts = {"address": value_digest(self.url), "size": size, "version": version}
            self.path.touch()
            write_json(self.record, self.facts)
        if size is not None and size - start > shutil.disk_usage(self.path.parent).free:
            raise BadInput(f"{self.shown}: {(size - start) / 1e9:.1f} GB do not fit into {self.path.parent}; make room")
        total = None if size is None else -(-(size - start) // CHUNK)
        with self.path.open("ab", buffering=0) as file:
            for chunk in progress(_chunks(answer), total=total, unit="MB", label="download"):
                self._append(file, chunk)
        if size is None:
            self.facts["size"] = self.have  # the server closed the line properly, and had not said how much would come
        elif self.have != size:
            raise ConnectionError("the line was closed too early")

    def _append(self, file: FileIO, chunk: bytes) -> None:
        try:
            written = file.write(chunk)
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written ({error.strerror}); the same command goes on") from error
        if written != len(chunk):
            raise BadInput(f"{self.path} cannot be written (the disk is full); make room, and the same command goes on")

    def _continues(self, answer: HTTPResponse) -> bool:
        """True when a partial answer begins where this part ends, and belongs to a file of the same size."""
        found = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        return bool(found and self.have and int(found[1]) == self.have and int(found[2]) == self.facts["size"])

    def _start_over(self) -> None:
        """Give up what is here, as the remote file is another one by now; once, so that no server keeps us for ever."""
        if self.restarted:
            raise BadInput(f"{self.shown}: the server's answers do not fit together; try the same command later")
        self.restarted = True
        self._forget()

    def _forget(self) -> None:
        self.record.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.facts = {}


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to an address that anyone on the way could answer for."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old == "https" and new != "https"):
            raise BadInput(f"{without_secrets(req.full_url)} leads on to {new}://..., which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https alone: urllib's own would also follow an address into ftp or a local file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _NoDowngrade(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _version(headers: HTTPMessage) -> str | None:
    """What names this version of the remote file in If-Range: a strong ETag, else the time of its last change."""
    etag = headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified")


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(CHUNK):
        yield chunk
