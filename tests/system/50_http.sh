# HTTP as curl users use it: exact keys, conditions, limits, consistency, labels, errors.
. "$(dirname "$0")/lib.sh"

free_ports 3
start_all
until_true 20 all_ready
for i in 0 1 2; do
    u=$(url "$i")
    is "create-only, node $i" 201 "$(code -XPUT -H 'If-None-Match: *' "$u/c$i" -d 1)"
    is "create-only again, node $i" 412 "$(code -XPUT -H 'If-None-Match: *' "$u/c$i" -d 2)"
    etag=$(curl -s -o /dev/null -D - "$u/c$i" | tr -d '\r' | awk 'tolower($1)=="etag:"{print $2}')
    is "compare-and-set, node $i" 200 "$(code -XPUT -H "If-Match: $etag" "$u/c$i" -d 3)"
    is "compare-and-set, stale, node $i" 412 "$(code -XPUT -H "If-Match: $etag" "$u/c$i" -d 4)"
    is "304, node $i" 304 "$(code -H "If-None-Match: $(curl -s -o /dev/null -D - "$u/c$i" |
        tr -d '\r' | awk 'tolower($1)=="etag:"{print $2}')" "$u/c$i")"
    is "delete, node $i" deleted "$(curl -s -XDELETE "$u/c$i")"
    is "delete again, node $i" 404 "$(code -XDELETE "$u/c$i")"
    is "get a missing key, node $i" "not found" "$(curl -s "$u/c$i")"
done

u=$(url 0)
for key in 'a%2Fb' 'x//y' 'p/../q' 'z%00w' '%ff%fe' 'sp%20ace' 'q%3Fmark'; do
    is "key $key" created "$(curl -s --path-as-is -XPUT "$u/$key" -d "v:$key")"
done
for key in 'a%2Fb' 'x//y' 'p/../q' 'z%00w' '%ff%fe' 'sp%20ace' 'q%3Fmark'; do
    is "key $key answers its own" "v:$key" "$(curl -s --path-as-is "$(url 1)/$key")"
done
is "/-/kv reaches the same key" 'v:a%2Fb' "$(curl -s "$u/-/kv/a%2Fb")"
is "a/b is another spelling of a%2Fb" 'v:a%2Fb' "$(curl -s "$u/a/b")"
long=$(printf 'k%.0s' $(seq 1024))
is "a key of 1024 bytes" 201 "$(code -XPUT "$u/$long" -d 1)"
is "a key of 1025 bytes" 414 "$(code -XPUT "$u/k$long" -d 1)"

head -c 1048576 /dev/urandom >"$work/mega"
head -c 2097152 /dev/urandom >"$work/two"
is "a value of 1 MiB by -T" 201 "$(code -T "$work/mega" "$u/mega")"
curl -s "$(url 2)/mega" | cmp - "$work/mega"
is "comes back byte for byte" 0 $?
is "a value of 1 MiB by --data-binary" 200 "$(code -XPUT --data-binary "@$work/mega" "$(url 1)/mega")"
is "chunked" 200 "$(code -XPUT -H 'Transfer-Encoding: chunked' --data-binary "@$work/mega" "$u/mega")"
is "a value of 2 MiB" 413 "$(code -XPUT --data-binary "@$work/two" "$u/two")"
like "it names limit and actual" '1048576.*2097152|2097152.*1048576' \
    "$(curl -s -XPUT --data-binary "@$work/two" "$u/two")"
is "an empty value" 201 "$(code -XPUT "$u/empty" -d '')"
is "comes back empty" "" "$(curl -s "$(url 1)/empty")"
is "PUT without a body at all" 201 "$(code -XPUT "$u/nobody")"

is_labelled() { # with the leader too: a node that has not heard it for a moment names none
    headers=$(curl -s -D - -o /dev/null "$u/mega" | tr -d '\r')
    grep -q '^Consens-Leader: ' <<<"$headers"
}
until_true 10 is_labelled
like "nosniff" '^X-Content-Type-Options: nosniff$' "$headers"
like "sandbox" '^Content-Security-Policy: sandbox$' "$headers"
like "revision label" '^Consens-Revision: [0-9]+$' "$headers"
like "node label" '^Consens-Node: 127\.0\.0\.1' "$headers"
like "leader label" '^Consens-Leader: 127\.0\.0\.1' "$headers"
like "consistency label" '^Consens-Consistency: linearizable$' "$headers"
like "HEAD has the length" 'Content-Length: 1048576' "$(curl -s -I "$u/mega")"

revision=$(curl -s -D - -o /dev/null -XPUT "$u/mine" -d 1 | tr -d '\r' |
    awk 'tolower($1)=="consens-revision:"{print $2}')
for i in 0 1 2; do
    is "read your write on node $i" 1 \
        "$(curl -s -H "Consens-Min-Revision: $revision" "$(url "$i")/mine?consistency=local")"
done
is "an unknown option is refused" 400 "$(code "$u/mine?ttl=30s")"
is "POST is not offered" 405 "$(code -XPOST "$u/mine" -d 1)"
is "an unknown method" 405 "$(code -XPATCH "$u/mine" -d 1)"
is "a bad escape" 400 "$(code --path-as-is "$u/%zz")"
is "live" 200 "$(code "$u/-/live")"
until_true 10 is_ready 0
is "ready" 0 $?
like "version" '[0-9]+\.[0-9]+\.[0-9]+' "$(curl -s "$u/-/version")"
is "status is JSON" sync "$(field 0 durability)"
like "problem+json" '"status": ?404' "$(curl -s -H 'Accept: application/json' "$u/none")"
is "the connection survives errors" "404 200" \
    "$(curl -s -o /dev/null -w '%{http_code} ' "$u/none" --next -s -o /dev/null -w '%{http_code}' "$u/mine")"

# What large values used while they passed through goes back to the system: the state holds one.
for i in 0 1 2; do
    for _ in 1 2 3 4; do
        (for _ in $(seq 12); do code -T "$work/mega" "$(url "$i")/mega" >/dev/null; done) &
        helpers+=($!)
    done
done
wait "${helpers[@]}"
helpers=()
is_small() {
    resident=$(awk '/^VmRSS/{print int($2 / 1024)}' "/proc/${pids[$1]}/status")
    [ "$resident" -lt 90 ]
}
for i in 0 1 2; do
    until_true 10 is_small "$i"
    below "MiB of node $i after 144 values of 1 MiB for one key" 90 "$resident"
done

# Clients that wait take all threads but the reserve; the node still tells how it is.
kill_nine 2
printf 'cluster\n    node\n        n1\n            http = "127.0.0.1:%s"\nserver\n    http\n        threads = 4\n' \
    "${ports[2]}" >"$work/few.cfg"
(cd "$work" && exec "$consens" server --config few.cfg --data few) >>"$work/node-2.log" 2>&1 &
pids[2]=$!
until_true 20 is_ready 2
for _ in 1 2 3 4; do
    curl -s -m 20 "$(url 2)/k?consistency=local&min-revision=99999&timeout=60s" >/dev/null &
    helpers+=($!)
done
no_thread_for_keys() { [ "$(code "$(url 2)/k")" = 429 ]; }
until_true 5 no_thread_for_keys
is "a key while others wait on all threads for keys" 429 "$(code "$(url 2)/k")"
is "live meanwhile" 200 "$(code "$(url 2)/-/live")"
