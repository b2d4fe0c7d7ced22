"""llama.cpp's and ik_llama.cpp's own benchmarks: one call of a binary is a turn.

One row of a decoder is llama-bench's tg64, 128 or 512 rows are its pp128 or pp512, 8 rows are the decoding of
llama-batched-bench with 8 sequences of 32 + 32 tokens. Ways: threads (fewer can be faster for small models), and
ik_llama's repacking at load.
"""

import json
import os
import statistics
import subprocess


def ways(name, threads):
    """Flags by way."""
    found = {f"{t} threads" if t > 1 else "1 thread": ["-t", str(t)] for t in sorted({1, threads}, reverse=True)}
    if name == "ik_llama.cpp":
        found |= {way + ", repacked": flags + ["-rtr"] for way, flags in found.items()}
    return found


def version(bench):
    """What install.sh wrote beside the binary."""
    try:
        with open(os.path.join(os.path.dirname(bench), "VERSION")) as f:
            return f.read().strip()
    except FileNotFoundError:
        return "unknown"


def turn(bench, model, rows, flags, run):
    """Tokens a second. `run` runs a command and returns its output."""
    flags = list(flags)
    if rows == 8:
        tool = os.path.join(os.path.dirname(bench), "llama-batched-bench")
        text = run([tool, "-m", model, "-c", "1024", "-npp", "32", "-ntg", "32", "-npl", "8", *flags], all_output=True)
        table = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("|")]
        return float(table[-1][table[0].index("S_TG t/s")])
    if "-rtr" in flags:
        flags += ["1"]
    size = ["-p", "0", "-n", "64", "-r", "3"] if rows == 1 else ["-p", str(rows), "-n", "0", "-r", "1"]
    small = os.path.getsize(model) < 1 << 26
    if small:
        size[-1] = "10"
    result = json.loads(run([bench, "-m", model, *size, *flags, "-o", "json"]))[-1]
    return statistics.median(result["samples_ts"])
