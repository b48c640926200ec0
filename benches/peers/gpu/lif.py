"""SpikingJelly's published sweep of LIF neurons alone on one card, [T, 64, 65536], and ours by the same protocol.

    benches/peers/gpu/.venv/bin/python benches/peers/gpu/lif.py

The protocol is that of its tutorial on the Triton backend: LIFNode as it comes, uniform currents, forward, sum of the
spikes, backward; with T up to 128 where the tutorial ends at 32. Two things are not the tutorial's: a step is timed from one
wait for the device to the next, with Python's own time in it, and the second-level cache is not cleared between two. "In a
row" is the time of a step among many that are launched without a wait, which hides Python's time where the device takes
longer. Almost no neuron fires under these currents; the kernels do the same work for all.

SpikingJelly unrolls Triton's backward kernels over up to 64 steps; one of them can take 20 s to compile. `--compile` has them
compiled beforehand and leaves no receipt.
"""

import work
from children import Cast
from common import folder, machine, parser, say, turns, write

VARIANTS = "sj-old-torch,sj-torch,sj-cupy,sj-triton"
NEURONS, STEPS = (64, 65536), (2, 4, 8, 16, 32, 64, 128)
SLOW = {"sj-old-torch": 64}  # its backward pass takes time as T squared: not above this


def case(steps: int, dtype: str, neurons: tuple[int, int]) -> dict:
    count = neurons[0] * neurons[1]
    made = {"kind": "lif", "steps": steps, "dtype": dtype, "neurons": list(neurons), "queue": True}
    made["floor"] = work.lif(count, steps)
    made["ours"] = ["--lif", "--steps", str(steps), "--dtype", dtype]
    return made


def main() -> None:
    made = turns(parser(__doc__), VARIANTS, 0.05)
    made.add_argument("--dtypes", default="f16,f32")
    made.add_argument("--steps", default=",".join(map(str, STEPS)))
    made.add_argument("--compile", action="store_true", help="only compile what Triton will need")
    arguments = made.parse_args()
    steps, neurons = [int(text) for text in arguments.steps.split(",")], NEURONS
    if arguments.cpu:
        steps, neurons = steps[:2], (2, 256)
        arguments.variants = "sj-torch" if arguments.variants == VARIANTS else arguments.variants
        arguments.seconds, arguments.rounds = 0.005, 2
    arguments.rounds = min(arguments.rounds, 3)
    if arguments.compile:
        arguments.variants, arguments.ours, arguments.rounds = "sj-triton", [""], 0
    receipt = {"machine": machine(arguments.cpu), "cases": []}
    path = None if arguments.compile else folder(arguments) / "lif.json"
    cast = Cast(arguments)
    try:
        for dtype in arguments.dtypes.split(","):
            for count in steps:
                say(f"{dtype}, T = {count}")
                one = case(count, dtype, neurons)
                names = ["ours", *arguments.variants.split(",")]
                only = [name for name in names if count <= SLOW.get(name, count)]
                receipt["cases"].append(one | {"programs": cast.run(one, only=only)})
                if path:
                    write(path, receipt)
    finally:
        cast.close()
    say(str(path or "compiled"))


if __name__ == "__main__":
    main()
