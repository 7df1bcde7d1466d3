#!/usr/bin/env bash
# tidy.sh FILE...: the rules of style that a machine can read.
# Files without a unit test of their own are listed with the reason in tests/tools/untested.txt.
set -u
export LC_ALL=C
untested=tests/tools/untested.txt
bad=0

awk '
BEGIN {
    banned["strcpy"] = banned["strcat"] = banned["sprintf"] = banned["vsprintf"] = 1
    banned["atoi"] = banned["atol"] = banned["strtok"] = banned["rand"] = banned["srand"] = 1
    banned["time"] = banned["gettimeofday"] = banned["alloca"] = banned["assert"] = 1
    why["time"] = why["gettimeofday"] = "time is passed in, from base/clock.c"
    why["rand"] = why["srand"] = "chance is passed in, from base/entropy.c"
    why["assert"] = "use CHECK: it stays on in release"
    why["atoi"] = why["atol"] = "it cannot report an error"
}
function say(line, text) {
    printf "%s:%d: %s\n", FILENAME, line, text
    bad = 1
}
function end_of_file() {
    limit = file ~ /^tests\/unit\// ? 650 : 600
    if (lines > limit) {
        printf "%s: %d lines, at most %d\n", file, lines, limit
        bad = 1
    }
    if (file ~ /\.h$/ && file ~ /^(src|include)\// && !has_thread) {
        printf "%s: no Thread: in its first comment\n", file
        bad = 1
    }
}
FNR == 1 {
    if (file != "") {
        end_of_file()
    }
    file = FILENAME
    has_thread = 0
}
{
    lines = FNR
    columns = length($0) - gsub(/[\200-\277]/, "&")    # bytes past the first of a character
    limit = /^ *(\/?\*|\/\/)/ ? 100 : 90    # comments hold tables and drawings
    if (columns > limit) {
        say(FNR, columns " columns, at most " limit)
    }
    if (/\t/) {
        say(FNR, "a tab")
    }
    if (/[ \r]$/) {
        say(FNR, "white space at the end")
    }
    if (/FIXME/ || (/TODO/ && !/TODO\(#[0-9]+\)/)) {
        say(FNR, "unfinished: write TODO(#issue) or finish it")
    }
    if (/Thread:/) {
        has_thread = 1
    }
    code = $0
    gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
    sub(/\/\/.*/, "", code)
    if (code ~ /^ *\/?\*( |$)/) {
        next
    }
    while (match(code, /[A-Za-z_][A-Za-z_0-9]*\(/)) {
        name = substr(code, RSTART, RLENGTH - 1)
        if (name in banned) {
            say(FNR, name "() is banned" (name in why ? ": " why[name] : ""))
        }
        code = substr(code, RSTART + RLENGTH)
    }
}
END {
    end_of_file()
    exit bad
}
' "$@" || bad=1

# Every src/FOLDER/FILE.c has tests/unit/test_FILE.c or test_FOLDER_FILE.c, or a listed reason.
for file in "$@"; do
    case $file in src/*/*.c) ;; *) continue ;; esac
    name=$(basename "$file" .c)
    folder=$(basename "$(dirname "$file")")
    if [ ! -e "tests/unit/test_$name.c" ] && [ ! -e "tests/unit/test_${folder}_$name.c" ] &&
        ! grep -q "^$file  *[^ ]" $untested 2>/dev/null; then
        echo "$file: no tests/unit/test_${folder}_$name.c, no reason in $untested"
        bad=1
    fi
done
if [ -r $untested ]; then
    while read -r file reason; do
        for path in "$file" $(grep -oE 'tests/[A-Za-z0-9_/.]+\.(c|sh|txt)' <<<"$reason"); do
            if [ ! -e "$path" ]; then
                echo "$untested: $path does not exist"
                bad=1
            fi
        done
    done < <(grep -Ev '^(#|$)' $untested)
fi
exit $bad
