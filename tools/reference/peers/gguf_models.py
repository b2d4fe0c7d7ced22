"""Models of random weights for llama.cpp's benchmarks: the shapes of Qwen2.5-0.5B and of stories15M.

    python -m peers.gguf_models --quantize /path/to/llama-quantize DIR    # DIR/<shape>-<type>.gguf
"""

import argparse
import os
import subprocess

import gguf
import numpy as np

SHAPES = {
    "qwen2.5-0.5b": dict(arch="qwen2", width=896, layers=24, heads=14, kv_heads=2, hidden=4864, vocab=151936, rope=1e6,
                      bias=True),
    "stories15m": dict(arch="llama", width=288, layers=6, heads=6, kv_heads=6, hidden=768, vocab=32000, rope=1e4,
                        bias=False),
}
TYPES = ("Q8_0", "Q4_0")


def write(path, arch, width, layers, heads, kv_heads, hidden, vocab, rope, bias):
    """A model in float16 without a vocabulary; the output shares its weights with the embedding."""
    r, w = np.random.default_rng(1), gguf.GGUFWriter(path, arch)
    w.add_context_length(2048)
    w.add_embedding_length(width)
    w.add_block_count(layers)
    w.add_feed_forward_length(hidden)
    w.add_head_count(heads)
    w.add_head_count_kv(kv_heads)
    w.add_rope_freq_base(rope)
    w.add_rope_dimension_count(width // heads)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_vocab_size(vocab)
    w.add_tokenizer_model("no_vocab")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)

    def matrix(name, rows, columns):
        x = r.standard_normal((rows, columns), dtype=np.float32) * np.float32(columns**-0.5)
        w.add_tensor(name, x.astype(np.float16))

    def vector(name, n, value):
        w.add_tensor(name, np.full(n, value, np.float32))

    side = width // heads * kv_heads
    matrix("token_embd.weight", vocab, width)
    vector("output_norm.weight", width, 1)
    for i in range(layers):
        b = f"blk.{i}."
        vector(b + "attn_norm.weight", width, 1)
        vector(b + "ffn_norm.weight", width, 1)
        for name, rows, columns in (("attn_q", width, width), ("attn_k", side, width), ("attn_v", side, width),
                                    ("attn_output", width, width), ("ffn_gate", hidden, width),
                                    ("ffn_up", hidden, width), ("ffn_down", width, hidden)):
            matrix(b + name + ".weight", rows, columns)
            if bias and name in ("attn_q", "attn_k", "attn_v"):
                vector(b + name + ".bias", rows, 0.01)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir")
    p.add_argument("--quantize", required=True)
    args = p.parse_args()
    for name, shape in SHAPES.items():
        half = os.path.join(args.dir, name + "-F16.gguf")
        for kind in TYPES:
            path = os.path.join(args.dir, f"{name}-{kind}.gguf")
            if os.path.exists(path):
                continue
            if not os.path.exists(half):
                write(half + ".part", **shape)
                os.rename(half + ".part", half)
            subprocess.run([args.quantize, half, path + ".part", kind, "2"], check=True)
            os.rename(path + ".part", path)
        if os.path.exists(half):
            os.remove(half)


if __name__ == "__main__":
    main()
