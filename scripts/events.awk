# scripts/events.awk: the catalogue of events as a page, from stack/core/events.def. `make docs` writes stack/EVENTS.md.
function cell(s) { gsub(/\|/, "\\|", s); return s }
BEGIN {
    FS = "\""
    meaning["drop"] = "something was thrown away"
    meaning["error"] = "something failed"
    meaning["state"] = "a transition"
    meaning["action"] = "a decision worth telling: a retransmission, a window cut"
    meaning["detail"] = "a step of every packet's way"
}
/^\/\* -- .* -- \*\/$/ {
    section = $0
    sub(/^\/\* -- /, "", section)
    sub(/ -- \*\/$/, "", section)
    sections[++nsections] = section
    next
}
/^EVENT\(/ {
    if (NF != 9) { printf "events.awk: line %d is not an event as the others are\n", NR >"/dev/stderr"; exit 1 }
    kind = $3
    gsub(/[, ]|EVK_/, "", kind)
    kind = tolower(kind)
    if (!(kind in meaning)) { printf "events.awk: line %d has no kind that is known\n", NR >"/dev/stderr"; exit 1 }
    rows[section] = rows[section] sprintf("| `%s` | %s | %s | %s | %s |\n", $2, kind, cell($8), \
        $6 == "" ? "" : "`" cell($6) "`", $4 == "-" ? "" : $4)
    count[kind]++
    total++
}
END {
    print "# What the stack says of itself"
    print ""
    print "The catalogue of the journal, written by `make docs` from [core/events.def](core/events.def); " \
        "`tapdeck why catalogue` prints the"
    print "same from a running daemon. `{name}` stands for a field. At the level (`sysctl tapdeck.journal.level`) 0 " \
        "events are only"
    print "counted, at 1, the default, all are kept but details, at 2 all."
    print ""
    print "| kind | kept from level | events | what it is |"
    print "|---|---|---|---|"
    n = split("drop error state action detail", order, " ")
    for (i = 1; i <= n; i++)
        printf "| %s | %d | %d | %s |\n", order[i], order[i] == "detail" ? 2 : 1, count[order[i]], meaning[order[i]]
    print ""
    print "Types of fields: `ip`, `mac`, `port`, `ports` (from and to), `prefix`, `if` (an interface), `seq` (a sequence " \
        "number), `bytes`,"
    print "`pkts`, `ns` (a duration), `u32`, `u64`, `i64`, `hex`, `bool`, `proto`, `icmp` (type and code), `tcpflags`, " \
        "`tcpstate`,"
    print "`neighstate`, `errno`, `word` (one of the fixed phrases of core/words.def), `knob`, `fault`, `nftext` (a name " \
        "of the packet filter)."
    for (i = 1; i <= nsections; i++) {
        printf "\n## %s\n\n", sections[i]
        print "| event | kind | what it says | fields | clause |"
        print "|---|---|---|---|---|"
        printf "%s", rows[sections[i]]
    }
}
