# scripts/claims.awk: which test names which clause. Reads test sources, prints ID <tab> file <tab> test for
# each id in the comments "/* shows: ID ID */" above a START_TEST. conformance.sh and mutate.sh use it.
FNR == 1 { ids = ""; open_comment = 0 }
/\/\* shows:/ { open_comment = 1; line = $0; sub(/.*\/\* shows:/, "", line) }
open_comment && !/\/\* shows:/ { line = $0; sub(/^[ \t]*\*?[ \t]*/, "", line) }
open_comment {
    closed = index(line, "*/")
    if (closed) line = substr(line, 1, closed - 1)
    ids = ids " " line
    if (closed) open_comment = 0
    next
}
/^START_TEST\(/ {
    name = $0; sub(/^START_TEST\([ \t]*/, "", name); sub(/[ \t]*\).*/, "", name)
    n = split(ids, a, /[ ,\t]+/)
    for (i = 1; i <= n; i++) if (a[i] != "") print a[i] "\t" FILENAME "\t" name
    ids = ""
}
