"""Decoding speed: our decoders beside Tonic's, SpikingJelly's and expelliarmus' readers, on the same files, in turn.

    benches/peers/setup
    cargo build --release -p spikegrad-events --example decode_speed
    benches/peers/.venv/bin/python benches/peers/decode.py --json results/bench/decode.json

Every reader gets a path and returns columns or a structured array; all run on one thread, from a warm page cache.
Results are compared by the number of events and the sum of each column before anything is timed. A turn works twice and
the second time counts, because the first one brings back memory that an allocator has returned to the system meanwhile;
what takes over a second works once. A number is the median of the rounds. Both wall and processor time are kept; the
table shows processor time, user and system, because waiting for a busy machine's other programs is nobody's merit.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import containers
import numpy as np
import readers
from machine import ROOT, machine

FILES = Path(__file__).resolve().parent / "files"
EVENT = 13  # bytes of an event in four columns
WORKS = {
    "columns": "**ours: read and decode**",
    "events": "ours: the same, then check",
    "read": "ours: read alone",
    "decode": "ours: decode alone",
    "copy_input": "memory copy of the bytes",
    "copy_output": "memory copy of the columns",
}


class Ours:
    """The release program, alive between the rounds."""

    def __init__(self, program: Path, case: str, files: list[Path]):
        listing = FILES / f"{case}.txt"
        listing.write_text("\n".join(map(str, files)))
        command = [program, readers.DECODED[case], listing]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.clock = ~self.process.pid << 3 | 2  # Linux: the processor time of another process
        self.sums = json.loads(self.process.stdout.readline())

    def time(self, work: str) -> tuple[float, float]:
        before = time.clock_gettime(self.clock)
        self.process.stdin.write(work + "\n")
        self.process.stdin.flush()
        wall = float(self.process.stdout.readline())
        return wall, time.clock_gettime(self.clock) - before

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def time_reader(read, files: list[Path]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    for file in files:
        read(file)
    return time.perf_counter() - wall, time.process_time() - processor


def sums_of(read, columns, files: list[Path]) -> list[int]:
    sums = np.zeros(5, np.int64)
    for file in files:
        t, x, y, on = columns(read(file))
        sums += [len(t), *(np.asarray(column).astype(np.int64).sum() for column in (t, x, y, on))]
    return sums.tolist()


def run_case(case: str, files: list[Path], ours: Ours | None, peers: dict, rounds: int) -> dict:
    sums = {name: sums_of(read, columns, files) for name, (read, columns) in peers.items()}
    expected = ours.sums if ours else next(iter(sums.values()))
    for name, found in sums.items():
        if found != expected and case not in readers.UNEQUAL:
            raise SystemExit(f"error: {case}, {name}: expected events and column sums {expected}, found {found}")
    turns = {f"ours_{work}": lambda work=work: ours.time(work) for work in WORKS} if ours else {}
    turns |= {name: lambda read=read: time_reader(read, files) for name, (read, _) in peers.items()}
    times = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            first = turn()
            times[name].append(turn() if first[0] < 1 else first)
    size = sum(file.stat().st_size for file in files)
    summary = {"files": len(files), "bytes": size, "events": expected[0], "sums": expected}
    for name, pairs in times.items():
        wall, processor = ([pair[i] * 1e3 for pair in pairs] for i in (0, 1))
        summary.setdefault("ms", {})[name] = {
            "wall": statistics.median(wall),
            "processor": statistics.median(processor),
            "wall_all": [round(ms, 4) for ms in wall],
            "processor_all": [round(ms, 4) for ms in processor],
        }
    return summary


def cases(shared: Path) -> dict[str, list[Path]]:
    clips = sorted((shared / "data/dvs128_gesture/clips_bs2").glob("*.bs2"), key=lambda clip: int(clip.stem))
    digits = sorted((shared / "data/nmnist").glob("T*/*/*.bin"))
    if not clips or not digits:
        raise SystemExit(f"error: {shared}/data: expected N-MNIST and gesture samples, found none; use --shared FOLDER")
    events = containers.one_after_another(clips)
    FILES.mkdir(exist_ok=True)
    containers.aedat2(FILES / "aedat2.aedat", events)
    containers.aedat31(FILES / "aedat31.aedat", events)
    prophesee = containers.prophesee(FILES, events)
    return {
        "nmnist": digits,
        "gesture": clips,
        "aedat2": [FILES / "aedat2.aedat"],
        "aedat31": [FILES / "aedat31.aedat"],
        **{encoding: [path] for encoding, path in prophesee.items()},
    }


def table(results: dict) -> str:
    """Processor time; the last column compares with our reading and decoding."""
    lines = ["| files | what | ms | MB/s | million events/s | times ours |", "|---|---|---|---|---|---|"]
    for case, result in results.items():
        processor = {name: ms["processor"] for name, ms in result["ms"].items()}
        for name, ms in processor.items():
            label = WORKS.get(name.removeprefix("ours_"), name)
            size = EVENT * result["events"] if name == "ours_copy_output" else result["bytes"]
            events = "" if "copy" in name or name == "ours_read" else f"{result['events'] / ms / 1e3:.1f}"
            ratio = f"{ms / processor['ours_columns']:.2f}" if "ours_columns" in processor else ""
            lines.append(f"| {case} | {label} | {ms:.2f} | {size / ms / 1e3:.0f} | {events} | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SPIKEGRAD_SHARED", ROOT / "../shared")))
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/examples/decode_speed")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    about = machine(1, ("numpy", "tonic", "spikingjelly", "expelliarmus"))
    results = {}
    for case, files in cases(arguments.shared.resolve()).items():
        ours = Ours(arguments.program, case, files) if case in readers.DECODED else None
        results[case] = run_case(case, files, ours, readers.PEERS[case], arguments.rounds)
        if ours:
            ours.close()
    print(table(results))
    if arguments.json:
        notes = {"files": containers.__doc__.strip(), **readers.NOTES, **readers.UNEQUAL}
        receipt = {"notes": notes, "machine": about, "cases": results}
        arguments.json.write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
