"""Any server that speaks the Messages API: which headers it gets, and what is said when it does not answer well."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.journeys.stage import Desk, simulator


class Tee(threading.Thread):
    """Passes bytes between a client and a server, and keeps what the client said."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.target = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        self.door = socket.create_server(("127.0.0.1", 0))
        self.heard = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """Carry both ways until both ends are done, and close what was opened."""
        with client, socket.create_connection(self.target) as server:
            back = threading.Thread(target=self.carry, args=(server, client, False), daemon=True)
            back.start()
            self.carry(client, server, True)
            back.join()

    def carry(self, source: socket.socket, sink: socket.socket, keep: bool) -> None:
        try:
            while piece := source.recv(65536):
                if keep:
                    self.heard += piece
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@contextmanager
def tee(url: str) -> Generator[Tee]:
    between = Tee(url)
    between.start()
    try:
        yield between
    finally:
        between.door.close()


def test_a_compatible_server_is_asked_with_a_bearer_key_and_the_current_version(desk: Desk) -> None:
    with simulator() as url, tee(url) as between:
        env = {"ANTHROPIC_BASE_URL": between.url, "ANTHROPIC_API_KEY": "sk-test-1"}
        done = desk.run("ask", "list the files here", env=env)
    assert done.code == 0, done
    assert "prices.csv" in done.out, done
    head = between.heard.split(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"post /v1/messages http/1.1"), head
    assert b"\r\nauthorization: bearer sk-test-1" in head, head
    assert b"\r\nanthropic-version: 2026-10-21" in head, head
    assert b"\r\nx-api-key" not in head, head


@contextmanager
def answering(reply: bytes) -> Generator[str]:
    """Serve one reply to everybody, then close."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            with client:
                client.settimeout(20)
                try:
                    while b"\r\n\r\n" not in client.recv(65536):
                        pass
                    client.sendall(reply)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        door.close()


def reply(status: str, body: str, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}".encode()


def refusal(kind: str, text: str) -> str:
    return f'{{"type": "error", "error": {{"type": "{kind}", "message": "{text}"}}}}'


CUT = 'event: message_start\ndata: {"type": "message_start", "message": {"id": "m", "type": "message", "role": '


@pytest.mark.parametrize(
    ("answer", "cause", "next_step"),
    [
        (reply("401 Unauthorized", refusal("authentication_error", "invalid key")), "key", "ANTHROPIC_API_KEY"),
        (reply("529 Overloaded", refusal("overloaded_error", "Overloaded")), "529", "Try again"),
        (reply("200 OK", CUT, "text/event-stream"), "answer", "--resume"),
        (reply("200 OK", "<html>Hello</html>", "text/html"), "text/html", "ANTHROPIC_BASE_URL"),
    ],
    ids=["refuses the key", "is overloaded", "cuts the stream", "is something else"],
)
def test_a_model_that_fails_is_one_sentence_and_the_message_is_kept(
    desk: Desk, answer: bytes, cause: str, next_step: str
) -> None:
    with answering(answer) as url:
        done = desk.run(
            "ask", "show me the first lines of prices.csv", env={"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"}
        )
    assert done.code == 3, done
    assert cause in done.err, done
    assert next_step in done.err, done
    assert "Traceback" not in done.err + done.out, done
    assert "--resume" in done.err, done
    resumed = desk.run("ask", "--resume", "last")
    assert resumed.code == 0, resumed
    assert "sencha" in resumed.out, "the kept message was answered"


def test_a_model_that_is_not_there_is_named_with_its_address(desk: Desk) -> None:
    env = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "k"}
    done = desk.run("ask", "hello", env=env)
    assert done.code == 3, done
    assert "127.0.0.1:9" in done.err
