#!/usr/bin/env bash
# Installs the peers of `make bench-peers` into a scratch folder: a virtual environment of current releases, llama.cpp
# built for this processor from the sources that llama-cpp-python carries, and models of random weights. What is there
# already stays, and a run that failed goes on; remove the folder to start again. It takes 8 GB and, for llama.cpp, some
# minutes of every core: JOBS says how many compilers run at once.
#
# ik_llama.cpp is not on a package registry: IK_LLAMA_SOURCE names a folder with its sources, which is built, or
# IK_LLAMA_BENCH its llama-bench; without both its rows are left out. LLAMA_BENCH names another build of llama.cpp,
# PYTHON another Python than python3.
#
#   tools/reference/peers/install.sh DIR
set -euo pipefail
fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}
[ $# = 1 ] || fail "name the folder to install into, one that may be removed later"
mkdir -p "$1" && [ -w "$1" ] || fail "$1 cannot be written: name another folder (make bench-peers PEERS_DIR=...)"
dir=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
bin=$dir/venv/bin
python=${PYTHON:-python3}

if ! "$bin/python" -m pip --version > /dev/null 2>&1; then
  command -v "$python" > /dev/null || fail "$python is missing: install Python 3.10 or newer, or name one by PYTHON"
  "$python" -m venv --clear "$dir/venv" ||
    fail "$python cannot make a virtual environment (on Debian: apt install python3-venv), or the disk is full"
fi
if ! "$bin/python" -c 'import torch, diffusers, transformers, onnx, onnxruntime, gguf' 2> /dev/null; then
  "$bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" ||
    fail "pip could not install $here/requirements.txt: it needs PyPI (or PIP_INDEX_URL) and 7 GB in $dir"
fi

# build NAME SOURCE FLAGS...: into DIR/NAME/build; false without compilers
build() {
  local name=$1 source=$2
  shift 2
  if ! command -v cmake > /dev/null || ! command -v c++ > /dev/null; then
    echo "the rows of $name are left out: install cmake and a C++ compiler" >&2
    return 1
  fi
  mkdir -p "$dir/$name"
  {
    cmake -S "$source" -B "$dir/$name/build" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF \
      -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF "$@" &&
      cmake --build "$dir/$name/build" -j "${JOBS:-$(nproc)}" --target llama-bench llama-batched-bench llama-quantize
  } > "$dir/$name.log" 2>&1 || fail "$name could not be built, $dir/$name.log says why; JOBS=1 needs less memory"
}

llama=${LLAMA_BENCH:-$dir/llama/build/bin/llama-bench}
if [ ! -x "$llama" ]; then
  [ -z "${LLAMA_BENCH:-}" ] || fail "LLAMA_BENCH=$LLAMA_BENCH is no program"
  if ! ls "$dir"/sdist/llama_cpp_python-*/unpacked > /dev/null 2>&1; then
    rm -rf "$dir/sdist" && mkdir "$dir/sdist"
    "$bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$dir/sdist" \
      llama-cpp-python || fail "pip could not fetch the sources of llama-cpp-python: it needs PyPI (or PIP_INDEX_URL)"
    tar xzf "$dir"/sdist/llama_cpp_python-*.tar.gz -C "$dir/sdist" || fail "$dir/sdist could not be unpacked: disk full?"
    find "$dir/sdist" -exec touch {} + # dates of another clock would make the build configure itself again and again
    touch "$(echo "$dir"/sdist/llama_cpp_python-*/)unpacked"
  fi
  source=$(echo "$dir"/sdist/llama_cpp_python-*/vendor/llama.cpp)
  number() { sed -n "s/^set(LLAMA_VERSION_$1 \([0-9]*\).*/\1/p" "$source/CMakeLists.txt"; }
  if build llama "$source" -DLLAMA_OPENSSL=OFF; then
    echo "$(number MAJOR).$(number MINOR).$(number PATCH), of $(basename "$(dirname "$(dirname "$source")")")" \
      > "$dir/llama/build/bin/VERSION"
  fi
fi
if [ -n "${IK_LLAMA_BENCH:-}" ]; then
  [ -x "$IK_LLAMA_BENCH" ] || fail "IK_LLAMA_BENCH=$IK_LLAMA_BENCH is no program"
elif [ -n "${IK_LLAMA_SOURCE:-}" ]; then
  [ -f "$IK_LLAMA_SOURCE/CMakeLists.txt" ] || fail "IK_LLAMA_SOURCE=$IK_LLAMA_SOURCE holds no CMakeLists.txt"
  if [ ! -x "$dir/ik/build/bin/llama-bench" ] && build ik "$IK_LLAMA_SOURCE"; then
    git -C "$IK_LLAMA_SOURCE" rev-parse --short HEAD > "$dir/ik/build/bin/VERSION" 2> /dev/null || true
  fi
elif [ ! -x "$dir/ik/build/bin/llama-bench" ]; then
  echo "ik_llama.cpp is left out: name its sources by IK_LLAMA_SOURCE, or its llama-bench by IK_LLAMA_BENCH" >&2
fi
if [ -x "$(dirname "$llama")/llama-quantize" ]; then
  mkdir -p "$dir/gguf"
  (cd "$here/.." && "$bin/python" -m peers.gguf_models --quantize "$(dirname "$llama")/llama-quantize" "$dir/gguf" \
    > "$dir/gguf.log" 2>&1) || fail "the models of random weights could not be made, $dir/gguf.log says why"
elif [ -x "$llama" ] && ! ls "$dir"/gguf/*.gguf > /dev/null 2>&1; then
  fail "no llama-quantize lies beside $llama: build it too, it makes the models of random weights"
fi
