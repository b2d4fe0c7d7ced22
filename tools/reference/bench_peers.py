"""Manifold beside its peers on this machine: whole networks and single products, in turns.

    python bench_peers.py --peers DIR                       # every row that the result lacks at this version
    python bench_peers.py --peers DIR --rows minilm,vae     # those rows, and rows below, again
    python bench_peers.py --peers DIR --search-only         # only look for every peer's best way

`make bench-peers` installs the peers into DIR first (peers/install.sh) and calls this. Every program runs in a process
and a scheduling group of its own, stopped while it is another's turn. For each row a peer's fastest way is looked for
once and kept in DIR/best.json; then ours and theirs take turns. A peer that the search finds slower than half of the
best is not measured further; the row keeps its search's figure. The result is written after every row, so a run that
was stopped goes on where it was.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from peers import llama_rows
from peers.rows import PEERS, PUBLISHED, ROWS

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BINARY = os.path.join(ROOT, "bin", "manifold")
WORTH = 0.5  # of the best peer's speed in the search: what is measured in turns


def group():
    """Called in the child, which already has its own session: its scheduling group comes first."""
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as f:
        f.write("-19")


def output(command, cwd=None, all_output=False, **options):
    """What a command writes to standard output (or to both), run in a group of its own."""
    with tempfile.TemporaryDirectory() as scratch:  # some leave logs where they run
        r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT if all_output else subprocess.PIPE, text=True,
                           start_new_session=True, preexec_fn=group, cwd=cwd or scratch, **options)
    if r.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))}: {(r.stderr or r.stdout).strip()[-500:]}")
    return r.stdout


class Process:
    """A program that measures once for every line."""

    def __init__(self, command, **options):
        self.command = command
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True, start_new_session=True, preexec_fn=group, **options)
        self.ready = self.answer()
        self.stop()

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            raise RuntimeError(f"{shlex.join(map(str, self.command))} ended with {self.p.wait()}")
        return json.loads(line)

    def stop(self):
        os.killpg(self.p.pid, signal.SIGSTOP)

    def turn(self):
        os.killpg(self.p.pid, signal.SIGCONT)
        self.p.stdin.write("\n")
        self.p.stdin.flush()
        answer = self.answer()
        self.stop()
        return answer

    def close(self):
        os.killpg(self.p.pid, signal.SIGCONT)
        self.p.stdin.close()
        self.p.wait()


class Python:
    """torch or onnxruntime: a worker."""

    def __init__(self, name, row, args):
        self.name, self.row, self.args = name, row, args
        self.python = os.path.join(args.peers, "venv", "bin", "python")
        self.env = os.environ | dict(TORCHINDUCTOR_CACHE_DIR=os.path.join(args.peers, "scratch", "inductor"))

    def command(self, *more):
        return [self.python, "-m", "peers.worker", "--peer", self.name, "--row", self.row, "--threads",
                str(ROWS[self.row]["threads"] or self.args.threads), "--seconds", str(self.args.seconds), "--scratch",
                os.path.join(self.args.peers, "scratch"), *more]

    def search(self):
        found = json.loads(output(self.command("--search"), cwd=HERE, env=self.env))
        items = ROWS[self.row]["items"]
        return found | dict(ways={w: items / s for w, s in found["ways"].items()})

    @contextlib.contextmanager
    def turns(self, way):
        p = Process(self.command("--way", way), cwd=HERE, env=self.env)
        try:
            yield lambda: ROWS[self.row]["items"] / p.turn()["seconds"]
        finally:
            p.close()


class Llama:
    """llama.cpp or ik_llama.cpp: a run of their own benchmark is a turn."""

    def __init__(self, name, row, args):
        self.name, self.row = name, row
        self.bench = dict([("llama.cpp", args.llama_bench), ("ik_llama.cpp", args.ik_llama_bench)])[name]
        self.shape = ROWS[row]["shape"]
        self.flags = llama_rows.ways(name, ROWS[row]["threads"] or args.threads)
        if ROWS[row]["threads"] == 1:
            self.flags = {w: f for w, f in self.flags.items() if w.startswith("1 thread")}
        self.model = os.path.join(args.peers, "gguf", f"{self.shape['model']}-{self.shape['type'].upper()}.gguf")

    def turn(self, way):
        return llama_rows.turn(self.bench, self.model, self.shape["rows"], self.flags[way], output)

    def search(self):
        if not self.bench:
            return dict(best=None, ways={}, failed={"all": "not installed: its llama-bench was not named"}, notes={},
                        version=None)
        ways, failed = {}, {}
        for way in self.flags:
            try:
                self.turn(way)
                ways[way] = self.turn(way)
            except (RuntimeError, LookupError, ValueError) as error:
                failed[way] = str(error)[-300:]
        return dict(best=max(ways, key=ways.get) if ways else None, ways=ways, failed=failed, notes={},
                    version=llama_rows.version(self.bench))

    @contextlib.contextmanager
    def turns(self, way):
        yield lambda: self.turn(way)


class Ours:
    """Manifold on a network: a process that stays."""

    def __init__(self, row, args):
        spec = ROWS[row]
        verb = "train" if "/train/" in spec["ours"] else "model"
        self.process = Process([BINARY, "bench", verb, spec["ours"], "--turns-from-stdin", "--turn", f"{args.seconds}s",
                                "--threads", str(spec["threads"] or args.threads), "--json"])
        self.about, self.close = self.process.ready, self.process.close
        self.product = spec["kind"].startswith("product")

    def turn(self):
        """Units a second, and units, arithmetic and bytes of a run."""
        m = self.process.turn()
        if self.product:
            return m["gf_per_s"], m["flops"] / 1e9, m["flops"], m["bytes"]
        return m["per_second"], m["per_second"] * m["seconds"], m["flops"], m["bytes"]


class OurRecipe:
    """Manifold training by a recipe: a process for every turn."""

    def __init__(self, row, args):
        spec = ROWS[row]
        self.command = [BINARY, "bench", "train", os.path.join(ROOT, spec["ours"]), "--steps",
                        str(spec["shape"]["steps"]), "--threads", str(spec["threads"] or args.threads), "--json"]
        self.about = json.loads(output(self.command))

    def turn(self):
        m = json.loads(output(self.command))["results"]
        return m["steps_per_second"], 1, m["gflops"] * 1e9 / m["steps_per_second"], 0

    def close(self):
        pass


def summary(values):
    return dict(median=statistics.median(values), range=[min(values), max(values)])


def search(row, args, kept):
    """The best way of every peer, from DIR/best.json where it is known."""
    found = {}
    for name in PEERS[ROWS[row]["kind"]]:
        peer = (Llama if ROWS[row]["kind"] == "decoder" else Python)(name, row, args)
        key = f"{row} {name}"
        if args.search_again or key not in kept or not kept[key]["best"]:
            note(f"{row}: looking for {name}'s best way")
            kept[key] = peer.search()
            save(os.path.join(args.peers, "best.json"), kept)
        found[name] = (peer, kept[key])
    return found


def measure(row, args, limits, kept):
    spec, found = ROWS[row], search(row, args, kept)
    speed = {n: s["ways"][s["best"]] for n, (_, s) in found.items() if s["best"]}
    worth = [n for n in speed if speed[n] >= WORTH * max(speed.values())]
    load = os.getloadavg()[0]
    mine, theirs, work = [], {n: [] for n in worth}, []
    with contextlib.ExitStack() as stack:
        ours = (OurRecipe if spec["ours"].endswith(".yaml") else Ours)(row, args)
        stack.callback(ours.close)
        turns = {n: stack.enter_context(found[n][0].turns(found[n][1]["best"])) for n in worth}
        for _ in range(args.turns):
            value, *work = ours.turn()
            mine.append(value)
            for n in worth:
                theirs[n].append(turns[n]())
    threads = spec["threads"] or args.threads
    out = dict(name=row, workload=spec["ours"], unit=spec["unit"], asked=spec["asked"], threads=threads,
               turns=args.turns, version=ours.about["version"], numerics=ours.about["numerics"], go=ours.about["go"],
               load=[load, os.getloadavg()[0]],
               date=now(), floor=floor(spec["ours"], *work, limits[str(threads)]), manifold=summary(mine))
    out["share_of_floor"] = out["manifold"]["median"] / out["floor"]["value"]
    out["peers"] = []
    for n in sorted(found, key=lambda n: -statistics.median(theirs[n]) if n in theirs else 0):
        s = found[n][1]
        entry = dict(name=n, version=s["version"], way=s["best"])
        if n in theirs:
            ratios = [a / b for a, b in zip(mine, theirs[n])]
            entry |= summary(theirs[n]) | dict(ratio=out["manifold"]["median"] / statistics.median(theirs[n]),
                                               ratio_range=[min(ratios), max(ratios)])
        entry |= dict(search=s["ways"], failed=s["failed"], notes=s["notes"])
        out["peers"].append(entry)
    if spec["published"]:
        value, limit = spec["published"]
        here = dict(peak="peak_f32_gf_per_s", read="read_dram_gb_per_s", cache="read_cache_gb_per_s")[limit]
        out["published"] = dict(value=value, limit=limit, scaled=value * limits[str(threads)][here] / PUBLISHED[limit])
    return out


def floor(name, units, flops, size, limits):
    """Units a second if the arithmetic or the weights of a run were all there is: bf16 multiplies at twice float32's
    peak, int8 at four times, and weights that do not fit the shared cache come from memory."""
    times = 4 if re.search("int8|/q[0-9]", name) else 2 if "bf16" in name else 1
    fits = size < 24e6
    compute = flops / (times * limits["peak_f32_gf_per_s"] * 1e9)
    read = size / (limits["read_cache_gb_per_s" if fits else "read_dram_gb_per_s"] * 1e9)
    return dict(value=units / max(compute, read), by="arithmetic" if compute >= read else "cache" if fits else "memory")


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def note(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def load(path, default):
    with contextlib.suppress(FileNotFoundError), open(path) as f:
        return json.load(f)
    return default


def save(path, value):
    with open(path + ".part", "w") as f:
        json.dump(value, f, indent=2)
        f.write("\n")
    os.replace(path + ".part", path)


def machine():
    with contextlib.suppress(OSError, AttributeError), open("/proc/cpuinfo") as f:
        name = re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
        return f"{name}, {os.cpu_count()} cores"
    return f"{platform.machine()}, {os.cpu_count()} cores"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peers", required=True, help="folder that peers/install.sh filled")
    p.add_argument("--rows", default="", help="rows, or what lies before a slash of them, by commas: measured again")
    p.add_argument("--turns", type=int, default=7)
    p.add_argument("--seconds", type=float, default=0.7, help="timed work of a turn")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--missing", action="store_true", help="only rows that the result lacks, whatever the version")
    p.add_argument("--search-again", action="store_true")
    p.add_argument("--search-only", action="store_true")
    p.add_argument("--llama-bench", default=os.environ.get("LLAMA_BENCH"))
    p.add_argument("--ik-llama-bench", default=os.environ.get("IK_LLAMA_BENCH"))
    p.add_argument("--out", default=os.path.join(ROOT, "docs", "results", "peers.json"))
    args = p.parse_args()
    args.peers = os.path.abspath(args.peers)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that stopped processes are ended
    os.makedirs(os.path.join(args.peers, "scratch"), exist_ok=True)
    for flag, folder in (("llama_bench", "llama"), ("ik_llama_bench", "ik")):
        built = os.path.join(args.peers, folder, "build", "bin", "llama-bench")
        if not getattr(args, flag) and os.path.exists(built):
            setattr(args, flag, built)

    kept = load(os.path.join(args.peers, "best.json"), {})
    wanted = [w for w in args.rows.split(",") if w]
    rows = [r for r in ROWS if not wanted or any(r == w or r.startswith(w.rstrip("/") + "/") for w in wanted)]
    if not rows:
        p.error(f"no row is or lies below {args.rows}; there are {', '.join(ROWS)}")
    if args.search_only:
        for row in rows:
            search(row, args, kept)
        return
    version = json.loads(output([BINARY, "version", "--json"]))["version"]
    listed = json.loads(output([BINARY, "bench", "list", "--json"]))
    there = set(listed.get("model") or []) | set(listed.get("train") or [])
    result = load(args.out, dict(kind="peers", results=[]))
    done = {r["name"]: r for r in result["results"]}
    if not wanted:
        rows = [r for r in rows if r not in done or not args.missing and
                done[r]["version"].removesuffix("-dirty") != version.removesuffix("-dirty")]
    limits, failed = {}, False
    for row in rows:
        if ROWS[row]["ours"] not in there and not os.path.exists(os.path.join(ROOT, ROWS[row]["ours"])):
            note(f"{row}: manifold has no workload {ROWS[row]['ours']} yet")
            continue
        threads = str(ROWS[row]["threads"] or args.threads)
        if threads not in limits:
            limits[threads] = json.loads(output([BINARY, "bench", "limits", "--threads", threads, "--json"]))["results"]
        try:
            done[row] = measure(row, args, limits, kept)
        except (RuntimeError, LookupError, ValueError) as error:
            note(f"{row}: {error}")
            failed = True
            continue
        r = done[row]
        best = r["peers"][0] if r["peers"] else {}
        note(f"{row}: {r['manifold']['median']:.4g} {r['unit']}, {best.get('name')} {best.get('median', 0):.4g}, ratio "
             f"{best.get('ratio', 0):.3f}, {100 * r['share_of_floor']:.0f} % of the floor")
        save(args.out, dict(
            kind="peers", command="make bench-peers", machine=machine(), kernel=platform.release(),
            python=platform.python_version(), date=now(), limits=result.get("limits", {}) | limits,
            results=[done[r] for r in ROWS if r in done]))
        result = load(args.out, result)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
