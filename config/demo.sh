#!/usr/bin/env bash
# demo.sh: the first minute by itself. Three nodes on free ports with data in a temporary
# directory; a value put on one node is read from all of them. Exits 0 if it works, else 1.
set -u
program=$(realpath "${CONSENS:-build/consens}")
directory=$(mktemp -d)
pids=()

stop_nodes() {
    if [ ${#pids[@]} -gt 0 ]; then
        kill "${pids[@]}" 2>/dev/null
        wait "${pids[@]}" 2>/dev/null
    fi
    rm -rf "$directory"
}
trap stop_nodes EXIT
trap 'exit 130' INT TERM

fail() {
    echo "demo: $1" >&2
    tail -n 20 "$directory"/*.log >&2
    exit 1
}

mapfile -t ports < <("$(dirname "$0")/free-ports.sh" 3)
for port in "${ports[@]}"; do
    others=
    for other in "${ports[@]}"; do
        if [ "$other" != "$port" ]; then
            others=${others:+$others,}http://localhost:$other
        fi
    done
    (cd "$directory" && CLUSTER=$others PORT=$port exec "$program" server) \
        >"$directory/$port.log" 2>&1 &
    pids+=($!)
done

deadline=$((SECONDS + 30))
for port in "${ports[@]}"; do
    until curl -sf --max-time 1 -o "$directory/ready" "localhost:$port/-/ready"; do
        [ $SECONDS -lt $deadline ] || fail "the node on port $port is not ready after 30 s"
        for pid in "${pids[@]}"; do
            kill -0 "$pid" 2>/dev/null || fail "a node ended before the cluster was ready"
        done
        sleep 0.1
    done
done

# expect WANTED CURL-ARGUMENTS...: shows the command as one would type it, and its answer.
expect() {
    local wanted=$1 got
    shift
    echo "\$ curl $*"
    got=$(curl -s --max-time 10 "$@")
    echo "$got"
    [ "$got" = "$wanted" ] || fail "expected '$wanted'"
}

expect created -XPUT "localhost:${ports[1]}/mykey" -d mydata
for port in "${ports[@]}"; do
    expect mydata -XGET "localhost:$port/mykey"
done
echo "demo: it works"
