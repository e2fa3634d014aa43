/* replay/live_print.c: what was captured beside what happened here (live.h). */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/jsonw.h"
#include "common/parse.h"
#include "replay/live.h"

#define ROWS_MOST 40u

static const char *const ends[] = {[LIVE_OPEN] = "left open",
                                   [LIVE_CLOSED] = "both closed",
                                   [LIVE_PEER_CLOSED] = "only the peer closed",
                                   [LIVE_WE_CLOSED] = "only this end closed",
                                   [LIVE_PEER_RESET] = "the peer reset it",
                                   [LIVE_WE_RESET] = "this end reset it"};
static const char *const end_words[] = {"open",        "closed",     "peer_closed",
                                        "closed_here", "peer_reset", "reset_here"};

static void put_bytes(const uint8_t *b, size_t n, struct text *out)
{
    text_puts(out, "\"");
    for (size_t i = 0; i < n; i++) {
        if (b[i] == '"' || b[i] == '\\')
            text_printf(out, "\\%c", b[i]);
        else if (b[i] >= ' ' && b[i] < 127)
            text_printf(out, "%c", b[i]);
        else
            text_printf(out, b[i] == '\r' ? "\\r" : b[i] == '\n' ? "\\n" : "\\x%02x", b[i]);
    }
    text_puts(out, "\"");
}

static uint64_t unknown(const struct live *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->nholes; i++)
        n += l->hole[i].to - l->hole[i].from;
    return n;
}

static bool same(const struct live *l)
{
    return !l->differs && l->received == l->n[0];
}

static void put_difference(const struct live *l, struct text *out)
{
    uint64_t left = l->difference < l->n[0] ? l->n[0] - l->difference : 0;
    text_printf(out, "byte %" PRIu64 " is the first that differs: captured ", l->difference);
    if (left == 0)
        text_puts(out, "nothing more");
    else
        put_bytes(l->text[0] + l->difference, left < sizeof(l->got) ? (size_t)left : sizeof(l->got),
                  out);
    text_puts(out, ", received ");
    put_bytes(l->got, l->ngot, out);
}

static void event_text(const struct live_event *e, struct text *out)
{
    char what[64];
    if (e->kind == LIVE_WRITE)
        (void)snprintf(what, sizeof(what), "wrote %" PRIu64 " bytes, to %" PRIu64, e->to - e->from,
                       e->to);
    else
        (void)snprintf(what, sizeof(what), e->kind == LIVE_CLOSE ? "closed" : "reset");
    text_printf(out, "  %-32s %12.6f", what, (double)e->at / 1e9);
    if (e->done == TD_NEVER)
        text_printf(out, " %12s", "-");
    else
        text_printf(out, " %12.6f", (double)e->done / 1e9);
    if (e->impatient)
        text_printf(out, "  %" PRIu64 " bytes of the peer were to come first, and didn't",
                    e->after);
    text_puts(out, "\n");
}

static void put_time(td_time t, struct text *out)
{
    if (t == TD_NEVER)
        text_printf(out, " %12s", "-");
    else
        text_printf(out, " %12.6f", (double)t / 1e9);
}

static void put_head(const struct live *l, const char *device, struct text *out)
{
    char us[16], peer[16];
    format_ip4(l->o.us, us);
    format_ip4(l->connected ? l->peer : l->o.to, peer);
    uint16_t port = l->connected ? l->pport : l->o.port;
    if (!l->connected && l->server)
        text_printf(out, "server %s:%u on %s\n", us, l->o.port, device);
    else if (!l->connected)
        text_printf(out, "client %s and %s:%u on %s\n", us, peer, port, device);
    else
        text_printf(out, "%s %s:%u and %s:%u on %s\n", l->server ? "server" : "client", us,
                    l->server ? l->o.port : l->lport, peer, port, device);
}

void live_print(const struct live *l, const char *device, const uint64_t frames[2], FILE *out)
{
    struct text t = {0};
    put_head(l, device, &t);
    if (l->connected) {
        text_printf(&t, "  %-32s %12s %12s\n", "seconds since it was connected", "captured",
                    "here");
        for (size_t i = 0; i < l->nevents; i++) {
            if (l->nevents > ROWS_MOST && i == ROWS_MOST - 5) {
                text_printf(&t, "  ... %zu more\n", l->nevents - ROWS_MOST);
                i = l->nevents - 5;
            }
            event_text(&l->event[i], &t);
        }
        text_printf(&t, "  %-32s", "the peer was at its end");
        put_time(l->captured_peer_closed, &t);
        put_time(l->peer_closed, &t);
        text_puts(&t, "\n");
        if (!l->server)
            text_printf(&t, "connecting took %.3f ms (captured: %.3f ms)\n",
                        (double)(l->there - l->began) / 1e6, (double)l->captured_handshake / 1e6);
    }
    text_printf(&t,
                "sent %" PRIu64 " of %" PRIu64 " bytes, received %" PRIu64 " where %" PRIu64
                " were captured",
                l->sent, l->n[1], l->received, l->n[0]);
    if (l->connected && same(l))
        text_puts(&t, unknown(l) == l->n[0] && l->n[0] > 0 ? ": as many" : ": the same");
    text_puts(&t, "\n");
    if (l->differs) {
        put_difference(l, &t);
        text_puts(&t, "\n");
    }
    if (unknown(l) > 0)
        text_printf(&t,
                    "note: %" PRIu64
                    " bytes of the peer are not in the capture, and couldn't be compared\n",
                    unknown(l));
    text_printf(&t, "end: %s (captured: %s)",
                l->connected ? ends[l->end] : "there was no connection", ends[l->captured_end]);
    if (l->broken != NULL)
        text_printf(&t, "; %s", l->broken);
    else if (l->error != 0 && l->error != EPIPE)
        text_printf(&t, "; %s", strerror(l->error));
    text_printf(&t,
                "\n%" PRIu64 " frames out, %" PRIu64
                " in, %u segments sent again, round trip %.3f ms\n",
                frames[0], frames[1], l->retransmits, (double)l->rtt_us / 1e3);
    (void)fwrite(t.s, 1, t.len, out);
    text_free(&t);
}

static void time_json(struct jsonw *w, const char *key, td_time t)
{
    if (t == TD_NEVER)
        jw_null(w, key);
    else
        jw_u64(w, key, t);
}

void live_json(const struct live *l, const char *name, const char *device, const uint64_t frames[2],
               FILE *out)
{
    static const char *const kinds[] = {"write", "close", "reset"};
    struct text t = {0}, words = {0};
    struct jsonw w = {.t = &t};
    char addr[16], end[32];
    jw_open(&w, NULL, '{');
    jw_str(&w, "file", name);
    jw_str(&w, "device", device);
    jw_str(&w, "played", l->server ? "server" : "client");
    format_ip4(l->o.us, addr);
    (void)snprintf(end, sizeof(end), "%s:%u", addr, (unsigned)(l->server ? l->o.port : l->lport));
    jw_str(&w, "local", l->server || l->connected ? end : addr);
    if (l->connected || !l->server) {
        format_ip4(l->connected ? l->peer : l->o.to, addr);
        (void)snprintf(end, sizeof(end), "%s:%u", addr,
                       (unsigned)(l->connected ? l->pport : l->o.port));
        jw_str(&w, "peer", end);
    }
    jw_bool(&w, "connected", l->connected);
    if (l->connected)
        jw_u64(&w, "connecting_ns", l->there - l->began);
    jw_u64(&w, "captured_connecting_ns", l->captured_handshake);
    jw_open(&w, "events", '[');
    for (size_t i = 0; i < l->nevents; i++) {
        const struct live_event *e = &l->event[i];
        jw_open(&w, NULL, '{');
        jw_str(&w, "kind", kinds[e->kind]);
        if (e->kind == LIVE_WRITE) {
            jw_u64(&w, "from", e->from);
            jw_u64(&w, "to", e->to);
        }
        jw_u64(&w, "after_bytes", e->after);
        jw_u64(&w, "captured_ns", e->at);
        time_json(&w, "done_ns", e->done);
        if (e->impatient)
            jw_bool(&w, "bytes_never_came", true);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    time_json(&w, "captured_peer_closed_ns", l->captured_peer_closed);
    time_json(&w, "peer_closed_ns", l->peer_closed);
    jw_u64(&w, "sent", l->sent);
    jw_u64(&w, "captured_sent", l->n[1]);
    jw_u64(&w, "received", l->received);
    jw_u64(&w, "captured_received", l->n[0]);
    jw_u64(&w, "compared", l->compared);
    jw_u64(&w, "not_captured", unknown(l));
    jw_bool(&w, "same", l->connected && same(l));
    if (l->differs) {
        jw_u64(&w, "first_difference", l->difference);
        put_difference(l, &words);
        jw_str(&w, "difference", words.s);
    }
    jw_str(&w, "end", l->connected ? end_words[l->end] : "none");
    jw_str(&w, "captured_end", end_words[l->captured_end]);
    if (l->broken != NULL || l->error != 0)
        jw_str(&w, "error", l->broken != NULL ? l->broken : strerror(l->error));
    jw_u64(&w, "frames_out", frames[0]);
    jw_u64(&w, "frames_in", frames[1]);
    jw_u64(&w, "retransmissions", l->retransmits);
    jw_u64(&w, "rtt_us", l->rtt_us);
    jw_close(&w, '}');
    text_puts(&t, "\n");
    (void)fwrite(t.s, 1, t.len, out);
    text_free(&t);
    text_free(&words);
}
