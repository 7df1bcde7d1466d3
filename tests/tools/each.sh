#!/usr/bin/env bash
# each.sh PROGRAM...: runs test programs and scripts one by one, a line each; what a failing one
# printed follows it. Closes with `N passed, N failed`, and exits 1 unless all passed.
# A program that ran no test has failed.
set -u
tools=$(dirname "$0")
limit_s=${TEST_TIMEOUT:-300}
if [ $# -eq 0 ]; then
    echo "each.sh: no tests to run" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
total_passed=0
total_failed=0
for program in "$@"; do
    case $program in
    *.sh) command=(bash "$program") ;;
    *) command=("$program") ;;
    esac
    started=$SECONDS
    timeout -k 10 "$limit_s" "${command[@]}" </dev/null >"$log" 2>&1
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
        printf 'FAIL %s: %d of %d (%d s, exit code %d)\n' "$name" "$failed" \
            $((passed + failed)) $((SECONDS - started)) $code
        grep '^FAIL' "$log" | head -n 20 | sed 's/^/     /' # the last lines may be logs of nodes
        tail -n 40 "$log" | sed 's/^/     /'
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
done
echo "$total_passed passed, $total_failed failed"
[ $total_failed -eq 0 ]
