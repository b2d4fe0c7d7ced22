"""What every reference program here shares: a collector of golden cases and its file format.

A golden file is one safetensors file. Tensors are named `<case>.in<i>` and `<case>.out<i>`. The metadata key
`cases` is JSON: case name -> {"op", "attrs", "torch_err"}, and `torch` is the version of PyTorch. Inputs are
F32 (or I32); outputs are F64, computed by PyTorch in float64 from those very float32 inputs. `torch_err[i]` is
the norm-wise error ||a-b||/||b|| that PyTorch's own float32 makes on output i, so that a test can ask for at
most three times it.
"""

import json

import numpy as np
import torch


KINDS = {"float32": "F32", "float64": "F64", "int32": "I32"}


def save_file(tensors, path, metadata):
    """Writes a safetensors file whose bytes depend on its contents alone: the library's own writer puts the
    metadata in a random order."""
    header, data, offset = {"__metadata__": dict(sorted(metadata.items()))}, [], 0
    for name in sorted(tensors, key=lambda n: (-tensors[n].itemsize, n)):
        x = np.asarray(tensors[name])
        header[name] = {"dtype": KINDS[str(x.dtype)], "shape": list(x.shape),
                        "data_offsets": [offset, offset + x.nbytes]}
        offset += x.nbytes
        data.append(x.tobytes())
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(len(head).to_bytes(8, "little") + head)
        f.writelines(data)


def norm_err(got, want):
    """||got-want|| / ||want|| over the finite elements of want, in float64."""
    got = got.detach().double().reshape(-1)
    want = want.detach().double().reshape(-1)
    keep = torch.isfinite(want) & torch.isfinite(got)
    got, want = got[keep], want[keep]
    n = want.norm().item()
    d = (got - want).norm().item()
    return d / n if n > 0 else d


def as_tuple(x):
    return x if isinstance(x, (tuple, list)) else (x,)


class Goldens:
    """Collects cases; `add` runs a function once in float64 and once in float32."""

    def __init__(self, seed):
        self.gen = torch.Generator().manual_seed(seed)
        self.tensors = {}
        self.cases = {}

    def randn(self, *shape, scale=1.0, shift=0.0):
        return torch.randn(shape, generator=self.gen) * scale + shift

    def rand(self, *shape, lo=0.0, hi=1.0):
        return torch.rand(shape, generator=self.gen) * (hi - lo) + lo

    def add(self, case, inputs, fn, op=None, **attrs):
        """fn takes the inputs (float tensors already in the dtype of the run) and returns the outputs."""
        assert case not in self.cases, case

        def run(dtype):
            args = [x.to(dtype) if x.is_floating_point() else x.long() for x in inputs]
            return [o.detach() for o in as_tuple(fn(*args))]

        out64, out32 = run(torch.float64), run(torch.float32)
        for i, x in enumerate(inputs):
            kind = np.float32 if x.is_floating_point() else np.int32
            self.tensors[f"{case}.in{i}"] = np.asarray(x.detach().numpy().astype(kind))
        for i, o in enumerate(out64):
            self.tensors[f"{case}.out{i}"] = np.asarray(o.numpy().astype(np.float64))
        self.cases[case] = {
            "op": op or case.split(".")[0],
            "attrs": attrs,
            "torch_err": [norm_err(a, b) for a, b in zip(out32, out64)],
        }

    def save(self, path, **extra):
        meta = {"cases": json.dumps(self.cases, sort_keys=True), "torch": torch.__version__}
        meta.update(extra)
        save_file(self.tensors, path, metadata=meta)
        size = sum(t.nbytes for t in self.tensors.values())
        print(f"{path}: {len(self.cases)} cases, {size / 1e3:.0f} kB of tensors")


def grads(y, dy, *wrt):
    """Vector-Jacobian products of y with dy."""
    return torch.autograd.grad(y, wrt, dy)


def leaf(x):
    return x.detach().clone().requires_grad_(True)
