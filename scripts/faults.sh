#!/bin/bash
# scripts/faults.sh [NAME…]: does each deliberate bug turn the tests of its clauses red?
#
# Reads the catalogue stack/core/faults.def: name, requirement rows. For each fault (or only those named) and
# each of its rows, the test programs that claim the row ("shows:" comments) run with the fault on
# (TAPDECK_FAULT). For each row at least one test that names it must fail; and the same programs must be
# green without the fault. $BUILD must hold the tests built; `make faults` sees to that.
# Exit status 1 if a fault leaves a row green, or names a row nobody claims.
set -u
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find tests/stack tests/apps -name 'test_*.c' | LC_ALL=C sort | xargs awk -f scripts/claims.awk >"$work/claims"
sed -n 's/^FAULT([A-Z0-9_]*, "\([^"]*\)", "\([^"]*\)".*/\1\t\2/p' stack/core/faults.def >"$work/faults"
passed=0 failed=0

# run PROGRAM FAULT: its failing tests, one a line, go to $work/red
run() {
    local tap=$work/tap
    rm -f "$tap"
    if [ -n "$2" ]; then export TAPDECK_FAULT=$2; else unset TAPDECK_FAULT; fi
    CK_DEFAULT_TIMEOUT=20 CK_TAP_LOG_FILE_NAME=$tap timeout 300 "$1" >"$work/log" 2>&1
    unset TAPDECK_FAULT
    grep '^not ok ' "$tap" 2>/dev/null | awk -F: '{ for (i = 2; i <= NF; i++) { sub(/^ +/, "", $i); print $i } }' | sort -u >"$work/red"
}

declare -A clean
while IFS=$'\t' read -r name rows; do
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) ;; *) continue ;; esac
    fi
    programs=$(for row in $rows; do awk -F '\t' -v id="$row" '$1 == id { print $2 }' "$work/claims"; done | sort -u)
    : >"$work/allred"
    for source in $programs; do
        program=$BUILD/${source%.c}
        if [ ! -x "$program" ]; then
            echo "not ok - $name: $program isn't built"
            failed=$((failed + 1))
            continue
        fi
        if [ -z "${clean[$program]:-}" ]; then
            run "$program" ""
            clean[$program]=yes
            if [ -s "$work/red" ]; then
                echo "not ok - $program is red without any fault: $(tr '\n' ' ' <"$work/red")"
                failed=$((failed + 1))
            fi
        fi
        run "$program" "$name"
        sed "s|^|$source\t|" "$work/red" >>"$work/allred"
    done
    for row in $rows; do
        by=$(awk -F '\t' -v id="$row" 'NR == FNR { red[$1 FS $2] = 1; next } $1 == id && ($2 FS $3) in red { print $3 }' \
            "$work/allred" "$work/claims" | sort -u | tr '\n' ' ')
        if [ -n "$by" ]; then
            echo "ok - $name: $row red: ${by% }"
            passed=$((passed + 1))
        else
            echo "not ok - $name: $row stays green, or nothing claims it"
            failed=$((failed + 1))
        fi
    done
done <"$work/faults"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
