#!/usr/bin/env bash
# run-three.sh: three nodes on this machine, HTTP on 3000, 4000 and 5000; Ctrl-C stops them.
# Their data stays in ./consens-data-PORT.
set -u
program=${CONSENS:-build/consens}
ports=(3000 4000 5000)
pids=()

stop_nodes() {
    trap '' INT TERM
    kill "${pids[@]}" 2>/dev/null
    wait "${pids[@]}" 2>/dev/null
    echo "Stopped. The data stays in ./consens-data-{3000,4000,5000}."
}
trap 'stop_nodes; exit 0' INT TERM

# The node's own pid is kept, not that of a pipe: stopping by pid stops the node.
start_node() {
    local port=$1 others=() other
    for other in "${ports[@]}"; do
        if [ "$other" != "$port" ]; then
            others+=("http://localhost:$other")
        fi
    done
    CLUSTER=$(IFS=,; echo "${others[*]}") PORT=$port "$program" server \
        > >(trap "" INT; exec sed -u "s/^/$port | /") 2>&1 &
    pids+=($!)
}

is_ready() {
    curl --silent --fail --max-time 1 --output /dev/null "http://localhost:$1/-/ready"
}

for port in "${ports[@]}"; do
    start_node "$port"
done

deadline=$((SECONDS + 30))
for port in "${ports[@]}"; do
    until is_ready "$port"; do
        for pid in "${pids[@]}"; do
            if ! kill -0 "$pid" 2>/dev/null; then
                sleep 0.2 # for its last words to get through sed
                echo "A node ended before the cluster was ready; its words are above." >&2
                stop_nodes
                exit 1
            fi
        done
        if [ $SECONDS -ge $deadline ]; then
            echo "The node on port $port is not ready after 30 s." >&2
            stop_nodes
            exit 1
        fi
        sleep 0.1
    done
done

cat <<'EOF'

Three nodes are ready. In another terminal:

  curl -XPUT localhost:3000/mykey -d mydata
  curl -XGET localhost:4000/mykey
  curl -XGET localhost:5000/mykey

Ctrl-C stops all three; what was acknowledged is there when they start again.

EOF
wait "${pids[@]}"
stop_nodes
