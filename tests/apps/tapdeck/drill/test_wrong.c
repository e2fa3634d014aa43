/* Every expectation of tests/drill can fail.
 *
 * Each script is read, one of its expectations is made wrong in the tree (a sequence number, an
 * ACK, a window, a flag, an option, a time, a result, an errno, a returned value, an assertion's
 * number), and the script is run: it must fail, in the line of that event. Then the expectation is
 * put back and the next one is taken. A drill that passes a wrong script shows nothing.
 *
 * What can't be wrong, and is left out:
 *   - the sequence number of the stack's first SYN or SYN-ACK, and its timestamps: the script only
 *     gives names to what the stack chose, so any number is right there;
 *   - the timestamp echoed in a SYN: without an ACK the field says nothing (RFC 7323 3.2);
 *   - the lengths of what is not compared (`...`, `<...>`, the time *, a window that isn't given).
 */
#include "check_main.h"
#include "tapdeck/drill/drill.h"
#include "wire/tcp.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPTS  "tests/drill"
#define TEXT_LEN 65536

static unsigned tried, passed_wrong, elsewhere;
static unsigned turn, every = 1; /* one in so many is run */
static const char *file;
static struct drill_script *script;

/* The script as it is now must fail in this line. */
static void must_fail(unsigned line, const char *what)
{
    struct drill_report rep;
    if (turn++ % every != 0)
        return;
    tried++;
    enum drill_verdict v = drill_run(script, &script->options, &rep);
    if (v != DRILL_FAILED || rep.line != line) {
        *(v != DRILL_FAILED ? &passed_wrong : &elsewhere) += 1;
        fprintf(stderr, "%s:%u: with the wrong %s: verdict %d in line %u: %s\n", file, line, what,
                (int)v, rep.line, rep.reason.s != NULL ? rep.reason.s : "");
    }
    drill_report_free(&rep);
}

/* ---- packets ---- */

static bool learns(const struct drill_packet *p)
{
    return (p->flags & TCP_SYN) != 0;
}

/* The number of this option that is compared, or NULL. */
static uint32_t *number_of(const struct drill_packet *p, struct drill_opt *o)
{
    switch (o->kind) {
    case DRILL_OPT_MSS:
    case DRILL_OPT_WSCALE:
        return &o->v[0];
    case DRILL_OPT_TS:
        return (p->flags & TCP_ACK) != 0 ? &o->v[1] : NULL;
    case DRILL_OPT_SACK:
        return &o->sack[o->n - 1][1];
    default:
        return NULL;
    }
}

static void wrong_option(struct drill_event *e, struct drill_opt *o)
{
    uint32_t *v = number_of(&e->packet, o);
    if (v != NULL) {
        (*v)++;
        must_fail(e->line, "value of an option");
        (*v)--;
    }
    if ((o->kind == DRILL_OPT_FO || o->kind == DRILL_OPT_FOEXP) && o->n > 0) {
        o->bytes[o->n - 1] ^= 1;
        must_fail(e->line, "Fast Open cookie");
        o->bytes[o->n - 1] ^= 1;
    }
    enum drill_opt_kind kind = o->kind;
    o->kind = kind == DRILL_OPT_NOP ? DRILL_OPT_EOL : DRILL_OPT_NOP;
    must_fail(e->line, "kind of an option");
    o->kind = kind;
}

static void wrong_tcp(struct drill_event *e, struct drill_packet *p)
{
    static const uint16_t flags[] = {TCP_FIN, TCP_SYN, TCP_RST, TCP_PSH,
                                     TCP_ACK, TCP_URG, TCP_ECE, TCP_CWR};
    if (!learns(p)) {
        p->seq++;
        must_fail(e->line, "sequence number");
        p->seq--;
    }
    if (p->has_ack) {
        p->ack++;
        must_fail(e->line, "acknowledgment");
        p->ack--;
    }
    if (p->has_win) {
        p->win ^= 1;
        must_fail(e->line, "window");
        p->win ^= 1;
    }
    if (p->has_urg) {
        p->urg++;
        must_fail(e->line, "urgent pointer");
        p->urg--;
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        p->flags ^= flags[i];
        must_fail(e->line, "flag");
        p->flags ^= flags[i];
    }
    for (size_t i = 0; i < p->nopts; i++)
        wrong_option(e, &p->opt[i]);
    if (p->nopts > 0) {
        size_t n = p->nopts;
        p->nopts = 0;
        must_fail(e->line, "absence of options");
        p->nopts = n;
    }
}

/* By more than any tolerance there is: later, which makes the real packet too early, and sooner. */
static void wrong_time(struct drill_event *e, const struct drill_options *o)
{
    int64_t at = e->at, until = e->until;
    int64_t later = until / 2 + 2 * o->tolerance_usecs + 1000;
    if (e->time == DRILL_ANY)
        return;
    e->at = until + later;
    e->until = e->at + (until - at);
    must_fail(e->line, "time, too late,");
    e->at = at / 2 - 2 * o->tolerance_usecs - 1000;
    e->until = e->at;
    if (e->at > 0 && e->time == DRILL_RELATIVE)
        must_fail(e->line, "time, too soon,");
    e->at = at;
    e->until = until;
}

static void wrong_packet(struct drill_event *e)
{
    struct drill_packet *p = &e->packet;
    enum drill_ecn ecn = p->ecn;
    if (p->inbound)
        return;
    if (p->proto == DRILL_TCP)
        wrong_tcp(e, p);
    if (p->proto != DRILL_ICMP) {
        p->len++;
        must_fail(e->line, "length");
        p->len--;
    }
    if (p->proto == DRILL_ICMP) {
        p->icmp_type ^= 1;
        must_fail(e->line, "ICMP type");
        p->icmp_type ^= 1;
    }
    if (p->has_ttl) {
        p->ttl++;
        must_fail(e->line, "TTL");
        p->ttl--;
    }
    if (ecn == DRILL_TOS) {
        p->tos ^= 4;
        must_fail(e->line, "TOS");
        p->tos ^= 4;
    } else if (ecn != DRILL_ECN_ANY) {
        p->ecn = ecn == DRILL_CE ? DRILL_NOECN : DRILL_CE;
        must_fail(e->line, "ECN field");
        p->ecn = ecn;
    }
    wrong_time(e, &script->options);
}

/* ---- calls ---- */

static bool gives_descriptor(const struct drill_call *c)
{
    static const char *const names[] = {"socket", "accept", "accept4", "epoll_create",
                                        "epoll_create1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(c->name, names[i]) == 0)
            return true;
    }
    return false;
}

/* The number within brackets. */
static struct drill_expr *inner(struct drill_expr *x)
{
    return x->kind == DRILL_LIST && x->nitems == 1 ? x->item[0] : x;
}

static bool is_number(const struct drill_expr *x)
{
    return x->kind == DRILL_INT || x->kind == DRILL_WORD || x->kind == DRILL_OR;
}

static void wrong_value(struct drill_event *e, struct drill_expr *x, const char *what)
{
    x = inner(x);
    if (!is_number(x))
        return;
    x->num ^= 1;
    must_fail(e->line, what);
    x->num ^= 1;
}

/* The value of this field, wherever in x it stands. */
static void wrong_field(struct drill_event *e, struct drill_expr *x, const char *name)
{
    if (x->kind == DRILL_FIELD && strcmp(x->text, name) == 0)
        wrong_value(e, x->item[0], name);
    for (size_t i = 0; i < x->nitems; i++)
        wrong_field(e, x->item[i], name);
}

static void wrong_returned(struct drill_event *e)
{
    const struct drill_call *c = &e->call;
    bool good = c->error == NULL;
    if (strcmp(c->name, "getsockopt") == 0 && good && c->nargs == 5) {
        wrong_value(e, c->arg[3], "value of an option");
        wrong_value(e, c->arg[4], "length of an option");
    } else if (strcmp(c->name, "ioctl") == 0 && good && c->nargs == 3) {
        wrong_value(e, c->arg[2], "value of an ioctl");
    } else if (strcmp(c->name, "poll") == 0 && good) {
        wrong_field(e, c->arg[0], "revents");
    } else if (strcmp(c->name, "recvmsg") == 0 && good) {
        wrong_field(e, c->arg[1], "msg_flags");
        wrong_field(e, c->arg[1], "cmsg_data");
    }
}

static void wrong_call(struct drill_event *e)
{
    struct drill_call *c = &e->call;
    struct drill_expr *x = c->result;
    if (x->kind != DRILL_ELLIPSIS && c->error == NULL && !gives_descriptor(c)) {
        x->num++;
        must_fail(e->line, "result");
        x->num--;
    }
    if (x->kind != DRILL_ELLIPSIS && c->error == NULL) {
        int64_t num = x->num;
        x->num = -1;
        must_fail(e->line, "failure expected");
        x->num = num;
    }
    if (c->error != NULL) {
        int error = c->error_num;
        c->error_num = error == EXDEV ? EPERM : EXDEV;
        must_fail(e->line, "errno");
        c->error_num = error;
    }
    if (c->blocking) {
        int64_t end = c->end;
        c->end += end / 2 + 2 * script->options.tolerance_usecs + 1000;
        must_fail(e->line, "end of a call");
        c->end = end;
    }
    wrong_returned(e);
}

/* ---- code ---- */

static unsigned line_of(const struct drill_event *e, const char *where)
{
    unsigned line = e->code_line;
    for (const char *c = e->code; c < where; c++)
        line += *c == '\n';
    return line;
}

/* Each number that something is asserted to be equal to: its last digit. */
static void wrong_code(struct drill_event *e)
{
    for (char *at = strstr(e->code, "== "); at != NULL; at = strstr(at + 3, "== ")) {
        char *digit = at + 3, kept;
        while (digit[0] >= '0' && digit[0] <= '9' && digit[1] >= '0' && digit[1] <= '9')
            digit++;
        if (*digit < '0' || *digit > '9')
            continue;
        kept = *digit;
        *digit = kept == '9' ? '8' : (char)(kept + 1);
        must_fail(line_of(e, at), "number asserted");
        *digit = kept;
    }
}

/* ---- all ---- */

static void wrong_script(const char *name)
{
    static char text[TEXT_LEN], path[300];
    struct drill_error err;
    snprintf(path, sizeof(path), SCRIPTS "/%s", name);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof(text), f);
    fclose(f);
    ck_assert_uint_lt(n, sizeof(text));
    ck_assert_int_eq(drill_parse(path, text, n, NULL, &script, &err), DRILL_PASSED);
    file = path;
    for (size_t i = 0; i < script->nevents; i++) {
        struct drill_event *e = &script->event[i];
        if (e->kind == DRILL_PACKET)
            wrong_packet(e);
        else if (e->kind == DRILL_SYSCALL)
            wrong_call(e);
        else if (e->kind == DRILL_CODE)
            wrong_code(e);
    }
    drill_free(script);
}

START_TEST(every_expectation_can_fail)
{
    struct dirent **entry;
    unsigned scripts = 0;
    if (getenv("VALGRIND") != NULL)
        every = 47;
    int n = scandir(SCRIPTS, &entry, NULL, alphasort);
    ck_assert_int_gt(n, 0);
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(entry[i]->d_name, '.');
        if (dot != NULL && strcmp(dot, ".pkt") == 0) {
            wrong_script(entry[i]->d_name);
            scripts++;
        }
        free(entry[i]);
    }
    free(entry);
    ck_assert_uint_gt(scripts, 50);
    ck_assert_uint_gt(tried, scripts);
    ck_assert_msg(passed_wrong == 0 && elsewhere == 0,
                  "of %u wrong expectations %u were passed, %u found elsewhere", tried,
                  passed_wrong, elsewhere);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("drill wrong");
    TCase *c = tcase_create("wrong");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_expectation_can_fail);
    suite_add_tcase(s, c);
    return s;
}

CHECK_MAIN(suite)
