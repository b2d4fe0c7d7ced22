"""Writes tiny AutoencoderKL folders as diffusers saves them, and what diffusers makes of pictures with them.

    python autoencoder_kl.py ../../services/vae/internal/checkpoint/testdata

Each folder kl-NAME holds config.json, diffusion_pytorch_model.safetensors (float16) and want.safetensors: pictures x in
[0, 1], the mean and variance of their codes, codes z and their pictures, in float64 with the weights widened. The
metadata holds the norm-wise error of float32 for each.
"""

import json
import pathlib
import sys

import diffusers
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"
CASES = {
    "plain": dict(block_out_channels=[4, 8], layers_per_block=1, norm_num_groups=2, latent_channels=2, sample_size=8),
    "deep": dict(in_channels=1, out_channels=1, block_out_channels=[4, 4, 8], layers_per_block=2, norm_num_groups=4,
                 latent_channels=3, sample_size=[8, 12], use_quant_conv=False, use_post_quant_conv=False,
                 scaling_factor=0.3611, shift_factor=0.1159),
    "bare": dict(block_out_channels=[4], layers_per_block=1, norm_num_groups=1, latent_channels=1, sample_size=6,
                 mid_block_add_attention=False, latents_mean=[0.5], latents_std=[2.0]),
}


def run(net, x, z):
    with torch.no_grad():
        q = net.encode(2 * x - 1).latent_dist
        return {"mean": q.mean, "variance": q.var, "picture": (net.decode(z).sample / 2 + 0.5).clamp(0, 1)}


def main():
    out = pathlib.Path(sys.argv[1])
    torch.manual_seed(20)
    for name, config in CASES.items():
        levels = len(config["block_out_channels"])
        net = AutoencoderKL(down_block_types=[DOWN] * levels, up_block_types=[UP] * levels, **config)
        for p in net.parameters():  # norms and biases begin at constants, which hide what is left out
            torch.nn.init.normal_(p, 1.0 if p.dim() == 1 else 0.0, 0.3 if p.dim() == 1 else p[0].numel() ** -0.5)
        for p in net.decoder.conv_out.parameters():  # keeps most pixels away from the limits of pictures
            p.data *= 0.2
        net = net.eval().half()
        folder = out / f"kl-{name}"
        net.save_pretrained(folder)
        net = net.double()
        size = config["sample_size"]
        h, w = size if isinstance(size, list) else (size, size)
        c, k, f = config.get("in_channels", 3), config["latent_channels"], 2 ** (levels - 1)
        x = torch.rand(3, c, h, w).double()
        z = torch.randn(3, k, h // f, w // f).double()
        want = run(net, x, z)
        single = run(net.float(), x.float(), z.float())
        error = {n: float((single[n].double() - v).norm() / v.norm()) for n, v in want.items()}
        meta = {"torch": torch.__version__, "diffusers": diffusers.__version__, "torch_err": json.dumps(error)}
        tensors = {"x": x.float(), "z": z.float()} | {n: v.contiguous() for n, v in want.items()}
        save_file(tensors, folder / "want.safetensors", metadata=meta)
        for path in folder.iterdir():
            path.chmod(0o644)


if __name__ == "__main__":
    main()
