#!/usr/bin/env bash
# layers.sh: who may include whom, as src/LAYERS says.
# Fails naming file:line, what it includes and the rule it breaks.
set -u
export LC_ALL=C
find src -name '*.[ch]' | sort | xargs awk '
BEGIN {
    # Read the law.
    while ((getline line < "src/LAYERS") > 0) {
        law_line++
        sub(/#.*/, "", line)
        if (line !~ /[^ \t]/) {
            continue
        }
        split(line, sides, ":")
        name = sides[1]
        gsub(/[ \t]/, "", name)
        rule[name] = line
        count = split(sides[2], parts, " ")
        for (i = 1; i <= count; i++) {
            may[name, parts[i]] = 1
            if (name !~ /^</ && !(parts[i] in rule)) {
                printf "src/LAYERS:%d: %s is not below %s\n", law_line, parts[i], name
                bad++
            }
        }
    }
    if (law_line == 0) {
        print "src/LAYERS is missing or empty"
        bad++
    }
}
function breaks(target) {
    printf "%s:%d: %s includes %s, but the rule is \"%s\"\n", FILENAME, FNR, folder, target, \
        (folder in rule) ? rule[folder] : folder ": (no line in src/LAYERS)"
    bad++
}
FNR == 1 {
    folder = FILENAME
    sub(/^src\//, "", folder)
    sub(/[\/.].*/, "", folder)    # base/x.c -> base, main.c -> main
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    target = $0
    sub(/^[^"]*"/, "", target)
    sub(/".*/, "", target)
    other = target
    if (sub(/\/.*/, "", other) == 0) {
        printf "%s:%d: include \"%s\" by its folder: \"folder/file.h\"\n", FILENAME, FNR, target
        bad++
    } else if (other != folder && !((folder, other) in may)) {
        breaks("\"" target "\"")
    }
}
/^[ \t]*#[ \t]*include[ \t]*</ {
    target = $0
    sub(/^[^<]*/, "", target)
    sub(/>.*/, ">", target)
    if (target ~ /^<consens\//) {
        other = target
        sub(/^<consens\//, "", other)
        sub(/\..*/, "", other)    # <consens/paxos.h> is the public face of src/paxos
        if (other != folder && !((folder, other) in may)) {
            breaks(target)
        }
    } else if ((target in rule) && !((target, folder) in may)) {
        printf "%s:%d: %s includes %s, but the rule is \"%s\"\n", FILENAME, FNR, folder, target, \
            rule[target]
        bad++
    }
}
END { exit bad > 0 }
'
