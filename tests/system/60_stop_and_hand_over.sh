# SIGTERM drains and hands leadership over: the cluster writes on with no long gap, exit code 0.
. "$(dirname "$0")/lib.sh"

free_ports 3
start_all
until_true 20 all_ready
put 0 k 1 >/dev/null
leader=$(leader_index)
next=$(((leader + 1) % 3))
kill -TERM "${pids[$leader]}"
wait "${pids[$leader]}"
is "the leader ends with 0" 0 $?
pids[leader]=
since=$(now_ms)
writes() { [ "$(put "$next" k 2)" = updated ]; }
until_true 5 writes
below "the others write on" 1000 $(($(now_ms) - since))
like "leadership was handed over" 'event=handover' "$(cat "$work/node-$leader.log")"
start "$leader"
until_true 10 is_ready "$leader"
is "it comes back with everything" 2 "$(get "$leader" k)"
