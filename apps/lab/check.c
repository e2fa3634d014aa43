/* lab/check.c: does it hold? (lab/check.h)
 *
 * A check is a console command and what its output must be like. Where the console prints JSON, rows are looked at, never
 * columns of text: a table may be laid out anew without any lab breaking. Each kind makes one number or one yes of what it
 * saw, and a plain sentence of what that was; the lab's own words stand before it.
 */
#include "lab/check.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <nettle/sha2.h>
#include <pcap/bpf.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control.h"
#include "common/filter.h"
#include "common/parse.h"
#include "dev/capture.h"

#define SHOWN      400        /* bytes of what came that are shown */
#define WORK_MAX   (16 << 20) /* bytes of a file that was handed in */
#define ANSWER_MAX 400        /* bytes of an answer */
#define WHEN_OPEN  5          /* seconds that a connection may take */

/* ---- values ---- */

static const char *skip(const char *s)
{
    return s + strspn(s, " \t");
}

/* A number, maybe with what is compared before it: the operator is 0 for none. */
static bool number_after(const char *s, char op[3], double *n)
{
    static const char *const ops[] = {"", "<", ">", "<=", ">=", "!="};
    size_t k = strspn(s, "<>=!");
    bool known = false;
    char *end;
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        known = known || (strlen(ops[i]) == k && memcmp(ops[i], s, k) == 0);
    if (!known)
        return false;
    memcpy(op, s, k);
    op[k] = '\0';
    s = skip(s + k);
    if (!isdigit((unsigned char)*s) && *s != '-' && *s != '.')
        return false;
    *n = strtod(s, &end);
    return *skip(end) == '\0';
}

static bool compare(const char *op, double a, double b)
{
    if (strcmp(op, ">=") == 0)
        return a >= b;
    if (strcmp(op, "<=") == 0)
        return a <= b;
    if (strcmp(op, ">") == 0)
        return a > b;
    if (strcmp(op, "<") == 0)
        return a < b;
    return strcmp(op, "!=") == 0 ? a < b || a > b : !(a < b || a > b);
}

static bool span(const char *s, uint64_t *from, uint64_t *to)
{
    char first[24];
    const char *dots = strstr(s, "..");
    if (dots == NULL || dots == s || (size_t)(dots - s) >= sizeof(first))
        return false;
    memcpy(first, s, (size_t)(dots - s));
    first[dots - s] = '\0';
    return parse_u64(first, UINT64_MAX, from) && parse_u64(dots + 2, UINT64_MAX, to) && *from <= *to;
}

bool lab_count_ok(const char *s)
{
    uint64_t a, b;
    char op[3];
    double n;
    return span(s, &a, &b) || (number_after(s, op, &n) && n >= 0);
}

bool lab_count_holds(const char *s, uint64_t n)
{
    uint64_t a, b;
    char op[3];
    double want;
    if (span(s, &a, &b))
        return n >= a && n <= b;
    return number_after(s, op, &want) && compare(op, (double)n, want);
}

static bool found(const char *regex, const char *in, int flags)
{
    regex_t re;
    if (regcomp(&re, regex, REG_EXTENDED | REG_NOSUB | flags) != 0)
        return false;
    bool hit = regexec(&re, in, 0, NULL, 0) == 0;
    regfree(&re);
    return hit;
}

bool lab_is(const char *is, const char *value)
{
    char op[3], *end;
    double want;
    if (is[0] == '~')
        return found(skip(is + 1), value, 0);
    if (strchr("<>", is[0]) != NULL && is[0] != '\0' && number_after(is, op, &want)) {
        double have = strtod(value, &end);
        return *value != '\0' && *end == '\0' && compare(op, have, want);
    }
    if (strncmp(is, "!=", 2) == 0)
        return strcmp(skip(is + 2), value) != 0;
    return strcmp(is, value) == 0;
}

/* ---- rows ---- */

static void value_text(const json_t *v, struct text *out)
{
    text_consume(out, out->len);
    text_puts(out, "");
    if (json_is_string(v))
        text_puts(out, json_string_value(v));
    else if (json_is_integer(v))
        text_printf(out, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        text_printf(out, "%.9g", json_real_value(v));
    else if (json_is_boolean(v))
        text_puts(out, json_is_true(v) ? "true" : "false");
}

/* "fields.from": an object within. */
static const json_t *column(const json_t *row, const char *name)
{
    const json_t *whole = json_object_get(row, name);
    const char *dot = strchr(name, '.');
    if (whole != NULL || dot == NULL)
        return whole;
    char first[64];
    snprintf(first, sizeof(first), "%.*s", (int)(dot - name), name);
    const json_t *inner = json_object_get(row, first);
    return json_is_object(inner) ? column(inner, dot + 1) : NULL;
}

static bool row_is(const json_t *row, const struct lab_where *w)
{
    struct text value = {0};
    bool ok = json_is_object(row);
    for (; ok && w != NULL; w = w->next) {
        const json_t *v = column(row, w->column);
        value_text(v, &value);
        ok = lab_is(w->is, value.s != NULL ? value.s : "") && (v != NULL || strncmp(w->is, "!=", 2) == 0 || w->is[0] == '\0');
        if (!ok && json_is_array(v)) { /* one of several */
            size_t i;
            const json_t *e;
            json_array_foreach(v, i, e) {
                value_text(e, &value);
                ok = ok || lab_is(w->is, value.s != NULL ? value.s : "");
            }
        }
    }
    text_free(&value);
    return ok;
}

/* A column that is asked for and that this row hasn't. */
static const char *lacking(const json_t *row, const struct lab_where *w)
{
    for (; w != NULL; w = w->next)
        if (column(row, w->column) == NULL)
            return w->column;
    return NULL;
}

/* How many rows of a JSON array (or objects, one after the other) are so; *lacks: a column that none of them has. False: it isn't
 * JSON. */
static bool count_rows(const char *json, const struct lab_where *where, uint64_t *n, const char **lacks)
{
    bool any = false;
    *n = 0;
    *lacks = NULL;
    while (*json != '\0') {
        json_error_t e;
        json_t *j = json_loads(json, JSON_DISABLE_EOF_CHECK, &e);
        size_t i;
        const json_t *row;
        if (j == NULL)
            return false;
        if (json_is_array(j)) {
            json_array_foreach(j, i, row) {
                *n += row_is(row, where);
                *lacks = any && *lacks == NULL ? NULL : lacking(row, where);
                any = true;
            }
        } else {
            *n += row_is(j, where);
            *lacks = any && *lacks == NULL ? NULL : lacking(j, where);
            any = true;
        }
        json_decref(j);
        json += e.position;
        json += strspn(json, " \t\r\n");
    }
    return true;
}

/* ---- what a student handed in ---- */

static char *must_copy(const char *s)
{
    char *c = strdup(s);
    if (c == NULL) {
        fputs("tapdeck: out of memory\n", stderr);
        exit(1);
    }
    return c;
}

/* A file of the submission: a plain one, in its folder, of a bounded size. False: why not, in a few words. */
static bool read_work(const struct lab_work *w, const char *name, struct text *out, char *why, size_t why_size)
{
    struct text path = {0};
    struct stat st;
    char buf[4096];
    ssize_t n;
    if (w == NULL || w->dir == NULL || strchr(name, '/') != NULL || name[0] == '.') {
        snprintf(why, why_size, "there is no file %s", name);
        return false;
    }
    text_printf(&path, "%s/%s", w->dir, name);
    int fd = open(path.s, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    text_free(&path);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > WORK_MAX) {
        snprintf(why, why_size, fd < 0 ? "there is no file %s" : "%s is no plain file of at most 16 MiB", name);
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (out->len <= WORK_MAX && (n = read(fd, buf, sizeof(buf))) > 0)
        text_add(out, buf, (size_t)n);
    close(fd);
    return true;
}

static void add_answer(struct lab_work *w, const struct lab *l, unsigned line, char *s)
{
    char *colon = strchr(s, ':');
    s += strspn(s, " \t\r");
    if (*s == '\0' || *s == '#')
        return;
    if (colon == NULL || (size_t)(colon - s) > LAB_NAME_MAX) {
        text_printf(&w->said, "answers.txt:%u: this isn't `TASK: answer`\n", line);
        return;
    }
    *colon = '\0';
    s[strcspn(s, " \t")] = '\0';
    char *answer = colon + 1 + strspn(colon + 1, " \t");
    for (size_t n = strlen(answer); n > 0 && isspace((unsigned char)answer[n - 1]); n--)
        answer[n - 1] = '\0';
    const struct lab_task *t = lab_task(l, s);
    if (t == NULL || t->answer == NULL) {
        text_printf(&w->said, "answers.txt:%u: '%.60s' is no question of this lab\n", line, s);
        return;
    }
    if (strlen(answer) > ANSWER_MAX) {
        text_printf(&w->said, "answers.txt:%u: an answer has at most %d bytes\n", line, ANSWER_MAX);
        return;
    }
    struct lab_where **at = &w->answers;
    for (; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->column, s) == 0) {
            text_printf(&w->said, "answers.txt:%u: '%s' is answered already: the first answer counts\n", line, s);
            return;
        }
    }
    if ((*at = calloc(1, sizeof(**at))) == NULL)
        return;
    (*at)->column = must_copy(s);
    (*at)->is = must_copy(answer);
}

void lab_work_open(struct lab_work *w, const struct lab *l, const char *dir, bool model)
{
    struct text bytes = {0}, made = {0};
    char why[512];
    unsigned line = 0;
    *w = (struct lab_work){.dir = dir, .params = model ? l->params : NULL};
    if (!read_work(w, "answers.txt", &bytes, why, sizeof(why)))
        return;
    if (model) {
        if (!lab_expand(l->params, "answers.txt", bytes.s != NULL ? bytes.s : "", bytes.len, &made, why, sizeof(why)))
            text_printf(&w->said, "%s\n", why);
        text_free(&bytes);
        bytes = made;
    }
    for (char *s = bytes.s, *next; s != NULL && (size_t)(s - bytes.s) < bytes.len; s = next) {
        char *end = memchr(s, '\n', bytes.len - (size_t)(s - bytes.s));
        next = end != NULL ? end + 1 : bytes.s + bytes.len;
        if (end != NULL)
            *end = '\0';
        add_answer(w, l, ++line, s);
    }
    text_free(&bytes);
}

void lab_work_done(struct lab_work *w)
{
    while (w->answers != NULL) {
        struct lab_where *next = w->answers->next;
        free(w->answers->column);
        free(w->answers->is);
        free(w->answers);
        w->answers = next;
    }
    text_free(&w->said);
}

/* ---- kinds of check ---- */

struct look {
    struct lab_world *w;
    const struct lab_check *c;
    const struct lab_work *work;
    struct text *came;
    struct text out;
    char msg[768];
};

static int do_line(struct look *k, const char *node, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int do_line(struct look *k, const char *node, const char *fmt, ...)
{
    struct text line = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&line, fmt, ap);
    va_end(ap);
    int status = k->w->ops->run(k->w, node, line.s, &k->out, k->msg, sizeof(k->msg));
    text_free(&line);
    return status;
}

/* The beginning of what a command printed, or its sentence. */
static void show_output(struct look *k)
{
    const char *s = k->out.len > 0 ? k->out.s : k->msg;
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        n--;
    text_printf(k->came, "%.*s%s", (int)(n < SHOWN ? n : SHOWN), s, n > SHOWN ? " …" : "");
}

static bool patterns_hold(struct look *k, const char *in)
{
    for (const struct lab_pattern *p = k->c->patterns; p != NULL; p = p->next) {
        if (found(p->regex, in, REG_NEWLINE) == p->lacks) {
            show_output(k);
            return false;
        }
    }
    return true;
}

static bool counted(struct look *k, uint64_t n, const char *of)
{
    bool ok = lab_count_holds(k->c->count != NULL ? k->c->count : ">= 1", n);
    if (!ok)
        text_printf(k->came, "%" PRIu64 " %s", n, of);
    return ok;
}

static bool rows_hold(struct look *k, const char *of)
{
    uint64_t n;
    const char *lacks;
    if (!count_rows(k->out.s != NULL ? k->out.s : "", k->c->where, &n, &lacks)) {
        show_output(k);
        return false;
    }
    bool ok = counted(k, n, of);
    if (!ok && lacks != NULL)
        text_printf(k->came, ": none has a column '%s'", lacks);
    return ok;
}

static bool check_run(struct look *k)
{
    int status = do_line(k, k->c->node, "%s", k->c->command);
    if (k->c->status >= 0 && status != k->c->status) {
        show_output(k);
        return false;
    }
    if (k->c->where != NULL || k->c->count != NULL)
        if (!rows_hold(k, "rows are so"))
            return false;
    return patterns_hold(k, k->out.s != NULL ? k->out.s : "");
}

static bool check_table(struct look *k, bool events)
{
    int status = events ? do_line(k, k->c->node, "why -j -n 10000 event %s", k->c->command)
                        : do_line(k, k->c->node, "table %s -j", k->c->command);
    if (status != EXIT_DONE && !(events && status == EXIT_FAILED && k->out.len == 0)) {
        show_output(k);
        return false;
    }
    return rows_hold(k, events ? "such events" : "such rows");
}

static bool check_ping(struct look *k)
{
    const char *count = k->c->count != NULL ? k->c->count : ">= 1";
    unsigned asks = 1;
    while (asks < 20 && !lab_count_holds(count, asks)) /* as many as it takes */
        asks++;
    if (lab_count_holds(count, 0))
        asks = 3;
    (void)do_line(k, k->c->node, "ping -j -i 0.2 -W 3 -c %u %s", asks, k->c->command);
    json_t *j = json_loads(k->out.s != NULL ? k->out.s : "", 0, NULL);
    const json_t *got = json_object_get(j, "received");
    bool ok = false;
    if (json_is_integer(got)) {
        uint64_t n = (uint64_t)json_integer_value(got);
        ok = lab_count_holds(count, n);
        if (!ok)
            text_printf(k->came, "%" PRIu64 " of %u echo requests to %s were answered", n, asks, k->c->command);
    } else {
        ok = lab_count_holds(count, 0);
        if (!ok)
            show_output(k);
    }
    json_decref(j);
    return ok;
}

static bool check_connect(struct look *k)
{
    static const char *const states[] = {"open", "closed", "filtered", "unreachable"};
    static const char *const words[] = {"it is open", "it is refused", "nobody answers", "it is unreachable"};
    const char *colon = strrchr(k->c->command, ':'), *lacks;
    uint64_t n = 0;
    if (colon == NULL) {
        text_printf(k->came, "'%s' is no ADDR:PORT", k->c->command);
        return false;
    }
    (void)do_line(k, k->c->node, "nc -z -j -w %d %.*s %s", WHEN_OPEN, (int)(colon - k->c->command), k->c->command, colon + 1);
    for (unsigned i = 0; i < 4; i++) {
        struct lab_where is = {.column = (char *)"state", .is = (char *)states[i]};
        if (count_rows(k->out.s != NULL ? k->out.s : "", &is, &n, &lacks) && n > 0) {
            if (i == k->c->gives)
                return true;
            text_printf(k->came, "a connection to %s: %s", k->c->command, words[i]);
            return false;
        }
    }
    show_output(k);
    return false;
}

static bool check_get(struct look *k)
{
    if (do_line(k, k->c->node, "get -m 60 %s", k->c->command) != EXIT_DONE) {
        show_output(k);
        return false;
    }
    if (k->c->sha256 != NULL) {
        struct sha256_ctx h;
        uint8_t digest[SHA256_DIGEST_SIZE];
        char hex[2 * SHA256_DIGEST_SIZE + 1];
        sha256_init(&h);
        sha256_update(&h, k->out.len, (const uint8_t *)(k->out.s != NULL ? k->out.s : ""));
        sha256_digest(&h, sizeof(digest), digest);
        for (size_t i = 0; i < sizeof(digest); i++)
            snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        if (strcmp(hex, k->c->sha256) != 0) {
            text_printf(k->came, "%zu bytes came, with the SHA-256 %s", k->out.len, hex);
            return false;
        }
    }
    return patterns_hold(k, k->out.s != NULL ? k->out.s : "");
}

/* How many frames of a capture a filter lets through. False: it can't be read, and why. */
static bool count_frames(struct look *k, const char *path, FILE *f, const char *filter, uint64_t *n)
{
    struct bpf_insn *code = filter != NULL ? filter_program(filter, k->msg, sizeof(k->msg)) : NULL;
    struct capture_frame frame;
    *n = 0;
    if (filter != NULL && code == NULL) {
        if (f != NULL)
            fclose(f);
        return false;
    }
    struct capture_reader *r = f != NULL ? capture_open_stream(f, path, k->msg, sizeof(k->msg)) : capture_open(path, k->msg, sizeof(k->msg));
    while (r != NULL && capture_next(r, &frame, k->msg, sizeof(k->msg)) == 1)
        *n += code == NULL || bpf_filter(code, frame.bytes, frame.len, frame.caplen) != 0;
    free(code);
    capture_close(r);
    return r != NULL;
}

static bool check_packets(struct look *k)
{
    const char *space = k->c->during + strcspn(k->c->during, " \t");
    struct text path = {0};
    char node[64];
    uint64_t n = 0;
    snprintf(node, sizeof(node), "%.*s", (int)(space - k->c->during), k->c->during);
    text_printf(&path, "%s/packets.pcap", k->w->scratch);
    bool ok = do_line(k, k->c->node, "capture start %s dev %s %s", path.s, k->c->dev, k->c->command) == EXIT_DONE;
    if (ok) {
        (void)do_line(k, node, "%s", space); /* whether it succeeds isn't asked */
        ok = do_line(k, k->c->node, "capture stop %s", path.s) == EXIT_DONE && count_frames(k, path.s, NULL, NULL, &n);
    }
    if (ok)
        ok = counted(k, n, "such packets");
    else
        show_output(k);
    (void)unlink(path.s);
    text_free(&path);
    return ok;
}

/* One frame, written in hex: as a filter sees it. False: told why not. */
static bool count_hex(struct look *k, uint64_t *n)
{
    struct text made = {0}, octets = {0};
    unsigned line;
    const char *s = k->out.s != NULL ? k->out.s : "";
    bool ok = k->work->params == NULL || lab_expand(k->work->params, k->c->command, s, k->out.len, &made, k->msg, sizeof(k->msg));
    struct bpf_insn *code = ok ? filter_program(k->c->filter, k->msg, sizeof(k->msg)) : NULL;
    if (code != NULL && !lab_hex(made.s != NULL ? made.s : s, &octets, &line)) {
        snprintf(k->msg, sizeof(k->msg), "%s:%u: this isn't octets in hex, two digits each", k->c->command, line);
        ok = false;
    }
    ok = ok && code != NULL;
    *n = ok && octets.len > 0 && bpf_filter(code, (const unsigned char *)octets.s, (unsigned)octets.len, (unsigned)octets.len) != 0;
    free(code);
    text_free(&made);
    text_free(&octets);
    return ok;
}

static bool check_file(struct look *k)
{
    const char *hex = strrchr(k->c->command, '.');
    uint64_t n;
    if (!read_work(k->work, k->c->command, &k->out, k->msg, sizeof(k->msg))) {
        text_puts(k->came, k->msg);
        return false;
    }
    if (k->c->filter == NULL)
        return patterns_hold(k, k->out.s != NULL ? k->out.s : "");
    if (hex != NULL && strcmp(hex, ".hex") == 0) {
        if (count_hex(k, &n))
            return counted(k, n, "such frames");
        text_puts(k->came, k->msg);
        return false;
    }
    FILE *f = k->out.len > 0 ? fmemopen(k->out.s, k->out.len, "rb") : NULL;
    if (f == NULL || !count_frames(k, k->c->command, f, k->c->filter, &n)) {
        text_puts(k->came, f == NULL ? "it is empty" : k->msg);
        return false;
    }
    return counted(k, n, "such packets");
}

static bool check_one(struct look *k)
{
    switch (k->c->kind) {
    case LAB_RUN:
        return check_run(k);
    case LAB_TABLE:
        return check_table(k, false);
    case LAB_EVENT:
        return check_table(k, true);
    case LAB_PING:
        return check_ping(k);
    case LAB_CONNECT:
        return check_connect(k);
    case LAB_GET:
        return check_get(k);
    case LAB_PACKETS:
        return check_packets(k);
    case LAB_FILE:
        return check_file(k);
    case LAB_WAIT:
        if (do_line(k, k->w->ops->node(k->w, 0), "sleep %" PRIu64 "ns", k->c->time) == EXIT_DONE)
            return true;
        show_output(k);
        return false;
    case LAB_CHECK_KINDS:
        break;
    }
    return false;
}

/* ---- answers ---- */

/* Letters and digits in lower case: how an answer was spelt doesn't count. */
static void plain(const char *s, char *dst, size_t size)
{
    size_t n = 0;
    bool gap = false;
    for (; *s != '\0' && n + 2 < size; s++) {
        if (isspace((unsigned char)*s)) {
            gap = n > 0;
            continue;
        }
        if (gap)
            dst[n++] = ' ';
        gap = false;
        dst[n++] = (char)tolower((unsigned char)*s);
    }
    while (n > 0 && dst[n - 1] == '.')
        n--;
    dst[n] = '\0';
}

static bool number_right(const struct lab_answer *a, const char *given)
{
    char *end;
    double want = strtod(a->value, NULL), have = strtod(given, &end);
    double off = a->percent ? fabs(want) * a->within / 100 : a->within;
    return end != given && *skip(end) == '\0' && isfinite(have) && fabs(have - want) <= off + 1e-12 * fabs(want);
}

static unsigned words_of(char *s, char *words[], unsigned most)
{
    unsigned n = 0;
    for (char *save = NULL, *w = strtok_r(s, ", ", &save); w != NULL && n < most; w = strtok_r(NULL, ", ", &save))
        words[n++] = w;
    return n;
}

/* The same words, in any order. */
static bool set_right(const char *value, const char *given)
{
    char a[ANSWER_MAX + 2], b[ANSWER_MAX + 2], *wa[64], *wb[64];
    plain(value, a, sizeof(a));
    plain(given, b, sizeof(b));
    unsigned na = words_of(a, wa, 64), nb = words_of(b, wb, 64), hits = 0;
    for (unsigned i = 0; i < na; i++) {
        bool in = false;
        for (unsigned j = 0; j < nb; j++)
            in = in || strcmp(wa[i], wb[j]) == 0;
        hits += in;
    }
    return na == nb && hits == na;
}

static bool answer_right(const struct lab_answer *a, const char *given)
{
    char want[ANSWER_MAX + 2], have[ANSWER_MAX + 2];
    td_ip4 x, y;
    plain(a->value, want, sizeof(want));
    plain(given, have, sizeof(have));
    switch (a->kind) {
    case LAB_A_NUMBER:
        return number_right(a, given);
    case LAB_A_REGEX:
        return found(a->value, given, REG_ICASE);
    case LAB_A_ADDRESS:
        return parse_ip4(a->value, &x) && parse_ip4(given, &y) && x == y;
    case LAB_A_SET:
        return set_right(a->value, given);
    case LAB_A_CHOICE:
        for (const struct lab_where *c = a->choices; c != NULL; c = c->next) { /* the letter, or what it stands for */
            char letter[ANSWER_MAX + 2], text[ANSWER_MAX + 2];
            plain(c->column, letter, sizeof(letter));
            plain(c->is, text, sizeof(text));
            if (strcmp(letter, want) == 0 || strcmp(text, want) == 0)
                return strcmp(have, letter) == 0 || strcmp(have, text) == 0;
        }
        return strcmp(want, have) == 0;
    case LAB_A_TEXT:
        return strcmp(want, have) == 0;
    }
    return false;
}

static void judge_answer(const struct lab_work *work, const struct lab_task *t, struct lab_verdict *v)
{
    const struct lab_where *a = work != NULL ? work->answers : NULL;
    while (a != NULL && strcmp(a->column, t->id) != 0)
        a = a->next;
    if (a == NULL || a->is[0] == '\0') {
        text_printf(&v->why, "it isn't answered: write `%s: …` into answers.txt", t->id);
        return;
    }
    v->holds = answer_right(t->answer, a->is);
    if (v->holds)
        return;
    for (const struct lab_where *f = t->answer->feedback; f != NULL; f = f->next) {
        struct lab_answer wrong = {.kind = t->answer->kind == LAB_A_REGEX ? LAB_A_TEXT : t->answer->kind, .value = f->column, .choices = t->answer->choices};
        if (f->column[0] == '~' ? found(f->column + 1, a->is, REG_ICASE) : answer_right(&wrong, a->is)) {
            text_puts(&v->why, f->is);
            return;
        }
    }
    text_printf(&v->why, "'%.60s' isn't it", a->is);
}

/* ---- a task ---- */

void lab_judge(struct lab_world *w, const struct lab_work *work, const struct lab_task *t, struct lab_verdict *v)
{
    *v = (struct lab_verdict){.hint = t->hint};
    if (t->answer != NULL) {
        judge_answer(work, t, v);
    } else {
        v->holds = true;
        for (const struct lab_check *c = t->checks; c != NULL && v->holds; c = c->next) {
            struct look k = {.w = w, .c = c, .work = work, .came = &v->came};
            v->holds = check_one(&k);
            text_free(&k.out);
            if (v->holds)
                continue;
            v->check = c;
            text_puts(&v->why, c->otherwise != NULL ? c->otherwise : v->came.s != NULL ? v->came.s : "it doesn't hold");
            if (c->hint != NULL)
                v->hint = c->hint;
        }
    }
    v->points = v->holds ? t->points : 0;
}

void lab_verdict_done(struct lab_verdict *v)
{
    text_free(&v->why);
    text_free(&v->came);
}
