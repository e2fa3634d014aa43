/* replay/verdicts.c: the first pass's verdicts, for the second (verdicts.h). */
#include "replay/verdicts.h"

#include <string.h>

bool verdicts_open(struct verdicts *v, const struct play *p)
{
    *v = (struct verdicts){.file = tmpfile(), .play = p};
    return v->file != NULL;
}

void verdicts_row(void *ctx, const struct play_row *row)
{
    struct verdicts *v = ctx;
    const struct play_frame *f = row->captured.number > 0 ? &row->captured : &row->sent;
    const struct play *p = v->play;
    struct verdict k;
    if (v->row != NULL)
        v->row(v->row_ctx, row);
    memset(&k, 0, sizeof(k)); /* its gaps go into the file, too */
    k.number = row->captured.number;
    k.at = f->at;
    k.was_sent = row->was_sent;
    k.verdict = row->verdict;
    k.flags = f->flags;
    k.seq = (tcp_seq)(f->seq - p->base[1]);
    k.ack = f->flags & TCP_ACK ? (tcp_seq)(f->ack - p->base[0]) : 0;
    k.len = f->text;
    k.sight = row->sight;
    if (row->was_sent) {
        k.sent_at = row->sent.at;
        k.window = (uint64_t)row->sent.wnd << (row->sent.flags & TCP_SYN ? 0 : p->scale[1]);
    }
    (void)fwrite(&k, sizeof(k), 1, v->file);
}

static void take(struct verdicts *v)
{
    v->there = fread(&v->next, sizeof(v->next), 1, v->file) == 1;
}

bool verdicts_rewind(struct verdicts *v)
{
    bool whole = fflush(v->file) == 0 && !ferror(v->file);
    rewind(v->file);
    take(v);
    return whole;
}

bool verdicts_extra(struct verdicts *v, td_time at, struct verdict *out)
{
    if (!v->there || v->next.number != 0 || v->next.at > at)
        return false;
    *out = v->next;
    take(v);
    return true;
}

bool verdicts_of(struct verdicts *v, uint64_t number, td_time at, struct verdict *out)
{
    while (v->last.number != number && v->there &&
           (v->next.number != 0 ? v->next.number < number : v->next.at <= at))
        take(v);
    if (v->last.number != number && v->there && v->next.number == number) {
        v->last = v->next;
        take(v);
    }
    *out = v->last;
    return v->last.number == number;
}

void verdict_words(const struct verdict *v, struct text *out)
{
    bool later = v->sent_at > v->at;
    double ms = (double)(later ? v->sent_at - v->at : v->at - v->sent_at) / 1e6;
    text_puts(out, play_verdict_names[v->verdict]);
    switch ((enum play_verdict)v->verdict) {
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
        if (v->was_sent && ms < 0.001)
            text_puts(out, ": the stack sent it at the same time");
        else if (v->was_sent)
            text_printf(out, ": the stack sent it %.3f ms %s", ms, later ? "later" : "earlier");
    }
    if (v->sight.cwnd > 0)
        text_printf(out, "; its congestion window then: %u segments, %u in flight", v->sight.cwnd,
                    v->sight.unacked);
}

void verdicts_close(struct verdicts *v)
{
    if (v->file != NULL)
        (void)fclose(v->file);
    *v = (struct verdicts){0};
}
