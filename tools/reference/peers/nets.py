"""The networks of the comparison in PyTorch: published shapes, random weights."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def ddpm_unet():
    """The shape of google/ddpm-cifar10-32: 35,746,307 parameters."""
    from diffusers import UNet2DModel
    torch.manual_seed(1)
    return UNet2DModel(
        sample_size=32, in_channels=3, out_channels=3, block_out_channels=(128, 256, 256, 256), layers_per_block=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"), act_fn="silu", attention_head_dim=None,
        center_input_sample=False, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, mid_block_scale_factor=1,
        norm_eps=1e-6, norm_num_groups=32, time_embedding_type="positional").eval()


class Tensors(nn.Module):
    """A model whose outputs are tensors and not a class of its library."""

    def __init__(self, model, *fixed):
        super().__init__()
        self.model = model

    def forward(self, x, t):
        return self.model(x, t, return_dict=False)[0]


class DCGAN(nn.Module):
    """The generator of DCGAN for 64 x 64 pictures, with its batch norms folded into the convolutions before them."""

    def __init__(self, z=100, width=64, channels=3):
        super().__init__()
        torch.manual_seed(1)
        sizes = [z, 8 * width, 4 * width, 2 * width, width, channels]
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 1 if i == 0 else 2, 0 if i == 0 else 1)
            for i, (a, b) in enumerate(zip(sizes, sizes[1:])))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return torch.tanh(self.layers[-1](x))


def minilm():
    """The shape of all-MiniLM-L6-v2."""
    from transformers import BertConfig, BertModel
    torch.manual_seed(1)
    config = BertConfig(vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                        intermediate_size=1536, max_position_embeddings=512, attn_implementation="sdpa")
    return BertModel(config, add_pooling_layer=False).eval()


class Encoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask, types):
        return self.model(input_ids=ids, attention_mask=mask, token_type_ids=types, return_dict=False)[0]


class BareEncoder(Encoder):
    """Without a mask: every sentence fills its row."""

    def forward(self, ids):
        return self.model(input_ids=ids, return_dict=False)[0]


class VAE(nn.Module):
    """784-400-20: Kingma and Welling's variational autoencoder, as PyTorch's examples have it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.enter, self.mean, self.logvar = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.up, self.leave = nn.Linear(20, 400), nn.Linear(400, 784)

    def forward(self, x):
        h = F.relu(self.enter(x))
        mean, logvar = self.mean(h), self.logvar(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)
        logits = self.leave(F.relu(self.up(z)))
        likelihood = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return likelihood - 0.5 * torch.sum(1 + logvar - mean.pow(2) - logvar.exp())


def close(a, b):
    """Norm-wise relative error."""
    return ((a - b).norm() / b.norm()).item()


def check(error, bound, what):
    if not error < bound or math.isnan(error):
        raise RuntimeError(f"{what} differs from PyTorch's eager mode by {error:.1e}")
