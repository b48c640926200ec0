"""The Open Neuromorphic protocol on the processor: Linear(n, n) and LIF, batch 16, 500 steps, each pass apart.

    benches/peers/.venv/bin/python benches/peers/onm.py --neurons 4096,16384 --json results/bench/onm.json

One program after another, because each needs up to several GiB. The loss is the sum of the spikes, f32; each library's
neuron as the protocol has it. SpikingJelly is its torch backend.
"""

import argparse
import json
import sys
from pathlib import Path

from layer_report import table
from layer_worker import BATCH, STEPS
from machine import ROOT, machine
from serving import HERE
from step import OURS, PACKAGES
from turns import one_after_another, say


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", default="4096,16384")
    parser.add_argument("--variants", default="spikingjelly-atan,snntorch,norse,torch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", type=Path, default=ROOT / "target/release/step")
    parser.add_argument("--json", type=Path, help="the receipt; a table is written beside it")
    arguments = parser.parse_args()
    about, sizes = machine(arguments.threads, PACKAGES), {}
    for n in arguments.neurons.split(","):
        say(f"{n} neurons")
        end = ["--onm", n, "--threads", arguments.threads]
        commands = {OURS: [arguments.ours, *end, "--serve"]}
        for name in arguments.variants.split(","):
            commands[name] = [sys.executable, HERE / "layer_worker.py", "--variant", name, *end]
        sizes[n] = one_after_another(commands, arguments.threads, arguments.rounds, 1)
    receipt = {"machine": about, "batch": BATCH, "steps": STEPS, "order": "alone", "neurons": sizes}
    tables = [f"{n} neurons, batch {BATCH}, {STEPS} steps:\n\n{table(programs)}" for n, programs in sizes.items()]
    text = "\n".join(tables)
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(receipt, indent=1) + "\n")
        arguments.json.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
