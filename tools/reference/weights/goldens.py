"""Writes the goldens of shared/tensor/weights/testdata with the reference implementation of safetensors.

    python tools/reference/weights/goldens.py shared/tensor/weights/testdata

reference.safetensors   one tensor of every dtype that the Go package reads, a scalar, an empty one, metadata
reference.json          the values, as the hexadecimal bytes of float32, float64 or int64
refused.json            headers that the reference implementation refuses, with its error
accepted.json           headers that it accepts and the Go package must accept too

Versions are in requirements.txt. A file that the Go package wrote is checked with
    python tools/reference/weights/goldens.py --check FILE
"""

import json
import struct
import sys

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save_file


def tensors():
    rng = np.random.default_rng(7)
    halves = np.array([0.0, -0.0, 1.0, -1.5, 6e-8, 6.1e-5, 65504.0, np.inf, -np.inf], np.float32)
    return {
        "f32": rng.standard_normal((2, 3)).astype(np.float32),
        "f64": rng.standard_normal(3),
        "f16": halves.astype(np.float16),
        "bf16": halves.astype(ml_dtypes.bfloat16),
        "i64": np.array([[-(2**62), 3]], np.int64),
        "i32": np.array([-5, 2**31 - 1], np.int32),
        "u8": np.array([0, 255, 7], np.uint8),
        "bool": np.array([True, False, True]),
        "scalar": np.array(2.5, np.float32),
        "empty": np.zeros((0, 4), np.float32),
        "é\"\\\n": np.ones(1, np.float32),
    }


def write_goldens(folder):
    save_file(tensors(), f"{folder}/reference.safetensors", metadata={"format": "np"})
    values = {}
    for name, a in tensors().items():
        if a.dtype == np.float64:
            kind, b = "f64", a
        elif a.dtype.kind in "iub":
            kind, b = "i64", a.astype(np.int64)
        else:
            kind, b = "f32", a.astype(np.float32)
        values[name] = {"kind": kind, "shape": list(a.shape), "hex": b.tobytes().hex()}
    with open(f"{folder}/reference.json", "w") as f:
        json.dump(values, f, indent=1, sort_keys=True)
        f.write("\n")


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return json.dumps({"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)})


def headers():
    """Name -> (header, bytes of data)."""
    two = '{"a":%s,"b":%s}'
    big = str(2**63)
    return {
        "not json": ("{", 0),
        "array": ("[]", 0),
        "leading space": (" {}", 0),
        "trailing comma": ('{"a":%s,}' % entry(), 4),
        "text after": ("{}x", 0),
        "unknown dtype": ('{"a":%s}' % entry("F33"), 4),
        "hole at the start": ('{"a":%s}' % entry(offsets=(4, 8)), 8),
        "hole": (two % (entry(), entry(offsets=(8, 12))), 12),
        "overlap": (two % (entry(), entry(offsets=(2, 6))), 6),
        "same range": (two % (entry(), entry()), 4),
        "backwards": ('{"a":%s}' % entry(offsets=(4, 0)), 4),
        "too short for the shape": ('{"a":%s}' % entry(shape=(2,)), 4),
        "too long for the shape": ('{"a":%s}' % entry(shape=(0,)), 4),
        "trailing data": ('{"a":%s}' % entry(), 5),
        "missing data": ('{"a":%s}' % entry(), 3),
        "shape overflow": ('{"a":%s}' % entry(shape=(2**32, 2**32, 4), offsets=(0, 0)), 0),
        "negative shape": ('{"a":%s}' % entry(shape=(-1,)), 4),
        "float shape": ('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', 4),
        "huge offset": ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1%s]}}' % big, 4),
        "three offsets": ('{"a":%s}' % entry(offsets=(0, 4, 4)), 4),
        "one offset": ('{"a":%s}' % entry(offsets=(0,)), 4),
        "no dtype": ('{"a":{"shape":[1],"data_offsets":[0,4]}}', 4),
        "no shape": ('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4),
        "dtype twice": ('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
        "metadata of numbers": ('{"__metadata__":{"a":1}}', 0),
        "metadata nested": ('{"__metadata__":{"a":{}}}', 0),
        "leading zero": ('{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', 4),
        "control character": ('{"a\x01":%s}' % entry(), 4),
        "lone surrogate": ('{"\\ud800":%s}' % entry(), 4),
        "bad escape": ('{"\\x":%s}' % entry(), 4),
        "empty": ("{}", 0),
        "trailing spaces": ("{}      ", 0),
        "white space": ('{ "a" :\n\t%s\r}' % entry(), 4),
        "keys in another order": ('{"a":{"shape":[1],"data_offsets":[0,4],"dtype":"F32"}}', 4),
        "names in another order": (two % (entry(offsets=(4, 8)), entry()), 8),
        "scalar": ('{"a":%s}' % entry(shape=()), 4),
        "empty tensors share a place": (two % (entry(shape=(0,), offsets=(0, 0)), entry()), 4),
        "empty name": ('{"":%s}' % entry(), 4),
        "escaped name": ('{"\\u00e9\\ud83d\\ude00\\n":%s}' % entry(), 4),
        "metadata": ('{"__metadata__":{"a":"b"},"a":%s}' % entry(), 4),
    }


def write_headers(folder):
    refused, accepted = [], []
    for name, (header, n) in headers().items():
        text = header.encode()
        row = {"name": name, "header": header, "data": n}
        try:
            deserialize(struct.pack("<Q", len(text)) + text + bytes(n))
            accepted.append(row)
        except SafetensorError as e:
            refused.append({**row, "error": str(e)})
    for file, rows in (("refused", refused), ("accepted", accepted)):
        with open(f"{folder}/{file}.json", "w") as f:
            json.dump(rows, f, indent=1)
            f.write("\n")


def check(path):
    with safe_open(path, "np") as f:
        print("metadata", f.metadata())
        for name in f.keys():
            a = f.get_tensor(name)
            print(repr(name), a.dtype, a.shape, a.ravel()[:8])


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        check(sys.argv[2])
    else:
        write_goldens(sys.argv[1])
        write_headers(sys.argv[1])
