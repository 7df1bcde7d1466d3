#!/usr/bin/env bash
# `consens dev`: starts a cluster, does each of its faults, stops all, and leaves nobody behind.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

# A base whose ports, and those of the next two nodes, are free.
base=$(python3 - <<'PY'
import random, socket
def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False
while True:
    base = random.randrange(3100, 7000)
    if all(is_free(base + n * 1000 + step) for n in range(3) for step in (0, 10000, 20000)):
        print(base)
        break
PY
)
ports=("$base" $((base + 1000)) $((base + 2000)))

# dev N OPTIONS...: starts it with output in $out and $err. Jobs of a script ignore SIGINT: not this one.
out=$work/dev.out err=$work/node-dev.log
dev() {
    env --default-signal=INT "$consens" dev "$1" --port "$base" "${@:2}" >"$out" 2>"$err" </dev/null &
    dev_pid=$!
    helpers+=("$dev_pid")
    until_true 20 grep -q 'ready\.$' "$out"
}
children() { ps -o pid= --ppid "$1" | tr -d ' '; }
are_gone() { # pids
    local pid
    for pid in "$@"; do kill -0 "$pid" 2>/dev/null && return 1; done
    return 0
}
says() { grep -qE "$1" "$out"; }
says_times() { grep -cE "$1" "$out"; }
does() { # a line of what is printed, as a person would copy it
    eval "insist $(grep -E "^  curl" "$out" | sed -n "$1p" | sed 's/^  curl //')"
}
holds() { [ "$(get "$1" "$2")" = x ]; } # node, key
put_ms() { # milliseconds of a put on node 1 that works, or 99999
    local begun
    begun=$(now_ms)
    if [[ $(put "$1" "$2" x) =~ ^(created|updated)$ ]]; then
        echo $(($(now_ms) - begun))
    else
        echo 99999
    fi
}
put_works() { [[ $(put_until "$1" "$2" x) =~ ^(created|updated)$ ]]; }

# meanwhile BEGIN END COMMAND...: COMMAND succeeds while the fault is on that dev tells with these words.
# Where the machine stood still until it was over, the next one counts.
meanwhile() {
    local begin=$1 end=$2 ended
    shift 2
    is_on() { [ "$(says_times "$begin")" -gt "$(says_times "$end")" ]; }
    for _ in 1 2 3; do
        until_true 10 is_on || return 1
        ended=$(says_times "$end")
        "$@" && [ "$(says_times "$end")" = "$ended" ] && return 0
        [ "$(says_times "$end")" = "$ended" ] && return 1
    done
    return 1
}

dev 3 --pause 3 --every 4s
is 'dev says when three nodes are ready' 0 $?
is 'the first curl line puts' created "$(does 1)"
is 'the second reads it from another node' mydata "$(does 2)"
is 'and the third' mydata "$(does 3)"
is 'no colours in a file' 0 "$(cat "$out" "$err" | grep -c $'\033')"
like 'each line says whose it is' '^n[123] \| .*event=starting' "$(cat "$err")"
is 'the file it writes is good' 0 "$("$consens" config check consens-dev/consens.cfg >/dev/null; echo $?)"
mapfile -t nodes < <(children $dev_pid)
is 'its children are the nodes' 3 "${#nodes[@]}"

until_true 10 says 'n3 stands still'
paused=$(grep -oE 'n3 .* pid [0-9]+' "$out" | grep -oE '[0-9]+$')
meanwhile 'n3 stands still' 'n3 goes on' until_true 5 grep -q '^State:.T' "/proc/$paused/status"
is 'pause: n3 stands still' 0 $?
meanwhile 'n3 stands still' 'n3 goes on' put_works 0 during-pause
is 'pause: the others serve meanwhile' 0 $?
until_true 10 says 'n3 goes on'
is 'pause: n3 goes on' 0 $?
until_true 10 holds 2 during-pause
is 'pause: and has it' 0 $?
kill -INT $dev_pid
wait $dev_pid
is 'SIGINT stops it with code 0' 0 $?
are_gone "${nodes[@]}"
is 'and no node is left' 0 $?
like 'it says where the data is' 'stopped; the data stays in ./consens-dev' "$(cat "$out")"

dev 3 --kill 3 --every 4s
is 'what was written is there at the next start' mydata "$(get_until 0 mykey)"
meanwhile 'kill -9 n3' 'n3 starts again' put_works 0 during-kill
is 'kill: n3 is killed, and the others serve meanwhile' 0 $?
until_true 10 says 'n3 starts again'
is 'kill: n3 starts again' 0 $?
until_true 10 holds 2 during-kill
is 'kill: and has it' 0 $?
all_run() {
    mapfile -t nodes < <(children $dev_pid)
    [ "${#nodes[@]}" = 3 ]
}
until_true 10 all_run
is 'three nodes run again' 0 $?
kill -KILL $dev_pid
wait $dev_pid 2>/dev/null
until_true 5 are_gone "${nodes[@]}"
is 'kill -9 of dev ends its nodes' 0 $?

dev 3 --partition 3 --every 4s --data other
refuses() { [ "$(code -XPUT "$(url 2)/k?timeout=300ms" -d v)" = 503 ]; }
meanwhile 'n3 is cut off' 'n3 is connected again' until_true 10 refuses
is 'partition: n3 has no quorum' 0 $?
meanwhile 'n3 is cut off' 'n3 is connected again' put_works 0 during-cut
is 'partition: the others serve meanwhile' 0 $?
until_true 10 says 'n3 is connected again'
is 'partition: n3 is connected again' 0 $?
until_true 10 holds 2 during-cut
is 'partition: and has it' 0 $?

# Another cluster cannot have the ports.
"$consens" dev 3 --port "$base" --data third >busy 2>&1
is 'a busy port is code 69' 69 $?
like 'and a sentence that says what to do' \
    "^consens dev: port $base of n1 \(HTTP\) cannot be used: it is in use. .* --port BASE" "$(cat busy)"
[ ! -e third ]
is 'and nothing was begun' 0 $?
mapfile -t nodes < <(children $dev_pid)
kill -TERM $dev_pid
wait $dev_pid
is 'SIGTERM stops it with code 0' 0 $?
are_gone "${nodes[@]}"
is 'and no node is left then' 0 $?

dev 1 --slow-disk 1 --every 4s --data alone
is_fast() { # one of five puts: the machine may be busy
    for _ in 1 2 3 4 5; do
        fast_ms=$(put_ms 0 slow)
        [ "$fast_ms" -lt 200 ] && return 0
    done
    return 1
}
meanwhile 'ready\.$|n1 has a fast disk again' 'n1 has a slow disk' is_fast
is "slow disk: a put of one node is fast before ($fast_ms ms)" 0 $?
is_slow() {
    slow_ms=$(put_ms 0 slow)
    [ "$slow_ms" -ge 200 ] && [ "$slow_ms" -lt 2000 ]
}
meanwhile 'n1 has a slow disk' 'n1 has a fast disk again' is_slow
is "slow disk: and waits for its sync then ($slow_ms ms)" 0 $?
kill -INT $dev_pid
wait $dev_pid
is 'a node with a slow disk stops too' 0 $?

"$consens" dev 2 >refused 2>&1
is 'another number of nodes over the same data is code 2' 2 $?
like 'and says which there are' 'holds a cluster of 3, .* run "consens dev 3"' "$(cat refused)"
"$consens" dev 3 --kill 4 >refused 2>&1
is 'a node that there is not is code 2' 2 $?
