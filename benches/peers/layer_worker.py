"""Serves one layer: `--onm N`, Linear(N, N) and LIF of the Open Neuromorphic protocol, or `--lif N`, N neurons alone.

The protocol takes each library's own LIF, with the constants chosen there; gradients are cleared between two passes.
Alone, the neurons are those of the paper with the derivative of BPSA where the library takes one, and the gradient of
the spikes is given. The variant `copy` moves the bytes that a layer of neurons has to read and write, by memory copies
between buffers in use: x and spikes on the way forward; x, the gradient of the spikes and that of x on the way back.
"""

import argparse

import torch
from networks import VARIANTS, Scan
from serving import Clock, bytes_of, serve
from torch import nn

BATCH, STEPS = 16, 500  # of the protocol


class TorchLayer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.linear = nn.Linear(n, n)

    def forward(self, x):
        return Scan.apply(self.linear(x), len(x), 0.0)


class SnnTorchLayer(nn.Module):
    def __init__(self, n):
        super().__init__()
        from snntorch import Leaky

        self.linear, self.lif = nn.Linear(n, n), Leaky(beta=0.95)

    def forward(self, x):
        membrane, spikes = self.lif.reset_mem(), []
        for frame in x:
            spike, membrane = self.lif(self.linear(frame), membrane)
            spikes.append(spike)
        return torch.stack(spikes)


class NorseLayer(nn.Module):
    def __init__(self, n):
        super().__init__()
        from norse.torch import LIF, SequentialState

        self.net = SequentialState(nn.Linear(n, n), LIF())

    def forward(self, x):
        return self.net(x)[0]


class SpikingJellyLayer(nn.Module):
    def __init__(self, n):
        super().__init__()
        from spikingjelly.activation_based import functional, layer, neuron, surrogate

        self.reset = functional.reset_net
        node = neuron.LIFNode(tau=5.0, surrogate_function=surrogate.ATan(), step_mode="m")
        self.net = nn.Sequential(layer.Linear(n, n, step_mode="m"), node)

    def forward(self, x):
        self.reset(self.net)
        return self.net(x)


LAYERS = {"spikingjelly-atan": SpikingJellyLayer, "snntorch": SnnTorchLayer, "norse": NorseLayer, "torch": TorchLayer}


class Onm:
    """Forward and backward of the protocol."""

    def __init__(self, variant, n):
        self.layer, self.x = LAYERS[variant](n), torch.randn(STEPS, BATCH, n)

    def step(self) -> dict:
        clock = Clock()
        spikes = self.layer(self.x)
        times = {"forward_s": clock.lap()}
        spikes.sum().backward()
        times["backward_s"] = clock.lap()
        self.layer.zero_grad()
        return times


class Lif:
    """Forward and backward of neurons alone, whose currents are near the threshold."""

    def __init__(self, variant, n, steps):
        self.parts = VARIANTS[variant]({"steps": steps, "batch": 1, "norm": "time", "method": "bpsa"})
        self.net = self.parts.sequence(self.parts.neuron())
        self.x = (torch.randn(steps, 1, n) * 0.25).requires_grad_()
        self.grad = torch.randn(steps, 1, n)

    def step(self) -> dict:
        clock = Clock()
        spikes = self.parts.run(self.net, self.x)
        times = {"forward_s": clock.lap()}
        spikes.backward(self.grad)
        times["backward_s"] = clock.lap()
        self.x.grad = None
        return times


class Copy:
    """A copy reads and writes: of 2 arrays' bytes on the way forward, of 3 on the way back."""

    def __init__(self, n, steps):
        self.source, self.target = torch.zeros(steps * n * 3 // 2), torch.ones(steps * n * 3 // 2)
        self.forward = steps * n

    def step(self) -> dict:
        clock = Clock()
        self.target[: self.forward].copy_(self.source[: self.forward])
        times = {"forward_s": clock.lap()}
        self.target.copy_(self.source)
        return times | {"backward_s": clock.lap()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=[*VARIANTS, "copy"], required=True)
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--onm", type=int)
    size.add_argument("--lif", type=int)
    parser.add_argument("--steps", type=int, default=16, help="of --lif")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    imported = bytes_of("VmRSS")
    if arguments.onm:
        layer = Onm(arguments.variant, arguments.onm)
    elif arguments.variant == "copy":
        layer = Copy(arguments.lif, arguments.steps)
    else:
        layer = Lif(arguments.variant, arguments.lif, arguments.steps)
    serve(layer.step, {"import_bytes": imported})


if __name__ == "__main__":
    main()
