"""The other libraries' readers, each as (path -> result, result -> t, x, y, on)."""

import operator

import tonic.io
from expelliarmus import Wizard
from spikingjelly.datasets import cifar10_dvs
from spikingjelly.datasets import utils as spikingjelly
from tonic.datasets import NMNIST

NOTES = {
    "tonic": "read_dvs_128 and read_dvs_ibm of this version fail on every file, because they expect two values of a "
    "function that returns three; here that function returns two, everything else is theirs",
    "spikingjelly": "load_ATIS_bin, load_aedat_v3, and for AEDAT 2.0 the function that CIFAR10DVS calls",
    "expelliarmus": "Wizard.read; it knows DAT, EVT2 and EVT3 only",
}

# Each case whose format the program decode_speed knows, and the name it knows it by.
DECODED = {"nmnist": "nmnist", "gesture": "nmnist", "aedat2": "aedat2", "aedat31": "aedat3.1", "dat": "dat", "evt2": "evt2", "evt3": "evt3"}

# Cases whose column sums need not agree.
UNEQUAL = {
    "evt3": "expelliarmus writes bits 32 to 43 of the time where the format has bits 12 to 23, and reads it back by "
    "counting how often the low bits run backwards; a decoder that follows the vendor's document finds other times",
}

columns = operator.itemgetter("t", "x", "y", "p")  # of a dictionary
header = tonic.io.read_aedat_header_from_file
tonic.io.read_aedat_header_from_file = lambda file: header(file)[:2]


def fields(events):
    """Of a structured array."""
    return [events[name] for name in "txyp"]


def tonic_atis(path):
    return tonic.io.read_mnist_file(path, dtype=NMNIST.dtype)


def tonic_dvs_128(path):
    return tonic.io.read_dvs_128(str(path))[1]


def dvs_128_fields(events):
    """Tonic keeps the camera's own addresses; CIFAR10-DVS is turned and its polarity inverted."""
    t, x, y, off = fields(events)
    return t, 127 - x, 127 - y, ~off


def tonic_dvs_ibm(path):
    return tonic.io.read_dvs_ibm(str(path))[1]


def expelliarmus(encoding):
    wizard = Wizard(encoding=encoding)
    return {"expelliarmus": (wizard.read, fields)}


ATIS = {"tonic": (tonic_atis, fields), "spikingjelly": (spikingjelly.load_ATIS_bin, columns)}
PEERS = {
    "nmnist": ATIS,
    "gesture": ATIS,
    "aedat2": {"tonic": (tonic_dvs_128, dvs_128_fields), "spikingjelly": (cifar10_dvs._load_origin_data, columns)},
    "aedat31": {"tonic": (tonic_dvs_ibm, fields), "spikingjelly": (spikingjelly.load_aedat_v3, columns)},
    "dat": expelliarmus("dat"),
    "evt2": expelliarmus("evt2"),
    "evt3": expelliarmus("evt3"),
}
