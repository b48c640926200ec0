"""One training step: our program beside SpikingJelly, snnTorch, Norse and plain PyTorch, on the same weights, in turn.

    benches/peers/setup
    cargo build --release -p spikegrad-benches --bin step
    benches/peers/.venv/bin/python benches/peers/step.py --net small --json results/bench/step.json

For each firing rate our program exports a network that fires at it, every program loads that network, and then each
does one step in turn, one program at a time; a number is the median of the rounds. Before that the gradients of each
variant are compared with a smaller export of ours of the variant's own method and batch norm, once in the precision
that is timed and once in double precision. With `--dir` an exported network, such as a trained one, is measured as it is.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import ROOT, cpu, machine
from networks import NOTATION, VARIANTS
from serving import HERE
from turns import one_after_another, say, take_turns

OURS = "ours"
BF16 = ("avx512_bf16", "amx_bf16")
DEFAULT = "spikingjelly,spikingjelly-atan,snntorch,norse,paper,torch,torch+compile,spikingjelly-atan+bf16,torch+bf16"
OPTIONS = {"compile": ["--compile"], "bf16": ["--amp", "bf16"]}
PACKAGES = ("torch", "spikingjelly", "snntorch", "norse", "numpy")


def known(text: str) -> list[str]:
    """Variants such as `torch+compile`, separated by commas."""
    peers = [peer for peer in text.split(",") if peer]
    for peer in peers:
        variant, *options = peer.split("+")
        if variant not in VARIANTS or not OPTIONS.keys() >= set(options):
            expected = f"expected one of {', '.join(VARIANTS)}, then +{', +'.join(OPTIONS)}"
            raise argparse.ArgumentTypeError(f"{peer}: {expected}")
    return peers


def worker(peer: str, folder: Path, arguments, *more: str) -> list:
    """The command of a variant such as `torch+compile`."""
    variant, *options = peer.split("+")
    command = [sys.executable, HERE / "step_worker.py", "--variant", variant, "--dir", folder]
    return [*command, "--threads", arguments.threads, *sum((OPTIONS[option] for option in options), []), *more]


def ours(arguments, rate: float, steps=None, batch=None, method=None, norm=None) -> list:
    values = {
        "net": arguments.net,
        "steps": steps or arguments.steps,
        "batch": batch or arguments.batch,
        "threads": arguments.threads,
        "rate": rate,
        "method": method or arguments.method,
        "norm": norm or arguments.norm,
    }
    return [arguments.ours, *(word for name, value in values.items() for word in (f"--{name}", value))]


def call(command: list) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1][:300])
    return done.stdout


def check(peer: str, folder: Path, arguments) -> dict:
    """Distances of loss, scores and gradients from the exported ones, as timed and in double precision."""
    return {
        precision: json.loads(call(worker(peer, folder, arguments, "--check", *flags)))
        for precision, flags in {"single": [], "double": ["--double"]}.items()
    }


def fits(native: dict, config: dict) -> bool:
    return all(config[key] == value for key, value in native.items())


def native(peer: str) -> dict:
    return VARIANTS[peer.split("+")[0]].native


def checks_at(rate: float, arguments) -> dict:
    """Each variant against an export of its own method and norm."""
    results, exports = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for peer in arguments.variants:
            own = {"method": arguments.method, "norm": arguments.norm} | native(peer)
            if own["method"] is None or "+" in peer:
                continue  # gradients of another kind, or the variant without the option stands for it
            try:
                key = tuple(own.values())
                if key not in exports:
                    exports[key] = Path(scratch) / str(len(exports))
                    small = {"steps": arguments.check_steps, "batch": arguments.check_batch}
                    call([*ours(arguments, rate, **small, **own), "--export", exports[key]])
                results[peer] = own | check(peer, exports[key], arguments)
            except (RuntimeError, OSError) as error:
                results[peer] = own | {"failed": str(error)}
                say(f"  check of {peer} failed: {error}")
    return results


def checks_of(folder: Path, config: dict, arguments) -> dict:
    """The variants whose method and norm a given export has."""
    results = {}
    for peer in arguments.variants:
        if "+" not in peer and fits(native(peer), config):
            try:
                results[peer] = {"method": config["method"], "norm": config["norm"]} | check(peer, folder, arguments)
            except RuntimeError as error:
                results[peer] = {"failed": str(error)}
    return results


def programs(serve: list, folder: Path, arguments) -> tuple[dict, dict]:
    """Commands, and those that are left out with the reason."""
    commands = {OURS: serve}
    left_out = {}
    bf16 = any(flag in cpu("flags").split() for flag in BF16)
    for peer in arguments.variants:
        if "bf16" in peer and not (bf16 or arguments.force_bf16):
            left_out[peer] = {"failed": "not run: this processor has no bf16 arithmetic"}
        else:
            commands[peer] = worker(peer, folder, arguments)
    return commands, left_out


def measure(serve: list, folder: Path, arguments) -> dict:
    commands, left_out = programs(serve, folder, arguments)
    run = one_after_another if arguments.alone else take_turns
    return run(commands, arguments.threads, arguments.rounds, arguments.warmups) | left_out


def at_rate(rate: float, arguments) -> dict:
    say(f"rate {rate}")
    checks = {} if arguments.no_check else checks_at(rate, arguments)
    command = ours(arguments, rate)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            call([*command, "--export", scratch])
        except (RuntimeError, OSError) as error:
            raise SystemExit(f"error: our program exports no network: {error}") from None
        config = json.loads((Path(scratch) / "step.json").read_text())
        results = measure([*command, "--serve"], Path(scratch), arguments)
    return {"rate": rate, "export": config, "checks": checks, "programs": results}


def of_folder(folder: Path, arguments) -> dict:
    config = json.loads((folder / "step.json").read_text())
    checks = {} if arguments.no_check else checks_of(folder, config, arguments)
    serve = [arguments.ours, "--dir", folder, "--threads", arguments.threads, *arguments.ours_args.split(), "--serve"]
    results = measure(serve, folder, arguments)
    return {"rate": None, "export": config, "checks": checks, "programs": results}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=NOTATION, default="small")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", choices=("bpsa", "bpsa+bpta"), default="bpsa")
    parser.add_argument("--norm", choices=("time", "step"), default="time")
    parser.add_argument("--rates", default="0.02,0.05,0.1,0.2")
    parser.add_argument("--dir", type=Path, help="measure this export instead of networks of given rates")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--warmups", type=int, default=2)
    parser.add_argument("--variants", type=known, default=DEFAULT)
    parser.add_argument("--ours", type=Path, default=ROOT / "target/release/step")
    parser.add_argument("--ours-args", default="", help="more arguments for our program with --dir")
    parser.add_argument("--alone", action="store_true", help="one program after another, if memory does not hold all")
    parser.add_argument("--force-bf16", action="store_true", help="also on a processor without bf16 arithmetic")
    parser.add_argument("--no-check", action="store_true")
    parser.add_argument("--check-steps", type=int, default=4)
    parser.add_argument("--check-batch", type=int, default=2)
    parser.add_argument("--json", type=Path, help="the receipt; a table and a picture are written beside it")
    arguments = parser.parse_args()
    about = machine(arguments.threads, PACKAGES)
    if arguments.dir:
        runs = [of_folder(arguments.dir.resolve(), arguments)]
    else:
        runs = [at_rate(float(rate), arguments) for rate in arguments.rates.split(",")]
    receipt = {"machine": about, "order": "alone" if arguments.alone else "in turn", "runs": runs}
    from step_report import picture, tables

    print(tables(receipt))
    if arguments.json:
        arguments.json.write_text(json.dumps(receipt, indent=1) + "\n")
        arguments.json.with_suffix(".md").write_text(tables(receipt))
        if len(runs) > 1:
            picture(receipt, arguments.json.with_suffix(".svg"))


if __name__ == "__main__":
    main()
