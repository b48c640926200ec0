"""The facts of the machine, once for a whole run: card, driver, libraries, versions, processor.

    benches/peers/gpu/.venv/bin/python benches/peers/gpu/environment.py
"""

import platform

from common import folder, machine, output, parser, say, write


def processor() -> str:
    """As /proc/cpuinfo calls it."""
    lines = [line for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return lines[0].split(":")[1].strip() if lines else platform.processor()


def main() -> None:
    arguments = parser(__doc__).parse_args()
    path = folder(arguments) / "environment.json"
    facts = {"machine": machine(arguments.cpu), "processor": processor(), "kernel": platform.release()}
    if not arguments.cpu:
        facts["nvidia_smi"] = output("nvidia-smi").splitlines()
        facts["nvcc"] = output("nvcc", "--version").splitlines()[-1:]
    write(path, facts)
    say(str(path))


if __name__ == "__main__":
    main()
