#!/usr/bin/env bash
# purity.sh OBJECT...: the objects of src/paxos may call each other, mem* and the CHECK handler.
# Anything else (a clock, malloc, a socket, printf) is named with the object that wants it.
set -u
if [ $# -eq 0 ]; then
    echo "purity.sh: no objects of src/paxos" >&2
    exit 1
fi
nm -A --format=sysv "$@" | awk -F '|' '
BEGIN {
    split("memcpy memset memcmp memmove", mem, " ")
    for (i in mem) {
        allowed[mem[i]] = 1
        allowed["__" mem[i] "_chk"] = 1    # -D_FORTIFY_SOURCE
    }
    allowed["base_check_failed"] = 1
    allowed["__stack_chk_fail"] = 1        # -fstack-protector
}
NF == 7 {
    gsub(/ /, "")
    object = $1
    name = $1
    sub(/:[^:]*$/, "", object)
    sub(/.*:/, "", name)
    if ($3 == "U" || $3 == "w") {
        wanted[object " " name] = 1
    } else {
        allowed[name] = 1
    }
    # Writable static data: a pure function has no memory of its own.
    if ($7 ~ /^(\*COM\*|\.bss|\.data)/ && $7 !~ /^\.data\.rel\.ro/ && name !~ /^\./) {
        print object ": keeps state in " name
        bad = 1
    }
}
END {
    for (key in wanted) {
        split(key, pair, " ")
        if (!(pair[2] in allowed)) {
            print pair[1] ": calls " pair[2]
            bad = 1
        }
    }
    exit bad
}
'
