/* replay/host_print.c: a played host's rows and what is said at the end, as text and as JSON
 * (host.h). */
#include <inttypes.h>
#include <string.h>

#include "common/jsonw.h"
#include "replay/host.h"

void host_print_row(const struct host_row *r, const char *iface, struct text *out)
{
    if (r->number > 0)
        text_printf(out, "%6" PRIu64 " %11.6f", r->number, (double)r->at / 1e9);
    else
        text_printf(out, "%6s %11s", "-", "-");
    text_printf(out, "  %-7s", host_verdict_names[r->verdict]);
    if (r->has_sent)
        text_printf(out, " %11.6f", (double)r->sent_at / 1e9);
    else
        text_printf(out, " %11s", r->verdict == HOST_IN ? "" : "-");
    if (iface != NULL)
        text_printf(out, "  %-6s", iface);
    text_printf(out, "  %s\n", r->what.s != NULL ? r->what.s : "");
    for (const char *line = r->why.s; line != NULL && *line != '\0';) {
        size_t n = strcspn(line, "\n");
        text_printf(out, "%*s%.*s\n", iface != NULL ? 52 : 44, "", (int)n, line);
        line += n + (line[n] != '\0');
    }
}

static void note(struct text *out, uint64_t n, const char *what)
{
    if (n > 0)
        text_printf(out, "note: %" PRIu64 " %s\n", n, what);
}

void host_print_sum(const struct host_sum *s, struct text *out)
{
    text_puts(out, "\n");
    for (unsigned v = HOST_SAME; v < HOST_VERDICTS; v++)
        text_printf(out, "%" PRIu64 " %s, ", s->count[v], host_verdict_names[v]);
    text_printf(out, "%" PRIu64 " missing; %" PRIu64 " handed in, %" PRIu64 " of others\n",
                s->count[HOST_MISSING], s->count[HOST_IN], s->others);
    if (s->lesson[0] != '\0')
        text_printf(out, "%s\n", s->lesson);
    else
        text_puts(out, "no divergence: the stack said what was captured\n");
    for (const char *line = s->notes.s; line != NULL && *line != '\0';) {
        size_t n = strcspn(line, "\n");
        text_printf(out, "note: %.*s\n", (int)n, line);
        line += n + (line[n] != '\0');
    }
    text_puts(out, "note: IP identifications are the stack's own, and aren't compared\n");
    note(out, s->clamped,
         "packets have a time before that of the packet before them: they are taken as "
         "simultaneous with it");
    if (s->cut > 0)
        text_printf(out,
                    "note: %" PRIu64 " packets were cut off when they were captured; zeros stand "
                    "for what is missing (%" PRIu64 " bytes)\n",
                    s->cut, s->cut_bytes);
    note(out, s->repaired, "packets were handed in with a new checksum (--checksums)");
    note(out, s->dropped, "packets with a wrong checksum were not handed in (--checksums drop)");
    note(out, s->resegmented, "super-segments, which no wire carries, were cut to the MTU");
    note(out, s->left_out,
         "TCP segments were not handed in: `--play ADDR:PORT` plays a connection");
    note(out, s->assumed,
         "packets must have come in where nobody captured, and were handed in there");
    if (s->broken[0] != '\0')
        text_printf(out, "note: %s\n", s->broken);
}

void host_json_row(struct jsonw *w, const struct host_row *r, const char *iface)
{
    jw_open(w, NULL, '{');
    jw_str(w, "verdict", host_verdict_names[r->verdict]);
    if (iface != NULL)
        jw_str(w, "interface", iface);
    if (r->number > 0) {
        jw_u64(w, "number", r->number);
        jw_u64(w, "time_ns", r->at);
    }
    if (r->has_sent)
        jw_u64(w, "sent_ns", r->sent_at);
    jw_str(w, "what", r->what.s != NULL ? r->what.s : "");
    jw_open(w, "why", '[');
    for (const char *line = r->why.s; line != NULL && *line != '\0';) {
        size_t n = strcspn(line, "\n");
        struct text t = {0};
        text_add(&t, line, n);
        jw_str(w, NULL, t.s != NULL ? t.s : "");
        text_free(&t);
        line += n + (line[n] != '\0');
    }
    jw_close(w, ']');
    jw_close(w, '}');
}

void host_json_sum(struct jsonw *w, const struct host_sum *s)
{
    for (unsigned v = 0; v < HOST_VERDICTS; v++)
        jw_u64(w, host_verdict_names[v], s->count[v]);
    jw_u64(w, "packets", s->packets);
    jw_u64(w, "others", s->others);
    jw_str(w, "lesson",
           s->lesson[0] != '\0' ? s->lesson : "no divergence: the stack said what was captured");
    jw_str(w, "notes", s->notes.s != NULL ? s->notes.s : "");
    jw_u64(w, "clamped", s->clamped);
    jw_u64(w, "cut", s->cut);
    jw_u64(w, "cut_bytes", s->cut_bytes);
    jw_u64(w, "repaired", s->repaired);
    jw_u64(w, "dropped", s->dropped);
    jw_u64(w, "left_out", s->left_out);
    jw_u64(w, "resegmented", s->resegmented);
    jw_u64(w, "assumed", s->assumed);
    if (s->broken[0] != '\0')
        jw_str(w, "broken", s->broken);
}
