"""One training step's network in each framework, with weights, masks and frames in our layout (channels last).

A variant says what its layers are and how it runs them over time; `build` puts them together from the paper's notation.
Frames come as [T, B, C, H, W], or [1, B, C, H, W] for a static image; a run returns the head's spikes [T, B, units].
"""

import re
from collections import Counter
from math import prod

import torch
from torch import nn
from torch.autograd import Function

THETA, DECAY, ALPHA = 0.5, 0.9, 0.2
NOTATION = {
    "small": "128C3-MP2-128C3-256C3-AP2-2048FC(DP)-10Voting",
    "middle": "128C3-MP2-128C3-MP2-256C3-AP2-512C3-AP4-DP-10Voting",
    "middle-cifar": "128C3-128C3-MP2-128C3-MP2-256C3-MP2-512C3-AP4-10Voting",
    "large": "128C3-128C3-MP2-128C3-MP2-256C3-MP2-512C3-AP2-1024C3-AP4-DP-10Voting",
}


def alpha_of(method: str) -> float:
    """How much of the membrane's gradient BPTA lets through a spike."""
    return {"bpsa": 0.0, "bpsa+bpta": ALPHA}[method]


# Neurons -------------------------------------------------------------------------------------------------------------


class Spike(Function):
    """1 where u reaches the threshold, with ∂o/∂u = 1/u there and 0 elsewhere; of u − θ, as frameworks ask for it."""

    @staticmethod
    def forward(ctx, above):
        ctx.save_for_backward(above)
        return (above >= 0).to(above.dtype)

    @staticmethod
    def backward(ctx, grad):
        (above,) = ctx.saved_tensors
        return torch.where(above >= 0, grad / (above + THETA), 0)


def backward_step(grad, carry, u, alpha):
    """∂L/∂u of one step from ∂L/∂o and λ · ∂L/∂v, which it may overwrite."""
    through = torch.add(grad, carry, alpha=alpha) if alpha else grad
    return torch.where(u >= THETA, through / u, carry)


class Step(Function):
    """Spikes and next membrane of one time step."""

    @staticmethod
    def forward(ctx, x, v, alpha):
        u = x + v
        fired = u >= THETA
        ctx.save_for_backward(u)
        ctx.alpha = alpha
        return fired.to(x.dtype), (DECAY * u).masked_fill_(fired, 0)

    @staticmethod
    def backward(ctx, grad, membrane):
        grad = backward_step(grad, DECAY * membrane, *ctx.saved_tensors, ctx.alpha)
        return grad, grad, None


class Scan(Function):
    """Spikes [T, …] of currents [T, …], or of one current [1, …] that stays the same for all T steps."""

    @staticmethod
    def forward(ctx, x, steps, alpha):
        ctx.alpha, ctx.constant = alpha, len(x) < steps
        wide = torch.promote_types(x.dtype, torch.float32)  # also under bf16
        potentials, spikes, v = [], [], None
        for t in range(steps):
            current = x[0 if ctx.constant else t]
            u = current.to(wide) if v is None else current + v
            fired = u >= THETA
            potentials.append(u)
            spikes.append(fired)
            v = (DECAY * u).masked_fill_(fired, 0)
        ctx.save_for_backward(*potentials)
        return torch.stack(spikes).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        potentials = ctx.saved_tensors
        carry, grads = torch.zeros_like(potentials[0]), [None] * len(potentials)
        for t in reversed(range(len(potentials))):
            grads[t] = backward_step(grad[t], carry, potentials[t], ctx.alpha)
            carry = DECAY * grads[t]
        grads = sum(grads).unsqueeze(0) if ctx.constant else torch.stack(grads)
        return grads.to(grad.dtype), None, None


# Layers --------------------------------------------------------------------------------------------------------------


class Mask(nn.Module):
    """Neuron dropout by a given mask [B, …], the same for all steps that come as [B, …], [T, B, …] or [T · B, …]."""

    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, x):
        return (x.reshape(-1, *self.mask.shape) * self.mask).reshape(x.shape)


class Loop:
    """Ordinary layers in a Python loop: each time step goes through the whole network before the next one."""

    package = "torch"
    native = {"norm": "step"}  # what its gradients are the gradients of, where the configuration cannot change it
    layout = "channels_last"  # of maps in memory
    hwc = False  # the order in which maps are flattened

    def __init__(self, config):
        self.steps, self.batch = config["steps"], config["batch"]
        self.norm_over, self.alpha = config["norm"], alpha_of(config["method"])

    conv = staticmethod(nn.Conv2d)
    norm = staticmethod(nn.BatchNorm2d)
    relu = staticmethod(nn.ReLU)
    max_pool = staticmethod(nn.MaxPool2d)
    avg_pool = staticmethod(nn.AvgPool2d)
    flatten = staticmethod(nn.Flatten)
    linear = staticmethod(nn.Linear)
    mask = staticmethod(Mask)
    sequence = staticmethod(nn.Sequential)

    def frames(self, x):
        return x.expand(self.steps, *x.shape[1:])

    def run(self, net, x):
        self.reset(net)
        return torch.stack([net(frame) for frame in self.frames(x)])


class Paper(Loop):
    """The released code's order and method in plain PyTorch, with one autograd function for a neuron's step."""

    native = {"norm": "step", "method": "bpsa+bpta"}

    class Neuron(nn.Module):
        def __init__(self, alpha):
            super().__init__()
            self.alpha, self.v = alpha, None

        def forward(self, x):
            v = torch.zeros_like(x) if self.v is None else self.v
            spikes, self.v = Step.apply(x, v, self.alpha)
            return spikes

    def neuron(self):
        return self.Neuron(ALPHA)

    def reset(self, net):
        for module in net.modules():
            if isinstance(module, self.Neuron):
                module.v = None


class SnnTorch(Loop):
    """snnTorch as its convolutional tutorial has it: Leaky with hidden state in nn.Sequential, called once a step.

    Leaky with reset to zero is our neuron, takes BPSA's derivative as `spike_grad`, and detaches the reset itself.
    """

    package = "snntorch"
    native = {"norm": "step", "method": "bpsa"}

    def neuron(self):
        from snntorch import Leaky

        return Leaky(DECAY, threshold=THETA, reset_mechanism="zero", spike_grad=Spike.apply, init_hidden=True)

    def reset(self, net):
        from snntorch import utils

        utils.reset(net)


class Norse(Loop):
    """Norse's LIFBoxCell in SequentialState, called once a step.

    The cell moves by a tenth of (current − membrane), so its membrane is a tenth of ours, and so is its threshold: same
    spikes. Its derivative (SuperSpike) and the gradient through its reset are its own: it takes no others.
    """

    package = "norse"
    native = {"norm": "step", "method": None}

    def neuron(self):
        from norse.torch import LIFBoxCell
        from norse.torch.functional.lif_box import LIFBoxParameters

        scale = 1 - DECAY
        return LIFBoxCell(LIFBoxParameters(torch.tensor(scale), v_th=torch.tensor(scale * THETA)), dt=1.0)

    def sequence(self, *layers):
        from norse.torch import SequentialState

        return SequentialState(*layers)

    def run(self, net, x):
        outputs, state = [], None
        for frame in self.frames(x):
            spikes, state = net(frame, state)
            outputs.append(spikes)
        return torch.stack(outputs)


class SpikingJelly(Loop):
    """SpikingJelly's multi-step mode, torch backend, with BPSA's derivative as surrogate function."""

    package = "spikingjelly.activation_based"
    native = {"norm": "time", "method": "bpsa"}

    def __init__(self, config):
        super().__init__(config)
        from spikingjelly.activation_based import functional, layer, neuron, surrogate

        self.functional, self.node, self.surrogates = functional, neuron.LIFNode, surrogate
        self.conv, self.norm, self.linear = layer.Conv2d, layer.BatchNorm2d, layer.Linear
        self.max_pool, self.avg_pool, self.flatten = layer.MaxPool2d, layer.AvgPool2d, layer.Flatten

    def surrogate(self):
        base = self.surrogates.SurrogateFunctionBase
        return type("Bpsa", (base,), {"spiking_function": staticmethod(Spike.apply)})()

    def neuron(self):
        tau = 1 / (1 - DECAY)
        return self.node(tau, False, THETA, 0.0, self.surrogate(), detach_reset=True, step_mode="m")

    def sequence(self, *layers):
        net = nn.Sequential(*layers)
        self.functional.set_step_mode(net, "m")
        return net

    def run(self, net, x):
        self.functional.reset_net(net)
        return net(self.frames(x))


class SpikingJellyAtan(SpikingJelly):
    """The same with a derivative of its own, ATan, for which it has a hand-written backward pass over all steps."""

    native = {"norm": "time", "method": None}

    def surrogate(self):
        return self.surrogates.ATan()


class StepNorm(nn.BatchNorm2d):
    """Batch norm of [T · B, C, H, W] by the statistics of each step."""

    def __init__(self, channels, batch):
        super().__init__(channels)
        self.batch = batch

    def forward(self, x):
        return torch.cat([super(StepNorm, self).forward(step) for step in x.split(self.batch)])


class Torch(Loop):
    """Plain PyTorch at its best: time folded into the batch, one autograd function over all steps of a layer's neurons,
    the first convolution of a static image computed once."""

    native = {}
    hwc = True

    class Neuron(nn.Module):
        def __init__(self, steps, batch, alpha):
            super().__init__()
            self.steps, self.batch, self.alpha = steps, batch, alpha

        def forward(self, x):
            return Scan.apply(x.unflatten(0, (-1, self.batch)), self.steps, self.alpha).flatten(0, 1)

    class Flatten(nn.Module):
        """In the order H, W, C, which costs nothing if channels come last in memory."""

        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    flatten = Flatten

    def norm(self, channels):
        return nn.BatchNorm2d(channels) if self.norm_over == "time" else StepNorm(channels, self.batch)

    def neuron(self):
        return self.Neuron(self.steps, self.batch, self.alpha)

    def run(self, net, x):
        return net(x.flatten(0, 1)).unflatten(0, (self.steps, self.batch))


VARIANTS = {
    "spikingjelly": SpikingJelly,
    "spikingjelly-atan": SpikingJellyAtan,
    "snntorch": SnnTorch,
    "norse": Norse,
    "paper": Paper,
    "torch": Torch,
}


# Networks ------------------------------------------------------------------------------------------------------------


def stages(notation: str):
    """(name, kind, number, kernel) of each stage; names as in an exported file: `128C3-2`."""
    seen = Counter()
    for text in notation.split("-"):
        seen[text] += 1
        number, kind, kernel = re.fullmatch(r"(\d*)([A-Z][A-Za-z()]*)(\d*)", text).groups()
        yield f"{text}-{seen[text]}", kind, int(number or 0), int(kernel or 0)


def channels_first(x):
    """[…, H, W, C] as […, C, H, W], of arrays with more than three axes; a row of units stays as it is."""
    return x.movedim(-1, -3) if x.dim() > 3 else x


def from_conv(weight):
    return weight.permute(3, 2, 0, 1)


def from_linear(weight):
    return weight.t()


def from_linear_on_maps(shape):
    """Of maps [H, W, C] that are flattened in the order C, H, W."""
    return lambda weight: weight.unflatten(0, shape).permute(3, 2, 0, 1).flatten(1)


def build(parts: Loop, config: dict, tensors: dict):
    """The network; by exported name each parameter and what brings our layout into its own; by stage the neurons."""
    layers, parameters, neurons = [], {}, {}
    shape = list(tensors["frames"].shape[2:])  # H, W, C, and one number of units once flattened

    def tie(name, module, convert):
        for end, turn in ((".weight", convert), (".bias", torch.Tensor.clone)):
            parameter = getattr(module, end[1:])
            parameters[name + end] = parameter, turn
            with torch.no_grad():
                parameter.copy_(turn(tensors[name + end]))
        layers.append(module)

    def linear(name, units):
        maps = len(shape) == 3
        if maps:
            layers.append(parts.flatten())
        convert = from_linear_on_maps(shape[:]) if maps and not parts.hwc else from_linear
        tie(name, parts.linear(prod(shape), units), convert)
        shape[:] = [units]

    def mask(name):
        layers.append(parts.mask(channels_first(tensors[f"mask/{name}"]).contiguous()))

    def fire(name):
        neurons[name] = parts.neuron()
        layers.append(neurons[name])

    for name, kind, number, size in stages(config.get("notation") or NOTATION[config["net"]]):
        if kind == "C":
            tie(name, parts.conv(shape[2], number, size, padding=size // 2), from_conv)
            tie(f"{name}.norm", parts.norm(number), torch.Tensor.clone)
            layers.append(parts.relu())
            fire(name)
            shape[2] = number
        elif kind in ("MP", "AP"):
            layers.append((parts.max_pool if kind == "MP" else parts.avg_pool)(size))
            shape[:2] = [shape[0] // size, shape[1] // size]
        elif kind == "DP":
            mask(name)
        elif kind in ("FC", "FC(DP)"):
            linear(name, number)
            layers.append(parts.relu())
            if kind == "FC(DP)":
                mask(name)
            fire(name)
        else:
            linear("head", number * config["classes"])
            fire("head")
    return parts.sequence(*layers), parameters, neurons


def scores_of(spikes, classes):
    """Votes [B, classes] of the head's spikes [T, B, units]."""
    return spikes.mean(0).unflatten(-1, (classes, -1)).mean(-1)
