"""Goldens of nn.ConvTranspose2D: forward and gradients of torch.nn.functional.conv_transpose2d.

    python convtranspose.py ../../shared/tensor/nn/testdata/convtranspose.safetensors

Pictures are NHWC and weights [KH, KW, Out, In], as Manifold keeps them.
"""

import sys

import torch.nn.functional as F

from golden import Goldens, grads, leaf


def nhwc(x):
    return x.permute(0, 2, 3, 1).contiguous()


def run(stride, pad, extra):
    def f(x, w, b, dy):
        x, w, b = leaf(x), leaf(w), leaf(b)
        y = nhwc(F.conv_transpose2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b, stride=stride, padding=pad,
                                    output_padding=extra))
        return (y, *grads(y, dy, x, w, b))
    return f


def main(path):
    g = Goldens(20261)
    for name, (n, h, w, ci, co, k, s, p, e) in {
        "double": (2, 3, 4, 8, 5, 4, 2, 1, 0),
        "odd": (1, 4, 3, 3, 16, 3, 2, 1, 1),
        "same": (2, 5, 5, 4, 4, 3, 1, 1, 0),
        "grow": (1, 1, 1, 10, 6, 7, 1, 0, 0),
    }.items():
        ho, wo = (h - 1) * s + k - 2 * p + e, (w - 1) * s + k - 2 * p + e
        x, wt = g.randn(n, h, w, ci), g.randn(k, k, co, ci, scale=0.3)
        b, dy = g.randn(co), g.randn(n, ho, wo, co)
        g.add(f"conv_transpose2d.{name}", [x, wt, b, dy], run(s, p, e), stride=s, pad=p, extra=e)
    g.save(path)


if __name__ == "__main__":
    main(sys.argv[1])
