"""QEMU's monitor (QMP), as little of it as saving a guest needs."""

from __future__ import annotations

import json
import shlex
import socket
import time
from pathlib import Path

from .errors import ReplayError


class Monitor:
    """The other end of `-qmp`: commands and their answers, events ignored."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._unread = b""
        self._ready = False

    def save(self, path: Path, seconds: float = 60.0) -> None:
        """Write the whole state of the guest to `path`. It runs on afterwards."""
        self._greet(seconds)
        self._command("stop")
        self._command("migrate", {"uri": f"exec:cat > {shlex.quote(str(path))}"})
        end = time.monotonic() + seconds
        while (status := self._command("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > end:
                raise ReplayError(f"QEMU could not save the guest to {path} ({status})", fix=f"df -h {path.parent}")
            time.sleep(0.01)
        self._command("cont")

    def await_restored(self, seconds: float = 60.0) -> None:
        """Wait until a guest that comes from a file is there, and let it run."""
        self._greet(seconds)
        end = time.monotonic() + seconds
        while self._command("query-status").get("status") == "inmigrate":
            if time.monotonic() > end:
                raise ReplayError("QEMU could not restore a saved guest")
            time.sleep(0.01)
        self._command("cont")

    def _greet(self, seconds: float) -> None:
        self._channel.settimeout(seconds)
        if not self._ready:
            self._answer("QMP")
            self._command("qmp_capabilities")
            self._ready = True

    def close(self) -> None:
        self._channel.close()

    def _command(self, name: str, arguments: dict[str, object] | None = None) -> dict[str, object]:
        request: dict[str, object] = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        self._channel.sendall(json.dumps(request).encode() + b"\n")
        value = self._answer("return")
        return value if isinstance(value, dict) else {}

    def _answer(self, key: str) -> object:
        while True:
            while b"\n" not in self._unread:
                data = self._channel.recv(65536)
                if not data:
                    raise ReplayError("QEMU closed its monitor")
                self._unread += data
            line, _, self._unread = self._unread.partition(b"\n")
            message = json.loads(line)
            if "error" in message:
                raise ReplayError(f"QEMU refused: {message['error'].get('desc', 'no reason given')}")
            if key in message:
                return message[key]
