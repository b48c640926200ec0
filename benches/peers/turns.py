"""Workers that take turns: one of them does one step, then the next one, round after round."""

import statistics
import sys

from serving import Failed, Worker


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def start(commands: dict, threads: int, results: dict) -> dict:
    workers = {}
    for name, command in commands.items():
        try:
            workers[name] = Worker(command, threads)
            results[name] = {"facts": workers[name].facts, "warmup": [], "samples": []}
        except Failed as failure:
            results[name] = {"failed": str(failure)}
    return workers


def take_turns(commands: dict, threads: int, rounds: int, warmups: int) -> dict:
    """Samples of each program, or why it failed. The first rounds only warm up."""
    results = {}
    workers = start(commands, threads, results)
    for turn in range(warmups + rounds):
        for name, worker in list(workers.items()):
            try:
                sample = worker.go()
            except Failed as failure:
                results[name] = {"failed": str(failure)}
                del workers[name]
                continue
            results[name]["samples" if turn >= warmups else "warmup"].append(sample)
        say(f"  round {turn + 1 - warmups} of {rounds}" if turn >= warmups else "  warm-up")
    for worker in workers.values():
        worker.close()
    for name, result in results.items():
        if "samples" in result:
            result["median"] = medians(result["samples"])
        else:
            say(f"  {name} failed: {result['failed']}")
    return results


def one_after_another(commands: dict, threads: int, rounds: int, warmups: int) -> dict:
    """The same for programs that do not fit into memory together: each has all of its rounds before the next starts."""
    results = {}
    for name, command in commands.items():
        say(f" {name}")
        results |= take_turns({name: command}, threads, rounds, warmups)
    return results


def medians(samples: list[dict]) -> dict:
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
