/* tcp/series.c: a connection's inside as time goes by.
 *
 * Theory of operation. The journal says what happened and why; a plot of cwnd wants numbers at many
 * moments. So a connection may keep samples of its variables: time, cwnd, ssthresh, round trip,
 * RTO, bytes in flight, pacing rate, bytes acknowledged. Off by default: the knob tcp_series says
 * how many samples a connection keeps. One is taken after an acknowledgment or output, if the last
 * is older than tcp_series_interval_us, and whenever ssthresh, the state, or the phase of
 * congestion control has changed, however soon.
 *
 * The samples are a ring that grows by doubling, up to the knob: when it is full the oldest goes,
 * which is journaled when it begins. Or, with the knob tcp_series_thin, every second one goes, and
 * from then on they are taken half as often: then a few hundred samples span any connection's whole
 * life. So kept, a series begins only when a connection has sent some segments of text: what is
 * idle or answers shortly costs nothing. A series outlives its connection, so that it can be read
 * afterwards; there are tcp_series_max of them, and a new one takes the place of the oldest whose
 * connection is over. tcp_series 0 forgets them all.
 *
 * They are read as the table `series`. A row's place is the series' number and the sample's number,
 * which both only grow: a reader can go on where it stopped, while samples come and go.
 */
#include "tcp/tcp_internal.h"

#define FIRST_CAP   64
#define THIN_FROM   8  /* segments of text sent, before a series that is thinned begins */
#define SAMPLE_BITS 40 /* of a cursor: the sample's number; above it the series' */

struct tcp_sample {
    td_time at;
    td_time srtt, rto;
    uint64_t pacing_rate, acked;
    uint32_t cwnd, ssthresh, flight, snd_wnd;
    uint32_t retrans;
    uint8_t state, phase;
    bool recovery, timed_out;
};

struct tcp_series {
    struct tcp_series *next; /* by number */
    struct tcb *t;           /* NULL: the connection is over */
    uint64_t number;
    uint32_t id; /* the socket's */
    struct tcp_tuple a;
    struct tcp_sample *ring; /* [cap] */
    uint32_t cap;
    uint64_t first, end; /* numbers of the samples held; n is at n % cap */
    unsigned thinned;    /* the interval was doubled so often */
};

/* ---- the set of them ---- */

static void series_free(struct td_stack *st, struct tcp_series **at)
{
    struct tcp_series *s = *at;
    *at = s->next;
    st->tcp->nseries--;
    if (s->t != NULL) {
        s->t->more_state->series = NULL;
    }
    mem_free(&st->mem, MEM_TCP, s->ring, s->cap * sizeof *s->ring);
    mem_free(&st->mem, MEM_TCP, s, sizeof *s);
}

void tcp_series_clear(struct td_stack *st)
{
    while (st->tcp->series != NULL) {
        series_free(st, &st->tcp->series);
    }
}

void tcp_series_ended(struct tcb *t)
{
    if (t->more_state != NULL && t->more_state->series != NULL) {
        t->more_state->series->t = NULL;
        t->more_state->series = NULL;
    }
}

/* Room for one more series; false: all belong to living connections. */
static bool make_room(struct td_stack *st)
{
    struct tcp_series **at = &st->tcp->series;
    while (st->tcp->nseries >= (uint64_t)knob(st, TCP_SERIES_MAX) && *at != NULL) {
        if ((*at)->t == NULL) {
            series_free(st, at);
        } else {
            at = &(*at)->next;
        }
    }
    return st->tcp->nseries < (uint64_t)knob(st, TCP_SERIES_MAX);
}

static struct tcp_series *series_of(struct td_stack *st, struct tcb *t)
{
    struct tcp_more *m = t->more_state;
    if (m != NULL && m->series != NULL) {
        return m->series;
    }
    m = tcp_more(st, t);
    if (m == NULL || !make_room(st)) {
        return NULL;
    }
    struct tcp_series *s = mem_alloc(&st->mem, MEM_TCP, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    struct tcp_series **end = &st->tcp->series;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = s;
    st->tcp->nseries++;
    s->number = ++st->tcp->series_number;
    s->t = t;
    s->a = t->ep.a;
    m->series = s;
    return s;
}

/* ---- a sample ---- */

static bool grow(struct td_stack *st, struct tcp_series *s)
{
    uint64_t most = (uint64_t)knob(st, TCP_SERIES);
    uint64_t cap = s->cap == 0 ? FIRST_CAP : 2 * (uint64_t)s->cap;
    cap = cap < most ? cap : most;
    if (cap <= s->cap) {
        return false;
    }
    struct tcp_sample *ring = mem_alloc_raw(&st->mem, MEM_TCP, cap * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (uint64_t n = s->first; n < s->end; n++) {
        ring[n % cap] = s->ring[n % s->cap];
    }
    mem_free(&st->mem, MEM_TCP, s->ring, s->cap * sizeof *s->ring);
    s->ring = ring;
    s->cap = (uint32_t)cap;
    return true;
}

/* Nothing decisive has changed since the last sample, and it isn't old enough. */
static bool too_soon(const struct td_stack *st, const struct tcp_series *s, const struct tcb *t)
{
    if (s->end == s->first) {
        return false;
    }
    const struct tcp_sample *last = &s->ring[(s->end - 1) % s->cap];
    td_time interval = ((td_time)knob(st, TCP_SERIES_INTERVAL) * TD_US) << s->thinned;
    return st->now - last->at < interval && t->cc.ssthresh == last->ssthresh &&
           t->state == last->state && t->cc.phase == last->phase &&
           tcp_in_reduction(t) == last->recovery && t->cc.timed_out == last->timed_out;
}

/* Every second sample goes; the newest stays, under its number. */
static void thin(struct tcp_series *s)
{
    uint64_t to = s->end, n = s->end;
    for (;;) {
        s->ring[--to % s->cap] = s->ring[(n - 1) % s->cap];
        if (n < s->first + 3) {
            break;
        }
        n -= 2;
    }
    s->first = to;
    s->thinned += s->thinned < 20;
}

/* Room for one more; false: there is no memory. */
static bool make_place(struct td_stack *st, struct tcp_series *s, const struct tcb *t)
{
    if (s->end - s->first < s->cap || grow(st, s)) {
        return true;
    }
    if (s->cap == 0) {
        return false;
    }
    if (knob(st, TCP_SERIES_THIN) != 0 && s->cap > 1) {
        thin(s);
        return true;
    }
    if (s->first == 0) {
        const struct journal_subject subject = tcp_subject(t);
        JOURNAL(st, EV_TCP_SERIES_FULL, &subject, s->cap, st->now - s->ring[0].at);
    }
    s->first++;
    return true;
}

void tcp_series_take(struct td_stack *st, struct tcb *t)
{
    bool begun = t->more_state != NULL && t->more_state->series != NULL;
    if (!begun && knob(st, TCP_SERIES_THIN) != 0 && t->data_segs_out < THIN_FROM) {
        return;
    }
    struct tcp_series *s = series_of(st, t);
    if (s == NULL || too_soon(st, s, t) || !make_place(st, s, t)) {
        return;
    }
    s->id = t->id;
    s->ring[s->end % s->cap] = (struct tcp_sample){.at = st->now,
                                                   .srtt = t->cc.srtt,
                                                   .rto = t->rtt.rto,
                                                   .pacing_rate = t->cc.pacing_rate,
                                                   .acked = t->bytes_acked,
                                                   .cwnd = t->cc.cwnd,
                                                   .ssthresh = t->cc.ssthresh,
                                                   .flight = tcp_flight(t),
                                                   .snd_wnd = t->snd_wnd,
                                                   .retrans = t->total_retrans,
                                                   .state = t->state,
                                                   .phase = t->cc.phase,
                                                   .recovery = tcp_in_reduction(t),
                                                   .timed_out = t->cc.timed_out};
    s->end++;
}

/* ---- the table ---- */

enum {
    COL_ID,
    COL_TIME,
    COL_CWND,
    COL_SSTHRESH,
    COL_FLIGHT,
    COL_SND_WND,
    COL_SRTT,
    COL_RTO,
    COL_PACING,
    COL_ACKED,
    COL_RETRANS,
    COL_STATE,
    COL_PHASE,
    COL_LADDR,
    COL_LPORT,
    COL_RADDR,
    COL_RPORT,
    NCOLS
};
const struct column tcp_series_columns[] = {
    [COL_ID] = {"id", VAL_U64, "number of the socket"},
    [COL_TIME] = {"time", VAL_NS, "stack time"},
    [COL_CWND] = {"cwnd", VAL_U64, "congestion window, bytes"},
    [COL_SSTHRESH] = {"ssthresh", VAL_U64, "slow-start threshold, bytes; absent: none yet"},
    [COL_FLIGHT] = {"flight", VAL_U64, "SND.NXT - SND.UNA, bytes"},
    [COL_SND_WND] = {"snd_wnd", VAL_U64, "the peer's window, bytes"},
    [COL_SRTT] = {"srtt", VAL_NS, "smoothed round trip; absent: none yet"},
    [COL_RTO] = {"rto", VAL_NS, "retransmission time-out"},
    [COL_PACING] = {"pacing_rate", VAL_U64, "bytes a second"},
    [COL_ACKED] = {"bytes_acked", VAL_U64, "bytes of text acknowledged so far"},
    [COL_RETRANS] = {"retrans", VAL_U64, "segments sent again so far"},
    [COL_STATE] = {"state", VAL_STR, "of the connection, as ss names it"},
    [COL_PHASE] = {"phase", VAL_STR, "recovery, loss, or what congestion control is doing"},
    [COL_LADDR] = {"local", VAL_IP4, "local address"},
    [COL_LPORT] = {"lport", VAL_U64, "local port"},
    [COL_RADDR] = {"peer", VAL_IP4, "peer's address"},
    [COL_RPORT] = {"pport", VAL_U64, "peer's port"},
};
const unsigned tcp_series_ncolumns = NCOLS;

static const char *phase_name(const struct tcp_sample *x)
{
    static const char *const names[] = {
        [TD_CC_SLOW_START] = "slow-start", [TD_CC_CSS] = "css",
        [TD_CC_AVOIDANCE] = "avoidance",   [TD_CC_CONCAVE] = "concave",
        [TD_CC_CONVEX] = "convex",         [TD_CC_RENO_FRIENDLY] = "reno-friendly"};
    return x->recovery                                 ? "recovery"
           : x->timed_out                              ? "loss"
           : x->phase < sizeof names / sizeof names[0] ? names[x->phase]
                                                       : "?";
}

static void fill(struct row *row, const struct tcp_series *s, const struct tcp_sample *x)
{
    row_clear(row);
    row_u64(row, COL_ID, s->id);
    row_ns(row, COL_TIME, x->at);
    row_u64(row, COL_CWND, x->cwnd);
    if (x->ssthresh < TD_CC_NO_SSTHRESH) {
        row_u64(row, COL_SSTHRESH, x->ssthresh);
    }
    row_u64(row, COL_FLIGHT, x->flight);
    row_u64(row, COL_SND_WND, x->snd_wnd);
    if (x->srtt != 0) {
        row_ns(row, COL_SRTT, x->srtt);
    }
    row_ns(row, COL_RTO, x->rto);
    row_u64(row, COL_PACING, x->pacing_rate);
    row_u64(row, COL_ACKED, x->acked);
    row_u64(row, COL_RETRANS, x->retrans);
    row_word(row, COL_STATE, tcp_state_ss((enum tcp_state)x->state));
    row_word(row, COL_PHASE, phase_name(x));
    row_ip4(row, COL_LADDR, s->a.laddr);
    row_u64(row, COL_LPORT, s->a.lport);
    row_ip4(row, COL_RADDR, s->a.raddr);
    row_u64(row, COL_RPORT, s->a.rport);
}

bool tcp_series_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    uint64_t number = *cursor >> SAMPLE_BITS;
    uint64_t sample = *cursor & ((UINT64_C(1) << SAMPLE_BITS) - 1);
    for (const struct tcp_series *s = st->tcp->series; s != NULL; s = s->next) {
        if (s->number < number) {
            continue;
        }
        if (s->number > number || sample < s->first) {
            sample = s->first;
        }
        if (sample < s->end) {
            *cursor = s->number << SAMPLE_BITS | (sample + 1);
            fill(row, s, &s->ring[sample % s->cap]);
            return true;
        }
    }
    return false;
}
