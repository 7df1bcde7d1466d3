#!/usr/bin/env bash
# fuzz.sh PROGRAM...: runs libFuzzer targets one after the other, FUZZ_SECONDS (60) each, on what the
# repository keeps (tests/fuzz/corpus/NAME) and what earlier runs found (build/fuzz-corpus/NAME).
# What a target refuses is kept under build/fuzz-artifacts; the line that replays it is printed.
# Closes with `N passed, N failed`, one a target.
#
# `fuzz.sh --merge PROGRAM...` instead makes the kept corpus anew: the smallest set of inputs that
# covers what all of them do.
set -u
seconds=${FUZZ_SECONDS:-60}
kept=tests/fuzz/corpus
found=build/fuzz-corpus
artifacts=build/fuzz-artifacts
passed=0
failed=0
mkdir -p $artifacts

# Files named by-hand-... stay, whatever they cover. Some inputs are longer than what a run tries:
# a length that needs four bytes.
cover() { # target, to, from...
    "$1" -set_cover_merge=1 -max_len=$((17 * $(max_len "$(basename "$1")"))) -timeout=25 "${@:2}" \
        >"$2.log" 2>&1 || { tail -n 20 "$2.log"; return 1; }
}

merge() {
    local program=$1 name=$2 new
    new=$(mktemp -d "$found/merge.XXXXXX")
    cover "$program" "$new" "$kept/$name" "$found/$name" || return 1
    if [ "$(find "$new" -type f | wc -l)" -gt 200 ]; then # how often an edge is taken: let it go
        mv "$new" "$new.all"
        mkdir "$new"
        cover "$program" "$new" -use_counters=0 "$new.all" || return 1
        rm -rf "$new.all"
    fi
    find "$kept/$name" -type f ! -name 'by-hand-*' -delete
    for file in "$new"/*; do
        mv "$file" "$kept/$name/$(basename "$file" | cut -c1-12)"
    done
    rm -rf "$new" "$new.log"
    echo "$name: $(find "$kept/$name" -type f | wc -l) files, $(du -sb "$kept/$name" | cut -f1) bytes"
}

max_len() {
    case $1 in
    recovery | superblock) echo 400 ;; # a list of edits
    steps) echo 1500 ;;
    *) echo 4096 ;;
    esac
}

fuzz() {
    local program=$1 name=$2 log="$artifacts/$2.log" dictionary=tests/fuzz/dict/$2 code
    "$program" -max_total_time="$seconds" -max_len="$(max_len "$name")" -timeout=25 \
        -rss_limit_mb=2048 -print_final_stats=1 \
        $([ -r "$dictionary" ] && echo "-dict=$dictionary") \
        -artifact_prefix="$artifacts/$name-" "$found/$name" "$kept/$name" >"$log" 2>&1
    code=$?
    if [ $code -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok   $name: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs," \
            "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)"
        return
    fi
    failed=$((failed + 1))
    artifact=$(grep -o "$artifacts/$name-[a-z]*-[0-9a-f]*" "$log" | tail -n 1)
    echo "FAIL $name (code $code): $(grep -m 1 -E 'check_failed|ERROR: |runtime error' "$log")"
    grep -E '^ +#[0-9]+ ' "$log" | grep -v -e libc -e fuzzer:: -e /lib/ | head -n 8
    echo "     replay: $program ${artifact:-(no artifact: see $log)}"
}

action=fuzz
[ "${1:-}" = --merge ] && action=merge && shift
for program in "$@"; do
    name=$(basename "$program")
    mkdir -p "$found/$name" "$kept/$name"
    $action "$program" "$name" || failed=$((failed + 1))
done
[ $action = merge ] && exit $((failed > 0))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
