#!/usr/bin/env bash
# each.sh PROGRAM...: runs test programs and scripts, a line each; what a failing one printed
# follows it. Closes with `N passed, N failed`, and exits 1 unless all passed.
# A program that ran no test has failed.
#
# EACH_JOBS of them at a time (1): more only where they use neither the processor nor anything
# else alone. TEST_TIMEOUT (300 s) ends one that hangs.
set -u
tools=$(dirname "$0")
limit_s=${TEST_TIMEOUT:-300}
jobs=${EACH_JOBS:-1}
if [ $# -eq 0 ]; then
    echo "each.sh: no tests to run" >&2
    exit 1
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
# Those in the background do not hear Ctrl-C themselves.
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM
counts=$logs/counts # a line a program: passed failed

# run PROGRAM LOG: one line about it, or several in one piece; the counts.
run() {
    local program=$1 log=$2 command=("$1") name started=$SECONDS code passed failed
    [[ $program == *.sh ]] && command=(bash "$program")
    timeout -k 10 "$limit_s" "${command[@]}" </dev/null >"$log" 2>&1 &
    trap "kill $! 2>/dev/null" TERM
    wait $!
    code=$?
    read -r passed failed < <(awk -f "$tools/count.awk" "$log")
    if [ "$passed" = - ]; then
        passed=$((code == 0)) failed=0
    fi
    if [ $code -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    if [ $((passed + failed)) -eq 0 ]; then
        echo "it ran no test" >>"$log"
        failed=1
    fi
    name=$(basename "$program" .sh)
    if [ "$failed" -eq 0 ]; then
        printf 'ok   %s: %d (%d s)\n' "$name" "$passed" $((SECONDS - started))
    else
        printf 'FAIL %s: %d of %d (%d s, exit code %d)\n%s\n' "$name" "$failed" \
            $((passed + failed)) $((SECONDS - started)) $code "$(
                grep '^FAIL' "$log" | head -n 20 | sed 's/^/     /' # the end may be logs of nodes
                tail -n 40 "$log" | sed 's/^/     /'
            )"
    fi
    echo "$passed $failed" >>"$counts"
}

number=0
for program in "$@"; do
    if [ $number -ge "$jobs" ]; then
        wait -n
    fi
    run "$program" "$logs/$number" &
    number=$((number + 1))
done
wait

read -r total_passed total_failed < <(awk '{p += $1; f += $2} END {print p + 0, f + 0}' "$counts")
if [ "$(wc -l <"$counts")" -ne $# ]; then
    echo "each.sh: not all of them were counted"
    total_failed=$((total_failed + 1))
fi
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ]
