"""Serves the training step of one variant on an exported network; `--check` compares its gradients with the exported.

    step_worker.py --variant spikingjelly --dir DIR --threads 2
    step_worker.py --variant torch --dir DIR --threads 2 --check

A step is forward with loss, backward, and AdamW with the clearing of gradients; each is timed apart. The learning rate
is 0 by default: AdamW does all of its work, the weights stay, and with them the firing rates asked for.
"""

import argparse
import json
from importlib import import_module
from pathlib import Path

import torch
from networks import VARIANTS, build, channels_first, scores_of
from safetensors import safe_open
from serving import Clock, bytes_of, serve
from torch.nn import functional as F

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def load(folder: Path, gradients: bool) -> tuple[dict, dict]:
    """Configuration and tensors of an export."""
    with safe_open(folder / "step.safetensors", "pt") as file:
        names = [name for name in file.keys() if gradients or not name.startswith(("grad/", "spikes/"))]
        tensors = {name: file.get_tensor(name).to(torch.get_default_dtype(), copy=True) for name in names}
    return json.loads((folder / "step.json").read_text()), tensors


class Training:
    """Network, loss and optimiser of a variant."""

    def __init__(self, variant, config, tensors, lr=0.0, amp="none", compiled=False, layout=None):
        parts = VARIANTS[variant](config)
        self.config, self.amp = config, amp == "bf16"
        self.net, self.parameters, self.neurons = build(parts, config, tensors)
        layout = LAYOUTS[layout or parts.layout]
        self.net.train().to(memory_format=layout)
        self.frames = self.in_layout(tensors["frames"], layout)
        self.target = F.one_hot(tensors["labels"].long(), config["classes"]).to(self.frames.dtype)
        self.forward = torch.compile(self.loss, dynamic=False) if compiled else self.loss
        self.run = parts.run
        fused = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-4, "fused": True}
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=lr, **fused)

    @staticmethod
    def in_layout(frames, layout):
        """[T, B, H, W, C] as [T, B, C, H, W]; channels stay last in memory if they are to."""
        frames = channels_first(frames)
        return frames if layout == torch.channels_last else frames.contiguous()

    def loss(self):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.amp):
            spikes = self.run(self.net, self.frames)
        self.scores = scores_of(spikes.to(self.target.dtype), self.config["classes"])
        return F.mse_loss(self.scores, self.target)

    def step(self) -> dict:
        clock = Clock()
        loss = self.forward()
        times = {"forward_s": clock.lap()}
        loss.backward()
        times["backward_s"] = clock.lap()
        self.optimiser.step()
        self.optimiser.zero_grad()
        times["optimiser_s"] = clock.lap()
        return times


def distance(found, expected, scale=None) -> float:
    """The largest difference relative to the largest entry that was expected."""
    scale = expected.abs().max().item() if scale is None else scale
    return (found - expected).abs().max().item() / max(scale, 1e-30)


class Forced:
    """Lets neurons pass on the exported spikes, with their own derivative. Else the one current that two programs round
    to either side of the threshold would make another spike, and thereby other currents in all layers above."""

    def __init__(self, spikes):
        self.spikes, self.step, self.flips = channels_first(spikes), 0, 0

    def __call__(self, module, inputs, output):
        if output.numel() == self.spikes.numel():
            given = self.spikes.reshape(output.shape)
        else:
            given, self.step = self.spikes[self.step], self.step + 1
        self.flips += int((output.detach() != given).sum())
        return given + (output - output.detach())


def force(training: Training, tensors: dict) -> list[Forced]:
    """Of each layer whose spikes were exported."""
    forced = []
    for name, neurons in training.neurons.items():
        if f"spikes/{name}" in tensors:
            forced.append(Forced(tensors[f"spikes/{name}"]))
            neurons.register_forward_hook(forced[-1])
    return forced


def check(training: Training, tensors: dict) -> dict:
    """Distances of loss, scores and gradients. The bias before a batch norm has no gradient but rounding, so it is
    compared with the largest entry of that norm's own bias gradient."""
    forced = force(training, tensors)
    loss = training.forward()
    loss.backward()
    gradients = {}
    for name, (parameter, convert) in training.parameters.items():
        normed = tensors.get("grad/" + name.replace(".bias", ".norm.bias")) if name.endswith(".bias") else None
        scale = None if normed is None else normed.abs().max().item()
        gradients[name] = distance(parameter.grad, convert(tensors[f"grad/{name}"]), scale)
    found = {"loss": loss.item(), "expected_loss": tensors["loss"].item()}
    found["scores"] = distance(training.scores.detach(), tensors["scores"])
    found["flips"] = sum(layer.flips for layer in forced) if forced else None
    return found | {"largest": max(gradients.values()), "gradients": gradients}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--amp", choices=("none", "bf16"), default="none")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--layout", choices=LAYOUTS, help="of maps in memory; channels_last without it")
    parser.add_argument("--lr", type=float, default=0.0)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--double", action="store_true", help="check in double precision")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.double:
        torch.set_default_dtype(torch.float64)
    import_module(VARIANTS[arguments.variant].package)
    imported = bytes_of("VmRSS")
    config, tensors = load(arguments.dir, arguments.check)
    parts = {"amp": arguments.amp, "compiled": arguments.compile, "layout": arguments.layout, "lr": arguments.lr}
    training = Training(arguments.variant, config, tensors, **parts)
    if arguments.check:
        print(json.dumps(check(training, tensors)))
    else:
        tensors.clear()
        serve(training.step, {"import_bytes": imported})


if __name__ == "__main__":
    main()
