"""The peers: what each is, which SpikingJelly it takes, in which precision and layout it runs. Needs no torch.

SpikingJelly 2.0.0 has no argument `backend` any more, and no CuPy. Its LIF operator looks for an implementation in the
order native CUDA (only where it was built from source), Triton, torch; SJ_LIF_CUDA_IMPLEMENTATION names one instead, and an
implementation that is named but not there is an error, not a silent change. The last release with a CuPy backend on PyPI is
0.0.0.0.14, so that one is installed beside it, and a process imports the one or the other.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

OLD = Path(os.environ.get("SPIKEGRAD_OLD_SPIKINGJELLY", Path(__file__).resolve().parent / ".old"))
SELECTS = "SJ_LIF_CUDA_IMPLEMENTATION"


@dataclass(frozen=True)
class Variant:
    about: str
    new: str | None = None  # SpikingJelly 2.0.0: the implementation of its LIF operator
    old: str | None = None  # SpikingJelly 0.0.0.0.14: the backend of its neurons
    precision: str = "bf16"  # of the training step: an autocast, or tf32, PyTorch's default for convolutions in f32
    layout: str = "channels_last"  # of maps in memory

    def environment(self) -> dict[str, str]:
        """What a worker's environment needs for it."""
        if self.old:
            return {"PYTHONPATH": os.pathsep.join(filter(None, [str(OLD), os.environ.get("PYTHONPATH")]))}
        return {SELECTS: self.new} if self.new else {}

    def missing(self) -> str | None:
        """Why it cannot run here, as far as that shows without a device."""
        if self.old and not (OLD / "spikingjelly").is_dir():
            return f"SpikingJelly 0.0.0.0.14 is not in {OLD.name}; benches/peers/gpu/setup brings it"
        if self.old == "cupy" and not importlib.util.find_spec("cupy"):
            return "CuPy is not installed; benches/peers/gpu/setup brings it"
        if self.new and not importlib.util.find_spec("spikingjelly"):
            return "SpikingJelly 2.0.0 is not installed; benches/peers/gpu/setup brings it"
        if self.new == "cuda" and not importlib.util.find_spec("spikingjelly._ops.lif._C"):
            return "SpikingJelly's native kernels are not built; benches/peers/gpu/setup --native builds them"
        return None


VARIANTS = {
    "sj-triton": Variant("SpikingJelly 2.0.0, Triton", new="triton"),
    "sj-triton-16": Variant("SpikingJelly 2.0.0, Triton, 16-bit membranes", new="triton"),
    "sj-native": Variant("SpikingJelly 2.0.0, its CUDA kernels", new="cuda"),
    "sj-torch": Variant("SpikingJelly 2.0.0, torch", new="torch"),
    "sj-cupy": Variant("SpikingJelly 0.0.0.0.14, CuPy", old="cupy", precision="f16", layout="contiguous"),
    "sj-old-torch": Variant("SpikingJelly 0.0.0.0.14, torch", old="torch"),
    "paper": Variant("plain PyTorch, the paper's order", precision="tf32"),
    "folded": Variant("plain PyTorch, time folded"),
}
OPTIONS = {"compile": "torch.compile"}


def parse(name: str) -> tuple[str, list[str]]:
    """`folded+compile` as ("folded", ["compile"])."""
    variant, *options = name.split("+")
    if variant not in VARIANTS or not OPTIONS.keys() >= set(options):
        raise SystemExit(f"error: {name}: expected one of {', '.join(VARIANTS)}, then perhaps +{', +'.join(OPTIONS)}")
    return variant, options


def label(name: str) -> str:
    """As a table calls it."""
    if name == "ours":
        return "**ours**"
    base, *options = name.split("+")
    return ", ".join([VARIANTS[base].about, *(OPTIONS[option] for option in options)])
