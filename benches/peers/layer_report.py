"""The tables of onm.py and lif.py."""

from step_report import OURS, label, markdown, peaks, ratio

LABELS = {"copy": "memory copy of the same bytes"}


def table(programs: dict) -> str:
    """Medians of one size, each beside how many times ours it is."""
    columns = ("forward", "backward", "both", "without the interpreter, MiB")
    rows = [["seconds", *(word for column in columns for word in (column, "/ ours"))]]
    ours, failed = programs.get(OURS, {}), []
    for name, result in programs.items():
        if "failed" in result:
            failed.append(f"\n- {LABELS.get(name) or label(name)}: {result['failed']}")
            rows.append([LABELS.get(name) or label(name), *["failed", "–"] * 4])
            continue
        row = [LABELS.get(name) or label(name)]
        for key in ("forward_s", "backward_s", "total_s"):
            row += [f"{result['median'][key]:.4f}", ratio(result["median"][key], ours.get("median", {}).get(key))]
        memory, reference = peaks(result)[1], peaks(ours)[1]
        rows.append([*row, f"{memory / 2**20:.0f}" if memory else "–", ratio(memory, reference)])
    return markdown(rows) + "\n" + "".join(failed)
