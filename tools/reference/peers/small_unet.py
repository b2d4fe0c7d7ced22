"""A training step of the small U-Net of services/diffusion/recipes/bench in PyTorch: the twin of unet.py with the fused
attention and nothing computed twice, and what the recipe asks for: drawing pictures, timesteps and noise, the loss of
the noise, backward, clipping, AdamW (fused) and the averaged weights."""

import math

import torch
import torch.nn.functional as F

from bench_unet import FusedAttention
from unet import UNet

CONFIG = dict(image_size=28, in_channels=1, patch_size=1, channels=[32, 64, 64], blocks=2, attention_levels=[], heads=4,
              time_dim=64, groups=8, classes=0, prediction="epsilon", schedule="cosine", steps=1000)
RATE, DECAY, CLIP, EMA, STEPS = 1e-3, 0.01, 1.0, 0.999, 1000


class Peer(UNet):
    def __init__(self):
        super().__init__(CONFIG)
        self.mid.attention = FusedAttention(CONFIG, CONFIG["channels"][-1])
        half = CONFIG["time_dim"] // 2
        self.register_buffer("freqs", torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / half))

    def embed(self, t, cls, dtype):
        a = t.double()[:, None] * self.freqs
        return F.silu(self.time_out(F.silu(self.time_in(torch.cat([torch.cos(a), torch.sin(a)], 1).to(dtype)))))


class Trainer:
    """One step at a call."""

    def __init__(self, batch, mode, channels_last):
        torch.manual_seed(1)
        self.batch, model = batch, Peer().train()
        if channels_last:
            model = model.to(memory_format=torch.channels_last)
        torch._inductor.config.freezing = False
        self.net = model if mode is None else torch.compile(model, mode=mode, dynamic=False)
        self.params = list(model.parameters())
        groups = [dict(params=[p for p in self.params if p.ndim > 1], weight_decay=DECAY),
                  dict(params=[p for p in self.params if p.ndim <= 1], weight_decay=0.0)]
        self.adam = torch.optim.AdamW(groups, lr=RATE, fused=True)
        self.average = [p.detach().clone() for p in self.params]
        self.pictures = torch.randint(256, (4096, 28, 28, 1), dtype=torch.uint8)
        u = torch.arange(STEPS + 1, dtype=torch.float64) / STEPS
        bar = torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
        bar = torch.cumprod(1 - torch.clamp(1 - bar[1:] / bar[:-1], max=0.999), 0)
        self.signal, self.noise = bar.sqrt().float(), (1 - bar).sqrt().float()

    def __call__(self):
        x0 = self.pictures[torch.randint(4096, (self.batch,))].float().mul_(2 / 255).sub_(1)
        t, eps = torch.randint(STEPS, (self.batch,)), torch.randn_like(x0)
        a, s = self.signal[t][:, None, None, None], self.noise[t][:, None, None, None]
        loss = F.mse_loss(self.net(a * x0 + s * eps, t.float(), None), eps)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, CLIP, foreach=True)
        self.adam.step()
        torch._foreach_lerp_(self.average, [p.detach() for p in self.params], 1 - EMA)
        return loss.item()
