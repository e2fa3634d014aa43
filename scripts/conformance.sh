#!/bin/bash
# scripts/conformance.sh [-v] [TABLE…]: which test shows each clause of the requirement tables.
#
# Reads tests/conformance/*.tsv (the clauses), the comments "/* shows: ID ID */" above START_TEST in
# tests/**.c, "# shows: ID ID" in tests/**.sh and "// shows: ID ID" in tests/drill/*.pkt, tests/conformance/notes.tsv (ID, na or open, why),
# and the results of the last run in $BUILD/results. A clause is
#     shown     at least one test names it, and every one that does passed in the last run
#     FAILED    a test that names it failed, or has no result
#     n/a       it doesn't apply: the reason is printed
#     open      nothing shows it yet
# The whole table goes to $BUILD/conformance.txt; printed are the totals, and with -v every row.
# Exit status 1 if a clause is FAILED, a test or a note names an id that isn't in any table, a note stands twice or
# beside a test that shows its clause, or a clause of a settled table is open without a reason.
set -u
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}
verbose=0
if [ "${1:-}" = -v ]; then
    verbose=1
    shift
fi
tables=("$@")
[ ${#tables[@]} -gt 0 ] || tables=(rfc9293 rfc1122-ip arp-icmp tcp-state-table tcp-extensions rfc1812 link attacks)
notes=tests/conformance/notes.tsv
settled="rfc9293 rfc1122-ip arp-icmp tcp-state-table tcp-extensions rfc1812 link" # the tables whose every open row says why
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# claims: ID <tab> file <tab> test
find tests/stack tests/apps -name 'test_*.c' | LC_ALL=C sort | xargs awk -f scripts/claims.awk >"$work/claims"
find tests/e2e tests/stack tests/apps -name 'test_*.sh' 2>/dev/null | LC_ALL=C sort | xargs -r awk '
    /^[ \t]*# shows:/ {
        n = split(substr($0, index($0, "shows:") + 6), a, /[ ,\t]+/)
        for (i = 1; i <= n; i++) if (a[i] != "") print a[i] "\t" FILENAME "\t-"
    }' >>"$work/claims"
find tests/drill -name '*.pkt' 2>/dev/null | LC_ALL=C sort | xargs -r awk '
    /^\/\/ shows:/ {
        n = split(substr($0, index($0, "shows:") + 6), a, /[ ,\t]+/)
        for (i = 1; i <= n; i++) if (a[i] != "") print a[i] "\t" FILENAME "\t-"
    }' >>"$work/claims"

# results: file <tab> test <tab> pass|fail    (Check: "ok 3 - …/test_x.c:case:test_name: Passed")
for tap in "$BUILD"/results/tests.*.tap; do
    [ -f "$tap" ] || continue
    base=$(basename "$tap" .tap)
    path=${base//./\/}
    if [ -f "$path.c" ]; then
        awk -v file="$path.c" '
            /^(not )?ok [0-9]+ - / {
                verdict = /^ok/ ? "pass" : "fail"
                line = $0; sub(/^(not )?ok [0-9]+ - /, "", line)
                n = split(line, part, ":")
                for (i = 2; i <= n; i++) { sub(/^ +/, "", part[i]); print file "\t" part[i] "\t" verdict }
            }' "$tap"
    elif [ -f "$path.sh" ]; then
        if grep -q '^not ok' "$tap"; then verdict=fail; elif grep -q '^ok' "$tap"; then verdict=pass; else continue; fi
        printf '%s.sh\t-\t%s\n' "$path" $verdict
    elif [ -f "$path.pkt" ]; then
        if grep -q '^not ok' "$tap"; then verdict=fail; else verdict=pass; fi
        printf '%s.pkt\t-\t%s\n' "$path" $verdict
    fi
done >"$work/results"

files=()
for t in "${tables[@]}"; do files+=("tests/conformance/$t.tsv"); done
[ -f $notes ] || : >"$work/none"
[ -f $notes ] || notes=$work/none

awk -F '\t' -v claims="$work/claims" -v results="$work/results" -v notes="$notes" \
    -v verbose=$verbose -v out="$BUILD/conformance.txt" -v alltables="${#tables[@]}" -v settled=" $settled " '
    function fault(what) { faults = faults what "\n"; nfaults++ }
    BEGIN {
        while ((getline < results) > 0) {
            key = $1 SUBSEP $2
            if ($3 == "fail") bad[key] = 1
            else good[key] = 1
        }
        while ((getline < claims) > 0) {
            claim[$1] = claim[$1] (claim[$1] == "" ? "" : "\n") $2 "\t" $3
            claimed[$1] = $2 ":" $3
        }
        while ((getline < notes) > 0) if ($1 !~ /^#/ && $1 != "id") {
            if ($1 in note) fault($1 ": noted twice in notes.tsv")
            if (($2 != "na" && $2 != "open") || $3 == "") fault($1 ": its note in notes.tsv isn\047t ID, na or open, reason")
            note[$1] = $2; why[$1] = $3
        }
        printf "" > out
    }
    FNR == 1 { table = FILENAME; sub(/.*\//, "", table); sub(/\.tsv$/, "", table); order[++ntables] = table; next }
    {
        id = $1; known[id] = 1; level = (table == "tcp-state-table") ? $7 : $2; text = (table == "tcp-state-table") ? $2 " " $3 ": " $5 : (table == "attacks" ? $3 : $4)
        total[table]++
        state = "open"; by = ""
        if (id in claim) {
            state = "shown"
            if (id in note) fault(id ": tests show it, and yet notes.tsv has it as " note[id])
            n = split(claim[id], c, "\n")
            for (i = 1; i <= n; i++) {
                split(c[i], f, "\t"); key = f[1] SUBSEP f[2]
                short = f[1]; sub(/^tests\//, "", short)
                if (key in bad || !(key in good)) { state = "FAILED"; by = by " " short ":" f[2] "(" (key in bad ? "failed" : "no result") ")" }
                else by = by " " short (f[2] == "-" ? "" : ":" f[2])
            }
        } else if (id in note) { state = (note[id] == "na") ? "n/a" : "open"; by = " " why[id] }
        else if (index(settled, " " table " ")) fault(id ": open, and no note says why")
        count[table, state]++; sum[state]++
        line = sprintf("%-16s %-10s %-7s%s", id, level, state, by)
        print line > out
        if (verbose) print line
        else if (state == "FAILED") print line
    }
    END {
        for (i = 1; i <= ntables; i++) {
            t = order[i]
            printf "%-16s %4d rows: %4d shown, %4d n/a, %4d open, %d failed\n", t, total[t], count[t, "shown"], count[t, "n/a"], count[t, "open"], count[t, "FAILED"]
        }
        if (alltables == 8) {
            for (id in claimed) if (!(id in known)) fault("no such clause: " id " (named by " claimed[id] ")")
            for (id in note) if (!(id in known)) fault("no such clause: " id " (in notes.tsv)")
        }
        printf "%s", faults
        status = sum["FAILED"] > 0 || nfaults > 0
        printf "every row with the tests that show it: %s\n", out
        exit status
    }' "${files[@]}"
