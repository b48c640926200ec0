"""What a case costs at least: multiplications and additions, and bytes that must pass through device memory. Needs no torch.

Operations are exact for the layer list: each product forward, once more for its weights' gradient and once more for that of
its input, which the first layer does not need; a still picture's first convolution counts once, not T times. Sparse spikes
are counted as dense.

Bytes are a floor under assumptions: whatever passes between two products moves once for each use, at the width of the
precision. A product's output is written and read forward (its norm needs all of it) and read again backward; its gradient is
written, and read by the products for weights and inputs. Spikes are written behind their pooling, read by the next product
and by its gradient of weights; their own gradient is written and read. AdamW reads and writes a weight and two moments and
reads a gradient that was written, in f32. A program that keeps spikes as bits, or fuses more, can go below.
"""

import re
from math import prod

SHAPES = {"small": (1, 28, 28), "middle": (2, 34, 34), "middle-cifar": (3, 32, 32), "large": (2, 64, 64)}  # C, H, W
STATIC = ("small", "middle-cifar")  # a picture for all time steps instead of frames
WIDTH = {"f32": 4, "tf32": 4, "bf16": 2, "f16": 2}


def products(notation: str, shape: tuple[int, int, int], classes: int):
    """(multiply-adds, weights, outputs, outputs behind pooling) of each product of one sample at one step."""
    channels, height, width = shape
    rows, flat = [], None
    for text in notation.split("-"):
        number, kind, size = re.fullmatch(r"(\d*)([A-Z][A-Za-z()]*)(\d*)", text).groups()
        if kind == "C":
            weights = channels * int(number) * int(size) ** 2
            channels = int(number)
            units = prod((channels, height, width))
            rows.append([weights * height * width, weights, units, units])
        elif kind in ("MP", "AP"):
            height, width = height // int(size), width // int(size)
            rows[-1][3] = prod((channels, height, width))
        elif kind != "DP":
            units = int(number) * (classes if kind == "Voting" else 1)
            weights = (flat or prod((channels, height, width))) * units
            flat = units
            rows.append([weights, weights, units, units])
    return rows


def by_precision(elements: int, always: int = 0) -> dict[str, int]:
    """Bytes of so many elements in each precision, and of what is f32 in all."""
    return {precision: width * elements + always for precision, width in WIDTH.items()}


def step(notation: str, net: str, case: dict) -> dict:
    """Of one training step."""
    samples = case["steps"] * case["batch"]
    operations = elements = always = 0
    for place, (macs, weights, units, pooled) in enumerate(products(notation, SHAPES[net], case["classes"])):
        runs = case["batch"] if net in STATIC and place == 0 else samples
        backward = 1 if place == 0 else 2  # gradients of weights, and of inputs
        operations += 2 * macs * runs * (1 + backward)
        elements += units * runs * (3 + 1 + backward) + 5 * pooled * samples
        always += 32 * weights
    return {"flops": operations, "bytes": by_precision(elements, always)}


def lif(neurons: int, steps: int) -> dict:
    """Of neurons alone: currents read and spikes written, spikes read for their sum; currents read again, their gradient
    written."""
    return {"flops": 0, "bytes": by_precision(5 * neurons * steps)}


def onm(n: int, steps: int, batch: int) -> dict:
    """Of the linear layer (no gradient for its input) and its neurons, in f32."""
    rows = steps * batch
    tensors = 2 + 2 + 1 + 1 + 2  # inputs twice; currents written and read; spikes; currents again; their gradient
    return {"flops": 4 * rows * n * n, "bytes": by_precision(tensors * rows * n + 2 * n * n)}
