#!/usr/bin/env python3
"""Files as torch.save lays them out, in every pickle protocol that it offers, made by Python's own pickle with
stand-ins for PyTorch's classes: plain-<protocol>.pth, a state dict, and lightning-<protocol>.pth, a checkpoint
with other objects around it; tiny.pth has one tensor. The others are of the network 2C3-2C3-AP28-1Voting for MNIST: parameters, then running
statistics, count up in eighths, as in the file that PyTorch itself wrote (torch.pth). Needs nothing but Python.
"""
import collections
import io
import pathlib
import pickle
import struct
import sys
import types
import zipfile

HERE = pathlib.Path(__file__).parent


def module(name, **names):
    made = types.ModuleType(name)
    sys.modules[name] = made
    for key, value in names.items():
        value.__module__, value.__qualname__ = name, key
        setattr(made, key, value)


def a_function():
    return lambda *_: None


class Storage:
    def __init__(self, kind, values):
        self.kind, self.values = kind, values


class Tensor:
    def __init__(self, kind, shape, values):
        self.storage, self.shape = Storage(kind, values), shape

    def __reduce_ex__(self, _):
        strides, step = [], 1
        for size in reversed(self.shape):
            strides.insert(0, step)
            step *= size
        described = (self.storage, 0, tuple(self.shape), tuple(strides), False, collections.OrderedDict())
        return sys.modules["torch._utils"]._rebuild_tensor_v2, described


module("torch", **{f"{kind}Storage": type(f"{kind}Storage", (), {}) for kind in ("Float", "Double", "Half", "BFloat16", "Long")})
module("torch._utils", _rebuild_tensor_v2=a_function())
module("torch.optim", SGD=type("SGD", (), {}))
module("project")
module("lightning")
module("project.settings", Settings=type("Settings", (dict,), {}))
module("lightning.callbacks", ModelCheckpoint=type("ModelCheckpoint", (), {}))

FORMS = {
    "Float": lambda v: struct.pack("<f", v),
    "Double": lambda v: struct.pack("<d", v),
    "Half": lambda v: struct.pack("<e", v),
    "BFloat16": lambda v: struct.pack("<f", v)[2:],
    "Long": lambda v: struct.pack("<q", int(v)),
}


def save(name, what, protocol):
    storages = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, what):
            if not isinstance(what, Storage):
                return None
            if what not in storages:
                storages.append(what)
            kind = getattr(sys.modules["torch"], f"{what.kind}Storage")
            return "storage", kind, str(storages.index(what)), "cpu", len(what.values)

    text = io.BytesIO()
    Pickler(text, protocol).dump(what)
    with zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_STORED) as archive:
        def put(file, data):
            archive.writestr(zipfile.ZipInfo(f"archive/{file}", (1980, 1, 1, 0, 0, 0)), data)
        put("data.pkl", text.getvalue())
        put("byteorder", b"little")
        for key, storage in enumerate(storages):
            put(f"data/{key}", b"".join(FORMS[storage.kind](v) for v in storage.values))
        put("version", b"3\n")


def network(kind):
    """Names and shapes of layers 0 (conv), 1 (norm), 4, 5 and 10 (linear)."""
    shapes = {"fun.0.weight": [2, 1, 3, 3], "fun.0.bias": [2], "fun.1.weight": [2], "fun.1.bias": [2]}
    shapes |= {"fun.4.weight": [2, 2, 3, 3], "fun.4.bias": [2], "fun.5.weight": [2], "fun.5.bias": [2]}
    shapes |= {"fun.10.weight": [10, 2], "fun.10.bias": [10]}
    shapes |= {f"fun.{norm}.running_{what}": [2] for norm in (1, 5) for what in ("mean", "var")}
    tensors, next_value = collections.OrderedDict(), 0
    for name, shape in shapes.items():
        n = 1
        for size in shape:
            n *= size
        tensors[name] = Tensor(kind, shape, [(next_value + i) / 8 for i in range(n)])
        next_value += n
    for norm in (1, 5):
        tensors[f"fun.{norm}.num_batches_tracked"] = Tensor("Long", [], [7])
    tensors._metadata = collections.OrderedDict({"": {"version": 1}})
    return tensors


def lightning(prefix):
    settings = sys.modules["project.settings"].Settings(rate=1e-3)
    settings.names = {"a", "b"}
    return {
        "epoch": 3,
        "global_step": 1 << 40,
        "pytorch-lightning_version": "2.5.1",
        "state_dict": collections.OrderedDict((prefix + name, tensor) for name, tensor in network("Float").items()),
        "loops": {"fit_loop": {"state": {}, "done": None, "some": [1, 2, (3, True)]}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": Tensor("Float", [], [0.5]), "kept": b"\0\1"}},
        "optimizer_states": [{"state": {0: {"step": Tensor("Float", [], [9.0])}}, "param_groups": [{"lr": 1e-3}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": settings,
        "callback": sys.modules["lightning.callbacks"].ModelCheckpoint(),
        "optimizer_class": sys.modules["torch.optim"].SGD,
    }


for protocol, prefix, kind in ((2, "net.", "Float"), (3, "model.", "Double"), (4, "model.module.", "Half"), (5, "_orig_mod.net.", "BFloat16")):
    save(f"plain-{protocol}.pth", network(kind), protocol)
    save(f"lightning-{protocol}.pth", lightning(prefix), protocol)
save("tiny.pth", collections.OrderedDict(a=Tensor("Float", [2, 3], [0.5, 1, 2, 3, 4, 5])), 4)
