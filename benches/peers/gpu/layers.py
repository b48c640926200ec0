"""One layer of SpikingJelly: neurons as in its published sweep, and a linear layer with neurons by Open Neuromorphic."""

import torch
from torch import nn
from variants import VARIANTS

DTYPES = {"f16": torch.float16, "f32": torch.float32}
DEFAULT = {"tau": 2.0, "decay_input": True, "v_threshold": 1.0, "v_reset": 0.0, "detach_reset": False}  # of LIFNode


class Lif(nn.Module):
    """SpikingJelly 2.0.0's LIF operator with f32 membranes, whatever the precision of the currents.

    Its LIFNode keeps membranes in the precision of the currents, and for 16 bits then takes a loop of torch operations, on
    any device; `functional.lif_multi_step` takes an f32 membrane and goes to the implementation asked for.
    """

    def __init__(self, surrogate, **constants):
        super().__init__()
        from spikingjelly.activation_based import functional

        self.run, self.surrogate = functional.lif_multi_step, surrogate
        self.constants = {**DEFAULT, **constants}

    def forward(self, x):
        membrane = torch.zeros_like(x[0], dtype=torch.float32)
        return self.run(x, membrane, surrogate_function=self.surrogate, **self.constants)[0]


def neurons(name: str, surrogate, **constants) -> nn.Module:
    """LIF neurons over all time steps, of the variant."""
    from spikingjelly.activation_based import neuron

    variant = VARIANTS[name]
    if variant.old:
        return neuron.LIFNode(**constants, surrogate_function=surrogate, step_mode="m", backend=variant.old)
    if name == "sj-triton-16":
        return neuron.LIFNode(**constants, surrogate_function=surrogate, step_mode="m")
    return Lif(surrogate, **constants)


def sixteen_bits(net: nn.Module, device: str, precision: str) -> nn.Module:
    """SpikingJelly's own way to 16-bit membranes: Triton kernels of their own, which it autotunes for each shape."""
    from spikingjelly.activation_based.precision import PrecisionConfig, prepare_model_for_precision

    mode = {"f16": "fp16", "bf16": "bf16"}[precision]
    return prepare_model_for_precision(net, device, PrecisionConfig(mode=mode, neuron_storage=mode)).model


class Sweep:
    """Neurons alone, as SpikingJelly's tutorial on its Triton backend times them: LIFNode as it comes, currents uniform
    from 0 to 1, the gradient that of the sum of spikes."""

    def __init__(self, name: str, case: dict, device: str):
        from spikingjelly.activation_based import functional, surrogate

        dtype = DTYPES[case["dtype"]]
        self.net = neurons(name, surrogate.Sigmoid()).to(device)
        if name == "sj-triton-16":
            self.net = sixteen_bits(self.net, device, case["dtype"])
        self.reset = functional.reset_net
        self.x = torch.rand(case["steps"], *case["neurons"], device=device, dtype=dtype, requires_grad=True)
        self.facts = {"precision": case["dtype"]}

    def step(self, lap) -> None:
        self.net(self.x).sum().backward()
        self.x.grad = None
        self.reset(self.net)


class Onm:
    """Linear(n, n) and LIF, the constants that Open Neuromorphic gives SpikingJelly; forward and backward apart."""

    def __init__(self, name: str, case: dict, device: str):
        from spikingjelly.activation_based import functional, layer, surrogate

        torch.set_float32_matmul_precision({"f32": "highest", "tf32": "high"}[case["precision"]])
        n = case["neurons"]
        lif = neurons(name, surrogate.ATan(), tau=5.0)
        self.net = nn.Sequential(layer.Linear(n, n, step_mode="m"), lif).to(device)
        self.reset = functional.reset_net
        self.x = torch.randn(case["steps"], case["batch"], n, device=device)
        self.facts = {"precision": case["precision"]}

    def step(self, lap) -> None:
        self.reset(self.net)
        spikes = self.net(self.x)
        lap()
        spikes.sum().backward()
        self.net.zero_grad()


KINDS = {"lif": Sweep, "onm": Onm}
