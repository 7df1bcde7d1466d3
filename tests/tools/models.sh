#!/usr/bin/env bash
# models.sh check|full: the models of tests/models, exhaustively, with Spin.
#
# check: the runs of tests/models/runs.txt marked `check`, which must end without an error and
# with every state seen; then each mutant of mutants.txt, which must end with one. The same for
# the real core: `explore` and the mistakes marked `core` there (tests/models/README.md).
# full: the larger runs, within MODEL_TIMEOUT seconds (600) and MODEL_MEMORY_MB (8000) each.
# A line a run; closes with `N passed, N failed`.
set -u
unset MAKEFLAGS MAKELEVEL VARIANT MUTANT
kind=${1:-check}
models=$PWD/tests/models
jobs=${JOBS:-$(nproc)}
limit_s=${MODEL_TIMEOUT:-600}
memory_mb=${MODEL_MEMORY_MB:-8000}
# Of a short run most of the time goes into compiling pan.c: tcc needs no time for that.
compiler="gcc -O1"
if [ "$kind" = full ]; then
    compiler="gcc -O2"
    jobs=1 # two of full size side by side would not fit into memory
fi

for tool in spin tcc; do
    command -v $tool >/dev/null || { echo "models.sh: no $tool (make deps-check)" >&2; exit 1; }
done
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
rows=0
if ! make --no-print-directory -j"$jobs" build/release/explore >"$results/build" 2>&1; then
    tail -n 40 "$results/build"
    exit 1
fi
trim() { sed 's/^ *//; s/ *$//' <<<"$1"; }

# run_pan FOLDER MODEL SPIN_FLAGS COMPILER PAN_FLAGS: answers in FOLDER/out and VERDICT: clean
# (all states, no error), error (one found) or the reason there is no answer.
run_pan() {
    local folder=$1 model=$2 code
    mkdir -p "$folder"
    # shellcheck disable=SC2086
    if ! (cd "$folder" && spin -a $3 "$models/$model.pml" &&
        $4 -w -DNOFAIR -DNOREDUCE -DMEMLIM="$memory_mb" -o pan pan.c) \
        >"$folder/out" 2>&1; then
        VERDICT="it did not build"
        return
    fi
    # shellcheck disable=SC2086
    (cd "$folder" && timeout "$limit_s" ./pan -E -m5000000 $5) >"$folder/out" 2>&1
    code=$?
    if [ $code -eq 124 ]; then
        VERDICT="not done after $limit_s s"
    elif grep -q 'max search depth too small\|out of memory\|Search not completed' \
        "$folder/out" && ! grep -q 'errors: [1-9]' "$folder/out"; then
        VERDICT="it did not see all states"
    elif grep -q 'errors: 0$' "$folder/out"; then
        VERDICT=clean
    elif grep -q 'errors: [1-9]' "$folder/out"; then
        VERDICT=error
    else
        VERDICT="pan ended with code $code"
    fi
}

states_of() { grep -m1 -o '[0-9.e+]* states, stored' "$1" | cut -d' ' -f1; }

row() { # row FILE ok|FAIL TEXT...
    local file=$1 mark=$2
    shift 2
    printf '%-4s %s\n' "$mark" "$(printf '%s ' "$@")" >"$file"
}

# run_core FOLDER PROGRAM ARGUMENTS: the real core, the same verdicts.
run_core() {
    local folder=$1 code
    mkdir -p "$folder"
    # shellcheck disable=SC2086
    timeout "$limit_s" "$2" $3 >"$folder/out" 2>&1
    code=$?
    case $code in
    0) VERDICT=clean ;;
    1) VERDICT=error ;;
    3) VERDICT="it did not see all states" ;;
    124) VERDICT="not done after $limit_s s" ;;
    *) VERDICT="explore ended with code $code" ;;
    esac
}

try_run() { # ROW_FILE MODEL NAME SPIN GCC PAN
    local VERDICT started=$SECONDS folder="$1.run"
    if [ "$2" = core ]; then
        run_core "$folder" build/release/explore "$4"
    else
        case $5 in
        tcc*) run_pan "$folder" "$2" "$4" "$5" "$6" ;;
        *) run_pan "$folder" "$2" "$4" "$compiler $5" "$6" ;;
        esac
    fi
    if [ "$VERDICT" = clean ]; then
        row "$1" ok "$(printf '%-11s %-34s' "$2" "$3")" "$(states_of "$folder/out") states," \
            "$((SECONDS - started)) s"
    else
        row "$1" FAIL "$2 $3: $VERDICT"
        tail -n 15 "$folder/out" | sed 's/^/     /' >>"$1"
    fi
    rm -rf "$folder"
}

try_mutant() { # ROW_FILE MODEL NUMBER NAME SPIN GCC PAN
    local VERDICT folder="$1.run"
    if [ "$2" != core ]; then
        run_pan "$folder" "$2" "$5 -DMUTANT=$3" "tcc $6" "$7"
    elif make --no-print-directory MUTANT="$3" KILLER=explore "build/mutant/$3/explore" >"$1.log" 2>&1; then
        run_core "$folder" "build/mutant/$3/explore" "$5"
    else
        VERDICT="it did not build: $(tail -n 3 "$1.log")"
    fi
    if [ "$VERDICT" = error ] && grep -q 'found=.* at tests/models/' "$folder/out"; then
        VERDICT="explore itself failed: $(grep -m1 -o 'found=.*' "$folder/out")"
    fi
    case $VERDICT in
    error) row "$1" ok "$(printf '%-11s %3s %-36s' "$2" "$3" "$4")" \
        "$(grep -m1 -o 'assertion violated\|found=.*' "$folder/out")," \
        "$(states_of "$folder/out") states" ;;
    clean) row "$1" FAIL "$2 $3 $4 survived" ;;
    *) row "$1" FAIL "$2 $3 $4: $VERDICT" ;;
    esac
    rm -rf "$folder"
}

start() { # runs `$@ ROW_FILE ...` as soon as a processor is free
    local verb=$1
    shift
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    rows=$((rows + 1))
    "$verb" "$results/$(printf '%04d' $rows).row" "$@" &
}

while IFS='|' read -r head spin_flags gcc_flags pan_flags; do
    read -r when model name <<<"$head"
    if [ "$when" = "$kind" ]; then
        start try_run "$model" "$name" "$(trim "$spin_flags")" "$(trim "$gcc_flags")" \
            "$(trim "$pan_flags")"
    fi
done < <(grep -Ev '^[[:space:]]*(#|$)' "$models/runs.txt")
if [ "$kind" = check ]; then
    while IFS='|' read -r head spin_flags gcc_flags; do
        read -r model number name <<<"$head"
        start try_mutant "$model" "$number" "$name" "$(trim "$spin_flags")" \
            "$(trim "${gcc_flags:--DSAFETY}")" "-w18"
    done < <(grep -Ev '^[[:space:]]*(#|$)' "$models/mutants.txt")
fi
wait

cat "$results"/*.row
passed=$(cat "$results"/*.row | grep -c '^ok ')
failed=$((rows - passed))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ "$passed" -gt 0 ]
