#!/usr/bin/env bash
# mutants.sh: who tests the tests? Each line `N name max_seeds [flags]` of tests/sim/mutants.txt
# names a deliberate mistake in src (base/mutant.h). The simulator runs seeds 1, 2, ... on the program
# with that mistake until one fails; a mutant that outlives its max_seeds is a hole in the tests.
#
# `sim --until-failure --seeds N` exits 1 at the first failing seed, naming it as `seed=S` and what
# was found as `found=WORD`. Another end (crash, CHECK) counts as found too.
set -u
unset MAKEFLAGS MAKELEVEL VARIANT
list=tests/sim/mutants.txt
jobs=${JOBS:-$(nproc)}
limit_s=${MUTANT_TIMEOUT:-300}
if [ ! -r $list ]; then
    echo "mutants.sh: no $list" >&2
    exit 1
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Writes one line of the table to $results/NUMBER; begins with `ok` or `FAIL`.
try_mutant() {
    local number=$1 name=$2 seeds_max=$3 flags=$4 row="$results/$1" log="$results/$1.log"
    local code found seed
    if ! make --no-print-directory MUTANT="$number" "build/mutant/$number/sim" >"$log" 2>&1; then
        printf 'FAIL %-3s %-40s did not build\n' "$number" "$name" >"$row"
        tail -n 5 "$log" >>"$row"
        return
    fi
    # shellcheck disable=SC2086 # flags are words
    timeout "$limit_s" "build/mutant/$number/sim" --until-failure --seeds "$seeds_max" $flags \
        >"$log" 2>&1
    code=$?
    seed=$(grep -o 'seed=[0-9]*' "$log" | tail -n 1 | cut -d= -f2)
    found=$(grep -o 'found=[^ ]*' "$log" | tail -n 1 | cut -d= -f2)
    case $code in
    0) printf 'FAIL %-3s %-40s survived %s seeds\n' "$number" "$name" "$seeds_max" ;;
    124) printf 'FAIL %-3s %-40s still alive after %s s\n' "$number" "$name" "$limit_s" ;;
    1 | 134) printf 'ok   %-3s %-40s %-28s %s\n' "$number" "$name" \
        "${found:-$(grep -o 'condition="[^"]*"' "$log" | head -n 1)}" "${seed:-?}" ;;
    *) printf 'FAIL %-3s %-40s the simulator ended with code %s\n' "$number" "$name" $code ;;
    esac >"$row"
}

# What all mutants share is built first, so that they do not build it at once.
if ! make --no-print-directory -j"$jobs" build/release/sim >"$results/build" 2>&1; then
    tail -n 40 "$results/build"
    exit 1
fi
printf '     %-3s %-40s %-28s %s\n' N mutant 'killed by' 'at seed'
numbers=()
while read -r number name seeds_max flags; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    try_mutant "$number" "$name" "$seeds_max" "$flags" &
    numbers+=("$number")
done < <(grep -Ev '^[[:space:]]*(#|$)' $list)
wait

passed=0
failed=0
for number in "${numbers[@]}"; do
    cat "$results/$number"
    if grep -q '^ok ' "$results/$number"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
