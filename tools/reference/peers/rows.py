"""The rows of docs/results/peers.md: what Manifold runs, what its peers run, and what is asked."""

ROWS = {}


def row(name, ours, kind, unit, items, asked, published=None, threads=None, **shape):
    """`ours` is a workload of `manifold bench model` or train; `items` are the units of one run of a peer; `asked` is
    the least ratio to the best peer. `published` is the best peer's figure on another machine, two cores of a Zen 5
    with PUBLISHED's limits, and which limit it follows: "peak" or "read"."""
    ROWS[name] = dict(ours=ours, kind=kind, unit=unit, items=items, asked=asked, published=published, threads=threads,
                      shape=shape)


PUBLISHED = dict(peak=482.0, read=47.3, cache=189.0)  # GF/s of float32, GB/s of memory and of the shared cache

for n, figure in ((256, 342), (512, 402), (1024, 411), (2048, 380)):
    row(f"product/f32/{n}", f"product/f32/{n}", "product", "GF/s", 2e-9 * n**3, 1.0, (figure, "peak"), m=n, k=n, n=n)
row("product/f32/1x1024x1024", "product/f32/1x1024x1024", "product", "GF/s", 2e-9 * 1024**2, 1.0, m=1, k=1024, n=1024)
row("product/f32/16x384x1536", "product/f32/16x384x1536", "product", "GF/s", 2e-9 * 16 * 384 * 1536, 1.0, m=16, k=384,
    n=1536)
row("product/bf16/1024", "product/bf16/1024", "product_bf16", "GF/s", 2e-9 * 1024**3, 1.0, m=1024, k=1024, n=1024)
row("product/int8/1024", "product/int8/1024", "product_int8", "GOP/s", 2e-9 * 1024**3, 1.0, m=1024, k=1024, n=1024)
row("product/int8-dynamic/1024", "product/int8-dynamic/1024", "product_int8_dynamic", "GOP/s", 2e-9 * 1024**3, 1.0,
    m=1024, k=1024, n=1024)  # of float32 activations, quantised in the call

for n, figure in ((1, (1 / 0.0355, "peak")), (4, (4 / 0.1298, "peak")), (16, None)):
    row(f"unet/{n}", f"ddpm-cifar10-32/f32/{n}", "unet", "pictures/s", n, 1.0, figure, batch=n)
for n, figure in ((1, 1174), (64, 1207)):
    row(f"dcgan/{n}", f"dcgan-64/f32/{n}", "dcgan", "pictures/s", n, 1.0, (figure, "peak"), batch=n)
for precision, kind, figures in (("f32", "minilm", (395, 150, 207)), ("int8", "minilm_int8", (1377, 380, 413))):
    for (b, t), figure in zip(((1, 16), (1, 64), (32, 64)), figures):
        row(f"minilm/{precision}/{b}x{t}", f"minilm-l6/{precision}/{b}x{t}", kind, "sentences/s", b, 1.2,
            (figure, "peak"), batch=b, tokens=t)

row("vae/train/128", "vae-784-400-20/train/128", "vae", "steps/s", 1, 2.0, (274, "peak"), batch=128)
for n, figure, steps in ((16, 12.2, 20), (64, 2.94, 5)):  # a recipe, timed for so many steps
    row(f"small-unet/train/{n}", f"services/diffusion/recipes/bench/unet-28-b{n}.yaml", "small_unet", "steps/s", 1, 1.2,
        (figure, "peak"), batch=n, steps=steps)

FIGURES = {  # rows: figure; ours calls one row decode-1, eight sequences decode-8, and more rows a prefill
    ("qwen2.5-0.5b", "q8_0"): {1: 62.0, 8: 105, 512: 783}, ("qwen2.5-0.5b", "q4_0"): {1: 95.2, 8: 189, 512: 850},
    ("stories15m", "q8_0"): {1: 2542, 8: 2567, 128: 12968, 512: 11681},
    ("stories15m", "q4_0"): {1: 2249, 8: None, 128: 18877, 512: 17052}}
for (model, kind), figures in FIGURES.items():
    for n, figure in figures.items():
        limit = "peak" if n > 8 else "read" if model == "qwen2.5-0.5b" else "cache"
        least = 2.0 if n == 8 or model == "stories15m" else 1.0
        ours = f"{model}/{kind}/{'prefill' if n > 8 else 'decode'}-{n}"
        row(f"{model}/{kind}/{n}", ours, "decoder", "tokens/s", n, least, figure and (figure, limit), model=model,
            type=kind, rows=n)
        if n in (1, 512):
            row(f"one-thread/{model}/{kind}/{n}", ours, "decoder", "tokens/s", n, 1.0, None, 1, model=model, type=kind,
                rows=n)

PEERS = dict(product=("onnxruntime", "torch"), product_bf16=("torch",), product_int8=("onnxruntime", "torch"),
             product_int8_dynamic=("onnxruntime", "torch"), unet=("onnxruntime", "torch"),
             dcgan=("onnxruntime", "torch"), minilm=("onnxruntime", "torch"), minilm_int8=("onnxruntime", "torch"),
             vae=("torch",), small_unet=("torch",), decoder=("llama.cpp", "ik_llama.cpp"))
