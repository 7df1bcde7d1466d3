#!/usr/bin/env bash
# The command line of a client against three real nodes: bytes, exit codes, JSON, fail-over,
# exactly once across a kill of the leader.
. "$(dirname "$0")/lib.sh"
unset CONSENS_ENDPOINTS
free_ports 4
dead=tcp://127.0.0.1:$((ports[3] + 20000))
unset 'ports[3]'
start_all
until_true 20 all_ready
is 'three nodes are ready' 0 $?
endpoint() { echo "tcp://127.0.0.1:$((ports[$1] + 20000))"; }
all=$(endpoint 0),$(endpoint 1),$(endpoint 2)
export CONSENS_ENDPOINTS=$all

# run COMMAND...: sets out, err, code.
run() {
    out=$("$consens" "$@" 2>"$work/err")
    code=$?
    err=$(cat "$work/err")
}
# answers WHAT CODE OUT COMMAND...
answers() {
    local what=$1 want=$2 text=$3
    shift 3
    run "$@"
    is "$what" "$want $text" "$code $out"
}
# member NAME: of the JSON in $out.
member() { python3 -c 'import json, sys; print(json.loads(sys.argv[1]).get(sys.argv[2]))' "$out" "$1"; }

# ---- bytes
head -c $((1024 * 1024)) /dev/urandom >"$work/large"
printf 'a\0b\n\xff' >"$work/small"
answers 'put creates' 0 created put mykey mydata
answers 'put updates' 0 updated put mykey mydata
answers 'get writes the bytes and nothing else' 0 mydata get mykey
is 'without a line end' 6 "$("$consens" get mykey | wc -c)"
"$consens" put small - <"$work/small" >"$work/out"
"$consens" get small | cmp - "$work/small"
is 'stdin with a zero byte comes back' 0 $?
"$consens" put large "@$work/large" >"$work/out"
"$consens" get large | cmp - "$work/large"
is 'a file of 1 MiB comes back' 0 $?
answers 'an empty value' 0 created put empty ''
answers 'comes back empty' 0 '' get empty
answers 'a value that looks like an option' 0 created put minus -- -5
answers 'del' 0 deleted del empty

# ---- exit codes
answers 'get of nothing is 1' 1 '' get nothing
like 'with a word' 'not found' "$err"
answers 'del of nothing is 1' 1 '' del nothing
echo x >>"$work/large"
answers 'a value that is too large is 2' 2 '' put large "@$work/large"
like 'with the limit' 'too_large: .*1 MiB' "$err"
answers 'a key that is too long is 2' 2 '' get "$(printf 'k%.0s' {1..1025})"
answers 'a key that is empty is 2' 2 '' get ''
answers 'an unknown option is 2' 2 '' get mykey --jsno
answers 'too few arguments are 2' 2 '' put mykey
answers 'a file that is not there is 2' 2 '' put mykey @/nonexistent
answers 'a time-out of no sense is 2' 2 '' get mykey --timeout 5
answers 'two conditions are 2' 2 '' put mykey v --if-absent --if-exists
answers 'endpoints of no sense are 2' 2 '' get mykey --endpoints localhost:1
answers 'if-absent of what is there is 3' 3 '' put mykey v --if-absent
answers 'if-exists of what is not there is 3' 3 '' put nothing v --if-exists
run get mykey --json
revision=$(member item_revision)
answers 'compare and set' 0 updated put mykey v2 --if-revision "$revision"
answers 'once only is it that revision' 3 '' put mykey v3 --if-revision "$revision"
answers 'del with a condition that does not hold is 3' 3 '' del mykey --if-revision "$revision"
answers 'a revision that does not come is 7' 7 '' get mykey --min-revision 99999 --timeout 2s
like 'in words' 'timed_out: .*revision 99999 did not arrive in time' "$err"
answers 'unreachable is 4' 4 '' put k v --endpoints "$dead" --timeout 1s
like 'in words' "unreachable: no node could be reached in time: $dead: the connection was refused" "$err"

# ---- JSON
run get mykey --json
is 'JSON of get' 'ok mykey v2' "$(member code) $(member key) $(member value)"
run get small --json
is 'bytes that are no text are base64' YQBiCv8= "$(member value_base64)"
run put mykey v4 --json
is 'JSON of put' "updated 4" "$(member code) $(member version)"
run put mykey v --json --if-absent
is 'JSON of a condition that does not hold' '3 precondition_failed no False' \
    "$code $(member code) $(member applied) $(member retryable)"
run get nothing --json
is 'JSON of nothing' '1 not_found' "$code $(member code)"
run get mykey --json --local
is 'a local read says how old it is' ok "$(member code)"
like 'in milliseconds' '^[0-9]+$' "$(member lag_ms)"
run put k v --json --endpoints "$dead" --timeout 300ms
is 'JSON of no cluster' '4 unreachable no True' \
    "$code $(member code) $(member applied) $(member retryable)"
run status --json
is 'JSON of status' 3 "$(python3 -c 'import json, sys; print(len(json.loads(sys.argv[1])["members"]))' "$out")"
run status
like 'status for people' "^node: 127.0.0.1:${ports[0]}\$" "$out"

# ---- which cluster
{
    echo cluster
    for i in 0 1 2; do
        printf '    node\n        n%d\n            http = "127.0.0.1:%d"\n' $i "${ports[$i]}"
        printf '            peer = "tcp://127.0.0.1:%d"\n' $((ports[i] + 10000))
        printf '            client = "tcp://127.0.0.1:%d"\n' $((ports[i] + 20000))
        printf '            events = "tcp://127.0.0.1:%d"\n' $((ports[i] + 30000))
    done
} | awk '!(/^    node$/ && seen++)' >"$work/cluster.cfg"
is 'the client ports of a file' v4 "$(CONSENS_ENDPOINTS=$dead "$consens" get mykey --config "$work/cluster.cfg")"
is 'or of CONSENS_CONFIG' v4 "$(env -u CONSENS_ENDPOINTS CONSENS_CONFIG="$work/cluster.cfg" "$consens" get mykey)"
answers 'a flag beats the environment' 4 '' get mykey --endpoints "$dead" --timeout 200ms

# ---- fail-over
answers 'the first endpoint is dead' 0 v4 get mykey --endpoints "$dead,$(endpoint 1)"
answers 'for writes too' 0 updated put mykey v5 --endpoints "$dead,$(endpoint 1)"

# A writer of its own numbers, the leader killed under it: each put is acknowledged, each is
# applied once (a version counts the writes of its key).
leader=$(leader_index)
first=$(endpoint "$leader")
: >"$work/puts"
(for i in $(seq 1 150); do
    [ "$i" -ne 75 ] || until_true 30 test -e "$work/killed"
    "$consens" put counter "$i" --endpoints "$first,$all" >>"$work/puts" 2>&1 || echo "FAILED $i: $?" >>"$work/puts"
done) &
writer=$!
helpers+=("$writer")
until_true 10 eval '[ "$(wc -l <"$work/puts")" -ge 30 ]'
kill_nine "$leader"
below 'the leader is killed in the middle' 75 "$(wc -l <"$work/puts")"
: >"$work/killed"
wait "$writer"
is 'every put is acknowledged' '' "$(grep -vE '^(created|updated)$' "$work/puts")"
run get counter --json --endpoints "$all"
is 'and applied exactly once' '150 150' "$(member value) $(member version)"
answers 'and the rest goes on' 0 v5 get mykey

# ---- no quorum, and an outcome nobody knows
# A leader whose only follower hangs proposes what comes before it has seen that, and then cannot
# say. It sees it within two rounds: on a slow machine the put may come too late.
propose_into_the_void() {
    leader=$(leader_index)
    [ -n "$leader" ] || return 1
    follower=
    for i in 0 1 2; do [ "$i" != "$leader" ] && [ -n "${pids[$i]}" ] && follower=$i; done
    [ -n "$follower" ] || return 1
    kill -STOP "${pids[$follower]}"
    run put mykey v6 --at-most-once --timeout 500ms --endpoints "$(endpoint "$leader")" --json
    [ $code -eq 5 ] && return 0
    kill -CONT "${pids[$follower]}"
    return 1
}
until_true 20 propose_into_the_void
is 'an outcome nobody knows is 5' '0 5 outcome_unknown unknown' \
    "$? $code $(member code) $(member applied)"
# A try that is unanswered at the deadline, because this machine was busy, ends as unknown.
refused_for_certain() {
    run put mykey v7 --at-most-once --timeout 1s --endpoints "$(endpoint "$leader")"
    [ $code -ne 5 ]
}
until_true 20 refused_for_certain
is 'no quorum is 4' '4 ' "$code $out"
like 'in words' 'no_quorum: .*' "$err"
kill -CONT "${pids[$follower]}"
