"""Watches a Gibbs chain dream, then reconstructs the dream, with the stock grpcio; messages are compiled from proto/.

    python dream_client.py [127.0.0.1:8080] [API key]
"""

import pathlib
import sys

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("manifold/vae/v1/vae.proto")


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080"
    metadata = [("authorization", "Bearer " + sys.argv[2])] if len(sys.argv) > 2 else []
    with grpc.insecure_channel(address) as channel:
        vae = services.VaeServiceStub(channel)
        try:
            dream = messages.SampleRequest(model="rbm-mnist", seed=1, sweeps=200, preview_every=50)
            for event in vae.Sample(dream, timeout=60, metadata=metadata):
                kind = event.WhichOneof("event")
                if kind == "sweep":
                    print(f"sweep {event.sweep.sweep}: energy {event.sweep.energies[0]:.1f}")
                elif kind == "completed":
                    picture = event.completed.images[0]
            pathlib.Path("dream.png").write_bytes(picture.data)
            answer = vae.Reconstruct(messages.ReconstructRequest(model="vae-mnist", images=[picture]), timeout=60,
                                     metadata=metadata)
            pathlib.Path("dream-reconstructed.png").write_bytes(answer.images[0].data)
            print(f"{answer.answered.model}: squared error {answer.errors[0].mean_squared_error:.4f} a pixel")
        except grpc.RpcError as error:
            raise SystemExit(f"{error.code().name}: {error.details()}")


if __name__ == "__main__":
    main()
