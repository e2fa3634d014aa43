/* Capture files: reading any that libpcap reads, writing pcap with nanosecond times.
 *
 * Theory of operation. A capture file is a header (magic number, which tells byte order and whether
 * times are in micro- or nanoseconds; link type; snap length) and then records: a time, how many
 * bytes were kept, how many there were, the bytes. libpcap knows the formats, pcapng among them,
 * and is asked for nanoseconds, so that a caller sees one unit whatever the file holds.
 *
 * Files from real life end in the middle: the capture was killed, the disk was full, the download
 * broke off. That is not the end of the world for a reader: he has had every whole frame, and is
 * then told -1 and a sentence, once and again if he asks again.
 *
 * A record may hold fewer bytes than the frame had (snap length). Both numbers are handed on;
 * whoever replays the file must know that he sees a part.
 *
 * The writer gathers a packet's slices into one buffer, and looks at the stream for errors after
 * each record, because libpcap's own writing function returns nothing.
 */
#include "dev/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define SNAPLEN_ALL 262144u /* libpcap's largest for Ethernet */

/* ---- reading ---- */

struct capture_reader {
    pcap_t *pcap;
    char *name;
    uint64_t frames;
    int state; /* 1: more may come; 0: at the end; -1: broken, `why` tells */
    char why[PCAP_ERRBUF_SIZE + 64];
};

struct capture_reader *capture_open_stream(FILE *f, const char *name, char *msg, size_t msg_size)
{
    char err[PCAP_ERRBUF_SIZE] = "";
    pcap_t *pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, err);
    if (pcap == NULL) {
        (void)snprintf(msg, msg_size, "%s: not a capture file that can be read: %s", name, err);
        if (f != stdin) {
            (void)fclose(f);
        }
        return NULL;
    }
    int link = pcap_datalink(pcap);
    if (link != DLT_EN10MB) {
        const char *link_name = pcap_datalink_val_to_name(link);
        (void)snprintf(msg, msg_size,
                       "%s: link type %s (%d); only captures of Ethernet (EN10MB, 1) can be read",
                       name, link_name != NULL ? link_name : "unknown", link);
        pcap_close(pcap);
        return NULL;
    }
    struct capture_reader *r = calloc(1, sizeof *r);
    char *copy = strdup(name);
    if (r == NULL || copy == NULL) {
        (void)snprintf(msg, msg_size, "%s: out of memory", name);
        free(r);
        free(copy);
        pcap_close(pcap);
        return NULL;
    }
    r->pcap = pcap;
    r->name = copy;
    r->state = 1;
    return r;
}

struct capture_reader *capture_open(const char *path, char *msg, size_t msg_size)
{
    if (strcmp(path, "-") == 0) {
        return capture_open_stream(stdin, "standard input", msg, msg_size);
    }
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        (void)snprintf(msg, msg_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    return capture_open_stream(f, path, msg, msg_size);
}

static int broken(struct capture_reader *r, const char *why)
{
    r->state = -1;
    (void)snprintf(r->why, sizeof r->why, "%s", why);
    return -1;
}

/* Reads the next record; r->state says what became of it. */
static int read_record(struct capture_reader *r, td_time *wall, const uint8_t **frame,
                       uint32_t *caplen, uint32_t *len)
{
    struct pcap_pkthdr *h;
    const u_char *bytes;
    int got = pcap_next_ex(r->pcap, &h, &bytes);
    if (got == PCAP_ERROR_BREAK) {
        r->state = 0;
        return 0;
    }
    if (got != 1) {
        return broken(r, pcap_geterr(r->pcap));
    }
    if (h->ts.tv_sec < 0 || h->ts.tv_usec < 0 || (uint64_t)h->ts.tv_sec >= UINT64_MAX / TD_SEC) {
        return broken(r, "a time that can't be");
    }
    /* With nanosecond precision tv_usec holds nanoseconds. A sick file may hold a second or more
     * there; the sum is right all the same. */
    *wall = (td_time)h->ts.tv_sec * TD_SEC + (td_time)h->ts.tv_usec;
    *frame = bytes;
    *caplen = h->caplen;
    *len = h->len >= h->caplen ? h->len : h->caplen;
    r->frames++;
    return 1;
}

int capture_next(struct capture_reader *r, td_time *wall, const uint8_t **frame, uint32_t *caplen,
                 uint32_t *len, char *msg, size_t msg_size)
{
    if (r->state == 1 && read_record(r, wall, frame, caplen, len) == 1) {
        return 1;
    }
    if (r->state < 0) {
        (void)snprintf(msg, msg_size, "%s: breaks off after %llu frame%s: %s", r->name,
                       (unsigned long long)r->frames, r->frames == 1 ? "" : "s", r->why);
    }
    return r->state;
}

uint64_t capture_frames(const struct capture_reader *r)
{
    return r->frames;
}

void capture_close(struct capture_reader *r)
{
    if (r == NULL) {
        return;
    }
    pcap_close(r->pcap); /* closes the stream, unless it is stdin */
    free(r->name);
    free(r);
}

/* ---- writing ---- */

struct capture_writer {
    pcap_t *pcap;
    pcap_dumper_t *out;
    uint32_t snaplen;
    uint8_t *buf; /* for packets in slices */
    uint32_t buf_size;
    int error; /* sticky, negative errno */
};

struct capture_writer *capture_create(const char *path, uint32_t snaplen, char *msg,
                                      size_t msg_size)
{
    struct capture_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        (void)snprintf(msg, msg_size, "%s: out of memory", path);
        return NULL;
    }
    w->snaplen = snaplen == 0 || snaplen > SNAPLEN_ALL ? SNAPLEN_ALL : snaplen;
    w->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, (int)w->snaplen,
                                                   PCAP_TSTAMP_PRECISION_NANO);
    if (w->pcap == NULL) {
        (void)snprintf(msg, msg_size, "%s: out of memory", path);
        free(w);
        return NULL;
    }
    w->out = pcap_dump_open(w->pcap, path);
    if (w->out == NULL) { /* libpcap's message begins with the path */
        (void)snprintf(msg, msg_size, "%s", pcap_geterr(w->pcap));
        pcap_close(w->pcap);
        free(w);
        return NULL;
    }
    return w;
}

static int check_stream(struct capture_writer *w)
{
    if (ferror(pcap_dump_file(w->out))) {
        w->error = errno > 0 ? -errno : -EIO;
    }
    return w->error;
}

static const uint8_t *gather(struct capture_writer *w, const struct pkt *p, uint32_t n)
{
    if (n <= p->head_len) {
        return p->data;
    }
    if (n > w->buf_size) {
        uint8_t *bigger = realloc(w->buf, n);
        if (bigger == NULL) {
            return NULL;
        }
        w->buf = bigger;
        w->buf_size = n;
    }
    return pkt_read(p, 0, w->buf, n) ? w->buf : NULL;
}

int capture_write(struct capture_writer *w, td_time wall, const struct pkt *p)
{
    if (w->error != 0) {
        return w->error;
    }
    struct pcap_pkthdr h = {0};
    h.ts.tv_sec = (time_t)(wall / TD_SEC);
    h.ts.tv_usec = (suseconds_t)(wall % TD_SEC); /* nanoseconds: see capture_create */
    h.len = p->len;
    h.caplen = p->len < w->snaplen ? p->len : w->snaplen;
    const uint8_t *bytes = gather(w, p, h.caplen);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    errno = 0;
    pcap_dump((u_char *)w->out, &h, bytes);
    return check_stream(w);
}

int capture_flush(struct capture_writer *w)
{
    errno = 0;
    if (w->error == 0 && pcap_dump_flush(w->out) != 0) {
        w->error = errno > 0 ? -errno : -EIO;
    }
    return w->error;
}

void capture_finish(struct capture_writer *w)
{
    if (w == NULL) {
        return;
    }
    pcap_dump_close(w->out);
    pcap_close(w->pcap);
    free(w->buf);
    free(w);
}
