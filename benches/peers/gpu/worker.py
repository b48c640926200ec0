"""One peer as a process: builds what a case asks for, does its steps, says in lines of JSON how long they took.

    worker.py --variant sj-triton [--compile] [--cpu]

Asked: {"do": "build", "case": …}, {"do": "step", "repeats": N}, {"do": "release"}, {"do": "forget"} or {"do": "quit"}.
The clock is read when the device has finished, before and after each step, as in our program. Out of memory is an answer
like others; any other failure is told and ends the process, since a CUDA context may not survive it.
"""

import argparse
import gc
import json
import os
import sys
import time

import variants

WARMUPS = 3  # cuDNN measures its algorithms and Triton compiles in the first; one is enough for a dry run


def arguments():
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--variant", choices=variants.VARIANTS, required=True)
    made.add_argument("--compile", action="store_true", help="the step under torch.compile")
    made.add_argument("--cpu", action="store_true", help="dry run without a card")
    return made.parse_args()


class Clock:
    """Seconds since the last lap, with the device's work in them."""

    def __init__(self, synchronize):
        self.synchronize = synchronize
        synchronize()
        self.last = time.perf_counter()

    def lap(self) -> float:
        self.synchronize()
        before, self.last = self.last, time.perf_counter()
        return self.last - before


class Device:
    """The card, or the processor in a dry run."""

    def __init__(self, torch, cpu: bool):
        self.torch, self.cuda = torch, not cpu
        if self.cuda and not torch.cuda.is_available():
            raise SystemExit("no CUDA device; --cpu makes a dry run without one")
        self.name = "cuda:0" if self.cuda else "cpu"
        self.synchronize = torch.cuda.synchronize if self.cuda else lambda: None

    def facts(self) -> dict:
        torch = self.torch
        facts = {"torch": torch.__version__, "device": torch.cuda.get_device_name(0) if self.cuda else "cpu"}
        return facts | {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}

    def forget_peak(self) -> None:
        if self.cuda:
            self.torch.cuda.reset_peak_memory_stats()

    def peaks(self) -> dict:
        cuda = self.torch.cuda
        return {"peak_bytes": cuda.max_memory_allocated(), "reserved_bytes": cuda.max_memory_reserved()} if self.cuda else {}

    def release(self) -> None:
        gc.collect()
        if self.cuda:
            self.torch.cuda.empty_cache()


def build(case: dict, options, device: Device):
    """The work of a case: something with `step(lap)`, where `lap` ends a part that is timed apart, and `facts`."""
    if case["kind"] == "step":
        from networks import Training

        return Training(options.variant, case, device.name, options.compile)
    import layers

    return layers.KINDS[case["kind"]](options.variant, case, device.name)


def steps(work, repeats: int, device: Device, queue: bool) -> dict:
    """Each step apart; then, if asked, as many in a row with one wait at the end, which hides what launching costs."""
    device.forget_peak()
    parts = []
    for _ in range(repeats):
        clock = Clock(device.synchronize)
        laps = []
        work.step(lambda laps=laps, clock=clock: laps.append(clock.lap()))
        parts.append([*laps, clock.lap()])
    answer = {"seconds": [sum(part) for part in parts], **device.peaks()}
    if len(parts[0]) == 2:
        answer |= {"forward_seconds": [part[0] for part in parts], "backward_seconds": [part[1] for part in parts]}
    if queue:
        clock = Clock(device.synchronize)
        for _ in range(repeats):
            work.step(lambda: None)
        answer["queued_seconds"] = clock.lap() / repeats
    return answer


class Server:
    """Answers to what is asked; holds the work of one case."""

    def __init__(self, options, device: Device):
        self.options, self.device, self.work, self.case = options, device, None, None

    def answer(self, message: dict) -> dict:
        match message["do"]:
            case "build":
                self.forget()
                self.case = message["case"]
                self.work = build(self.case, self.options, self.device)
                for _ in range(WARMUPS if self.device.cuda else 1):
                    self.work.step(lambda: None)
                self.device.synchronize()
                return {"ready": True, **self.work.facts}
            case "step":
                return steps(self.work, message["repeats"], self.device, self.case.get("queue", False))
            case "forget":
                self.forget()
        self.device.release()
        return {"done": message["do"]}

    def forget(self) -> None:
        self.work = None
        self.device.release()

    def serve(self, tell) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if message["do"] == "quit":
                return
            try:
                answer = self.answer(message)
            except self.device.torch.OutOfMemoryError:
                answer = None
            if answer is None:  # here nothing holds the tensors of the failed step any more
                self.forget()
            tell(answer or {"failed": "out of memory"})


def main() -> None:
    options = arguments()
    protocol = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def tell(answer: dict) -> None:
        print(json.dumps(answer), file=protocol, flush=True)

    try:
        if variants.VARIANTS[options.variant].old:
            import numpy

            numpy.int = int  # SpikingJelly 0.0.0.0.14 still asks for the name that NumPy 1.24 took away
        import torch

        torch.backends.cudnn.benchmark = True
        device = Device(torch, options.cpu)
        tell({"hello": True, **device.facts()})
        Server(options, device).serve(tell)
    except Exception as error:
        tell({"failed": f"{type(error).__name__}: {error}".splitlines()[0][:300]})
        raise


if __name__ == "__main__":
    main()
