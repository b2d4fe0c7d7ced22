"""One peer and one workload in a process of its own.

    python -m peers.worker --peer torch --row unet/1 --search       # one JSON line: seconds of every way, the best
    python -m peers.worker --peer torch --row unet/1 --way eager    # a JSON line "ready"; then a line in, a turn out

The second form waits between turns without using the processor, so that no turn pays for imports or compilation.
"""

import argparse
import importlib
import json
import os
import sys
import traceback

from peers import timing


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peer", required=True, choices=["torch", "onnxruntime"])
    p.add_argument("--row", required=True)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=1.0, help="timed work of a turn")
    p.add_argument("--scratch", required=True, help="folder for exported models")
    how = p.add_mutually_exclusive_group(required=True)
    how.add_argument("--search", action="store_true")
    how.add_argument("--way")
    args = p.parse_args()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(value):
        out.write(json.dumps(value) + "\n")
        out.flush()

    if args.peer == "torch":  # before libgomp is loaded; in other processes it would bind the main thread to one core
        os.environ["GOMP_CPU_AFFINITY"] = f"0-{args.threads - 1}"
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
    peer = importlib.import_module("peers." + dict(torch="torch_rows", onnxruntime="ort_rows")[args.peer])
    ways = peer.ways(args.row, args.threads, args.scratch)
    if not args.search:
        run = ways[args.way]()
        timing.turn(run, 0.3)
        say(dict(ready=True, version=peer.version()))
        for _ in sys.stdin:
            say(dict(seconds=timing.turn(run, args.seconds)))
        return
    found, failed, notes = {}, {}, {}
    for name, make in ways.items():
        try:
            run = make()
            timing.turn(run, 0.1)
            found[name] = timing.turn(run, args.seconds)
            notes |= {name: run.note} if hasattr(run, "note") else {}
        except Exception as error:  # a way that this machine or this version does not offer
            failed[name] = f"{type(error).__name__}: {str(error)[:300]}"
            traceback.print_exc(limit=3)
        peer.forget()
    say(dict(best=min(found, key=found.get) if found else None, ways=found, failed=failed, notes=notes,
             version=peer.version()))


if __name__ == "__main__":
    main()
