"""One training step on one card: our program beside SpikingJelly and plain PyTorch, in turn.

    benches/peers/gpu/setup
    benches/peers/gpu/.venv/bin/python benches/peers/gpu/step.py
    …/step.py --net large --steps 16 --batch 64 --variants sj-triton,folded+compile

A step is forward, loss (MSE of votes), backward and AdamW with the clearing of gradients. Without --net the cases are the
paper's: T = 16 for all; batches of its scripts: 64 for N-MNIST, 16 for DVS-Gesture, 64 for DVS-CIFAR10, whose network is the
same; MNIST has no script and takes 64. Event frames come in the size that the first convolution sees; ten classes each.
"""

import re

import work
from children import Cast
from common import folder, machine, of_the_cpu, parser, say, turns, write

DEFAULT = "sj-triton,sj-cupy,paper,folded"
DRY = "sj-torch,paper,folded"
CASES = (("small", 16, 64), ("middle", 16, 64), ("large", 16, 16), ("large", 16, 64))
CLASSES = 10
NOTES = [
    "peers under bf16 or f16 autocast keep f32 weights; convolutions in f32 may use TF32, PyTorch's default",
    "SpikingJelly's derivative is ATan, no gradient passes a spike",
    "batch norm is over all steps in SpikingJelly and with time folded, by step in the paper's order",
    "each program starts from its own initial weights; peers' learning rate is 0",
    "SpikingJelly computes a picture's first convolution T times, plain PyTorch with time folded once",
]


def case(notation: str, net: str, steps: int, batch: int, precision: str) -> dict:
    values = {"net": net, "steps": steps, "batch": batch, "precision": precision}
    made = {"kind": "step", "notation": notation, "classes": CLASSES, **values}
    made["floor"] = work.step(notation, net, made)
    made["ours"] = [str(word) for name, value in values.items() for word in (f"--{name}", value)]
    return made


def narrow(notation: str) -> str:
    """A sixteenth of the width."""
    return re.sub(r"\d+(?=C3|FC)", lambda found: str(int(found[0]) // 16), notation)


def main() -> None:
    made = turns(parser(__doc__), DEFAULT, 0.25)
    made.add_argument("--net", choices=work.SHAPES)
    made.add_argument("--steps", type=int, default=16)
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--precision", default="bf16", help="of our program [default: bf16]")
    made.add_argument("--name", default="step", help="of the receipt [default: step]")
    arguments = made.parse_args()
    sizes = [(arguments.net, arguments.steps, arguments.batch)] if arguments.net else CASES
    if arguments.cpu:
        sizes = [(net, 2, 2) for net in dict.fromkeys(net for net, _, _ in sizes)]
        arguments.variants = DRY if arguments.variants == DEFAULT else arguments.variants
        arguments.seconds, arguments.rounds = 0.01, 1
    path = folder(arguments) / f"{arguments.name}.json"
    receipt = {"machine": machine(arguments.cpu), "precision": arguments.precision, "notes": NOTES, "cases": []}
    cast = Cast(arguments)
    notation = of_the_cpu("networks").NOTATION
    if arguments.cpu:
        notation = {net: narrow(text) for net, text in notation.items()}
    try:
        for size in sizes:
            say("{}, T = {}, B = {}".format(*size))
            one = case(notation[size[0]], *size, arguments.precision)
            receipt["cases"].append(one | {"programs": cast.run(one)})
            write(path, receipt)
    finally:
        cast.close()
    say(str(path))


if __name__ == "__main__":
    main()
