"""Both ends of a worker: it says that it is ready, then does one step for each line `go` and says what it took."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def bytes_of(key: str) -> int:
    """VmRSS or VmHWM of this process."""
    line = next(line for line in open("/proc/self/status") if line.startswith(key))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Lets VmHWM start again from the memory now in use."""
    Path("/proc/self/clear_refs").write_text("5")


class Clock:
    """Seconds since the last lap."""

    def __init__(self):
        self.last = time.perf_counter()

    def lap(self) -> float:
        before, self.last = self.last, time.perf_counter()
        return self.last - before


def serve(step, facts: dict) -> None:
    """`step` returns seconds by name. Memory counts from after the building; the peak includes the interpreter."""
    print(json.dumps({"ready": True, "before_bytes": bytes_of("VmRSS"), **facts}), flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            break
        forget_peak()
        times = step()
        print(json.dumps({**times, "total_s": sum(times.values()), "peak_bytes": bytes_of("VmHWM")}), flush=True)


class Failed(Exception):
    """A worker that ended, or did not answer in time; the message is its own."""


class Worker:
    """A worker process. Only one at a time should be told to go."""

    def __init__(self, command: list, threads: int, limit: float = 1800):
        self.errors = tempfile.TemporaryFile("w+")
        self.limit = limit
        names = ("OMP", "MKL", "OPENBLAS", "RAYON", "NUMEXPR")
        environment = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in names}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        try:
            self.process = subprocess.Popen([*map(str, command)], text=True, env=environment, **pipes)
        except OSError as error:
            raise Failed(str(error)) from None
        self.facts = self.answer()

    def answer(self) -> dict:
        """The next line of JSON; libraries print other things."""
        ready = line = True
        while ready and line:
            ready, _, _ = select.select([self.process.stdout], [], [], self.limit)
            line = self.process.stdout.readline() if ready else ""
            if line.startswith("{"):
                return json.loads(line)
        self.process.kill()
        code = self.process.wait()
        raise Failed(f"no answer in {self.limit:.0f} s" if not ready else self.last_words(code))

    def last_words(self, code: int) -> str:
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        if lines:
            return lines[-1][:300]
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def go(self) -> dict:
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # answer() says why
        return self.answer()

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
