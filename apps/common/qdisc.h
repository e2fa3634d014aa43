/* common/qdisc.h: queue disciplines as tc writes them. The console, the daemon, `tapdeck wire` and
 * files that describe networks read them here.
 */
#ifndef APPS_COMMON_QDISC_H
#define APPS_COMMON_QDISC_H

#include <stddef.h>

#include "tapdeck/qdisc.h"

/* One discipline, its kind first: {"netem", "delay", "20ms"}. Stops at the first word that isn't
 * its own and returns how many it took; the handle stays 0. -1: msg is one sentence that says which
 * word is wrong and what would be right; *out is then undefined. pfifo [limit N]              bfifo
 * limit SIZE netem …                      parse_netem tbf rate RATE burst SIZE latency TIME | limit
 * SIZE [peakrate RATE mtu SIZE] fq_codel [limit N] [flows N] [quantum BYTES] [target TIME]
 * [interval TIME] [ce_threshold TIME] [memory_limit SIZE] [drop_batch N] [ecn | noecn] [seed N] red
 * limit SIZE [min SIZE] [max SIZE] [avpkt SIZE] [burst N] [probability P] [bandwidth RATE] [ecn]
 * [harddrop] [adaptive] [seed N] */
int parse_qdisc(int argc, char *const *argv, struct td_qdisc *out, char *msg, size_t msg_size);
bool qdisc_kind_parse(const char *word, enum td_qdisc_kind *out);
/* Disciplines that stand inside each other, the outermost first, divided by a slash: {"tbf",
 * "rate", …, "/", "fq_codel"}. Returns as parse_qdisc. */
int parse_qdisc_chain(int argc, char *const *argv, struct td_qdisc_chain *out, char *msg,
                      size_t msg_size);
/* A whole text: "netem delay 20ms loss 1%", "tbf rate 10mbit burst 15kb
 * latency 50ms / fq_codel". False: msg is a sentence. */
bool parse_qdisc_text(const char *text, struct td_qdisc_chain *out, char *msg, size_t msg_size);
/* As `tc qdisc show` prints its options: "limit 1000 delay 20ms loss 1%". */
void format_qdisc(const struct td_qdisc *d, char *dst, size_t size);
const char *qdisc_kind_name(enum td_qdisc_kind kind);
bool qdisc_holds_others(enum td_qdisc_kind kind); /* netem and tbf may have one inside */
td_time qdisc_tbf_latency(
    const struct td_tbf *t); /* the longest wait its limit means; 0: less than a burst */

/* netem's words (tc-netem(8)): delay TIME [JITTER [CORR]] [distribution uniform|normal|pareto|
 * paretonormal], loss [random] P% [CORR], loss gemodel P [R [1-H [1-K]]], loss state P13 [P31 [P32
 * [P23 [P14]]]], ecn, duplicate P% [CORR], corrupt P% [CORR], reorder P% [CORR] [gap N], gap N,
 * rate RATE [OVERHEAD [CELL [CELLOVERHEAD]]], slot MIN [MAX] [packets N] [bytes N], limit N, seed
 * N. Fills *out from zero; returns as parse_qdisc. */
int parse_netem(int argc, char *const *argv, struct td_netem *out, char *msg, size_t msg_size);
void format_netem(const struct td_netem *n, char *dst, size_t size);

/* Words and numbers, for what reads in the same way (common/rule.c). */
struct words {
    int argc, at;
    char *const *argv;
    char *msg;
    size_t msg_size;
};
const char *words_peek(const struct words *w); /* NULL: no more */
bool words_fail(struct words *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* false */

#endif
