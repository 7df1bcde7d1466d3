#!/usr/bin/env bash
# simulate.sh SIMULATOR SEEDS JOBS: seeds 1..SEEDS, shared out among JOBS processes.
# Each runs `SIMULATOR --first SEED --seeds COUNT --tally`, which goes on past a failing seed,
# prints the line that replays it, what it came through (`tally ...`), and closes with
# `N passed, N failed`. So does this. From COVERAGE_SEEDS seeds on (2000) it is a failure too if
# something that must happen never did in all of them: see coverage.awk.
# The first failing seed is made smaller, for SHRINK_SECONDS (30) at most.
set -u
simulator=$1
seeds=$2
jobs=$3
tools=$(dirname "$0")
if [ "$jobs" -gt "$seeds" ]; then
    jobs=$seeds
fi

logs=$(mktemp -d)
pids=()
trap 'rm -rf "$logs"' EXIT
trap 'kill "${pids[@]}" 2>/dev/null; exit 130' INT TERM
first=1
for ((job = 0; job < jobs; job++)); do
    count=$(((seeds - first + 1) / (jobs - job)))
    "$simulator" --first "$first" --seeds "$count" --tally >"$logs/$job" 2>&1 &
    pids+=($!)
    first=$((first + count))
done

total_passed=0
total_failed=0
for ((job = 0; job < jobs; job++)); do
    wait "${pids[job]}"
    code=$?
    grep -Ev '^tally |^[0-9]+ passed, [0-9]+ failed$' "$logs/$job"
    read -r passed failed < <(awk -f "$tools/count.awk" "$logs/$job")
    if [ "$passed" = - ]; then
        passed=0 failed=1
    elif [ $code -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
done
# A seed that no process answered for has not passed.
if [ $((total_passed + total_failed)) -lt "$seeds" ] && [ $total_failed -eq 0 ]; then
    total_failed=$((seeds - total_passed))
fi
broken=$(cat "$logs"/* | grep -o '^seed=[0-9]* found=' | grep -o '[0-9]*' | sort -n | head -n 1)
if [ -n "$broken" ]; then
    "$simulator" --shrink "$broken" --seconds "${SHRINK_SECONDS:-30}"
fi

cat "$logs"/* | awk -v least="${COVERAGE_SEEDS:-2000}" -f "$tools/coverage.awk" >"$logs/coverage"
grep -v '^checks ' "$logs/coverage"
read -r _ passed failed < <(grep '^checks ' "$logs/coverage" || echo checks 0 1)
total_passed=$((total_passed + passed))
total_failed=$((total_failed + failed))
echo "$total_passed passed, $total_failed failed"
[ $total_failed -eq 0 ]
