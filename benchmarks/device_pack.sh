#!/usr/bin/env bash
# What a GPU machine without network needs beside this repository: bash benchmarks/device_pack.sh [FOLDER]
# FOLDER (device-pack) gets the wheels that an image with torch, torch_geometric and scikit-learn lacks, for Python
# PYTHON_THERE (3.12) on x86-64 Linux, and the connectomes of EXTENTS (1 2 8), exported. Needs pip, nightfly and network.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-device-pack}
python=${PYTHON:-python3}
mkdir -p "$folder/wheels"
rm -f "$folder"/wheels/*.whl
names='pydantic|pydantic_core|annotated-types|typing-inspection|typing_extensions|adjustText'
mapfile -t pinned < <(grep -iE "^($names)==" constraints.txt)
platforms=()
for glibc in 2_28 2_27 2_17 2014 1; do
    case $glibc in 2_*) platforms+=(--platform "manylinux_${glibc}_x86_64") ;; *) platforms+=(--platform "manylinux${glibc}_x86_64") ;; esac
done
"$python" -m pip download -q --no-deps --only-binary=:all: --implementation cp --python-version "${PYTHON_THERE:-3.12}" \
    "${platforms[@]}" -d "$folder/wheels" "${pinned[@]}"
for extent in ${EXTENTS:-1 2 8}; do
    printf 'simulation: {extent: %s}\n' "$extent" >"$folder/extent$extent.yaml"
    "$python" -m agent.cli export-connectome "$folder/extent$extent.yaml" --out "$folder/extent$extent.npz"
done
du -sh "$folder"
