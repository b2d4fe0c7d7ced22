"""Goldens for the operations of shared/tensor: float64 PyTorch on small float32 inputs.

    python ops.py ../../shared/tensor/testdata/ops.safetensors

Layouts are Manifold's: pictures NHWC, convolution weights HWIO (KH, KW, Cin, Cout).
"""

import math
import sys

import torch
import torch.nn.functional as F

from golden import Goldens, grads, leaf

INF, NAN = float("inf"), float("nan")


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


UNARY = {
    "neg": lambda x: -x,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "rsqrt": lambda x: 1 / torch.sqrt(x),
    "recip": lambda x: 1 / x,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "relu": torch.relu,
    "gelu": lambda x: F.gelu(x, approximate="none"),
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "sin": torch.sin,
    "cos": torch.cos,
    "erf": torch.erf,
    "square": lambda x: x * x,
    "abs": torch.abs,
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
}
POSITIVE = {"log", "sqrt", "rsqrt"}
SMOOTH = {"exp", "log", "sqrt", "rsqrt", "recip", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "sin", "cos", "erf",
          "square", "softplus", "neg"}


def unary(g):
    for name, fn in UNARY.items():
        x = g.rand(131, lo=1e-3, hi=40.0) if name in POSITIVE else g.randn(131, scale=3.0)
        g.add(f"{name}.typical", [x], fn)
        # Every binary exponent the function is used at, both signs where it is defined.
        mag = torch.logspace(-30, 2, 193, base=2.0) * (1 + g.rand(193) * 0.5)
        if name == "exp":
            x = torch.cat([torch.linspace(-87, 88, 200), mag[:150], -mag[:150]])
        elif name in POSITIVE:
            x = torch.logspace(-120, 120, 241, base=2.0) * (1 + g.rand(241) * 0.5)
        elif name in ("sin", "cos"):
            x = torch.cat([mag, -mag, torch.linspace(-300, 300, 101), torch.arange(-8, 9) * (math.pi / 2)])
        else:
            x = torch.cat([mag, -mag, torch.linspace(-12, 12, 97)])
        g.add(f"{name}.range", [x], fn)
        specials = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0]
        if name in ("sin", "cos"):
            specials = [0.0, -0.0, NAN, INF, -INF]
        if name == "exp":
            specials += [89.0, 1000.0, -104.5, -1000.0, 88.7, -87.0]
        if name in ("tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "erf", "softplus"):
            specials = [0.0, -0.0, NAN, 30.0, -30.0, 88.0, -88.0, 1000.0, -1000.0, 1e30, -1e30, 1e-30, -1e-30]
        if name == "relu":
            specials = [0.0, INF, -INF, 1.0, -1.0]
        g.add(f"{name}.special", [torch.tensor(specials)], fn, elementwise=True)
        if name in SMOOTH:
            x = g.rand(67, lo=0.05, hi=9.0) if name in POSITIVE or name == "recip" else g.randn(67, scale=2.0)
            g.add(f"{name}.grad", [x, g.randn(67)], lambda x, dy, fn=fn: grads(fn(t := leaf(x)), dy, t),
                  op=f"{name}_grad")
    x = g.randn(45, scale=2.0)
    g.add("scale.typical", [x], lambda x: x * torch.tensor(0.1, dtype=torch.float32).to(x.dtype),
          c=float(torch.tensor(0.1)))
    g.add("add_scalar.typical", [x], lambda x: x + torch.tensor(0.3, dtype=torch.float32).to(x.dtype),
          c=float(torch.tensor(0.3)))
    g.add("clamp.typical", [x], lambda x: x.clamp(-1, 1.5), lo=-1.0, hi=1.5)
    g.add("clamp.special", [torch.tensor([INF, -INF, 2.0, -2.0, 1.5, -1.0, 0.0])], lambda x: x.clamp(-1, 1.5),
          lo=-1.0, hi=1.5, elementwise=True)


BINARY = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
    "maximum": torch.maximum, "minimum": torch.minimum,
    "greater": lambda a, b: (a > b).to(a.dtype),
}
BROADCAST = {
    "same": ((3, 5, 7), (3, 5, 7)),
    "scalar": ((3, 5, 7), ()),
    "one": ((3, 5, 7), (1,)),
    "scalar_left": ((1,), (3, 5, 7)),
    "suffix1": ((3, 5, 7), (7,)),
    "suffix2": ((3, 5, 7), (5, 7)),
    "suffix_left": ((7,), (3, 5, 7)),
    "channel": ((2, 3, 4, 17), (2, 1, 1, 17)),
    "column": ((4, 19), (4, 1)),
    "outer": ((5, 1), (1, 9)),
    "middle": ((2, 3, 1, 5), (1, 3, 4, 1)),
    "rank6": ((2, 1, 3, 1, 2, 3), (3, 1, 4, 1, 3)),
}


def binary(g):
    for name, fn in BINARY.items():
        for kind, (sa, sb) in BROADCAST.items():
            a, b = g.randn(*sa), g.randn(*sb)
            if name == "div":
                b = b.sign() * (b.abs() + 0.25)
            if name == "greater" and kind == "same":
                b.view(-1)[::3] = a.view(-1)[::3]
            g.add(f"{name}.{kind}", [a, b], fn)
            if name in ("mul", "div") or (name in ("add", "sub") and kind in ("same", "channel", "rank6")):
                dy = g.randn(*torch.broadcast_shapes(sa, sb))
                g.add(f"{name}_grad.{kind}", [a, b, dy],
                      lambda a, b, dy, fn=fn: grads(fn(p := leaf(a), q := leaf(b)), dy, p, q))
    cond = (g.rand(4, 19) > 0.5).float()
    g.add("where.typical", [cond, g.randn(4, 19), g.randn(4, 19)], lambda c, a, b: torch.where(c != 0, a, b))
    g.add("axpy.typical", [g.randn(77), g.randn(77)], lambda d, x: d + 0.37500 * x, a=0.375)


def reductions(g):
    shapes = {"small": (5,), "lanes": (3, 16), "odd": (3, 37), "long": (1, 1000), "nhwc": (2, 4, 5, 19)}
    for kind, shape in shapes.items():
        x = g.randn(*shape)
        for axis in range(len(shape)):
            g.add(f"sum.{kind}_axis{axis}", [x], lambda x, axis=axis: x.sum(axis), axes=[axis])
            g.add(f"mean.{kind}_axis{axis}", [x], lambda x, axis=axis: x.mean(axis), axes=[axis])
            g.add(f"max_along.{kind}_axis{axis}", [x], lambda x, axis=axis: x.amax(axis), axis=axis)
        g.add(f"sum_squares.{kind}", [x], lambda x: (x * x).sum())
    x = g.randn(2, 4, 5, 19)
    for axes in ([0, 1], [1, 2], [0, 1, 2], [0, 1, 2, 3], [0, 2], [1, 3], [2, 3], [1, 2, 3]):
        name = "".join(map(str, axes))
        g.add(f"sum.axes{name}", [x], lambda x, axes=axes: x.sum(axes), axes=axes)
        g.add(f"mean.axes{name}", [x], lambda x, axes=axes: x.mean(axes), axes=axes)
    for kind, target in {"suffix": (5, 19), "bias": (19,), "ones": (2, 1, 1, 19), "mid": (1, 4, 1, 19),
                         "one": (1,)}.items():
        g.add(f"sum_to.{kind}", [x], lambda x, t=target: x.sum_to_size(t), shape=list(target))
        y = g.randn(*target)
        g.add(f"broadcast_to.{kind}", [y], lambda y: y.expand(2, 4, 5, 19), shape=[2, 4, 5, 19])
    for kind, shape, scale in (("small", (2, 3), 1.0), ("odd", (3, 37), 3.0), ("long", (2, 300), 10.0),
                               ("rank4", (2, 2, 3, 49), 1.0)):
        x, dy = g.randn(*shape, scale=scale), g.randn(*shape)
        g.add(f"softmax.{kind}", [x], lambda x: torch.softmax(x, -1))
        g.add(f"log_softmax.{kind}", [x], lambda x: torch.log_softmax(x, -1))
        g.add(f"softmax_grad.{kind}", [x, dy], lambda x, dy: grads(torch.softmax(t := leaf(x), -1), dy, t))
        g.add(f"log_softmax_grad.{kind}", [x, dy], lambda x, dy: grads(torch.log_softmax(t := leaf(x), -1), dy, t))
    big = torch.tensor([[1e4, 1e4 - 1, -1e4, 0.0], [-1e30, -1e30, -1e30, -1e30], [88.0, 89.0, 90.0, -90.0],
                        [-INF, 0.0, 1.0, -INF]])
    g.add("softmax.special", [big], lambda x: torch.softmax(x, -1), elementwise=True)
    g.add("log_softmax.special", [big], lambda x: torch.log_softmax(x, -1), elementwise=True)


def products(g):
    sizes = {"one": (1, 1, 1), "tiny": (3, 4, 5), "row": (1, 70, 33), "col": (17, 40, 1), "odd": (13, 29, 35),
             "tile": (16, 32, 16), "block": (2, 257, 5), "blocks": (2, 600, 7), "tall": (37, 8, 16)}
    for kind, (m, k, n) in sizes.items():
        for ta in (False, True):
            for tb in (False, True):
                a = g.randn(*((k, m) if ta else (m, k)))
                b = g.randn(*((n, k) if tb else (k, n)))
                g.add(f"matmul.{kind}_{'t' if ta else 'n'}{'t' if tb else 'n'}", [a, b],
                      lambda a, b, ta=ta, tb=tb: (a.mT if ta else a) @ (b.mT if tb else b), trans_a=ta, trans_b=tb)
    for kind, sa, sb, ta, tb in (
        ("batch", (3, 5, 9), (3, 9, 6), False, False), ("batch_nt", (3, 5, 9), (3, 6, 9), False, True),
        ("batch_tn", (3, 9, 5), (3, 9, 6), True, False), ("batch_tt", (2, 9, 5), (2, 6, 9), True, True),
        ("batch4", (2, 3, 4, 5), (2, 3, 5, 6), False, False), ("shared_b", (2, 3, 4, 5), (5, 18), False, False),
        ("shared_bt", (2, 3, 5), (18, 5), False, True),
    ):
        g.add(f"matmul.{kind}", [g.randn(*sa), g.randn(*sb)],
              lambda a, b, ta=ta, tb=tb: (a.mT if ta else a) @ (b.mT if tb else b), trans_a=ta, trans_b=tb)
    acts = {"none": lambda x: x, "silu": F.silu, "relu": torch.relu, "gelu": F.gelu}
    for name, act in acts.items():
        a, b, bias, res = g.randn(7, 24), g.randn(24, 19, scale=0.3), g.randn(19), g.randn(7, 19)
        g.add(f"matmul_ex.{name}", [a, b, bias, res], lambda a, b, bias, res, act=act: act(a @ b + bias) + res,
              act=name)
    a, b, dy = g.randn(4, 6, 8), g.randn(8, 10), g.randn(4, 6, 10)
    g.add("matmul_grad.shared_b", [a, b, dy], lambda a, b, dy: grads(leaf_mm(a, b, t := []), dy, *t))
    a, b, dy = g.randn(3, 6, 8), g.randn(3, 8, 10), g.randn(3, 6, 10)
    g.add("matmul_grad.batch", [a, b, dy], lambda a, b, dy: grads(leaf_mm(a, b, t := []), dy, *t))


def leaf_mm(a, b, keep):
    keep += [leaf(a), leaf(b)]
    return keep[0] @ keep[1]


def conv(x, w, sh, sw, pt, pb, pl, pr):
    x = F.pad(nchw(x), (pl, pr, pt, pb))
    return nhwc(F.conv2d(x, w.permute(3, 2, 0, 1), stride=(sh, sw)))


def convs(g):
    rows = (  # name, x [N,H,W,Ci], kernel, Co, strides, pads (top, bottom, left, right)
        ("1x1", (2, 4, 5, 7), (1, 1), 18, (1, 1), (0, 0, 0, 0)),
        ("3x3_same", (2, 5, 6, 3), (3, 3), 17, (1, 1), (1, 1, 1, 1)),
        ("3x3_valid", (1, 5, 7, 4), (3, 3), 5, (1, 1), (0, 0, 0, 0)),
        ("3x3_stride2", (2, 7, 6, 4), (3, 3), 6, (2, 2), (1, 1, 1, 1)),
        ("3x3_stride2_asym", (1, 6, 6, 4), (3, 3), 5, (2, 2), (0, 1, 0, 1)),
        ("3x3_stride2_even", (1, 4, 4, 16), (3, 3), 16, (2, 2), (1, 1, 1, 1)),
        ("4x4_stride2", (1, 8, 8, 3), (4, 4), 6, (2, 2), (1, 1, 1, 1)),
        ("5x3", (1, 7, 6, 2), (5, 3), 4, (1, 1), (2, 2, 1, 1)),
        ("1x3", (1, 1, 12, 5), (1, 3), 4, (1, 1), (0, 0, 1, 1)),
        ("stride_1x2", (1, 4, 8, 3), (3, 3), 3, (1, 2), (1, 1, 1, 1)),
        ("stride_3_unused_rows", (1, 9, 8, 2), (2, 2), 3, (3, 3), (0, 0, 0, 0)),
        ("one_channel", (1, 7, 9, 1), (3, 3), 16, (1, 1), (1, 1, 1, 1)),
        ("block_of_taps", (1, 3, 3, 48), (3, 3), 5, (1, 1), (1, 1, 1, 1)),
        ("many_channels", (1, 1, 3, 300), (1, 3), 5, (1, 1), (0, 0, 1, 1)),
        ("pad_wider_than_kernel", (1, 3, 3, 2), (3, 3), 4, (1, 1), (3, 3, 3, 3)),
        ("batch_of_pixels", (2, 18, 17, 2), (3, 3), 2, (1, 1), (1, 1, 1, 1)),
    )
    for name, shape, (kh, kw), co, (sh, sw), (pt, pb, pl, pr) in rows:
        ci = shape[3]
        x, w = g.randn(*shape), g.randn(kh, kw, ci, co, scale=1 / math.sqrt(kh * kw * ci))
        args = (sh, sw, pt, pb, pl, pr)
        dy = g.randn(*conv(x, w, *args).shape)
        attrs = dict(stride_h=sh, stride_w=sw, pad_top=pt, pad_bottom=pb, pad_left=pl, pad_right=pr)

        def run(x, w, dy, args=args):
            x, w = leaf(x), leaf(w)
            y = conv(x, w, *args)
            return (y, *grads(y, dy, x, w))

        g.add(f"conv2d.{name}", [x, w, dy], run, **attrs)
    x, w = g.randn(1, 4, 5, 8), g.randn(3, 3, 8, 16, scale=0.1)
    bias, res = g.randn(16), g.randn(1, 4, 5, 16)
    g.add("conv2d_ex.silu_residual", [x, w, bias, res],
          lambda x, w, b, r: F.silu(conv(x, w, 1, 1, 1, 1, 1, 1) + b) + r, act="silu", stride_h=1, stride_w=1,
          pad_top=1, pad_bottom=1, pad_left=1, pad_right=1)


def depthwise(g):
    """Weights are [KH, KW, C, M]; channel c*M+m of the result is channel c under filter m, as in PyTorch."""
    def conv(x, w, sh, sw, pt, pb, pl, pr):
        kh, kw, c, m = w.shape
        x = F.pad(nchw(x), (pl, pr, pt, pb))
        return nhwc(F.conv2d(x, w.permute(2, 3, 0, 1).reshape(c * m, 1, kh, kw), stride=(sh, sw), groups=c))

    rows = (  # name, x [N,H,W,C], kernel, M, strides, pads (top, bottom, left, right)
        ("3x3_same", (2, 7, 12, 20), (3, 3), 1, (1, 1), (1, 1, 1, 1)),
        ("3x3_stride2", (2, 8, 9, 32), (3, 3), 1, (2, 2), (1, 1, 1, 1)),
        ("3x3_stride2_asym", (1, 8, 8, 16), (3, 3), 1, (2, 2), (0, 1, 0, 1)),
        ("7x7", (1, 9, 10, 24), (7, 7), 1, (1, 1), (3, 3, 3, 3)),
        ("5x5_stride2", (1, 11, 9, 17), (5, 5), 1, (2, 2), (2, 2, 2, 2)),
        ("few_channels", (2, 6, 5, 3), (3, 3), 1, (1, 1), (1, 1, 1, 1)),
        ("multiplier_2", (2, 6, 5, 3), (3, 3), 2, (1, 1), (1, 1, 1, 1)),
        ("multiplier_3_stride2", (1, 7, 6, 12), (3, 3), 3, (2, 2), (1, 1, 1, 1)),
        ("stride_3_unused_rows", (1, 9, 8, 18), (2, 2), 1, (3, 3), (0, 0, 0, 0)),
        ("pad_wider_than_kernel", (1, 3, 3, 16), (3, 3), 1, (1, 1), (3, 3, 3, 3)),
    )
    for name, shape, (kh, kw), m, (sh, sw), (pt, pb, pl, pr) in rows:
        x, w = g.randn(*shape), g.randn(kh, kw, shape[3], m, scale=1 / math.sqrt(kh * kw))
        args = (sh, sw, pt, pb, pl, pr)
        dy = g.randn(*conv(x, w, *args).shape)
        attrs = dict(stride_h=sh, stride_w=sw, pad_top=pt, pad_bottom=pb, pad_left=pl, pad_right=pr)

        def run(x, w, dy, args=args):
            x, w = leaf(x), leaf(w)
            y = conv(x, w, *args)
            return (y, *grads(y, dy, x, w))

        g.add(f"depthwise.{name}", [x, w, dy], run, **attrs)
    x, w = g.randn(1, 4, 5, 18), g.randn(3, 3, 18, 1, scale=0.3)
    bias, res = g.randn(18), g.randn(1, 4, 5, 18)
    g.add("depthwise_ex.silu_residual", [x, w, bias, res],
          lambda x, w, b, r: F.silu(conv(x, w, 1, 1, 1, 1, 1, 1) + b) + r, act="silu", stride_h=1, stride_w=1,
          pad_top=1, pad_bottom=1, pad_left=1, pad_right=1)


def norms(g):
    def group(x, gamma, beta, dy, groups, eps, silu):
        x, gamma, beta = leaf(x), leaf(gamma), leaf(beta)
        n, c = x.shape[0], x.shape[-1]
        xg = x.reshape(n, -1, groups, c // groups)
        mean = xg.mean((1, 3))
        rstd = 1 / torch.sqrt(xg.var((1, 3), unbiased=False) + eps)
        y = F.group_norm(x.movedim(-1, 1), groups, gamma, beta, eps).movedim(1, -1)
        if silu:
            y = F.silu(y)
        return (y, mean, rstd, *grads(y, dy, x, gamma, beta))

    for name, shape, groups, scale, shift, eps in (
        ("typical", (2, 4, 5, 16), 4, 1.0, 0.3, 1e-5), ("one_channel_groups", (2, 3, 3, 6), 6, 1.0, 0.0, 1e-5),
        ("one_group", (2, 3, 4, 10), 1, 1.0, 0.0, 1e-6), ("wide", (1, 4, 3, 64), 8, 2.0, -1.0, 1e-5),
        ("odd", (1, 5, 3, 21), 7, 1.0, 0.0, 1e-5), ("far_from_zero", (1, 6, 6, 16), 2, 1.0, 50.0, 1e-5),
        ("one_pixel", (3, 1, 1, 16), 4, 1.0, 0.0, 1e-5), ("rank3", (2, 9, 8), 2, 1.0, 0.0, 1e-5),
    ):
        c = shape[-1]
        inputs = [g.randn(*shape, scale=scale, shift=shift), g.randn(c, scale=0.5, shift=1.0), g.randn(c),
                  g.randn(*shape)]
        for silu in (False, True) if name in ("typical", "odd", "rank3") else (False,):
            op = "group_norm_silu" if silu else "group_norm"
            g.add(f"{op}.{name}", inputs,
                  lambda x, ga, be, dy, groups=groups, eps=eps, silu=silu: group(x, ga, be, dy, groups, eps, silu),
                  groups=groups, eps=eps)

    def layer(x, gamma, beta, dy, eps):
        x, gamma, beta = leaf(x), leaf(gamma), leaf(beta)
        y = F.layer_norm(x, x.shape[-1:], gamma, beta, eps)
        mean = x.mean(-1)
        rstd = 1 / torch.sqrt(x.var(-1, unbiased=False) + eps)
        return (y, mean, rstd, *grads(y, dy, x, gamma, beta))

    for name, r, c, shift, eps in (("typical", 5, 48, 0.0, 1e-5), ("odd", 3, 37, 2.0, 1e-12),
                                   ("short", 4, 3, 0.0, 1e-5), ("long", 1, 770, 0.0, 1e-6)):
        g.add(f"layer_norm.{name}", [g.randn(r, c, shift=shift), g.randn(c, shift=1.0), g.randn(c), g.randn(r, c)],
              lambda x, ga, be, dy, eps=eps: layer(x, ga, be, dy, eps), eps=eps)


def movement(g):
    x = g.randn(2, 3, 4, 5)
    for perm in ((0, 3, 1, 2), (0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 2, 3), (0, 1, 3, 2), (0, 2, 1, 3)):
        g.add(f"permute.{''.join(map(str, perm))}", [x], lambda x, p=perm: x.permute(p), perm=list(perm))
    for axis in range(4):
        shape = [2, 3, 4, 5]
        shape[axis] = 2
        y = g.randn(*shape)
        g.add(f"concat.axis{axis}", [x, y], lambda x, y, a=axis: torch.cat([x, y], a), axis=axis)
        g.add(f"slice.axis{axis}", [x], lambda x, a=axis: x.narrow(a, 1, x.shape[a] - 1), axis=axis, start=1,
              size=[2, 3, 4, 5][axis] - 1)

        def pad(x, a=axis):
            shape = list(x.shape)
            shape[a] += 3
            out = x.new_zeros(shape)
            out.narrow(a, 2, x.shape[a]).copy_(x)
            return out

        g.add(f"pad_into.axis{axis}", [x], pad, axis=axis, start=2, size=[2, 3, 4, 5][axis] + 3)
    table, ids = g.randn(9, 6), torch.tensor([3, 0, 8, 3, 3, 1, 0])
    g.add("gather.repeats", [table, ids], lambda t, i: t[i])
    src = g.randn(7, 6)
    g.add("scatter_add.repeats", [ids, src], lambda i, s: s.new_zeros(9, 6).index_add_(0, i, s), rows=9)
    x = g.randn(2, 3, 5, 7)
    g.add("upsample_nearest2.typical", [x], lambda x: nhwc(F.interpolate(nchw(x), scale_factor=2, mode="nearest")))
    x = g.randn(2, 6, 4, 7)
    g.add("sum_pool2.typical", [x], lambda x: nhwc(F.avg_pool2d(nchw(x), 2) * 4))
    g.add("avg_pool2.typical", [x], lambda x: nhwc(F.avg_pool2d(nchw(x), 2)))

    def maxpool(x, dy):
        x = leaf(x)
        y = nhwc(F.max_pool2d(nchw(x), 2))
        return (y, *grads(y, dy, x))

    g.add("max_pool2.typical", [x, g.randn(2, 3, 2, 7)], maxpool)

    def s2d(x):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h // 2, w // 2, 4 * c)

    def d2s(x):
        n, h, w, c = x.shape
        return x.reshape(n, h, w, 2, 2, c // 4).permute(0, 1, 3, 2, 4, 5).reshape(n, h * 2, w * 2, c // 4)

    x = g.randn(2, 4, 6, 3)
    g.add("space_to_depth2.typical", [x], s2d)
    g.add("depth_to_space2.typical", [g.randn(2, 2, 3, 12)], d2s)


def attention(g):
    def run(q, k, v, dy, heads):
        q, k, v = leaf(q), leaf(k), leaf(v)
        b, t, d = q.shape
        split = lambda x: x.reshape(b, -1, heads, d // heads).transpose(1, 2)
        s = split(q) @ split(k).mT * (d // heads) ** -0.5
        y = (torch.softmax(s, -1) @ split(v)).transpose(1, 2).reshape(b, t, d)
        return (y, *grads(y, dy, q, k, v))

    for name, b, t, d, heads in (("one_head", 2, 9, 16, 1), ("heads", 1, 16, 32, 4), ("odd", 1, 25, 12, 2),
                                 ("one_token", 1, 1, 8, 2), ("longer", 1, 70, 4, 2)):
        g.add(f"attention.{name}", [g.randn(b, t, d) for _ in range(4)],
              lambda q, k, v, dy, h=heads: run(q, k, v, dy, h), heads=heads, scale=(d // heads) ** -0.5)


def losses(g):
    a, b = g.randn(5, 13), g.randn(5, 13)
    g.add("mse.mean", [a, b], lambda a, b: ((y := F.mse_loss(t := leaf(a), b)), *torch.autograd.grad(y, t)))
    ids = torch.tensor([3, 0, 12, 7, 7])
    g.add("cross_entropy.mean", [g.randn(5, 13, scale=2.0), ids],
          lambda x, i: ((y := F.cross_entropy(t := leaf(x), i)), *torch.autograd.grad(y, t)))
    g.add("bce_logits.mean", [g.randn(5, 13, scale=4.0), g.rand(5, 13)],
          lambda x, p: ((y := F.binary_cross_entropy_with_logits(t := leaf(x), p)), *torch.autograd.grad(y, t)))
    x, w, b, dy = g.randn(3, 7, 12), g.randn(12, 18, scale=0.3), g.randn(18), g.randn(3, 7, 18)

    def linear(x, w, b, dy):
        x, w, b = leaf(x), leaf(w), leaf(b)
        y = x @ w + b
        return (y, *grads(y, dy, x, w, b))

    g.add("linear.typical", [x, w, b, dy], linear)
    t = torch.tensor([0.0, 1.0, 17.0, 499.5, 999.0])

    def embed(t, dim, flip, shift):
        half = dim // 2
        freq = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float64) / (half - shift)).to(t.dtype)
        arg = t[:, None] * freq[None]
        s, c = torch.sin(arg), torch.cos(arg)
        return torch.cat([c, s] if flip else [s, c], -1)

    for flip in (False, True):
        for shift in (0, 1):
            g.add(f"time_embedding.{'cos' if flip else 'sin'}_first_shift{shift}", [t],
                  lambda t, f=flip, s=shift: embed(t, 32, f, s), dim=32, cos_first=flip, freq_shift=shift)


def optimisers(g):
    steps, n = 6, 23
    p0, gs = g.randn(n), g.randn(steps, n)

    def train(make, p, gs):
        p = torch.nn.Parameter(p.clone())
        opt = make([p])
        trace = []
        for gr in gs:
            p.grad = gr.clone()
            opt.step()
            trace.append(p.detach().clone())
        return torch.stack(trace), opt.state[p]

    def adam(p, gs, kw):
        trace, st = train(lambda ps: torch.optim.AdamW(ps, foreach=False, **kw), p, gs)
        return trace, st["exp_avg"], st["exp_avg_sq"]

    for name, kw in (("typical", dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1)),
                     ("no_decay", dict(lr=1e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0)),
                     ("large_eps", dict(lr=0.1, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.01))):
        g.add(f"adamw.{name}", [p0, gs], lambda p, gs, kw=kw: adam(p, gs, kw), lr=kw["lr"], b1=kw["betas"][0],
              b2=kw["betas"][1], eps=kw["eps"], wd=kw["weight_decay"])
    g.add("adamw.tiny_gradients", [p0, gs * 1e-10],
          lambda p, gs: adam(p, gs, dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)),
          lr=1e-2, b1=0.9, b2=0.999, eps=1e-8, wd=0.0)
    for name, kw in (("plain", dict(lr=0.1, momentum=0.0)), ("momentum", dict(lr=0.05, momentum=0.9)),
                     ("nesterov", dict(lr=0.05, momentum=0.9, nesterov=True))):
        g.add(f"sgd.{name}", [p0, gs], lambda p, gs, kw=kw: train(
            lambda ps: torch.optim.SGD(ps, foreach=False, **kw), p, gs)[0], **kw)
    g.add("clip_global_norm.clips", [g.randn(5, 4, scale=3.0), g.randn(9, scale=3.0)], clip, max_norm=1.0)
    g.add("clip_global_norm.leaves", [g.randn(5, 4, scale=0.01), g.randn(9, scale=0.01)], clip, max_norm=1.0)
    g.add("lerp.typical", [g.randn(31), g.randn(31)], lambda d, x: d + 0.125 * (x - d), t=0.125)


def clip(a, b, max_norm=1.0):
    """PyTorch's clip_grad_norm_, which divides by norm + 1e-6."""
    ps = [torch.nn.Parameter(torch.zeros_like(x)) for x in (a, b)]
    for p, x in zip(ps, (a, b)):
        p.grad = x.clone()
    norm = torch.nn.utils.clip_grad_norm_(ps, max_norm, foreach=False)
    return ps[0].grad, ps[1].grad, norm


def main(path):
    g = Goldens(20260101)
    for part in (unary, binary, reductions, products, convs, norms, movement, attention, losses, optimisers,
                 depthwise):
        part(g)
    g.save(path, program="tools/reference/ops.py")


if __name__ == "__main__":
    main(sys.argv[1])
