"""PyTorch's ways of every row. A way is a function that prepares a run; `ways` never measures.

Eager and compiled, in PyTorch's layout and channels_last, with weights packed for oneDNN where it offers that;
constants are frozen in forward passes. Every other way is checked against eager mode.
"""

import os

import torch
import torch._inductor.config
from torch import nn

from peers import nets
from peers.rows import ROWS

MODES = {"eager": None, "compiled": "default", "autotuned": "max-autotune-no-cudagraphs"}


def version():
    return torch.__version__


def forget():
    torch.compiler.reset()


def compiled(model, mode, frozen):
    torch._inductor.config.freezing = frozen
    return model if mode is None else torch.compile(model, mode=mode, dynamic=False)


def inference(run):
    def call():
        with torch.inference_mode():
            return run()
    return call


def checked(run, want, bound, what):
    nets.check(nets.close(run().float(), want), bound, what)
    return run


def no_grad(run):
    """Compiled and frozen models want no_grad while they are compiled."""
    def call():
        with torch.no_grad():
            return run()
    return call


def ways(name, threads, scratch):
    torch.set_num_threads(threads)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(scratch, "inductor"))
    row = ROWS[name]
    return KINDS[row["kind"]](**row["shape"])


def product(m, k, n):
    torch.manual_seed(1)
    a, layer = torch.randn(m, k), nn.Linear(k, n, bias=False)
    with torch.no_grad():
        want = layer(a)
    w, out = layer.weight.detach().t().contiguous(), torch.empty(m, n)

    def packed():
        from torch.utils import mkldnn
        return inference(checked(lambda net=mkldnn.to_mkldnn(layer.eval()): net(a), want, 1e-5, "mkldnn"))

    def by(mode):
        net = compiled(layer.eval(), mode, True)
        return checked(no_grad(lambda: net(a)), want, 1e-5, str(mode))

    return {"mm": lambda: inference(lambda: torch.mm(a, w, out=out)), "linear": lambda: inference(lambda: layer(a)),
            "mkldnn": packed, "compiled": lambda: by("default"), "autotuned": lambda: by(MODES["autotuned"])}


def product_bf16(m, k, n):
    torch.manual_seed(1)
    a, layer = torch.randn(m, k).bfloat16(), nn.Linear(k, n, bias=False).bfloat16().eval()
    w, out = layer.weight.detach().t().contiguous(), torch.empty(m, n, dtype=torch.bfloat16)
    want = a.float() @ w.float()

    def by(mode):
        net = compiled(layer, mode, True)
        return checked(no_grad(lambda: net(a)), want, 1e-2, str(mode))

    return {"mm": lambda: inference(lambda: torch.mm(a, w, out=out)), "linear": lambda: inference(lambda: layer(a)),
            "compiled": lambda: by("default"), "autotuned": lambda: by(MODES["autotuned"])}


def packed_int8(engine, k, n):
    torch.backends.quantized.engine = engine
    scales, zeros = torch.full((n,), 0.01), torch.zeros(n, dtype=torch.int64)
    w = nn.Linear(k, n, bias=False).weight.detach()
    return torch.ops.quantized.linear_prepack(torch.quantize_per_channel(w, scales, zeros, 0, torch.qint8), None)


def product_int8(m, k, n):
    torch.manual_seed(1)
    a8, w8 = (torch.randint(-127, 128, s, dtype=torch.int8) for s in ((m, k), (k, n)))

    def int_mm():
        return inference(lambda: torch._int_mm(a8, w8))

    def compiled_int_mm(mode):
        class Mm(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("w", w8)

            def forward(self, x):
                return torch._int_mm(x, self.w)
        net = compiled(Mm().eval(), mode, True)
        return no_grad(lambda: net(a8))

    def static(engine):
        w, x = packed_int8(engine, k, n), torch.quantize_per_tensor(torch.randn(m, k), 0.03, 128, torch.quint8)
        return inference(lambda: torch.ops.quantized.linear(x, w, 0.5, 128))

    return {"_int_mm": int_mm, "compiled-_int_mm": lambda: compiled_int_mm("default"),
            "linear-x86": lambda: static("x86")}


def product_int8_dynamic(m, k, n):
    torch.manual_seed(1)
    a = torch.randn(m, k)

    def dynamic(engine):
        w = packed_int8(engine, k, n)
        return inference(lambda: torch.ops.quantized.linear_dynamic(a, w))

    return {"linear_dynamic-onednn": lambda: dynamic("onednn"), "linear_dynamic-x86": lambda: dynamic("x86")}


def layouts(make, inputs, bound=1e-4):
    """A convolutional network eager and compiled, in both layouts."""
    def way(mode, last):
        model, x = make(), inputs()
        with torch.no_grad():
            want = model(*x)
        if last:
            model = model.to(memory_format=torch.channels_last)
            x = [t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in x]
        net = compiled(model, mode, True)
        run = inference if mode is None else no_grad
        return checked(run(lambda: net(*x)), want, bound, f"{mode} {last}")

    return {name + suffix: lambda mode=mode, last=last: way(mode, last)
            for name, mode in (("eager", None), ("compiled", "default"))
            for suffix, last in (("", False), ("-channels_last", True))}


def unet(batch):
    return layouts(lambda: nets.Tensors(nets.ddpm_unet()),
                   lambda: [torch.randn(batch, 3, 32, 32), torch.full((batch,), 500)])


def dcgan(batch):
    return layouts(lambda: nets.DCGAN().eval(), lambda: [torch.randn(batch, 100, 1, 1)])


def minilm(batch, tokens):
    ids = torch.randint(30522, (batch, tokens), generator=torch.Generator().manual_seed(1))

    def way(mode):
        model = nets.BareEncoder(nets.minilm()).eval()
        with torch.no_grad():
            want = model(ids)
        net = compiled(model, mode, True)
        run = inference if mode is None else no_grad
        return checked(run(lambda: net(ids)), want, 1e-4, str(mode))

    return {name: lambda mode=mode: way(mode) for name, mode in MODES.items() if name != "autotuned" or batch == 1}


def minilm_int8(batch, tokens):
    ids = torch.randint(30522, (batch, tokens), generator=torch.Generator().manual_seed(1))

    def way(engine):
        torch.backends.quantized.engine = engine
        model = nets.BareEncoder(nets.minilm()).eval()
        with torch.no_grad():
            want = model(ids)
        net = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
        run = inference(lambda: net(ids))
        run.note = "cosine to float32 %.5f" % torch.nn.functional.cosine_similarity(run(), want, -1).mean()
        return run

    return {"dynamic-x86": lambda: way("x86"), "dynamic-onednn": lambda: way("onednn")}


def vae(batch):
    def way(mode, whole):
        model = nets.VAE()
        x = torch.rand(batch, 784)
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        net = compiled(model, mode, False)

        def step():
            adam.zero_grad(set_to_none=True)
            net(x).backward()
            adam.step()

        if whole:
            torch._inductor.config.freezing = False
            return torch.compile(step, dynamic=False)
        return step

    return {"eager": lambda: way(None, False), "compiled": lambda: way("default", False),
            "compiled-step": lambda: way(None, True)}


def small_unet(batch, steps):
    from peers.small_unet import Trainer
    return {name + suffix: lambda mode=mode, last=last: Trainer(batch, mode, last)
            for name, mode in (("eager", None), ("compiled", "default"))
            for suffix, last in (("", False), ("-channels_last", True))}


KINDS = dict(product=product, product_bf16=product_bf16, product_int8=product_int8,
             product_int8_dynamic=product_int8_dynamic, unet=unet, dcgan=dcgan, minilm=minilm, minilm_int8=minilm_int8,
             vae=vae, small_unet=small_unet)
