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
does() { # a line of what is printed, as a person would copy it
    eval "timeout 10 $(grep -E "^  curl" "$out" | sed -n "$1p")" 2>/dev/null
}
put_ms() { # milliseconds of a put on node 1 that works, or 99999
    local begun
    begun=$(now_ms)
    if [[ $(put "$1" "$2" x) =~ ^(created|updated)$ ]]; then
        echo $(($(now_ms) - begun))
    else
        echo 99999
    fi
}

dev 3 --kill 3 --every 2s
is 'dev says when three nodes are ready' 0 $?
is 'the first curl line puts' created "$(does 1)"
is 'the second reads it from another node' mydata "$(does 2)"
is 'and the third' mydata "$(does 3)"
is 'no colours in a file' 0 "$(cat "$out" "$err" | grep -c $'\033')"
like 'each line says whose it is' '^n[123] \| .*event=starting' "$(cat "$err")"
is 'the file it writes is good' 0 "$("$consens" config check consens-dev/consens.cfg >/dev/null; echo $?)"

until_true 10 says 'kill -9 n3'
is 'kill: n3 is killed' 0 $?
below 'kill: the others serve meanwhile (ms)' 1500 "$(put_ms 0 during-kill)"
until_true 10 says 'n3 starts again'
until_true 10 is_ready 2
is 'kill: n3 comes back and has it' x "$(get 2 during-kill)"

mapfile -t nodes < <(children $dev_pid)
is 'its children are the nodes' 3 "${#nodes[@]}"
kill -INT $dev_pid
wait $dev_pid
is 'SIGINT stops it with code 0' 0 $?
are_gone "${nodes[@]}"
is 'and no node is left' 0 $?
like 'it says where the data is' 'stopped; the data stays in ./consens-dev' "$(cat "$out")"

dev 3 --pause 3 --every 2s
is 'what was written is there at the next start' mydata "$(get 0 mykey)"
until_true 10 says 'n3 stands still'
paused=$(grep -oE 'n3 .* pid [0-9]+' "$out" | grep -oE '[0-9]+$')
until_true 2 grep -q '^State:.T' "/proc/$paused/status"
is 'pause: n3 stands still' 0 $?
below 'pause: the others serve meanwhile (ms)' 1500 "$(put_ms 0 during-pause)"
until_true 10 says 'n3 goes on'
until_true 10 is_ready 2
is 'pause: n3 goes on and has it' x "$(get 2 during-pause)"
mapfile -t nodes < <(children $dev_pid)
kill -KILL $dev_pid
wait $dev_pid 2>/dev/null
until_true 5 are_gone "${nodes[@]}"
is 'kill -9 of dev ends its nodes' 0 $?

dev 3 --partition 3 --every 4s --data other
until_true 10 says 'n3 is cut off'
is_cut() { [ "$(code "$(url 2)/-/ready")" != 200 ]; }
until_true 2 is_cut
is 'partition: n3 has no quorum' 503 "$(code -XPUT "$(url 2)/k" -d v)"
below 'partition: the others serve meanwhile (ms)' 1500 "$(put_ms 0 during-cut)"
until_true 10 says 'n3 is connected again'
until_true 10 is_ready 2
is 'partition: n3 is back and has it' x "$(get 2 during-cut)"

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

dev 1 --slow-disk 1 --every 2s --data alone
below 'slow disk: a put of one node is fast before (ms)' 200 "$(put_ms 0 slow)"
until_true 10 says 'n1 has a slow disk'
slow_ms=$(put_ms 0 slow)
is "slow disk: and waits for its sync then ($slow_ms ms)" 1 $((slow_ms >= 200 && slow_ms < 2000))
kill -INT $dev_pid
wait $dev_pid
is 'a node with a slow disk stops too' 0 $?

"$consens" dev 2 >refused 2>&1
is 'another number of nodes over the same data is code 2' 2 $?
like 'and says which there are' 'holds a cluster of 3, .* run "consens dev 3"' "$(cat refused)"
"$consens" dev 3 --kill 4 >refused 2>&1
is 'a node that there is not is code 2' 2 $?
