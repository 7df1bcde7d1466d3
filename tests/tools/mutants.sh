#!/usr/bin/env bash
# mutants.sh [quick]: who tests the tests? Each line `N name kind rule killer` of
# tests/mutants.txt names a deliberate mistake in src (base/mutant.h). It is built into its
# killer, and that must fail; a mutant that survives is a hole in the tests.
#
# `sim:MAX` or `sim:MAX:FLAG`: the simulator runs seeds 1, 2, ... MAX, with this flag, until one
# fails; the same seed must pass without the mistake. Half of what it kills must die within 500 seeds, kind by kind.
# A test program, or `scenarios`, must pass without the mistake too.
#
# quick: those with a MAX of at most 200, and one in SHARE of the rest; which, is drawn from the
# commit. MUTANTS="N N ..." plants only these; MUTANT_TABLE is another table. With the flag
# --monitor-alone only what the monitor of each step finds counts, not a crash.
set -u
unset MAKEFLAGS MAKELEVEL VARIANT
table=${MUTANT_TABLE:-tests/mutants.txt}
jobs=${JOBS:-$(nproc)}
limit_s=${MUTANT_TIMEOUT:-900}
median_max=500
share=7
only=" ${MUTANTS:-} "
commit=$(git rev-parse HEAD 2>/dev/null || date +%F)
part=$((0x$(printf '%s' "$commit" | sha1sum | cut -c1-6) % share))
if [ ! -r "$table" ]; then
    echo "mutants.sh: no $table" >&2
    exit 1
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# The command of a killer in a directory of programs; sim without its seeds.
killer_command() {
    command=("$1/$2")
    if [ "$2" = scenarios ]; then
        command+=(tests/scenarios/*.txt)
    fi
}

# Where a killer lies in build/release: tests have folders.
find_base() {
    local path
    base=build/release
    for path in build/release/tests/*/"$1"; do
        if [ -x "$path" ]; then
            base=$(dirname "$path")
        fi
    done
}

# Does the killer pass without any mistake? Asked once a killer, of the simulator once a seed.
passes_without() {
    local killer=$1 base command
    shift
    find_base "$killer"
    killer_command "$base" "$killer"
    timeout "$limit_s" "${command[@]}" "$@" >/dev/null 2>&1
}

# The name of the first test or transcript that failed, else how the program ended.
name_failed() {
    local log=$1 code=$2 name
    name=$(grep -aoE '\[  FAILED  \] [a-z_0-9]{8,}' "$log" | head -n 1 | cut -c14-)
    name=${name:-$(grep -aoE '[a-z_0-9-]+\.txt' "$log" | head -n 1)}
    name=${name:-$(grep -aoE 'condition="[^"]*"' "$log" | head -n 1)}
    echo "${name:-exit code $code}"
}

# ok|FAIL, number, name, kind, rule, what found it, seed
row() {
    printf '%-4s %-3s %-40s %-8s %-4s %-52.52s %s\n' "$@"
}

try_by_simulator() {
    local number=$1 name=$2 kind=$3 rule=$4 log=$6 max flag code seed found
    IFS=: read -r _ max flag <<<"$5"
    timeout "$limit_s" "build/mutant/$number/sim" --until-failure --seeds "$max" \
        ${flag:+"$flag"} >"$log" 2>&1
    code=$?
    seed=$(grep -ao 'seed=[0-9]*' "$log" | tail -n 1 | cut -d= -f2)
    found=$(grep -ao 'found=[^ ]*' "$log" | tail -n 1 | cut -d= -f2)
    if [ "$found" = crash ]; then
        found=$(grep -aoE 'condition="[^"]*"' "$log" | head -n 1)
    fi
    if [ "$flag" = --monitor-alone ] && [ $code -ne 0 ] && [[ $found != monitor-* ]]; then
        code=$found
    fi
    case $code in
    0) row FAIL "$number" "$name" "$kind" "$rule" "survives $max seeds" '' ;;
    124) row FAIL "$number" "$name" "$kind" "$rule" "alive after $limit_s s" '' ;;
    1 | 134)
        if passes_without sim --seed "${seed:-0}" ${flag:+"$flag"}; then
            row ok "$number" "$name" "$kind" "$rule" "sim ${found:-crash}" "$seed"
        else
            row FAIL "$number" "$name" "$kind" "$rule" "the seed fails without it" "$seed"
        fi
        ;;
    *) row FAIL "$number" "$name" "$kind" "$rule" "the simulator's exit code: $code" '' ;;
    esac
}

try_by_test() {
    local number=$1 name=$2 kind=$3 rule=$4 killer=$5 log=$6 code command
    killer_command "build/mutant/$number" "$killer"
    timeout "$limit_s" "${command[@]}" </dev/null >"$log" 2>&1
    code=$?
    case $code in
    0) row FAIL "$number" "$name" "$kind" "$rule" "survives $killer" '' ;;
    124) row FAIL "$number" "$name" "$kind" "$rule" "alive after $limit_s s" '' ;;
    126 | 127) row FAIL "$number" "$name" "$kind" "$rule" "$killer cannot be run" '' ;;
    *) row ok "$number" "$name" "$kind" "$rule" \
        "${killer#test_} $(name_failed "$log" $code)" - ;;
    esac
}

# Writes one line of the table, to $results/NUMBER too.
try_mutant() {
    local number=$1 killer=${5%%:*} log="$results/$1.log"
    if ! make --no-print-directory MUTANT="$number" KILLER="$killer" \
        "build/mutant/$number/$killer" >"$log" 2>&1; then
        row FAIL "${@:1:4}" 'did not build' ''
        tail -n 5 "$log"
    elif [ "$killer" = sim ]; then
        try_by_simulator "$@" "$log"
    else
        try_by_test "$@" "$log"
    fi | tee "$results/$number"
    rm -rf "build/mutant/$number"
}

is_wanted() {
    local number=$1 killer max
    IFS=: read -r killer max _ <<<"$5"
    if [ "$only" != '  ' ]; then
        [[ $only == *" $number "* ]]
        return
    fi
    [ "$mode" != quick ] || [ $((number % share)) -eq $part ] ||
        { [ "$killer" = sim ] && [ "$max" -le 200 ]; }
}

# min, median and max of the seeds of one kind, from the rows.
summary() {
    sort -n | awk -v kind="$1" -v max="$median_max" '
        { seeds[NR] = $1 }
        END {
            if (NR == 0) exit 0
            median = seeds[int((NR + 1) / 2)]
            printf "%-8s %3d killed by the simulator: median at seed %d, worst at %d\n",
                kind, NR, median, seeds[NR]
            exit median > max
        }'
}

mode=${1:-all}
rows=()
while read -r -a line; do
    if [ ${#line[@]} -ne 5 ]; then
        echo "mutants.sh: $table: not five words: ${line[*]}" >&2
        exit 1
    fi
    if is_wanted "${line[@]}"; then
        rows+=("${line[*]}")
    fi
done < <(grep -Ev '^[[:space:]]*(#|$)' "$table")

failed=0
planted=$(grep -rhoE 'MUTANT_IS\([0-9]+\)' src | grep -oE '[0-9]+' | sort -u)
listed=$(grep -oE '^[0-9]+' "$table" | sort)
everywhere=$(grep -hoE '^[0-9]+' "$table" tests/*/mutants.txt | sort -u)
odd=$(comm -23 <(echo "$planted") <(echo "$everywhere") && comm -13 <(echo "$planted") \
    <(echo "$listed"))
if [ -n "$odd" ] && [ "$table" = tests/mutants.txt ]; then
    echo "FAIL in src but in no tests/**/mutants.txt, or in $table twice or not in src:" "${odd//$'\n'/ }"
    failed=1
fi
for killer in $(printf '%s\n' "${rows[@]}" | awk '{print $5}' | sort -u | grep -v '^sim:'); do
    if ! passes_without "$killer"; then
        echo "FAIL $killer fails without any mistake"
        failed=$((failed + 1))
    fi
done

if [ "$mode" = quick ]; then
    echo "${#rows[@]} mutants: what dies at once, and part $part of $share of the rest" \
        "(commit $commit)"
fi
row '' N mutant kind rule 'killed by' 'at seed'
for line in "${rows[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    # shellcheck disable=SC2086
    try_mutant $line 2>/dev/null &
done
wait

passed=0
for line in "${rows[@]}"; do
    if grep -q '^ok ' "$results/${line%% *}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
for kind in safety liveness api storage decoder; do
    for line in "${rows[@]}"; do
        awk -v kind=$kind '$1 == "ok" && $4 == kind && $NF ~ /^[0-9]+$/ {print $NF}' \
            "$results/${line%% *}"
    done | summary $kind || {
        echo "FAIL more than half of the $kind mutants outlive $median_max seeds"
        failed=$((failed + 1))
    }
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
