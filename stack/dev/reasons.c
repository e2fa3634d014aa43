/* dev/reasons.c: the journal's reasons for a packet.
 *
 * Theory of operation. A watch on the journal (core/journal.h) gets every event, those too that the
 * level keeps out of the journal's own ring, and puts the last few thousand into a ring here,
 * chained by packet: an event is about the packet that it names, else about the packet whose
 * arrival let it happen. What happened to a packet is then its chain, oldest first:
 *
 *     tcp-rst-in: A reset at 1 ends the connection in ESTABLISHED. [RFC 9293 3.10.7]
 *     tcp-state: The connection went from ESTABLISHED to CLOSED …
 *
 * For a packet that left, the question is why. Three things answer it: the events that name it
 * (tcp-retransmit, ip-out with the next hop that was chosen); what was said in the same breath just
 * before it was built (tcp-rst-out, tcp-challenge, tcp-keepalive: same origin, same connection, no
 * other segment between), which is added to its chain when the segment is announced; and the
 * journal's cause, followed back, and the origin at its end:
 *
 *     because tcp-rto: No acknowledgment for 1 s: retransmission time-out 1 … [RFC 6298 5.4-5.6]
 *     because packet 17 arrived
 *
 * Events that only restate the packet (eth-in, ip-in, tcp-seg-in …) are not told. The ring is
 * bounded: a packet that waited in a queue while four thousand events happened keeps only those
 * reasons that are still there.
 */
#include "dev/reasons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING    4096u /* events remembered; a power of two */
#define BUCKETS 1024u
#define CHAIN   64 /* events of one packet looked at, at most */
#define BREATH  8  /* events before a segment's announcement that may explain it */
#define CAUSES  4  /* how far causes are followed back */

struct entry {
    struct journal_record r;
    uint64_t about; /* packet id; 0: none */
    uint64_t older; /* the entry before it in its bucket, by number + 1; 0: none */
};

struct reasons {
    struct td_stack *st;
    struct journal_watch watch;
    uint64_t next; /* number of the next entry; entry n is ring[n % RING] */
    uint64_t bucket[BUCKETS];
    struct entry ring[RING];
};

static bool held(const struct reasons *rs, uint64_t n)
{
    return n < rs->next && rs->next - n <= RING;
}

static const struct entry *at(const struct reasons *rs, uint64_t n)
{
    return &rs->ring[n % RING];
}

/* Says no more than the packet itself does. */
static bool restates(unsigned event)
{
    switch (event) {
    case EV_ETH_IN:
    case EV_ETH_OUT:
    case EV_IP_IN:
    case EV_ARP_IN:
    case EV_UDP_SEND:
    case EV_TCP_SEG_IN:
    case EV_TCP_SEG_OUT:
    case EV_FAULT_SET:
        return true;
    default:
        return false;
    }
}

static void add(struct reasons *rs, const struct journal_record *r, uint64_t about)
{
    struct entry *e = &rs->ring[rs->next % RING];
    uint64_t *bucket = &rs->bucket[about % BUCKETS];
    e->r = *r;
    e->about = about;
    e->older = *bucket;
    *bucket = ++rs->next;
}

static bool same_breath(const struct journal_record *a, const struct journal_record *b)
{
    return a->time == b->time && a->origin == b->origin && a->origin_id == b->origin_id &&
           (a->subject.conn == 0 || b->subject.conn == 0 || a->subject.conn == b->subject.conn);
}

/* A segment is announced: what was said just before it is why. */
static void explain(struct reasons *rs, const struct journal_record *r)
{
    struct journal_record why[BREATH];
    unsigned n = 0;
    for (uint64_t i = rs->next; i > 0 && n < BREATH && held(rs, i - 1); i--) {
        const struct entry *e = at(rs, i - 1);
        unsigned kind = event_info[e->r.event].kind;
        if (!same_breath(&e->r, r) || e->r.event == EV_TCP_SEG_OUT || e->r.event == EV_IP_OUT ||
            e->r.event == EV_TCP_SEG_IN)
            break;
        if (!restates(e->r.event) && kind != EVK_STATE &&
            (kind != EVK_DETAIL || e->r.event == EV_TCP_DELACK_FIRED))
            why[n++] = e->r;
    }
    while (n > 0)
        add(rs, &why[--n], r->subject.pkt);
}

/* Told in front of an ARP packet that is about to be sent, and gets the next number there is. */
static bool announces_arp(unsigned event)
{
    return event == EV_ARP_REQUEST || event == EV_ARP_REPLY || event == EV_ACD_PROBE ||
           event == EV_ACD_ANNOUNCE;
}

static void heard(void *ctx, const struct journal_record *r)
{
    struct reasons *rs = ctx;
    uint64_t about = r->subject.pkt != 0         ? r->subject.pkt
                     : r->origin == ORIGIN_FRAME ? r->origin_id
                                                 : 0;
    if (r->event == EV_TCP_SEG_OUT && r->subject.pkt != 0)
        explain(rs, r);
    add(rs, r, about);
    if (announces_arp(r->event))
        add(rs, r, rs->st->journal.next_packet + 1);
}

struct reasons *reasons_open(struct td_stack *st)
{
    struct reasons *rs = calloc(1, sizeof *rs);
    if (rs == NULL)
        return NULL;
    rs->st = st;
    rs->watch = (struct journal_watch){.fn = heard, .ctx = rs};
    journal_watch(&st->journal, &rs->watch);
    return rs;
}

void reasons_close(struct reasons *rs)
{
    if (rs == NULL)
        return;
    journal_unwatch(&rs->st->journal, &rs->watch);
    free(rs);
}

/* ---- telling ---- */

struct teller {
    const struct reasons *rs;
    unsigned left;
    void (*fn)(void *ctx, const char *sentence);
    void *ctx;
};

static void say(struct teller *t, const char *sentence)
{
    if (t->left == 0)
        return;
    t->left--;
    t->fn(t->ctx, sentence);
}

static void say_event(struct teller *t, const struct journal_record *r, const char *before)
{
    const struct event_info *e = &event_info[r->event];
    bool clause = strcmp(e->clause, "-") != 0;
    char text[512], sentence[768];
    (void)journal_format(t->rs->st, r, text, sizeof text);
    (void)snprintf(sentence, sizeof sentence, "%s%s: %s%s%s%s", before, e->name, text,
                   clause ? " [" : "", clause ? e->clause : "", clause ? "]" : "");
    say(t, sentence);
}

static const struct journal_record *find(const struct reasons *rs, uint64_t seq)
{
    uint64_t oldest = rs->next > RING ? rs->next - RING : 0;
    if (rs->next == 0 || at(rs, oldest)->r.seq > seq)
        return journal_find(rs->st, seq);
    for (uint64_t n = rs->next; n > oldest; n--) {
        const struct journal_record *r = &at(rs, n - 1)->r;
        if (r->seq == seq)
            return r;
        if (r->seq + 2 * (uint64_t)BREATH <
            seq) /* in order of their numbers, but for the few that explain() adds */
            break;
    }
    return journal_find(rs->st, seq);
}

static bool told(const uint64_t *seqs, unsigned n, uint64_t seq)
{
    while (n > 0)
        if (seqs[--n] == seq)
            return true;
    return false;
}

static void say_origin(struct teller *t, const struct journal_record *r, uint64_t pkt)
{
    char sentence[80];
    if (r->origin == ORIGIN_FRAME && r->origin_id != pkt)
        (void)snprintf(sentence, sizeof sentence, "because packet %llu arrived",
                       (unsigned long long)r->origin_id);
    else if (r->origin == ORIGIN_TIMER)
        (void)snprintf(sentence, sizeof sentence, "because timer %llu fired",
                       (unsigned long long)r->origin_id);
    else if (r->origin == ORIGIN_CALL)
        (void)snprintf(sentence, sizeof sentence, "because of call %llu",
                       (unsigned long long)r->origin_id);
    else
        return;
    say(t, sentence);
}

/* What a packet was sent because of: its causes, and how it began. */
static void say_causes(struct teller *t, const struct journal_record *r, uint64_t pkt,
                       uint64_t *seqs, unsigned n)
{
    const struct journal_record *last = r;
    for (unsigned i = 0; i < CAUSES && last->cause != 0 && last->cause < last->seq; i++) {
        const struct journal_record *cause = find(t->rs, last->cause);
        if (cause == NULL)
            break;
        if (!told(seqs, n, cause->seq) && !restates(cause->event))
            say_event(t, cause, "because ");
        last = cause;
    }
    say_origin(t, last, pkt);
}

void reasons_tell(const struct reasons *rs, uint64_t pkt, bool out, unsigned most,
                  void (*fn)(void *ctx, const char *sentence), void *ctx)
{
    struct teller t = {rs, most, fn, ctx};
    const struct journal_record *chain[CHAIN], *sent = NULL;
    uint64_t seqs[CHAIN];
    unsigned n = 0, ntold = 0;
    for (uint64_t i = rs->bucket[pkt % BUCKETS]; i > 0 && held(rs, i - 1) && n < CHAIN;
         i = at(rs, i - 1)->older)
        if (at(rs, i - 1)->about == pkt)
            chain[n++] = &at(rs, i - 1)->r;
    while (n > 0) {
        const struct journal_record *r = chain[--n];
        bool names = r->subject.pkt == pkt || (out && announces_arp(r->event));
        if (names && (sent == NULL || r->event == EV_TCP_SEG_OUT))
            sent = r;
        if (restates(r->event) || told(seqs, ntold, r->seq))
            continue;
        seqs[ntold++] = r->seq;
        say_event(&t, r, "");
    }
    if (out && sent != NULL)
        say_causes(&t, sent, pkt, seqs, ntold);
}
