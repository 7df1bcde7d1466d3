#!/usr/bin/env bash
# fuzz-mutants.sh: can the targets of tests/fuzz fail? Each line `N target name` of
# tests/fuzz/mutants.txt names a deliberate mistake in src (base/mutant.h); the replay of that
# target's corpus, linked with the mistake, must end badly. Closes with `N passed, N failed`.
set -u
unset MAKEFLAGS MAKELEVEL VARIANT
list=tests/fuzz/mutants.txt
jobs=${JOBS:-$(nproc)}
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

try_mutant() { # prints one line; 0: found
    local number=$1 target=$2 name=$3 log="$results/$1-$2.log" code
    local program=build/asan/mutant/$number/fuzz/$target
    if ! make --no-print-directory VARIANT=asan MUTANT="$number" "$program" >"$log" 2>&1; then
        printf 'FAIL %-4s %-14s %-36s did not build\n' "$number" "$target" "$name"
        tail -n 5 "$log"
        return 1
    fi
    ASAN_OPTIONS=detect_leaks=0 timeout 120 "$program" "tests/fuzz/corpus/$target" >"$log" 2>&1
    code=$?
    case $code in
    0 | 2 | 124)
        printf 'FAIL %-4s %-14s %-36s not found (code %d)\n' "$number" "$target" "$name" $code
        return 1
        ;;
    esac
    printf 'ok   %-4s %-14s %-36s %s\n' "$number" "$target" "$name" \
        "$(grep -m 1 -oE 'condition=.*|ERROR: [A-Za-z]*: [a-z-]*|runtime error: .*' "$log")"
}

while read -r number target name; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    { try_mutant "$number" "$target" "$name" >"$results/$number-$target.row" ||
        touch "$results/$number-$target.bad"; } 2>/dev/null & # bash tells of each abort
done < <(grep -Ev '^[[:space:]]*(#|$)' $list)
wait
cat "$results"/*.row
failed=$(find "$results" -name '*.bad' | wc -l)
passed=$(($(find "$results" -name '*.row' | wc -l) - failed))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ $passed -gt 0 ]
