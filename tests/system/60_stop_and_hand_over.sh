# SIGTERM drains and hands leadership over: the cluster writes on with no long gap, exit code 0.
. "$(dirname "$0")/lib.sh"

free_ports 3
start_all
until_true 20 all_ready
put_until 0 k 1 >/dev/null
writes() { [ "$(put "$1" k 2)" = updated ]; }
# A leader whose followers have been silent for a moment (this machine let them stand still) has no heir
# and only ends: then once more.
for _ in 1 2 3; do
    leader=$(find_leader)
    like "there is a leader" '^[0-2]$' "$leader"
    : >"$work/node-$leader.log" # opened for appending
    kill -TERM "${pids[$leader]}"
    wait "${pids[$leader]}"
    is "the leader ends with 0" 0 $?
    pids[leader]=
    since=$(now_ms)
    until_true 10 writes $(((leader + 1) % 3))
    took_ms=$(($(now_ms) - since))
    handed_over=$(grep -o 'event=handover' "$work/node-$leader.log")
    start "$leader"
    until_true 10 is_ready "$leader"
    is "it is ready again" 0 $?
    [ -n "$handed_over" ] && break
done
like "leadership was handed over" 'event=handover' "$handed_over"
below "the others write on" 3000 "$took_ms"
is "it comes back with everything" 2 "$(get_until "$leader" k)"
