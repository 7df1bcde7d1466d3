# kill -9 of one, two and all three nodes under load: every acknowledged write is there afterwards,
# every refused one is not.
. "$(dirname "$0")/lib.sh"

free_ports 3
start_all
until_true 20 all_ready
python3 "$here/load.py" write "$work/acks" 12 8 "${ports[@]}" >"$work/load.out" 2>&1 &
helpers+=($!)
load=$!
pause() { until_true "$1" false; }
pause 1
leader=$(find_leader)
like "there is a leader" '^[0-2]$' "$leader"
kill_nine "$leader"
pause 1
for i in 0 1 2; do [ -z "${pids[$i]}" ] && start "$i"; done
pause 2
leader=$(find_leader)
like "there is a leader again" '^[0-2]$' "$leader"
kill_nine "$leader"
kill_nine $(((leader + 1) % 3))
pause 1
for i in 0 1 2; do [ -z "${pids[$i]}" ] && start "$i"; done
pause 2
for i in 0 1 2; do kill_nine "$i"; done
pause 1
start_all
wait "$load"
cat "$work/load.out"
until_true 20 all_ready
is "all nodes are ready again" 0 $?
for i in 0 1 2; do
    checked=$(python3 "$here/load.py" check "$work/acks" "${ports[$i]}")
    echo "$checked" | tail -n 3
    like "node $i has every acknowledged write" '^[1-9][0-9]* acknowledged, .* 0 wrong$' "$checked"
done
count=$(grep -vc '^!' "$work/acks")
is "enough was written to mean something" yes "$([ "$count" -gt 500 ] && echo yes)"
until_true 10 same_digests
is "all nodes have the same state digest" 0 $?
