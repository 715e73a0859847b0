from __future__ import annotations

import socket
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from hounsfield.core.errors import MissingInput
from hounsfield.core.training import hub
from hounsfield.core.training.backbones import build_network, load_pretrained


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_a_hub_that_cannot_be_reached_is_said_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:  # bound, and listening to no one
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(hub.constants, "ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        network = build_network("test_resnet", 6)
        begin = time.monotonic()
        with pytest.raises(MissingInput, match=r"test_resnet: the hub http://127\.0\.0\.1:\d+ cannot be reached"):
            load_pretrained(network, "test_resnet", None, download=True)
        assert time.monotonic() - begin < 5


def test_a_hub_that_never_answers_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PATIENCE", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begin = time.monotonic()
        assert not hub.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - begin < 5


def test_a_hub_that_refuses_the_question_is_there() -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    answering = Thread(target=server.handle_request)
    answering.start()
    try:
        assert hub.reachable(f"http://127.0.0.1:{server.server_port}")
    finally:
        answering.join(10)
        server.server_close()
