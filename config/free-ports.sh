#!/usr/bin/env bash
# free-ports.sh COUNT: prints that many HTTP ports for nodes started by environment. Nothing listens
# on them, nor on the ports that a node derives from its own (+10000, +20000, +30000).
set -u

is_free() {
    local port
    for port in "$1" $(($1 + 10000)) $(($1 + 20000)) $(($1 + 30000)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            return 1
        fi
    done
}

found=0
for ((port = 5100 + RANDOM % 8000; found < $1; port++)); do
    if is_free "$port"; then
        echo "$port"
        found=$((found + 1))
    fi
done
