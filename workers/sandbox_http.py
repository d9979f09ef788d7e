"""Speak HTTP/1.1 for the sandboxes: fast, kept alive, and able to break off as real networks do."""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from connector.sandbox import Answer, Call

_REASONS: Final = {int(status): status.phrase for status in HTTPStatus}
_LONGEST_LINE: Final = 65_536


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection, which are few and long-lived (keep-alive)."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], answer: Callable[[Call], Answer], now: Callable[[], datetime]) -> None:
        self.answer = answer
        self.now = now
        self.stopping = threading.Event()
        self.crashes: list[BaseException] = []
        self.open: set[socket.socket] = set()
        super().__init__(address, _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep the exception for the end; a client that went away is none."""
        error = sys.exception()
        if error is None or isinstance(error, ConnectionError):
            return
        self.crashes.append(error)
        super().handle_error(request, client_address)

    def stop(self) -> None:
        """End, and close what is still open, so that no thread waits for a client that is idle."""
        self.stopping.set()
        self.shutdown()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # gone already
                continue
        self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    """Reads requests from one connection until it ends.

    The standard library's own handler parses headers with the e-mail package, which costs more than
    everything else a sandbox does; a bench needs the sandbox to be faster than what it measures.
    """

    disable_nagle_algorithm = True
    rbufsize = 65_536
    server: Server

    def handle(self) -> None:
        self.server.open.add(self.connection)
        try:
            while self._one():
                pass
        finally:
            self.server.open.discard(self.connection)

    def _one(self) -> bool:
        line = self.rfile.readline(_LONGEST_LINE)
        if not line.strip():
            return False
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            self._send(Answer.of(400, {"error": "not HTTP"}), "GET", keep=False)
            return False
        headers = self._headers()
        path, _, query = target.partition("?")
        if "://" in path:  # a proxy's absolute form
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
        body = self._body(headers)
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        call = Call(method, path, parse_qs(query, keep_blank_values=True) if query else {}, headers, body)
        answer = self.server.answer(call)
        if answer.drop:
            # Linger of zero turns the close into a reset: the client cannot take it for an empty answer.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return False
        self._send(answer, method, keep=keep)
        return keep

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        while True:
            line = self.rfile.readline(_LONGEST_LINE).decode("latin-1").rstrip("\r\n")
            if not line:
                return headers
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._read(int(headers.get("content-length") or 0))
        chunks = []
        while size := int(self.rfile.readline(_LONGEST_LINE).split(b";")[0] or b"-1", 16):
            chunks.append(self._read(size))
            self.rfile.readline(_LONGEST_LINE)
        self._headers()  # trailers
        return b"".join(chunks)

    def _read(self, size: int) -> bytes:
        content = self.rfile.read(size) if size >= 0 else b""
        if len(content) != size:
            raise ConnectionAbortedError("the client went away in the middle of a body")
        return content

    def _send(self, answer: Answer, method: str, *, keep: bool) -> None:
        lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        names = {name.lower() for name in answer.headers}
        if "date" not in names:
            lines.append(f"date: {format_datetime(self.server.now(), usegmt=True)}")
        if "content-length" not in names:
            lines.append(f"content-length: {len(answer.body)}")
        if not keep:
            lines.append("connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        body = b"" if method == "HEAD" or answer.status in {204, 304} else answer.body
        if not answer.drip:
            self.connection.sendall(head + body)
            return
        self.connection.sendall(head)
        for number in range(len(body)):
            if self.server.stopping.wait(answer.drip):
                return
            self.connection.sendall(body[number : number + 1])
