/* tests/common/transfer_rules.c: what the journals of the hosts must and must not say, see
 * transfer.h.
 *
 * Each record that is kept passes here. Drops are counted, for the wire's eye. A time-out must
 * double the one before, within the limits, and come when that one said (RFC 6298 5.5, 2.4, 2.5),
 * unless a SACK began a recovery since, which may have measured the round trip anew. A connection is given up after exactly so many tries as its state allows (RFC 9293 3.8.3), never
 * sooner.
 */
#include "transfer_internal.h"

#include "tcp/tcp_internal.h"

#include <errno.h>
#include <stdio.h>

static struct rule *rule_of(struct host *h, const struct journal_record *r)
{
    for (unsigned i = 0; i < h->rules; i++)
        if (h->rule[i].lport == r->subject.lport && h->rule[i].port == r->subject.port)
            return &h->rule[i];
    if (h->rules == RULES)
        return NULL;
    h->rule[h->rules] = (struct rule){.lport = r->subject.lport, .port = r->subject.port};
    return &h->rule[h->rules++];
}

static void time_out(struct host *h, struct rule *c, const struct journal_record *r)
{
    td_time was = r->arg[0], next = r->arg[1];
    td_time least = (td_time)knob(h->st, TCP_RTO_MIN_US) * TD_US;
    td_time most = (td_time)knob(h->st, TCP_RTO_MAX_MS) * TD_MS;
    bool linear = c->state == TCPS_SYN_SENT &&
                  r->arg[2] <= (uint64_t)knob(h->st, TCP_SYN_LINEAR_TIMEOUTS);
    td_time doubled = was * 2 < most ? was * 2 : most;
    if (next != (linear ? was : doubled))
        transfer_wrong(h->x, "port %u: after an RTO of %llu ns comes one of %llu (RFC 6298 5.5)",
                       c->lport, (unsigned long long)was, (unsigned long long)next);
    if (was < least || was > most)
        transfer_wrong(h->x, "port %u: an RTO of %llu ns", c->lport, (unsigned long long)was);
    if (r->arg[2] > 1 && r->arg[2] == c->tries + 1 && r->time < c->fired + c->next)
        transfer_wrong(h->x,
                       "port %u: retransmission %llu comes %llu ns after the one before, not %llu",
                       c->lport, (unsigned long long)r->arg[2],
                       (unsigned long long)(r->time - c->fired), (unsigned long long)c->next);
    c->tries = r->arg[2];
    c->fired = r->time;
    c->next = next;
}

static void note_given_up(struct host *h, const struct rule *c)
{
    struct transfer *x = h->x;
    x->result->give_ups++;
    for (unsigned i = 0; i < x->plan->conns; i++) {
        struct conn *o = &x->conn[i];
        if (o->port[h->side] == c->lport && o->port[1 - h->side] == c->port)
            o->given_up = true;
    }
}

static bool opening(const struct rule *c)
{
    return c->state == TCPS_SYN_SENT || c->state == TCPS_SYN_RECEIVED;
}

static void given_up(struct host *h, struct rule *c, const struct journal_record *r)
{
    struct transfer *x = h->x;
    uint64_t why = r->arg[0], tries = r->arg[1];
    uint64_t limit = (uint64_t)knob(h->st, TCP_RETRIES2);
    td_time after = r->arg[2], least = 0;
    bool exact = true, by_time = knob(h->st, TCP_GIVE_UP_BY_TIME) != 0;
    note_given_up(h, c);
    if (why == W_TCP_KEEPALIVE_OUT) {
        limit = 9;
    } else if (c->state == TCPS_SYN_SENT) {
        limit = (uint64_t)(knob(h->st, TCP_SYN_RETRIES) + knob(h->st, TCP_SYN_LINEAR_TIMEOUTS));
    } else if (c->state == TCPS_SYN_RECEIVED) {
        limit = (uint64_t)knob(h->st, TCP_SYNACK_RETRIES);
    } else {
        if (c->closed) { /* 0: 8, but none any more when the RTO is at its largest */
            limit = (uint64_t)knob(h->st, TCP_ORPHAN_RETRIES);
            exact = limit != 0;
            limit = limit == 0 ? 8 : limit;
        }
        if (by_time && why == W_TCP_TIMEOUT) { /* so long after the first repetition */
            least = exact ? tcp_backoff_time(h->st, (unsigned)limit, 200 * TD_MS) : 0;
            exact = false;
        }
    }
    if (exact && tries != limit)
        transfer_wrong(x, "port %u: given up (%s) in %s after %llu tries, not %llu", c->lport,
                       journal_words[why], tcp_state_name((enum tcp_state)c->state),
                       (unsigned long long)tries, (unsigned long long)limit);
    if (after < least)
        transfer_wrong(x, "port %u: given up after %llu ns, not %llu", c->lport,
                       (unsigned long long)after, (unsigned long long)least);
    if (why == W_TCP_TIMEOUT && !c->closed && !opening(c) && after < 100 * TD_SEC)
        transfer_wrong(x, "port %u: given up after %llu ns: R2 is at least 100 s (RFC 9293 3.8.3)",
                       c->lport, (unsigned long long)after);
    /* Only a connection that never came up may end with what was known about the way. */
    if (r->arg[3] != ETIMEDOUT && !(r->arg[3] == EHOSTUNREACH && opening(c)))
        transfer_wrong(x, "port %u: given up with errno %llu", c->lport,
                       (unsigned long long)r->arg[3]);
}

void transfer_journal(void *ctx, const struct journal_record *r)
{
    struct host *h = ctx;
    struct rule *c;
    if (h->x->loud) {
        char text[400];
        journal_format(h->st, r, text, sizeof text);
        printf("%.6f %c %u>%u %s\n", (double)r->time / 1e9, 'a' + h->side, r->subject.lport,
               r->subject.port, text);
    }
    if (event_info[r->event].kind == EVK_DROP)
        h->x->tap.host[h->side].drops++;
    switch (r->event) {
    case EV_ARP_DROP_QUEUE:
    case EV_ARP_DROP_UNREACHABLE:
    case EV_LINK_DROP_QDISC:
        h->x->tap.host[h->side].gaps = true;
        return;
    case EV_TCP_STATE:
    case EV_TCP_CLOSE:
    case EV_TCP_CA:
    case EV_TCP_RTO:
    case EV_TCP_GIVE_UP:
    case EV_TCP_HARD_ERROR:
    case EV_TCP_TIME_WAIT_FULL:
    case EV_TCP_WINDOW_ZERO_IN:
        break;
    default:
        return;
    }
    c = rule_of(h, r);
    if (c == NULL || r->subject.port == 0)
        return;
    if (r->event == EV_TCP_STATE) {
        if (r->arg[1] == TCPS_SYN_SENT || r->arg[0] == TCPS_CLOSED)
            *c = (struct rule){.lport = c->lport, .port = c->port};
        c->state = (uint8_t)r->arg[1];
        if (c->state == TCPS_CLOSING)
            h->x->result->simultaneous++;
    } else if (r->event == EV_TCP_CLOSE) {
        c->closed = true;
    } else if (r->event == EV_TCP_CA) {
        c->next = r->arg[1] == W_TCP_CA_RECOVERY ? 0 : c->next;
    } else if (r->event == EV_TCP_RTO) {
        time_out(h, c, r);
    } else if (r->event == EV_TCP_GIVE_UP) {
        given_up(h, c, r);
    } else if (r->event == EV_TCP_HARD_ERROR) {
        if (!h->x->plan->soft_abort)
            transfer_wrong(h->x, "port %u: the attempt ended with a soft error (MUST-56)",
                           c->lport);
        note_given_up(h, c);
    } else if (r->event == EV_TCP_TIME_WAIT_FULL) {
        if (h->x->plan->starve == 0)
            transfer_wrong(h->x, "port %u: no room for a TIME-WAIT", c->lport);
        note_given_up(h, c); /* what the peer sends again is answered by a reset */
    } else {
        h->x->result->zero_windows++;
    }
}
