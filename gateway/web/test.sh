#!/usr/bin/env bash
# Tests the page in a real browser and the door with stock clients. Node and Chromium that are there are used; SETUP=1
# installs what is missing (Debian packages) or fails; without it, what is missing is said, and that nothing was tested.
set -euo pipefail
cd "$(dirname "$0")"

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
missing=()
command -v node > /dev/null || missing+=("Node 20 or newer (nodejs)")
command -v npm > /dev/null || missing+=("npm")
[ -n "$chromium" ] || missing+=("Chromium (chromium)")
if [ ${#missing[@]} -gt 0 ]; then
  if [ "${SETUP:-0}" = 1 ] && command -v apt-get > /dev/null; then
    apt-get update -qq
    packages=()
    command -v node > /dev/null || packages+=(nodejs npm)
    [ -n "$chromium" ] || packages+=(chromium)
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
    chromium=$(command -v chromium)
  else
    echo "The browser tests were NOT run; missing: ${missing[*]}."
    echo "Install them, or run make test SETUP=1 (Debian and Ubuntu, as root)."
    if [ "${SETUP:-0}" = 1 ]; then exit 1; fi
    exit 0
  fi
fi
[ -d node_modules ] || npm ci --no-fund --no-audit --loglevel=error
make -C ../.. --no-print-directory build
CHROMIUM=$chromium node --test --test-reporter=spec test/*.test.mjs
