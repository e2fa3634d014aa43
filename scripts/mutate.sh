#!/bin/bash
# scripts/mutate.sh [N…]: do the tests notice when a clause is broken?
#
# Reads tests/conformance/mutations.tsv: n, clause, file, line, replacement, test program. For each mutation
# (or only those given) the line, which must be in the file exactly once, however it is broken and indented, is
# replaced in a copy of the sources in $BUILD/mutants. The file is compiled and linked in front of the library,
# where it takes the place of the object it was made from, and the test program is run. It must turn red, and
# a test that names the clause in its "shows:" comment must be among those that fail.
# The sources themselves aren't touched, nor is the library.
#
# $BUILD must hold the tests built; `make mutants` sees to that and hands over CC, FLAGS and LIBS.
# Exit status 1 if a mutant survives, or one can't be made.
set -u
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}
CC=${CC:-gcc}
FLAGS=${FLAGS:?run it by make mutants}
LIBS=${LIBS:?run it by make mutants}
table=tests/conformance/mutations.tsv
tree=$BUILD/mutants
rm -rf "$tree"
mkdir -p "$tree"
tree=$(cd "$tree" && pwd)
cp -r stack apps tests "$tree"
BUILD=$(cd "$BUILD" && pwd)
objects=$(find "$BUILD/obj/tests/common" -name '*.o' | LC_ALL=C sort)
killed=0 bad=0
cd "$tree" || exit 2

# claims: ID, file, test
find tests/stack tests/apps -name 'test_*.c' | LC_ALL=C sort | xargs awk -f "$OLDPWD/scripts/claims.awk" >"$tree/claims"

not_ok() {
    echo "not ok - $1"
    bad=$((bad + 1))
}

# run PROGRAM NAME: the tests that fail, one a line, in $tree/NAME.failed, and the exit status.
run() {
    local tap=$tree/$2.tap status
    rm -f "$tap"
    CK_FORK=no CK_TAP_LOG_FILE_NAME=$tap timeout 60 "$1" >"$tree/$2.log" 2>&1
    status=$?
    if [ $status -gt 1 ]; then # it died or hung: once more with a process a test, so that the others still report
        CK_FORK=yes CK_DEFAULT_TIMEOUT=4 CK_TAP_LOG_FILE_NAME=$tap timeout 120 "$1" >>"$tree/$2.log" 2>&1
    fi
    grep '^not ok ' "$tap" 2>/dev/null | awk -F: '{ for (i = 2; i <= NF; i++) { sub(/^ +/, "", $i); print $i } }' | sort -u >"$tree/$2.failed"
    return $status
}

# mutate FILE TEXT REPLACEMENT: the mutated file is written to standard output. 1: not there exactly once.
mutate() {
    TEXT=$2 REPLACEMENT=$3 awk '
        BEGIN { # words, taken literally, with any white space between them
            RS = "\001"
            want = ENVIRON["TEXT"]
            gsub(/[][\\^$.|?*+(){}\/]/, "\\\\&", want)
            gsub(/[ \t]+/, "[ \t\n]+", want)
        }
        {
            if (!match($0, want)) exit
            before = substr($0, 1, RSTART - 1)
            after = substr($0, RSTART + RLENGTH)
            hits = 1 + match(after, want)
            printf "%s%s%s", before, ENVIRON["REPLACEMENT"], after
        }
        END { exit hits != 1 }' "$1"
}

declare -A clean # programs that were green before anything was changed
try() {
    local n=$1 clause=$2 file=$3 line=$4 replacement=$5 program=$6
    local what="$clause: mutation $n of $file"
    local shown
    shown=$(awk -F '\t' -v id="$clause" -v f="$program.c" '$1 == id && $2 == f { print $3 }' "$tree/claims" | sort -u)
    if [ -z "$shown" ]; then
        not_ok "$what: $program.c doesn't name the clause"
        return
    fi
    if [ ! -x "$BUILD/$program" ]; then
        not_ok "$what: $BUILD/$program isn't built"
        return
    fi
    if [ -z "${clean[$program]:-}" ]; then
        if ! run "$BUILD/$program" clean; then
            not_ok "$what: $program fails as it is: $(tr '\n' ' ' <"$tree/clean.failed")"
            return
        fi
        clean[$program]=yes
    fi
    if ! mutate "$file" "$line" "$replacement" >mutant.c; then
        not_ok "$what: the line isn't there exactly once: $line"
        return
    fi
    cp "$file" whole.c
    cp mutant.c "$file"
    rm -f mutant.o mutant
    # shellcheck disable=SC2086 # -w: what the mutation leaves unused is no matter
    $CC $FLAGS -w -c -o mutant.o "$file" 2>compile.log &&
        $CC -o mutant "$BUILD/obj/$program.o" mutant.o $objects "$BUILD/libtapdeck-apps.a" \
            "$BUILD/libtapdeck-dev.a" "$BUILD/libtapdeck.a" $LIBS 2>>compile.log
    cp whole.c "$file"
    if [ ! -x mutant ]; then
        not_ok "$what: doesn't compile: $(head -n 3 compile.log | tr '\n' ' ')"
        return
    fi
    run "$tree/mutant" mutant
    local status=$? by
    by=$(comm -12 "$tree/mutant.failed" <(echo "$shown") | tr '\n' ' ')
    if [ -n "$by" ]; then
        echo "ok - $clause: ${file#stack/} \"${replacement# }\" turned red: ${by% }"
        killed=$((killed + 1))
    elif [ $status -ne 0 ]; then
        not_ok "$what: red, but not by what shows the clause ($(tr '\n' ' ' <<<"$shown")): $(tr '\n' ' ' <"$tree/mutant.failed")"
    else
        not_ok "$what survived: $replacement"
    fi
}

# An empty column would be swallowed by read: a replacement of nothing is written as ";".
while IFS=$'\t' read -r n clause file line replacement program; do
    case $n in '' | '#'* | n) continue ;; esac
    if [ $# -gt 0 ]; then
        [[ " $* " == *" $n "* ]] || continue
    fi
    try "$n" "$clause" "$file" "$line" "$replacement" "$program"
done <"$table"
echo "$killed mutants turned their tests red, $bad did not"
[ $bad -eq 0 ] && [ $killed -gt 0 ]
