/* Capture files, writing: pcap with nanosecond times.
 *
 * Theory of operation. A pcap file is a header and then records: a time, how many bytes were kept,
 * how many there were, the bytes. libpcap writes it; capread.c reads it, and others.
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
