/* tcp/tcb_table.c: the transmission control block itself, a column for each variable, by the name
 * the RFCs give it. What the variables are is in pcb.def, a line each; `pcb` and `table tcb` print
 * them. For what ss prints of a connection see table.c. Sequence numbers are as on the wire. */
#include "tcp/cc/cubic.h"
#include "tcp/pcb.h"
#include "tcp/rack.h"
#include "tcp/xmit.h"

enum {
    COL_ID,
    COL_STATE,
    COL_LADDR,
    COL_LPORT,
    COL_RADDR,
    COL_RPORT,
#define PCB(id, group, name, unit, clause, meaning, when, value) COL_##id,
#include "tcp/pcb.def"
#undef PCB
    NCOLS
};
_Static_assert(COL_RPORT + 1 == TCP_PCB_FIRST, "as the header says");
_Static_assert(NCOLS <= TABLE_MAX_COLUMNS, "too many columns");

/* ---- the catalogue ---- */

const struct tcp_pcb_group_info tcp_pcb_groups[TPG_COUNT] = {
    [TPG_SEND] = {"send", "send sequence space and queue"},
    [TPG_RECEIVE] = {"receive", "receive sequence space and queue"},
    [TPG_OPTIONS] = {"options", "what both SYNs agreed on"},
    [TPG_RTT] = {"rtt", "round trip, and patience"},
    [TPG_CONGESTION] = {"congestion", "congestion control"},
    [TPG_LOSS] = {"loss", "what is in flight, and what of it is lost"},
    [TPG_TIMERS] = {"timers", "timers that are armed"},
    [TPG_ORGANS] = {"counts", "other organs in use, and counts"},
    [TPG_LISTENER] = {"listener", "a listening socket"},
};

const char *const tcp_pcb_unit_names[TPU_YES + 1] = {
    [TPU_SEQ_OURS] = "number", [TPU_SEQ_THEIRS] = "number",
    [TPU_BYTES] = "bytes",     [TPU_SEGMENTS] = "segments",
    [TPU_COUNT] = "count",     [TPU_NS] = "ns",
    [TPU_US] = "us",           [TPU_MS] = "ms",
    [TPU_SECONDS] = "s",       [TPU_RATE] = "bytes/s",
    [TPU_WORD] = "word",       [TPU_BOOL] = "bool",
    [TPU_YES] = "bool",
};

const struct tcp_pcb_info tcp_pcb[] = {
#define PCB(id, group, name, unit, clause, meaning, when, value)                                   \
    {name, clause, meaning, TPG_##group, TPU_##unit},
#include "tcp/pcb.def"
#undef PCB
};
const unsigned tcp_npcb = NCOLS - TCP_PCB_FIRST;

enum { /* a column's type, by unit */
       TYPE_SEQ_OURS = VAL_U64,
       TYPE_SEQ_THEIRS = VAL_U64,
       TYPE_BYTES = VAL_U64,
       TYPE_SEGMENTS = VAL_U64,
       TYPE_COUNT = VAL_U64,
       TYPE_NS = VAL_NS,
       TYPE_US = VAL_U64,
       TYPE_MS = VAL_U64,
       TYPE_SECONDS = VAL_U64,
       TYPE_RATE = VAL_U64,
       TYPE_WORD = VAL_STR,
       TYPE_BOOL = VAL_BOOL,
       TYPE_YES = VAL_BOOL,
};

const struct column tcp_tcb_columns[] = {
    [COL_ID] = {"id", VAL_U64, "number of the socket; 0: none yet"},
    [COL_STATE] = {"state", VAL_STR, "state, as RFC 9293 3.3.2 writes it"},
    [COL_LADDR] = {"local", VAL_IP4, "local address"},
    [COL_LPORT] = {"lport", VAL_U64, "local port"},
    [COL_RADDR] = {"peer", VAL_IP4, "peer's address"},
    [COL_RPORT] = {"pport", VAL_U64, "peer's port"},
#define PCB(id, group, name, unit, clause, meaning, when, value)                                   \
    [COL_##id] = {name, (enum value_type)TYPE_##unit, meaning},
#include "tcp/pcb.def"
#undef PCB
};
const unsigned tcp_tcb_ncolumns = NCOLS;

/* ---- words ---- */

static const char *episode_name(const struct tcb *t)
{
    static const char *const names[] = {"open", "disorder", "cwr", "recovery", "loss"};
    return names[t->ca_state];
}

static const char *phase_name(const struct tcb *t)
{
    static const char *const names[] = {
        [TD_CC_SLOW_START] = "slow-start", [TD_CC_CSS] = "css",
        [TD_CC_AVOIDANCE] = "avoidance",   [TD_CC_CONCAVE] = "concave",
        [TD_CC_CONVEX] = "convex",         [TD_CC_RENO_FRIENDLY] = "reno-friendly"};
    return t->cc.phase < sizeof names / sizeof names[0] ? names[t->cc.phase] : "?";
}

static const char *rtx_name(const struct tcb *t)
{
    static const char *const names[] = {[TRTX_NONE] = "none",
                                        [TRTX_REXMT] = "retransmission",
                                        [TRTX_PROBE] = "tail-loss-probe",
                                        [TRTX_REO] = "reordering",
                                        [TRTX_PERSIST] = "window-probe",
                                        [TRTX_OVERRIDE] = "silly-window-override",
                                        [TRTX_ECN] = "ecn-one-segment"};
    return names[t->rtx_kind];
}

static const char *ctl_name(const struct tcb *t)
{
    static const char *const names[] = {[TCTL_NONE] = "none",
                                        [TCTL_KEEPALIVE] = "keep-alive",
                                        [TCTL_FIN_WAIT_2] = "fin-wait-2",
                                        [TCTL_LINGER] = "linger"};
    return names[t->ctl_kind];
}

static td_time until(const struct td_stack *st, const struct timer *tm)
{
    return tm->deadline > st->now ? tm->deadline - st->now : 0;
}

/* The highest record that was sent more than once. */
static const struct txseg *highest_again(const struct txq *q)
{
    for (uint32_t n = q != NULL ? q->end : 0; q != NULL && n != q->first; n--) {
        if ((txq_at(q, n - 1)->marks & (TXS_EVER | TXS_GONE)) == TXS_EVER) {
            return txq_at(q, n - 1);
        }
    }
    return NULL;
}

/* ---- rows ---- */

#define PUT_SEQ_OURS   row_u64
#define PUT_SEQ_THEIRS row_u64
#define PUT_BYTES      row_u64
#define PUT_SEGMENTS   row_u64
#define PUT_COUNT      row_u64
#define PUT_NS         row_ns
#define PUT_US         row_u64
#define PUT_MS         row_u64
#define PUT_SECONDS    row_u64
#define PUT_RATE       row_u64
#define PUT_WORD       row_word
#define PUT_BOOL       row_bool
#define PUT_YES        row_bool

static void row_tcb(const struct td_stack *st, struct row *row, const struct tcb *t)
{
    const struct txq *q = t->txq;
    const struct rack *r = q != NULL && q->loss.ops == &tcp_rack ? q->loss.state : NULL;
    const struct cubic *c = t->cc.ops == &tcp_cc_cubic ? t->cc.state : NULL;
    const struct txseg *again = highest_again(q);
    const bool listener = t->state == TCPS_LISTEN;
    row_u64(row, COL_ID, t->id);
    row_word(row, COL_STATE, tcp_state_name((enum tcp_state)t->state));
    if (t->state == TCPS_CLOSED) {
        return; /* no variables yet */
    }
#define PCB(id, group, name, unit, clause, meaning, when, value)                                   \
    if (listener == (TPG_##group == TPG_LISTENER) && (when)) {                                     \
        PUT_##unit(row, COL_##id, value);                                                          \
    }
#include "tcp/pcb.def"
#undef PCB
}

static void row_half_open(const struct td_stack *st, struct row *row, const struct half_open *h)
{
    row_u64(row, COL_ID, 0);
    row_word(row, COL_STATE, tcp_state_name(TCPS_SYN_RECEIVED));
    row_u64(row, COL_ISS, h->iss);
    row_u64(row, COL_SND_UNA, h->iss);
    row_u64(row, COL_SND_NXT, h->iss + 1);
    row_u64(row, COL_SND_WND, h->snd_wnd);
    row_u64(row, COL_SENDMSS, h->peer_mss);
    row_u64(row, COL_IRS, h->irs);
    row_u64(row, COL_RCV_NXT, h->irs + 1);
    row_u64(row, COL_RCV_WND, h->rcv_wnd);
    row_u64(row, COL_SND_SHIFT, h->snd_wscale);
    row_u64(row, COL_RCV_SHIFT, h->rcv_wscale);
    if (h->ts_ok) {
        row_bool(row, COL_SND_TS_OK, true);
        row_u64(row, COL_TS_RECENT, h->ts_recent);
    }
    if (h->sack_ok) {
        row_bool(row, COL_SACK_OK, true);
    }
    if (h->ecn_ok) {
        row_bool(row, COL_ECN_OK, true);
    }
    row_u64(row, COL_REXMITS, h->rexmits);
    row_word(row, COL_RTX_KIND, "SYN-ACK");
    row_ns(row, COL_RTX_DUE, until(st, &h->timer));
}

static void row_time_wait(const struct td_stack *st, struct row *row, const struct timewait *w)
{
    row_u64(row, COL_ID, w->id);
    row_word(row, COL_STATE, tcp_state_name(TCPS_TIME_WAIT));
    row_u64(row, COL_SND_NXT, w->snd_nxt);
    row_u64(row, COL_RCV_NXT, w->rcv_nxt);
    row_u64(row, COL_RCV_WND, w->rcv_wnd);
    row_u64(row, COL_RCV_SHIFT, w->rcv_wscale);
    if (w->ts_recent_s != 0) {
        row_bool(row, COL_SND_TS_OK, true);
        row_u64(row, COL_TS_RECENT, w->ts_recent);
    }
    row_word(row, COL_CTL_KIND, "2MSL");
    row_ns(row, COL_CTL_DUE, until(st, &w->timer));
}

static void row_endpoint(const struct td_stack *st, struct row *row, const struct tcp_ep *ep)
{
    row_clear(row);
    row_ip4(row, COL_LADDR, ep->a.laddr);
    row_u64(row, COL_LPORT, ep->a.lport);
    row_ip4(row, COL_RADDR, ep->a.raddr);
    row_u64(row, COL_RPORT, ep->a.rport);
    if (ep->kind == TCP_EP_TIME_WAIT) {
        row_time_wait(st, row, container_of(ep, const struct timewait, ep));
    } else if (ep->kind == TCP_EP_HALF_OPEN) {
        row_half_open(st, row, container_of(ep, const struct half_open, ep));
    } else {
        row_tcb(st, row, container_of(ep, const struct tcb, ep));
    }
}

bool tcp_pcb_row(struct td_stack *st, const struct tcp_addrs *a, struct row *row)
{
    const struct tcp_tuple tuple = {a->laddr, a->raddr, a->lport, a->rport};
    const struct tcp_ep *ep = tcp_ep_find(st, &tuple);
    if (ep != NULL) {
        row_endpoint(st, row, ep);
    }
    return ep != NULL;
}

bool tcp_tcb_next(struct td_stack *st, uint64_t *cursor, struct row *row)
{
    for (;;) {
        struct hash_node *n = hash_from(&st->tcp->eps, *cursor);
        if (n == NULL) {
            return false;
        }
        *cursor = n->order + 1;
        const struct tcp_ep *ep = container_of(n, const struct tcp_ep, node);
        if (ep->kind != TCP_EP_TCB) {
            continue;
        }
        const struct tcb *t = container_of(ep, const struct tcb, ep);
        if (t->state == TCPS_LISTEN || t->state == TCPS_CLOSED) {
            continue; /* no variables yet */
        }
        row_endpoint(st, row, ep);
        return true;
    }
}
