# coverage.awk: what a run of the simulator came through, summed over its processes.
# Reads the lines of tests/sim/tally.c:
#   tally seeds N
#   tally GROUP NAME COUNT must|rare|may WORDS...     GROUP: mark, point, fault, work,
#                                                     disk, shape, liveness
#   tally ratio NAME PART WHOLE PERCENT-MIN PERCENT-MAX
# A run of at least `least` seeds fails in a group where something that must happen never did
# (a line for each; what is rare must only in 20,000 seeds), and where a ratio is out of its range. Marks hit less than 100 times per
# 10,000 seeds are listed. The last line is `checks PASSED FAILED`.
BEGIN {
    rare_per_10000 = 100
    long_run = 20000
}
$1 != "tally" {
    next
}
$2 == "seeds" {
    seeds += $3
    next
}
$2 == "ratio" {
    part[$3] += $4
    whole[$3] += $5
    low[$3] = $6
    high[$3] = $7
    next
}
{
    key = $2 " " $3
    if (!(key in count)) {
        order[++keys] = key
        group[key] = $2
        need[key] = $5
        words[key] = ""
        for (i = 6; i <= NF; i++) {
            words[key] = words[key] (i > 6 ? " " : "") $i
        }
        if (!($2 in in_group)) {
            groups[++group_count] = $2
            in_group[$2] = 0
            failed_in[$2] = 0
        }
    }
    count[key] += $4
}
END {
    if (seeds < least) {
        print "checks 0 0"
        exit
    }
    for (i = 1; i <= keys; i++) {
        key = order[i]
        if (need[key] == "may" || (need[key] == "rare" && seeds < long_run && count[key] == 0)) {
            continue
        }
        in_group[group[key]]++
        if (count[key] == 0) {
            printf "never in %d seeds: %s (%s)\n", seeds, key, words[key]
            failed_in[group[key]]++
        } else if (group[key] == "mark" && count[key] * 10000 < rare_per_10000 * seeds) {
            printf "rare: %s, %.0f per 10,000 seeds (%s)\n", key, count[key] * 10000 / seeds, \
                words[key]
        }
    }
    for (name in part) {
        percent = whole[name] > 0 ? part[name] * 100 / whole[name] : 0
        in_group["work"]++
        if (percent < low[name] || percent > high[name]) {
            printf "%s: %.0f %%, not within %d to %d %%\n", name, percent, low[name], high[name]
            failed_in["work"]++
        }
    }
    for (i = 1; i <= group_count; i++) {
        name = groups[i]
        bad = failed_in[name] > 0
        printf "%s %s: %d of %d seen in %d seeds\n", bad ? "FAIL" : "ok  ", name, \
            in_group[name] - failed_in[name], in_group[name], seeds
        failed += bad
        passed += !bad
    }
    print "checks " passed + 0, failed + 0
}
