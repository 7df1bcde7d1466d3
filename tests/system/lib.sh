# lib.sh: clusters of real processes for the scripts of this folder, sourced by them.
#
# Everything lives in one temporary directory ($work); every process started here is ended by its
# pid when the script ends. Names: ports[i], pids[i] for node i = 0..n-1.
set -u
consens=${CONSENS:-$PWD/build/consens}
case $consens in /*) ;; *) consens=$PWD/$consens ;; esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/consens-system.XXXXXX")
passed=0
failed=0
declare -a ports=() pids=() helpers=()
unset CLUSTER PORT JOIN CONSENS_CONFIG CONSENS_NODE CONSENS_DATA CONSENS_TRACE

finish() {
    local pid
    for pid in "${helpers[@]}" "${pids[@]}"; do
        [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    # Nodes may be built with sanitizers (CONSENS=build/asan/consens): a report is a failure even
    # where the cluster went on without its node.
    if grep -qE 'ERROR: [A-Za-z]*Sanitizer|runtime error: |WARNING: ThreadSanitizer' \
        "$work"/node-*.log 2>/dev/null; then
        failed=$((failed + 1))
        echo "FAIL a sanitizer reported:"
        grep -hE -A 20 'ERROR: [A-Za-z]*Sanitizer|runtime error: |WARNING: ThreadSanitizer' \
            "$work"/node-*.log | head -n 60
    fi
    if [ "$failed" -gt 0 ]; then
        for log in "$work"/node-*.log; do
            [ -f "$log" ] && echo "--- $log" && tail -n 15 "$log"
        done
    fi
    rm -rf "$work"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
trap 'finish; exit $?' EXIT
trap 'exit 1' INT TERM

# is WHAT EXPECTED GOT: one check.
is() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1: expected [$2], got [$3]"
    fi
}

# like WHAT PATTERN GOT: GOT contains the extended regular expression.
like() {
    if grep -qE -- "$2" <<<"$3"; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1: expected /$2/ in [$3]"
    fi
}

# below WHAT LIMIT GOT
below() {
    if [ "$3" -lt "$2" ]; then
        passed=$((passed + 1))
        echo "ok   $1 ($3 < $2)"
    else
        failed=$((failed + 1))
        echo "FAIL $1: $3, not below $2"
    fi
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# until_true SECONDS COMMAND...: waits for a condition, never longer.
until_true() {
    local deadline=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(now_ms)" -ge $deadline ] && return 1
        read -rt 0.05 <> <(:) || true
    done
}

# free_ports N: sets ports[] so that port, +10000 .. +30000 are free on loopback.
free_ports() {
    mapfile -t ports < <(python3 - "$1" <<'PY'
import random, socket, sys
found = []
while len(found) < int(sys.argv[1]):
    base = random.randrange(3100, 9900)
    held = []
    try:
        for port in (base, base + 10000, base + 20000, base + 30000):
            s = socket.socket()
            held.append(s)
            s.bind(("127.0.0.1", port))
        if base not in found:
            found.append(base)
    except OSError:
        pass
    for s in held:
        s.close()
found.sort()
print("\n".join(map(str, found)))
PY
    )
}

others() { # URLs of all nodes but $1
    local i list=
    for i in "${!ports[@]}"; do
        [ "$i" != "$1" ] && list+="${list:+,}http://localhost:${ports[$i]}"
    done
    echo "$list"
}

start() { # node index [NAME=VALUE...]
    local i=$1
    shift
    (cd "$work" && exec env CLUSTER="$(others "$i")" PORT="${ports[$i]}" "$@" \
        "$consens" server) >>"$work/node-$i.log" 2>&1 &
    pids[i]=$!
}

start_all() {
    local i
    for i in "${!ports[@]}"; do start "$i"; done
}

kill_nine() {
    kill -KILL "${pids[$1]}"
    wait "${pids[$1]}" 2>/dev/null
    pids[$1]=
}

url() { echo "http://127.0.0.1:${ports[$1]}"; }
put() { curl -sS -m 10 -XPUT "$(url "$1")/$2" -d "$3" 2>&1; }
get() { curl -sS -m 10 "$(url "$1")/$2${3:-}" 2>&1; }

# insist URL [CURL OPTION...]: what it answers. While that is 503 it is asked again, for at most
# 10 s: nothing was applied, and a node that this machine let stand still hears its quorum soon.
# ${via[@]}: what curl is run by, if by anything.
declare -a via=()
insist() {
    local deadline=$(($(now_ms) + 10000)) answer
    while :; do
        answer=$("${via[@]}" curl -sS -m 10 -w '\n%{http_code}' "$@" 2>&1)
        [ "${answer##*$'\n'}" = 503 ] && [ "$(now_ms)" -lt $deadline ] || break
        read -rt 0.05 <> <(:) || true
    done
    echo "${answer%$'\n'*}"
}
put_until() { insist "$(url "$1")/$2" -XPUT -d "$3"; } # node, key, value
get_until() { insist "$(url "$1")/$2"; }              # node, key

code() { curl -sS -m 15 -o /dev/null -w '%{http_code}' "$@" 2>/dev/null; }
field() { # node, name: a field of /-/status
    curl -sS -m 5 "$(url "$1")/-/status" 2>/dev/null | python3 -c '
import json, sys
try:
    print(json.load(sys.stdin)[sys.argv[1]])
except Exception:
    print("?")' "$2"
}

is_ready() { [ "$(code "$(url "$1")/-/ready")" = 200 ]; }
all_ready() {
    local i
    for i in "${!ports[@]}"; do is_ready "$i" || return 1; done
}

leader_index() { # prints the index of the leader, or nothing
    local i
    for i in "${!ports[@]}"; do
        [ -n "${pids[$i]:-}" ] && [ "$(field "$i" role)" = leader ] && echo "$i" && return
    done
    return 1
}
find_leader() { until_true 10 leader_index; } # the same, once there is one

same_digests() { # of three nodes
    local first
    first=$(field 0 state_digest)
    [ "$first" != "?" ] && [ "$first" = "$(field 1 state_digest)" ] &&
        [ "$first" = "$(field 2 state_digest)" ]
}
