/* replay/annotate.c: the capture with comments (annotate.h). */
#include "replay/annotate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"

#define FLUSH 65536u

static void flush(struct annotate *a)
{
    (void)fwrite(a->buf.b, 1, a->buf.len, a->out);
    a->buf.len = 0;
}

/* ---- interfaces ---- */

static bool same_interface(const struct capture_if *a, const struct capture_if *b)
{
    return a->link == b->link && a->snaplen == b->snaplen && strcmp(a->name, b->name) == 0;
}

/* The number here of a frame's interface, which is written before its first packet. */
static uint32_t interface_of(struct annotate *a, const struct capture_frame *f)
{
    const struct capture_if *there = capture_interface(a->reader, f->iface);
    struct capture_if i = {.link = f->link};
    if (there != NULL)
        i = *there;
    i.link = f->link;
    for (uint32_t k = 0; k < a->ifaces; k++)
        if (same_interface(&a->iface[k], &i))
            return k;
    if (a->ifaces == ANNOTATE_INTERFACES) { /* too many: one with the right link type will do */
        for (uint32_t k = 0; k < a->ifaces; k++)
            if (a->iface[k].link == i.link)
                return k;
        return 0;
    }
    a->iface[a->ifaces] = i;
    const struct pcapng_interface p = {
        .name = i.name[0] != '\0' ? i.name : NULL, .snaplen = i.snaplen, .linktype = i.link};
    pcapng_interface(&a->buf, &p);
    return a->ifaces++;
}

/* ---- comments ---- */

static void say_numbers(const struct track_row *r, struct text *out)
{
    const struct track_guess *g = &r->guess[r->side];
    text_printf(out, "tapdeck: from the %s; client %s, server %s; %" PRIu64 " bytes in flight",
                r->side == 0 ? "client" : "server", track_state_text(r->after[0]),
                track_state_text(r->after[1]), r->flight[r->side]);
    if (g->cwnd > 0)
        text_printf(out, ", congestion window ~%u", g->cwnd);
    if (g->ssthresh > 0)
        text_printf(out, ", ssthresh ~%u", g->ssthresh);
    if (r->scaled)
        text_printf(out, "; offers a window of %" PRIu64, r->window);
}

static void say(struct annotate *a, const struct observe_packet *p, struct text *words,
                struct text *numbers)
{
    text_puts(words, "tapdeck: ");
    size_t empty = words->len;
    if (p->row != NULL) {
        observe_row_words(p->row, words);
        say_numbers(p->row, numbers);
    } else if (p->text != NULL) {
        text_puts(words, p->text);
    }
    if (a->more != NULL) {
        size_t before = words->len;
        a->more(a->more_ctx, p, words);
        if (before > empty && words->len > before) { /* what was added begins behind a semicolon */
            struct text tail = {0};
            text_puts(&tail, words->s + before);
            words->s[words->len = before] = '\0';
            text_printf(words, "; %s", tail.s);
            text_free(&tail);
        }
    }
    if (words->len == empty)
        words->s[words->len = 0] = '\0';
}

static void add_comment(struct pcapng_packet *p, const char *s, size_t len)
{
    if (len == 0 || p->ncomments == PCAPNG_COMMENTS)
        return;
    p->comment[p->ncomments].s = s;
    p->comment[p->ncomments++].len = len;
}

/* Those that it had: the reader gives a line for each. Two places are left. */
static void add_comments(struct pcapng_packet *p, const char *s)
{
    while (s != NULL && *s != '\0') {
        const char *end = strchr(s, '\n');
        size_t n =
            end != NULL && p->ncomments < PCAPNG_COMMENTS - 3 ? (size_t)(end - s) : strlen(s);
        add_comment(p, s, n);
        s += n;
        s += *s == '\n';
    }
}

static void take_packet(struct observe_listener *l, const struct observe_packet *p)
{
    struct annotate *a = (struct annotate *)l;
    const struct capture_frame *f = p->frame;
    struct text words = {0}, numbers = {0};
    if (!p->told)
        return;
    struct pcapng_packet out = {.interface = interface_of(a, f),
                                .wall = f->wall > 0 ? (td_time)f->wall : 0,
                                .caplen = f->caplen,
                                .len = f->len,
                                .data = f->bytes,
                                .id = f->number,
                                .direction = f->dir == CAPTURE_IN    ? PCAPNG_DIR_IN
                                             : f->dir == CAPTURE_OUT ? PCAPNG_DIR_OUT
                                                                     : PCAPNG_DIR_UNKNOWN};
    say(a, p, &words, &numbers);
    add_comments(&out, f->comment);
    add_comment(&out, words.s, words.len);
    add_comment(&out, numbers.s, numbers.len);
    pcapng_packet(&a->buf, &out);
    a->packets++;
    a->annotated += words.len + numbers.len > 0;
    if (a->buf.len >= FLUSH)
        flush(a);
    text_free(&words);
    text_free(&numbers);
}

/* ---- beginning and end ---- */

static void keep_custom(void *ctx, const char *text, size_t len)
{
    struct annotate *a = ctx;
    size_t *grown = realloc(a->custom_end, (a->ncustom + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    text_add(&a->custom, text, len);
    a->custom_end = grown;
    grown[a->ncustom++] = a->custom.len;
}

static void take_end(struct observe_listener *l, const struct observe_end *e)
{
    struct annotate *a = (struct annotate *)l;
    size_t from = 0;
    (void)e;
    for (size_t i = 0; i < a->ncustom; i++) {
        pcapng_custom(&a->buf, a->custom.s + from, a->custom_end[i] - from);
        from = a->custom_end[i];
    }
    flush(a);
}

void annotate_begin(struct annotate *a, struct capture_reader *r, FILE *out)
{
    *a = (struct annotate){
        .listener = {.packet = take_packet, .end = take_end}, .reader = r, .out = out};
    pcapng_section(&a->buf, NULL, NULL, "tapdeck replay " TAPDECK_VERSION);
    capture_on_custom(r, keep_custom, a);
}

void annotate_done(struct annotate *a)
{
    pcapng_buf_free(&a->buf);
    text_free(&a->custom);
    free(a->custom_end);
    *a = (struct annotate){0};
}
