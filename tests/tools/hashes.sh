#!/usr/bin/env bash
# hashes.sh SEEDS: the same seeds on simulators built by gcc and clang, with -O0 and -O2: each
# must have the same trace hash everywhere, or a failure found with one build cannot be replayed
# with another (two draws in one expression, memory not set, floating point).
set -u
unset MAKEFLAGS MAKELEVEL VARIANT CC
seeds=$1
jobs=${JOBS:-$(nproc)}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
builds=(release debug clang-release clang-debug)
running=0
for build in "${builds[@]}"; do
    compiler=gcc
    case $build in clang-*) compiler=clang ;; esac
    if ! make --no-print-directory -j"$jobs" CC=$compiler VARIANT="${build#clang-}" \
        "build/$build/sim" >"$logs/make" 2>&1; then
        tail -n 20 "$logs/make"
        exit 1
    fi
    "build/$build/sim" --seeds "$seeds" --hash >"$logs/$build.all" &
    running=$((running + 1))
    if [ $running -ge "$jobs" ]; then
        wait -n
        running=$((running - 1))
    fi
done
wait

passed=0
failed=0
for build in "${builds[@]}"; do
    grep ' hash=' "$logs/$build.all" >"$logs/$build"
    if [ "$(wc -l <"$logs/$build")" -eq "$seeds" ] && cmp -s "$logs/$build" "$logs/release"; then
        passed=$((passed + 1))
    else
        echo "build/$build/sim and build/release/sim differ first at:"
        diff "$logs/$build" "$logs/release" | head -n 4
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
