#!/usr/bin/env bash
# Builds KenLM's lmplz, query and build_binary into DIR/build/bin: KENLM_SOURCE names a folder with its sources, of
# https://github.com/kpu/kenlm. It needs cmake, a C++ compiler and Boost (on Debian: libboost-program-options-dev
# libboost-thread-dev libboost-system-dev libboost-test-dev zlib1g-dev).
#
#   KENLM_SOURCE=/path/to/kenlm tools/reference/peers/kenlm.sh DIR
set -euo pipefail
[ $# = 1 ] || { echo "name the folder to build in" >&2; exit 1; }
[ -f "${KENLM_SOURCE:-}/lm/builder/lmplz_main.cc" ] || { echo "KENLM_SOURCE names no folder with KenLM's sources" >&2; exit 1; }
mkdir -p "$1/build"
cmake -S "$KENLM_SOURCE" -B "$1/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="-march=native" \
  -DKENLM_MAX_ORDER=8 > "$1/kenlm.log"
cmake --build "$1/build" -j "${JOBS:-$(nproc)}" --target lmplz query build_binary >> "$1/kenlm.log"
