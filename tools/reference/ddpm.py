"""Golden for services/diffusion/internal/unet: diffusers' UNet2DModel in float64, small, with weights by a formula.

python ddpm.py > services/diffusion/internal/unet/testdata/ddpm.json
"""

import json

import diffusers
import torch


def numbers(k, shape, scale):
    """Element i of parameter k is ((7919 i + 104729 k) mod 1009 - 504) / 504, times scale."""
    i = torch.arange(int(torch.tensor(shape).prod()), dtype=torch.int64)
    return (((i * 7919 + k * 104729) % 1009 - 504).double() / 504 * scale).reshape(shape)


model = diffusers.UNet2DModel(
    sample_size=16, in_channels=3, out_channels=3, block_out_channels=(32, 48, 48), layers_per_block=1,
    down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"), act_fn="silu", attention_head_dim=None,
    downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6, norm_num_groups=8).double().eval()
state = model.state_dict()
for k, name in enumerate(sorted(state)):
    shape = list(state[name].shape)
    if len(shape) == 4:  # [out, in, kh, kw]; numbers are laid out [kh, kw, in, out]
        w = numbers(k, [shape[2], shape[3], shape[1], shape[0]], 1 / (shape[1] * shape[2] * shape[3]) ** 0.5)
        w = w.permute(3, 2, 0, 1)
    elif len(shape) == 2:  # [out, in]; laid out [in, out]
        w = numbers(k, [shape[1], shape[0]], 1 / shape[1] ** 0.5).T
    else:
        w = numbers(k, shape, 0.3) + (1 if "norm" in name and name.endswith("weight") else 0)
    state[name].copy_(w)
x = numbers(1000, [2, 16, 16, 3], 1)
t = torch.tensor([3.0, 977.0], dtype=torch.float64)
with torch.no_grad():
    y = model(x.permute(0, 3, 1, 2), t).sample.permute(0, 2, 3, 1)
    y32 = model.float()(x.permute(0, 3, 1, 2).float(), t.float()).sample.permute(0, 2, 3, 1)
json.dump({
    "program": "tools/reference/ddpm.py", "torch": torch.__version__, "diffusers": diffusers.__version__,
    "timesteps": t.tolist(), "error_of_float32": ((y32.double() - y).norm() / y.norm()).item(),
    "y": [float(f"{v:.12g}") for v in y.flatten().tolist()],
}, __import__("sys").stdout)
