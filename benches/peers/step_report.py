"""The receipt of step.py as tables and as a picture of time against firing rate."""

from pathlib import Path

OURS = "ours"
LABELS = {
    OURS: "**ours**",
    "spikingjelly": "SpikingJelly, derivative of BPSA",
    "spikingjelly-atan": "SpikingJelly, its own ATan",
    "snntorch": "snnTorch",
    "norse": "Norse",
    "paper": "plain PyTorch, the paper's order",
    "torch": "plain PyTorch, time folded",
}


def label(program: str) -> str:
    base, *options = program.split("+")
    return ", ".join([LABELS.get(base, base), *({"compile": "torch.compile"}.get(o, o) for o in options)])


def total(run: dict, program: str, key: str = "total_s") -> float | None:
    return run["programs"].get(program, {}).get("median", {}).get(key)


def ratio(value: float | None, reference: float | None) -> str:
    return f"{value / reference:.1f}" if value and reference else "–"


def names(receipt: dict) -> list[str]:
    return list(receipt["runs"][0]["programs"])


def rate_of(run: dict) -> str:
    return f"{run['rate']:.0%}" if run["rate"] is not None else "as exported"


def markdown(rows: list[list[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def times(receipt: dict) -> str:
    """Seconds of a whole step and how many times ours, by firing rate."""
    runs = receipt["runs"]
    rows = [["seconds a step", *(word for run in runs for word in (rate_of(run), "/ ours"))]]
    for name in names(receipt):
        cells = []
        for run in runs:
            failed, seconds = run["programs"][name].get("failed"), total(run, name)
            cells += ["failed", "–"] if failed else [f"{seconds:.3f}", ratio(seconds, total(run, OURS))]
        rows.append([label(name), *cells])
    return markdown(rows)


def failures(receipt: dict) -> str:
    found = {}
    for run in receipt["runs"]:
        for name, result in run["programs"].items():
            if "failed" in result:
                found.setdefault(f"- {label(name)}: {result['failed']}", []).append(rate_of(run))
    return "\n".join(f"{line} ({', '.join(rates)})" for line, rates in found.items())


def parts(run: dict) -> str:
    """Forward, backward, optimiser and memory at one rate."""
    memory = ("peak, MiB", "/ ours", "without the interpreter, MiB", "/ ours")
    rows = [["seconds", "forward", "backward", "optimiser", *memory]]
    ours = run["programs"].get(OURS, {})
    for name, result in run["programs"].items():
        if "median" not in result:
            continue
        median = result["median"]
        seconds = [f"{median[key]:.3f}" if key in median else "–" for key in ("forward_s", "backward_s", "optimiser_s")]
        memory = []
        for value, reference in zip(peaks(result), peaks(ours)):
            memory += [f"{value / 2**20:.0f}" if value else "–", ratio(value, reference)]
        rows.append([label(name), *seconds, *memory])
    return markdown(rows)


def peaks(result: dict) -> tuple[float | None, float | None]:
    """Peak memory, whole and without what was in use after the imports."""
    peak = result.get("median", {}).get("peak_bytes")
    return peak, peak and peak - result["facts"].get("import_bytes", 0)


def distance(result: dict) -> str:
    """The largest one, and how many spikes fell to the other side of the threshold."""
    return f"{result['largest']:.0e}" + (f" ({result['flips']} flipped)" if result.get("flips") else "")


def checks(receipt: dict) -> str:
    rows = [["largest relative difference of a gradient", "method", "norm", *map(rate_of, receipt["runs"])]]
    for name, first in receipt["runs"][0]["checks"].items():
        cells = []
        for run in receipt["runs"]:
            result = run["checks"].get(name, {})
            both = [distance(result[precision]) for precision in ("single", "double") if precision in result]
            cells.append(" / ".join(both) or "failed: " + result.get("failed", "?"))
        rows.append([label(name), first.get("method", "–"), first.get("norm", "–"), *cells])
    return markdown(rows)


def tables(receipt: dict) -> str:
    runs = receipt["runs"]
    export, about = runs[0]["export"], receipt["machine"]
    middle = min(runs, key=lambda run: abs((run["rate"] or 0) - 0.1))
    keys = ("net", "steps", "batch", "method", "norm")
    what = ", ".join(f"{key} {export[key]}" for key in keys if key in export)
    sections = [
        f"{what}; {about['cpu']}, {about['threads']} threads, {about['started_utc']}; medians, {receipt['order']}",
        times(receipt),
        failures(receipt),
        f"At {rate_of(middle)}:",
        parts(middle),
    ]
    if any(run["checks"] for run in runs):
        sections += ["Gradients against ours, computed in single / double precision:", checks(receipt)]
    return "\n\n".join(section for section in sections if section) + "\n"


def picture(receipt: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams |= {"svg.hashsalt": "step", "svg.fonttype": "none", "font.size": 10}
    figure, axes = pyplot.subplots(figsize=(8, 4.8))
    for name in names(receipt):
        points = [(run["rate"], total(run, name)) for run in receipt["runs"] if total(run, name)]
        if points:
            style = {"color": "black", "linewidth": 2.5, "zorder": 3} if name == OURS else {"linewidth": 1.3}
            axes.plot(*zip(*points), marker="o", markersize=4, label=label(name).strip("*"), **style)
    rates = [run["rate"] for run in receipt["runs"]]
    axes.set(xscale="log", yscale="log", xlabel="firing rate", ylabel="seconds a training step")
    axes.set_xticks(rates, [f"{rate:.0%}" for rate in rates])
    axes.minorticks_off()
    seconds = [total(run, name) for run in receipt["runs"] for name in names(receipt) if total(run, name)]
    ticks = [digit * 10.0**power for power in range(-3, 3) for digit in (1, 2, 5)]
    ticks = [tick for tick in ticks if min(seconds) / 2 < tick < max(seconds) * 2]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.grid(color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
