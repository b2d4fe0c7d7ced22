"""A PyTorch twin of services/diffusion/internal/unet, and the golden file of its test.

    python unet.py ../../services/diffusion/internal/unet/testdata/unet.safetensors

The modules carry the names of the Go fields' weights tags, so that `export` only has to turn each weight into
Manifold's layout: convolutions [KH, KW, In, Out] from [Out, In, KH, KW], linear layers [In, Out] from [Out, In].
Tensors here are NCHW inside and NHWC at the border.
"""

import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from golden import norm_err, save_file

EPS = 1e-5


class ResBlock(nn.Module):
    def __init__(self, cfg, cin, cout):
        super().__init__()
        self.norm1 = nn.GroupNorm(cfg["groups"], cin, EPS)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.time = nn.Linear(cfg["time_dim"], cout)
        self.norm2 = nn.GroupNorm(cfg["groups"], cout, EPS)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.skip = nn.Linear(cin, cout) if cin != cout else None

    def forward(self, x, e):
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(e)[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.skip is None else self.skip(x.movedim(1, -1)).movedim(-1, 1))


class SelfAttention2D(nn.Module):
    def __init__(self, cfg, c):
        super().__init__()
        self.norm = nn.GroupNorm(cfg["groups"], c, EPS)
        self.q, self.k, self.v, self.out = (nn.Linear(c, c) for _ in range(4))
        self.heads = cfg["heads"]

    def forward(self, x):
        n, c, h, w = x.shape
        r = self.norm(x).flatten(2).mT  # [N, T, C]
        q, k, v = (f(r).unflatten(2, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = torch.softmax(q @ k.mT / math.sqrt(c // self.heads), -1) @ v
        return x + self.out(a.transpose(1, 2).flatten(2)).mT.unflatten(2, (h, w))


class Level(nn.Module):
    def __init__(self, cfg, level, cin):
        super().__init__()
        ch = cfg["channels"][level]
        attends = level in cfg["attention_levels"]
        self.blocks = nn.ModuleList(ResBlock(cfg, cin, ch) for _ in range(cfg["blocks"]))
        self.attention = nn.ModuleList(SelfAttention2D(cfg, ch) for _ in range(cfg["blocks"])) if attends else None
        self.resample = None

    def run(self, i, x, e):
        h = self.blocks[i](x, e)
        return h if self.attention is None else self.attention[i](h)


class Middle(nn.Module):
    def __init__(self, cfg, ch):
        super().__init__()
        self.block1, self.block2 = ResBlock(cfg, ch, ch), ResBlock(cfg, ch, ch)
        self.attention = SelfAttention2D(cfg, ch)

    def forward(self, x, e):
        return self.block2(self.attention(self.block1(x, e)), e)


class UNet(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        chs, dim = cfg["channels"], cfg["time_dim"]
        patch = cfg["in_channels"] * cfg["patch_size"] ** 2
        self.time_in, self.time_out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        if cfg["classes"]:
            self.add_module("class", nn.Embedding(cfg["classes"] + 1, dim))
        self.conv_in = nn.Conv2d(patch, chs[0], 3, padding=1)
        self.down = nn.ModuleList(Level(cfg, i, ch) for i, ch in enumerate(chs))
        self.mid = Middle(cfg, chs[-1])
        self.up = nn.ModuleList(Level(cfg, i, 2 * ch) for i, ch in enumerate(chs))
        for i in range(len(chs) - 1):
            self.down[i].resample = nn.Conv2d(chs[i], chs[i + 1], 3, stride=2, padding=1)
            self.up[i].resample = nn.Conv2d(chs[i + 1], chs[i], 3, padding=1)
        self.norm_out = nn.GroupNorm(cfg["groups"], chs[0], EPS)
        self.conv_out = nn.Conv2d(chs[0], patch, 3, padding=1)

    def embed(self, t, cls, dtype):
        half = self.cfg["time_dim"] // 2
        freqs = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64, device=t.device) / half)
        a = t.double()[:, None] * freqs
        e = torch.cat([torch.cos(a), torch.sin(a)], 1).to(dtype)
        e = self.time_out(F.silu(self.time_in(e)))
        if self.cfg["classes"]:
            e = e + getattr(self, "class")(cls)
        return F.silu(e)

    def forward(self, x, t, cls):
        """x [N, H, W, C], t [N], cls [N] with `classes` for no class."""
        p = self.cfg["patch_size"]
        e = self.embed(t, cls, x.dtype)
        n, h, w, c = x.shape
        # Fold p x p pixels into channels in the order (dy, dx, c).
        x = x.reshape(n, h // p, p, w // p, p, c).permute(0, 2, 4, 5, 1, 3).reshape(n, p * p * c, h // p, w // p)
        x = self.conv_in(x)
        kept = []
        for level in self.down:
            for i in range(len(level.blocks)):
                x = level.run(i, x, e)
                kept.append(x)
            if level.resample is not None:
                x = level.resample(x)
        x = self.mid(x, e)
        for level in reversed(self.up):
            if level.resample is not None:
                x = level.resample(F.interpolate(x, scale_factor=2, mode="nearest"))
            for i in range(len(level.blocks)):
                x = level.run(i, torch.cat([x, kept.pop()], 1), e)
        x = self.conv_out(F.silu(self.norm_out(x)))
        return x.reshape(n, p, p, c, h // p, w // p).permute(0, 4, 1, 5, 2, 3).reshape(n, h, w, c)


def export(model, of=lambda p: p):
    """Manifold's names and layouts; `of` picks what to export of a parameter, its gradient for instance."""
    linear = {n for n, m in model.named_modules() if isinstance(m, nn.Linear)}
    out = {}
    for name, p in model.named_parameters():
        x = of(p).detach()
        if x.ndim == 4:
            x = x.permute(2, 3, 1, 0)
        elif x.ndim == 2 and name.rsplit(".", 1)[0] in linear:
            x = x.T
        out[name] = np.ascontiguousarray(x.cpu().numpy())
    return out


CASES = {
    "patch2_classes": dict(image_size=8, in_channels=1, patch_size=2, channels=[4, 8], blocks=1, attention_levels=[],
                           heads=2, time_dim=12, groups=2, classes=3, prediction="v", schedule="cosine", steps=1000),
    "patch1_attention_blocks2": dict(image_size=8, in_channels=3, patch_size=1, channels=[2, 4, 2], blocks=2,
                                     attention_levels=[1], heads=2, time_dim=4, groups=1, classes=0,
                                     prediction="epsilon", schedule="linear", steps=1000),
}


def golden(path):
    tensors, cases = {}, {}
    torch.manual_seed(11)
    for name, cfg in CASES.items():
        model = UNet(cfg)
        for p in model.parameters():  # nothing may stay at zero or one
            p.data += torch.randn_like(p) * (0.15 if p.ndim > 1 else 0.3)
        n, s, c = 3, cfg["image_size"], cfg["in_channels"]
        x, target = torch.randn(n, s, s, c), torch.randn(n, s, s, c)
        t, cls = torch.tensor([0.0, 437.5, 999.0]), torch.tensor([1, cfg["classes"], 0])
        runs = []
        for dtype in (torch.float32, torch.float64):
            twin = UNet(cfg).to(dtype)
            twin.load_state_dict(model.state_dict())
            y = twin(x.to(dtype), t, cls)
            F.mse_loss(y, target.to(dtype)).backward()
            runs.append((y, export(twin, lambda p: p.grad)))
        (y32, g32), (y64, g64) = runs
        for k, v in export(model).items():
            tensors[f"{name}.w.{k}"] = v
        for k, v in g64.items():
            tensors[f"{name}.g.{k}"] = v
        for k, v in dict(x=x, target=target, t=t, y=y64).items():
            tensors[f"{name}.{k}"] = v.detach().numpy()
        tensors[f"{name}.class"] = cls.numpy().astype(np.int32)
        cases[name] = dict(config=cfg, torch_err=norm_err(y32, y64), torch_grad_err={
            k: norm_err(torch.from_numpy(g32[k]), torch.from_numpy(v)) for k, v in g64.items()})
        # The biases of keys have no influence: their true gradient is 0 and its relative error says nothing.
        worst = max((kv for kv in cases[name]["torch_grad_err"].items() if not kv[0].endswith(".k.bias")),
                    key=lambda kv: kv[1])
        print(f"{name}: {sum(p.numel() for p in model.parameters())} weights, PyTorch float32 error "
              f"{cases[name]['torch_err']:.1e} forward, {worst[1]:.1e} in the gradient of {worst[0]}")
    save_file(tensors, path, metadata=dict(cases=json.dumps(cases, sort_keys=True), torch=torch.__version__,
                                           program="tools/reference/unet.py"))
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    golden(sys.argv[1])
