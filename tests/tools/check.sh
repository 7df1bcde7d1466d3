#!/usr/bin/env bash
# check.sh: everything a change must pass, cheap first. One line a step; a failing step shows the
# last 40 lines it printed, and the rest still runs. The last line is `N passed, N failed`, the
# sum of what the steps counted (a step that counts nothing is one); exit code 1 if any failed.
#
# SIM_SEEDS seeds are simulated (3000), ASAN_SEEDS under the sanitizers (200). CHAOS_SEED (1).
# STEP_TIMEOUT (900 s) ends a step that hangs; those of the lane have twice that, they may have to
# wait for all others. `check.sh NAME...` runs only these steps.
set -u
tools=$(dirname "$0")
logs=build/check
sim_seeds=${SIM_SEEDS:-3000}
asan_seeds=${ASAN_SEEDS:-200}
limit_s=${STEP_TIMEOUT:-900}
export WERROR=1
unset CC VARIANT CFLAGS LDFLAGS MAKEFLAGS MAKELEVEL CONSENS MUTANT

only=" $* "
mkdir -p $logs
counts=$logs/counts # a line a step: passed failed
: >$counts

# step NAME counts|plain COMMAND...: `counts` must close with `N passed, N failed`, N > 0.
step() {
    local name=$1 kind=$2 log="$logs/$1.log" started=$SECONDS code passed failed
    shift 2
    if [ "$only" != '  ' ] && [[ $only != *" $name "* ]]; then
        return
    fi
    timeout -k 10 "$limit_s" "$@" </dev/null >"$log" 2>&1
    code=$?
    passed=$((code == 0)) failed=$((code != 0))
    if [ "$kind" = counts ]; then
        read -r passed failed < <(awk -f "$tools/count.awk" "$log")
        if [ "$passed" = - ] || { [ $code -ne 0 ] && [ "$failed" -eq 0 ]; }; then
            passed=0 failed=1
        elif [ $((passed + failed)) -eq 0 ]; then
            echo "this step ran no test" >>"$log"
            failed=1
        fi
    fi
    if [ "$failed" -eq 0 ]; then
        echo "ok   $name ($((SECONDS - started)) s, $passed passed)"
    else
        echo "FAIL $name ($((SECONDS - started)) s, $failed failed)"
        tail -n 40 "$log" | sed 's/^/     /'
    fi
    echo "$passed $failed" >>$counts
}

# The same, on one processor and behind everything else: for a lane that runs while the steps that
# mostly wait go on.
step_beside() {
    JOBS=1 step "$1" "$2" nice -n 19 "${@:3}"
}

make=(make --no-print-directory -j"$(nproc)")

step fmt plain "${make[@]}" fmt
step layers plain "${make[@]}" layers
step tidy plain "${make[@]}" tidy
step build-gcc plain "${make[@]}" programs
step build-clang plain "${make[@]}" CC=clang programs
step purity plain "${make[@]}" purity
step unit counts "${make[@]}" test
step scenarios counts "${make[@]}" scenarios
step lincheck counts "${make[@]}" lincheck
step sim counts "${make[@]}" SEEDS="$sim_seeds" sim
step build-asan plain "${make[@]}" VARIANT=asan programs
step unit-asan counts "${make[@]}" VARIANT=asan test
step scenarios-asan counts "${make[@]}" VARIANT=asan scenarios
step sim-asan counts "${make[@]}" VARIANT=asan SEEDS="$asan_seeds" sim
step fuzz-corpus counts "${make[@]}" fuzz-corpus
step fuzz-mutants counts "${make[@]}" fuzz-mutants
step mutants counts "${make[@]}" mutants-quick
step shrink counts "$tools/shrink.sh" 4 19
{
    limit_s=$((2 * limit_s))
    step_beside lint plain make --no-print-directory lint
    step_beside models counts make --no-print-directory models
    step_beside hashes counts "$tools/hashes.sh" 60
    step_beside monitor-mutants counts make --no-print-directory monitor-mutants
} &
step system counts "${make[@]}" system
step asan-system counts "${make[@]}" asan-system
step chaos counts "${make[@]}" MINUTES=2 SEED="${CHAOS_SEED:-1}" chaos
step liars counts "${make[@]}" chaos-liars
step tsan counts "${make[@]}" tsan-system
wait

read -r total_passed total_failed < <(awk '{p += $1; f += $2} END {print p + 0, f + 0}' $counts)
echo "make check took $((SECONDS / 60)) min $((SECONDS % 60)) s; full logs in $logs"
echo "$total_passed passed, $total_failed failed"
[ $total_failed -eq 0 ] && [ $total_passed -gt 0 ]
