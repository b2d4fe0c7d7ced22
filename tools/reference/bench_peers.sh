#!/usr/bin/env bash
# The speed of the starter beside PyTorch's on this machine: forward passes and training, in turns, medians over the
# turns. Writes docs/results/starter-speed.json. Needs the built binary's data (MANIFOLD_DATA or a network) and a
# Python with requirements.txt, named by PYTHON. The machine must be idle otherwise.
#
#   PYTHON=/path/to/venv/bin/python PAIRS=7 THREADS=2 tools/reference/bench_peers.sh
#
# AUTOTUNE=1 adds torch.compile's longest search, which takes minutes for every row.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
pairs=${PAIRS:-7}
threads=${THREADS:-$(nproc)}
out=${OUT:-docs/results/starter-speed.json}
peer="$python tools/reference/bench_unet.py"

make --no-print-directory build
runs=$(mktemp -d)
trap '[ -s "$out" ] && rm -rf "$runs"' EXIT

echo "looking for PyTorch's fastest way of every row" >&2
$peer search --threads "$threads" --samples 3 ${AUTOTUNE:+--autotune} --out "$runs/best.json"
for i in $(seq -w "$pairs"); do
  echo "turn $i of $pairs" >&2
  bin/manifold bench model mnist --samples 101 --threads "$threads" --json > "$runs/model-$i.json"
  bin/manifold bench train services/diffusion/recipes/mnist.yaml --threads "$threads" --json > "$runs/train-$i.json"
  $peer measure --threads "$threads" --samples 3 --best "$runs/best.json" --out "$runs/peer-$i.json"
done
mkdir -p "$(dirname "$out")"
$peer combine "$runs" --out "$out"
cat "$out"
