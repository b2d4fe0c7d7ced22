#!/usr/bin/env bash
# Builds one binary and shows how far the build is: packages compiled out of packages needed.
set -euo pipefail
out=$1 pkg=$2 ldflags=$3
total=$(CGO_ENABLED=0 go list -deps "$pkg" 2>/dev/null | wc -l)
echo "Building $out: up to $total packages, cached ones are skipped."
CGO_ENABLED=0 GOAMD64=v1 go build -v -trimpath -ldflags "$ldflags" -o "$out" "$pkg" 2> >(
  n=0 log=""
  while IFS= read -r line; do
    case "$line" in
      *" "*|"#"*) log+="$line"$'\n'; echo "$line" >&2 ;;
      *) n=$((n + 1))
         if [ -t 2 ]; then printf '\r  compiled %d of %d  %-50.50s' "$n" "$total" "$line" >&2
         elif [ $((n % 50)) -eq 0 ]; then echo "  compiled $n of $total" >&2; fi ;;
    esac
  done
  if [ -t 2 ]; then printf '\r%-80s\r' "" >&2; fi
)
echo "Built $out."
