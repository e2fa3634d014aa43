/* common/netem.c: netem's words (tc-netem(8)), and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "common/qdisc_words.h"

static bool take_percent(struct words *w, const char *what, uint32_t *out)
{
    double p;
    const char *s = words_peek(w);
    if (s == NULL)
        return words_fail(w, "'%s' needs a percentage, for example '%s 1%%'", what, what);
    if (!parse_percent(s, &p))
        return words_fail(
            w, "'%s' after '%s' is not a percentage: write 0%% to 100%%, for example 0.5%%", s,
            what);
    w->at++;
    *out = td_percent(p);
    return true;
}

/* An optional one: taken when the next word begins like a number. */
static bool take_more_percent(struct words *w, const char *what, uint32_t *out)
{
    const char *s = words_peek(w);
    return s == NULL || !((s[0] >= '0' && s[0] <= '9') || s[0] == '.') ||
           take_percent(w, what, out);
}

static bool take_chance(struct words *w, const char *what, uint32_t *p, uint32_t *correlation)
{
    return take_percent(w, what, p) && take_more_percent(w, what, correlation);
}

static bool loss_gemodel(struct words *w, struct td_netem *n)
{
    if (!take_percent(w, "loss gemodel", &n->ge_p))
        return false;
    if (n->ge_p == 0)
        return words_fail(
            w, "'loss gemodel 0%%' would never lose anything: P is how often a bad period begins");
    n->ge_r = UINT32_MAX - n->ge_p; /* netem's defaults: the Bernoulli model */
    n->ge_bad = UINT32_MAX;
    n->ge_good = 0;
    return take_more_percent(w, "loss gemodel", &n->ge_r) &&
           take_more_percent(w, "loss gemodel", &n->ge_bad) &&
           take_more_percent(w, "loss gemodel", &n->ge_good);
}

static bool loss_state(struct words *w, struct td_netem *n)
{
    if (!take_percent(w, "loss state", &n->p13))
        return false;
    n->four_state = true;
    n->p31 = UINT32_MAX - n->p13; /* netem's defaults: the Bernoulli model */
    n->p32 = 0;
    n->p23 = UINT32_MAX;
    n->p14 = 0;
    if (!take_more_percent(w, "loss state", &n->p31) ||
        !take_more_percent(w, "loss state", &n->p32) ||
        !take_more_percent(w, "loss state", &n->p23) ||
        !take_more_percent(w, "loss state", &n->p14))
        return false;
    if ((uint64_t)n->p13 + n->p14 > (uint64_t)UINT32_MAX + 1 ||
        (uint64_t)n->p31 + n->p32 > (uint64_t)UINT32_MAX + 1)
        return words_fail(w, "'loss state': %s are more than 100%% together",
                          (uint64_t)n->p13 + n->p14 > UINT32_MAX ? "p13 and p14" : "p31 and p32");
    return true;
}

static bool netem_loss(struct words *w, struct td_netem *n)
{
    const char *s = words_peek(w);
    if (s != NULL && strcmp(s, "gemodel") == 0) {
        w->at++;
        return loss_gemodel(w, n);
    }
    if (s != NULL && strcmp(s, "state") == 0) {
        w->at++;
        return loss_state(w, n);
    }
    if (s != NULL && strcmp(s, "random") == 0)
        w->at++;
    return take_chance(w, "loss", &n->loss, &n->loss_corr);
}

static bool netem_delay(struct words *w, struct td_netem *n)
{
    const char *s = words_peek(w);
    if (s == NULL || !parse_time(s, &n->delay) || n->delay > 1000 * TD_SEC)
        return words_fail(w,
                          "'delay' needs a time%s%s%s, for example 'delay 20ms' or 'delay 20ms "
                          "5ms' (at most 1000s)",
                          s ? " instead of '" : "", s ? s : "", s ? "'" : "");
    w->at++;
    s = words_peek(w);
    if (s == NULL || !parse_time(s, &n->jitter))
        return true;
    if (n->jitter > 1000 * TD_SEC)
        return words_fail(w, "a jitter of '%s' is too much: at most 1000s", s);
    w->at++;
    return take_more_percent(w, "delay", &n->delay_corr);
}

static bool netem_distribution(struct words *w, struct td_netem *n)
{
    static const char *const names[] = {"uniform", "normal", "pareto", "paretonormal"};
    const char *s = words_peek(w);
    for (unsigned i = 0; s != NULL && i < 4; i++) {
        if (strcmp(s, names[i]) == 0) {
            n->dist = (enum td_netem_dist)i;
            w->at++;
            return true;
        }
    }
    return words_fail(w, "'distribution' needs uniform, normal, pareto or paretonormal%s%s%s",
                      s ? " instead of '" : "", s ? s : "", s ? "'" : "");
}

static bool is_number(const char *s)
{
    return s != NULL &&
           ((s[0] >= '0' && s[0] <= '9') || (s[0] == '-' && s[1] >= '0' && s[1] <= '9'));
}

static bool netem_rate(struct words *w, struct td_netem *n)
{
    if (!words_rate(w, "rate", &n->rate))
        return false;
    const char *s = words_peek(w);
    if (!is_number(s))
        return true;
    uint32_t v;
    if (!parse_u32(s[0] == '-' ? s + 1 : s, 65536, &v))
        return words_fail(w,
                          "'%s' is not an overhead in bytes: write for example 'rate 10mbit 18' or "
                          "'rate 2mbit 0 48 5'",
                          s);
    n->overhead = s[0] == '-' ? -(int32_t)v : (int32_t)v;
    w->at++;
    uint32_t *more[2] = {&n->cell, &n->cell_overhead};
    for (int i = 0; i < 2 && is_number(words_peek(w)); i++) {
        if (!parse_u32(words_peek(w), 65536, more[i]))
            return words_fail(
                w, "'%s' is not a size of cells in bytes: write for example 'rate 2mbit 0 48 5'",
                words_peek(w));
        w->at++;
    }
    return true;
}

static bool netem_slot(struct words *w, struct td_netem *n)
{
    const char *s;
    if (!words_time(w, "slot", &n->slot_min))
        return false;
    n->slot_max = n->slot_min;
    s = words_peek(w);
    if (is_number(s) && !words_time(w, "slot", &n->slot_max))
        return false;
    if (n->slot_max == 0 || n->slot_max < n->slot_min)
        return words_fail(
            w, "'slot' needs times from the least to the most, for example 'slot 1ms 5ms'");
    while ((s = words_peek(w)) != NULL && (strcmp(s, "packets") == 0 || strcmp(s, "bytes") == 0)) {
        uint64_t v;
        w->at++;
        if (!words_number(w, s, 1, 1U << 30, &v))
            return false;
        *(s[0] == 'p' ? &n->slot_packets : &n->slot_bytes) = (uint32_t)v;
    }
    return true;
}

/* One option; *known tells whether the word was netem's. */
static bool netem_word(struct words *w, struct td_netem *n, bool *known)
{
    const char *s = words_peek(w);
    uint64_t v = 0;
    *known = true;
    w->at++;
    if (strcmp(s, "delay") == 0 || strcmp(s, "latency") == 0)
        return netem_delay(w, n);
    if (strcmp(s, "distribution") == 0)
        return netem_distribution(w, n);
    if (strcmp(s, "loss") == 0 || strcmp(s, "drop") == 0)
        return netem_loss(w, n);
    if (strcmp(s, "duplicate") == 0)
        return take_chance(w, s, &n->duplicate, &n->duplicate_corr);
    if (strcmp(s, "corrupt") == 0)
        return take_chance(w, s, &n->corrupt, &n->corrupt_corr);
    if (strcmp(s, "reorder") == 0)
        return take_chance(w, s, &n->reorder, &n->reorder_corr);
    if (strcmp(s, "rate") == 0)
        return netem_rate(w, n);
    if (strcmp(s, "slot") == 0)
        return netem_slot(w, n);
    if (strcmp(s, "ecn") == 0) {
        n->ecn = true;
        return true;
    }
    if (strcmp(s, "gap") == 0 || strcmp(s, "limit") == 0) {
        if (!words_number(w, s, 1, 10000000, &v))
            return false;
        *(s[0] == 'g' ? &n->gap : &n->limit) = (uint32_t)v;
        return true;
    }
    if (strcmp(s, "seed") == 0)
        return words_number(w, s, 0, UINT64_MAX, &n->seed);
    w->at--;
    *known = false;
    return true;
}

/* What can't be meant although each word is right. */
static bool netem_sensible(struct words *w, const struct td_netem *n)
{
    if (n->reorder > 0 && n->delay == 0)
        return words_fail(
            w, "'reorder' needs a 'delay': frames that overtake must have something to overtake");
    if (n->gap > 0 && n->reorder == 0)
        return words_fail(w,
                          "'gap' needs a 'reorder', for example 'delay 10ms reorder 25%% gap 5'");
    if (n->dist != TD_DIST_UNIFORM && n->jitter == 0)
        return words_fail(w, "'distribution' needs a delay with jitter, for example 'delay 20ms "
                             "5ms distribution normal'");
    if (n->ecn && n->loss == 0 && n->ge_p == 0 && !n->four_state)
        return words_fail(w, "'ecn' marks what would be lost: it needs a 'loss'");
    return true;
}

int parse_netem(int argc, char *const *argv, struct td_netem *out, char *msg, size_t msg_size)
{
    struct words w = {argc, 0, argv, msg, msg_size};
    memset(out, 0, sizeof(*out));
    while (w.at < argc) {
        bool known;
        if (!netem_word(&w, out, &known))
            return -1;
        if (!known)
            break;
    }
    return netem_sensible(&w, out) ? w.at : -1;
}

/* ---- back to words ---- */

struct sheet {
    char text[640];
    size_t at;
};

static void put(struct sheet *b, const char *s)
{
    int n = snprintf(b->text + b->at, sizeof(b->text) - b->at, " %s", s);
    b->at += (size_t)n < sizeof(b->text) - b->at ? (size_t)n : 0;
}

static void put_number(struct sheet *b, const char *what, uint64_t v)
{
    char s[64];
    snprintf(s, sizeof(s), "%s%s%llu", what, *what != '\0' ? " " : "", (unsigned long long)v);
    put(b, s);
}

static void put_time(struct sheet *b, td_time t)
{
    char s[32];
    format_time(t, s, sizeof(s));
    put(b, s);
}

/* "loss 1%", and the correlation behind it when there is one. */
static void put_percent(struct sheet *b, const char *what, uint32_t p, uint32_t correlation)
{
    char s[64];
    const uint32_t v[2] = {p, correlation};
    for (int i = 0; i < (correlation != 0 ? 2 : 1); i++) {
        double percent = (double)(uint64_t)((double)v[i] / 4294967295.0 * 1e8 + 0.5) / 1e6;
        snprintf(s, sizeof(s), "%s%s%.6g%%", i == 0 ? what : "", i == 0 && *what != '\0' ? " " : "",
                 percent);
        put(b, s);
    }
}

static void put_loss(struct sheet *b, const struct td_netem *n)
{
    if (n->loss)
        put_percent(b, "loss", n->loss, n->loss_corr);
    if (n->ge_p) {
        put_percent(b, "loss gemodel p", n->ge_p, 0);
        put_percent(b, "r", n->ge_r, 0);
        put_percent(b, "1-h", n->ge_bad, 0);
        put_percent(b, "1-k", n->ge_good, 0);
    }
    if (n->four_state) {
        put_percent(b, "loss state p13", n->p13, 0);
        put_percent(b, "p31", n->p31, 0);
        put_percent(b, "p32", n->p32, 0);
        put_percent(b, "p23", n->p23, 0);
        put_percent(b, "p14", n->p14, 0);
    }
    if (n->ecn)
        put(b, "ecn");
}

static void put_delay(struct sheet *b, const struct td_netem *n)
{
    static const char *const names[] = {"", "normal", "pareto", "paretonormal"};
    put(b, "delay");
    put_time(b, n->delay);
    if (n->jitter)
        put_time(b, n->jitter);
    if (n->delay_corr)
        put_percent(b, "", n->delay_corr, 0);
    if (n->dist != TD_DIST_UNIFORM) {
        put(b, "distribution");
        put(b, names[n->dist]);
    }
}

static void put_rate(struct sheet *b, const struct td_netem *n)
{
    char s[32];
    format_rate(n->rate, s, sizeof(s));
    put(b, "rate");
    put(b, s);
    if (n->overhead || n->cell) {
        snprintf(s, sizeof(s), "packetoverhead %d", n->overhead);
        put(b, s);
    }
    if (n->cell) {
        put_number(b, "cellsize", n->cell);
        put_number(b, "celloverhead", n->cell_overhead);
    }
}

void format_netem(const struct td_netem *n, char *dst, size_t size)
{
    struct sheet b = {.at = 0};
    put_number(&b, "limit", n->limit ? n->limit : 1000);
    if (n->delay || n->jitter)
        put_delay(&b, n);
    put_loss(&b, n);
    if (n->duplicate)
        put_percent(&b, "duplicate", n->duplicate, n->duplicate_corr);
    if (n->reorder)
        put_percent(&b, "reorder", n->reorder, n->reorder_corr);
    if (n->corrupt)
        put_percent(&b, "corrupt", n->corrupt, n->corrupt_corr);
    if (n->rate)
        put_rate(&b, n);
    if (n->slot_max) {
        put(&b, "slot");
        put_time(&b, n->slot_min);
        put_time(&b, n->slot_max);
        if (n->slot_packets)
            put_number(&b, "packets", n->slot_packets);
        if (n->slot_bytes)
            put_number(&b, "bytes", n->slot_bytes);
    }
    if (n->gap)
        put_number(&b, "gap", n->gap);
    if (n->seed)
        put_number(&b, "seed", n->seed);
    snprintf(dst, size, "%s", b.text + 1);
}
