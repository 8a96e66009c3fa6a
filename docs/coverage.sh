#!/bin/bash
# How often the 95 % intervals that the programs print hold: docs/coverage.sh [OUT] [TRIALS], programs on PATH.
#
# Every quantity is computed of all rows, which is the truth, and of TRIALS parts of n rows each (--rows). A part
# is covered when the truth lies in its interval, ends included; warned when the program printed a warning of its
# interval; held when it is one or the other.
set -euo pipefail
out=$(realpath -m "${1:-docs/coverage.csv}") trials=${2:-1000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
rows=$((200 * trials))

draw() { pf-sample "$1.st" -n $rows --seed 7 --quiet -o "$1.npy"; }

# One component: every row of the flow is about as far off.
molrg-gen -d 12 -r 3 -k 1 -n 30 --seed 1 --noise-std 0.1 --truth one.st -o one-train.npy
dae-fit one-train.npy --kind molrg -r 3 -k 1 --fit variances,noise -o one-a.st
# Three components. Some latents end in another one than the teacher's: of the student of 900 rows few, of 60 many.
molrg-gen -d 24 -r 4 -k 3 -n 900 --seed 3 --noise-std 0.05 --truth three.st -o three-train.npy
for part in 900 150 60; do
    dae-fit three-train.npy --rows ..$part --kind molrg -r 4 -k 3 --fit noise,weights --restarts 10 -o three-$part.st 2> log
done
for name in one one-a three three-900 three-150 three-60; do draw $name; done
molrg-gen --from three.st -n $rows --skip 900 --seed 3 -o fresh.npy
molrg-gen --from three.st -n $rows --skip 900 --seed 4 -o reference.npy

# What is measured: a name, and the command, in which ROWS becomes --rows of a part.
commands="
one|pfd one-a.npy one.npy ROWS
three-60|pfd three-60.npy three.npy ROWS
three-150|pfd three-150.npy three.npy ROWS
three-900|pfd three-900.npy three.npy ROWS
three-900 and three-150|pfd three-900.npy three.npy --relative-to three-150.npy ROWS
three students|pfd --bias-variance three.npy three-900.npy three-150.npy three-60.npy ROWS
three students unbiased|pfd --bias-variance --unbiased three.npy three-900.npy three-150.npy three-60.npy ROWS
three-900|rp-score three-900.npy three.npy --threshold 0.99 ROWS
three-60|rp-score three-60.npy three.npy --threshold 0.95 ROWS
three-60|rp-score three-60.npy --train three-train.npy --threshold 0.95 --gl similarity,ratio,distance --reference REFERENCE ROWS"

# One part: its rows as they are printed, and whether its interval was warned of.
part() {
    local command=$1 n=$2 from=$(($2 * $3))
    local range=$from..$((from + n))
    command=${command//ROWS/--rows $range}
    command=${command//REFERENCE/"<(npy cat reference.npy --rows $range)"}
    # Of a distance's interval, that is: a score's other warnings say nothing of it.
    eval "$command" > part-$3.csv 2> part-$3.log || { cat part-$3.log >&2; exit 255; }
    local warned=0 line=0
    if grep -qE 'half of the|do not show' part-$3.log; then warned=1; fi
    tail -n +2 part-$3.csv | while IFS=, read -r quantity a b value std low high rest; do
        line=$((line + 1))
        echo "$line,$low,$high,$warned"
    done
}
export -f part

# The skewness of squared distances, from the distances of all rows.
skewness() {
    rp-score "$1" "$2" --similarity l2 --threshold 1 --per-sample rows.csv > /dev/null 2> log
    local mean spread
    mean=$(table let rows.csv 'q=similarity^2' | table mean --value q | table cat --columns q | tail -n 1)
    spread="(similarity^2-$mean)"
    table let rows.csv "two=$spread^2" "three=$spread^3" | table mean --value two,three \
        | table let 'skewness=round(10*three/two^1.5)/10' | table cat --columns skewness | tail -n 1
}

echo quantity,data,skewness,n,trials,covered,warned,held > table.csv
while IFS='|' read -r data command; do
    [ -n "$data" ] || continue
    whole=${command//ROWS/}
    eval "${whole//REFERENCE/reference.npy}" > truth.csv 2> log
    skew=
    case $command in
        "pfd one"* | "pfd three"*) read -r _ a b _ <<< "$command"; skew=$(skewness "$a" "$b") ;;
    esac
    for n in 50 200 1000; do
        count=$((rows / n < trials ? rows / n : trials))
        echo line,low,high,warned > parts.csv
        seq 0 $((count - 1)) | xargs -P "$(nproc)" -I{} bash -c 'part "$0" "$1" "$2" > line-$2' "$command" $n {}
        for i in $(seq 0 $((count - 1))); do cat line-$i; done >> parts.csv
        line=0
        tail -n +2 truth.csv | while IFS=, read -r quantity a b value rest; do
            line=$((line + 1))
            table cat parts.csv --filter line=$line \
                | table let "covered=1-min(1,ceil(max(max(low-$value,$value-high),0)))" 'held=max(covered,warned)' \
                | table mean --value covered,warned,held \
                | table let 'c=round(1000*covered)/1000' 'w=round(1000*warned)/1000' 'h=round(1000*held)/1000' \
                | table cat --columns c,w,h > summary.csv
            echo "$quantity,$data,$([ "$quantity" = pfd ] && echo "$skew"),$n,$count,$(tail -n 1 summary.csv)"
        done >> table.csv
        rm -f part-* line-*
    done
done <<< "$commands"
table cat table.csv -o "$out"
