# Damaged disks: bytes of the files of real nodes are changed between restarts. What is lost on one disk
# comes back from the others while the cluster serves; what cannot, ends with 65 and a sentence.
. "$(dirname "$0")/lib.sh"

data() { echo "$work/consens-data-${ports[$1]}"; }
log() { echo "$(data "$1")/log-0000000001"; }
damage() { python3 "$here/damage.py" "$@"; }

# fill NODE FIRST COUNT: writes key-FIRST.. one by one; prints how many were acknowledged. A key has
# one value, so it may be written again where a leader has just gone (503, 504), for 20 s in all.
fill() {
    python3 - "${ports[$1]}" "$2" "$3" <<'PY'
import http.client, sys, time
port, first, count = map(int, sys.argv[1:])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
end = time.monotonic() + 20
acknowledged = 0
for i in range(first, first + count):
    while True:
        connection.request("PUT", f"/key-{i}", body=f"value-{i}-" + "x" * (i * 37 % 3000))
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (503, 504) or time.monotonic() > end:
            break
        time.sleep(0.05)
    acknowledged += 200 <= answer.status < 300
print(acknowledged)
PY
}

# missing NODE COUNT: how many of key-1 .. key-COUNT are not as written, read there.
missing() {
    python3 - "${ports[$1]}" "$2" <<'PY'
import http.client, sys, time
port, count = map(int, sys.argv[1:])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
end = time.monotonic() + 20
bad = 0
for i in range(1, count + 1):
    while True:
        connection.request("GET", f"/key-{i}")
        answer = connection.getresponse()
        value = answer.read().decode()
        if answer.status not in (503, 504) or time.monotonic() > end:
            break
        time.sleep(0.05)
    bad += value != f"value-{i}-" + "x" * (i * 37 % 3000)
print(bad)
PY
}

stop_all() {
    local i
    for i in "${!ports[@]}"; do [ -n "${pids[$i]}" ] && kill -KILL "${pids[$i]}"; done
    for i in "${!ports[@]}"; do
        [ -n "${pids[$i]}" ] && wait "${pids[$i]}" 2>/dev/null
        pids[i]=
    done
}

# ends NODE: starts it in the foreground; sets out and rc.
ends() {
    (cd "$work" && exec env CLUSTER="$(others "$1")" PORT="${ports[$1]}" timeout 30 \
        "$consens" server) >"$work/ends.log" 2>&1
    rc=$?
    out=$(cat "$work/ends.log")
}

free_ports 3
start_all
until_true 30 all_ready
is "200 writes" 200 "$(fill 0 1 200)"
until_true 10 same_digests
is "all nodes have them" 0 $?

# ---- the middle of one log, while the others serve
kill_nine 2
is "more writes without it" 50 "$(fill 0 201 50)"
spoiled=$(damage touch "$(log 2)" 40 120)
is "slots of one log are spoiled" yes "$([ "$spoiled" -gt 5 ] && echo yes || echo "$spoiled")"
start 2
until_true 20 is_ready 2
is "the damaged node is ready again" 0 $?
is "and has every value" 0 "$(missing 2 250)"
like "its log says which slots were lost" 'event=slots_lost first=' "$(cat "$work/node-2.log")"
like "and when they were repaired" 'event=repaired .*slot=' "$(cat "$work/node-2.log")"
has_repaired() { # some, or none
    repaired=$(field 2 slots_repaired)
    [ "$repaired" != "?" ] && [ $((repaired > 5)) = "$1" ]
}
until_true 10 has_repaired 1
is "slots were repaired" 0 $?
until_true 10 same_digests
is "all states are equal" 0 $?
kill_nine 2
: >"$work/node-2.log"
start 2
until_true 20 is_ready 2
is "the next start finds nothing lost" "" "$(grep slots_lost "$work/node-2.log")"
until_true 10 has_repaired 0
is "nor needs its peers for it" "0 0" "$? $repaired"
is "and has every value still" 0 "$(missing 2 250)"

# ---- other slots on every disk, after all lost power
stop_all
length=$(damage slots "$(log 0)")
for i in 0 1 2; do
    spoiled=$(damage spoil "$(log $i)" $((length * i / 3 + 1)) $((length * (i + 1) / 3)))
    is "node $i: slots are spoiled" yes "$([ "$spoiled" -gt 5 ] && echo yes || echo "$spoiled")"
done
start_all
until_true 30 all_ready
is "all are ready again" 0 $?
for i in 0 1 2; do is "node $i has every value" 0 "$(missing $i 250)"; done
is "writes go on" 10 "$(fill 1 251 10)"
until_true 10 same_digests
is "all states are equal again" 0 $?

# ---- an old copy of a directory
kill_nine 1
cp -a "$(data 1)" "$work/old"
start 1
until_true 20 is_ready 1
fill 0 261 10 >/dev/null
kill_nine 1
newest=$(data 1)
mv "$newest" "$work/newest"
cp -a "$work/old" "$newest"
ends 1
is "a restored directory: exit code" 65 $rc
# Within three seconds of the kill it may be taken for a second process on a copy: as true.
like "a restored directory: it has gone back in time" 'gone back in time|two processes run' "$out"
rm -rf "$newest"
mv "$work/newest" "$newest"

# The same when the others restart too: what they remember reaches their disks now and then.
start 1
until_true 20 is_ready 1
until_ms=$(($(now_ms) + 11000))
while [ "$(now_ms)" -lt $until_ms ]; do fill 0 271 5 >/dev/null; done
stop_all
rm -rf "$newest"
cp -a "$work/old" "$newest"
start 0
start 2
ends 1
is "a directory restored after a power cut: exit code" 65 $rc
like "a directory restored after a power cut: it has gone back in time" 'gone back in time' "$out"
is "the others go on" 5 "$(fill 0 276 5)"

# ---- beyond repair
kill_nine 2
damage pages "$(data 2)/superblock" 0 3
ends 2
is "a superblock without two equal copies: exit code" 65 $rc
like "a superblock without two equal copies: a sentence" 'no two of its four copies agree' "$out"
stop_all

free_ports 3
start_all
until_true 30 all_ready
for first in 1 61 66; do # on each disk at least two blocks follow those of the first 60
    fill 0 $first $((first == 1 ? 60 : 5)) >/dev/null
    until_true 10 same_digests
done
is "all have 70 keys" 0 $?
stop_all
for i in 0 1 2; do
    spoiled=$(damage touch "$(log $i)" 20 30)
    is "node $i: slots 20 to 30 are spoiled" yes "$([ "$spoiled" -ge 11 ] && echo yes || echo "$spoiled")"
done
start 0
start 1
says_damaged() { field 0 warnings | grep -q 'are damaged on its disk and are being repaired'; }
until_true 10 says_damaged
is "while it looks for them the status says so" 0 $?
is "and it is not ready" 503 "$(code "$(url 0)/-/ready")"
ends 2
is "slots lost on every disk: exit code" 65 $rc
like "slots lost on every disk: they are named" 'slots [0-9]+ to [0-9]+ .*no other node has a copy' "$out"
stop_all

free_ports 1
start_all
until_true 20 all_ready
fill 0 1 30 >/dev/null
stop_all
damage spoil "$(log 0)" 10 12 >/dev/null
ends 0
is "one node alone has nobody to repair from: exit code" 65 $rc
like "one node alone: file, offset, slots" 'log-0000000001.*offset [0-9]+.*slots [0-9]+ to' "$out"
