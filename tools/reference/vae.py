"""Goldens of services/vae: losses and gradients of autoencoders, VAEs and quantised autoencoders.

    python vae.py ../../services/vae/internal

The twins below are written from the papers with PyTorch's own layers and distributions. Parameters have the names and
layouts of the Go models: pictures NHWC, weights [in, out], [KH, KW, in, out] and, transposed, [KH, KW, out, in].
A case `c` holds `c.x`, its noise, `c.param.<name>`, and of PyTorch in float64 `c.out.<name>` and `c.grad.<name>`.
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Normal, kl_divergence

from golden import norm_err, save_file

ACT = {"relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "silu": F.silu, "gelu": F.gelu,
       "linear": lambda x: x}


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def sizes(c):
    s = [(c["height"], c["width"])]
    for _ in c["hidden"]:
        s.append(((s[-1][0] + 1) // 2, (s[-1][1] + 1) // 2))
    return s


def features(c):
    if c["network"] == "conv":
        h, w = sizes(c)[-1]
        return h * w * c["hidden"][-1]
    return c["hidden"][-1] if c["hidden"] else c["height"] * c["width"] * c["channels"]


def one_hot(cls, k, like):
    return F.one_hot(cls, k).to(like.dtype)


def encoder_shapes(c):
    p, n = {}, c["height"] * c["width"] * c["channels"]
    if c["network"] == "conv":
        n = c["channels"]
    for i, h in enumerate(c["hidden"]):
        if c["network"] == "conv":
            p[f"encoder.convs.{i}.weight"], p[f"encoder.convs.{i}.bias"] = (3, 3, n, h), (h,)
        else:
            p[f"encoder.dense.{i}.weight"], p[f"encoder.dense.{i}.bias"] = (n, h), (h,)
        n = h
    if c.get("classes") and c["hidden"]:
        p["encoder.class"] = (c["classes"], c["hidden"][0])
    return p


def decoder_shapes(c, k):
    p, hid = {}, list(reversed(c["hidden"]))
    if c["network"] == "conv":
        if k:
            p["decoder.dense.0.weight"], p["decoder.dense.0.bias"] = (k, features(c)), (features(c),)
        for i, n in enumerate(hid):
            out = hid[i + 1] if i + 1 < len(hid) else c["channels"]
            p[f"decoder.ups.{i}.weight"], p[f"decoder.ups.{i}.bias"] = (4, 4, out, n), (out,)
        first = features(c)
    else:
        n = k
        for i, h in enumerate(hid + [c["height"] * c["width"] * c["channels"]]):
            p[f"decoder.dense.{i}.weight"], p[f"decoder.dense.{i}.bias"] = (n, h), (h,)
            n = h
        first = (hid + [n])[0]
    if c.get("classes") and (c["network"] == "mlp" or k):
        p["decoder.class"] = (c["classes"], first)
    return p


def likelihood_shapes(c):
    kind = c["likelihood"]["kind"]
    if kind == "logistic":
        return {"likelihood.log_scale": (c["channels"],)}
    if kind == "gaussian" and not c["likelihood"].get("variance"):
        return {"likelihood.log_scale": (1,)}
    return {}


def encode(c, p, x, cls):
    """Features [N, F], or the map of a conv network [N, h, w, F]."""
    act = ACT[c["activation"]]
    if c["network"] == "conv":
        x = x.view(-1, c["height"], c["width"], c["channels"])
        if c.get("classes"):  # constant planes beside the picture
            planes = one_hot(cls, c["classes"], x)[:, None, None, :].expand(-1, *x.shape[1:3], -1)
        for i in range(len(c["hidden"])):
            y = F.conv2d(nchw(x), p[f"encoder.convs.{i}.weight"].permute(3, 2, 0, 1), p[f"encoder.convs.{i}.bias"],
                         stride=2, padding=1)
            if i == 0 and c.get("classes"):
                # the class's weights act once, whatever the border: a 1x1 convolution of planes, sampled with stride 2
                y = y + F.conv2d(nchw(planes), p["encoder.class"].t()[:, :, None, None], stride=2)
            x = act(nhwc(y))
        return x
    for i in range(len(c["hidden"])):
        w = p[f"encoder.dense.{i}.weight"]
        if i == 0 and c.get("classes"):
            x, w = torch.cat([x, one_hot(cls, c["classes"], x)], 1), torch.cat([w, p["encoder.class"]], 0)
        x = act(F.linear(x, w.t(), p[f"encoder.dense.{i}.bias"]))
    return x


def decode(c, p, z, cls):
    act = ACT[c["activation"]]
    dense = [k for k in p if k.startswith("decoder.dense.") and k.endswith(".weight")]
    for i in range(len(dense)):
        w = p[f"decoder.dense.{i}.weight"]
        if i == 0 and c.get("classes"):
            z, w = torch.cat([z, one_hot(cls, c["classes"], z)], 1), torch.cat([w, p["decoder.class"]], 0)
        z = F.linear(z, w.t(), p[f"decoder.dense.{i}.bias"])
        if c["network"] == "conv" or i < len(dense) - 1:
            z = act(z)
    if c["network"] == "mlp":
        return z
    h, w = sizes(c)[-1]
    return decode_map(c, p, z.view(-1, h, w, c["hidden"][-1]))


def decode_map(c, p, z):
    act, s, n = ACT[c["activation"]], sizes(c), len(c["hidden"])
    for i in range(n):
        h, w = s[n - 1 - i]
        y = F.conv_transpose2d(nchw(z), p[f"decoder.ups.{i}.weight"].permute(3, 2, 0, 1), p[f"decoder.ups.{i}.bias"],
                               stride=2, padding=1)
        z = nhwc(y)[:, :h, :w]
        if i < n - 1:
            z = act(z)
    return z.reshape(z.shape[0], -1)


def log_lik(c, p, out, x):
    """log p(x | out) [...]"""
    kind = c["likelihood"]["kind"]
    if kind == "bernoulli":
        x = x.expand_as(out)
        return -F.binary_cross_entropy_with_logits(out, x, reduction="none").sum(-1)
    if kind == "gaussian":
        v = c["likelihood"].get("variance")
        scale = math.sqrt(v) if v else p["likelihood.log_scale"].exp()
        return Normal(out, scale).log_prob(x).sum(-1)
    s = p["likelihood.log_scale"].clamp(min=-7).exp().repeat(out.shape[-1] // c["channels"])
    cdf = lambda v: torch.sigmoid((v - out) / s)
    up, down = cdf(x + 0.5 / 255), cdf(x - 0.5 / 255)
    up = torch.where(x > 1 - 0.5 / 255, torch.ones_like(up), up)
    down = torch.where(x < 0.5 / 255, torch.zeros_like(down), down)
    return (up - down).log().sum(-1)


class Cases:
    def __init__(self, seed):
        self.gen = torch.Generator().manual_seed(seed)
        self.tensors, self.cases = {}, {}

    def randn(self, *shape, scale=1.0):
        return torch.randn(shape, generator=self.gen) * scale

    def pictures(self, c, n):
        x = torch.rand((n, c["height"] * c["width"] * c["channels"]), generator=self.gen)
        x = torch.where(x < 0.25, torch.zeros_like(x), torch.where(x > 0.8, torch.ones_like(x), x))
        return (x * 255).round() / 255

    def add(self, name, config, shapes, inputs, fn, ints=None, **attrs):
        """fn(params, inputs, ints) gives a dict of outputs; the gradients are those of its "loss"."""
        params = {k: self.randn(*s, scale=1 / math.sqrt(max(1, int(np.prod(s[:-1]))))) for k, s in shapes.items()}

        def run(dtype):
            p = {k: v.to(dtype).requires_grad_(True) for k, v in params.items()}
            out = fn(p, {k: v.to(dtype) for k, v in inputs.items()}, ints or {})
            g = torch.autograd.grad(out["loss"], list(p.values()), allow_unused=True)
            res = {f"out.{k}": v.detach() for k, v in out.items()}
            res.update({f"grad.{k}": torch.zeros_like(v) if d is None else d for (k, v), d in zip(p.items(), g)})
            return res

        r64, r32 = run(torch.float64), run(torch.float32)
        for k, v in inputs.items():
            self.tensors[f"{name}.{k}"] = v.numpy().astype(np.float32)
        for k, v in (ints or {}).items():
            self.tensors[f"{name}.{k}"] = v.numpy().astype(np.int32)
        for k, v in params.items():
            self.tensors[f"{name}.param.{k}"] = v.detach().numpy().astype(np.float32)
        for k, v in r64.items():
            self.tensors[f"{name}.{k}"] = v.numpy().astype(np.float64)
        self.cases[name] = {"config": config, **attrs, "torch_err": {k: norm_err(r32[k], v) for k, v in r64.items()}}

    def save(self, path):
        save_file(self.tensors, path, {"cases": json.dumps(self.cases, sort_keys=True), "torch": torch.__version__})
        print(f"{path}: {len(self.cases)} cases, {sum(t.nbytes for t in self.tensors.values()) / 1e3:.0f} kB")


def net(kind="mlp", h=5, w=4, ch=1, hidden=(9, 7), act="tanh", lik="bernoulli", variance=0, classes=0, **more):
    c = {"height": h, "width": w, "channels": ch, "network": kind, "hidden": list(hidden), "activation": act,
         "likelihood": {"kind": lik}, **more}
    if variance:
        c["likelihood"]["variance"] = variance
    if classes:
        c["classes"] = classes
    return c


def vae_shapes(c):
    k, f = c["latent"], features(c)
    return {**encoder_shapes(c), "mean.weight": (f, k), "mean.bias": (k,), "log_var.weight": (f, k),
            "log_var.bias": (k,), **decoder_shapes(c, k), **likelihood_shapes(c)}


def posterior(c, p, x, cls):
    h = encode(c, p, x, cls).reshape(x.shape[0], -1)
    return F.linear(h, p["mean.weight"].t(), p["mean.bias"]), F.linear(h, p["log_var.weight"].t(), p["log_var.bias"])


def elbo(c, beta=1.0, free=0.0):
    def fn(p, i, ints):
        cls = ints.get("class", torch.zeros(0)).long()
        mean, logvar = posterior(c, p, i["x"], cls)
        q = Normal(mean, (0.5 * logvar).exp())
        z = mean + q.scale * i["eps"]
        out = decode(c, p, z, cls)
        kl = kl_divergence(q, Normal(torch.zeros_like(mean), torch.ones_like(mean)))
        ll = log_lik(c, p, out, i["x"]).mean()
        term = kl.sum(1).mean() if free == 0 else kl.mean(0).clamp(min=free).sum()
        return {"loss": beta * term - ll, "log_lik": ll, "kl": kl, "mean": mean, "logvar": logvar, "output": out}
    return fn


def iwae(c):
    def fn(p, i, ints):
        x, eps = i["x"], i["eps"]
        n, s, k = eps.shape
        cls = ints.get("class", torch.zeros(0)).long()
        mean, logvar = posterior(c, p, x, cls)
        q = Normal(mean[:, None], (0.5 * logvar).exp()[:, None])
        z = q.mean + q.scale * eps
        out = decode(c, p, z.reshape(n * s, k), cls.repeat_interleave(s)).view(n, s, -1)
        w = log_lik(c, p, out, x[:, None]) + Normal(0., 1.).log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
        return {"loss": -(torch.logsumexp(w, 1) - math.log(s)).mean(), "weights": w}
    return fn


def vaes(path):
    g, n = Cases(41), 3
    for name, c, beta, free in [
        ("mlp", net(latent=4), 1, 0),
        ("mlp-free-bits", net(latent=4, act="relu"), 4, 0.3),
        ("mlp-gaussian", net(latent=3, act="silu", lik="gaussian", variance=0.25), 1, 0),
        ("mlp-class", net(latent=3, classes=5), 1, 0),
        ("linear", net(latent=2, hidden=(), lik="gaussian"), 1, 0),
        ("conv-learned", net("conv", 7, 6, 2, (4, 5), "gelu", "gaussian", latent=3), 1, 0),
        ("conv-logistic-class", net("conv", 7, 6, 2, (4, 5), "relu", "logistic", classes=3, latent=3), 0.5, 0),
    ]:
        ints = {"class": torch.tensor([2, 0, 1], dtype=torch.int32)} if c.get("classes") else None
        g.add(name, c, vae_shapes(c), {"x": g.pictures(c, n), "eps": g.randn(n, c["latent"])}, elbo(c, beta, free), ints,
              op="elbo", beta=beta, free_bits=free)
    for name, c in [
        ("iwae", net(latent=4)), ("iwae-class", net(latent=3, classes=5, act="silu")),
        ("iwae-gaussian", net(latent=3, lik="gaussian")),
        ("iwae-logistic", net("conv", 4, 4, 1, (4,), "relu", "logistic", latent=2)),
    ]:
        ints = {"class": torch.tensor([2, 0, 1], dtype=torch.int32)} if c.get("classes") else None
        g.add(name, c, vae_shapes(c), {"x": g.pictures(c, n), "eps": g.randn(n, 5, c["latent"])}, iwae(c), ints, op="iwae")
    g.save(path)


def ae_shapes(c):
    k, f = c["code"], features(c)
    return {**encoder_shapes(c), "code.weight": (f, k), "code.bias": (k,), **decoder_shapes(c, k), **likelihood_shapes(c)}


def ae(c, pen):
    def fn(p, i, ints):
        x, noisy = i["x"], i["noisy"].clone().requires_grad_(True)
        f = lambda v: ACT[c["code_activation"]](
            F.linear(encode(c, p, v, None).reshape(v.shape[0], -1), p["code.weight"].t(), p["code.bias"]))
        code = f(noisy)
        out = decode(c, p, code, None)
        rec = -log_lik(c, p, out, x).mean()
        loss = rec
        if pen.get("sparsity") == "kl":
            rho, m = pen["target"], code.mean(0)
            loss = loss + pen["weight"] * kl_divergence(Bernoulli(torch.full_like(m, rho)), Bernoulli(m)).sum()
        if pen.get("sparsity") == "l1":
            loss = loss + pen["weight"] * code.abs().sum(1).mean()
        if pen.get("contraction"):
            # the whole Jacobian of every row by itself
            rows = [torch.autograd.functional.jacobian(lambda v: f(v[None])[0], r, create_graph=True) for r in noisy]
            loss = loss + pen["contraction"] * sum((j ** 2).sum() for j in rows) / len(rows)
        return {"loss": loss, "reconstruction": rec, "code": code, "output": out}
    return fn


def autoencoders(path):
    g, n = Cases(42), 3
    for name, c, pen in [
        ("dense", net(code=4, code_activation="linear"), {}),
        ("kl", net(code=6, code_activation="sigmoid", act="relu"), {"sparsity": "kl", "target": 0.1, "weight": 0.7}),
        ("l1-conv", net("conv", 7, 6, 2, (4, 5), "silu", "gaussian", 0.5, code=4, code_activation="linear"),
         {"sparsity": "l1", "weight": 0.3}),
        ("contractive-layer", net(hidden=(), code=5, code_activation="sigmoid"), {"contraction": 0.4}),
        ("contractive-deep", net(hidden=(6,), code=3, code_activation="sigmoid"), {"contraction": 0.4}),
        ("contractive-conv", net("conv", 4, 5, 1, (3,), "tanh", code=2, code_activation="tanh"), {"contraction": 0.4}),
        ("denoising", net(code=4, code_activation="relu"), {"corruption": "masking", "amount": 0.3}),
    ]:
        x = g.pictures(c, n)
        noisy = x * (torch.rand(x.shape, generator=g.gen) > 0.3) if "corruption" in pen else x
        g.add(name, c, ae_shapes(c), {"x": x, "noisy": noisy}, ae(c, pen), op="autoencoder", penalties=pen)
    g.save(path)


def vq(c, learn):
    def fn(p, i, ints):
        x = i["x"]
        z = F.linear(encode(c, p, x, None), p["in.weight"].t(), p["in.bias"]).reshape(-1, c["size"])
        index = torch.cdist(z, p["codebook"]).argmin(1)
        e = p["codebook"][index]
        q = z + (e - z).detach()
        h, w = sizes(c)[-1]
        q = F.linear(q.view(-1, h, w, c["size"]), p["out.weight"].t(), p["out.bias"])
        out = decode_map(c, p, q)
        n = x.shape[0]
        rec, dist = -log_lik(c, p, out, x).mean(), ((z - e.detach()) ** 2).sum() / n
        loss = rec + learn["commitment"] * dist
        if not learn.get("decay"):
            loss = loss + ((z.detach() - e) ** 2).sum() / n
        return {"loss": loss, "reconstruction": rec, "distance": dist, "output": out, "index": index.double()}
    return fn


def prior(c):
    h, w = sizes(c)[-1]

    def masked(x, weight, bias, size, self_too):
        """PyTorch's full kernel with the rows below and what lies to the right masked away."""
        half = size // 2
        full = F.pad(weight.permute(3, 2, 0, 1), (0, 0, 0, half))
        mask = torch.ones(size, size)
        mask[half, half + (1 if self_too else 0):] = 0
        mask[half + 1:] = 0
        return nhwc(F.conv2d(nchw(x), full * mask, bias, padding=half))

    def fn(p, i, ints):
        index, cls = ints["index"].long(), ints["class"].long()
        n = cls.shape[0]
        x = F.embedding(index, p["embed"]).view(n, h, w, -1)
        x = masked(x, p["first.weight"], p["first.bias"], 5, False) + p["place"].view(1, h, w, -1)
        x = x + F.embedding(cls, p["class"])[:, None, None]
        for b in range(c["prior"]["blocks"]):
            y = F.relu(F.linear(F.relu(x), p[f"blocks.{b}.down.weight"].t(), p[f"blocks.{b}.down.bias"]))
            y = F.relu(masked(y, p[f"blocks.{b}.conv.weight"], p[f"blocks.{b}.conv.bias"], 3, True))
            x = x + F.linear(y, p[f"blocks.{b}.up.weight"].t(), p[f"blocks.{b}.up.bias"])
        x = F.relu(F.linear(F.relu(x), p["hidden.weight"].t(), p["hidden.bias"]))
        logits = F.linear(x, p["logits.weight"].t(), p["logits.bias"]).view(n * h * w, -1)
        return {"loss": F.cross_entropy(logits, index.view(-1), reduction="sum") / n, "logits": logits}
    return fn


def quantised(path):
    g, n = Cases(43), 3
    c = net("conv", 7, 6, 2, (4, 5), "silu", vectors=6, size=3)
    f = c["hidden"][-1]
    shapes = {**encoder_shapes(c), "in.weight": (f, 3), "in.bias": (3,), "codebook": (6, 3), "out.weight": (3, f),
              "out.bias": (f,), **decoder_shapes(c, 0)}
    for name, learn in [("gradient", {"commitment": 0.25}), ("averages", {"commitment": 0.5, "decay": 0.9})]:
        g.add(name, c, shapes, {"x": g.pictures(c, n)}, vq(c, learn), op="vq", learning=learn)
    c = net("conv", 13, 10, 1, (4, 5), vectors=6, size=3, classes=3, prior={"channels": 8, "blocks": 2})
    h, w = sizes(c)[-1]
    k = 8
    shapes = {"embed": (6, k), "place": (h * w, k), "class": (3, k), "first.weight": (3, 5, k, k), "first.bias": (k,)}
    for b in range(2):
        shapes.update({f"blocks.{b}.down.weight": (k, k // 2), f"blocks.{b}.down.bias": (k // 2,),
                       f"blocks.{b}.conv.weight": (2, 3, k // 2, k // 2), f"blocks.{b}.conv.bias": (k // 2,),
                       f"blocks.{b}.up.weight": (k // 2, k), f"blocks.{b}.up.bias": (k,)})
    shapes.update({"hidden.weight": (k, k), "hidden.bias": (k,), "logits.weight": (k, 6), "logits.bias": (6,)})
    ints = {"index": torch.randint(0, 6, (n * h * w,), generator=g.gen, dtype=torch.int32),
            "class": torch.tensor([2, 0, 1], dtype=torch.int32)}
    g.add("prior", c, shapes, {}, prior(c), ints, op="prior")
    g.save(path)


if __name__ == "__main__":
    import os
    for name, make in [("vae", vaes), ("autoencoder", autoencoders), ("vq", quantised)]:
        os.makedirs(f"{sys.argv[1]}/{name}/testdata", exist_ok=True)
        make(f"{sys.argv[1]}/{name}/testdata/{name}.safetensors")
