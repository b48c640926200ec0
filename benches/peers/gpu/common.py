"""What every program here shares: arguments, the machine, and receipts that tell a dry run from a measurement."""

import argparse
import importlib.util
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent
ROOT = HERE.parents[2]
RESULTS = ROOT / "results/bench/gpu"
OURS = ROOT / "target/cuda/x86_64-unknown-linux-gnu/release/gpu"
PACKAGES = ("torch", "triton", "cupy-cuda13x", "cupy-cuda12x", "spikingjelly", "numpy", "nvidia-cudnn-cu13", "nvidia-cublas")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def of_the_cpu(name: str):
    """A module of the benches for the processor, some of which are called like one here."""
    found = importlib.util.spec_from_file_location(f"cpu_{name}", PEERS / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # torch.compile looks for it there
    found.loader.exec_module(module)
    return module


def output(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


# Arguments -----------------------------------------------------------------------------------------------------------


def parser(text: str) -> argparse.ArgumentParser:
    """The arguments that every program takes."""
    made = argparse.ArgumentParser(description=text.splitlines()[0])
    made.add_argument("--out", type=Path, help=f"folder of the receipt [default: {RESULTS.relative_to(ROOT)}]")
    made.add_argument("--cpu", action="store_true", help="dry run without a card: tiny sizes, a folder of its own")
    return made


def turns(made: argparse.ArgumentParser, variants: str, seconds: float) -> argparse.ArgumentParser:
    """And those of programs that let several take turns."""
    made.add_argument("--variants", default=variants, help=f"peers [default: {variants}]")
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--seconds", type=float, default=seconds, help="of one program's turn, about")
    made.add_argument("--ours", type=shlex.split, default=[str(OURS)], help="our program")
    return made


def folder(arguments) -> Path:
    """Where the receipt goes. A dry run's numbers never lie where measurements do."""
    chosen = arguments.out or (Path(tempfile.mkdtemp(prefix="dry-run-")) if arguments.cpu else RESULTS)
    chosen = chosen.resolve()
    if not arguments.cpu and not output("nvidia-smi", "-L"):
        raise SystemExit("error: no CUDA device here; --cpu makes a dry run without one")
    if arguments.cpu and chosen.is_relative_to(ROOT / "results"):
        raise SystemExit(f"error: {chosen}: a dry run on the processor leaves nothing under results; take another folder")
    chosen.mkdir(parents=True, exist_ok=True)
    if arguments.cpu:
        say(f"dry run on the processor, no measurement of a card: {chosen}")
    return chosen


# The machine ---------------------------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def machine(cpu: bool) -> dict:
    """What the numbers were taken on."""
    changed = output("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
    query = "name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit"
    return {
        "dry_run": cpu,
        "device": "the processor" if cpu else output("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": versions(),
        "commit": output("git", "rev-parse", "HEAD") + ("+" if changed else ""),
        "started_utc": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def library_path() -> str:
    """Folders of CUDA's libraries that came as wheels, for programs that look for them when they start."""
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in found.submodule_search_locations] if found else []
    folders = sorted({str(library.parent) for place in places for library in place.glob("*/lib/*.so*")})
    return os.pathsep.join(filter(None, [*folders, os.environ.get("LD_LIBRARY_PATH")]))


# Receipts ------------------------------------------------------------------------------------------------------------


def write(path: Path, receipt: dict) -> None:
    """Whole or not at all: a part that is stopped leaves what it had measured."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n")
    partial.replace(path)


def summary(seconds: list[float]) -> dict:
    """Median, and the range of the middle 60 %."""
    ordered = sorted(seconds)
    place = len(ordered) - 1
    return {
        "median_s": statistics.median(ordered),
        "p20_s": ordered[round(0.2 * place)],
        "p80_s": ordered[round(0.8 * place)],
        "samples": len(ordered),
    }


if __name__ == "__main__":  # for `all`
    print(library_path())
