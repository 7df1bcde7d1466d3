# Three nodes built with ThreadSanitizer under a short concurrent load; the leader is killed and
# started again, all stop. Any report fails. Run by `make tsan-system`, which builds them.
. "$(dirname "$0")/lib.sh"
export TSAN_OPTIONS="suppressions=$PWD/config/tsan.supp halt_on_error=0 exitcode=66"

if ! grep -q __tsan_init "$consens"; then
    is "the program is built with ThreadSanitizer" yes no
    exit 1
fi
free_ports 3
start_all
until_true 60 all_ready
is "three nodes are ready" 0 $?
python3 "$here/load.py" write "$work/acks" 8 6 "${ports[@]}" >"$work/load.out" 2>&1 &
helpers+=($!)
load=$!
reads() { # while the load runs: reads of all kinds from all nodes, status, refused requests
    while kill -0 $load 2>/dev/null; do
        for i in 0 1 2; do
            curl -s -m 5 -o /dev/null "$(url "$i")/t-1" "$(url "$i")/t-1?consistency=local" \
                "$(url "$i")/-/status" -X GET 2>/dev/null
            head -c 200000 /dev/zero |
                curl -s -m 5 -o /dev/null -X PUT --data-binary @- "$(url "$i")/large-$i"
            curl -s -m 5 -o /dev/null "$(url "$i")/large-$i"
        done
    done
}
reads &
helpers+=($!)
pause() { until_true "$1" false; }
pause 2
leader=$(find_leader)
like "there is a leader" '^[0-2]$' "$leader"
kill_nine "$leader"
pause 1
start "$leader"
wait "$load"
tail -n 1 "$work/load.out"
until_true 60 all_ready
is "all nodes are ready again" 0 $?
count=$(grep -vc '^!' "$work/acks")
is "enough was written to mean something" yes "$([ "$count" -gt 100 ] && echo yes)"
for i in 0 1 2; do
    checked=$(python3 "$here/load.py" check "$work/acks" "${ports[$i]}")
    like "node $i has every acknowledged write" '^[1-9][0-9]* acknowledged, .* 0 wrong$' "$checked"
done
for i in 0 1 2; do
    kill -TERM "${pids[$i]}"
    wait "${pids[$i]}"
    is "node $i ends with 0: nothing was reported" 0 $?
    pids[i]=
done
# lib.sh looks for reports in what the nodes wrote.
