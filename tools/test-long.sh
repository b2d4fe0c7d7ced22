#!/usr/bin/env bash
# The long proofs and measurements: about an hour on two idle cores. Writes docs/results/, each file with its command,
# version, machine and date, and the tables made from them. Stopped, it goes on where it was.
#
#   MANIFOLD_DATA=/path/to/data tools/test-long.sh
set -euo pipefail
cd "$(dirname "$0")/.."
make --no-print-directory build
bin/manifold eval classifier --json > docs/results/classifier-mnist.json
bin/manifold bench kernels --threads 1 --json > docs/results/kernels.json
bin/manifold bench kernels --threads 2 --json > docs/results/kernels-2-threads.json
bin/manifold bench sharing --json > docs/results/sharing.json
if [ -n "${PYTHON:-}" ]; then
  tools/reference/bench_peers.sh
else
  echo "PYTHON is not set: the comparison with PyTorch is not run (see tools/reference/README.md)"
fi
bin/manifold eval diffusion --model mnist --dataset mnist --out docs/results/diffusion-mnist.json
for model in vae-mnist vae-mnist-2d; do
  bin/manifold eval vae --model $model --samples 50 --out docs/results/vae.json
done
bin/manifold eval vae --model rbm-mnist --what likelihood,features --out docs/results/vae.json
bin/manifold eval vae --model dbn-mnist --what finetune --out docs/results/vae.json
bin/manifold eval vae --model dbn-mnist --what finetune --labels 100 --out docs/results/vae.json
go run ./tools/results
git status --short docs/results
