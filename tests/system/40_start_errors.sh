# Starting wrong: one clear sentence and the exit code of DESIGN 6 each time.
. "$(dirname "$0")/lib.sh"

try() { # sets out and rc; never longer than 10 s
    out=$(cd "$work" && timeout 10 "$@" 2>&1)
    rc=$?
}

free_ports 2
start_dir=$work/one
mkdir -p "$start_dir"
(cd "$start_dir" && exec env PORT="${ports[0]}" "$consens" server) >"$work/node-0.log" 2>&1 &
pids[0]=$!
until_true 10 is_ready 0

try env PORT="${ports[0]}" "$consens" server
like "a busy port is named" "${ports[0]}" "$out"
is "busy port: exit code" 69 $rc

try env PORT="${ports[1]}" "$consens" server --data "$start_dir/consens-data-${ports[0]}"
like "a second process on one directory is told so" 'another process|in use' "$out"
is "second process: exit code" 73 $rc

touch "$work/file"
try env PORT="${ports[1]}" "$consens" server --data "$work/file/below"
like "an unusable directory is named" "$work/file/below" "$out"
is "unusable directory: exit code" 73 $rc

printf 'cluster\n    node\n        n1\n            http = "127.0.0.1:3000"\nserver\n    http\n        thread = 3\n' >"$work/bad.cfg"
try "$consens" server --config bad.cfg
like "an unknown key: file, line, nearest name" 'bad.cfg:7.*thread.*threads' "$out"
is "unknown key: exit code" 2 $rc

printf 'cluster\n    node\n        n1\n            http = "0.0.0.0:%s"\n' "${ports[1]}" >"$work/open.cfg"
try "$consens" server --config open.cfg
like "a non-loopback listener names insecure = 1" 'insecure = 1' "$out"
is "non-loopback listener: exit code" 2 $rc

try env PORT=60000 CLUSTER=http://localhost:3001 "$consens" server
like "a port past 65535" '65535' "$out"
is "port past 65535: exit code" 2 $rc

# Root may start any number: as somebody else then, who has no other process.
cp "$consens" "$work/program"
chmod 711 "$work"
other=()
[ "$(id -u)" = 0 ] && other=(setpriv --reuid=61234 --regid=61234 --clear-groups)
for threads in 2 20 289; do # 281 for HTTP and 8 more are wanted; one runs already
    try prlimit --nproc="$threads" "${other[@]}" "$work/program" server
    like "too few threads ($threads): the limits are named" 'TasksMax=' "$out"
    is "too few threads ($threads): exit code" 71 $rc
done

try "$consens" serve
like "an unknown command names the nearest" 'server' "$out"
is "unknown command: exit code" 2 $rc
try "$consens" version
like "version" '^consens [0-9]+\.[0-9]+\.[0-9]+$' "$out"

kill -TERM "${pids[0]}"
wait "${pids[0]}"
pids[0]=

# A wiped node is told what to do and never votes; JOIN=true on a node with its data catches up.
rm -rf "$start_dir"
free_ports 3
start_all
until_true 20 all_ready
is "put" created "$(put_until 0 k v)"
kill_nine 2
rm -rf "$work/consens-data-${ports[2]}"
(cd "$work" && exec env CLUSTER="$(others 2)" PORT="${ports[2]}" timeout 15 "$consens" server) \
    >"$work/wiped.log" 2>&1
is "a wiped node ends with 65" 65 $?
like "it is told what to do" 'JOIN' "$(cat "$work/wiped.log")"
is "two of three serve" updated "$(put_until 0 k w)"
kill_nine 1
start 1 JOIN=true
until_true 20 is_ready 1
is "JOIN=true with its data catches up" w "$(get_until 1 k)"

# A list without the others: alone, node 0 would be its own majority and acknowledge by itself.
kill_nine 0
try env PORT="${ports[0]}" "$consens" server
like "a node of three named alone is told so" 'a cluster of 3, and this start names 1' "$out"
is "another list of nodes: exit code" 65 $rc
start 0
until_true 20 is_ready 0
is "with its list it serves again" w "$(get_until 0 k)"
