"""What the card can do, measured in the same call as everything else: a large copy, and large matrix products.

    benches/peers/gpu/.venv/bin/python benches/peers/gpu/ceilings.py

Copies count bytes read and bytes written. Matrix products are 8192 x 8192 x 8192 on random numbers, since zeros can run
faster than any real data. A number is the median of ten, each timed by a pair of events.
"""

import statistics
import time

import torch
from common import folder, machine, parser, say, write

SIZE, COPY = 8192, 1 << 31  # matrices; bytes of the copy's source
PRODUCTS = {
    "bf16": (torch.bfloat16, "highest"),
    "f16": (torch.float16, "highest"),
    "tf32": (torch.float32, "high"),
    "f32": (torch.float32, "highest"),
}
ROUNDS = 10


def seconds(cpu: bool, work) -> list[float]:
    """Of each round, after three that are not counted."""
    taken = []
    for turn in range(3 + ROUNDS):
        if cpu:
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
            continue
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begun.record()
        work()
        ended.record()
        torch.cuda.synchronize()
        taken.append(begun.elapsed_time(ended) / 1e3)
    return taken[3:]


def copy(device: str, size: int, cpu: bool) -> dict:
    source = torch.rand(size // 4, device=device)
    target = torch.empty_like(source)
    taken = seconds(cpu, lambda: target.copy_(source))
    return {"bytes": 2 * size, "seconds": taken, "bytes_s": 2 * size / statistics.median(taken)}


def product(device: str, size: int, cpu: bool, dtype: torch.dtype, allowed: str) -> dict:
    torch.set_float32_matmul_precision(allowed)
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    result = torch.empty(size, size, device=device, dtype=dtype)
    taken = seconds(cpu, lambda: torch.mm(left, right, out=result))
    return {"size": size, "seconds": taken, "flops_s": 2 * size**3 / statistics.median(taken)}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    device = "cpu" if arguments.cpu else "cuda:0"
    size, length = (64, 1 << 16) if arguments.cpu else (SIZE, COPY)
    path = folder(arguments) / "ceilings.json"
    receipt = {"machine": machine(arguments.cpu), "copy": copy(device, length, arguments.cpu), "products": {}}
    if not arguments.cpu:
        properties = torch.cuda.get_device_properties(0)
        receipt["multiprocessors"], receipt["memory_bytes"] = properties.multi_processor_count, properties.total_memory
        receipt["l2_bytes"] = getattr(properties, "L2_cache_size", None)
    for name, (dtype, allowed) in PRODUCTS.items():
        receipt["products"][name] = product(device, size, arguments.cpu, dtype, allowed)
        say(f"{name}: {receipt['products'][name]['flops_s'] / 1e12:.1f} TFLOP/s")
    write(path, receipt)
    say(f"copy: {receipt['copy']['bytes_s'] / 1e9:.0f} GB/s\n{path}")


if __name__ == "__main__":
    main()
