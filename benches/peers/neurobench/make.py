"""Runs NeuroBench on small networks and writes what it says, with weights and inputs, to one file that
crates/energy/tests/neurobench.rs reads.

    python make.py [OUT]      OUT: crates/energy/tests/neurobench/cases.json of this checkout

Networks, weights and inputs are seeded, so the file comes out the same every time. Neurons are snnTorch's own
`Leaky(reset_mechanism="zero")`, whose step is ours with another cut between steps: it keeps u[t] before the reset and applies
reset and leak at the start of t + 1, so u[t] = 0.9 * (1 - o[t-1]) * u[t-1] + x[t], and it fires where u > threshold, as
the baseline of the paper does. Spikes and membranes are the same numbers.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import snntorch
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.static import ConnectionSparsity, Footprint, ParameterCount
from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, NeuronOperations, SynapticOperations
from neurobench.models import SNNTorchModel, TorchModel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DECAY, THRESHOLD = 0.9, 0.5
SAMPLES, BATCH = 8, 5  # so the last batch is smaller
STATIC = [Footprint, ParameterCount, ConnectionSparsity]
WORKLOAD = [SynapticOperations, ActivationSparsity, MembraneUpdates]


def neuron(last=False):
    return snntorch.Leaky(beta=DECAY, threshold=THRESHOLD, reset_mechanism="zero", init_hidden=True, output=last)


def weights(shape, generator, fan_in):
    """Small multiples of 1/64 whose sums are exact in f32 in any order; about a quarter are zero."""
    most = max(4, int(128 / fan_in**0.5))
    values = torch.randint(-most, most + 1, shape, generator=generator)
    zero = torch.rand(shape, generator=generator) < 0.25
    return values.masked_fill(zero, 0) / 64


def fill(net, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight.copy_(weights(module.weight.shape, generator, module.weight[0].numel()))
                module.bias.copy_(weights(module.bias.shape, generator, 1024))
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.copy_(torch.randint(32, 96, tensor.shape, generator=generator) / 64)
                for tensor in (module.bias, module.running_mean):
                    tensor.copy_(torch.randint(-16, 16, tensor.shape, generator=generator) / 64)
    return net


def convolutional(spiking):
    """4C3-AP2-6C3-MP2-8FC-2Voting for 10 x 10 x 2 and three classes."""
    fire = neuron if spiking else (lambda last=False: None)
    stages = [
        *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), fire(), nn.AvgPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), fire(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(24, 8), nn.ReLU(), fire(), nn.Linear(8, 6), fire(last=True)),
    ]
    return nn.Sequential(*(stage for stage in stages if stage is not None))


def linear():
    """12FC-2Voting for 6 x 6 x 1 and three classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), neuron(), nn.Linear(12, 6), neuron(last=True))


def head():
    """4Voting for 6 x 6 x 1 and three classes: the only one without ReLU, which NeuronOperations cannot take."""
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12), neuron(last=True))


def counts(shape, seed, most_by_step):
    """Frames [N, T, C, H, W] of counts, at most so many at each step."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.zeros(SAMPLES, len(most_by_step), *shape)
    for t, most in enumerate(most_by_step):
        drawn = torch.randint(1, most + 1, (SAMPLES, *shape), generator=generator).float()
        frames[:, t] = drawn * (torch.rand(SAMPLES, *shape, generator=generator) < 0.3)
    return frames


def ours(tensor):
    """A tensor as shape and values."""
    return {"shape": list(tensor.shape), "values": tensor.flatten().tolist()}


def exported(net, stages, map_shape):
    """Weights under our names and in our layouts: [k, k, in, out], and [in, out] with inputs in the order H, W, C."""
    out, names, maps = {}, iter(stages), map_shape
    for module in net:
        if isinstance(module, nn.Conv2d):
            name = next(names)
            out[f"{name}.weight"] = ours(module.weight.permute(2, 3, 1, 0))
            out[f"{name}.bias"] = ours(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            for field in ("weight", "bias", "running_mean", "running_var"):
                out[f"{name}.norm.{field}"] = ours(getattr(module, field))
        elif isinstance(module, nn.Linear):
            name, outputs = next(names), module.out_features
            weight = module.weight.reshape(outputs, *maps).permute(2, 3, 1, 0).reshape(-1, outputs)
            out[f"{name}.weight"], out[f"{name}.bias"] = ours(weight), ours(module.bias)
            maps = (outputs, 1, 1)
    return out


def clear_of_threshold(net, frames):
    """No membrane is so near the threshold that another order of rounding could change a spike."""
    margins = []
    watch = lambda module, x, y: margins.append((module.mem - THRESHOLD).abs())
    hooks = [m.register_forward_hook(watch) for m in net.modules() if isinstance(m, snntorch.Leaky)]
    SNNTorchModel(net)(frames)
    for hook in hooks:
        hook.remove()
    margins = torch.cat([m.flatten() for m in margins])
    return margins[margins > 0].min().item() > 1e-5


def case(name, notation, net, stages, flat_shape, frames, spiking=True, neuron_operations=False):
    with torch.no_grad():
        if spiking:
            assert clear_of_threshold(net.eval(), frames), f"{name}: a membrane nearly at the threshold; take another seed"
            snntorch.utils.reset(net)
            for module in net:  # as if it had never run: a footprint counts the membranes that are there
                if isinstance(module, snntorch.Leaky):
                    module.mem = torch.zeros(0)
        data = DataLoader(TensorDataset(frames if spiking else frames[:, 0], torch.zeros(SAMPLES)), batch_size=BATCH)
        workload = WORKLOAD + [NeuronOperations] if neuron_operations else WORKLOAD
        model = SNNTorchModel(net) if spiking else TorchModel(net)
        results = Benchmark(model, data, [], [], [STATIC, workload]).run(quiet=True)
    batches = [ours(batch.permute(1, 0, 3, 4, 2)) for batch in frames.split(BATCH)]  # [T, B, H, W, C]
    print(name, json.dumps(results, indent=2))
    return {
        "name": name,
        "notation": notation,
        "sample": [frames.shape[3], frames.shape[4], frames.shape[2]],
        "classes": 3,
        "analogue": not spiking,
        "weights": exported(net, stages, flat_shape),
        "batches": batches,
        "results": results,
    }


def main(out):
    conv, stages = "4C3-AP2-6C3-MP2-8FC-2Voting", ["4C3-1", "6C3-1", "8FC-1", "head"]
    image = torch.rand(SAMPLES, 1, 2, 10, 10, generator=torch.Generator().manual_seed(5)).mul(16).round() / 16
    cases = [
        case("conv", conv, fill(convolutional(True), 1), stages, (6, 2, 2), counts((2, 10, 10), 2, [1, 3, 1, 2])),
        case("linear", "12FC-2Voting", fill(linear(), 3), ["12FC-1", "head"], (1, 6, 6), counts((1, 6, 6), 4, [1] * 4)),
        case(
            *("head", "4Voting", fill(head(), 6), ["head"], (1, 6, 6), counts((1, 6, 6), 7, [1, 1, 4, 1])),
            neuron_operations=True,
        ),
        case("analogue", conv, fill(convolutional(False), 8), stages, (6, 2, 2), image, spiking=False),
    ]
    versions = {name: version(name) for name in ("neurobench", "snntorch", "torch")}
    out.parent.mkdir(parents=True, exist_ok=True)
    text = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    out.write_text(f'{{"versions":{json.dumps(versions)},"cases":[\n{text}\n]}}\n')


if __name__ == "__main__":
    default = Path(__file__).parents[3] / "crates/energy/tests/neurobench/cases.json"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
