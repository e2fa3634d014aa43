/* drill/run.c: a script is played, event by event, in virtual time.
 *
 * Theory of operation. Every event has a scheduled time. Inbound packets, calls, commands and code
 * happen at theirs: the clock goes there, from timer to timer. An outbound packet is an
 * expectation: the next packet the stack has sent, or will send, is compared with it, and the time
 * at which it left with the scheduled one; so both too early and too late are seen. While it waits
 * the clock goes on, no further than some seconds behind the deadline.
 *
 * The base of a relative time is the moment the event is reached, except for an inbound packet
 * right behind another: then it is that one's scheduled time, and bursts don't drift.
 *
 * The first difference ends the run. Commands of the shell that can't be done are looked for before
 * anything runs: a script that needs one is unsupported, and neither passes nor fails.
 */
#include "tapdeck/drill/run.h"

#include "tapdeck/drill/info.h"
#include "tapdeck/drill/sysctl.h"
#include "wire/tcp.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PORT 40000

/* ---- the verdict ---- */

static void end_with(struct run *r, enum drill_verdict v, unsigned line, const char *fmt,
                     va_list ap)
{
    if (!r->over) {
        r->over = true;
        r->out->verdict = v;
        r->out->line = line;
        text_vprintf(&r->out->reason, fmt, ap);
    }
}

void play_fail(struct run *r, unsigned line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    end_with(r, DRILL_FAILED, line, fmt, ap);
    va_end(ap);
}

void play_unsupported(struct run *r, unsigned line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    end_with(r, DRILL_UNSUPPORTED, line, fmt, ap);
    va_end(ap);
}

void play_differs(struct run *r, const struct drill_event *e, const char *got, const char *fmt, ...)
{
    bool let = e->kind == DRILL_PACKET ? r->o->non_fatal_packet : r->o->non_fatal_syscall;
    va_list ap;
    va_start(ap, fmt);
    if (let) {
        text_printf(&r->out->notes, "line %u, let pass: ", e->line);
        text_vprintf(&r->out->notes, fmt, ap);
        text_puts(&r->out->notes, "\n");
    } else if (!r->over) {
        end_with(r, DRILL_FAILED, e->line, fmt, ap);
        drill_print_event(&r->out->expected, e);
        if (got != NULL) {
            text_puts(&r->out->got, got);
        }
    }
    va_end(ap);
}

void play_told(struct run *r, td_time at, const char *fmt, ...)
{
    char when[32];
    va_list ap;
    if (!r->o->verbose) {
        return;
    }
    va_start(ap, fmt);
    text_printf(&r->out->exchange, "%s  ", note_time(at, when));
    text_vprintf(&r->out->exchange, fmt, ap);
    text_puts(&r->out->exchange, "\n");
    va_end(ap);
}

/* ---- time ---- */

td_time play_tolerance(const struct run *r, td_time at, td_time from)
{
    double least = (double)r->o->tolerance_usecs * 1e3;
    double share = at > from ? r->o->tolerance_percent / 100.0 * (double)(at - from) : 0;
    return (td_time)(share > least ? share : least);
}

/* The end of the pending call's patience, in the script's time. */
static td_time patience(const struct run *r)
{
    if (!r->p.active || r->p.done || r->p.call.deadline == TD_NEVER) {
        return TD_NEVER;
    }
    return r->p.call.deadline > r->w.start ? r->p.call.deadline - r->w.start : 0;
}

bool play_step(struct run *r, td_time until, bool at)
{
    td_time wait = patience(r);
    td_time next = td_stack_next_deadline(r->w.st);
    if (wait != TD_NEVER && (next == TD_NEVER || wait < next - r->w.start)) {
        if (wait > until || (wait == until && !at)) {
            return false;
        }
        world_sleep(&r->w, wait);
        play_call_retry(r);
        return true;
    }
    return world_step(&r->w, until, at);
}

void play_sleep(struct run *r, td_time until)
{
    while (patience(r) <= until && play_step(r, until, true)) {
    }
    world_sleep(&r->w, until);
}

static td_time usec(int64_t t)
{
    return t < 0 ? 0 : (td_time)t * TD_US;
}

/* ---- connections ---- */

struct conn *play_conn_new(struct run *r, int proto)
{
    struct conn *c = conn_new(proto);
    if (c == NULL) {
        r->w.no_memory = true;
        return NULL;
    }
    c->laddr = r->o->local_ip;
    c->raddr = r->o->remote_ip;
    c->next = r->conns;
    r->conns = c;
    return c;
}

struct conn *play_conn_find(const struct run *r, int proto, uint16_t lport, uint16_t rport)
{
    for (struct conn *c = r->conns; c != NULL; c = c->next) {
        if (c->proto == proto && c->named && c->lport == lport && c->rport == rport) {
            return c;
        }
    }
    return NULL;
}

struct conn *play_conn_inbound(struct run *r, const struct drill_packet *p)
{
    int proto = p->proto == DRILL_UDP ? IPPROTO_UDP : IPPROTO_TCP;
    struct conn *cur = r->current;
    if (p->proto == DRILL_ICMP && cur != NULL) {
        return cur;
    }
    bool open = cur == NULL || cur->listening || !cur->named || cur->proto != proto;
    if (!open && (!p->has_ports || (p->sport == cur->rport && p->dport == cur->lport))) {
        return cur;
    }
    if (p->has_ports) {
        struct conn *known = play_conn_find(r, proto, p->dport, p->sport);
        if (known != NULL) {
            return known;
        }
    }
    bool takes = open && cur != NULL && cur->proto == IPPROTO_UDP && proto == IPPROTO_UDP;
    struct conn *c = takes ? cur : play_conn_new(r, proto);
    if (c == NULL) {
        return NULL;
    }
    c->named = true;
    c->lport = p->has_ports                     ? p->dport
               : cur != NULL && cur->lport != 0 ? cur->lport
                                                : r->o->bind_port;
    c->rport = p->has_ports ? p->sport : proto == IPPROTO_UDP ? r->o->connect_port : r->next_port++;
    if (open) {
        r->current = c;
    }
    return c;
}

/* ---- events ---- */

static void do_shell(struct run *r, const char *text, unsigned line, bool started)
{
    struct shell sh = {
        .st = r->w.st, .nstat = &r->nstat, .remote = r->o->remote_ip, .started = started};
    switch (shell_run(&sh, text)) {
    case SHELL_UNSUPPORTED:
        play_unsupported(r, line, "%s", sh.why);
        return;
    case SHELL_FAILED:
        play_fail(r, line, "the shell command fails: %s", sh.why);
        return;
    case SHELL_DONE:
        break;
    }
    world_flush(&r->w);
    if (sh.sleep > 0) {
        play_sleep(r, world_now(&r->w) + sh.sleep);
    }
}

/* Does it take accurate ECN (RFC 9768), which the stack doesn't have? An inbound AE bit alone
 * doesn't: to a stack without it that is a reserved bit, whose treatment can be shown. */
static bool wants_accecn(const struct drill_packet *p)
{
    bool wants = p->proto == DRILL_TCP && (p->has_ace || (!p->inbound && (p->flags & TCP_AE) != 0));
    for (size_t i = 0; i < p->nopts; i++) {
        wants |= p->opt[i].kind == DRILL_OPT_ACCECN;
    }
    return wants;
}

/* Everything the shell is asked, before anything is done. */
static void look_ahead(struct run *r)
{
    struct shell sh = {.st = r->w.st, .nstat = &r->nstat, .remote = r->o->remote_ip, .dry = true};
    if (r->s->init != NULL && shell_run(&sh, r->s->init) != SHELL_DONE) {
        play_unsupported(r, r->s->init_line, "%s", sh.why);
    }
    sh.started = true;
    for (size_t i = 0; i < r->s->nevents; i++) {
        const struct drill_event *e = &r->s->event[i];
        if (e->kind == DRILL_SHELL && shell_run(&sh, e->shell) != SHELL_DONE) {
            play_unsupported(r, e->line, "%s", sh.why);
        }
        if (e->kind == DRILL_PACKET && wants_accecn(&e->packet)) {
            play_unsupported(r, e->line, "accurate ECN (RFC 9768) is not supported");
        }
        if (e->kind == DRILL_SYSCALL && !play_call_known(e->call.name)) {
            play_unsupported(r, e->line, "the call %s()", e->call.name);
        }
    }
    if (r->s->cleanup != NULL && shell_run(&sh, r->s->cleanup) != SHELL_DONE) {
        play_unsupported(r, r->s->cleanup_line, "%s", sh.why);
    }
}

struct lookup {
    struct info info;
    bool unknown; /* a name of the kernel's that the stack has no value for */
};

static bool look_up(void *ctx, const char *name, int64_t *v)
{
    struct lookup *l = ctx;
    int64_t word;
    if (info_value(&l->info, name, v)) {
        return true;
    }
    l->unknown |= l->info.have && !drill_symbol(name, &word);
    return false;
}

static void do_code(struct run *r, const struct drill_event *e)
{
    struct lookup l = {0};
    struct drill_error err = {0};
    (void)info_sample(&l.info, r->w.st, r->current != NULL ? r->current->fd : -1);
    enum drill_verdict v =
        drill_eval_block(r->vars, e->code, e->code_line, look_up, &l, &r->out->notes, &err);
    switch (v) {
    case DRILL_PASSED:
        break;
    case DRILL_UNSUPPORTED:
        play_unsupported(r, err.line, "%s", err.text);
        break;
    case DRILL_NO_MEMORY:
        r->w.no_memory = true;
        break;
    default:
        if (l.unknown) {
            play_unsupported(r, err.line, "%s", err.text);
        } else if (!l.info.have) {
            play_fail(r, err.line, "%s (the connection has no descriptor to ask for TCP_INFO)",
                      err.text);
        } else {
            play_fail(r, err.line, "%s", err.text);
        }
        break;
    }
}

static void told(struct run *r, const struct drill_event *e)
{
    struct text t = {0};
    if (r->o->verbose && !r->over) {
        drill_print_event(&t, e);
        play_told(r, world_now(&r->w), "%s", t.s != NULL ? t.s : "");
        text_free(&t);
    }
}

/* What happens at its time. */
static void act(struct run *r, const struct drill_event *e, td_time at, td_time base)
{
    td_time now = world_now(&r->w), tol = play_tolerance(r, at, r->prev);
    char when[32], is[32];
    if (now > at + tol) {
        play_fail(r, e->line, "this was to happen at %s, but what came before it lasted until %s",
                  note_time(at, when), note_time(now, is));
        return;
    }
    if (at > now) {
        play_sleep(r, at);
    }
    play_call_settle(r);
    if (r->over) {
        return;
    }
    td_time end;
    told(r, e);
    switch (e->kind) {
    case DRILL_PACKET:
        play_inject(r, e);
        break;
    case DRILL_SYSCALL:
        end = e->time == DRILL_RELATIVE ? base + usec(e->call.end) : usec(e->call.end);
        play_call(r, e, at, end);
        break;
    case DRILL_SHELL:
        do_shell(r, e->shell, e->line, true);
        break;
    case DRILL_CODE:
        do_code(r, e);
        break;
    }
}

static void do_event(struct run *r, const struct drill_event *e)
{
    bool outbound = e->kind == DRILL_PACKET && !e->packet.inbound;
    bool inbound = e->kind == DRILL_PACKET && e->packet.inbound;
    td_time now = world_now(&r->w);
    td_time base = inbound && r->after_inbound ? r->prev : now;
    bool relative = e->time == DRILL_RELATIVE || e->time == DRILL_RELATIVE_RANGE;
    td_time at = (relative ? base : 0) + usec(e->at);
    if (outbound) {
        const struct expectation x = {
            .at = at,
            .until = (relative ? base : 0) + usec(e->until),
            .any = e->time == DRILL_ANY,
            .range = e->time == DRILL_ABSOLUTE_RANGE || e->time == DRILL_RELATIVE_RANGE,
        };
        play_expect(r, e, &x);
        play_call_settle(r);
        at = x.any ? world_now(&r->w) : at;
    } else {
        act(r, e, at, base);
    }
    r->prev = at;
    r->after_inbound = inbound;
}

/* ---- the run ---- */

static uint8_t mask_bits(td_ip4 mask)
{
    return (uint8_t)__builtin_popcount(mask);
}

static void play(struct run *r)
{
    look_ahead(r);
    if (!r->over && r->s->init != NULL) {
        do_shell(r, r->s->init, r->s->init_line, false);
    }
    for (size_t i = 0; !r->over && i < r->s->nevents; i++) {
        do_event(r, &r->s->event[i]);
        r->out->events = i + 1;
        if (r->w.no_memory) {
            r->over = true;
            r->out->verdict = DRILL_NO_MEMORY;
        }
    }
    if (!r->over) {
        play_call_await(r);
    }
    if (!r->over && r->o->strict_end) {
        play_check_silence(r);
    }
    r->out->usecs = (int64_t)(world_now(&r->w) / TD_US);
}

/* A kernel that knows of a writer who waits for the handshake leaves its last ACK to what he
 * writes. */
static void arrived(void *ctx)
{
    struct run *r = ctx;
    if (r->p.active && !r->p.done && r->p.call.kind == LIVE_SEND && r->p.call.connecting &&
        live_unsent(&r->p.call) > 0) {
        play_call_try(r);
    }
}

static void stepped(void *ctx)
{
    struct run *r = ctx;
    play_call_retry(r);
    if (r->record != NULL) {
        record_settle(r->record);
    }
}

static bool begin_capture(struct run *r)
{
    char msg[512];
    r->record = record_open(&r->w, r->o->capture, msg, sizeof msg);
    if (r->record == NULL) {
        play_fail(r, 0, "no capture can be written: %s", msg);
    }
    return r->record != NULL;
}

static void end_capture(struct run *r)
{
    int err = record_close(r->record);
    r->record = NULL;
    if (err < 0) {
        play_fail(r, 0, "%s can't be written: %s", r->o->capture, strerror(-err));
    }
}

static bool begin(struct run *r)
{
    const struct world_config c = {
        .local = r->o->local_ip,
        .remote = r->o->remote_ip,
        .gateway = r->o->gateway_ip,
        .plen = mask_bits(r->o->netmask_ip),
        .mtu = r->o->mtu,
        .seed = r->o->seed,
        .profile = r->o->profile == DRILL_PROFILE_RFC ? TD_PROFILE_RFC : TD_PROFILE_LINUX,
        .faults = r->o->faults,
    };
    r->vars = drill_vars_new();
    if (r->vars == NULL) {
        r->out->verdict = DRILL_NO_MEMORY;
        return false;
    }
    if (r->s->unsupported || r->o->ip_version != DRILL_IPV4) {
        play_unsupported(
            r, 0, r->s->unsupported ? "the script has parts that can't be run here" : "IPv4 only");
        return false;
    }
    if (!world_open(&r->w, &c)) {
        play_fail(r, 0, "no stack can be made with these addresses and this MTU");
        return false;
    }
    r->w.stepped = stepped;
    r->w.arrived = arrived;
    r->w.ctx = r;
    return true;
}

enum drill_verdict drill_run(const struct drill_script *s, const struct drill_options *o,
                             struct drill_report *report)
{
    struct run *r = calloc(1, sizeof *r);
    *report = (struct drill_report){.verdict = DRILL_PASSED};
    if (r == NULL) {
        return report->verdict = DRILL_NO_MEMORY;
    }
    r->s = s;
    r->o = o;
    r->out = report;
    r->next_port = FIRST_PORT;
    if (begin(r)) {
        if (o->capture == NULL || begin_capture(r)) {
            play(r);
        }
        if (report->verdict == DRILL_FAILED) {
            play_journal(r, &report->journal);
        }
        end_capture(r); /* what the script has left open is closed behind it */
        play_calls_end(r);
        world_close(&r->w);
    }
    while (r->conns != NULL) {
        struct conn *next = r->conns->next;
        conn_free(r->conns);
        r->conns = next;
    }
    drill_vars_free(r->vars);
    free(r->fd);
    free(r);
    return report->verdict;
}

void drill_report_free(struct drill_report *report)
{
    text_free(&report->reason);
    text_free(&report->expected);
    text_free(&report->got);
    text_free(&report->journal);
    text_free(&report->notes);
    text_free(&report->exchange);
}
