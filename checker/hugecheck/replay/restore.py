"""Puts settings back when whoever started it is gone, however that happened: `python -m hugecheck.replay.restore`.

It reads one line of JSON, a list of [path, value], answers with a line, and waits for the end of its standard input, which comes when
its parent closes it or dies, by SIGKILL too. Then it writes the values, again and again until they read back, for at most a minute.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

SECONDS = 60.0


def put_back(settings: list[tuple[Path, str]], seconds: float = SECONDS) -> list[Path]:
    """Write the settings in order until each reads as wanted; those that do not, at the end."""
    end = time.monotonic() + seconds
    while True:
        wrong = []
        for path, value in settings:
            try:
                if path.read_text().strip() != value:
                    path.write_text(value + "\n")
                if path.read_text().strip() != value:
                    wrong.append(path)
            except OSError:
                wrong.append(path)
        if not wrong or time.monotonic() >= end:
            return wrong
        time.sleep(0.1)


def main() -> int:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    settings = [(Path(path), str(value)) for path, value in json.loads(sys.stdin.readline())]
    print("ready", flush=True)
    sys.stdin.read()
    return 1 if put_back(settings) else 0


if __name__ == "__main__":
    sys.exit(main())
