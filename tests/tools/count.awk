# Reads what one test program printed; prints "PASSED FAILED".
# cmocka closes with its own lines; everything else with `N passed, N failed`.
/^\[  PASSED  \] [0-9]+ test/ { passed += $4; counted = 1 }
/^\[  FAILED  \] [0-9]+ test/ { failed += $4; counted = 1 }
/^[0-9]+ passed, [0-9]+ failed$/ { last_passed = $1; last_failed = $3; closed = 1 }
END {
    if (closed) {
        print last_passed, last_failed
    } else if (counted) {
        print passed + 0, failed + 0
    } else {
        print "-", "-"
    }
}
