/* Words of tc: any text, read as disciplines and as a rule. What is taken the stack takes, frames pass through it, and
 * what it prints isn't cut short.
 */
#include "fuzz.h"

#include "common/qdisc.h"
#include "common/rule.h"
#include "common/text.h"
#include "link/qdisc.h"

static void pass_frames(struct qdisc *q, const uint8_t *data, size_t size, struct mem *m)
{
    td_time now = 0;
    for (size_t i = 0; i < 40; i++) {
        struct pkt *p = pkt_from_bytes(m, 0, data, size < 60 ? (uint32_t)size : 60);
        FUZZ_CHECK(p != NULL);
        (void)qdisc_enqueue(q, p, now);
        while ((p = qdisc_dequeue(q, now)) != NULL)
            pkt_free(p);
        td_time next = qdisc_next(q);
        now += next != TD_NEVER && next > now ? (next - now) / 2 + 1 : TD_MS;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1024], msg[768];
    size_t n = size < sizeof text - 1 ? size : sizeof text - 1;
    struct td_qdisc_chain chain;
    struct td_impair rule;
    struct qdisc *q = NULL, *rules;
    struct mem m;

    memcpy(text, data, n);
    text[n] = '\0';
    mem_init(&m, 0);
    if (parse_qdisc_text(text, &chain, msg, sizeof msg)) {
        char out[1024];
        if (chain.q[0].kind == TD_QDISC_PFIFO && chain.q[0].u.fifo.limit == 0)
            chain.q[0].u.fifo.limit = 10;
        int err = qdisc_chain_set(&q, &m, &chain, 1, NULL, 0);
        FUZZ_CHECK(err == 0 || chain.depth > 1); /* a pfifo inside needs its limit said */
        for (uint32_t i = 0; i < chain.depth; i++)
            format_qdisc(&chain.q[i], out, sizeof out);
        if (q != NULL)
            pass_frames(q, data, size, &m);
    } else {
        FUZZ_CHECK(msg[0] != '\0');
    }
    char **argv;
    int argc = words_split(text, &argv, msg, sizeof msg);
    if (argc >= 0 && parse_rule(argc, argv, &rule, msg, sizeof msg)) {
        if (q == NULL)
            q = qdisc_pfifo(&m, 100);
        rules = qdisc_rules(&m, q);
        FUZZ_CHECK(rules != NULL && qdisc_rule_add(rules, &rule) == 1);
        pass_frames(rules, data, size, &m);
        FUZZ_CHECK(qdisc_rule_del(rules, 1, 0) == 0);
        q = rules;
    }
    words_free(argv);
    qdisc_destroy(q);
    pkt_cache_drop(&m);
    FUZZ_CHECK(m.used == 0);
    return 0;
}
