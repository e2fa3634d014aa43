/* tapdeckd/captures.c: a deck's captures.
 *
 * A capture is a sniffer (dev/sniffer.h) and where its pieces go. To a file: a dumpfile
 * (dev/dumpfile.h), whose thread waits for the disk so that the loop doesn't. To a run (`capture
 * stream`): a queue of a few megabytes from which the run's output is filled as its reader takes
 * it; a reader that is too slow loses packets, which the stream says, and stops nobody.
 *
 * A capture that ends by itself (enough packets, enough files, a full disk) stays in the list until
 * somebody asks for it or begins another to the same file: what became of it must be told.
 */
#include "tapdeckd/captures.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/filter.h"
#include "dev/diary.h"
#include "link/link.h"
#include "tapdeckd/deck_time.h"

#define FILTER_MAX    4096  /* instructions */
#define SETTLE        TD_MS /* of real time a turn of the loop; the rest has its turn in the next */
#define SETTLE_FRAMES 16    /* between two looks at the clock */
#define STREAM_HIGH   (4U << 20) /* bytes that wait for a run's reader */

static td_time capture_wall(void *ctx)
{
    const struct deck_capture *c = ctx;
    return (td_time)deck_wall(c->deck, deck_now(c->deck));
}

static bool sink(void *ctx, enum sniff_piece piece, const void *bytes, size_t len, td_time wall)
{
    struct deck_capture *c = ctx;
    if (c->dump != NULL)
        return dump_put(c->dump, piece, bytes, len, wall);
    if (piece == SNIFF_PACKET && capture_waiting(c) + len > STREAM_HIGH)
        return false;
    text_add(&c->waiting, bytes, len);
    c->run->ready = true;
    return true;
}

size_t capture_waiting(const struct deck_capture *c)
{
    return c->waiting.len - c->taken;
}

void capture_move(struct deck_capture *c, size_t most)
{
    size_t n = capture_waiting(c) < most ? capture_waiting(c) : most;
    text_add(&c->run->out, c->waiting.s + c->taken, n);
    c->taken += n;
    if (c->taken > c->waiting.len / 2) { /* what stays is moved only when it is little */
        text_consume(&c->waiting, c->taken);
        c->taken = 0;
    }
}

/* ---- beginning ---- */

static bool named_pcapng(const char *file)
{
    size_t n = strlen(file);
    return n >= 7 && strcmp(file + n - 7, ".pcapng") == 0;
}

static bool open_file(struct run *r, struct deck_capture *c, const char *file)
{
    const struct dump_config d = {.path = file,
                                  .size = c->words.size,
                                  .seconds = c->words.seconds,
                                  .files = c->words.files,
                                  .now = capture_wall(c),
                                  .background = true};
    c->pcap = !named_pcapng(file);
    c->file = strdup(file);
    c->dump = c->file != NULL ? dump_open(&d, r->err, sizeof(r->err)) : NULL;
    return c->dump != NULL;
}

static bool open_sniffer(struct run *r, struct deck_capture *c, const struct td_bpf_insn *code,
                         uint32_t ncode)
{
    struct sniffer_config s = {.st = c->deck->st,
                               .ifindex = c->words.ifindex,
                               .snaplen = c->words.snaplen,
                               .no_in = c->words.no_in,
                               .no_out = c->words.no_out,
                               .pcap = c->pcap,
                               .host = c->deck->name,
                               .application = "tapdeck " TAPDECK_VERSION,
                               .count = c->words.count,
                               .code = code,
                               .ncode = ncode,
                               .filter = code != NULL ? c->words.filter : NULL,
                               .wall = capture_wall,
                               .sink = sink,
                               .ctx = c};
    c->sniffer = sniffer_open(&s);
    if (c->sniffer == NULL)
        run_fail(r, EXIT_FAILED, "there is no memory for another capture");
    return c->sniffer != NULL;
}

struct deck_capture *capture_begin(struct run *r, const struct capture_words *w, const char *file,
                                   bool *failed)
{
    struct deck *d = r->deck;
    struct deck_capture **at = &d->captures, *c;
    unsigned n = 0;
    *failed = false;
    c = file != NULL ? capture_find(d, file) : NULL;
    if (c != NULL && c->sniffer != NULL) {
        run_fail(r, EXIT_USAGE, "a capture to %s is running already: `capture stop` ends it", file);
        return NULL;
    }
    if (c != NULL)
        capture_free(c);
    for (; *at != NULL; at = &(*at)->next)
        n++;
    c = n < CAPTURES_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        run_fail(r, EXIT_FAILED, "there are %d captures already: `capture show` lists them",
                 CAPTURES_MAX);
        *failed = true;
        return NULL;
    }
    c->deck = d;
    c->words = *w;
    c->run = file == NULL ? r : NULL;
    *at = c;
    /* The filter comes first: what can't be meant empties no file. */
    struct td_bpf_insn *code = NULL;
    uint32_t ncode = 0;
    bool good = true;
    if (w->filter[0] != '\0') {
        code = calloc(FILTER_MAX, sizeof(*code));
        good = code != NULL &&
               filter_compile(w->filter, code, FILTER_MAX, &ncode, r->err, sizeof(r->err));
    }
    good = good && (file == NULL || open_file(r, c, file)) && open_sniffer(r, c, code, ncode);
    free(code);
    if (!good) {
        capture_free(c);
        return NULL;
    }
    return c;
}

struct deck_capture *capture_find(const struct deck *d, const char *file)
{
    struct deck_capture *c = d->captures;
    while (c != NULL && (c->file == NULL || strcmp(c->file, file) != 0))
        c = c->next;
    return c;
}

/* ---- its end ---- */

/* What all stacks that share this one's time were told: who reads the file knows whose addresses are in it. */
static void write_diaries(struct deck_capture *c)
{
    struct pcapng_buf b = {0};
    unsigned n = 0;
    const struct deck *first = c->deck->time != NULL ? c->deck->time->decks : c->deck;
    for (const struct deck *d = first; d != NULL; d = d->time_next)
        if (d->diary != NULL)
            diary_write(d->diary, ++n, d == c->deck, &b);
    if (b.len > 0 && !b.failed)
        (void)dump_put(c->dump, SNIFF_END, b.b, b.len, capture_wall(c));
    pcapng_buf_free(&b);
}

void capture_end(struct deck_capture *c)
{
    if (c->sniffer == NULL)
        return;
    (void)sniffer_settle(c->sniffer, UINT_MAX);
    c->stats = sniffer_stats(c->sniffer);
    sniffer_close(c->sniffer);
    c->sniffer = NULL;
    if (c->dump != NULL && !c->pcap)
        write_diaries(c);
    if (c->dump != NULL)
        dump_finish(c->dump);
}

static void close_file(struct deck_capture *c)
{
    c->error = dump_error(c->dump);
    c->written = dump_packets(c->dump);
    int err = dump_close(c->dump);
    c->error = c->error != 0 ? c->error : err;
    c->dump = NULL;
}

bool capture_written(struct deck_capture *c)
{
    if (c->sniffer != NULL)
        return false;
    if (c->dump != NULL && dump_finished(c->dump))
        close_file(c);
    return c->dump == NULL;
}

void capture_free(struct deck_capture *c)
{
    struct deck_capture **at = &c->deck->captures;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    capture_end(c);
    if (c->dump != NULL)
        close_file(c);
    text_free(&c->waiting);
    free(c->file);
    free(c);
}

td_time captures_real_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (td_time)ts.tv_sec * TD_SEC + (td_time)ts.tv_nsec;
}

bool captures_settle(struct deck *d)
{
    bool more = false;
    td_time enough = 0;
    for (struct deck_capture *c = d->captures; c != NULL; c = c->next) {
        if (c->sniffer == NULL || !sniffer_waiting(c->sniffer))
            continue;
        enough = enough == 0 ? captures_real_now() + SETTLE : enough;
        while (sniffer_settle(c->sniffer, SETTLE_FRAMES) && captures_real_now() < enough)
            continue;
        more = more || sniffer_waiting(c->sniffer);
        if (sniffer_full(c->sniffer) ||
            (c->dump != NULL && (dump_over(c->dump) || dump_error(c->dump) != 0)))
            capture_end(c);
    }
    return more;
}

void captures_done(struct deck *d)
{
    while (d->captures != NULL)
        capture_free(d->captures);
}
