"""The peers of `make bench-peers`: one module per peer and kind of workload, a worker that runs one of them."""
