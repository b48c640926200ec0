"""What a measurement ran on."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()


def cpu(key: str) -> str:
    """The first value of a key of /proc/cpuinfo."""
    values = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith(key)]
    return values[0] if values else ""


def machine(threads: int, packages: tuple[str, ...]) -> dict:
    changed = output("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
    return {
        "cpu": cpu("model name") or platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_at_start": os.getloadavg()[0],
        "rustc": output("rustc", "--version"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "commit": output("git", "rev-parse", "HEAD") + ("+" if changed else ""),
        "started_utc": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
