/* drill/journal.c: the stack's own reasons, behind a difference.
 *
 * The stack keeps a journal of its decisions. What belongs to the connection under test (by its
 * socket's number, or by its ports) and happened last is printed, oldest first, in the script's
 * time.
 */
#include "tapdeck/drill/run.h"

#include "core/stack.h"

#include <stdio.h>
#include <string.h>

#define LAST 14

static bool concerns(const struct conn *c, const struct journal_record *rec)
{
    const struct journal_subject *s = &rec->subject;
    if (c == NULL) {
        return event_info[rec->event].kind != EVK_DETAIL;
    }
    if (c->id != 0 && s->conn == c->id) {
        return true;
    }
    if (s->port != 0 || s->lport != 0) {
        return s->port == c->rport && s->lport == c->lport;
    }
    return event_info[rec->event].kind == EVK_DROP;
}

void play_journal(struct run *r, struct text *t)
{
    const struct journal_record *last[LAST];
    const struct journal_record *rec = journal_from(r->w.st, 1);
    size_t n = 0;
    if (r->current != NULL && r->current->fd >= 0) {
        r->current->id = td_socket_id(r->w.st, r->current->fd);
    }
    for (; rec != NULL; rec = journal_from(r->w.st, rec->seq + 1)) {
        if (concerns(r->current, rec)) {
            last[n++ % LAST] = rec;
        }
    }
    if (n == 0) {
        return;
    }
    for (size_t i = n > LAST ? n - LAST : 0; i < n; i++) {
        char sentence[512], when[32];
        const struct journal_record *k = last[i % LAST];
        td_time at = k->time > r->w.start ? k->time - r->w.start : 0;
        journal_format(r->w.st, k, sentence, sizeof sentence);
        text_printf(t, "%s %s: %s", note_time(at, when), event_info[k->event].name, sentence);
        if (strcmp(event_info[k->event].clause, "-") != 0) {
            text_printf(t, " [%s]", event_info[k->event].clause);
        }
        text_puts(t, "\n");
    }
}
