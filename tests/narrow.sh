#!/usr/bin/env bash
# Do AVX-512 and AVX2 kernels train the same bytes? Run by `make test-narrow`.
#
#     tests/narrow.sh WIDE NARROW
#
# WIDE and NARROW hold the programs built with and without the feature avx512.
# Inner dimensions beyond 512 are in it on purpose: there the kernels would cut
# differently if they were left to.
set -euo pipefail
wide=$1 narrow=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$wide/molrg-gen" -d 700 -k 2 -r 4 -n 900 --seed 1 -o "$work/vectors.npy"
"$wide/molrg-gen" -d 64 -k 2 -r 4 -n 300 --seed 2 --shape 8,8,1 -o "$work/images.npy"

for programs in "$wide" "$narrow"; do
    out="$work/$(echo "$programs" | tr / _)"
    fit() { "$programs/dae-fit" "$@" --quiet; }
    fit "$work/vectors.npy" --kind mlp --width 640 --depth 1 --batch 600 --steps 6 -o "$out.mlp"
    fit "$work/vectors.npy" --kind two-layer --width 600 --tied --steps 6 -o "$out.two-layer"
    fit "$work/images.npy" --kind unet --width 24 --steps 6 -o "$out.unet"
    fit "$work/images.npy" --kind uvit --width 32 --steps 6 -o "$out.uvit"
    "$programs/pf-sample" "$out.unet" -n 20 -o "$out.samples"
done
for kind in mlp two-layer unet uvit samples; do
    cmp "$work/$(echo "$wide" | tr / _).$kind" "$work/$(echo "$narrow" | tr / _).$kind"
    echo "$kind: the same bytes"
done
