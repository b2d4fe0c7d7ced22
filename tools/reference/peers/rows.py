"""The rows of docs/results/peers.md: what Manifold runs, what its peers run, and what is asked."""


def row(ours, kind, unit, items, asked, **shape):
    """`ours` is a workload of `manifold bench model` (or train), `items` the units of one run of a peer; `asked` is the
    least ratio to the best peer."""
    return dict(ours=ours, kind=kind, unit=unit, items=items, asked=asked, shape=shape)


ROWS = {}
for n in (256, 512, 1024, 2048):
    ROWS[f"product/f32/{n}"] = row(f"product/f32/{n}", "product", "GF/s", 2e-9 * n**3, 1.0, m=n, k=n, n=n)
ROWS |= {
    "product/f32/1x1024x1024": row("product/f32/1x1024x1024", "product", "GF/s", 2e-9 * 1024**2, 1.0, m=1, k=1024,
                                   n=1024),
    "product/f32/16x384x1536": row("product/f32/16x384x1536", "product", "GF/s", 2e-9 * 16 * 384 * 1536, 1.0, m=16,
                                   k=384, n=1536),
    "product/bf16/1024": row("product/bf16/1024", "product_bf16", "GF/s", 2e-9 * 1024**3, 1.0, m=1024, k=1024, n=1024),
    "product/int8/1024": row("product/int8/1024", "product_int8", "GOP/s", 2e-9 * 1024**3, 1.0, m=1024, k=1024, n=1024),
}
for n in (1, 4, 16):
    ROWS[f"unet/{n}"] = row(f"ddpm-cifar10-32/f32/{n}", "unet", "pictures/s", n, 1.0, batch=n)
for n in (1, 64):
    ROWS[f"dcgan/{n}"] = row(f"dcgan-64/f32/{n}", "dcgan", "pictures/s", n, 1.0, batch=n)
for precision, kind in (("f32", "minilm"), ("int8", "minilm_int8")):
    for b, t in ((1, 16), (1, 64), (32, 64)):
        ROWS[f"minilm/{precision}/{b}x{t}"] = row(f"minilm-l6/{precision}/{b}x{t}", kind, "sentences/s", b, 1.2,
                                                  batch=b, tokens=t)
ROWS["vae/train/128"] = row("vae-784-400-20/train/128", "vae", "steps/s", 1, 2.0, batch=128)
