/* replay/track_state.c: which state of RFC 9293 each end must be in (track.h).
 *
 * A segment that passes has been sent, which moves its sender (OPEN, CLOSE, ABORT), and is taken to
 * arrive, which moves the other end as section 3.10.7 has it: RST, SYN, ACK, FIN, in this order. A
 * FIN counts only when nothing before it is missing. Where the capture lacks the segment that must have moved
 * an end (the SYN-ACK, say), what follows shows it, and the state is marked as assumed.
 */
#include "replay/track_internal.h"

static const char *const names[] = {"?",           "CLOSED",     "LISTEN",     "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED",
                                    "FIN-WAIT-1",  "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",    "LAST-ACK",     "TIME-WAIT"};

const char *track_state_text(unsigned state)
{
    return state < sizeof(names) / sizeof(*names) ? names[state] : "?";
}

static void move(struct seen *p, struct track_side *s, enum track_state to, const char *clause)
{
    int who = s == p->a ? p->row->side : 1 - p->row->side;
    if (s->state == to)
        return;
    s->state = (uint8_t)to;
    p->row->moved[who] = clause;
}

static void assume(struct track_side *s, enum track_state state)
{
    s->state = (uint8_t)state;
    s->state_assumed = true;
}

/* What the ends must have been in before the first packet of the flow. */
static void first_packet(struct seen *p)
{
    if (p->syn && !p->ack) {
        p->a->state = TRACK_CLOSED; /* and whether the other listens its answer tells */
    } else if (p->syn) {
        assume(p->a, TRACK_SYN_RECEIVED);
        assume(p->b, TRACK_SYN_SENT);
    } else {
        assume(p->a, TRACK_ESTABLISHED);
        assume(p->b, TRACK_ESTABLISHED);
    }
}

/* The first answer of an end that a SYN went to. */
static void first_answer(struct seen *p)
{
    if (p->syn && p->ack)
        p->a->state = TRACK_LISTEN;
    else if (p->syn || p->rst)
        p->a->state = TRACK_CLOSED;
    else
        assume(p->a, TRACK_ESTABLISHED);
}

/* A segment that this state doesn't send: something wasn't captured. */
static void catch_up(struct seen *p)
{
    struct track_side *a = p->a;
    if (p->syn || p->rst)
        return;
    if (a->state == TRACK_SYN_SENT || a->state == TRACK_LISTEN || a->state == TRACK_CLOSED) {
        if (a->state == TRACK_CLOSED && a->syn_seen)
            return; /* closed by what was captured: a late segment */
        assume(a, TRACK_ESTABLISHED);
    }
}

static void sent_syn(struct seen *p)
{
    move(p, p->a, TRACK_SYN_SENT, "RFC 9293 3.10.1");
    if (p->b->state == TRACK_SYN_SENT)
        p->row->reason = "the SYNs crossed: both ends call (RFC 9293 3.5)";
}

/* A FIN that doesn't acknowledge the other's FIN was sent before that came. */
static bool crossed(struct seen *p)
{
    const struct track_side *a = p->a, *b = p->b;
    bool before = p->ack && b->fin_seen && seq_lt(p->h->ack, b->fin_end) && !(a->ack_seen && seq_ge(a->ack, b->fin_end));
    if (before)
        p->row->reason = "the FINs crossed: both ends close";
    return before;
}

static void sent(struct seen *p)
{
    struct track_side *a = p->a;
    if (p->rst) {
        if (a->state == TRACK_CLOSED && p->row->side == 1 && !a->syn_seen && p->b->syn_seen)
            p->row->marks |= TRACK_BIT(RST_REFUSED);
        else if (a->state == TRACK_CLOSED || a->state == TRACK_TIME_WAIT)
            p->row->marks |= TRACK_BIT(RST_NOBODY);
        move(p, a, TRACK_CLOSED, a->state == TRACK_LISTEN ? "RFC 9293 3.10.7.1" : "RFC 9293 3.10.5");
        return;
    }
    if (p->syn && !p->ack && (a->state == TRACK_CLOSED || a->state == TRACK_LISTEN))
        sent_syn(p);
    else if (p->syn && p->ack && (a->state == TRACK_CLOSED || a->state == TRACK_LISTEN || a->state == TRACK_SYN_SENT))
        move(p, a, TRACK_SYN_RECEIVED, a->state == TRACK_SYN_SENT ? "RFC 9293 3.10.7.3" : "RFC 9293 3.10.7.2");
    if (!p->fin)
        return;
    if (a->state == TRACK_ESTABLISHED || a->state == TRACK_SYN_RECEIVED)
        move(p, a, TRACK_FIN_WAIT_1, "RFC 9293 3.10.4");
    else if (a->state == TRACK_CLOSE_WAIT && crossed(p))
        move(p, a, TRACK_CLOSING, "RFC 9293 3.6");
    else if (a->state == TRACK_CLOSE_WAIT)
        move(p, a, TRACK_LAST_ACK, "RFC 9293 3.10.4");
}

/* RFC 9293 3.10.7.4 second, with RFC 5961 3.2. */
static void got_rst(struct seen *p)
{
    struct track_side *b = p->b;
    bool known, acks_syn = p->ack && b->begun && p->h->ack == b->nxt;
    if (b->state == TRACK_SYN_SENT) {
        if (acks_syn)
            move(p, b, TRACK_CLOSED, "RFC 9293 3.10.7.3");
        p->row->marks |= acks_syn ? 0 : TRACK_BIT(RST_BAD);
        if (!acks_syn)
            p->row->marks &= ~TRACK_BIT(RST_REFUSED);
        return;
    }
    if (b->state == TRACK_UNSEEN || b->state == TRACK_LISTEN || b->state == TRACK_CLOSED)
        return;
    tcp_seq next = p->a->begun ? side_edge(p->a) : p->h->seq;
    if (b->ack_seen && seq_gt(b->ack, next))
        next = b->ack;
    if (p->h->seq == next || (b->ack_seen && p->h->seq == b->ack)) {
        p->row->marks |= TRACK_BIT(RST_OK);
        move(p, b, TRACK_CLOSED, "RFC 9293 3.10.7.4");
    } else {
        uint32_t window = side_window(b, p->a, &known);
        bool inside = seq_in(p->h->seq, next, known ? window : window << 14);
        p->row->marks |= inside ? TRACK_BIT(RST_NEAR) : TRACK_BIT(RST_BAD);
        p->a->stats.challenged += inside;
    }
}

static void got_ack(struct seen *p)
{
    struct track_side *b = p->b;
    if (!b->based || seq_lt(p->h->ack, b->base + 1))
        return;
    if (b->state == TRACK_SYN_SENT && p->syn)
        move(p, b, TRACK_ESTABLISHED, "RFC 9293 3.10.7.3");
    else if (b->state == TRACK_SYN_RECEIVED)
        move(p, b, TRACK_ESTABLISHED, "RFC 9293 3.10.7.4");
    else if (b->state == TRACK_UNSEEN || b->state == TRACK_SYN_SENT)
        assume(b, TRACK_ESTABLISHED); /* a SYN or SYN-ACK wasn't captured */
    if (!b->fin_seen || seq_lt(p->h->ack, b->fin_end))
        return;
    if (b->state == TRACK_FIN_WAIT_1)
        move(p, b, TRACK_FIN_WAIT_2, "RFC 9293 3.10.7.4");
    else if (b->state == TRACK_CLOSING)
        move(p, b, TRACK_TIME_WAIT, "RFC 9293 3.10.7.4");
    else if (b->state == TRACK_LAST_ACK)
        move(p, b, TRACK_CLOSED, "RFC 9293 3.10.7.4");
}

static void got_fin(struct seen *p)
{
    struct track_side *a = p->a, *b = p->b;
    if (!a->fin_seen || a->fin_taken || seq_lt(side_edge(a), a->fin_end))
        return;
    a->fin_taken = true;
    if (b->state == TRACK_ESTABLISHED || b->state == TRACK_SYN_RECEIVED)
        move(p, b, TRACK_CLOSE_WAIT, "RFC 9293 3.10.7.4");
    else if (b->state == TRACK_FIN_WAIT_1)
        move(p, b, TRACK_CLOSING, "RFC 9293 3.10.7.4");
    else if (b->state == TRACK_FIN_WAIT_2)
        move(p, b, TRACK_TIME_WAIT, "RFC 9293 3.10.7.4");
}

void track_states(struct seen *p)
{
    struct track_row *r = p->row;
    int side = r->side;
    if (p->a->state == TRACK_UNSEEN && p->b->state == TRACK_UNSEEN)
        first_packet(p);
    else if (p->a->state == TRACK_UNSEEN)
        first_answer(p);
    else
        catch_up(p);
    r->before[side] = p->a->state;
    r->before[1 - side] = p->b->state;
    bool dropped = (r->marks & TRACK_BIT(BAD_SUM)) != 0;
    sent(p);
    if (!dropped && p->rst) {
        got_rst(p);
    } else if (!dropped) {
        if (p->syn && !p->ack && p->b->state == TRACK_SYN_SENT)
            move(p, p->b, TRACK_SYN_RECEIVED, "RFC 9293 3.10.7.3");
        if (p->ack)
            got_ack(p);
        got_fin(p);
    }
    r->after[side] = p->a->state;
    r->after[1 - side] = p->b->state;
    r->assumed[side] = p->a->state_assumed;
    r->assumed[1 - side] = p->b->state_assumed;
}
