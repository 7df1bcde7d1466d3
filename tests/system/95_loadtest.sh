#!/usr/bin/env bash
# The load test against real nodes: over both ports, under faults, and past a liar.
. "$(dirname "$0")/lib.sh"
loadtest=${LOADTEST:-$here/../../build/loadtest}
export TMPDIR=$work # histories of bad runs stay: here they go with the rest
mix=put=45,get=40,delete=5,cas=10
free_ports 4
liar_port=${ports[3]}
unset 'ports[3]'
start_all
until_true 20 all_ready
is 'three nodes are ready' 0 $?

endpoints() { # scheme, added to the HTTP port
    local port list=
    for port in "${ports[@]}"; do list+="${list:+,}$1://127.0.0.1:$((port + $2))"; done
    echo "$list"
}

# load WHAT EXPECTED-CODE ARGUMENTS...
load() {
    local what=$1 expected=$2
    shift 2
    "$loadtest" --quiet --warmup 200ms "$@" >"$work/load.out" 2>"$work/load.err"
    is "$what" "$expected" $?
    if [ "$failed" -gt 0 ]; then tail -n 40 "$work/load.out" "$work/load.err"; fi
}

json() { # file, an expression of r
    python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$work/$1" "$2"
}

load 'an unknown option is refused' 2 --endpoints tcp://127.0.0.1:1 --bogus 1
like '... in a sentence' 'loadtest: --bogus.*no such option' "$(cat "$work/load.err")"
load 'a store that is not there' 3 --endpoints "tcp://127.0.0.1:$liar_port" --duration 300ms \
    --timeout 200ms

load 'ZeroMQ: what is answered is linearizable' 0 --endpoints "$(endpoints tcp 20000)" \
    --clients 8 --duration 1s --mix $mix --keys 10 --check \
    --json "$work/zeromq.json" --html "$work/zeromq.html"
like '... as the judges say' 'search: passed after [1-9]' "$(cat "$work/load.out")"
is '... and nothing was garbled' 'True False' \
    "$(json zeromq.json 'f"""{r["latency"]["all"]["count"] > 20} {"garbled" in r["results"]}"""')"
is '... on a page that needs no other' '1 0' \
    "$(grep -c '^</html>' "$work/zeromq.html") $(grep -cE 'https?://[^w]|src=' "$work/zeromq.html")"
load 'ZeroMQ: batches' 0 --endpoints "$(endpoints tcp 20000)" --clients 4 --batch 16 \
    --duration 700ms --mix $mix --keys 10 --check --distribution zipf --value-size 16..3000
load 'HTTP: what is answered is linearizable' 0 --endpoints "$(endpoints http 0)" \
    --clients 8 --duration 1s --mix $mix --keys 10 --check --json "$work/http.json"
is '... and nothing was garbled' 'True False' \
    "$(json http.json 'f"""{r["latency"]["all"]["count"] > 20} {"garbled" in r["results"]}"""')"

load 'an open loop' 0 --endpoints "$(endpoints http 0)" --clients 32 --rate 200 \
    --duration 2s --timeout 10s --json "$work/open.json"
is '... sends what is due, no more and no less' 400 \
    "$(json open.json 'sum(r["results"].values()) + r["unsent"]')"

# interrupted: a run of an hour that is ended when it has begun, as by Ctrl-C.
"$loadtest" --quiet --warmup 1ms --endpoints "$(endpoints tcp 20000)" --clients 8 --mix $mix \
    --keys 10 --check --history "$work/cut" --duration 3600s --json "$work/cut.json" >"$work/load.out" 2>"$work/load.err" &
helpers+=($!)
until_true 20 eval '[ "$(stat -c %s "$work/cut" || echo 0)" -ge 20000 ]' 2>/dev/null
sleep 0.5 # the report rounds to milliseconds: of a few of them that is much
kill -INT "${helpers[-1]}"
wait "${helpers[-1]}"
is 'a run that is interrupted' 0 $?
unset 'helpers[-1]'
like '... says so' 'interrupted after [0-9.]+ s' "$(cat "$work/load.out")"
is '... is measured by the time it had' True \
    "$(json cut.json 'r["measured_ms"] < 60000 and 0.9 < r["throughput"] * r["measured_ms"] / 1000 / r["latency"]["all"]["count"] < 1.1')"
is '... and what it cut has not failed' 0 "$(json cut.json 'r["failed"]')"

load 'kills, pauses and partitions' 0 --local 3 --program "$consens" --clients 8 \
    --mix $mix --keys 10 --check --timeout 500ms --duration 4s --fault-every 500ms \
    --fault-hold 400ms --nemesis kill,pause,partition --seed 11 --json "$work/nemesis.json"
is '... are in the report' "{'kill', 'partition', 'pause'}" \
    "$(json nemesis.json '"{" + str(sorted({f["kind"] for f in r["faults"]}))[1:-1] + "}"')"

# carried BY-WHOM EXPECTED-CODE [lie]
carried() {
    : >"$work/liar.out"
    /usr/bin/python3 "$here/liar.py" "tcp://127.0.0.1:$liar_port" \
        "tcp://127.0.0.1:$((ports[0] + 20000))" "${@:3}" >>"$work/liar.out" 2>&1 &
    helpers+=($!)
    until_true 20 grep -q ready "$work/liar.out"
    load "carried by $1" "$2" --endpoints "tcp://127.0.0.1:$liar_port" --clients 4 --keys 2 \
        --duration 1s --mix put,get --check
    kill "${helpers[-1]}"
    wait "${helpers[-1]}" 2>/dev/null
    unset 'helpers[-1]'
}
carried 'an honest man' 0
carried 'a liar' 1 lie
key=$(sed -n 's/^lied about //p' "$work/liar.out")
like '... who told one lie' '^check-' "$key"
like '... which the judges see' 'search: VIOLATED' "$(cat "$work/load.out")"
like '... and show' "\* line .* get $key .* found" "$(cat "$work/load.out")"
