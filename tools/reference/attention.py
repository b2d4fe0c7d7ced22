"""Goldens for attention and for an encoder: float64 PyTorch on small float32 inputs.

    python attention.py ../../shared/tensor/testdata/attention.safetensors

Attention is scaled_dot_product_attention with explicit masks; its log-sum-exp is torch.logsumexp of the scores. The
encoder is a BERT of two layers put together from torch.nn.functional, with the mean of its tokens scaled to length 1 as
sentence-transformers does.
"""

import sys

import torch
import torch.nn.functional as F

from golden import Goldens, grads, leaf


def attention(g):
    def run(q, k, v, dy, heads, kv, scale, causal, start, lengths):
        q, k, v = leaf(q), leaf(k), leaf(v)
        b, t, d = q.shape
        s, e = k.shape[1], d // heads
        qs = q.reshape(b, t, heads, e).transpose(1, 2)
        ks, vs = (x.reshape(b, s, kv, e).transpose(1, 2).repeat_interleave(heads // kv, 1) for x in (k, v))
        keep = torch.ones(b, 1, t, s, dtype=torch.bool)
        if causal:
            keep &= torch.arange(s) <= torch.arange(t)[:, None] + start
        if lengths:
            keep &= torch.arange(s) < torch.tensor(lengths)[:, None, None, None]
        y = F.scaled_dot_product_attention(qs, ks, vs, attn_mask=keep, scale=scale)
        y = y.transpose(1, 2).reshape(b, t, d)
        scores = (qs @ ks.mT * scale).masked_fill(~keep, -torch.inf)
        return (y, torch.logsumexp(scores, -1), *grads(y, dy, q, k, v))

    for name, b, t, s, heads, kv, e, causal, start, lengths in (
        ("plain", 2, 9, 9, 3, 3, 8, False, 0, None),
        ("cross", 1, 5, 21, 2, 2, 17, False, 0, None),
        ("causal", 1, 33, 33, 2, 2, 16, True, 0, None),
        ("grouped", 2, 19, 19, 6, 2, 12, True, 0, None),
        ("later", 1, 4, 30, 7, 1, 16, True, 26, None),
        ("lengths", 3, 11, 14, 2, 2, 8, False, 0, [14, 3, 9]),
        ("blocks", 1, 3, 300, 2, 1, 8, False, 0, None),
    ):
        scale = 0.25
        g.add(f"attention_ex.{name}", [g.randn(b, t, heads * e), g.randn(b, s, kv * e), g.randn(b, s, kv * e),
                                       g.randn(b, t, heads * e)],
              lambda q, k, v, dy, a=(heads, kv, scale, causal, start, lengths): run(q, k, v, dy, *a),
              heads=heads, kv_heads=kv, scale=scale, causal=int(causal), start=start, lengths=lengths or [])


def encoder(g):
    b, t, d, heads, ffn, layers, words = 3, 21, 48, 4, 96, 2, 61
    ids = torch.randint(0, words, (b, t), generator=g.gen, dtype=torch.int32).reshape(-1)

    def weights():
        yield from (g.randn(words, d), g.randn(t, d), 1 + g.randn(d, scale=0.1), g.randn(d, scale=0.1))
        for _ in range(layers):
            yield from (g.randn(d, 3 * d, scale=0.15), g.randn(3 * d, scale=0.1), g.randn(d, d, scale=0.15),
                        g.randn(d, scale=0.1), 1 + g.randn(d, scale=0.1), g.randn(d, scale=0.1),
                        g.randn(d, ffn, scale=0.15), g.randn(ffn, scale=0.1), g.randn(ffn, d, scale=0.1),
                        g.randn(d, scale=0.1), 1 + g.randn(d, scale=0.1), g.randn(d, scale=0.1))

    def run(ids, word, place, gamma, beta, *rest):
        x = F.layer_norm(word[ids].reshape(b, t, d) + place, (d,), gamma, beta, 1e-12)
        split = lambda y: y.reshape(b, t, heads, d // heads).transpose(1, 2)
        for i in range(layers):
            wqkv, bqkv, wo, bo, g1, b1, wu, bu, wd, bd, g2, b2 = rest[12 * i:12 * i + 12]
            q, k, v = (x @ wqkv + bqkv).chunk(3, -1)
            y = F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).reshape(b, t, d)
            x = F.layer_norm(x + y @ wo + bo, (d,), g1, b1, 1e-12)
            x = F.layer_norm(x + F.gelu(x @ wu + bu) @ wd + bd, (d,), g2, b2, 1e-12)
        return F.normalize(x.mean(1), dim=-1)

    g.add("encoder.tiny", [ids, *weights()], run, layers=layers, heads=heads)


def main(path):
    g = Goldens(20260202)
    attention(g)
    encoder(g)
    g.save(path, program="tools/reference/attention.py")


if __name__ == "__main__":
    main(sys.argv[1])
