#!/usr/bin/env bash
# A job array on a Slurm of one node, on the loopback, in a scratch folder: the cells of a small figure, shards, and a
# training that is told to stop half-way and goes on from the queue. What they join to is what one run alone makes.
# Then the same commands by GNU parallel. Needs root, to install and start the daemons.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "cluster-test: skipped: $1"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "only root can start munge and slurmd"
packages=(slurmctld slurmd slurm-client munge parallel)
missing=()
for package in "${packages[@]}"; do
    dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get > /dev/null || skip "Slurm comes from Debian's packages"
    # Another target may be installing at the same time.
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends "${missing[@]}" > /dev/null ||
        skip "cannot install ${missing[*]}"
fi

scratch=$(mktemp -d)
export SLURM_CONF=$scratch/slurm.conf
end() {
    status=$?
    if [ -e "$scratch/slurmctld.pid" ]; then
        scancel --me || true
        await "the end of all tasks" none_left || true
    fi
    for daemon in slurmd slurmctld munged; do
        pid=$(cat "$scratch/$daemon.pid" 2> /dev/null) && kill "$pid" && tail --pid="$pid" -f /dev/null
    done
    [ "$status" = 0 ] || tail -n 20 "$scratch"/*.log "$scratch"/slurm-*.out || true
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 1' INT TERM
none_left() { [ -z "$(squeue -h)" ]; }
await() { # what, then a command that says whether it is so
    for _ in $(seq 600); do
        if "${@:2}"; then return; fi
        sleep 0.1
    done
    echo "cluster-test: waited a minute for: $1" >&2
    return 1
}

# The work, a command a line, and what it joins to.
export PATH=$PWD/target/release:$PATH
train="dae-fit $scratch/x.npy --kind mlp --width 64 --steps 6000 --quiet"
figure() { make -s --no-print-directory CELLS="$1" DRAWN="$1" "${@:2}"; }
commands() {
    echo "$train --checkpoint $1/kept --every 100 --resume -o $1/model.st"
    figure "$1" figure-cells FIG=phase-k1 | sed "s|.*|make -s figure-cell CELLS=$1 CELL=&|"
    for i in 0 1 2 3; do
        echo "pf-sample $scratch/truth.st -n 4000 --rows $((1000 * i))..$((1000 * i + 1000)) -o $1/shard-$i.npy"
    done
}
compare() {
    cmp "$1/model.st" "$scratch/whole/model.st"
    npy cat "$1"/shard-*.npy | cmp - "$scratch/whole/samples.npy"
    # All that is left of it is to join the cells.
    figure "$1" -n "$1/phase-k1.csv" | grep -v '^mkdir\|^table cat' && return 1
    figure "$1" "$1/phase-k1.csv"
    cmp "$1/phase-k1.csv" "$scratch/whole/phase-k1.csv"
}
half_way() { [ -e "$1/kept/step-00000200.safetensors" ]; }

mkdir "$scratch/whole" "$scratch/queued" "$scratch/parallel"
molrg-gen -d 24 -r 2 -k 2 -n 400 --seed 3 --truth "$scratch/truth.st" -o "$scratch/x.npy"
$train -o "$scratch/whole/model.st"
pf-sample "$scratch/truth.st" -n 4000 -o "$scratch/whole/samples.npy"
figure "$scratch/whole" "$scratch/whole/phase-k1.csv"

# The daemons.
port=$((20000 + $$ % 20000))
sed -e "s|SCRATCH|$scratch|; s|PORT0|$port|; s|PORT1|$((port + 1))|; s|CORES|$(nproc)|; s|HOSTNAME|$(hostname)|" \
    -e "s|MEMORY|$(free -m | awk '/^Mem:/ { print $2 }')|" cluster/slurm.conf > "$SLURM_CONF"
mkdir "$scratch/state" "$scratch/spool"
chmod 755 "$scratch"
(umask 077 && head -c 1024 /dev/urandom > "$scratch/munge.key")
munged --force --socket="$scratch/munge.socket" --key-file="$scratch/munge.key" --pid-file="$scratch/munged.pid" \
    --log-file="$scratch/munged.log" --seed-file="$scratch/munge.seed"
slurmctld
slurmd -N localhost
idle() { sinfo -h -o %t 2> /dev/null | grep -qx idle; }
await "an idle node" idle

# Told to stop half-way, as before the end of the time limit, the training goes back to the queue and on.
commands "$scratch/queued" > "$scratch/commands"
# A task without a command fails.
for absent in "99 $scratch/commands" "1 $scratch/absent"; do
    read -r line file <<< "$absent"
    if SLURM_ARRAY_TASK_ID=$line bash cluster/lines.sbatch "$file" 2> "$scratch/said"; then
        echo "line $line of $file: ended as done" >&2
        exit 1
    fi
    grep -q "$file" "$scratch/said"
done
lines=$(grep -c '' "$scratch/commands")
job=$(sbatch --parsable --array="1-$lines" --mem=500M --output="$scratch/slurm-%a.out" cluster/lines.sbatch "$scratch/commands")
await "a checkpoint" half_way "$scratch/queued"
first=$(squeue -h -j "${job}_1" -o %A)
# While other tasks of the array are pending, scancel (22.05) delivers the signal but believes that it did not.
scancel --batch --signal=USR1 "$first" &
requeued() { scontrol -o show job "$first" | grep -q 'JobState=PENDING'; }
await "the stopped task in the queue" requeued
kill "$!" && wait "$!" || true
# It would wait there for two minutes.
scontrol update JobId="$first" StartTime=now
ended() { [ -z "$(squeue -h -j "$job")" ]; }
await "the end of the array" ended
[ "$(scontrol -o show job "$job" | grep -c 'JobState=COMPLETED')" = "$lines" ]
scontrol -o show job "$first" | grep -q 'Restarts=1 '
grep "line 1 ended with 75" "$scratch/slurm-1.out"
compare "$scratch/queued"
echo "cluster-test: $lines tasks of an array, one stopped and requeued: the same bytes as one run"

# GNU parallel: told to stop, then the same command again.
commands "$scratch/parallel" > "$scratch/commands"
again=(parallel --joblog "$scratch/joblog" --resume-failed --ungroup --termseq TERM,60000 -j 2)
"${again[@]}" < "$scratch/commands" 2> "$scratch/parallel.log" &
await "a checkpoint" half_way "$scratch/parallel"
kill "$!"
wait "$!" && exit 1
grep "stopped after step" "$scratch/parallel.log"
"${again[@]}" < "$scratch/commands"
compare "$scratch/parallel"
echo "cluster-test: the same under GNU parallel, stopped and run again"
