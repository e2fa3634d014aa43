/* tapdeckd/story.c: what the record of segments has of one connection.
 *
 * Theory of operation. The record is read once from its oldest entry on, a bounded number of
 * entries at a time. Of those with the connection's ends, a new connection begins
 *   - with a SYN that arrives while none is open (whatever becomes of it: an accepted connection, a
 *     cookie, a reset), unless it repeats the one before;
 *   - with a change of state out of CLOSED or LISTEN, if no such SYN came before it.
 * Each beginning throws away what was collected, so what is left at the end is the newest; if a
 * number was asked for, the connection that had it is kept against later beginnings.
 */
#include "tapdeckd/story.h"

#include <stdio.h>
#include <time.h>

#include "tcp/pcb.h"

void story_begin(struct story *s, const struct conn *c)
{
    *s = (struct story){.c = *c, .to = UINT64_MAX};
}

static bool same_ends(const struct story *s, const struct tcp_seglog_rec *x)
{
    const struct tcp_addrs *a = &s->c.a;
    return x->a.lport == a->lport && x->a.rport == a->rport && x->a.raddr == a->raddr &&
           x->a.laddr == a->laddr;
}

static void begins(struct story *s, const struct tcp_seglog_rec *x, bool really)
{
    s->from = x->n;
    s->count = 0;
    s->begin = x->at;
    s->beginning = really;
    s->have_iss = s->have_irs = false;
    s->id = 0;
    s->begun = true;
}

static bool is_beginning(struct story *s, const struct tcp_seglog_rec *x)
{
    bool syn_in = x->what == TSL_IN && (x->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
    bool from_nothing =
        x->what == TSL_STATE && (x->state == TCPS_CLOSED || x->state == TCPS_LISTEN);
    bool ends_another = syn_in && x->state == TCPS_TIME_WAIT;
    if (syn_in && (!s->open || ends_another) && (!s->begun || x->seq != s->syn || ends_another)) {
        s->syn = x->seq;
        s->open = false;
        s->reopens = ends_another;
        return true;
    }
    return from_nothing && !s->open && !s->begun;
}

static void learn(struct story *s, const struct tcp_seglog_rec *x)
{
    if (x->what == TSL_STATE && x->state == TCPS_TIME_WAIT && s->reopens) {
        s->reopens = false;
        s->foreign = x->n;
        return;
    }
    if (x->what == TSL_STATE) {
        s->open = x->to != TCPS_CLOSED;
        s->begun = s->open; /* the next beginning may be one of another connection */
    }
    if (x->what == TSL_IN && (x->flags & TCP_SYN) != 0) {
        s->irs = x->seq;
        s->have_irs = true;
    } else if (x->what == TSL_OUT && (x->flags & TCP_SYN) != 0) {
        s->iss = x->seq;
        s->have_iss = true;
    }
    if (x->id != 0 && !s->reopens)
        s->id = x->id;
    s->count++;
}

/* What no record tells: the numbers of a connection that has been there for long. */
static void fill_numbers(struct td_stack *st, struct story *s)
{
    struct row row;
    const struct table *t = table_find(st, "tcb");
    if (s->have_iss && s->have_irs)
        return;
    if (s->c.present && tcp_pcb_row(st, &s->c.a, &row)) {
        if (!s->have_iss && (s->have_iss = row_has(t, &row, "ISS")))
            s->iss = (uint32_t)row_number(t, &row, "ISS");
        if (!s->have_irs && (s->have_irs = row_has(t, &row, "IRS")))
            s->irs = (uint32_t)row_number(t, &row, "IRS");
    }
    unsigned budget = 64;
    uint64_t at = s->from;
    const struct tcp_seglog_rec *x = story_next(st, s, &at, &budget);
    while (x != NULL && x->what > TSL_OUT)
        x = story_next(st, s, &at, &budget);
    if (x == NULL)
        return;
    if (!s->have_iss)
        s->iss = x->what == TSL_OUT ? x->seq - 1 : (x->flags & TCP_ACK) != 0 ? x->ack - 1 : 0;
    if (!s->have_irs)
        s->irs = x->what == TSL_OUT ? x->ack - 1 : x->seq - 1;
}

bool story_find(struct td_stack *st, struct story *s, unsigned records)
{
    const struct tcp_seglog_rec *x = NULL;
    while (!s->settled && records-- > 0 && (x = tcp_seglog_from(st, s->scan)) != NULL) {
        s->scan = x->n + 1;
        if (!same_ends(s, x))
            continue;
        if (s->from == 0)
            begins(s, x, is_beginning(s, x));
        else if (is_beginning(s, x)) {
            if (s->c.id != 0 && s->id == s->c.id) {
                s->to = x->n;
                s->settled = true;
                break;
            }
            begins(s, x, true);
        }
        learn(s, x);
    }
    if (x != NULL && !s->settled)
        return false;
    if (s->c.id == 0)
        s->c.id = s->id;
    fill_numbers(st, s);
    return true;
}

const struct tcp_seglog_rec *story_next(const struct td_stack *st, const struct story *s,
                                        uint64_t *at, unsigned *budget)
{
    const struct tcp_seglog_rec *x;
    if (*at < s->from)
        *at = s->from;
    while (*budget > 0 && (x = tcp_seglog_from(st, *at)) != NULL && x->n < s->to) {
        --*budget;
        *at = x->n + 1;
        if (same_ends(s, x) && x->n != s->foreign)
            return x;
    }
    return NULL;
}

uint32_t story_seq(const struct story *s, const struct tcp_seglog_rec *x)
{
    return x->seq - (x->what == TSL_IN ? s->irs : s->iss);
}

uint32_t story_ack(const struct story *s, const struct tcp_seglog_rec *x)
{
    return x->ack - (x->what == TSL_IN ? s->iss : s->irs);
}

void story_clock(const struct deck *d, td_time t, char dst[32])
{
    int64_t wall = deck_wall(d, t);
    time_t seconds = (time_t)(wall / (int64_t)TD_SEC);
    struct tm tm;
    localtime_r(&seconds, &tm);
    snprintf(dst, 32, "%02d:%02d:%02d.%06lld", tm.tm_hour, tm.tm_min, tm.tm_sec,
             (long long)(wall % (int64_t)TD_SEC / 1000));
}
