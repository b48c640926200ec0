"""One layer of LIF neurons, forward and backward: ours, SpikingJelly's torch backend, plain PyTorch, a memory copy.

    benches/peers/.venv/bin/python benches/peers/lif.py --json results/bench/lif.json
"""

import argparse
import json
import sys
from pathlib import Path

from layer_report import table
from machine import ROOT, machine
from serving import HERE
from step import OURS, PACKAGES
from turns import take_turns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=1 << 20)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--variants", default="spikingjelly,spikingjelly-atan,snntorch,torch,copy")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ours", type=Path, default=ROOT / "target/release/step")
    parser.add_argument("--json", type=Path, help="the receipt; a table is written beside it")
    arguments = parser.parse_args()
    end = ["--lif", arguments.neurons, "--steps", arguments.steps, "--threads", arguments.threads]
    commands = {OURS: [arguments.ours, *end, "--serve"]}
    for name in arguments.variants.split(","):
        commands[name] = [sys.executable, HERE / "layer_worker.py", "--variant", name, *end]
    about = machine(arguments.threads, PACKAGES)
    programs = take_turns(commands, arguments.threads, arguments.rounds, 2)
    receipt = {"machine": about, "neurons": arguments.neurons, "steps": arguments.steps, "programs": programs}
    text = f"{arguments.neurons} neurons, {arguments.steps} steps:\n\n{table(programs)}"
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(receipt, indent=1) + "\n")
        arguments.json.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
