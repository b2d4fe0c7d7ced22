"""onnxruntime's ways of every row: its graph as exported, and as its own optimiser for transformers fuses it; in int8
as its dynamic quantisation makes it, per tensor and per channel. Models are exported by PyTorch once into the scratch
folder. Inputs and outputs stay bound to the session.
"""

import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from peers.rows import ROWS


def version():
    return ort.__version__


def forget():
    pass


def session(model, threads, level=None, spin=True):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
    options.graph_optimization_level = level or ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def bound(s, feeds, want=None, error=1e-3):
    """A run with bound inputs and outputs."""
    binding = s.io_binding()
    for name, x in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(x))
    outputs = s.run(None, feeds)
    for o, value in zip(s.get_outputs(), outputs):
        binding.bind_ortvalue_output(o.name, ort.OrtValue.ortvalue_from_numpy(value))

    def run():
        s.run_with_iobinding(binding)

    if want is not None:
        got = outputs[0].astype(np.float64)
        off = np.linalg.norm(got - want) / np.linalg.norm(want)
        if not off < error:
            raise RuntimeError(f"differs from PyTorch by {off:.1e}")
        cosine = (got * want).sum(-1) / np.linalg.norm(got, axis=-1) / np.linalg.norm(want, axis=-1)
        run.note = f"cosine to float32 {cosine.mean():.5f}"
    return run


def graph(nodes, inputs, outputs, weights):
    g = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(w, n) for n, w in weights.items()])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(g, opset_imports=opsets, ir_version=8).SerializeToString()


def value(name, kind, *shape):
    return helper.make_tensor_value_info(name, kind, shape)


def product(threads, scratch, m, k, n):
    r = np.random.default_rng(1)
    a, b = (r.standard_normal(s, dtype=np.float32) for s in ((m, k), (k, n)))

    def way(node, b):
        text = graph([node], [value("a", TensorProto.FLOAT, m, k)], [value("c", TensorProto.FLOAT, m, n)], {"b": b})
        return bound(session(text, threads), {"a": a})

    return {"MatMul": lambda: way(helper.make_node("MatMul", ["a", "b"], ["c"]), b),
            "Gemm": lambda: way(helper.make_node("Gemm", ["a", "b"], ["c"], transB=1), np.ascontiguousarray(b.T))}


def product_int8(threads, scratch, m, k, n):
    r = np.random.default_rng(1)
    a, b = r.integers(0, 256, (m, k), dtype=np.uint8), r.integers(-127, 128, (k, n), dtype=np.int8)

    def integer(a, b):
        kind = TensorProto.UINT8 if a.dtype == np.uint8 else TensorProto.INT8
        text = graph([helper.make_node("MatMulInteger", ["a", "b"], ["c"])], [value("a", kind, m, k)],
                     [value("c", TensorProto.INT32, m, n)], {"b": b})
        return bound(session(text, threads), {"a": a})

    return {"MatMulInteger-u8s8": lambda: integer(a, b),
            "MatMulInteger-u8u8": lambda: integer(a, b.astype(np.uint8)),
            "MatMulInteger-s8s8": lambda: integer(a.astype(np.int8), b)}


def product_int8_dynamic(threads, scratch, m, k, n):
    r = np.random.default_rng(1)
    x, b = r.standard_normal((m, k), dtype=np.float32), r.integers(-127, 128, (k, n), dtype=np.int8)
    scale, zero = np.full(n, 0.01, np.float32), np.zeros(n, np.int8)

    def dynamic(b):
        node = helper.make_node("DynamicQuantizeMatMul", ["a", "b", "s", "z"], ["c"], domain="com.microsoft")
        text = graph([node], [value("a", TensorProto.FLOAT, m, k)], [value("c", TensorProto.FLOAT, m, n)],
                     {"b": b, "s": scale, "z": zero.astype(b.dtype)})
        return bound(session(text, threads), {"a": x})

    return {"DynamicQuantizeMatMul-s8": lambda: dynamic(b),
            "DynamicQuantizeMatMul-u8": lambda: dynamic(b.astype(np.uint8))}


def exported(scratch, name, make, inputs, names):
    """The file of a model that PyTorch exports, its inputs and PyTorch's answer; made once."""
    path, data = os.path.join(scratch, name + ".onnx"), os.path.join(scratch, name + ".npz")
    if not os.path.exists(data):
        import torch
        model, x = make(), inputs()
        with torch.no_grad():
            want = model(*x)
            torch.onnx.export(model, tuple(x), path, input_names=names, output_names=["out"], opset_version=18,
                              dynamo=False, external_data=False)
        np.savez(data, want=want.numpy(), **{n: t.numpy() for n, t in zip(names, x)})
    loaded = dict(np.load(data))
    return path, {n: loaded[n] for n in names}, loaded["want"].astype(np.float64)


def plain(threads, path, feeds, want, error=1e-3):
    levels = ort.GraphOptimizationLevel
    return {"all": lambda: bound(session(path, threads), feeds, want, error),
            "extended": lambda: bound(session(path, threads, levels.ORT_ENABLE_EXTENDED), feeds, want, error),
            "all-no-spinning": lambda: bound(session(path, threads, spin=False), feeds, want, error)}


def unet(threads, scratch, batch):
    import torch
    from peers import nets
    return plain(threads, *exported(
        scratch, f"unet-{batch}", lambda: nets.Tensors(nets.ddpm_unet()),
        lambda: [torch.randn(batch, 3, 32, 32), torch.full((batch,), 500)], ["x", "t"]))


def dcgan(threads, scratch, batch):
    import torch
    from peers import nets
    return plain(threads, *exported(scratch, f"dcgan-{batch}", lambda: nets.DCGAN().eval(),
                                    lambda: [torch.randn(batch, 100, 1, 1)], ["x"]))


def encoder(scratch, batch, tokens):
    """The export, PyTorch's answer, and the graphs of fused operators."""
    import torch
    from peers import nets, ort_encoder
    ids = torch.randint(30522, (batch, tokens), generator=torch.Generator().manual_seed(1))
    name = f"minilm-{batch}x{tokens}"
    path, feeds, want = exported(scratch, name, lambda: nets.BareEncoder(nets.minilm()).eval(), lambda: [ids], ["ids"])
    graphs = {"export": path, "optimised": optimised(path)}
    for kind in ("Attention", "MultiHeadAttention"):
        graphs[kind] = os.path.join(scratch, f"{name}-{kind}.onnx")
        if not os.path.exists(graphs[kind]):
            ort_encoder.build(graphs[kind], batch, tokens, kind == "Attention")
    return graphs, feeds, want


def optimised(path):
    """The graph as onnxruntime's optimiser for BERT fuses it."""
    out = path.removesuffix(".onnx") + "-optimised.onnx"
    if not os.path.exists(out):
        from onnxruntime.transformers import optimizer
        optimizer.optimize_model(path, model_type="bert", num_heads=12, hidden_size=384).save_model_to_file(out)
    return out


def fed(name, feeds):
    """Graphs of fused operators take 32-bit identifiers."""
    return {n: x.astype(np.int32) for n, x in feeds.items()} if "ttention" in name else feeds


def minilm(threads, scratch, batch, tokens):
    graphs, feeds, want = encoder(scratch, batch, tokens)
    made = {n: lambda n=n: bound(session(graphs[n], threads), fed(n, feeds), want) for n in graphs}
    return made | {n + "-no-spinning": lambda n=n: bound(session(graphs[n], threads, spin=False), fed(n, feeds), want)
                   for n in ("Attention",)}


def quantised(path, kind, channels):
    from onnxruntime.quantization import QuantType, matmul_nbits_quantizer, quantize_dynamic
    out = path.removesuffix(".onnx") + f"-{kind}{'-channels' if channels else ''}.onnx"
    if os.path.exists(out):
        return out
    if kind == "nbits":
        config = matmul_nbits_quantizer.DefaultWeightOnlyQuantConfig(bits=8, block_size=128, is_symmetric=True,
                                                                     accuracy_level=4)
        q = matmul_nbits_quantizer.MatMulNBitsQuantizer(onnx.load(path), algo_config=config)
        q.process()
        q.model.save_model_to_file(out)
        return out
    quantize_dynamic(path, out, per_channel=channels, weight_type=dict(s8=QuantType.QInt8, u8=QuantType.QUInt8)[kind],
                     op_types_to_quantize=["MatMul", "Attention"],
                     extra_options=dict(DefaultTensorType=TensorProto.FLOAT))
    return out


def minilm_int8(threads, scratch, batch, tokens):
    graphs, feeds, want = encoder(scratch, batch, tokens)
    found = {}
    for n in ("Attention", "MultiHeadAttention"):
        for kind, channels in (("s8", False), ("s8", True), ("u8", False), ("u8", True), ("nbits", True)):
            found[f"{n}-{kind}{'-channels' if channels else ''}"] = lambda n=n, kind=kind, channels=channels: bound(
                session(quantised(graphs[n], kind, channels), threads), fed(n, feeds), want, 0.5)
    return found


KINDS = dict(product=product, product_int8=product_int8, product_int8_dynamic=product_int8_dynamic, unet=unet,
             dcgan=dcgan, minilm=minilm, minilm_int8=minilm_int8)


def ways(name, threads, scratch):
    row = ROWS[name]
    return KINDS[row["kind"]](threads, scratch, **row["shape"])
