#!/usr/bin/env bash
# The whole argument in two tables, every number from the programs on PATH.
#   demo/run.sh WORKDIR
# (a) students of a planted mixture, trained on more and more rows, go from
#     failure to generalization at N_k = r; (b) the same question on images.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
work=${1:?usage: demo/run.sh WORKDIR}
mkdir -p "$work"
cd "$work"

# Column NAME of the first data row of a CSV on standard input.
column() {
    awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } NR == 2 { print $c }'
}

echo "(a) Two components of rank r = 6 in 48 dimensions. Students fitted to N_k rows a component:"
echo "    recovery error |UU' - VV'|, agreement (RP) with a second student of other data,"
echo "    GL in its distance form (1: as far from the training rows as fresh samples are),"
echo "    and probability flow distance to the teacher."
echo
molrg-gen -d 48 -r 6 -k 2 -n 2000 --seed 1 --skip 100000 --truth truth.st -o fresh.npy
printf '%6s %16s %8s %8s %14s\n' N_k recovery_error RP GL PFD_to_teacher
for per_component in 4 5 6 7 8 20 100 400; do
    n=$((2 * per_component))
    for student in 1 2; do
        molrg-gen --from truth.st -n "$n" --seed 1 --skip $((student * 10000)) --balanced -o "train$student.npy"
        dae-fit "train$student.npy" --kind molrg -r 6 -k 2 --orthogonal --seed "$student" -o "student$student.st"
        pf-sample "student$student.st" -n 2000 --seed 3 -o "samples$student.npy"
    done
    error=$(subspace-error student1.st truth.st | awk -F, '$1 == "all" { print $3 }')
    rp=$(rp-score samples1.npy samples2.npy | column value)
    gl=$(rp-score samples1.npy --train train1.npy --gl distance --reference fresh.npy | column value)
    pfd=$(pfd student1.st truth.st -n 2000 --seed 3 | column value)
    printf '%6d %16.2e %8.3f %8.3f %14.2e\n' "$per_component" "$error" "$rp" "$gl" "$pfd"
done

echo
echo "(b) 1500 handwritten digits of 8x8 pixels. Three denoisers fitted to them, sampled from the same 1000"
echo "    latents: agreement (RP) of each pair, and GL of each, comparing 32 whitened principal coordinates"
echo "    (cosine above 0.9 is the same image). Beside each, its baseline: RP of rows that do not belong together, GL of"
echo "    the training digits, each left out in turn."
echo
npy images "$here/testdata/digits8x8_1797.npz:x" --from 0,16 --rows ..1500 -o digits.npy
dae-fit digits.npy --kind gaussian -o gaussian.st
dae-fit digits.npy --kind molrg -r 12 -k 10 --fit means,variances,weights,noise -o molrg.st
dae-fit digits.npy --kind empirical -o empirical.st
for model in gaussian molrg empirical; do
    pf-sample "$model.st" -n 1000 --seed 3 -o "$model.npy"
done
rp-score gaussian.npy molrg.npy empirical.npy --descriptor whiten:32 --threshold 0.9 \
    --train digits.npy --gl similarity,ratio |
    awk -F, 'NR == 1 { printf "%-10s %-14s %-14s %6s  %-12s %9s\n", "score", "a", "b", "value", "95% interval", "baseline"; next }
             { printf "%-10s %-14s %-14s %6.3f  %.3f-%.3f  %9.3f\n", $1, $2, $3, $4, $6, $7, $10 }'
echo
echo "The empirical denoiser returns its training images (GL near 0): it memorized. The others do not."
