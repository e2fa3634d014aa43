/* replay/verdicts.c: the first pass's verdicts, for the second (verdicts.h). */
#include "replay/verdicts.h"

#include <string.h>

#define WORDS_MOST 65536u

enum { NEXT, LAST, EXTRA };

bool verdicts_open(struct verdicts *v)
{
    *v = (struct verdicts){.file = tmpfile(), .side = -1};
    return v->file != NULL;
}

static void put(struct verdicts *v, struct verdict *k, const struct text *words)
{
    k->words = NULL;
    k->words_len = words->len < WORDS_MOST ? words->len : WORDS_MOST;
    (void)fwrite(k, sizeof(*k), 1, v->file);
    (void)fwrite(words->s, 1, k->words_len, v->file);
}

/* ---- of a connection ---- */

static void play_words(const struct play_row *row, struct text *out)
{
    td_time a = row->sent.at, b = row->captured.at;
    double ms = (double)(a > b ? a - b : b - a) / 1e6;
    text_puts(out, play_verdict_names[row->verdict]);
    switch ((enum play_verdict)row->verdict) {
    case PLAY_MISSING:
        text_puts(out, ": the stack in its place didn't send it");
        break;
    case PLAY_EXTRA:
        text_puts(out, ": only the stack sent it");
        break;
    case PLAY_SPLIT:
        text_puts(out, ": the stack sent its text in several segments");
        break;
    case PLAY_COALESCED:
        text_puts(out, ": the stack sent its text together with other text");
        break;
    default:
        if (row->was_sent && ms < 0.001)
            text_puts(out, ": the stack sent it at the same time");
        else if (row->was_sent)
            text_printf(out, ": the stack sent it %.3f ms %s", ms, a > b ? "later" : "earlier");
    }
    if (row->sight.cwnd > 0)
        text_printf(out, "; its congestion window then: %u segments, %u in flight", row->sight.cwnd,
                    row->sight.unacked);
}

void verdicts_play_row(void *ctx, const struct play_row *row)
{
    struct verdicts *v = ctx;
    const struct play_frame *f = row->captured.number > 0 ? &row->captured : &row->sent;
    const struct play *p = v->play;
    struct text words = {0};
    struct verdict k;
    if (v->play_row != NULL)
        v->play_row(v->row_ctx, row);
    memset(&k, 0, sizeof(k)); /* its gaps go into the file, too */
    k.number = row->captured.number;
    k.at = f->at;
    k.was_sent = row->was_sent;
    (void)snprintf(k.name, sizeof(k.name), "%s", play_verdict_names[row->verdict]);
    k.flags = f->flags;
    k.seq = (tcp_seq)(f->seq - p->base[1]);
    k.ack = f->flags & TCP_ACK ? (tcp_seq)(f->ack - p->base[0]) : 0;
    k.len = f->text;
    k.cwnd = (uint64_t)row->sight.cwnd * row->sight.mss;
    k.ssthresh = (uint64_t)row->sight.ssthresh * row->sight.mss;
    k.srtt = row->sight.srtt * UINT64_C(1000);
    if (row->was_sent) {
        k.sent_at = row->sent.at;
        k.window = (uint64_t)row->sent.wnd << (row->sent.flags & TCP_SYN ? 0 : p->scale[1]);
    }
    play_words(row, &words);
    put(v, &k, &words);
    text_free(&words);
}

/* ---- of a host ---- */

void verdicts_host_row(void *ctx, const struct host_row *row)
{
    struct verdicts *v = ctx;
    struct text words = {0};
    struct verdict k;
    if (v->host_row != NULL)
        v->host_row(v->row_ctx, row);
    memset(&k, 0, sizeof(k));
    k.number = row->number;
    k.at = row->number > 0 ? row->at : row->sent_at;
    k.was_sent = row->has_sent;
    k.sent_at = row->sent_at;
    (void)snprintf(k.name, sizeof(k.name), "%s", host_verdict_names[row->verdict]);
    text_puts(&words, row->verdict == HOST_IN ? "handed in" : k.name);
    if (row->number == 0)
        text_printf(&words, ": %s", row->what.s != NULL ? row->what.s : "");
    for (const char *line = row->why.s; line != NULL && *line != '\0';) {
        size_t n = strcspn(line, "\n");
        text_printf(&words, "; %.*s", (int)n, line);
        line += n + (line[n] != '\0');
    }
    put(v, &k, &words);
    text_free(&words);
}

bool verdict_same(const struct verdict *v)
{
    static const enum host_verdict fine[] = {HOST_IN, HOST_SAME, HOST_UNSEEN};
    for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++)
        if (strcmp(v->name, host_verdict_names[fine[i]]) == 0)
            return true;
    return false;
}

/* ---- the second pass ---- */

static void take(struct verdicts *v)
{
    char room[4096];
    struct text *t = &v->words[NEXT];
    text_consume(t, t->len);
    v->there = fread(&v->next, sizeof(v->next), 1, v->file) == 1;
    for (size_t left = v->there ? v->next.words_len : 0; left > 0;) {
        size_t n = fread(room, 1, left < sizeof(room) ? left : sizeof(room), v->file);
        if (n == 0)
            break;
        text_add(t, room, n);
        left -= n;
    }
}

/* The next is given out, with its words in a place of their own; and another comes in. */
static void give(struct verdicts *v, int place, struct verdict *out)
{
    struct text t = v->words[place];
    *out = v->next;
    v->words[place] = v->words[NEXT];
    v->words[NEXT] = t;
    out->words = v->words[place].len > 0 ? v->words[place].s : "";
    take(v);
}

bool verdicts_rewind(struct verdicts *v)
{
    bool whole = fflush(v->file) == 0 && !ferror(v->file);
    rewind(v->file);
    take(v);
    return whole;
}

td_time verdicts_time(struct verdicts *v, uint64_t number, int64_t t)
{
    if (!v->begun && number == 1) {
        v->begun = true;
        v->begin = t;
    }
    return t > v->begin ? (td_time)(t - v->begin) : 0;
}

bool verdicts_extra(struct verdicts *v, td_time at, struct verdict *out)
{
    if (!v->there || v->next.number != 0 || v->next.at > at)
        return false;
    give(v, EXTRA, out);
    return true;
}

bool verdicts_of(struct verdicts *v, uint64_t number, td_time at, struct verdict *out)
{
    if (v->last.number != number) {
        while (v->there && (v->next.number != 0 ? v->next.number < number : v->next.at <= at))
            take(v);
        if (v->there && v->next.number == number)
            give(v, LAST, &v->last);
    }
    *out = v->last;
    return v->last.number == number;
}

void verdicts_close(struct verdicts *v)
{
    if (v->file != NULL)
        (void)fclose(v->file);
    for (unsigned i = 0; i < 3; i++)
        text_free(&v->words[i]);
    text_free(&v->says);
    *v = (struct verdicts){0};
}
