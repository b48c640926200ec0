"""Programs that take turns on the card: peers, one worker for all cases, and ours, a child process for each case.

Both speak lines of JSON. A turn is one step that is not counted, since a peer that gave its memory back allocates anew in
it, and then as many counted ones as fit into the time of a turn. One program works at a time, also while they warm up:
cuDNN and Triton choose their kernels by measuring.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import library_path, say, summary
from variants import VARIANTS, parse

FULL = "out of memory"
WORKER = Path(__file__).resolve().parent / "worker.py"


class Failed(Exception):
    """A program that ended, did not answer in time, or says why it cannot."""


class Child:
    """A process that answers a line of JSON with one."""

    def __init__(self, command: list, environment: dict[str, str]):
        self.errors = tempfile.TemporaryFile("w+")
        self.rest = b""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        try:
            self.process = subprocess.Popen([*map(str, command)], env=os.environ | environment, bufsize=0, **pipes)
        except OSError as error:
            raise Failed(str(error)) from None

    def tell(self, message: dict) -> None:
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            pass  # answer() says why

    def answer(self, limit: float) -> dict:
        """The next line of JSON; libraries print other things."""
        until = time.monotonic() + limit
        while True:
            line, found, rest = self.rest.partition(b"\n")
            if found:
                self.rest = rest
                if line.startswith(b"{"):
                    answer = json.loads(line)
                    if "failed" in answer:
                        raise Failed(answer["failed"])
                    return answer
                continue
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            if not ready:
                self.close(0)
                raise Failed(f"no answer in {limit:.0f} s")
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                raise Failed(self.last_words(self.process.wait()))
            self.rest += more

    def ask(self, message: dict, limit: float) -> dict:
        self.tell(message)
        return self.answer(limit)

    def last_words(self, code: int) -> str:
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        if lines:
            return lines[-1][:300]
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def close(self, patience: float = 10) -> None:
        if self.process.poll() is None:
            self.tell({"do": "quit"})
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Peer:
    """A variant's worker. Starting it only starts its imports."""

    def __init__(self, name: str, cpu: bool):
        self.name = name
        variant, options = parse(name)
        missing = VARIANTS[variant].missing()
        if missing:
            raise Failed(missing)
        command = [sys.executable, WORKER, "--variant", variant, *(f"--{option}" for option in options)]
        self.start = [*command, *(["--cpu"] if cpu else [])], VARIANTS[variant].environment()
        self.child, self.hello, self.dead = Child(*self.start), None, None

    def build(self, case: dict, limit: float) -> dict:
        if self.dead:
            raise Failed(self.dead)
        if self.hello and self.child.process.poll() is not None:  # an earlier case ended it
            self.child, self.hello = Child(*self.start), None
        try:
            self.hello = self.hello or self.child.answer(limit)
        except Failed as failure:  # it will not do better next time
            self.dead = str(failure)
            raise
        return self.hello | self.child.ask({"do": "build", "case": case}, limit)

    def step(self, repeats: int, limit: float) -> dict:
        return self.child.ask({"do": "step", "repeats": repeats}, limit)

    def release(self) -> None:
        self.child.ask({"do": "release"}, 60)

    def forget(self) -> None:
        """The case; the worker stays."""
        if self.child.process.poll() is None:
            try:
                self.child.ask({"do": "forget"}, 60)
            except Failed:
                self.child.close(0)

    def fail(self, why: str) -> None:
        """Out of memory spoils only the case; after anything else the next case gets a new worker."""
        if why != FULL:
            self.child.close(5)


class Ours:
    """Our program, started anew for each case; its command line is the case."""

    name = "ours"

    def __init__(self, command: list):
        self.command, self.child = command, None

    def build(self, case: dict, limit: float) -> dict:
        command = [*self.command, "--serve", *case["ours"]]
        self.child = Child(command, {"LD_LIBRARY_PATH": library_path()})
        return {"command": " ".join([Path(command[0]).name, *command[1:]])} | self.child.answer(limit)

    def step(self, repeats: int, limit: float) -> dict:
        return self.child.ask({"do": "step", "repeats": repeats}, limit)

    def release(self) -> None:
        """It keeps its memory: the protocol has no word for that."""

    def forget(self) -> None:
        if self.child:
            self.child.close()

    def fail(self, why: str) -> None:
        self.forget()


def process_bytes(pid: int) -> int | None:
    """Device memory of a process as the driver counts it, context and all; None where it does not say."""
    try:
        import pynvml

        pynvml.nvmlInit()
        processes = pynvml.nvmlDeviceGetComputeRunningProcesses(pynvml.nvmlDeviceGetHandleByIndex(0))
        return next((process.usedGpuMemory for process in processes if process.pid == pid), None)
    except Exception:  # no driver, no package, or a driver that does not say
        return None


class Cast:
    """The programs of one benchmark; those that cannot start are kept with the reason."""

    def __init__(self, arguments):
        self.seconds, self.rounds, self.programs, self.absent = arguments.seconds, arguments.rounds, [], {}
        if Path(arguments.ours[0]).is_file() or len(arguments.ours) > 1:
            self.programs.append(Ours(arguments.ours))
        else:
            self.absent["ours"] = f"not run: {Path(arguments.ours[0]).name} is not built"
            say("our program is not built; peers run alone")
        for name in filter(None, arguments.variants.split(",")):
            try:
                self.programs.append(Peer(name, arguments.cpu))
            except Failed as failure:
                self.absent[name] = f"not run: {failure}"

    def run(self, case: dict, limit: float = 120, only: list[str] | None = None) -> dict:
        """Results of each program in one case, or why there is none."""
        results = {name: {"failed": why} for name, why in self.absent.items() if not only or name in only}
        playing = [program for program in self.programs if not only or program.name in only]
        repeats = {}
        for program in playing:
            try:
                facts = program.build(case, limit)
                program.step(1, limit)
                once = program.step(1, limit)["seconds"][0]
                program.release()
                repeats[program.name] = max(1, min(30, round(self.seconds / max(once, 1e-6))))
                results[program.name] = {"facts": facts, "answers": []}
            except Failed as failure:
                self.fail(program, failure, results)
        for _ in range(self.rounds):
            for program in playing:
                if "answers" in results[program.name]:
                    try:
                        self.turn(program, repeats[program.name], results[program.name], limit)
                    except Failed as failure:
                        self.fail(program, failure, results)
        for program in playing:
            program.forget()
        return {name: finished(result) for name, result in results.items()}

    @staticmethod
    def turn(program, repeats: int, result: dict, limit: float) -> None:
        answer = program.step(1 + repeats, limit)
        answer["process_bytes"] = process_bytes(program.child.process.pid)
        program.release()
        result["answers"].append(answer)

    @staticmethod
    def fail(program, failure: Failed, results: dict) -> None:
        say(f"  {program.name} failed: {failure}")
        program.fail(str(failure))
        results[program.name] = {"failed": str(failure)}

    def close(self) -> None:
        for program in self.programs:
            if program.child:
                program.child.close()


def finished(result: dict) -> dict:
    """The answers of all rounds as numbers; the first step of a turn is not counted."""
    answers = result.pop("answers", [])
    if not answers:
        return result
    for key in ("seconds", "forward_seconds", "backward_seconds"):
        if all(key in answer for answer in answers):
            rounds = [answer[key][1:] for answer in answers]
            result[key] = summary([second for turn in rounds for second in turn])
            if key == "seconds":
                result["rounds_s"] = rounds
    if all("queued_seconds" in answer for answer in answers):
        result["queued_seconds"] = summary([answer["queued_seconds"] for answer in answers])
    for key in ("peak_bytes", "reserved_bytes", "process_bytes"):
        values = [answer[key] for answer in answers if answer.get(key)]
        if values:
            result[key] = max(values)
    return result
