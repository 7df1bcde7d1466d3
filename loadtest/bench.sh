#!/usr/bin/env bash
# bench.sh: three nodes on loopback under the load test, each figure beside the raw one, and
# beside etcd's, of the same run.
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
etcd_pids=()

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
    kill "${node_pids[@]}" "${raw_pids[@]}" "${etcd_pids[@]}" 2>/dev/null
    wait_until_gone "${node_pids[@]}" "${raw_pids[@]}" "${etcd_pids[@]}"
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

mapfile -t ports < <("$here/../config/free-ports.sh" 11)
nodes=("${ports[@]:0:3}")
hop_port=${ports[3]}
ceiling_port=${ports[4]}
follower_ports=("${ports[@]:5:2}")
fast_ceiling_port=${ports[7]}
etcd_ports=("${ports[@]:8:3}") # peers: + 10000

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

# load ROW ARGUMENTS...: the load test; records ROW.rate (per s), ROW.p50 (us) and ROW.cpu, the
# servers' processor time an operation (us), if --pids are given.
load() {
    local row=$1 failed rate p50 cpu
    shift
    "$build/consens-loadtest" --quiet --warmup 500ms --duration "${seconds}s" --seed 1 --json - \
        "$@" >"$directory/row.json" 2>"$directory/row.log" || fail "the load test failed on row $row"
    read -r rate p50 failed cpu < <(python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
print(r["throughput"], r["latency"]["all"]["p50_us"], r["failed"], r["server_cpu_us"])' \
        "$directory/row.json")
    record "$row.rate" "$rate"
    record "$row.p50" "$p50"
    record "$row.cpu" "$cpu"
    record errors "$failed"
    if [ "$failed" -ne 0 ]; then
        say "$row: $failed requests failed: $(grep -oE '"results":\{[^}]*\}' "$directory/row.json")"
    fi
}

# load_ceiling ROW WINDOW RECORDS: the ceiling behind ZeroMQ, driven by its own program.
load_ceiling() {
    local row=$1 rate p50
    read -r rate p50 < <("$build/loadtest-raw_ceiling" --role load --port "$fast_ceiling_port" \
        --window "$2" --records "$3" --seconds "$seconds" |
        sed -n 's/^rate=\([0-9]*\) .* p50_us=\([0-9.]*\) .*/\1 \2/p')
    [ -n "${p50:-}" ] || fail "the ceiling failed on row $row"
    record "$row.rate" "$rate"
    record "$row.p50" "$p50"
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

pid_list() {
    local IFS=,
    echo "$*"
}

measure_rows() {
    local leader follower connections port
    leader=$(find_leader) || exit 1
    follower=$(((leader + 1) % 3))
    port=${nodes[leader]}
    record fsync.p50 "$("$build/loadtest-raw_fsync" --directory "$directory" |
        sed -n 's/.* p50_us=\([0-9.]*\).*/\1/p')"
    for connections in 1 16 64 256; do
        load "ceiling.$connections" --endpoints "http://127.0.0.1:$ceiling_port" \
            --clients $connections
        load "put.$connections" --endpoints "http://127.0.0.1:$port" --clients $connections
    done
    for connections in 1 64; do
        load "hop.$connections" --endpoints "http://127.0.0.1:$hop_port" \
            --clients $connections --mix get
        load "get-leader.$connections" --endpoints "http://127.0.0.1:$port" \
            --clients $connections --mix get
        load "get-follower.$connections" --endpoints "http://127.0.0.1:${nodes[follower]}" \
            --clients $connections --mix get
    done
    load get-local.64 --endpoints "http://127.0.0.1:${nodes[follower]}" --clients 64 --mix local
    measure_zeromq "tcp://127.0.0.1:$((port + 20000))"
    measure_etcd
}

# measure_zeromq ENDPOINT: single messages and batches of 64, N of them under way.
measure_zeromq() {
    local window batch pids
    pids=$(pid_list "${node_pids[@]}")
    for batch in 1 64; do
        for window in $([ $batch -eq 1 ] && echo 1 64 1024 || echo 1 16 64); do
            load_ceiling "zceiling.$window.$batch" "$window" "$batch"
            load "zput.$window.$batch" --endpoints "$1" --clients "$window" --batch "$batch" \
                --pids "$pids"
            load "zget.$window.$batch" --endpoints "$1" --clients "$window" --batch "$batch" \
                --mix get --pids "$pids"
        done
    done
}

# etcd runs only while it is measured; its data stays from run to run.
start_etcd() {
    local i cluster='' deadline=$((SECONDS + 30))
    for i in 0 1 2; do
        cluster+="${cluster:+,}e$i=http://127.0.0.1:$((etcd_ports[i] + 10000))"
    done
    for i in 0 1 2; do
        etcd --name e$i --data-dir "$directory/etcd-$i" --initial-cluster "$cluster" \
            --listen-client-urls "http://127.0.0.1:${etcd_ports[i]}" \
            --advertise-client-urls "http://127.0.0.1:${etcd_ports[i]}" \
            --listen-peer-urls "http://127.0.0.1:$((etcd_ports[i] + 10000))" \
            --initial-advertise-peer-urls "http://127.0.0.1:$((etcd_ports[i] + 10000))" \
            >>"$directory/etcd-$i.log" 2>&1 &
        etcd_pids[i]=$!
        disown
    done
    for i in 0 1 2; do
        until curl -sf --max-time 1 "127.0.0.1:${etcd_ports[i]}/health" | grep -q '"true"'; do
            [ $SECONDS -lt $deadline ] || fail "etcd is not healthy after 30 s"
            sleep 0.05
        done
    done
    sleep 1
}

# Prints the index of the etcd that leads: a put there is not forwarded.
find_etcd_leader() {
    local i
    for i in 0 1 2; do
        if curl -s "127.0.0.1:${etcd_ports[i]}/metrics" | grep -q '^etcd_server_is_leader 1'; then
            echo $i
            return
        fi
    done
    fail "no etcd says that it leads"
}

measure_etcd() {
    local leader clients pids endpoint
    start_etcd
    leader=$(find_etcd_leader) || exit 1
    endpoint=http://127.0.0.1:${etcd_ports[leader]}
    pids=$(pid_list "${etcd_pids[@]}")
    "$build/consens-loadtest" --quiet --preload --duration 100ms --warmup 0 --protocol etcd \
        --endpoints "$endpoint" --clients 16 >/dev/null || fail "cannot write etcd's keys"
    for clients in 1 64 1024; do
        load "eput.$clients" --protocol etcd --endpoints "$endpoint" --clients $clients \
            --pids "$pids"
        load "eget.$clients" --protocol etcd --endpoints "$endpoint" --clients $clients \
            --mix get --pids "$pids"
    done
    kill "${etcd_pids[@]}"
    wait_until_gone "${etcd_pids[@]}"
    etcd_pids=()
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
    function short(value) {
        return sprintf(value >= 1000 ? "%.0f" : "%.3g", value)
    }
    $1 == figure { ours[++n] = $2 + 0 }
    raw != "" && $1 == raw { theirs[++m] = $2 + 0 }
    END {
        middle = median(ours, n)
        beside = "| | "
        if (m > 0) {
            other = median(theirs, m)
            beside = sprintf("| %s | %.2f", short(other), other ? middle / other : 0)
        }
        printf "| %s | %s | %s | %s-%s %s |\n", text, unit, short(middle), short(ours[1]), \
            short(ours[n]), beside
    }' "$results"
}

# The ceiling has no reads: gets stand beside etcd only.
print_zeromq_rows() {
    local window batch at
    for batch in 1 64; do
        for window in $([ $batch -eq 1 ] && echo 1 64 1024 || echo 1 16 64); do
            at="$window message$([ "$window" -eq 1 ] || echo s) of $batch"
            row "put over ZeroMQ, $at (raw: ceiling)" "/s" \
                "zput.$window.$batch.rate" "zceiling.$window.$batch.rate"
            row "put over ZeroMQ p50, $at (raw: ceiling)" "us" \
                "zput.$window.$batch.p50" "zceiling.$window.$batch.p50"
            row "linearizable get over ZeroMQ, $at" "/s" "zget.$window.$batch.rate"
            row "linearizable get over ZeroMQ p50, $at" "us" "zget.$window.$batch.p50"
        done
    done
    row "processor of all nodes for a put, 1024 messages of 1" "us" zput.1024.1.cpu
    row "processor of all nodes for a put, 16 messages of 64" "us" zput.16.64.cpu
}

# Ours beside etcd's JSON gateway, as many requests under way.
print_etcd_table() {
    local clients
    echo
    echo "Beside etcd $(etcd --version | sed -n 's/^etcd Version: //p') (three nodes, its JSON" \
        "gateway, the leader's), as many requests under way:"
    echo
    echo "| what | unit | median | min-max | etcd | ours / etcd |"
    echo "|---|---|---|---|---|---|"
    for clients in 1 64 1024; do
        row "put over ZeroMQ, $clients" "/s" "zput.$clients.1.rate" "eput.$clients.rate"
        row "put over ZeroMQ p50, $clients" "us" "zput.$clients.1.p50" "eput.$clients.p50"
        row "linearizable get over ZeroMQ, $clients" "/s" \
            "zget.$clients.1.rate" "eget.$clients.rate"
        row "linearizable get over ZeroMQ p50, $clients" "us" \
            "zget.$clients.1.p50" "eget.$clients.p50"
    done
    for clients in 1 64; do
        row "PUT over HTTP, $clients" "/s" "put.$clients.rate" "eput.$clients.rate"
        row "linearizable GET over HTTP, $clients" "/s" \
            "get-leader.$clients.rate" "eget.$clients.rate"
    done
    row "processor of all nodes for a put, 1024 under way" "us" zput.1024.1.cpu eput.1024.cpu
}

print_table() {
    local connections at
    echo
    echo "Commit $(git rev-parse --short HEAD 2>/dev/null || echo none)$(
        git diff --quiet HEAD 2>/dev/null || echo ' with changes'), $(date -u +%F)," \
        "$(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
        "Linux $(uname -r), three nodes and the load test on it, durability sync, 100-byte values," \
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
    print_zeromq_rows
    row "fdatasync of 4 KiB, p50" "us" fsync.p50
    row "kill -9 of the leader to the next acknowledged write, $kills kills" "ms" failover
    row "idle node, memory" "MB" idle.rss
    row "idle node, share of a core" "%" idle.cpu
    print_etcd_table
}

for i in 0 1 2; do
    start_node $i
done
wait_until_ready
sleep 2
say "idle, $idle_s s"
measure_idle

start_raw raw_http_inproc --port "$hop_port"
for port in "${follower_ports[@]}"; do
    start_raw raw_ceiling --role follower --port "$port" --directory "$directory"
done
start_raw raw_ceiling --role http --port "$ceiling_port" --directory "$directory" \
    --follower-a "${follower_ports[0]}" --follower-b "${follower_ports[1]}"
start_raw raw_ceiling --role zmq --port "$fast_ceiling_port" --directory "$directory" \
    --follower-a "${follower_ports[0]}" --follower-b "${follower_ports[1]}"
for port in "$hop_port" "$ceiling_port"; do
    curl -s --retry 20 --retry-delay 1 --retry-connrefused --max-time 30 -o /dev/null \
        -d x "127.0.0.1:$port/" || fail "a raw server does not answer"
done
"$build/consens-loadtest" --quiet --preload --duration 100ms --warmup 0 \
    --endpoints "http://127.0.0.1:${nodes[0]}" --clients 16 >/dev/null || fail "cannot write the keys"

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
