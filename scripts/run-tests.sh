#!/bin/bash
# scripts/run-tests.sh KIND…: runs the tests of these kinds and ends with "N passed, N failed".
#   unit      the libcheck programs $BUILD/tests/stack/**, $BUILD/tests/apps/** (two at a time)
#   scripts   tests/stack/**/test_*.sh, tests/apps/**/test_*.sh, tests/scripts/test_*.sh
#   e2e       tests/e2e/test_*.sh: real clients in namespaces of their own
#   drill     tests/drill/**.pkt: packet scripts, each against a stack in virtual time
#   fuzz      every fuzz target for $FUZZ_SECONDS (default 5) seconds
#   valgrind  the unit programs under valgrind memcheck
# unit:start and valgrind:start begin such a run in the background, with low priority, and the kind itself, later,
# waits for it: end-to-end tests wait most of their time, and something else may use the processor meanwhile.
# Scripts print "ok - what" and "not ok - what" lines; "ok - what # SKIP why" counts as skipped.
# Each test's result goes to $BUILD/results/ too, for scripts/conformance.sh.
# ONLY=pattern runs only the tests whose path matches. SANITIZED=1: the build has sanitizers.
set -u
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
ONLY=${ONLY:-}
results=$BUILD/results
mkdir -p "$results"
passed=0 failed=0 skipped=0
failures=()
export BUILD
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

selected() {
    [ -z "$ONLY" ] || [[ $1 == *$ONLY* ]]
}

# One libcheck program: output to a .log, Check's per-test lines to a .tap.
unit_one() {
    local program=$1 name=${1#"$BUILD"/}
    local base=$BUILD/results/${name//\//.}
    rm -f "$base.tap"
    # One process for all cases: thousands a second, and leaks are seen at exit. A program that dies
    # is run again with a process a case, so that the others still report.
    CK_FORK=no CK_TAP_LOG_FILE_NAME=$base.tap timeout "${UNIT_TIMEOUT:-600}" "$program" >"$base.log" 2>&1
    local status=$?
    if [ $status -gt 1 ]; then
        { echo "[exit status $status without fork]"; CK_FORK=yes CK_TAP_LOG_FILE_NAME=$base.tap timeout 600 "$program"; } >>"$base.log" 2>&1
    fi
    echo $status >"$base.status"
}
export -f unit_one

# VALGRIND tells the property tests to take fewer rounds: memory errors don't hide in the thousandth
# seed.
valgrind_one() {
    local program=$1 name=${1#"$BUILD"/}
    local base=$BUILD/results/${name//\//.}.valgrind
    VALGRIND=1 CK_FORK=no CK_DEFAULT_TIMEOUT=0 timeout 900 valgrind -q --error-exitcode=9 \
        --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
        "$program" >"$base.log" 2>&1
    echo $? >"$base.status"
}
export -f valgrind_one

count_unit() {
    local program=$1 name=${1#"$BUILD"/} kind=$2
    local base=$results/${name//\//.} status ok=0 bad=0
    status=$(cat "$base.status" 2>/dev/null || echo 255)
    if [ -f "$base.tap" ]; then
        ok=$(grep -c '^ok ' "$base.tap")
        bad=$(grep -c '^not ok ' "$base.tap")
    fi
    # A crash, a leak at exit or a program that ran nothing is a failure of its own.
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        bad=1
    elif [ "$status" = 0 ] && [ "$ok" = 0 ]; then
        bad=1
    fi
    passed=$((passed + ok)) failed=$((failed + bad))
    if [ "$bad" != 0 ]; then
        failures+=("$name")
        printf 'FAIL %-44s %d passed, %d failed (status %s)\n' "$name" "$ok" "$bad" "$status"
        tail -n 40 "$base.log" | sed 's/^/     | /'
    else
        printf 'ok   %-44s %d\n' "$name" "$ok"
    fi
}

# A script of ok / not ok lines: its output to a .log.
script_run() { # SCRIPT LIMIT
    local script=$1 limit=$2 name=${1%.sh}
    local base=$BUILD/results/${name//\//.}
    # Its own process group, so that nothing it started outlives it.
    timeout --kill-after=10 "$limit" bash "$script" >"$base.log" 2>&1 </dev/null
    echo $? >"$base.status"
    cp "$base.log" "$base.tap"
}
export -f script_run

script_count() { # SCRIPT
    local script=$1 name=${1%.sh}
    local base=$results/${name//\//.} status ok bad skip
    status=$(cat "$base.status" 2>/dev/null || echo 255)
    skip=$(grep -c '^ok .*# SKIP' "$base.log")
    ok=$(($(grep -c '^ok ' "$base.log") - skip))
    bad=$(grep -c '^not ok ' "$base.log")
    if [ $status -ne 0 ] && [ "$bad" = 0 ]; then
        bad=1
    elif [ $status -eq 0 ] && [ $((ok + skip)) = 0 ]; then
        bad=1
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    grep '^ok .*# SKIP' "$base.log" | sed 's/^/     /'
    if [ "$bad" != 0 ]; then
        failures+=("$name")
        printf 'FAIL %-44s %d passed, %d failed (status %s)\n' "$name" "$ok" "$bad" "$status"
        tail -n 60 "$base.log" | sed 's/^/     | /'
    else
        printf 'ok   %-44s %d\n' "$name" "$ok"
    fi
}

script_one() { # SCRIPT LIMIT
    script_run "$1" "$2"
    script_count "$1"
}

# Two at a time, for they wait for the network and the clock most of their time; the longest first.
e2e_scripts() {
    local script
    for script in $(printf 'tests/e2e/test_%s.sh\n' scan trace; find tests/e2e -name 'test_*.sh' | LC_ALL=C sort); do
        selected "$script" && echo "$script"
    done | awk '!seen[$0]++'
}

# One packet script: it passes, or its report is shown. A script that can't be run here fails too: none of
# ours should need what drill hasn't got.
drill_one() {
    local script=$1 name=${1%.pkt} status
    local base=$results/${name//\//.}
    timeout 60 "$BUILD/tapdeck" drill "$script" >"$base.log" 2>&1 </dev/null
    status=$?
    if [ $status = 0 ]; then
        passed=$((passed + 1))
        echo "ok 1 - $script" >"$base.tap"
        printf 'ok   %s\n' "$script"
    else
        failed=$((failed + 1))
        echo "not ok 1 - $script" >"$base.tap"
        failures+=("$script")
        printf 'FAIL %s (status %s)\n' "$script" "$status"
        tail -n 30 "$base.log" | sed 's/^/     | /'
    fi
}

unit_programs() {
    local source program
    for source in $(find tests/stack tests/apps -name 'test_*.c' | LC_ALL=C sort); do
        program=$BUILD/${source%.c}
        selected "$program" && echo "$program"
    done
}

run_programs() { # KIND
    unit_programs | xargs -r -P 2 -I{} bash -c "$1_one {}"
}
declare -A started=()
for kind in "$@"; do
    echo "== $kind"
    case $kind in
    unit:start | valgrind:start)
        (renice -n 10 -p "$BASHPID" >/dev/null && run_programs "${kind%:start}") </dev/null &
        started[${kind%:start}]=$!
        ;;
    unit)
        if [ -n "${started[unit]:-}" ]; then wait "${started[unit]}"; else run_programs unit; fi
        for program in $(unit_programs); do count_unit "$program" unit; done
        ;;
    scripts)
        for script in $(find tests/stack tests/apps tests/scripts -name 'test_*.sh' 2>/dev/null | LC_ALL=C sort); do
            selected "$script" && script_one "$script" 300
        done
        ;;
    e2e)
        e2e_scripts | xargs -r -P "${E2E_JOBS:-2}" -I{} bash -c 'script_run {} "${E2E_TIMEOUT:-300}"'
        for script in $(e2e_scripts); do script_count "$script"; done
        ;;
    drill)
        for script in $(find tests/drill -name '*.pkt' 2>/dev/null | LC_ALL=C sort); do
            selected "$script" && drill_one "$script"
        done
        ;;
    fuzz)
        printf '#!/bin/bash\nexec tests/fuzz/run.sh %s\n' "${FUZZ_SECONDS:-5}" >"$results/fuzz.sh"
        script_one "$results/fuzz.sh" 900
        ;;
    valgrind)
        if [ -n "${started[valgrind]:-}" ]; then wait "${started[valgrind]}"; else run_programs valgrind; fi
        for program in $(unit_programs); do
            name=${program#"$BUILD"/}
            base=$results/${name//\//.}.valgrind
            if [ "$(cat "$base.status" 2>/dev/null)" = 0 ]; then
                passed=$((passed + 1))
                printf 'ok   valgrind %s\n' "$name"
            else
                failed=$((failed + 1))
                failures+=("valgrind $name")
                printf 'FAIL valgrind %s\n' "$name"
                grep -E '==[0-9]+==|%:' "$base.log" | head -n 40 | sed 's/^/     | /'
            fi
        done
        ;;
    *)
        echo "run-tests.sh: no kind of tests called '$kind'; there are unit, scripts, drill, e2e, fuzz, valgrind" >&2
        exit 2
        ;;
    esac
done

for name in "${failures[@]}"; do
    echo "failed: $name ($results/)"
done
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ] && [ $passed -gt 0 ]
