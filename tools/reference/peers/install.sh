#!/usr/bin/env bash
# Installs the peers of `make bench-peers` into a scratch folder: a virtual environment of current releases, llama.cpp
# built for this processor from the sources that llama-cpp-python carries, and models of random weights. What is there
# already stays; remove the folder to start again. ik_llama.cpp is not on a package registry: name a build of it by
# IK_LLAMA_BENCH, or its rows are left out. LLAMA_BENCH names another build of llama.cpp.
#
#   tools/reference/peers/install.sh DIR
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
bin=$dir/venv/bin

if [ ! -x "$bin/python" ]; then
  "${PYTHON:-python3}" -m venv "$dir/venv"
fi
"$bin/python" -c 'import torch, diffusers, transformers, onnx, onnxruntime, gguf' 2> /dev/null ||
  "$bin/pip" install --quiet --requirement "$here/requirements.txt"

llama=${LLAMA_BENCH:-$dir/llama/build/bin/llama-bench}
if [ ! -x "$llama" ]; then
  if ! command -v cmake > /dev/null; then
    echo "cmake is missing: the rows of llama.cpp are left out" >&2
  else
    mkdir -p "$dir/sdist"
    "$bin/pip" download --quiet --no-deps --no-binary :all: --dest "$dir/sdist" llama-cpp-python
    tar xzf "$dir"/sdist/llama_cpp_python-*.tar.gz -C "$dir/sdist"
    source=$(echo "$dir"/sdist/llama_cpp_python-*/vendor/llama.cpp)
    find "$source" -exec touch {} + # dates of another clock would make the build configure itself again and again
    ln -sfn "$source" "$dir/llama"
    cmake -S "$dir/llama" -B "$dir/llama/build" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF \
      -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF > "$dir/llama.log"
    cmake --build "$dir/llama/build" -j "${JOBS:-$(nproc)}" --target llama-bench llama-batched-bench llama-quantize \
      >> "$dir/llama.log"
    number() { sed -n "s/^set(LLAMA_VERSION_$1 \([0-9]*\).*/\1/p" "$source/CMakeLists.txt"; }
    echo "$(number MAJOR).$(number MINOR).$(number PATCH), of $(basename "$(dirname "$(dirname "$source")")")" \
      > "$dir/llama/build/bin/VERSION"
  fi
fi
if [ -x "$(dirname "$llama")/llama-quantize" ]; then
  mkdir -p "$dir/gguf"
  (cd "$here/.." && "$bin/python" -m peers.gguf_models --quantize "$(dirname "$llama")/llama-quantize" "$dir/gguf" \
    > "$dir/gguf.log")
fi
