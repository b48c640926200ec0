"""The Open Neuromorphic protocol on one card: Linear(n, n) and LIF, batch 16, 500 steps, f32; SpikingJelly's and ours.

    benches/peers/gpu/.venv/bin/python benches/peers/gpu/onm.py --neurons 4096,16384

The protocol times forward and backward apart and takes the sum of the spikes as loss; each library's neuron has the
constants that the benchmark gave it (SpikingJelly: tau 5, ATan), so neurons differ between programs. Inputs are normal
noise. Matrix products are f32 as PyTorch has them without being asked, and once more with TF32 allowed; ours gets
`--precision tf32` for the latter, and without it has to keep to f32.
"""

import work
from children import Cast
from common import folder, machine, parser, say, turns, write

VARIANTS = "sj-torch,sj-cupy,sj-triton"
BATCH, STEPS = 16, 500


def case(n: int, steps: int, precision: str) -> dict:
    made = {"kind": "onm", "neurons": n, "steps": steps, "batch": BATCH, "precision": precision}
    made["floor"] = work.onm(n, steps, BATCH)
    made["ours"] = ["--onm", str(n), *(["--precision", "tf32"] if precision == "tf32" else [])]
    return made


def main() -> None:
    made = turns(parser(__doc__), VARIANTS, 0.3)
    made.add_argument("--neurons", default="4096,16384")
    made.add_argument("--precisions", default="f32,tf32")
    arguments = made.parse_args()
    sizes, steps = [int(text) for text in arguments.neurons.split(",")], STEPS
    arguments.rounds = min(arguments.rounds, 3)
    if arguments.cpu:
        sizes, steps = [32], 8
        arguments.variants = "sj-torch" if arguments.variants == VARIANTS else arguments.variants
        arguments.seconds = 0.005
    path = folder(arguments) / "onm.json"
    receipt = {"machine": machine(arguments.cpu), "cases": []}
    cast = Cast(arguments)
    try:
        for precision in arguments.precisions.split(","):
            for n in sizes:
                say(f"{precision}, {n} neurons")
                one = case(n, steps, precision)
                receipt["cases"].append(one | {"programs": cast.run(one)})
                write(path, receipt)
    finally:
        cast.close()
    say(str(path))


if __name__ == "__main__":
    main()
