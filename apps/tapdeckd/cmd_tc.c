/* tapdeckd/cmd_tc.c: `tc`: queue disciplines in tc's words, and rules for single frames.
 *
 * A direction's disciplines are a chain that the stack takes as a whole (tapdeck/qdisc.h). A
 * command here changes one place of it: the root, or what stands inside the discipline with a
 * handle (`parent 1:`). So the chain that is there is read back, the place found, and the result
 * given to the stack in one call: nothing is ever half-applied.
 *
 * The queue that an interface starts with has no handle; whoever adds one gets 8001:, 8002: … as in
 * Linux.
 */
#include "tapdeckd/deck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/qdisc.h"
#include "common/rule.h"
#include "link/link.h"
#include "tapdeckd/cmd_tc.h"

/* ---- tc qdisc show ---- */

static void show_place(struct run *r, const struct qdisc *parent, bool ingress)
{
    char handle[16];
    snprintf(handle, sizeof(handle), "%x:1", parent != NULL ? parent->handle : 0);
    if (r->json && parent != NULL) {
        jw_str(&r->jw, "parent", handle);
    } else if (r->json) {
        jw_bool(&r->jw, ingress ? "ingress" : "root", true);
        jw_u64(&r->jw, "refcnt", 2);
    } else if (parent != NULL) {
        run_printf(r, " parent %s", handle);
    } else {
        run_printf(r, " %s refcnt 2", ingress ? "ingress" : "root");
    }
}

static void show_stats(struct run *r, const struct qdisc *q)
{
    struct fq_codel_stats f;
    struct red_stats red;
    run_printf(r,
               " Sent %llu bytes %llu pkt (dropped %llu, overlimits %llu requeues 0) \n backlog "
               "%llub %llup requeues 0\n",
               (unsigned long long)q->sent_bytes, (unsigned long long)q->sent_packets,
               (unsigned long long)qdisc_all_drops(q), (unsigned long long)q->overlimits,
               (unsigned long long)qdisc_all_bytes(q), (unsigned long long)qdisc_all_packets(q));
    if (qdisc_fq_codel_stats(q, &f)) {
        run_printf(r, "  maxpacket %u drop_overlimit %u new_flow_count %u ecn_mark %u", f.maxpacket,
                   f.drop_overlimit, f.new_flow_count, f.ecn_mark);
        if (f.ce_mark > 0)
            run_printf(r, " ce_mark %u", f.ce_mark);
        if (f.drop_overmemory > 0)
            run_printf(r, " drop_overmemory %u", f.drop_overmemory);
        run_printf(r, "\n  new_flows_len %u old_flows_len %u\n", f.new_flows_len, f.old_flows_len);
    }
    if (qdisc_red_stats(q, &red))
        run_printf(r, "  marked %llu early %llu pdrop %llu other %llu\n",
                   (unsigned long long)red.marked, (unsigned long long)red.early,
                   (unsigned long long)red.pdrop, (unsigned long long)red.other);
}

/* `named`: of which interface, which goes without saying after `dev X`. */
static void show_head(struct run *r, const char *kind, const char *handle, const struct netif *nif, bool named)
{
    if (!r->json) {
        run_printf(r, "qdisc %s %s%s%s", kind, handle, named ? " dev " : "", named ? nif->name : "");
        return;
    }
    jw_str(&r->jw, "kind", kind);
    jw_str(&r->jw, "handle", handle);
    if (named)
        jw_str(&r->jw, "dev", nif->name);
}

/* An interface on which nothing is queued: loopback, and those that stand on others. */
static void show_noqueue(struct run *r, const struct netif *nif, bool named, bool stats)
{
    static const char *const counters[] = {"bytes", "packets", "drops", "overlimits", "requeues", "backlog", "qlen"};
    if (!r->json) {
        show_head(r, "noqueue", "0:", nif, named);
        run_puts(r, " root refcnt 2 \n");
        if (stats)
            run_puts(r, " Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) \n backlog 0b 0p requeues 0\n");
        return;
    }
    jw_open(&r->jw, NULL, '{');
    show_head(r, "noqueue", "0:", nif, named);
    show_place(r, NULL, false);
    jw_open(&r->jw, "options", '{');
    jw_close(&r->jw, '}');
    for (size_t i = 0; stats && i < sizeof(counters) / sizeof(*counters); i++)
        jw_u64(&r->jw, counters[i], 0);
    jw_close(&r->jw, '}');
}

static void show_one(struct run *r, const struct netif *nif, const struct qdisc *q,
                     const struct qdisc *parent, bool ingress, bool named, bool stats)
{
    struct td_qdisc d = {.kind = q->ops->id};
    char handle[16], text[700];
    q->ops->params(q, &d);
    snprintf(handle, sizeof(handle), "%x:", q->handle);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        show_head(r, q->ops->kind, handle, nif, named);
        show_place(r, parent, ingress);
        jw_open(&r->jw, "options", '{');
        tc_json_options(&r->jw, &d);
        jw_close(&r->jw, '}');
        if (stats)
            tc_json_stats(&r->jw, q);
        jw_close(&r->jw, '}');
        return;
    }
    format_qdisc(&d, text, sizeof(text));
    show_head(r, q->ops->kind, handle, nif, named);
    show_place(r, parent, ingress);
    run_printf(r, " %s\n", text);
    if (stats)
        show_stats(r, q);
}

static int qdisc_show(struct run *r, uint32_t only, bool stats)
{
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next) {
        if (only != 0 && nif->index != only)
            continue;
        if (netif_chain(nif, false) == NULL)
            show_noqueue(r, nif, only == 0, stats);
        for (int ingress = 0; ingress < 2; ingress++) {
            const struct qdisc *parent = NULL;
            for (const struct qdisc *q = netif_chain(nif, ingress != 0); q != NULL && !q->implicit;
                 q = q->child) {
                show_one(r, nif, q, parent, ingress != 0, only == 0, stats);
                parent = q;
            }
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

/* ---- tc qdisc add, change, replace, del ---- */

enum verb { VERB_ADD, VERB_CHANGE, VERB_REPLACE, VERB_DEL, VERB_SHOW };

struct place { /* which discipline is meant */
    uint32_t ifindex;
    const struct netif *nif;
    bool ingress, has_parent;
    uint16_t handle, parent;
};

static const char *const qdisc_right =
    "write `tc qdisc add|change|replace|del|show dev X [root|egress|ingress] "
    "[parent H:] [handle H:] netem|tbf|fq_codel|red|pfifo|bfifo ...`";

/* "1:", "1:1", "8001:": hexadecimal, as in tc; the minor number says nothing here. */
static bool parse_handle(const char *s, uint16_t *out)
{
    char *end;
    unsigned long v = strtoul(s, &end, 16);
    if (end == s || v == 0 || v > 0xffff || *end != ':' ||
        strspn(end + 1, "0123456789abcdef") != strlen(end + 1))
        return false;
    *out = (uint16_t)v;
    return true;
}

/* Reads the words from `at` up to a discipline's kind. The index of the kind (or argc), or -1. */
static int read_place(struct run *r, int at, struct place *p)
{
    enum td_qdisc_kind kind;
    for (; at < r->argc && !qdisc_kind_parse(r->argv[at], &kind); at++) {
        const char *word = r->argv[at], *value;
        if (strcmp(word, "dev") == 0) {
            if ((value = run_value(r, at++, "the interface's name")) == NULL ||
                (p->ifindex = run_interface(r, value)) == 0)
                return -1;
        } else if (strcmp(word, "handle") == 0 || strcmp(word, "parent") == 0) {
            bool parent = word[0] == 'p';
            if ((value = run_value(r, at++, "a handle")) == NULL)
                return -1;
            if (!parse_handle(value, parent ? &p->parent : &p->handle)) {
                run_fail(r, EXIT_USAGE,
                         "'%s' is not a handle: write it as 1: (hexadecimal, up to ffff:)", value);
                return -1;
            }
            p->has_parent = p->has_parent || parent;
        } else if (strcmp(word, "ingress") == 0) {
            p->ingress = true;
        } else if (strcmp(word, "root") != 0 && strcmp(word, "egress") != 0) {
            run_bad_word(r, at, qdisc_right);
            return -1;
        }
    }
    p->nif = p->ifindex != 0 ? netif_by_index(r->deck->st, p->ifindex) : NULL;
    return at;
}

static const char *where(const struct place *p)
{
    return p->ingress ? " at ingress" : "";
}

/* The chain as somebody has made it; the queue an interface starts with is none. */
static void chain_there(const struct place *p, struct td_qdisc_chain *c)
{
    qdisc_chain_get(netif_chain(p->nif, p->ingress), c);
    if (c->depth == 1 && c->q[0].kind == TD_QDISC_PFIFO && c->q[0].handle == 0)
        c->depth = 0;
}

/* The first number from 8001: that nothing here has. */
static uint16_t free_handle(const struct td_stack *st)
{
    for (uint16_t h = 0x8001; h != 0; h++) {
        bool taken = false;
        for (const struct netif *nif = netif_first(st); nif != NULL; nif = nif->next)
            for (int ingress = 0; ingress < 2; ingress++)
                for (const struct qdisc *q = netif_chain(nif, ingress != 0); q != NULL;
                     q = q->child)
                    taken = taken || q->handle == h;
        if (!taken)
            return h;
    }
    return 0xffff;
}

/* Which place of the chain is meant, 0 the root; -1 and a sentence. */
static int chain_place(struct run *r, const struct place *p, const struct td_qdisc_chain *c)
{
    if (!p->has_parent)
        return 0;
    for (uint32_t i = 0; i < c->depth; i++) {
        if (c->q[i].handle != p->parent)
            continue;
        if (!qdisc_holds_others(c->q[i].kind)) {
            run_fail(
                r, EXIT_USAGE,
                "nothing can stand inside a %s (%x:): only netem and tbf hold another discipline",
                qdisc_kind_name(c->q[i].kind), p->parent);
            return -1;
        }
        if (i + 1 == TD_QDISC_DEPTH) {
            run_fail(r, EXIT_USAGE, "at most %d queue disciplines stand inside each other",
                     TD_QDISC_DEPTH);
            return -1;
        }
        return (int)i + 1;
    }
    run_fail(r, EXIT_USAGE,
             "%s has no queue discipline %x:%s: `tc qdisc show dev %s` lists their handles",
             p->nif->name, p->parent, where(p), p->nif->name);
    return -1;
}

static bool handle_free(struct run *r, const struct place *p, const struct td_qdisc_chain *c,
                        int at, uint16_t handle)
{
    for (uint32_t i = 0; i < c->depth; i++) {
        if ((int)i != at && c->q[i].handle == handle) {
            run_fail(r, EXIT_USAGE, "the handle %x: is taken by the %s of %s: choose another",
                     handle, qdisc_kind_name(c->q[i].kind), p->nif->name);
            return false;
        }
    }
    return true;
}

/* Puts d at its place in the chain, as the verb wants it. False: a sentence is set. */
static bool chain_edit(struct run *r, enum verb verb, const struct place *p,
                       struct td_qdisc_chain *c, int at, const struct td_qdisc *d)
{
    bool there = (uint32_t)at < c->depth;
    const char *is = there ? qdisc_kind_name(c->q[at].kind) : "", *name = p->nif->name;
    const char *wants = d != NULL ? qdisc_kind_name(d->kind) : "queue discipline";
    if (verb == VERB_ADD && there) {
        run_fail(r, EXIT_USAGE,
                 "%s has a %s already%s: `tc qdisc change` alters it, `tc qdisc replace` puts "
                 "another in its "
                 "place",
                 name, is, where(p));
        return false;
    }
    if ((verb == VERB_CHANGE || verb == VERB_DEL) && !there) {
        run_fail(r, EXIT_USAGE, "%s has no %s%s: `tc qdisc add dev %s%s netem ...` puts one there",
                 name, verb == VERB_DEL ? "queue discipline of yours" : wants, where(p), name,
                 p->ingress ? " ingress" : "");
        return false;
    }
    if (verb == VERB_CHANGE && c->q[at].kind != d->kind) {
        run_fail(r, EXIT_USAGE,
                 "%s has a %s%s, no %s: `tc qdisc replace` puts another in its place", name, is,
                 where(p), wants);
        return false;
    }
    if (verb == VERB_DEL) {
        c->depth = (uint32_t)at;
        return true;
    }
    uint16_t handle = p->handle != 0                      ? p->handle
                      : there && c->q[at].kind == d->kind ? c->q[at].handle
                                                          : 0;
    if (handle == 0)
        handle = free_handle(r->deck->st);
    if (!handle_free(r, p, c, at, handle))
        return false;
    if (!there || c->q[at].kind != d->kind)
        c->depth = (uint32_t)at + 1; /* what stood inside another kind goes with it */
    c->q[at] = *d;
    c->q[at].handle = handle;
    return true;
}

static int qdisc_set(struct run *r, enum verb verb, const char *verb_word, int at)
{
    struct place p = {0};
    struct td_qdisc_chain c;
    struct td_qdisc d;
    int kind_at = read_place(r, at, &p);
    if (kind_at < 0)
        return EXIT_USAGE;
    if (p.nif == NULL)
        return run_fail(r, EXIT_USAGE, "which interface? write `tc qdisc %s dev eth0 netem ...`",
                        verb_word);
    if (verb != VERB_DEL && kind_at >= r->argc)
        return run_fail(
            r, EXIT_USAGE,
            "which queue discipline? write `tc qdisc %s dev %s netem delay 20ms loss 1%%`, or "
            "tbf, fq_codel, red, pfifo, bfifo",
            verb_word, p.nif->name);
    chain_there(&p, &c);
    int place = chain_place(r, &p, &c);
    if (place < 0)
        return EXIT_USAGE;
    if (verb != VERB_DEL) {
        int used = parse_qdisc(r->argc - kind_at, r->argv + kind_at, &d, r->err, sizeof(r->err));
        if (used < 0)
            return EXIT_USAGE;
        if (kind_at + used < r->argc)
            return run_fail(r, EXIT_USAGE, "'%s' is none of %s's words: `help tc` lists them",
                            r->argv[kind_at + used], r->argv[kind_at]);
    }
    if (!chain_edit(r, verb, &p, &c, place, verb != VERB_DEL ? &d : NULL))
        return EXIT_USAGE;
    int err = td_if_qdisc(r->deck->st, p.ifindex, p.ingress, &c);
    return err == 0 ? EXIT_DONE : run_fail(r, EXIT_FAILED, "%s: %s", p.nif->name, error_text(err));
}

static int qdisc_main(struct run *r, int at, bool stats)
{
    const char *verb = at < r->argc ? r->argv[at++] : "show";
    if (word_abbrev(verb, "show") || word_abbrev(verb, "list") || strcmp(verb, "ls") == 0) {
        struct place p = {0};
        int end = read_place(r, at, &p);
        if (end < 0)
            return EXIT_USAGE;
        return end < r->argc ? run_bad_word(r, end, qdisc_right) : qdisc_show(r, p.ifindex, stats);
    }
    if (strcmp(verb, "add") == 0)
        return qdisc_set(r, VERB_ADD, verb, at);
    if (word_abbrev(verb, "change"))
        return qdisc_set(r, VERB_CHANGE, verb, at);
    if (word_abbrev(verb, "replace"))
        return qdisc_set(r, VERB_REPLACE, verb, at);
    if (word_abbrev(verb, "delete"))
        return qdisc_set(r, VERB_DEL, verb, at);
    return run_bad_word(r, at - 1, qdisc_right);
}

/* ---- tc rule ---- */

static const char *const rule_right =
    "write `tc rule add dev X [egress|ingress] drop the 3rd segment with data matching 'tcp dst "
    "port 80'`, "
    "`tc rule del|release dev X [egress|ingress] N|all` or `tc rule show [dev X]`";

static void rule_show_one(struct run *r, const struct netif *nif, bool ingress,
                          const struct rule_info *info, bool stats)
{
    if (!r->json) {
        run_printf(r, "rule %u dev %s %s %s\n", info->id, nif->name, ingress ? "ingress" : "egress",
                   info->rule->text);
        if (stats)
            run_printf(r, " matched %llu acted %llu held %llu\n", (unsigned long long)info->matched,
                       (unsigned long long)info->acted, (unsigned long long)info->held);
        return;
    }
    jw_open(&r->jw, NULL, '{');
    jw_u64(&r->jw, "rule", info->id);
    jw_str(&r->jw, "dev", nif->name);
    jw_str(&r->jw, "direction", ingress ? "ingress" : "egress");
    jw_str(&r->jw, "text", info->rule->text);
    jw_u64(&r->jw, "matched", info->matched);
    jw_u64(&r->jw, "acted", info->acted);
    jw_u64(&r->jw, "held", info->held);
    jw_close(&r->jw, '}');
}

static int rule_show(struct run *r, uint32_t only, bool stats)
{
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct netif *nif = netif_first(r->deck->st); nif != NULL; nif = nif->next) {
        for (int ingress = 0; ingress < 2 && (only == 0 || nif->index == only); ingress++) {
            const struct qdisc *top = ingress != 0 ? nif->ingress : nif->egress;
            struct rule_info info = {0};
            while (qdisc_is_rules(top) && qdisc_rule_from(top, info.id + 1, &info))
                rule_show_one(r, nif, ingress != 0, &info, stats);
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int rule_add(struct run *r, const struct place *p, int at)
{
    struct td_impair rule;
    if (at >= r->argc)
        return run_fail(r, EXIT_USAGE, "what is to happen to which frames? %s", rule_right);
    if (!parse_rule(r->argc - at, r->argv + at, &rule, r->err, sizeof(r->err)))
        return EXIT_USAGE;
    int id = td_impair_add(r->deck->st, p->ifindex, p->ingress, &rule);
    if (id < 0)
        return run_fail(r, EXIT_FAILED, "%s: %s", p->nif->name, error_text(id));
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "rule", (uint64_t)id);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    } else {
        run_printf(r, "rule %d\n", id);
    }
    return EXIT_DONE;
}

static int rule_end(struct run *r, const struct place *p, int at, bool del)
{
    uint32_t id = 0;
    if (at >= r->argc || at + 1 < r->argc ||
        (strcmp(r->argv[at], "all") != 0 && (!parse_u32(r->argv[at], INT32_MAX, &id) || id == 0)))
        return run_fail(
            r, EXIT_USAGE,
            "which rule? `tc rule show` has their numbers: write `tc rule %s dev %s %s 1`, or all",
            del ? "del" : "release", p->nif->name, p->ingress ? "ingress" : "egress");
    int err = del ? td_impair_del(r->deck->st, p->ifindex, p->ingress, id)
                  : td_impair_release(r->deck->st, p->ifindex, p->ingress, id);
    if (err < 0)
        return run_fail(r, EXIT_USAGE, "%s has no rule %u%s: `tc rule show dev %s` lists them",
                        p->nif->name, id, where(p), p->nif->name);
    return EXIT_DONE;
}

static int rule_main(struct run *r, int at, bool stats)
{
    const char *verb = at < r->argc ? r->argv[at++] : "show";
    struct place p = {0};
    bool show = word_abbrev(verb, "show") || word_abbrev(verb, "list") || strcmp(verb, "ls") == 0;
    bool add = strcmp(verb, "add") == 0, del = word_abbrev(verb, "delete");
    if (!show && !add && !del && !word_abbrev(verb, "release"))
        return run_bad_word(r, at - 1, rule_right);
    for (; at < r->argc; at++) {
        if (strcmp(r->argv[at], "dev") == 0) {
            const char *name = run_value(r, at++, "the interface's name");
            if (name == NULL || (p.ifindex = run_interface(r, name)) == 0)
                return EXIT_USAGE;
        } else if (strcmp(r->argv[at], "ingress") == 0 || strcmp(r->argv[at], "egress") == 0) {
            p.ingress = r->argv[at][0] == 'i';
        } else {
            break;
        }
    }
    if (show)
        return at < r->argc ? run_bad_word(r, at, rule_right) : rule_show(r, p.ifindex, stats);
    if (p.ifindex == 0)
        return run_fail(r, EXIT_USAGE, "which interface? %s", rule_right);
    p.nif = netif_by_index(r->deck->st, p.ifindex);
    return add ? rule_add(r, &p, at) : rule_end(r, &p, at, del);
}

static int tc_main(struct run *r)
{
    bool stats = false;
    int at = 1;
    for (; at < r->argc && r->argv[at][0] == '-'; at++) {
        if (strcmp(r->argv[at], "-s") == 0)
            stats = true;
        else if (strcmp(r->argv[at], "-j") == 0 || strcmp(r->argv[at], "-json") == 0)
            r->json = true;
        else if (strcmp(r->argv[at], "-d") != 0 && strcmp(r->argv[at], "-p") != 0 && strcmp(r->argv[at], "-n") != 0)
            return run_bad_word(r, at, "the options here are -s, -d and -j");
    }
    if (at < r->argc && word_abbrev(r->argv[at], "qdisc"))
        return qdisc_main(r, at + 1, stats);
    if (at < r->argc && word_abbrev(r->argv[at], "rule"))
        return rule_main(r, at + 1, stats);
    return run_bad_word(r, at, "write `tc qdisc ...` or `tc rule ...`");
}

const struct command command_tc = {
    .name = "tc",
    .usage = "tc [-s] [-d] [-j] qdisc [show] [dev IFACE]\n"
             "tc qdisc {add | change | replace} dev IFACE [root | egress | ingress] [parent HANDLE] [handle HANDLE] DISCIPLINE\n"
             "tc qdisc del dev IFACE [root | egress | ingress] [parent HANDLE]\n"
             "tc [-s] [-j] rule [show] [dev IFACE]\n"
             "tc rule add dev IFACE [egress | ingress] ACTION WORD...\n"
             "tc rule {del | release} dev IFACE [egress | ingress] {N | all}\n"
             "DISCIPLINE := netem NETEM | tbf TBF | fq_codel FQ_CODEL | red RED | pfifo [limit N] | bfifo limit SIZE\n"
             "NETEM := [delay TIME [TIME [PERCENT]]] [distribution {uniform | normal | pareto | paretonormal}]\n"
             "         [loss {[random] PERCENT [PERCENT] | gemodel PERCENT... | state PERCENT...}] [ecn]\n"
             "         [duplicate PERCENT [PERCENT]] [corrupt PERCENT [PERCENT]] [reorder PERCENT [PERCENT] [gap N]]\n"
             "         [rate RATE [N [N [N]]]] [slot TIME [TIME] [packets N] [bytes N]] [limit N] [seed N]\n"
             "TBF := [rate RATE] [burst SIZE] [latency TIME] [limit SIZE] [peakrate RATE] [mtu SIZE]\n"
             "FQ_CODEL := [limit N] [flows N] [quantum N] [target TIME] [interval TIME] [ce_threshold TIME]\n"
             "            [memory_limit SIZE] [drop_batch N] [ecn | noecn] [seed N]\n"
             "RED := [limit SIZE] [min SIZE] [max SIZE] [avpkt SIZE] [burst N] [probability P] [bandwidth RATE]\n"
             "       [ecn] [harddrop] [adaptive] [seed N]\n"
             "ACTION := drop | delay | duplicate | corrupt | mark | hold",
    .doc = "impairments, shapers and queue management of an interface, outgoing (egress) or "
           "incoming (ingress); rules for "
           "single frames",
    .more =
        "DISCIPLINE is one of\n"
        "  netem [delay TIME [JITTER [CORR]]] [distribution uniform|normal|pareto|paretonormal]\n"
        "      [loss [random] P% [CORR] | loss gemodel P [R [1-H [1-K]]] | loss state P13 [P31 "
        "[P32 [P23 [P14]]]]] [ecn]\n"
        "      [duplicate P% [CORR]] [corrupt P% [CORR]] [reorder P% [CORR] [gap N]] [rate RATE "
        "[OVERHEAD [CELL [CELLOVERHEAD]]]]\n"
        "      [slot MIN [MAX] [packets N] [bytes N]] [limit N] [seed N]\n"
        "  tbf rate RATE burst SIZE latency TIME | limit SIZE [peakrate RATE mtu SIZE]\n"
        "  fq_codel [limit N] [flows N] [quantum BYTES] [target TIME] [interval TIME] "
        "[ce_threshold TIME] [memory_limit SIZE]\n"
        "      [drop_batch N] [ecn|noecn] [seed N]\n"
        "  red limit SIZE [min SIZE] [max SIZE] [avpkt SIZE] [burst N] [probability P] [bandwidth "
        "RATE] [ecn] [harddrop]\n"
        "      [adaptive] [seed N]\n"
        "  pfifo [limit N]    bfifo limit SIZE\n"
        "Inside a netem or a tbf another may stand: give the outer one a handle and name it as "
        "parent. What isn't said has its\n"
        "default, also in `change`. The same seed gives the same losses. A bottleneck with a long "
        "queue, and one without:\n"
        "  tc qdisc add dev eth0 root handle 1: tbf rate 10mbit burst 15kb latency 500ms\n"
        "  tc qdisc add dev eth0 parent 1: fq_codel\n"
        "A rule is about single frames: what happens, to which of those that are described, in "
        "this order or near it.\n"
        "  ACTION  drop, delay, duplicate, corrupt, mark (congestion experienced), hold\n"
        "  WHICH   the 3rd, nth 3, nth 3-5, first 3, from 3, every 10, all (the default)\n"
        "  FRAMES  syn, syn-ack, ack, data, fin, rst, tcp (segment), udp, icmp, arp, ip "
        "(datagram), ipv6, fragment, ce;\n"
        "          several: all must hold. `ack` is an acknowledgment and nothing else\n"
        "  matching 'EXPRESSION'   libpcap's filter language, in quotes\n"
        "  HOW     delay: by TIME; hold: until WHICH FRAMES [matching ...], or for TIME, or until "
        "`tc rule release`;\n"
        "          duplicate: N times; corrupt: bit N\n"
        "Rules see frames before the queue disciplines do, one rule after the other; `why rule` "
        "tells what they did.\n"
        "Examples:\n"
        "  tc qdisc add dev eth0 netem delay 20ms 5ms distribution normal loss 1% seed 7\n"
        "  tc qdisc add dev eth0 ingress netem loss gemodel 1% 30%\n"
        "  tc -s qdisc show dev eth0\n"
        "  tc rule add dev eth0 drop the 3rd segment with data matching 'tcp dst port 80'\n"
        "  tc rule add dev eth0 delay the 2nd SYN-ACK by 1s\n"
        "  tc rule add dev eth0 hold the 1st data until the 3rd data\n"
        "  tc rule add dev eth0 ingress corrupt every 10 udp",
    .fn = tc_main,
};
