/* tcp/organs.c: the organs of an instance, and which of them new connections get.
 *
 * Theory of operation. An instance has a short list of organs a kind: ours first, then those that
 * were given to it (td_organ_add), in that order. A knob says by name which one new connections
 * get; a connection notes its number when it is made and keeps it for life, so nothing is ever
 * taken off the list. Congestion control has Linux's knob, whose words are ours: one that was added takes
 * precedence over it until one of ours is named again (cc/cc.c).
 */
#include "tcp/tcp_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ORGAN_NAME_LEN 16u /* as for TCP_CONGESTION, with the zero behind it */

/* Number TCP_LOSS_AUTO: stands for one of the others (lossdet.c), and is never asked. */
static const struct td_loss_ops automatic = {.name = "auto", .doc = "by what was negotiated"};

void tcp_organs_init(struct td_stack *st)
{
    struct tcp_organs *o = &st->tcp->organs;
    o->reassembly[o->count[TD_ORGAN_REASSEMBLY]++] = &tcp_reassembly_runs;
    static const struct td_loss_ops *const ours[] = {&automatic, &tcp_rack, &tcp_sack6675,
                                                     &tcp_newreno, &tcp_newreno_prr};
    for (unsigned i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        o->loss[o->count[TD_ORGAN_LOSS]++] = ours[i];
    }
    o->count[TD_ORGAN_CC] = tcp_cc_ours(o->cc);
    o->rto[o->count[TD_ORGAN_RTO]++] = &tcp_rto_6298;
}

static const char *organ_name(const struct tcp_organs *o, enum td_organ_kind kind, unsigned n)
{
    switch (kind) {
    case TD_ORGAN_REASSEMBLY:
        return o->reassembly[n]->name;
    case TD_ORGAN_LOSS:
        return o->loss[n]->name;
    case TD_ORGAN_CC:
        return o->cc[n]->name;
    case TD_ORGAN_RTO:
        return o->rto[n]->name;
    default:
        return "";
    }
}

static enum journal_word kind_word(enum td_organ_kind kind)
{
    static const enum journal_word words[] = {[TD_ORGAN_REASSEMBLY] = W_TCP_REASSEMBLY,
                                              [TD_ORGAN_LOSS] = W_TCP_LOSS_DETECTION,
                                              [TD_ORGAN_CC] = W_TCP_CONGESTION_CONTROL,
                                              [TD_ORGAN_RTO] = W_TCP_RTO_ESTIMATION};
    return words[kind];
}

/* Its number; -ENOENT. */
static int organ_find(const struct td_stack *st, enum td_organ_kind kind, const char *name)
{
    const struct tcp_organs *o = &st->tcp->organs;
    for (unsigned n = 0; n < o->count[kind]; n++) {
        if (strcmp(organ_name(o, kind, n), name) == 0) {
            return (int)n;
        }
    }
    return -ENOENT;
}

static bool complete_reassembly(const struct td_reassembly_ops *r)
{
    return r->insert != NULL && r->take != NULL && r->range != NULL && r->clear != NULL;
}

static bool complete_loss(const struct td_loss_ops *l)
{
    bool cwnd = l->entered != NULL && l->in_recovery != NULL && l->done != NULL;
    return l->detect != NULL && (cwnd || !l->own_cwnd);
}

int tcp_organ_add(struct td_stack *st, enum td_organ_kind kind, const void *ops)
{
    struct tcp_organs *o = &st->tcp->organs;
    if ((unsigned)kind >= TD_ORGAN_KINDS || ops == NULL) {
        return -EINVAL;
    }
    uint8_t n = o->count[kind];
    if (n == TCP_ORGANS_MAX) {
        return -ENOSPC;
    }
    switch (kind) { /* behind the last: it counts once it is found good */
    case TD_ORGAN_REASSEMBLY:
        o->reassembly[n] = ops;
        if (!complete_reassembly(o->reassembly[n])) {
            return -EINVAL;
        }
        break;
    case TD_ORGAN_LOSS:
        o->loss[n] = ops;
        if (!complete_loss(o->loss[n])) {
            return -EINVAL;
        }
        break;
    case TD_ORGAN_CC:
        o->cc[n] = ops;
        if (o->cc[n]->acked == NULL || o->cc[n]->ssthresh == NULL) {
            return -EINVAL;
        }
        break;
    case TD_ORGAN_RTO:
        o->rto[n] = ops;
        if (o->rto[n]->init == NULL || o->rto[n]->sample == NULL || o->rto[n]->backoff == NULL) {
            return -EINVAL;
        }
        break;
    default:
        return -EINVAL;
    }
    const char *name = organ_name(o, kind, n);
    if (name == NULL || name[0] == '\0' || strnlen(name, ORGAN_NAME_LEN) == ORGAN_NAME_LEN ||
        strpbrk(name, " \t") != NULL) {
        return -EINVAL;
    }
    if (organ_find(st, kind, name) >= 0) {
        return -EEXIST;
    }
    o->count[kind]++;
    JOURNAL(st, EV_TCP_ORGAN_ADDED, NULL, kind_word(kind), n);
    return 0;
}

static int choose(struct td_stack *st, enum td_organ_kind kind, const char *name)
{
    int n = organ_find(st, kind, name);
    if (n < 0) {
        return -EINVAL;
    }
    st->tcp->organs.chosen[kind] = (uint8_t)n;
    JOURNAL(st, EV_TCP_ORGAN_CHOSEN, NULL, kind_word(kind), (unsigned)n);
    return 0;
}

static int chosen(const struct td_stack *st, enum td_organ_kind kind, char *dst, size_t size)
{
    const struct tcp_organs *o = &st->tcp->organs;
    return snprintf(dst, size, "%s", organ_name(o, kind, o->chosen[kind]));
}

int tcp_reassembly_set(struct td_stack *st, const char *name)
{
    return choose(st, TD_ORGAN_REASSEMBLY, name);
}

int tcp_reassembly_get(const struct td_stack *st, char *dst, size_t size)
{
    return chosen(st, TD_ORGAN_REASSEMBLY, dst, size);
}

int tcp_loss_detection_set(struct td_stack *st, const char *name)
{
    return choose(st, TD_ORGAN_LOSS, name);
}

int tcp_loss_detection_get(const struct td_stack *st, char *dst, size_t size)
{
    return chosen(st, TD_ORGAN_LOSS, dst, size);
}

int tcp_rto_organ_set(struct td_stack *st, const char *name)
{
    return choose(st, TD_ORGAN_RTO, name);
}

int tcp_rto_organ_get(const struct td_stack *st, char *dst, size_t size)
{
    return chosen(st, TD_ORGAN_RTO, dst, size);
}

bool tcp_cc_choose(struct td_stack *st, const char *name)
{
    return organ_find(st, TD_ORGAN_CC, name) >= (int)TCP_CC_OURS && choose(st, TD_ORGAN_CC, name) == 0;
}

void tcp_cc_choose_ours(struct td_stack *st)
{
    st->tcp->organs.chosen[TD_ORGAN_CC] = 0; /* the knob says which */
}

const char *tcp_cc_chosen(const struct td_stack *st)
{
    uint8_t n = st->tcp->organs.chosen[TD_ORGAN_CC];
    return n >= TCP_CC_OURS ? st->tcp->organs.cc[n]->name : NULL;
}
