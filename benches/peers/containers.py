"""Real events in the containers of formats whose own recordings cannot be had: AEDAT 2.0, AEDAT 3.1, DAT, EVT2, EVT3.

The events are those of the DVS128 Gesture clips (5-byte events), one clip after another, their times shifted to go on.
"""

from pathlib import Path

import numpy as np

PACKET = 8192  # events a packet of AEDAT 3.1


def atis(path: Path) -> np.ndarray:
    raw = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
    events = np.empty(len(raw), [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "u1")])
    events["x"], events["y"], events["p"] = raw[:, 0], raw[:, 1], raw[:, 2] >> 7
    events["t"] = (raw[:, 2] & 127) << 16 | raw[:, 3] << 8 | raw[:, 4]
    return events


def one_after_another(clips: list[Path]) -> np.ndarray:
    parts, start = [], 0
    for clip in clips:
        part = atis(clip)
        part["t"] += start
        start = int(part["t"].max()) + 1
        parts.append(part)
    return np.concatenate(parts)


def aedat2(path: Path, events: np.ndarray) -> None:
    """DVS128 addresses as CIFAR10-DVS uses them: x = 127 - y', y = 127 - x', ON where the lowest bit is 0."""
    records = np.empty(len(events), [("address", ">u4"), ("t", ">u4")])
    x, y, p = (events[name].astype(np.uint32) for name in "xyp")
    records["address"] = (127 - x) << 8 | (127 - y) << 1 | (1 - p)
    records["t"] = events["t"]
    path.write_bytes(b"#!AER-DAT2.0\r\n# DVS128 addresses\r\n" + records.tobytes())


def aedat31(path: Path, events: np.ndarray) -> None:
    slots = np.empty(len(events), [("data", "<u4"), ("t", "<u4")])
    x, y, p = (events[name].astype(np.uint32) for name in "xyp")
    slots["data"] = x << 17 | y << 2 | p << 1 | 1
    slots["t"] = events["t"]
    with open(path, "wb") as file:
        file.write(b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n")
        for start in range(0, len(slots), PACKET):
            packet = slots[start : start + PACKET]
            file.write(np.array([1, 1], "<u2").tobytes())  # type polarity, source 1
            file.write(np.array([8, 4, 0, *[len(packet)] * 3], "<u4").tobytes())
            file.write(packet.tobytes())


def prophesee(folder: Path, events: np.ndarray) -> dict[str, Path]:
    """DAT, EVT2 and EVT3 as expelliarmus writes them."""
    from expelliarmus import Wizard

    files = {"dat": "events.dat", "evt2": "events_evt2.raw", "evt3": "events_evt3.raw"}
    for encoding, name in files.items():
        Wizard(encoding=encoding).save(fpath=folder / name, arr=events)
    return {encoding: folder / name for encoding, name in files.items()}
