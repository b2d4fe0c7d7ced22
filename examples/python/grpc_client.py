"""Every denoising step over gRPC, with the stock grpcio; the messages are compiled from proto/ when the program starts.

    python grpc_client.py [127.0.0.1:8080] [API key]
"""

import pathlib
import sys

import grpc

# grpcio-tools looks for .proto files along sys.path. A program of yours would rather compile them once, with
# python -m grpc_tools.protoc.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("manifold/diffusion/v1/diffusion.proto")


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080"
    metadata = [("authorization", "Bearer " + sys.argv[2])] if len(sys.argv) > 2 else []
    request = messages.GenerateRequest(model="mnist", label="7", steps=20, sampler="heun", guidance_scale=2, seed=1,
                                       preview_every=5, preview_content=messages.PREVIEW_CONTENT_ESTIMATE)
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 64 << 20)]) as channel:
        try:
            for event in services.DiffusionServiceStub(channel).Generate(request, timeout=300, metadata=metadata):
                show(event)
        except grpc.RpcError as error:
            raise SystemExit(f"{error.code().name}: {error.details()}")


def show(event):
    kind = event.WhichOneof("event")
    if kind == "started":
        s = event.started
        print(f"{s.model}: {s.steps} steps of {s.sampler}, {s.evaluations} evaluations, seed {s.seed}")
    elif kind == "step":
        s = event.step
        print(f"step {s.step:3d} of {s.steps}: noise {s.noise_level:8.3f}")
    elif kind == "preview":
        save(f"grpc-step-{event.preview.step:03d}.png", event.preview.images[0])
    elif kind == "completed":
        save("grpc.png", event.completed.images[0])
        print("numerics version", event.completed.numerics_version, "digest", event.completed.model_digest[:12])


def save(name, image):
    with open(name, "wb") as f:
        f.write(image.data)
    print("wrote", name)


if __name__ == "__main__":
    main()
