/* drill/record.c: a script's packets as a capture; see record.h.
 *
 * The same sniffer and the same file as a daemon's captures (dev/sniffer.h, dev/dumpfile.h), but
 * nothing in it comes from this machine: the clock is the script's, beginning with 2026, and the
 * disk is waited for. So the same script and seed give the same file, byte by byte.
 */
#include "tapdeck/drill/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev/diary.h"
#include "dev/dumpfile.h"
#include "tapdeck/stack.h"

#define EPOCH                                                                                      \
    (UINT64_C(1767225600) * TD_SEC) /* 2026-01-01: where virtual time begins in topologies, too */

struct record {
    const struct drill_world *w;
    struct sniffer *sniffer;
    struct dumpfile *dump;
    struct diary *diary; /* NULL: a pcap, which has no place for it */
};

static td_time record_wall(void *ctx)
{
    const struct record *r = ctx;
    return EPOCH + world_now(r->w);
}

static bool record_sink(void *ctx, enum sniff_piece piece, const void *bytes, size_t len,
                        td_time wall)
{
    const struct record *r = ctx;
    return dump_put(r->dump, piece, bytes, len, wall);
}

struct record *record_open(const struct drill_world *w, const char *path, char *msg,
                           size_t msg_size)
{
    static const char ending[] = ".pcapng";
    struct record *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        snprintf(msg, msg_size, "out of memory");
        return NULL;
    }
    size_t n = strlen(path);
    const struct dump_config d = {.path = path, .now = EPOCH};
    const struct sniffer_config c = {
        .st = w->st,
        .ifindex = w->ifindex,
        .pcap = n < strlen(ending) || strcmp(path + n - strlen(ending), ending) != 0,
        .host = "drill",
        .application = "tapdeck drill", /* no version: the same script, the same bytes */
        .wall = record_wall,
        .sink = record_sink,
        .ctx = r,
    };
    r->w = w;
    r->dump = dump_open(&d, msg, msg_size);
    r->diary = c.pcap ? NULL : diary_open(w->st, "drill", (int64_t)EPOCH - (int64_t)w->start);
    r->sniffer = r->dump != NULL && (c.pcap || r->diary != NULL) ? sniffer_open(&c) : NULL;
    if (r->dump != NULL && r->sniffer == NULL)
        snprintf(msg, msg_size, "out of memory");
    if (r->sniffer == NULL) {
        (void)dump_close(r->dump);
        diary_close(r->diary);
        free(r);
        return NULL;
    }
    return r;
}

void record_settle(struct record *r)
{
    while (sniffer_settle(r->sniffer, 1024))
        ;
}

int record_close(struct record *r)
{
    if (r == NULL)
        return 0;
    sniffer_close(r->sniffer);
    if (r->diary != NULL) {
        struct pcapng_buf b = {0};
        diary_write(r->diary, 1, true, &b);
        (void)dump_put(r->dump, SNIFF_END, b.b, b.len, record_wall(r));
        pcapng_buf_free(&b);
    }
    diary_close(r->diary);
    int err = dump_close(r->dump);
    free(r);
    return err;
}
