"""The receipts of a folder as one Markdown table each, beside what the card's ceilings allow.

    table.py FOLDER              prints it and leaves README.md there

A ratio is a peer's time over ours: above 1 we are faster. A floor is the larger of operations over the measured rate of a
matrix product in the precision of the program and bytes over the measured rate of a copy (work.py says what is counted);
"of floor" is how many times the floor a program takes. A program that reports `flops` and `bytes` of its own has its own.
"""

import json
import re
import sys
from pathlib import Path

from variants import label

DASH = "–"


def load(folder: Path, name: str):
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def markdown(rows: list[list[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def number(value: float | None, scale: float = 1.0) -> str:
    """Three digits."""
    if value is None:
        return DASH
    value *= scale
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def median(result: dict | None, key: str = "seconds") -> float | None:
    return ((result or {}).get(key) or {}).get("median_s")


def ratio(value: float | None, ours: float | None) -> str:
    return f"{value / ours:.2f}" if value and ours else DASH


def floor(case: dict, result: dict, ceilings: dict | None) -> float | None:
    """Seconds below which the case cannot go on this card, by what was counted."""
    facts = result.get("facts", {})
    precision = facts.get("precision") or case.get("precision") or case.get("dtype")
    flops = facts.get("flops", case["floor"]["flops"])
    moved = facts.get("bytes", case["floor"]["bytes"].get(precision))
    if not ceilings or moved is None or (flops and precision not in ceilings["products"]):
        return None
    arithmetic = flops / ceilings["products"][precision]["flops_s"] if flops else 0
    return max(arithmetic, moved / ceilings["copy"]["bytes_s"])


def failures(programs: dict) -> list[str]:
    return [f"- {label(name)}: {result['failed']}" for name, result in programs.items() if "failed" in result]


def section(title: str, rows: list[list[str]], after: list[str] = ()) -> str:
    return "\n\n".join(filter(None, [f"### {title}", markdown(rows), "\n".join(dict.fromkeys(after))]))


def mib(value: int | None) -> str:
    return f"{value / 2**20:.0f}" if value else DASH


# Benchmarks ----------------------------------------------------------------------------------------------------------


def of_steps(receipt: dict, ceilings: dict | None, title: str) -> str:
    parts = []
    for case in receipt["cases"]:
        ours = median(case["programs"].get("ours"))
        head = ["program", "precision", "ms a step", "middle 60 %", "theirs / ours", "samples/s", "of floor"]
        rows = [[*head, "peak of tensors, MiB", "of process, MiB"]]
        for name, result in case["programs"].items():
            seconds = median(result)
            if seconds:
                spread = f"{number(result['seconds']['p20_s'], 1e3)} to {number(result['seconds']['p80_s'], 1e3)}"
                precision = result["facts"].get("precision", case["precision"])
                row = [label(name), precision, number(seconds, 1e3), spread]
                row += [ratio(seconds, ours), number(case["batch"] / seconds)]
                row.append(ratio(seconds, floor(case, result, ceilings)))
                rows.append([*row, mib(result.get("peak_bytes")), mib(result.get("process_bytes"))])
        what = f"{title}: {case['net']}, T = {case['steps']}, B = {case['batch']}"
        flops, moved = case["floor"]["flops"], case["floor"]["bytes"]["bf16"]
        counted = f"{flops / 1e12:.3g} TFLOP and at least {moved / 1e9:.3g} GB a step in 16 bits."
        parts += [section(what, rows, failures(case["programs"])), counted]
    parts.append("\n".join(f"- {note}" for note in receipt["notes"]))
    return "\n\n".join(parts)


def of_neurons(receipt: dict, ceilings: dict | None) -> str:
    """A row for each T: milliseconds, and in brackets how many times ours; one by one, and in a row where that was timed."""
    parts, names = [], list(dict.fromkeys(name for case in receipt["cases"] for name in case["programs"]))
    for dtype in dict.fromkeys(case["dtype"] for case in receipt["cases"]):
        cases = [case for case in receipt["cases"] if case["dtype"] == dtype]
        shape = ", ".join(map(str, cases[0]["neurons"]))
        failed = [line for case in cases for line in failures(case["programs"])]
        for key, way in (("seconds", "one by one"), ("queued_seconds", "in a row")):
            present = [name for name in names if any(median(case["programs"].get(name), key) for case in cases)]
            rows = [["ms, forward + backward", "floor", *map(label, present)]]
            for case in cases:
                ours = median(case["programs"].get("ours"), key)
                row = [f"T = {case['steps']}", number(floor(case, {}, ceilings), 1e3)]
                for name in present:
                    seconds = median(case["programs"].get(name), key)
                    bracket = f" ({seconds / ours:.2f})" if seconds and ours and name != "ours" else ""
                    row.append(number(seconds, 1e3) + bracket)
                rows.append(row)
            if present:
                parts.append(section(f"Neurons alone: [T, {shape}], {dtype}, {way}", rows, failed))
            failed = []
    return "\n\n".join(parts)


def of_onm(receipt: dict, ceilings: dict | None) -> str:
    parts = []
    for case in receipt["cases"]:
        ours = median(case["programs"].get("ours"))
        head = ["program", "forward, ms", "backward, ms", "both, ms", "theirs / ours", "of floor"]
        rows = [[*head, "peak of tensors, MiB", "of process, MiB"]]
        for name, result in case["programs"].items():
            if seconds := median(result):
                row = [label(name), *(number(median(result, key), 1e3) for key in ("forward_seconds", "backward_seconds"))]
                row += [number(seconds, 1e3), ratio(seconds, ours), ratio(seconds, floor(case, result, ceilings))]
                rows.append([*row, mib(result.get("peak_bytes")), mib(result.get("process_bytes"))])
        what = f"Linear and LIF: {case['neurons']} neurons, batch {case['batch']}, {case['steps']} steps, {case['precision']}"
        parts.append(section(what, rows, failures(case["programs"])))
    return "\n\n".join(parts)


def of_ceilings(receipt: dict) -> str:
    rows = [["large copy, read and written", f"{receipt['copy']['bytes_s'] / 1e9:.0f} GB/s"]]
    for name, product in receipt["products"].items():
        rows.append([f"matrix product {name}, {product['size']}³", f"{product['flops_s'] / 1e12:.3g} TFLOP/s"])
    return section("Ceilings", [["measured", "rate"], *rows])


def last_words(folder: Path, part: str) -> str:
    """What a program of ours said at its end: tallies of tests added up, else the last line."""
    log = folder / f"{part}.log"
    if part not in ("conformance", "tests", "mnist") or not log.is_file():
        return ""
    text = log.read_text(errors="replace")
    if tallies := re.findall(r"(\d+) passed[;,] (\d+) failed", text):
        passed, failed = (sum(map(int, column)) for column in zip(*tallies))
        return f"{passed} passed, {failed} failed"
    return next((line.strip()[:120].replace("|", "/") for line in reversed(text.splitlines()) if line.strip()), "")


def of_parts(folder: Path, parts: list[dict]) -> str:
    rows = [[part["part"], part["status"], str(part["seconds"]), last_words(folder, part["part"])] for part in parts]
    return section("What ran", [["part", "result", "s", "said"], *rows])


def heading(folder: Path, receipts: list[dict]) -> str:
    machines = [receipt["machine"] for receipt in receipts]
    if not machines:
        return "No receipt is here."
    if len({found["dry_run"] for found in machines}) > 1:
        raise SystemExit(f"error: {folder}: holds receipts of a dry run beside measurements; separate them")
    first, used = machines[0], {}
    for found in machines:
        used |= found["versions"]
    lines = [f"{first['device']}; {first['started_utc']}; commit {first['commit'][:12]}{'+' * first['commit'].endswith('+')}"]
    lines.append(", ".join(f"{name} {version}" for name, version in used.items()))
    if first["dry_run"]:
        lines.insert(0, "**A dry run on the processor, in tiny sizes: no number here is a measurement.**")
    cases = [case for receipt in receipts for case in receipt.get("cases", [])]
    if not any("seconds" in case["programs"].get("ours", {}) for case in cases):
        lines.append("Our program did not run: peers alone.")
    return "\n\n".join(lines)


def tables(folder: Path) -> str:
    names = ("environment", "ceilings", "step", "step-more", "lif", "onm")
    found = {name: receipt for name in names if (receipt := load(folder, name))}
    ceilings, parts = found.get("ceilings"), load(folder, "parts")
    sections = ["# On one card", heading(folder, list(found.values())), of_parts(folder, parts) if parts else ""]
    sections.append(of_ceilings(ceilings) if ceilings else "")
    for name, title in (("step", "Training step"), ("step-more", "Training step, more peers")):
        sections.append(of_steps(found[name], ceilings, title) if name in found else "")
    sections.append(of_neurons(found["lif"], ceilings) if "lif" in found else "")
    sections.append(of_onm(found["onm"], ceilings) if "onm" in found else "")
    sections.append(__doc__.split("\n\n", 2)[2].strip())
    return "\n\n".join(filter(None, sections)) + "\n"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    text = tables(place)
    (place / "README.md").write_text(text)
    print(text, end="")
