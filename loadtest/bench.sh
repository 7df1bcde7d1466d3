#!/usr/bin/env bash
# bench.sh: three nodes on loopback under wrk, each figure beside the raw one of the same run.
# Durability sync, values of 100 bytes. Every row is measured RUNS (3) times for BENCH_SECONDS (5),
# row after row, so that a slow minute of the machine meets ours and the raw rows alike.
# Prints a markdown table; exits 1 if any request failed.
set -u
seconds=${BENCH_SECONDS:-5}
runs=${RUNS:-3}
kills=${KILLS:-10}
idle_s=10
here=$(realpath "$(dirname "$0")")
build=$(realpath build/release)
program=$(realpath "${CONSENS:-build/consens}")

# On the disk of the tree: /tmp may be memory, where a sync costs nothing.
directory=$(mktemp -d "$(realpath build)/bench.XXXXXX")
results=$directory/results
: >"$results"
node_pids=()
raw_pids=()

wait_until_gone() {
    local deadline=$((SECONDS + 15)) pid
    for pid in "$@"; do
        while kill -0 "$pid" 2>/dev/null; do
            [ $SECONDS -lt $deadline ] || kill -KILL "$pid"
            sleep 0.02
        done
    done
}

stop_all() {
    trap '' INT TERM
    kill "${node_pids[@]}" "${raw_pids[@]}" 2>/dev/null
    wait_until_gone "${node_pids[@]}" "${raw_pids[@]}"
    rm -rf "$directory"
}
trap stop_all EXIT
trap 'exit 130' INT TERM

say() {
    echo "bench: $*" >&2
}

fail() {
    say "$1"
    tail -n 5 "$directory"/*.log >&2
    exit 1
}

mapfile -t ports < <("$here/../config/free-ports.sh" 7)
nodes=("${ports[@]:0:3}")
hop_port=${ports[3]}
ceiling_port=${ports[4]}

# ---- the cluster ----------------------------------------------------------------------------

# start_node INDEX: always on the same port and directory.
start_node() {
    local port=${nodes[$1]} others='' other
    for other in "${nodes[@]}"; do
        if [ "$other" != "$port" ]; then
            others=${others:+$others,}http://localhost:$other
        fi
    done
    (cd "$directory" && CLUSTER=$others PORT=$port exec "$program" server) \
        >>"$directory/node-$port.log" 2>&1 &
    node_pids[$1]=$!
    disown # or the shell would remark on each kill
}

wait_until_ready() {
    local deadline=$((SECONDS + 30)) port
    for port in "${nodes[@]}"; do
        until curl -sf --max-time 1 -o /dev/null "127.0.0.1:$port/-/ready"; do
            [ $SECONDS -lt $deadline ] || fail "the node on port $port is not ready after 30 s"
            sleep 0.05
        done
    done
}

# Prints the index of the node that says it leads.
find_leader() {
    local deadline=$((SECONDS + 30)) i
    while [ $SECONDS -lt $deadline ]; do
        for i in 0 1 2; do
            if curl -s --max-time 1 "127.0.0.1:${nodes[i]}/-/status" |
                grep -q '"role": *"leader"'; then
                echo $i
                return
            fi
        done
        sleep 0.05
    done
    fail "no node says that it leads"
}

# ---- measuring ------------------------------------------------------------------------------

# record ROW VALUE
record() {
    echo "$1 $2" >>"$results"
}

# load ROW PORT CONNECTIONS METHOD [QUERY]: records ROW.rate (per s) and ROW.p50 (us).
load() {
    local row=$1 port=$2 connections=$3 rate p50 errors
    shift 3
    read -r _ rate p50 _ errors < <(wrk -t1 -c"$connections" -d"${seconds}s" \
        -s "$here/requests.lua" "http://127.0.0.1:$port" -- "$@" | grep '^RESULT ')
    [ -n "${rate:-}" ] || fail "wrk failed on row $row"
    record "$row.rate" "$rate"
    record "$row.p50" "$p50"
    record errors "$errors"
    if [ "$errors" -ne 0 ]; then
        say "$row: $errors requests failed"
    fi
}

# Fields 14 and 15 of /proc/PID/stat: ticks in user and system mode, children apart.
cpu_ticks() {
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

measure_idle() {
    local i before=() pid
    for i in 0 1 2; do
        before[i]=$(cpu_ticks "${node_pids[i]}")
    done
    sleep $idle_s
    for i in 0 1 2; do
        pid=${node_pids[i]}
        record idle.cpu "$(awk -v ticks=$(($(cpu_ticks "$pid") - before[i])) -v s=$idle_s \
            -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f", 100 * ticks / hz / s }')"
        record idle.rss "$(awk '/^VmRSS:/ { printf "%.1f", $2 / 1024 }' "/proc/$pid/status")"
    done
}

measure_failover() {
    local leader survivors i gap_us
    leader=$(find_leader) || exit 1
    survivors=()
    for i in 0 1 2; do
        if [ "$i" != "$leader" ]; then
            survivors+=("${nodes[i]}")
        fi
    done
    gap_us=$("$build/loadtest-failover" --leader-pid "${node_pids[leader]}" \
        --port-a "${survivors[0]}" --port-b "${survivors[1]}" | sed -n 's/^kill_to_ack_us=//p')
    [ -n "$gap_us" ] || fail "no failover"
    record failover "$(awk -v us="$gap_us" 'BEGIN { printf "%.1f", us / 1000 }')"
    wait_until_gone "${node_pids[leader]}"
    start_node "$leader"
    wait_until_ready
    sleep 1 # the next kill meets a cluster at rest
}

# start_raw PROGRAM ARGUMENTS...
start_raw() {
    local name=$1
    shift
    "$build/loadtest-$name" --seconds 3600 "$@" >>"$directory/raw-$name.log" 2>&1 &
    raw_pids+=($!)
    disown
}

measure_rows() {
    local leader follower connections
    leader=$(find_leader) || exit 1
    follower=$(((leader + 1) % 3))
    record fsync.p50 "$("$build/loadtest-raw_fsync" --directory "$directory" |
        sed -n 's/.* p50_us=\([0-9.]*\).*/\1/p')"
    for connections in 1 16 64 256; do
        load "ceiling.$connections" "$ceiling_port" $connections PUT
        load "put.$connections" "${nodes[leader]}" $connections PUT
    done
    for connections in 1 64; do
        load "hop.$connections" "$hop_port" $connections GET
        load "get-leader.$connections" "${nodes[leader]}" $connections GET
        load "get-follower.$connections" "${nodes[follower]}" $connections GET
    done
    load get-local.64 "${nodes[follower]}" 64 GET consistency=local
}

# ---- the table ------------------------------------------------------------------------------

# row TEXT UNIT FIGURE [RAW]: median, range, the raw figure's median and the ratio of the two.
row() {
    awk -v text="$1" -v unit="$2" -v figure="$3" -v raw="${4:-}" '
    function median(values, count,    i, j, held) {
        for (i = 2; i <= count; i++) {
            held = values[i]
            for (j = i - 1; j >= 1 && values[j] > held; j--) {
                values[j + 1] = values[j]
            }
            values[j + 1] = held
        }
        return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
    }
    $1 == figure { ours[++n] = $2 + 0 }
    raw != "" && $1 == raw { theirs[++m] = $2 + 0 }
    END {
        middle = median(ours, n)
        beside = "| | "
        if (m > 0) {
            other = median(theirs, m)
            beside = sprintf("| %g | %.2f", other, other ? middle / other : 0)
        }
        printf "| %s | %s | %g | %g-%g %s |\n", text, unit, middle, ours[1], ours[n], beside
    }' "$results"
}

print_table() {
    local connections at
    echo
    echo "Commit $(git rev-parse --short HEAD 2>/dev/null || echo none)$(
        git diff --quiet HEAD 2>/dev/null || echo ' with changes'), $(date -u +%F)," \
        "$(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
        "Linux $(uname -r), three nodes and wrk on it, durability sync, 100-byte values," \
        "medians of $runs runs of $seconds s."
    echo
    echo "| what | unit | median | min-max | raw | ours / raw |"
    echo "|---|---|---|---|---|---|"
    for connections in 1 16 64 256; do
        at="$connections connection$([ "$connections" -eq 1 ] || echo s)"
        row "PUT, $at (raw: ceiling)" "/s" \
            put.$connections.rate ceiling.$connections.rate
        row "PUT p50, $at (raw: ceiling)" "us" \
            put.$connections.p50 ceiling.$connections.p50
    done
    row "linearizable GET on the leader, 64 (raw: HTTP + inproc hop)" "/s" \
        get-leader.64.rate hop.64.rate
    row "linearizable GET on a follower, 64 (raw: HTTP + inproc hop)" "/s" \
        get-follower.64.rate hop.64.rate
    row "local GET, 64 (raw: HTTP + inproc hop)" "/s" get-local.64.rate hop.64.rate
    row "linearizable GET on the leader p50, 1 (raw: HTTP + inproc hop)" "us" \
        get-leader.1.p50 hop.1.p50
    row "linearizable GET on a follower p50, 1 (raw: HTTP + inproc hop)" "us" \
        get-follower.1.p50 hop.1.p50
    row "fdatasync of 4 KiB, p50" "us" fsync.p50
    row "kill -9 of the leader to the next acknowledged write, $kills kills" "ms" failover
    row "idle node, memory" "MB" idle.rss
    row "idle node, share of a core" "%" idle.cpu
}

for i in 0 1 2; do
    start_node $i
done
wait_until_ready
sleep 2
say "idle, $idle_s s"
measure_idle

start_raw raw_http_inproc --port "$hop_port"
start_raw raw_ceiling --role follower --port "${ports[5]}" --directory "$directory"
start_raw raw_ceiling --role follower --port "${ports[6]}" --directory "$directory"
start_raw raw_ceiling --role http --port "$ceiling_port" --directory "$directory" \
    --follower-a "${ports[5]}" --follower-b "${ports[6]}"
for port in "$hop_port" "$ceiling_port"; do
    curl -s --retry 20 --retry-delay 1 --retry-connrefused --max-time 30 -o /dev/null \
        -d x "127.0.0.1:$port/" || fail "a raw server does not answer"
done
for key in $(seq -f %04g 1 1000); do
    printf 'url = "127.0.0.1:%s/bench-%s"\nrequest = PUT\ndata = "%0100d"\noutput = /dev/null\n' \
        "${nodes[0]}" "$key" 0
done | curl -sS --fail --fail-early --config - || fail "cannot write the keys"

for ((run = 1; run <= runs; run++)); do
    say "run $run of $runs"
    measure_rows
done
for ((run = 1; run <= kills; run++)); do
    say "kill $run of $kills"
    measure_failover
done

print_table
errors=$(awk '$1 == "errors" { sum += $2 } END { print sum + 0 }' "$results")
if [ "$errors" -ne 0 ]; then
    echo
    echo "$errors requests failed: these figures do not count."
    exit 1
fi
