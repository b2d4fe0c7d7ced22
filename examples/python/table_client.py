"""Makes a model of rows in the request and asks it, with the stock grpcio; the messages are compiled from proto/.

    python table_client.py [127.0.0.1:8080] [API key]
"""

import pathlib
import sys

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("manifold/tabular/v1/tabular.proto")


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080"
    metadata = [("authorization", "Bearer " + sys.argv[2])] if len(sys.argv) > 2 else []
    with grpc.insecure_channel(address) as channel:
        table = services.TabularServiceStub(channel)
        try:
            made = table.Fit(messages.FitRequest(name="umbrellas", rows=rows()), timeout=60, metadata=metadata)
            print(f"{made.answered.model}: {made.rows} rows")
            wet = messages.Condition(field="rain", levels=["yes"])
            r = table.Query(messages.QueryRequest(model=made.answered.model, targets=["umbrella"], given=[wet]),
                            timeout=60, metadata=metadata)
            for cell in r.cells:
                print(f"umbrella {cell.levels[0]}: {cell.fraction.count}/{cell.fraction.total}")
        except grpc.RpcError as error:
            raise SystemExit(f"{error.code().name}: {error.details()}")


def rows():
    days = [("yes", "yes")] * 9 + [("yes", "no")] + [("no", "yes")] * 2 + [("no", "no")] * 8
    value = lambda text: messages.Value(category=text)
    return messages.Rows(columns=["rain", "umbrella"],
                         rows=[messages.Row(values=[value(r), value(u)]) for r, u in days])


if __name__ == "__main__":
    main()
