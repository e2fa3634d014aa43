/* common/rule.c: addressed impairments as people say them (common/rule.h).
 *
 * The words are read from left to right into one of two descriptions of frames: the rule's own, and
 * behind `until` that of the frame that ends a hold. Their order doesn't matter otherwise, so that
 * both `drop nth 3 data match 'port 80'` and `drop the 3rd segment with data matching 'port 80'`
 * are a rule.
 */
#include "common/rule.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/filter.h"
#include "common/parse.h"
#include "common/qdisc_words.h"

static const char *const example =
    "for example `drop the 3rd segment with data matching 'tcp dst port 80'`";

struct frames { /* a description of frames */
    uint32_t from, to, step, kinds;
    const char *expr;
    bool counted;
};

struct sentence {
    struct words w;
    struct td_impair rule;
    struct frames what, until;
    struct frames *at; /* the one that is being read */
    bool until_said, time_said;
};

static const struct {
    const char *word;
    uint32_t kind;
} kind_words[] = {
    {"arp", TD_KIND_ARP},
    {"ip", TD_KIND_IP},
    {"datagram", TD_KIND_IP},
    {"tcp", TD_KIND_TCP},
    {"segment", TD_KIND_TCP},
    {"udp", TD_KIND_UDP},
    {"icmp", TD_KIND_ICMP},
    {"syn", TD_KIND_SYN},
    {"syn-ack", TD_KIND_SYN_ACK},
    {"synack", TD_KIND_SYN_ACK},
    {"syn,ack", TD_KIND_SYN_ACK},
    {"syn/ack", TD_KIND_SYN_ACK},
    {"fin", TD_KIND_FIN},
    {"rst", TD_KIND_RST},
    {"reset", TD_KIND_RST},
    {"data", TD_KIND_DATA},
    {"ack", TD_KIND_ACK},
    {"fragment", TD_KIND_FRAGMENT},
    {"ipv6", TD_KIND_IP6},
    {"ip6", TD_KIND_IP6},
    {"ce", TD_KIND_CE},
    {"frame", 0},
    {"packet", 0},
    {"with", 0},
    {"the", 0},
    {"of", 0},
    {"has", 0},
    {"have", 0},
    {"passed", 0},
    {"a", 0},
    {"an", 0},
    {"next", 0},
    {"with-data", TD_KIND_DATA},
};

/* "segments" is "segment". False: not a word for frames. */
static bool kind_word(const char *s, uint32_t *kind)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < sizeof(kind_words) / sizeof(kind_words[0]); i++) {
        const char *word = kind_words[i].word;
        size_t len = strlen(word);
        if (strncasecmp(s, word, len) == 0 &&
            (n == len || (n == len + 1 && (s[len] == 's' || s[len] == 'S')))) {
            *kind = kind_words[i].kind;
            return true;
        }
    }
    return false;
}

/* "3rd", "22nd", "5th"; "second" and "third" too. */
static bool ordinal(const char *s, uint32_t *n)
{
    static const char *const names[] = {"second", "third", "fourth", "fifth"};
    size_t len = strlen(s);
    char digits[16];
    for (uint32_t i = 0; i < 4; i++) {
        if (strcasecmp(s, names[i]) == 0) {
            *n = i + 2;
            return true;
        }
    }
    if (len < 3 || len >= sizeof(digits))
        return false;
    const char *tail = s + len - 2;
    if (strcasecmp(tail, "st") != 0 && strcasecmp(tail, "nd") != 0 && strcasecmp(tail, "rd") != 0 &&
        strcasecmp(tail, "th") != 0)
        return false;
    snprintf(digits, sizeof(digits), "%.*s", (int)(len - 2), s);
    return parse_u32(digits, UINT32_MAX - 1, n) && *n > 0;
}

static bool counts(struct sentence *s, uint32_t from, uint32_t to, uint32_t step)
{
    if (s->at->counted)
        return words_fail(
            &s->w,
            "which frames? '%s' says it a second time: write one of '3rd', 'nth 3-5', 'first 3', "
            "'every 10'",
            s->w.argv[s->w.at - 1]);
    s->at->from = from;
    s->at->to = to;
    s->at->step = step;
    s->at->counted = true;
    return true;
}

/* "3" or "3-5" behind nth. */
static bool range(struct sentence *s, const char *what)
{
    const char *word = words_peek(&s->w), *dash = word != NULL ? strchr(word, '-') : NULL;
    uint32_t from, to;
    char first[16];
    if (word != NULL) {
        snprintf(first, sizeof(first), "%.*s", (int)(dash != NULL ? dash - word : 15), word);
        if (parse_u32(first, UINT32_MAX - 1, &from) && from > 0) {
            to = from;
            if (dash == NULL || (parse_u32(dash + 1, UINT32_MAX - 1, &to) && to >= from)) {
                s->w.at++;
                return counts(s, from, to, 1);
            }
        }
    }
    return words_fail(
        &s->w, "'%s' needs a number from 1 or a range%s%s%s, for example 'nth 3' or 'nth 3-5'",
        what, word ? " instead of '" : "", word ? word : "", word ? "'" : "");
}

static bool which(struct sentence *s, const char *word, bool *known)
{
    uint32_t n;
    uint64_t v;
    *known = true;
    if (ordinal(word, &n))
        return counts(s, n, n, 1);
    if (strcasecmp(word, "nth") == 0)
        return range(s, word);
    if (strcasecmp(word, "all") == 0)
        return counts(s, 1, UINT32_MAX, 1);
    if (strcasecmp(word, "first") == 0) {
        const char *next = words_peek(&s->w);
        if (next == NULL || !parse_u64(next, UINT32_MAX - 1, &v) || v == 0)
            return counts(s, 1, 1, 1);
        s->w.at++;
        return counts(s, 1, (uint32_t)v, 1);
    }
    if (strcasecmp(word, "from") == 0 || strcasecmp(word, "every") == 0) {
        const char *next = words_peek(&s->w);
        if (next != NULL && ordinal(next, &n)) {
            s->w.at++;
            v = n;
        } else if (!words_number(&s->w, word, 1, UINT32_MAX - 1, &v)) {
            return false;
        }
        return word[0] == 'f' || word[0] == 'F' ? counts(s, (uint32_t)v, UINT32_MAX, 1)
                                                : counts(s, (uint32_t)v, UINT32_MAX, (uint32_t)v);
    }
    *known = false;
    return true;
}

/* "1s", "200ms", and in two words "1 s". The unit must be there: tc's bare numbers are
 * microseconds. */
static bool duration(struct sentence *s, const char *what)
{
    static const char *const units[] = {"s",    "sec", "secs", "second", "seconds", "ms",
                                        "msec", "us",  "usec", "ns",     NULL};
    const char *word = words_peek(&s->w);
    char joined[64] = "";
    int used = 1;
    if (word != NULL)
        snprintf(joined, sizeof(joined), "%s", word);
    bool bare = word != NULL && strspn(word, "0123456789.") == strlen(word);
    if (bare && s->w.at + 1 < s->w.argc) {
        const char *unit = s->w.argv[s->w.at + 1];
        for (int i = 0; units[i] != NULL; i++) {
            if (strcasecmp(unit, units[i]) == 0) {
                bool second = strncasecmp(unit, "second", 6) == 0;
                snprintf(joined, sizeof(joined), "%s%s", word, second ? "s" : unit);
                used = 2;
                bare = false;
            }
        }
    }
    if (word == NULL || bare || !parse_time(joined, &s->rule.time) || s->rule.time == 0 ||
        s->rule.time > (s->rule.action == TD_IMPAIR_DELAY ? 1000 : 1000000) * TD_SEC)
        return words_fail(
            &s->w, "'%s' needs a time with its unit%s%s%s, for example '%s 1s' or '%s 200ms'", what,
            word ? " instead of '" : "", word ? word : "", word ? "'" : "", what, what);
    s->w.at += used;
    s->time_said = true;
    return true;
}

static bool begins_with_digit(const char *s)
{
    return s != NULL && s[0] >= '0' && s[0] <= '9';
}

/* What only some actions have. */
static bool how(struct sentence *s, const char *word, bool *known)
{
    enum td_impair_action a = s->rule.action;
    uint64_t v;
    *known = true;
    if (a == TD_IMPAIR_DELAY && strcasecmp(word, "by") == 0)
        return duration(s, word);
    if (a == TD_IMPAIR_HOLD && strcasecmp(word, "for") == 0)
        return duration(s, word);
    if (a == TD_IMPAIR_HOLD && strcasecmp(word, "until") == 0) {
        if (s->until_said)
            return words_fail(&s->w, "'until' was said before");
        s->until_said = true;
        s->at = &s->until;
        return true;
    }
    if (a == TD_IMPAIR_CORRUPT && strcasecmp(word, "bit") == 0) {
        if (!words_number(&s->w, word, 0, 524279, &v))
            return false;
        s->rule.bit = (uint32_t)v;
        return true;
    }
    if (a == TD_IMPAIR_CORRUPT && strcasecmp(word, "seed") == 0)
        return words_number(&s->w, word, 0, UINT64_MAX, &s->rule.seed);
    if (a == TD_IMPAIR_DUPLICATE && parse_u64(word, 100, &v) && v > 0) {
        s->rule.copies = (uint32_t)v;
        if (words_peek(&s->w) != NULL && strcasecmp(words_peek(&s->w), "times") == 0)
            s->w.at++;
        return true;
    }
    *known = false;
    return true;
}

static bool one_word(struct sentence *s)
{
    const char *word = words_peek(&s->w);
    uint32_t kind;
    bool known;
    s->w.at++;
    if (!how(s, word, &known))
        return false;
    if (known)
        return true;
    if (!which(s, word, &known))
        return false;
    if (known)
        return true;
    if (strcasecmp(word, "match") == 0 || strcasecmp(word, "matching") == 0) {
        s->at->expr = words_peek(&s->w);
        if (s->at->expr == NULL)
            return words_fail(
                &s->w, "'%s' needs a filter expression in quotes, for example %s 'tcp dst port 80'",
                word, word);
        s->w.at++;
        return true;
    }
    if (kind_word(word, &kind)) {
        s->at->kinds |= kind;
        return true;
    }
    s->w.at--;
    return words_fail(&s->w, "'%s' is not understood here: write %s", word, example);
}

static bool action(struct sentence *s)
{
    static const char *const names[TD_IMPAIR_ACTIONS] = {"drop",    "delay", "duplicate",
                                                         "corrupt", "mark",  "hold"};
    const char *word = words_peek(&s->w);
    for (unsigned i = 0; word != NULL && i < TD_IMPAIR_ACTIONS; i++) {
        if (strcasecmp(word, names[i]) == 0) {
            s->rule.action = (enum td_impair_action)i;
            s->w.at++;
            /* `delay 1s the 2nd …` as well as `delay the 2nd … by 1s` */
            const char *next = words_peek(&s->w);
            uint32_t n;
            if (s->rule.action == TD_IMPAIR_DELAY && begins_with_digit(next) && !ordinal(next, &n))
                return duration(s, word);
            return true;
        }
    }
    return words_fail(&s->w,
                      "'%s' is nothing that can be done to a frame: drop, delay, duplicate, "
                      "corrupt, mark or hold "
                      "it, %s",
                      word != NULL ? word : "", example);
}

static bool compile(struct sentence *s)
{
    struct td_impair *r = &s->rule;
    if (s->what.expr != NULL && !filter_compile(s->what.expr, r->code, TD_IMPAIR_CODE,
                                                &r->match_len, s->w.msg, s->w.msg_size))
        return false;
    return s->until.expr == NULL ||
           filter_compile(s->until.expr, r->code + r->match_len, TD_IMPAIR_CODE - r->match_len,
                          &r->until_len, s->w.msg, s->w.msg_size);
}

static bool finish(struct sentence *s)
{
    struct td_impair *r = &s->rule;
    if (r->action == TD_IMPAIR_DELAY && !s->time_said)
        return words_fail(&s->w, "by how much? Write for example `delay the 2nd SYN-ACK by 1s`");
    if (r->action == TD_IMPAIR_HOLD && !s->time_said)
        r->time = TD_NEVER;
    r->from = s->what.from;
    r->to = s->what.to;
    r->step = s->what.step;
    r->kinds = s->what.kinds;
    r->until = s->until_said;
    r->until_kinds = s->until.kinds;
    r->until_count = s->until.counted ? s->until.from : 1;
    if (s->until.counted && s->until.from != s->until.to)
        return words_fail(&s->w,
                          "'until' is about one frame: write for example `until the 2nd ack`");
    if (s->until_said && s->until.kinds == 0 && s->until.expr == NULL && !s->until.counted)
        return words_fail(&s->w, "until which frame? Write for example `hold the 1st data until "
                                 "the 3rd data`, or `for 2s`");
    return compile(s);
}

/* The sentence again, for `tc rule show`: words with blanks in them in quotes. */
static bool keep_text(struct sentence *s)
{
    size_t at = 0;
    for (int i = 0; i < s->w.argc; i++) {
        const char *word = s->w.argv[i], *quote = strpbrk(word, " \t") != NULL ? "'" : "";
        int n = snprintf(s->rule.text + at, sizeof(s->rule.text) - at, "%s%s%s%s", i > 0 ? " " : "",
                         quote, word, quote);
        if ((size_t)n >= sizeof(s->rule.text) - at)
            return words_fail(&s->w, "the rule is too long: %d characters have room",
                              TD_IMPAIR_TEXT - 1);
        at += (size_t)n;
    }
    return true;
}

bool parse_rule(int argc, char *const *argv, struct td_impair *out, char *msg, size_t msg_size)
{
    struct sentence s = {.w = {argc, 0, argv, msg, msg_size},
                         .rule = {.copies = 1, .bit = TD_IMPAIR_ANY_BIT, .seed = 1},
                         .what = {.from = 1, .to = UINT32_MAX, .step = 1},
                         .until = {.from = 1, .to = 1, .step = 1}};
    s.at = &s.what;
    if (!keep_text(&s) || !action(&s))
        return false;
    while (s.w.at < s.w.argc)
        if (!one_word(&s))
            return false;
    if (!finish(&s))
        return false;
    *out = s.rule;
    return true;
}
