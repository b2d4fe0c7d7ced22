"""How fast PyTorch is on this CPU, at its best, for the network of services/diffusion/recipes/mnist.yaml.

    python bench_unet.py search  --threads 2 --out best.json    # every way of running it, the fastest for each row
    python bench_unet.py measure --threads 2 --best best.json   # those alone, for a comparison in turns
    python bench_unet.py combine --out ../../docs/results/starter-speed.json DIR

bench_peers.sh calls all three. Ways of running: eager or compiled (torch.compile; weights frozen in forward passes;
with --autotune also its longest search for fast kernels), in PyTorch's default layout or channels_last. All of them use
the fused attention and have their constants computed beforehand, and all are checked against the twin in unet.py.
Float32 throughout. A training step is what the recipe asks for: drawing timesteps, noise and hidden classes, the loss
of v, backward, clipping, AdamW (fused) and the averaged weights.

Every figure is the median of the samples; a sample is as many runs as fill --sample-seconds.
"""

import argparse
import datetime
import glob
import json
import math
import os
import platform
import re
import statistics
import sys
import time

import torch
import torch._inductor.config
import torch.nn.functional as F

from unet import SelfAttention2D, UNet

MNIST = dict(image_size=28, in_channels=1, patch_size=2, channels=[32, 80], blocks=1, attention_levels=[], heads=5,
             time_dim=128, groups=8, classes=10, prediction="v", schedule="cosine", steps=1000)
BATCH, RATE, DECAY, CLIP, EMA, DROP = 64, 1e-3, 0.01, 1.0, 0.999, 0.1  # recipes/mnist.yaml
VARIANTS = {"eager": (None, False), "eager-channels_last": (None, True), "compiled": ("default", False),
            "compiled-channels_last": ("default", True)}  # name: mode of torch.compile, channels_last
AUTOTUNE = {"autotuned": ("max-autotune-no-cudagraphs", False),
            "autotuned-channels_last": ("max-autotune-no-cudagraphs", True)}
CLASSES, STEPS = MNIST["classes"], MNIST["steps"]


class FusedAttention(SelfAttention2D):
    def forward(self, x):
        n, c, h, w = x.shape
        r = self.norm(x).flatten(2).mT
        q, k, v = (f(r).unflatten(2, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(a.transpose(1, 2).flatten(2)).mT.unflatten(2, (h, w))


class Peer(UNet):
    """The twin with what a careful user changes: nothing is computed twice, and attention is the fused one."""

    def __init__(self):
        super().__init__(MNIST)
        self.mid.attention = FusedAttention(MNIST, MNIST["channels"][-1])
        half = MNIST["time_dim"] // 2
        self.register_buffer("freqs", torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half))

    def embed(self, t, cls, dtype):
        a = t.double()[:, None] * self.freqs
        e = torch.cat([torch.cos(a), torch.sin(a)], 1).to(dtype)
        e = self.time_out(F.silu(self.time_in(e)))
        return F.silu(e + getattr(self, "class")(cls))


def new_peer(channels_last):
    """The same weights every time, none of them zero."""
    torch.manual_seed(1)
    model = Peer()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.05 * torch.randn_like(p)
    return model.to(memory_format=torch.channels_last) if channels_last else model


def inputs(n):
    g = torch.Generator().manual_seed(n)
    return (torch.randn(n, 28, 28, 1, generator=g), torch.arange(n).remainder(STEPS).float(),
            torch.randint(CLASSES + 1, (n,), generator=g))


def samples(run, count, seconds):
    """Seconds of one run: `count` samples after a warm-up that also says how many runs fill one."""
    run()
    begun, runs = time.perf_counter(), 0
    while runs < 3 or time.perf_counter() - begun < 0.3:
        run()
        runs += 1
    each = max(1, round(seconds * runs / (time.perf_counter() - begun)))
    out = []
    for _ in range(count):
        begun = time.perf_counter()
        for _ in range(each):
            run()
        out.append((time.perf_counter() - begun) / each)
    return out


def compiled(model, mode, frozen):
    """The model as mode runs it. Frozen weights are constants, which oneDNN packs once and not in every pass."""
    torch._inductor.config.freezing = frozen
    return model if mode is None else torch.compile(model, mode=mode, dynamic=False)


def forward(variant, batch, args):
    mode, channels_last = (VARIANTS | AUTOTUNE)[variant]
    model = new_peer(channels_last).eval()
    x, t, cls = inputs(batch)
    twin = UNet(MNIST).eval()
    twin.load_state_dict(model.state_dict(), strict=False)
    step = compiled(model, mode, frozen=True)
    with torch.no_grad():
        want, got = twin(x, t, cls), step(x, t, cls)
        error = ((got - want).norm() / want.norm()).item()
        if not error < 1e-5:
            raise SystemExit(f"{variant} at batch {batch} is not the twin: {error:.1e}")
        s = samples(lambda: step(x, t, cls), args.samples, args.sample_seconds)
    return dict(what="forward", batch=batch, variant=variant, seconds=statistics.median(s), samples=s, error=error,
                per_second=batch / statistics.median(s))


class Trainer:
    """One optimisation step of the recipe."""

    def __init__(self, mode, channels_last):
        self.model = new_peer(channels_last).train()
        self.net = compiled(self.model, mode, frozen=False)
        params = list(self.model.parameters())
        groups = [dict(params=[p for p in params if p.ndim > 1], weight_decay=DECAY),
                  dict(params=[p for p in params if p.ndim <= 1], weight_decay=0.0)]
        self.adam = torch.optim.AdamW(groups, lr=RATE, fused=True)
        self.params, self.average = params, [p.detach().clone() for p in params]
        self.pictures = torch.randint(256, (4096, 28, 28, 1), dtype=torch.uint8)
        self.labels = torch.randint(CLASSES, (4096,))
        u = torch.arange(STEPS + 1, dtype=torch.float64) / STEPS
        bar = torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
        bar = torch.cumprod(1 - torch.clamp(1 - bar[1:] / bar[:-1], max=0.999), 0)
        self.signal, self.noise = bar.sqrt().float(), (1 - bar).sqrt().float()
        self.steps = 0

    def __call__(self):
        at = torch.randint(4096, (BATCH,))
        x0 = self.pictures[at].float().mul_(2 / 255).sub_(1)
        cls = torch.where(torch.rand(BATCH) < DROP, CLASSES, self.labels[at])
        t, eps = torch.randint(STEPS, (BATCH,)), torch.randn_like(x0)
        a, s = self.signal[t][:, None, None, None], self.noise[t][:, None, None, None]
        loss = F.mse_loss(self.net(a * x0 + s * eps, t.float(), cls), a * eps - s * x0)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, CLIP, foreach=True)
        self.adam.step()
        self.steps += 1
        decay = min(EMA, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.params], 1 - decay)
        return loss.item()


def train(variant, args):
    torch.manual_seed(1)
    s = samples(Trainer(*(VARIANTS | AUTOTUNE)[variant]), args.samples, args.sample_seconds)
    median = statistics.median(s)
    return dict(what="train", batch=BATCH, variant=variant, seconds=median, samples=s, per_second=BATCH / median)


def machine():
    try:
        with open("/proc/cpuinfo") as f:
            name = re.search(r"model name\s*:\s*(.*)", f.read()).group(1)
    except (OSError, AttributeError):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


def report(args, rows):
    return dict(command="bench_unet.py " + args.command, torch=torch.__version__, python=platform.python_version(),
                threads=torch.get_num_threads(), mkldnn=torch.backends.mkldnn.is_available(),
                capability=torch.backends.cpu.get_cpu_capability(), machine=machine(), load=os.getloadavg()[0],
                date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), results=rows)


def note(row):
    print(f"{row['what']:8} batch {row['batch']:3d} {row['variant']:24} {1e3 * row['seconds']:9.2f} ms "
          f"{row['per_second']:9.1f}/s", file=sys.stderr, flush=True)
    return row


def search(args):
    """Every variant for every row; `best` holds the fastest. One that this machine cannot run is left out."""
    rows = []
    variants = VARIANTS | AUTOTUNE if args.autotune else VARIANTS
    tasks = [(forward, (v, b, args)) for b in args.batches for v in variants]
    for run, arguments in tasks + [(train, (v, args)) for v in VARIANTS if args.train]:
        try:
            rows.append(note(run(*arguments)))
        except Exception as error:  # such as a machine without a C++ compiler
            print(f"{run.__name__} {arguments[0]}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
        torch.compiler.reset()
    best = {}
    for r in rows:
        key = f"{r['what']}-{r['batch']}"
        if key not in best or r["seconds"] < best[key]["seconds"]:
            best[key] = r
    return dict(report(args, rows), best={k: r["variant"] for k, r in best.items()})


def measure(args):
    """The best variants of a search alone."""
    with open(args.best) as f:
        best = json.load(f)["best"]
    rows = []
    for key, variant in best.items():
        what, batch = key.split("-")
        rows.append(note(train(variant, args) if what == "train" else forward(variant, int(batch), args)))
        torch.compiler.reset()
    return report(args, rows)


def combine(args):
    """Medians over the runs in a folder: peer-*.json of measure, model-*.json and train-*.json of manifold bench."""
    def read(pattern):
        files = sorted(glob.glob(os.path.join(args.dir, pattern)))
        if not files:
            raise SystemExit(f"no {pattern} in {args.dir}")
        out = []
        for name in files:
            with open(name) as f:
                out.append(json.load(f))
        return out

    peer, model, training = read("peer-*.json"), read("model-*.json"), read("train-*.json")
    ours, theirs, variants = {}, {}, {}
    for run in model:
        for r in run["results"]:
            ours.setdefault(("forward", r["batch"]), []).append(r["per_second"])
    for run in training:
        ours.setdefault(("train", run["results"]["batch"]), []).append(run["results"]["samples_per_second"])
    for run in peer:
        for r in run["results"]:
            theirs.setdefault((r["what"], r["batch"]), []).append(r["per_second"])
            variants[r["what"], r["batch"]] = r["variant"]
    rows = []
    for key in sorted(set(ours) & set(theirs)):
        a, b = ours[key], theirs[key]
        rows.append(dict(
            what=key[0], batch=key[1], manifold_per_second=statistics.median(a), manifold_range=[min(a), max(a)],
            manifold_runs=len(a), pytorch_per_second=statistics.median(b), pytorch_range=[min(b), max(b)],
            pytorch_runs=len(b), pytorch_variant=variants[key], ratio=statistics.median(a) / statistics.median(b)))
    missing = sorted(set(ours) ^ set(theirs))
    if missing:
        raise SystemExit(f"rows on one side alone: {missing}")
    keep = ("version", "numerics", "go", "kernels", "threads", "machine")
    return dict(command="tools/reference/bench_peers.sh",
                note="pictures a second, medians over runs in turns; a ratio above 1 means that manifold is faster",
                manifold={k: model[-1].get(k) for k in keep},
                pytorch={k: peer[-1][k] for k in ("torch", "python", "threads", "capability", "machine")},
                load=[run["load"] for run in peer], date=peer[-1]["date"], results=rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=["search", "measure", "combine"])
    p.add_argument("dir", nargs="?", help="combine: folder of the runs")
    p.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    p.add_argument("--samples", type=int, default=7, help="samples of a row; the median counts")
    p.add_argument("--sample-seconds", type=float, default=0.5)
    p.add_argument("--batches", type=lambda s: [int(b) for b in s.split(",")], default=[1, 4, 16, 64])
    p.add_argument("--autotune", action="store_true", help="search: also with max-autotune, which takes minutes a row")
    p.add_argument("--no-train", dest="train", action="store_false", help="search: forward passes alone")
    p.add_argument("--best", help="measure: the result of a search")
    p.add_argument("--out", help="file for the result; standard output when left out")
    args = p.parse_args()
    if args.command == "measure" and not args.best or args.command == "combine" and not args.dir:
        p.error("measure needs --best FILE, combine needs a folder")
    if args.threads:
        torch.set_num_threads(args.threads)
    result = dict(search=search, measure=measure, combine=combine)[args.command](args)
    text = json.dumps(result, indent=2) + "\n"
    if args.out:
        with open(args.out, "w") as f:
            f.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
