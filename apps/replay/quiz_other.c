/* replay/quiz_other.c: questions about what isn't TCP: who answers an ARP request, how far a
 * datagram has come, where a fragment lies (quiz.h).
 */
#include <string.h>

#include "replay/quiz.h"

#define ASK(...)     (void)snprintf(x->ask, sizeof(x->ask), __VA_ARGS__)
#define EXPLAIN(...) (void)snprintf(x->explanation, sizeof(x->explanation), __VA_ARGS__)
#define CLAUSE(text) (void)snprintf(x->clause, sizeof(x->clause), "%s", text)

static unsigned long long number(const struct quiz *q, size_t i)
{
    return (unsigned long long)q->row[i].r.number;
}

static void accept_ip(struct question *x, td_ip4 a)
{
    question_accept(x, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void wrong_ip(struct question *x, const char *feedback, td_ip4 a)
{
    question_wrong(x, feedback, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

bool quiz_ask_arp(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct quiz_row *r = &q->row[i];
    size_t m = i + 1;
    if (r->request && r->asks != r->says) {
        while (m < q->nrows && !(q->row[m].reply && q->row[m].says == r->asks))
            m++;
        if (m == q->nrows)
            return false;
        x->form = FORM_ADDRESS;
        x->hides_row = m;
        x->cells = COL_BIT(COL_WHAT);
        cells_need(c, i, COL_BIT(COL_WHAT));
        accept_ip(x, r->asks);
        ASK("Packet %llu is a broadcast request, and packet %llu answers it. Whose answer is that, "
            "by its IPv4 address?",
            number(q, i), number(q, m));
        EXPLAIN("%s: it asks who has this address, and only its owner answers, with its hardware "
                "address %s.",
                x->accepted[0], q->row[m].mac);
        CLAUSE("RFC 826");
        wrong_ip(x, "That is who asks: the answer is told to it.", r->says);
        return true;
    }
    return false;
}

static unsigned began_with(unsigned ttl)
{
    return ttl <= 64 ? 64 : ttl <= 128 ? 128 : 255;
}

bool quiz_ask_ttl(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct quiz_row *r = &q->row[i];
    if (!r->ip || r->ttl == 0)
        return false;
    unsigned from = began_with(r->ttl), routers = from - r->ttl;
    if (routers > 30)
        return false;
    c->dull = routers == 0;
    x->form = FORM_NUMBER;
    x->cells = COL_BIT(COL_TTL);
    question_accept(x, "%u", routers);
    ASK("Packet %llu is captured with a time to live of %u; hosts begin with 64, 128 or 255. How "
        "many routers has it passed on its way from %s?",
        number(q, i), r->ttl, r->from);
    EXPLAIN("%u: it began with %u, and each router took one.", routers, from);
    CLAUSE("RFC 1812 5.3.1");
    question_wrong(x, "That is the time to live that is left, not what was taken from it.", "%u",
                   r->ttl);
    question_wrong(x, "Links aren't routers: the last hop takes nothing.", "%u", routers + 1);
    return true;
}

bool quiz_ask_frag(struct quiz *q, size_t i, struct question *x, struct cells *c)
{
    const struct quiz_row *r = &q->row[i];
    if (!r->ip || r->offset == 0)
        return false;
    for (size_t k = 0; k < q->nrows; k++) {
        const struct quiz_row *b = &q->row[k];
        if (k == i || !b->ip || b->id != r->id || !b->more || b->offset + b->payload != r->offset ||
            strcmp(b->from, r->from) != 0)
            continue;
        x->form = FORM_NUMBER;
        x->cells = COL_BIT(COL_OFFSET);
        cells_need(c, k, COL_BIT(COL_OFFSET) | COL_BIT(COL_LEN));
        question_accept(x, "%u", r->offset);
        ASK("Packet %llu is a fragment of the same datagram as packet %llu, and holds what follows "
            "it. At which byte of the payload does it begin?",
            number(q, i), number(q, k));
        EXPLAIN("%u: packet %llu begins at %u and holds %u bytes. The header's field counts "
                "eights: %u.",
                r->offset, number(q, k), b->offset, b->payload, r->offset / 8);
        CLAUSE("RFC 791 3.2");
        question_wrong(x, "That is the field, which counts eights. The question is about bytes.",
                       "%u", r->offset / 8);
        question_wrong(x, "The header isn't part of the payload that was cut into fragments.", "%u",
                       r->offset + 20);
        question_wrong(x, "That is where the one before begins.", "%u", b->offset);
        question_wrong(x, "Nearly: bytes are counted from 0.", "%u", r->offset + 1);
        return true;
    }
    return false;
}
