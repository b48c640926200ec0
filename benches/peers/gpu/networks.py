"""The paper's networks in PyTorch and SpikingJelly on a card, from the layer lists of ../networks.py, and one training step.

Weights are PyTorch's own initial values, so programs share the network but not its numbers; dense kernels take the same
time whatever these are. What SpikingJelly's neuron cannot be told stays its own: its derivative is ATan's where ours is 1/u,
and no gradient passes a spike. Forward it is the same neuron: u = 0.9 v + x, threshold 0.5, reset to 0.
"""

from contextlib import nullcontext
from math import prod

import torch
from common import of_the_cpu
from layers import neurons, sixteen_bits
from torch import nn
from torch.nn import functional as F
from variants import VARIANTS
from work import SHAPES, STATIC

cpu = of_the_cpu("networks")
DENSITY = 0.05  # of pixels set in an event frame
AUTOCAST = {"bf16": torch.bfloat16, "f16": torch.float16}
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


class Dropout(nn.Module):
    """Drops the same neurons at all time steps of a pass; they come step by step, or folded into the batch."""

    def __init__(self, batch: int):
        super().__init__()
        self.batch, self.mask = batch, None

    def forward(self, x):
        if not self.training:
            return x
        if self.mask is None:
            self.mask = F.dropout(torch.ones_like(x[: self.batch]), 0.5)
        return (x.unflatten(0, (-1, self.batch)) * self.mask).flatten(0, 1)


def forget_masks(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, Dropout):
            module.mask = None


class Paper(cpu.Paper):
    """The order of the released code: each step through all layers, batch norm by step; one autograd function for a
    neuron's step, where the released code leaves it to autograd."""

    def dropout(self):
        return Dropout(self.batch)

    def reset(self, net):
        super().reset(net)
        forget_masks(net)


class Folded(cpu.Torch):
    """Time folded into the batch, one autograd function over all steps of a layer's neurons, BPSA + BPTA."""

    def dropout(self):
        return Dropout(self.batch)

    def run(self, net, x):
        forget_masks(net)
        return super().run(net, x)


class SpikingJelly(cpu.SpikingJelly):
    """Multi-step layers, ATan, reset detached: LIFNode(tau=10, decay_input=False, v_threshold=0.5, v_reset=0)."""

    def __init__(self, config):
        super().__init__(config)
        from spikingjelly.activation_based import layer

        self.variant, self.dropouts = config["variant"], layer.Dropout

    def neuron(self):
        tau = 1 / (1 - cpu.DECAY)
        constants = {"tau": tau, "decay_input": False, "v_threshold": cpu.THETA, "v_reset": 0.0, "detach_reset": True}
        return neurons(self.variant, self.surrogates.ATan(), **constants)

    def dropout(self):
        return self.dropouts(0.5)


PARTS = {"paper": Paper, "folded": Folded}


def build(parts, notation: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network of a layer list; the shape is that of a frame: channels, height, width."""
    layers, shape = [], list(shape)

    def linear(units):
        if len(shape) == 3:
            layers.append(parts.flatten())
        layers.append(parts.linear(prod(shape), units))
        shape[:] = [units]

    for _, kind, number, size in cpu.stages(notation):
        if kind == "C":
            conv = parts.conv(shape[0], number, size, padding=size // 2)
            layers.extend([conv, parts.norm(number), parts.relu(), parts.neuron()])
            shape[0] = number
        elif kind in ("MP", "AP"):
            layers.append((parts.max_pool if kind == "MP" else parts.avg_pool)(size))
            shape[1:] = [shape[1] // size, shape[2] // size]
        elif kind == "DP":
            layers.append(parts.dropout())
        elif kind in ("FC", "FC(DP)"):
            linear(number)
            layers.extend([parts.relu(), *([parts.dropout()] if kind == "FC(DP)" else []), parts.neuron()])
        else:
            linear(number * classes)
            layers.append(parts.neuron())
    return parts.sequence(*layers)


def frames(case: dict, device: str, layout: str) -> torch.Tensor:
    """[T or 1, B, C, H, W]: uniform noise for pictures, sparse ones for events; channels last in memory, or not."""
    channels, height, width = SHAPES[case["net"]]
    static = case["net"] in STATIC
    noise = torch.rand(1 if static else case["steps"], case["batch"], height, width, channels, device=device)
    made = cpu.channels_first(noise if static else (noise < DENSITY).to(noise.dtype))
    return made if layout == "channels_last" else made.contiguous()


class Training:
    """Network, loss and optimiser of a variant. The learning rate is 0: AdamW does all of its work, the network stays."""

    def __init__(self, name: str, case: dict, device: str, compiled: bool):
        variant, classes = VARIANTS[name], case["classes"]
        config = {"steps": case["steps"], "batch": case["batch"], "norm": "time", "method": "bpsa+bpta", "variant": name}
        parts = PARTS.get(name, SpikingJelly)(config)
        self.net = build(parts, case["notation"], SHAPES[case["net"]], classes).to(device)
        if name == "sj-triton-16":
            self.net = sixteen_bits(self.net, device, variant.precision)
        self.net.train().to(memory_format=LAYOUTS[variant.layout])
        self.run, self.classes = parts.run, classes
        self.frames = frames(case, device, variant.layout)
        self.target = F.one_hot(torch.randint(classes, (case["batch"],), device=device), classes).float()
        dtype = AUTOCAST.get(variant.precision)
        self.cast = (lambda: torch.autocast(device.split(":")[0], dtype)) if dtype else nullcontext
        self.scaler = torch.amp.GradScaler(device.split(":")[0], enabled=dtype == torch.float16)
        self.forward = torch.compile(self.loss, dynamic=False) if compiled else self.loss
        fused = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-4, "fused": True}
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=0.0, **fused)
        parameters = sum(parameter.numel() for parameter in self.net.parameters())
        self.facts = {"precision": variant.precision, "layout": variant.layout, "parameters": parameters}

    def loss(self):
        with self.cast():
            spikes = self.run(self.net, self.frames)
        return F.mse_loss(cpu.scores_of(spikes.float(), self.classes), self.target)

    def step(self, lap) -> None:
        self.scaler.scale(self.forward()).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad()
