#!/usr/bin/env bash
# shrink.sh MUTANT...: does the shrinker work? Each mutant (tests/mutants.txt) is run until a
# seed fails; that seed is made smaller; the line printed must fail in the same way, and take at
# most LARGEST_PERCENT (20) of the events.
set -u
unset MAKEFLAGS MAKELEVEL VARIANT
largest=${LARGEST_PERCENT:-20}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! make --no-print-directory -j"$(nproc)" build/release/sim >"$log" 2>&1; then
    tail -n 20 "$log"
    exit 1
fi

try_mutant() {
    local simulator="build/mutant/$1/sim" seed words found events whole replay
    make --no-print-directory MUTANT="$1" "$simulator" >"$log" 2>&1 || return 1
    "$simulator" --until-failure --seeds 2000 >"$log" 2>&1
    seed=$(grep -o '^seed=[0-9]* found=' "$log" | head -n 1 | grep -o '[0-9]*')
    [ -n "$seed" ] || return 1
    "$simulator" --shrink "$seed" --seconds "${SHRINK_SECONDS:-20}" >"$log" 2>&1
    cat "$log"
    words=$(grep '^shrunk ' "$log") || return 1
    found=$(grep -o 'found=[^:]*' <<<"$words")
    read -r events whole < <(sed 's/.*: \([0-9]*\) of \([0-9]*\) events.*/\1 \2/' <<<"$words")
    replay=$(sed -n 's/^  replay: \(.*\) --trace$/\1/p' "$log")
    # Unquoted: a line of flags.
    $replay >"$log" 2>&1
    grep -q "$found" "$log" && [ $((events * 100)) -le $((whole * largest)) ]
}

for mutant in "$@"; do
    if try_mutant "$mutant"; then
        passed=$((passed + 1))
    else
        echo "FAIL mutant $mutant:"
        tail -n 5 "$log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
