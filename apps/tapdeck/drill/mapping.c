/* drill/mapping.c: script space and live space; see mapping.h. */
#include "tapdeck/drill/mapping.h"

#include "wire/ipv4.h"

#include <stdlib.h>

struct conn *conn_new(int proto)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->proto = proto;
        c->fd = -1;
    }
    return c;
}

void conn_free(struct conn *c)
{
    if (c != NULL) {
        free(c->ts);
        free(c);
    }
}

uint32_t conn_remote_live(const struct conn *c, uint32_t script, bool syn)
{
    return syn ? script : script + c->risn;
}

uint32_t conn_remote_script(const struct conn *c, uint32_t live, bool syn)
{
    return syn ? live : live - c->risn;
}

uint32_t conn_local_live(const struct conn *c, uint32_t script, bool syn)
{
    return script + c->lisn_live - (syn ? c->lisn_script : 0);
}

uint32_t conn_local_script(const struct conn *c, uint32_t live, bool syn)
{
    return live - c->lisn_live + (syn ? c->lisn_script : 0);
}

bool conn_ts_learn(struct conn *c, uint32_t script, uint32_t live)
{
    for (size_t i = 0; i < c->nts; i++) {
        if (c->ts[i].script == script && i > 0) { /* the first pair is the base and stays */
            c->ts[i].live = live;
            return true;
        }
    }
    if (c->nts == c->ts_cap) {
        size_t cap = c->ts_cap == 0 ? 16 : c->ts_cap * 2;
        struct ts_pair *ts = realloc(c->ts, cap * sizeof *ts);
        if (ts == NULL) {
            return false;
        }
        c->ts = ts;
        c->ts_cap = cap;
    }
    c->ts[c->nts++] = (struct ts_pair){script, live};
    return true;
}

/* The line through the two known pairs around `script`, or through the nearest two. */
static uint32_t between(const struct conn *c, uint32_t script)
{
    const struct ts_pair *low = NULL, *high = NULL;
    for (size_t i = 0; i < c->nts; i++) {
        const struct ts_pair *p = &c->ts[i];
        if ((int32_t)(p->script - script) <= 0 &&
            (low == NULL || (int32_t)(p->script - low->script) >= 0)) {
            low = p;
        }
        if ((int32_t)(p->script - script) > 0 &&
            (high == NULL || (int32_t)(p->script - high->script) < 0)) {
            high = p;
        }
    }
    if (low == NULL || high == NULL) {
        const struct ts_pair *one = low != NULL ? low : high;
        return one->live + (script - one->script);
    }
    int64_t along = (int32_t)(script - low->script);
    int64_t wide = (int32_t)(high->script - low->script);
    int64_t rise = (int32_t)(high->live - low->live);
    return low->live + (uint32_t)(rise * along / wide);
}

bool conn_ts_live(const struct conn *c, uint32_t script, bool scaled, uint32_t *live)
{
    for (size_t i = c->nts; i > 0; i--) {
        if (c->ts[i - 1].script == script) {
            *live = c->ts[i - 1].live;
            return true;
        }
    }
    if (!scaled || c->nts == 0) {
        return false;
    }
    *live = between(c, script);
    return true;
}

bool conn_ts_script(const struct conn *c, uint32_t live, uint32_t *script)
{
    if (c->nts == 0) {
        return false;
    }
    *script = c->ts[0].script + (live - c->ts[0].live);
    return true;
}

bool conn_owns(const struct conn *c, const struct seg *s, bool outbound)
{
    td_ip4 laddr = outbound ? s->src : s->dst, raddr = outbound ? s->dst : s->src;
    uint16_t lport = outbound ? s->sport : s->dport, rport = outbound ? s->dport : s->sport;
    if (c->laddr != laddr || c->raddr != raddr) {
        return false;
    }
    if (s->proto == IPPROTO_ICMP_ || (s->frag & 0x1fff) != 0) {
        return true;
    }
    return s->proto == c->proto && c->lport == lport && c->rport == rport;
}
