#!/usr/bin/env bash
# All that a first GPU machine must show, in one call of less than eight minutes and without network:
#   bash benchmarks/device.sh [PACK] [OUT]
# PACK (device-pack) comes from benchmarks/device_pack.sh; OUT (device-out) gets tests.txt, device.json and device.txt.
# DEVICE=cpu EXTENTS="1 2" FRAMES=3200 TIME=120 tries it at a small size on any machine.
set -uo pipefail
began=$SECONDS
cd "$(dirname "$0")/.."
pack=$(realpath "${1:-device-pack}") out=${2:-device-out} python=${PYTHON:-python3} device=${DEVICE:-cuda}
mkdir -p "$out"
out=$(realpath "$out")
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
"$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --disable-pip-version-check \
    --target "$site" "$pack"/wheels/*.whl || exit 1
export PYTHONPATH="$site:$PWD" NIGHTFLY_CACHE="$site/cache" PYTHONUNBUFFERED=1
# The tests' own limit: a graph that hangs must not cost the figures.
timeout 120 "$python" -m pytest -q -p no:cacheprovider -m gpu tests/trainer/fit/test_cuda_graph.py 2>&1 | tee "$out/tests.txt"
tests=${PIPESTATUS[0]}
read -ra extents <<<"${EXTENTS:-2 8}"
left=$((${TIME:-460} - (SECONDS - began)))
timeout $((left + 60)) "$python" -m benchmarks.device --device "$device" --extents "${extents[@]}" --frames "${FRAMES:-64000}" \
    --seconds "$left" --pack "$pack" --out "$out" 2>&1 | tee "$out/device.txt"
measured=${PIPESTATUS[0]}
echo "tests ended with $tests, figures with $measured, after $((SECONDS - began)) s; results in $out"
exit $((tests || measured))
