/* door/knobs.c: knobs by their sysctl names.
 *
 * A name may be written with dots or slashes. The catalogue's names are matched whole; names of
 * per-interface knobs ("conf.%s.arp_ignore") are matched with `all`, `default` or an interface's name
 * in the place of %s. Values are text, as a student would write them: "1", "4096 131072 6291456", or
 * a word of the knob's list.
 */
#include "door/door.h"

#include "core/journal.h"
#include "core/knobs.h"
#include "ip/nf/nf.h"
#include "link/link.h"
#include "tapdeck/stack.h"
#include "tcp/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IFKNOB_PREFIX "net.ipv4."
#define FAULT_PREFIX  "tapdeck.fault."

/* Dots for slashes. False: too long to be any knob's. */
static bool canonical(const char *name, char out[KNOB_NAME_LEN])
{
    size_t n = strlen(name);
    if (n == 0 || n >= KNOB_NAME_LEN)
        return false;
    for (size_t i = 0; i <= n; i++)
        out[i] = name[i] == '/' ? '.' : name[i];
    return true;
}

/* If `name` is the pattern with something in the place of %s, copies that something. */
static bool match_pattern(const char *pattern, const char *name, char who[NETIF_NAME_LEN])
{
    size_t prefix = strlen(IFKNOB_PREFIX);
    if (strncmp(name, IFKNOB_PREFIX, prefix) != 0)
        return false;
    name += prefix;
    const char *hole = strstr(pattern, "%s");
    size_t head = (size_t)(hole - pattern), n = strlen(name), tail = strlen(hole + 2);
    if (n <= head + tail || strncmp(name, pattern, head) != 0 ||
        strcmp(name + n - tail, hole + 2) != 0 || n - head - tail >= NETIF_NAME_LEN)
        return false;
    memcpy(who, name + head, n - head - tail);
    who[n - head - tail] = '\0';
    return true;
}

/* Where a knob's values are, and what is allowed there. */
struct place {
    const struct knob_info *info;
    int64_t *v;
    uint64_t subject;  /* KNOB_SUBJECT: for the journal */
    enum knob_id id;   /* KNOB_COUNT for per-interface knobs */
};

/* There is a net.ipv4.conf.all, but no net.ipv4.neigh.all, as in Linux. */
static bool has_all(unsigned ifknob)
{
    return strncmp(ifknob_info[ifknob].name, "conf.", 5) == 0;
}

static bool knob_place(struct td_stack *st, const char *text, struct place *p)
{
    char name[KNOB_NAME_LEN], who[NETIF_NAME_LEN];
    memset(p, 0, sizeof *p);
    if (!canonical(text, name))
        return false;
    for (unsigned i = 0; i < KNOB_COUNT; i++) {
        if (strcmp(knob_info[i].name, name) == 0) {
            *p = (struct place){&knob_info[i], st->knobs.v[i], KNOB_SUBJECT(i, 0), (enum knob_id)i};
            return true;
        }
    }
    for (unsigned i = 0; i < IFKNOB_COUNT; i++) {
        if (!match_pattern(ifknob_info[i].name, name, who))
            continue;
        int64_t *v = NULL;
        uint64_t whose = KNOB_WHO_ALL;
        if (strcmp(who, "all") == 0) {
            v = has_all(i) ? &st->knobs.all[i] : NULL;
        } else if (strcmp(who, "default") == 0) {
            v = &st->knobs.dflt[i];
            whose = KNOB_WHO_DEFAULT;
        } else {
            struct netif *nif = netif_by_name(st, who);
            v = nif != NULL ? &nif->knob[i] : NULL;
            whose = nif != NULL ? nif->index : 0;
        }
        if (v == NULL)
            return false;
        *p = (struct place){&ifknob_info[i], v, KNOB_SUBJECT(KNOB_COUNT + i, whose), KNOB_COUNT};
        return true;
    }
    return false;
}

/* One whole number at *s; moves *s behind it and the blanks around it. */
static bool take_number(const char **s, int64_t *out)
{
    const char *p = *s;
    bool negative = false;
    uint64_t v = 0;
    while (*p == ' ' || *p == '\t')
        p++;
    if (*p == '-') {
        negative = true;
        p++;
    }
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (uint64_t)(*p - '0');
        if (v > INT64_MAX / 16)
            return false;
    }
    if (*p != '\0' && *p != ' ' && *p != '\t')
        return false;
    while (*p == ' ' || *p == '\t')
        p++;
    *out = negative ? -(int64_t)v : (int64_t)v;
    *s = p;
    return true;
}

static int parse_word(const char *words, const char *value, int64_t *out)
{
    int64_t index = 0;
    size_t n = strlen(value);
    for (const char *p = words; *p != '\0'; index++) {
        size_t len = strcspn(p, " ");
        if (len == n && strncmp(p, value, n) == 0) {
            *out = index;
            return 0;
        }
        p += len;
        while (*p == ' ')
            p++;
    }
    return -EINVAL;
}

/* Words between blanks, in any order: a bit for each. */
static int parse_set(const char *words, const char *value, int64_t *out)
{
    char word[KNOB_NAME_LEN];
    int64_t bits = 0, index = 0;
    for (value += strspn(value, " \t"); *value != '\0'; value += strspn(value, " \t")) {
        size_t len = strcspn(value, " \t");
        if (len >= sizeof word)
            return -EINVAL;
        memcpy(word, value, len);
        word[len] = '\0';
        if (parse_word(words, word, &index) != 0)
            return -EINVAL;
        bits |= INT64_C(1) << index;
        value += len;
    }
    *out = bits;
    return bits == 0 ? -EINVAL : 0;
}

static int parse_values(const struct knob_info *info, const char *value, int64_t v[3])
{
    if (info->set) { /* what can only be read takes its own value back, and nothing else */
        int err = parse_set(info->words, value, &v[0]);
        return info->fixed && v[0] != info->def[0][0] ? -EPERM : err;
    }
    if (info->words != NULL)
        return parse_word(info->words, value, &v[0]);
    unsigned n = 0;
    while (*value != '\0' && n < info->nvalues) {
        if (!take_number(&value, &v[n]))
            return -EINVAL;
        if (v[n] < info->min || v[n] > info->max)
            return -ERANGE;
        n++;
    }
    if (n == 0 || *value != '\0')
        return -EINVAL;
    return info->nvalues == 2 && v[0] > v[1] ? -EINVAL : 0; /* a range that holds nothing */
}

/* ---- deliberate bugs: tapdeck.fault.NAME ---- */

/* FAULT_COUNT = the name is no fault's. */
static unsigned fault_find(const char *text)
{
    char name[KNOB_NAME_LEN];
    size_t prefix = strlen(FAULT_PREFIX);
    if (!canonical(text, name) || strncmp(name, FAULT_PREFIX, prefix) != 0)
        return FAULT_COUNT;
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        if (strcmp(fault_info[i].name, name + prefix) == 0)
            return i;
    return FAULT_COUNT;
}

static int fault_set(struct td_stack *st, unsigned fault, const char *value)
{
    if (!st->allow_faults)
        return -EPERM;
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return -EINVAL;
    if (st->fault_secret)
        return -EBUSY; /* the same for all names */
    uint64_t bit = UINT64_C(1) << fault;
    st->faults = st->faults_shown = *value == '1' ? st->faults | bit : st->faults & ~bit;
    JOURNAL(st, EV_FAULT_SET, NULL, fault, *value == '1');
    return 0;
}

int fault_secret_set(struct td_stack *st, int fault)
{
    if (!st->allow_faults)
        return -EPERM;
    if (fault >= FAULT_COUNT)
        return -EINVAL;
    if (st->faults_shown != 0)
        return -EBUSY;
    st->fault_secret = fault >= 0;
    st->faults = fault >= 0 ? UINT64_C(1) << fault : 0;
    return 0;
}

void td_fault_each(void (*fn)(void *ctx, const char *name, const char *rows, const char *symptom),
                   void *ctx)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        fn(ctx, fault_info[i].name, fault_info[i].rows, fault_info[i].symptom);
}

/* ---- knobs that are no numbers ---- */

static int flows_set(struct td_stack *st, const char *value)
{
    char now[16];
    (void)snprintf(now, sizeof now, "%u", nf_ct_count(st));
    return strcmp(now, value) == 0 ? 0 : -EPERM; /* what is counted isn't set */
}

static int flows_get(const struct td_stack *st, char *dst, size_t size)
{
    return snprintf(dst, size, "%u", nf_ct_count(st));
}

static const struct text_knob {
    const char *name, *doc;
    int (*set)(struct td_stack *st, const char *value);
    int (*get)(const struct td_stack *st, char *dst, size_t size);
} text_knobs[] = {
    {"net.ipv4.tcp_fastopen_key",
     "key of Fast Open cookies, four hexadecimal words with dashes between; an older one, whose "
     "cookies are still taken, may follow behind a comma. Drawn by chance for each instance",
     tcp_fastopen_key_set, tcp_fastopen_key_get},
    {"tapdeck.reassembly",
     "what keeps the text that came beyond a hole, of new connections: runs, or an organ that was "
     "added (tapdeck/reassembly.h)",
     tcp_reassembly_set, tcp_reassembly_get},
    {"tapdeck.loss_detection",
     "what says which segments in flight are lost, in new connections: auto (with SACK by "
     "tcp_recovery, without by tcp_newreno_prr), rack, rfc6675, newreno, newreno-prr, or an organ "
     "that was added (tapdeck/loss.h)",
     tcp_loss_detection_set, tcp_loss_detection_get},
    {"tapdeck.rto",
     "the retransmission time-out from round trips, of new connections: rfc6298, or an organ that was added "
     "(tapdeck/organs.h)",
     tcp_rto_organ_set, tcp_rto_organ_get},
    {"net.netfilter.nf_conntrack_count", "flows now (can be read only)", flows_set, flows_get},
};
#define TEXT_KNOBS (sizeof text_knobs / sizeof text_knobs[0])

static const struct text_knob *text_knob_find(const char *text)
{
    char name[KNOB_NAME_LEN];
    if (!canonical(text, name))
        return NULL;
    for (unsigned i = 0; i < TEXT_KNOBS; i++)
        if (strcmp(text_knobs[i].name, name) == 0)
            return &text_knobs[i];
    return NULL;
}

int knob_set_text(struct td_stack *st, const char *name, const char *value)
{
    struct place p;
    unsigned fault = fault_find(name);
    if (fault != FAULT_COUNT)
        return fault_set(st, fault, value);
    const struct text_knob *tk = text_knob_find(name);
    if (tk != NULL)
        return tk->set(st, value);
    if (!knob_place(st, name, &p))
        return -ENOENT;
    int64_t v[3] = {0};
    memcpy(v, p.v, p.info->nvalues * sizeof v[0]); /* fewer values than there are leave the rest */
    if (p.id == KNOB_TCP_CONGESTION_CONTROL && tcp_cc_choose(st, value))
        return 0;
    int err = parse_values(p.info, value, v);
    if (err != 0)
        return err;
    if (p.id == KNOB_TCP_CONGESTION_CONTROL)
        tcp_cc_choose_ours(st);
    if (p.id == KNOB_JOURNAL_RECORDS) {
        err = journal_resize(st, (uint32_t)v[0]);
        if (err != 0)
            return err;
    }
    JOURNAL(st, EV_KNOB_SET, NULL, p.subject, (uint64_t)p.v[0], (uint64_t)v[0]);
    memcpy(p.v, v, p.info->nvalues * sizeof v[0]);
    journal_set_level(&st->journal, (enum journal_level)knob(st, JOURNAL_LEVEL));
    return 0;
}

static int format_set(const char *words, int64_t bits, char *dst, size_t size)
{
    size_t used = 0;
    if (size > 0)
        dst[0] = '\0';
    for (const char *w = words; *w != '\0'; bits >>= 1) {
        size_t len = strcspn(w, " ");
        if (bits & 1) {
            int n = snprintf(used < size ? dst + used : NULL, used < size ? size - used : 0, "%s%.*s",
                             used > 0 ? " " : "", (int)len, w);
            used += n > 0 ? (size_t)n : 0;
        }
        w += len;
        w += strspn(w, " ");
    }
    return (int)used;
}

int td_knob_get(const struct td_stack *st, const char *name, char *dst, size_t size)
{
    struct place p;
    unsigned fault = fault_find(name);
    if (fault != FAULT_COUNT)
        return snprintf(dst, size, "%d", (int)(st->faults_shown >> fault & 1));
    const struct text_knob *tk = text_knob_find(name);
    if (tk != NULL)
        return tk->get(st, dst, size);
    /* Looking the place up changes nothing; only the pointer it gives could. */
    if (!knob_place((struct td_stack *)(uintptr_t)st, name, &p))
        return -ENOENT;
    if (p.id == KNOB_TCP_CONGESTION_CONTROL && tcp_cc_chosen(st) != NULL)
        return snprintf(dst, size, "%s", tcp_cc_chosen(st));
    if (p.info->set)
        return format_set(p.info->words, p.v[0], dst, size);
    if (p.info->words != NULL) {
        const char *w = p.info->words;
        for (int64_t i = p.v[0]; i > 0 && *w != '\0'; i--) {
            w += strcspn(w, " ");
            while (*w == ' ')
                w++;
        }
        return snprintf(dst, size, "%.*s", (int)strcspn(w, " "), w);
    }
    if (p.info->nvalues == 3)
        return snprintf(dst, size, "%lld\t%lld\t%lld", (long long)p.v[0], (long long)p.v[1],
                        (long long)p.v[2]);
    if (p.info->nvalues == 2)
        return snprintf(dst, size, "%lld\t%lld", (long long)p.v[0], (long long)p.v[1]);
    return snprintf(dst, size, "%lld", (long long)p.v[0]);
}

/* The name of per-interface knob i of `who`. */
static void ifknob_name(unsigned i, const char *who, char name[KNOB_NAME_LEN])
{
    const char *pattern = ifknob_info[i].name, *hole = strstr(pattern, "%s");
    (void)snprintf(name, KNOB_NAME_LEN, IFKNOB_PREFIX "%.*s%s%s", (int)(hole - pattern), pattern, who,
                   hole + 2);
}

/* All knobs have a number: the catalogue's, those that are no numbers, then the per-interface ones of all, of default, and of
 * each interface in order of index. */
const char *knob_nth(const struct td_stack *st, uint64_t n, char name[KNOB_NAME_LEN])
{
    if (n < KNOB_COUNT) {
        (void)snprintf(name, KNOB_NAME_LEN, "%s", knob_info[n].name);
        return knob_info[n].doc;
    }
    n -= KNOB_COUNT;
    if (n < TEXT_KNOBS) {
        (void)snprintf(name, KNOB_NAME_LEN, "%s", text_knobs[n].name);
        return text_knobs[n].doc;
    }
    n -= TEXT_KNOBS;
    unsigned i = (unsigned)(n % IFKNOB_COUNT);
    const char *who = n < IFKNOB_COUNT ? "all" : n < 2 * IFKNOB_COUNT ? "default" : NULL;
    if (who == NULL) {
        const struct netif *nif = netif_first(st);
        for (uint64_t k = n / IFKNOB_COUNT - 2; k > 0 && nif != NULL; k--)
            nif = nif->next;
        if (nif == NULL)
            return NULL;
        who = nif->name;
    }
    ifknob_name(i, who, name);
    return n < IFKNOB_COUNT && !has_all(i) ? "" : ifknob_info[i].doc;
}

void td_knob_each(const struct td_stack *st, void (*fn)(void *ctx, const char *name, const char *doc),
                  void *ctx)
{
    char name[KNOB_NAME_LEN];
    const char *doc;
    for (uint64_t n = 0; (doc = knob_nth(st, n, name)) != NULL; n++)
        if (*doc != '\0')
            fn(ctx, name, doc);
}
