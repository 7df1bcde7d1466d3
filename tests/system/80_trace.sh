#!/usr/bin/env bash
# 80_trace.sh: three real processes write their steps down (CONSENS_TRACE) while clients work and
# the leader is killed and started again; the monitor (tests/monitor) then judges every step of them.
. "$(dirname "$0")/lib.sh"
monitor=${MONITOR:-$PWD/build/release/monitor}

free_ports 3
for i in 0 1 2; do
    start "$i" CONSENS_TRACE="$work/steps-$i"
done
until_true 10 all_ready
is "three nodes are ready" 0 $?
python3 "$here/load.py" write "$work/acks" 6 4 "${ports[@]}" >"$work/load.out" 2>&1 &
helpers+=($!)
load=$!
read_all() { # on every node, linearizable
    local i
    for i in 0 1 2; do get_until "$i" "$1" >/dev/null; done
}
pause() { until_true "$1" false; }
pause 1
read_all before
leader=$(find_leader)
like "there is a leader" '^[0-2]$' "$leader"
kill_nine "$leader"
pause 1
until_true 10 leader_index >/dev/null
is "another leads" 0 $?
read_all between
start "$leader" CONSENS_TRACE="$work/steps-$leader"
until_true 10 all_ready
is "the killed node is back" 0 $?
read_all after
wait "$load"
for i in 0 1 2; do
    kill -TERM "${pids[$i]}"
    wait "${pids[$i]}"
    pids[i]=
done

verdict=$("$monitor" "$work"/steps-0 "$work"/steps-1 "$work"/steps-2 2>&1)
echo "$verdict"
is "no step diverges from the rules" "3 passed, 0 failed" "$(tail -n 1 <<<"$verdict")"
like "the killed node had two lives" "steps-$leader: [0-9]+ steps in 2 lives" "$verdict"
for what in 'step +TICK' 'step +PERSISTED' 'step +PROPOSE' 'step +READ' 'message +PREPARE' \
    'message +PROMISE' 'message +ACCEPT_SYNC' 'message +ACCEPT' 'message +ACCEPTED' 'message +READ' \
    'rule +A3' 'rule +A5' 'rule +A6' 'rule +P1' 'rule +P2' 'rule +2.5' 'rule +2.9' 'rule +E4' \
    'rule +G2' 'rule +I11'; do
    like "judged: $what" "$what +[1-9][0-9]*( |\$)" "$verdict"
done
