"""MiniLM's shape as a graph of onnxruntime's own fused operators, which its optimiser no longer finds in an export of
today's transformers: EmbedLayerNormalization, Attention (or MultiHeadAttention), SkipLayerNormalization, BiasGelu.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OWN = "com.microsoft"


class Builder:
    def __init__(self):
        self.nodes, self.weights = [], {}

    def weight(self, name, x):
        self.weights[name] = np.ascontiguousarray(x, dtype=np.float32)
        return name

    def node(self, kind, inputs, domain="", **attributes):
        out = f"{kind}_{len(self.nodes)}"
        outs = [out, out + "_mask"] if kind == "EmbedLayerNormalization" else [out]
        self.nodes.append(helper.make_node(kind, inputs, outs, name=out, domain=domain, **attributes))
        return out

    def save(self, path, x, y):
        self.nodes[-1].output[0] = y.name
        g = helper.make_graph(self.nodes, "encoder", [x], [y],
                              [numpy_helper.from_array(w, n) for n, w in self.weights.items()])
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(OWN, 1)]
        with open(path, "wb") as f:
            f.write(helper.make_model(g, opset_imports=opsets, ir_version=8).SerializeToString())


def build(path, batch, tokens, packed, state=None):
    """Writes the graph; packed says whether Attention multiplies by the three weights in one product. The weights are
    those of PyTorch's network, unless state has others by the same names."""
    if state is None:
        from peers import nets
        state = {n: p.detach().numpy() for n, p in nets.minilm().named_parameters()}
    b = Builder()
    e = "embeddings."
    position = state[e + "position_embeddings.weight"] + state[e + "token_type_embeddings.weight"][0]
    x = b.node("EmbedLayerNormalization",
               ["ids", "", b.weight("word", state[e + "word_embeddings.weight"]), b.weight("position", position), "",
                b.weight("embed.g", state[e + "LayerNorm.weight"]), b.weight("embed.b", state[e + "LayerNorm.bias"])],
               OWN, epsilon=1e-12)

    def linear(x, name):
        return b.node("MatMul", [x, b.weight(name, state[name + ".weight"].T)])

    def bias(name):
        return b.weight(name + ".bias", state[name + ".bias"])

    def skip(x, old, norm, name):
        return b.node("SkipLayerNormalization",
                      [x, old, b.weight(norm + ".g", state[norm + ".weight"]),
                       b.weight(norm + ".b", state[norm + ".bias"]), bias(name)], OWN, epsilon=1e-12)

    for i in range(6):
        p = f"encoder.layer.{i}."
        qkv = [p + "attention.self." + n for n in ("query", "key", "value")]
        all_bias = b.weight(p + "qkv.bias", np.concatenate([state[n + ".bias"] for n in qkv]))
        if packed:
            w = b.weight(p + "qkv", np.concatenate([state[n + ".weight"].T for n in qkv], 1))
            a = b.node("Attention", [x, w, all_bias], OWN, num_heads=12)
        else:
            a = b.node("MultiHeadAttention", [linear(x, n) for n in qkv] + [all_bias], OWN, num_heads=12)
        out = p + "attention.output."
        x = skip(linear(a, out + "dense"), x, out + "LayerNorm", out + "dense")
        h = b.node("BiasGelu", [linear(x, p + "intermediate.dense"), bias(p + "intermediate.dense")], OWN)
        x = skip(linear(h, p + "output.dense"), x, p + "output.LayerNorm", p + "output.dense")
    b.save(path, helper.make_tensor_value_info("ids", TensorProto.INT32, (batch, tokens)),
           helper.make_tensor_value_info("out", TensorProto.FLOAT, (batch, tokens, 384)))
