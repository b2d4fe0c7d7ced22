"""Writes checkpoints of torch with what shared/tensor/weights must read, and what torch makes of them.

    python torch_files.py ../../../shared/tensor/weights/testdata [MODELS]

torch.pt and torch_legacy.pt hold the same nested state in both formats, torch_want.safetensors the same tensors in
row-major order. With MODELS, a folder of published checkpoints, torch_models.json gets a digest of every tensor that
torch finds in them.
"""

import hashlib
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

NAMES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}


def flat(value, name=""):
    """The tensors of nested dicts and lists with the names that weights.OpenTorch gives them."""
    if isinstance(value, torch.Tensor):
        yield name, value.detach()
    items = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for key, inner in items:
        yield from flat(inner, f"{name}.{key}" if name else str(key))


def state():
    """Every element type, views that share a storage, and dicts within dicts."""
    torch.manual_seed(1)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    return {
        "epoch": 3, "best": 91.75, "name": "näme", "done": True, "none": None, "big": 2**40, "negative": -5,
        "state_dict": net.state_dict(),
        "parameter": torch.nn.Parameter(torch.tensor([1.5, -2.5])),
        "optimizer": {"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]},
        "list": [torch.tensor([1, 2]), (torch.tensor([3], dtype=torch.int32),)],
        "views": {
            "base": base, "rows": base[1:3], "columns": base[:, 2:4], "turned": base.t(), "every": base[::2, ::3],
            "expanded": base[0:1].expand(3, 6), "again": base, "row": base[2], "one": base[1, 1],
            "turned3": torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1),
        },
        "types": {
            "f64": torch.tensor([1 / 3, -0.0, float("inf")], dtype=torch.float64),
            "f16": torch.tensor([1 / 3, 65504, 6e-8], dtype=torch.float16),
            "bf16": torch.tensor([1 / 3, 3e38], dtype=torch.bfloat16),
            "i64": torch.tensor([-(2**62), 7]), "i32": torch.tensor([-(2**31), 7], dtype=torch.int32),
            "u8": torch.tensor([0, 255], dtype=torch.uint8), "bool": torch.tensor([True, False]),
            "empty": torch.zeros(0, 4), "scalar": torch.tensor(2.5),
            "channels_last": torch.arange(48.0).reshape(2, 2, 3, 4).to(memory_format=torch.channels_last),
        },
    }


def digest(value):
    """SHA-256 over name, type, shape and elements of all tensors, by name."""
    h = hashlib.sha256()
    n = 0
    for name, t in sorted(flat(value)):
        t = t.contiguous()
        h.update(f"{name}\0{NAMES[t.dtype]}\0{list(t.shape)}\0".replace(",", "").encode())
        h.update(t.reshape(-1).view(torch.uint8).numpy().tobytes())
        n += 1
    return {"tensors": n, "sha256": h.hexdigest()}


def main():
    out = pathlib.Path(sys.argv[1])
    saved = state()
    torch.save(saved, out / "torch.pt")
    torch.save(saved, out / "torch_legacy.pt", _use_new_zipfile_serialization=False)
    tensors = {name: t.clone(memory_format=torch.contiguous_format) for name, t in flat(saved)}
    save_file(tensors, out / "torch_want.safetensors", metadata={"torch": torch.__version__})
    if len(sys.argv) > 2:
        models = pathlib.Path(sys.argv[2])
        files = sorted(p for p in models.rglob("*") if p.suffix in (".pth", ".pt", ".th", ".ckpt"))
        found = {}
        for p in files:
            found[str(p.relative_to(models))] = digest(torch.load(p, map_location="cpu", weights_only=True))
        (out / "torch_models.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
