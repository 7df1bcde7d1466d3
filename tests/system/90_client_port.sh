#!/usr/bin/env bash
# The client port of three real nodes, spoken to by pyzmq and msgpack-python, and on Node by zeromq and
# @msgpack/msgpack.
. "$(dirname "$0")/lib.sh"
free_ports 3
start_all
until_true 20 all_ready
is 'three nodes are ready' 0 $?
endpoints=()
for port in "${ports[@]}"; do endpoints+=("tcp://127.0.0.1:$((port + 20000))"); done
/usr/bin/python3 "$here/../interop/client.py" "${endpoints[@]}" >"$work/interop" 2>&1
code=$?
grep -v ' passed, ' "$work/interop"
is 'a stranger can do all of it' 0 $code
passed=$((passed + $(grep -c '^ok ' "$work/interop")))

# Three clients that ask for all they can get, and one with a request at a time.
fair=$(timeout 100 /usr/bin/python3 "$here/../interop/fairness.py" "${endpoints[0]}" 3 "${pids[1]}" "${pids[2]}")
value_of() { awk -v name="$1" '$1 == name { print $2 }' <<<"$fair"; }
is 'nothing of a modest client is refused beside three greedy ones' 0 "$(value_of modest_overloaded)"
is 'which are, past their share' 1 $(($(value_of greedy_overloaded) > 0))
is 'the modest one is served' 1 $(($(value_of modest_answered) >= 10))
below 'it waits at most (ms)' 5000 "$(value_of modest_max_ms)"
below 'and half of the time less than a batch of the greedy (ms)' "$(value_of greedy_p50_ms)" \
    "$(value_of modest_p50_ms)"

# The same on Node. The packages come from the npm registry once, into build/.
modules=$here/../../build/interop
mkdir -p "$modules"
cp "$here"/../interop/{client.mjs,vectors.json,package.json,package-lock.json} "$modules"
install_modules() {
    cmp -s "$modules/package-lock.json" "$modules/installed" && return
    (cd "$modules" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) &&
        cp "$modules/package-lock.json" "$modules/installed"
}
if install_modules; then
    nodes=()
    for i in 0 1 2; do nodes+=("${endpoints[$i]}=${pids[$i]}"); done
    (cd "$modules" && timeout 100 node client.mjs "${nodes[@]}") >"$work/interop" 2>&1
    code=$?
    grep -v ' passed, ' "$work/interop"
    is 'a stranger can do all of it on Node' 0 $code
    passed=$((passed + $(grep -c '^ok ' "$work/interop")))
else
    tail -n 5 "$modules/npm.log"
    is 'npm ci has brought zeromq and @msgpack/msgpack: is there node, npm, and a way to its registry?' \
        yes no
fi

# What an acknowledged write over the port is worth: kill -9 of all, and it is there.
for i in 0 1 2; do kill_nine $i 2>/dev/null; done
start_all
until_true 20 all_ready
is 'a write of the port survives kill -9 of all' xxxxxxx "$(get_until 1 b7)"
