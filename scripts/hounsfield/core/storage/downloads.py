"""Downloads over http(s) that a broken line or a killed process does not throw back to the beginning.

Nothing here is called unless the person gave the address. What has arrived lies in `<name>.partial`; beside it
`<name>.partial.json` says of which version of the remote file it is a part.
"""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from hounsfield.core.errors import BadInput, MissingInput, WrongUse
from hounsfield.core.logs import logger, progress
from hounsfield.core.storage.files import file_digest, locked, read_json, unwritable_named, value_digest, write_json

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
            part.attempt()
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
        self.restarted = False
        found = read_json(self.record) if self.record.exists() and self.path.exists() else {}
        # address (a digest), size (None: the server does not say) and version (for If-Range) of the remote file
        self.facts: dict[str, Any] = found if found.get("address") == value_digest(url) else {}

    @property
    def have(self) -> int:
        """Bytes that are here, of the version that the record describes."""
        return self.path.stat().st_size if self.facts and self.path.exists() else 0

    @property
    def complete(self) -> bool:
        """True when all bytes are here; a length that the server does not say is known when it has closed the line."""
        return bool(self.facts) and self.facts["size"] == self.have

    def attempt(self) -> None:
        """Ask for what is missing. Returns when another attempt may bring more; raises what no attempt mends."""
        before = self.have
        headers = {"Accept-Encoding": "identity", "User-Agent": "hounsfield"}
        if before:
            headers["Range"] = f"bytes={before}-"
            if self.facts["version"]:
                headers["If-Range"] = self.facts["version"]  # another version is sent from its beginning
        request = urllib.request.Request(self.url, headers=headers)  # noqa: S310  (http or https: without_secrets)
        try:
            with closing(urllib.request.build_opener(_NoDowngrade).open(request, timeout=TIMEOUT)) as answer:
                self._receive(answer)
        except urllib.error.HTTPError as error:
            error.close()
            self._refused(error)
        except (HTTPException, OSError) as error:  # a name that is not known, no line, a line that broke
            if self.have <= before:
                reason = getattr(error, "reason", None) or str(error) or type(error).__name__
                message = f"{self.shown}: broke off after {self.have} bytes ({reason}); the same command goes on"
                raise BadInput(message) from error

    def _refused(self, error: urllib.error.HTTPError) -> None:
        fact = f"{self.shown}: the server answers {error.code} {error.reason}"
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise BadInput(f"{fact}; try the same command later, it goes on after {self.have} bytes")
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not self.have:
            raise MissingInput(f"{fact}; check the address and whether it asks for a login")
        self._start_over()  # what is here is longer than what is there

    def _receive(self, answer: HTTPResponse) -> None:
        start, size = 0, answer.length
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            found = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            start, size = self.have, self.facts.get("size")
            if not found or not start or (int(found[1]), int(found[2])) != (start, size):
                self._start_over()
                return
        else:
            self._forget()
            etag = answer.headers.get("ETag")
            version = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
            self.facts = {"address": value_digest(self.url), "size": size, "version": version}
            self.path.touch()
            write_json(self.record, self.facts)
        if size is not None and size - start > shutil.disk_usage(self.path.parent).free:
            raise BadInput(f"{self.shown}: {(size - start) / 1e9:.1f} GB do not fit into {self.path.parent}; make room")
        total = None if size is None else -(-(size - start) // CHUNK)
        with unwritable_named(self.path), self.path.open("ab") as file:
            for chunk in progress(iter(lambda: answer.read(CHUNK), b""), total=total, unit="MB", label="download"):
                file.write(chunk)
        if size is None:
            self.facts["size"] = self.have  # the server closed the line properly, and had not said how much would come
        elif self.have != size:
            raise ConnectionError("the line was closed too early")

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
