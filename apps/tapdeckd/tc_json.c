/* tapdeckd/tc_json.c: queue disciplines in JSON, with iproute2's keys and units: probabilities from
 * 0 to 1, netem's times in seconds, the others' in microseconds, rates in bytes a second.
 */
#include "tapdeckd/cmd_tc.h"

#include "common/qdisc.h"

static double share(uint32_t p)
{
    return (double)(uint64_t)((double)p / 4294967295.0 * 1e8 + 0.5) / 1e8;
}

static void chance(struct jsonw *w, const char *key, const char *name, uint32_t p,
                   uint32_t correlation)
{
    jw_open(w, key, '{');
    jw_double(w, name, share(p));
    jw_double(w, "correlation", share(correlation));
    jw_close(w, '}');
}

static void netem_loss(struct jsonw *w, const struct td_netem *n)
{
    if (n->loss)
        chance(w, "loss-random", "loss", n->loss, n->loss_corr);
    if (n->ge_p) {
        jw_open(w, "loss-gemodel", '{');
        jw_double(w, "p", share(n->ge_p));
        jw_double(w, "r", share(n->ge_r));
        jw_double(w, "1-h", share(n->ge_bad));
        jw_double(w, "1-k", share(n->ge_good));
        jw_close(w, '}');
    }
    if (n->four_state) {
        jw_open(w, "loss-state", '{');
        jw_double(w, "p13", share(n->p13));
        jw_double(w, "p31", share(n->p31));
        jw_double(w, "p32", share(n->p32));
        jw_double(w, "p23", share(n->p23));
        jw_double(w, "p14", share(n->p14));
        jw_close(w, '}');
    }
}

static void netem_options(struct jsonw *w, const struct td_netem *n)
{
    static const char *const dists[] = {"uniform", "normal", "pareto", "paretonormal"};
    jw_u64(w, "limit", n->limit != 0 ? n->limit : 1000);
    if (n->delay || n->jitter) {
        jw_open(w, "delay", '{');
        jw_double(w, "delay", (double)n->delay / 1e9);
        jw_double(w, "jitter", (double)n->jitter / 1e9);
        jw_double(w, "correlation", share(n->delay_corr));
        jw_close(w, '}');
    }
    if (n->dist != TD_DIST_UNIFORM)
        jw_str(w, "distribution", dists[n->dist]);
    netem_loss(w, n);
    if (n->duplicate)
        chance(w, "duplicate", "duplicate", n->duplicate, n->duplicate_corr);
    if (n->reorder)
        chance(w, "reorder", "reorder", n->reorder, n->reorder_corr);
    if (n->corrupt)
        chance(w, "corrupt", "corrupt", n->corrupt, n->corrupt_corr);
    if (n->rate) {
        jw_open(w, "rate", '{');
        jw_u64(w, "rate", n->rate / 8);
        jw_i64(w, "packetoverhead", n->overhead);
        jw_u64(w, "cellsize", n->cell);
        jw_u64(w, "celloverhead", n->cell_overhead);
        jw_close(w, '}');
    }
    if (n->slot_max) {
        jw_open(w, "slot", '{');
        jw_double(w, "min-delay", (double)n->slot_min / 1e9);
        jw_double(w, "max-delay", (double)n->slot_max / 1e9);
        jw_u64(w, "packets", n->slot_packets);
        jw_u64(w, "bytes", n->slot_bytes);
        jw_close(w, '}');
    }
    jw_bool(w, "ecn", n->ecn);
    jw_u64(w, "gap", n->gap);
    if (n->seed)
        jw_u64(w, "seed", n->seed);
}

static void tbf_options(struct jsonw *w, const struct td_tbf *t)
{
    jw_u64(w, "rate", t->rate / 8);
    jw_u64(w, "burst", t->burst);
    if (t->peakrate != 0) {
        jw_u64(w, "peakrate", t->peakrate / 8);
        jw_u64(w, "minburst", t->mtu);
    }
    if (t->limit > t->burst)
        jw_u64(w, "lat", qdisc_tbf_latency(t) / TD_US);
    else
        jw_u64(w, "limit", t->limit);
}

static void fq_codel_options(struct jsonw *w, const struct td_fq_codel *f)
{
    jw_u64(w, "limit", f->limit);
    jw_u64(w, "flows", f->flows);
    jw_u64(w, "quantum", f->quantum);
    jw_u64(w, "target", f->target / TD_US);
    if (f->ce_threshold != TD_NEVER)
        jw_u64(w, "ce_threshold", f->ce_threshold / TD_US);
    jw_u64(w, "interval", f->interval / TD_US);
    jw_u64(w, "memory_limit", f->memory_limit);
    if (f->ecn)
        jw_bool(w, "ecn", true);
    jw_u64(w, "drop_batch", f->drop_batch);
}

static void red_options(struct jsonw *w, const struct td_red *r)
{
    jw_u64(w, "limit", r->limit);
    jw_u64(w, "min", r->min);
    jw_u64(w, "max", r->max);
    jw_bool(w, "ecn", r->ecn);
    jw_bool(w, "harddrop", r->harddrop);
    jw_bool(w, "adaptive", r->adaptive);
    jw_u64(w, "ewma", r->wlog);
    jw_double(w, "probability", share(r->max_p));
}

void tc_json_options(struct jsonw *w, const struct td_qdisc *d)
{
    switch (d->kind) {
    case TD_QDISC_NETEM:
        netem_options(w, &d->u.netem);
        break;
    case TD_QDISC_TBF:
        tbf_options(w, &d->u.tbf);
        break;
    case TD_QDISC_FQ_CODEL:
        fq_codel_options(w, &d->u.fq_codel);
        break;
    case TD_QDISC_RED:
        red_options(w, &d->u.red);
        break;
    default:
        jw_u64(w, "limit", d->u.fifo.limit);
    }
}

void tc_json_stats(struct jsonw *w, const struct qdisc *q)
{
    struct fq_codel_stats f;
    struct red_stats red;
    jw_u64(w, "bytes", q->sent_bytes);
    jw_u64(w, "packets", q->sent_packets);
    jw_u64(w, "drops", qdisc_all_drops(q));
    jw_u64(w, "overlimits", q->overlimits);
    jw_u64(w, "requeues", 0);
    jw_u64(w, "backlog", qdisc_all_bytes(q));
    jw_u64(w, "qlen", qdisc_all_packets(q));
    jw_u64(w, "marks", q->marks);
    if (qdisc_fq_codel_stats(q, &f)) {
        jw_u64(w, "maxpacket", f.maxpacket);
        jw_u64(w, "drop_overlimit", f.drop_overlimit);
        jw_u64(w, "new_flow_count", f.new_flow_count);
        jw_u64(w, "ecn_mark", f.ecn_mark);
        jw_u64(w, "ce_mark", f.ce_mark);
        jw_u64(w, "drop_overmemory", f.drop_overmemory);
        jw_u64(w, "memory_used", f.memory_used);
        jw_u64(w, "new_flows_len", f.new_flows_len);
        jw_u64(w, "old_flows_len", f.old_flows_len);
    }
    if (qdisc_red_stats(q, &red)) {
        jw_u64(w, "marked", red.marked);
        jw_u64(w, "early", red.early);
        jw_u64(w, "pdrop", red.pdrop);
        jw_u64(w, "other", red.other);
    }
}
