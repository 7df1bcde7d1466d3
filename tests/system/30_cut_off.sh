# Three nodes, each in a network namespace of its own, joined by a bridge that this script makes.
# nft cuts the leader off: the others go on, the cut-off node refuses; healed, it follows again.
. "$(dirname "$0")/lib.sh"

tag=cs$$
cleanup_net() {
    local i pid
    for i in 0 1 2; do
        # Everything that still runs in the namespace is this script's own.
        for pid in $(ip netns pids "$tag-$i" 2>/dev/null); do kill -KILL "$pid"; done
        ip netns del "$tag-$i" 2>/dev/null
    done
    ip netns del "$tag-hub" 2>/dev/null
}
trap 'cleanup_net; finish; exit $?' EXIT

ip netns add "$tag-hub"
ip netns exec "$tag-hub" ip link add br0 type bridge
ip netns exec "$tag-hub" ip link set br0 up
for i in 0 1 2; do
    ip netns add "$tag-$i"
    ip link add "v$i" netns "$tag-$i" type veth peer name "p$i" netns "$tag-hub"
    ip netns exec "$tag-hub" ip link set "p$i" master br0 up
    ip netns exec "$tag-$i" ip addr add "10.77.0.$((i + 1))/24" dev "v$i"
    ip netns exec "$tag-$i" ip link set "v$i" up
    ip netns exec "$tag-$i" ip link set lo up
done
{
    echo 'cluster'
    echo '    name = "cut"'
    echo '    insecure = 1'
    echo '    node'
    for i in 0 1 2; do
        echo "        n$i"
        echo "            http = \"10.77.0.$((i + 1)):3000\""
        echo "            peer = \"tcp://10.77.0.$((i + 1)):13000\""
    done
    echo 'server'
    echo "    data = \"$work/data\""
} >"$work/cut.cfg"
mkdir -p "$work/data"

inside() { local i=$1; shift; ip netns exec "$tag-$i" "$@"; }
for i in 0 1 2; do
    # exec: the pid is the server's own, so that it is the server that is ended.
    (exec ip netns exec "$tag-$i" "$consens" server --config "$work/cut.cfg" --node "n$i") \
        >"$work/node-$i.log" 2>&1 &
    pids[i]=$!
done
ask() { # node path [curl options]
    local i=$1 path=$2
    shift 2
    inside "$i" curl -sS -m 8 "$@" "http://10.77.0.$((i + 1)):3000$path" 2>&1
}
ask_until() { # the same, again while it is refused
    local i=$1 path=$2 via=(ip netns exec "$tag-$1")
    shift 2
    insist "http://10.77.0.$((i + 1)):3000$path" "$@"
}
ready() { [ "$(ask "$1" /-/ready -o /dev/null -w '%{http_code}')" = 200 ]; }
three_ready() { ready 0 && ready 1 && ready 2; }
until_true 20 three_ready
is "three namespaces form a cluster" 0 $?
is "put" created "$(ask_until 0 /k -XPUT -d one)"
role() { ask "$1" /-/status | python3 -c 'import json,sys; print(json.load(sys.stdin)["role"])'; }
leads() {
    local i
    for i in 0 1 2; do [ "$(role "$i")" = leader ] && echo "$i" && return; done
    return 1
}
leader=$(until_true 10 leads)
like "there is a leader" '^[0-2]$' "$leader"
a=$(((leader + 1) % 3))

inside "$leader" nft add table inet cut
inside "$leader" nft add chain inet cut in '{ type filter hook input priority 0; }'
inside "$leader" nft add chain inet cut out '{ type filter hook output priority 0; }'
inside "$leader" nft add rule inet cut in iifname "v$leader" drop
inside "$leader" nft add rule inet cut out oifname "v$leader" drop
since=$(now_ms)
others_write() { [ "$(ask "$a" /k -XPUT -d two)" = updated ]; }
until_true 10 others_write
below "the others go on" 8000 $(($(now_ms) - since))
refused() { [ "$(ask "$leader" /k -o /dev/null -w '%{http_code}')" = 503 ]; }
until_true 5 refused
is "the cut-off node refuses to read" 503 "$(ask "$leader" /k -o /dev/null -w '%{http_code}')"
is "and to write" 503 "$(ask "$leader" /k -XPUT -d lost -o /dev/null -w '%{http_code}')"
like "a local read says how old it is" 'Consens-Lag-Ms: [1-9]' \
    "$(ask "$leader" '/k?consistency=local' -D - -o /dev/null)"

inside "$leader" nft delete table inet cut
healed() { [ "$(ask "$leader" /k)" = two ]; }
until_true 10 healed
is "healed, it answers the new value" 0 $?
is "and takes writes" updated "$(ask_until "$leader" /k -XPUT -d three)"
for i in 0 1 2; do is "node $i agrees" three "$(ask_until "$i" /k)"; done
