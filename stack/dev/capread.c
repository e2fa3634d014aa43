/* Capture files, reading: pcap and pcapng, as they are found in the world.
 *
 * Theory of operation. A pcap file is a header (a magic number, which tells the byte order and
 * whether times are in micro- or nanoseconds; a link type; a snap length) and then records: a time,
 * how many bytes were kept, how many there were, the bytes. A pcapng file is a sequence of blocks,
 * each with its length at both ends: a section header (which tells the byte order), interfaces
 * (each with its own link type and its own unit of time), packets, and blocks that may be skipped
 * unread. Packets may carry comments, directions and numbers. Either may be compressed with gzip.
 *
 * libpcap reads such files too, but refuses those whose interfaces differ in link type, and drops
 * comments, directions and names. So they are read here, byte by byte, as they come: a file is never
 * in memory, nor is a packet longer than the longest that is taken.
 *
 *     FILE → source_read (inflates, if need be) → pcap_record   → capture_next
 *                                               → pcapng_block →
 *
 * Files from real life end in the middle: the capture was killed, the disk was full, the download
 * broke off. That is not the end of the world for a reader: he has had every whole packet, and is
 * then told -1 and a sentence, once and again if he asks again. From there on nothing is guessed.
 *
 * A record may hold fewer bytes than the packet had (snap length). Both numbers are handed on;
 * whoever replays the file must know that he sees a part.
 */
#include "dev/capture.h"

#include "dev/pcapng.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define BYTES_MAX      1048576u  /* of a packet; more can only be damage */
#define BLOCK_MAX      16777216u /* of a block that must be read whole */
#define INTERFACES_MAX 4096u     /* of a section */
#define CUSTOM_MAX     1048576u  /* of a custom block; a longer one is skipped */
#define COMMENT_MAX    16384u    /* bytes of a packet's comments, all together */

#define MAGIC_US       0xa1b2c3d4u
#define MAGIC_NS       0xa1b23c4du
#define MAGIC_US_LONG  0xa1b2cd34u /* each record header has eight bytes more */
#define MAGIC_SECTION  0x0a0d0d0au
#define SECTION_ORDER  0x1a2b3c4du

enum { /* block types */
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET_OLD = 2,
    BLOCK_SIMPLE = 3,
    BLOCK_PACKET = 6,
    BLOCK_CUSTOM = 0x00000bad,
};
enum { OPTION_END = 0, OPTION_COMMENT = 1 }; /* of any block */

struct interface {
    struct capture_if info;
    uint8_t resolution; /* as if_tsresol has it */
    int64_t offset;     /* seconds */
    uint32_t fcs;       /* bytes at the end of each packet */
};

struct capture_reader {
    FILE *file;
    char *name;
    bool gzip, inflated; /* it is compressed; the compressed stream has ended */
    z_stream z;
    uint8_t in[32768];
    bool ng, big_endian, wide; /* pcapng; of the numbers in it; long record headers */
    unsigned minor;            /* version of a pcap file */
    uint8_t resolution;        /* of a pcap file: 6 or 9 */
    struct interface *ifs;
    uint32_t nifs, ifs_room;
    uint8_t *body; /* of the packet or block that was read last */
    size_t body_room;
    char *comment;
    uint64_t frames;
    capture_custom *custom;
    void *custom_ctx;
    int state; /* 1: more may come; 0: at the end; -1: broken, `why` tells */
    char why[160];
};

/* ---- bytes ---- */

/* Up to n bytes, fewer at the end of the file. */
static size_t source_read(struct capture_reader *r, void *dst, size_t n)
{
    if (!r->gzip)
        return fread(dst, 1, n, r->file);
    r->z.next_out = dst;
    r->z.avail_out = (uInt)n;
    while (r->z.avail_out > 0) {
        if (r->z.avail_in == 0) {
            r->z.avail_in = (uInt)fread(r->in, 1, sizeof(r->in), r->file);
            r->z.next_in = r->in;
            if (r->z.avail_in == 0)
                break;
        }
        if (r->inflated) { /* another compressed file was appended to the first */
            if (inflateReset(&r->z) != Z_OK)
                break;
            r->inflated = false;
        }
        int got = inflate(&r->z, Z_NO_FLUSH);
        r->inflated = got == Z_STREAM_END;
        if (got != Z_OK && got != Z_STREAM_END)
            break;
    }
    return n - r->z.avail_out;
}

static int broken(struct capture_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int broken(struct capture_reader *r, const char *fmt, ...)
{
    va_list ap;
    r->state = -1;
    va_start(ap, fmt);
    (void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
    va_end(ap);
    return -1;
}

/* Exactly n bytes; otherwise the file is broken, or, if `end` and there was none, at its end. */
static bool take(struct capture_reader *r, void *dst, size_t n, bool end)
{
    size_t got = source_read(r, dst, n);
    if (got == n)
        return true;
    if (ferror(r->file))
        (void)broken(r, "reading it failed: %s", strerror(errno));
    else if (r->gzip && !r->inflated)
        (void)broken(r, "the compressed data ends too soon, or is damaged");
    else if (got == 0 && end)
        r->state = 0;
    else
        (void)broken(r, "it ends in the middle of a record (%zu bytes of %zu are there)", got, n);
    return false;
}

static bool skip(struct capture_reader *r, uint64_t n)
{
    uint8_t waste[4096];
    while (n > 0) {
        size_t piece = n < sizeof(waste) ? (size_t)n : sizeof(waste);
        if (!take(r, waste, piece, false))
            return false;
        n -= piece;
    }
    return true;
}

/* Room for n bytes in r->body. */
static bool make_room(struct capture_reader *r, size_t n)
{
    if (n <= r->body_room)
        return true;
    uint8_t *bigger = realloc(r->body, n);
    if (bigger == NULL) {
        (void)broken(r, "out of memory for a record of %zu bytes", n);
        return false;
    }
    r->body = bigger;
    r->body_room = n;
    return true;
}

static uint16_t get16(const struct capture_reader *r, const uint8_t *b)
{
    unsigned high = r->big_endian ? b[0] : b[1], low = r->big_endian ? b[1] : b[0];
    return (uint16_t)(high << 8 | low);
}

static uint32_t get32(const struct capture_reader *r, const uint8_t *b)
{
    uint32_t low = get16(r, b), high = get16(r, b + 2);
    return r->big_endian ? low << 16 | high : high << 16 | low;
}

static uint64_t get64(const struct capture_reader *r, const uint8_t *b)
{
    uint64_t low = get32(r, b), high = get32(r, b + 4);
    return r->big_endian ? low << 32 | high : high << 32 | low;
}

/* ---- interfaces and times ---- */

static struct interface *add_interface(struct capture_reader *r)
{
    if (r->nifs == INTERFACES_MAX) {
        (void)broken(r, "it has more than %u interfaces", INTERFACES_MAX);
        return NULL;
    }
    if (r->nifs == r->ifs_room) {
        uint32_t room = r->ifs_room == 0 ? 4 : 2 * r->ifs_room;
        struct interface *bigger = realloc(r->ifs, room * sizeof(*bigger));
        if (bigger == NULL) {
            (void)broken(r, "out of memory");
            return NULL;
        }
        r->ifs = bigger;
        r->ifs_room = room;
    }
    struct interface *i = &r->ifs[r->nifs++];
    *i = (struct interface){.resolution = 6};
    return i;
}

/* seconds and nanoseconds as one number; what can't be is as late, or as early, as can be. */
static int64_t join_time(int64_t seconds, int64_t ns)
{
    const int64_t most = INT64_MAX / (int64_t)TD_SEC - 1;
    if (seconds > most)
        return INT64_MAX;
    return seconds < -most ? INT64_MIN : seconds * (int64_t)TD_SEC + ns;
}

static int64_t time_of(const struct interface *i, uint64_t units)
{
    unsigned n = i->resolution & 0x7f;
    uint64_t seconds, ns;
    if (i->resolution & 0x80) { /* 2^-n seconds */
        seconds = n < 64 ? units >> n : 0;
        uint64_t part = n == 0 ? 0 : n < 64 ? units & (((uint64_t)1 << n) - 1) : units;
        for (; n > 34; n--)
            part >>= 1;
        ns = part * TD_SEC >> n;
    } else { /* 10^-n seconds */
        uint64_t per_second = 1;
        for (; n > 18; n--)
            units /= 10;
        for (unsigned k = 0; k < n; k++)
            per_second *= 10;
        seconds = units / per_second;
        ns = units % per_second;
        for (; n < 9; n++)
            ns *= 10;
        for (; n > 9; n--)
            ns /= 10;
    }
    if (seconds > INT64_MAX / 2)
        return INT64_MAX;
    int64_t whole = i->offset > INT64_MAX / 2 || i->offset < -(INT64_MAX / 2) ? i->offset : (int64_t)seconds + i->offset;
    return join_time(whole, (int64_t)ns);
}

/* What is handed out; the check sequence that some capture at a packet's end is not the packet's. */
static int hand_out(struct capture_reader *r, uint32_t at, struct capture_frame *f)
{
    const struct interface *i = &r->ifs[at];
    if (f->len < f->caplen)
        f->len = f->caplen;
    if (i->fcs != 0 && f->len >= i->fcs) {
        f->len -= i->fcs;
        if (f->caplen > f->len)
            f->caplen = f->len;
    }
    f->iface = at;
    f->link = i->info.link;
    r->frames++;
    return 1;
}

/* ---- pcap ---- */

/* The link type's number has the length of the check sequence in its upper bits. */
static void link_of(struct interface *i, uint32_t field)
{
    i->info.link = (uint16_t)field;
    if (field & 0x04000000)
        i->fcs = (field >> 28) * 2;
}

static bool pcap_begin(struct capture_reader *r, uint32_t magic)
{
    uint8_t h[20];
    r->wide = magic == MAGIC_US_LONG;
    r->resolution = magic == MAGIC_NS ? 9 : 6;
    if (!take(r, h, sizeof(h), false))
        return false;
    if (get16(r, h) != 2) {
        (void)broken(r, "pcap of version %u.%u; 2.x can be read", get16(r, h), get16(r, h + 2));
        return false;
    }
    r->minor = get16(r, h + 2);
    struct interface *i = add_interface(r);
    if (i == NULL)
        return false;
    i->info.snaplen = get32(r, h + 12);
    i->resolution = r->resolution;
    link_of(i, get32(r, h + 16));
    return true;
}

static int pcap_record(struct capture_reader *r, struct capture_frame *f)
{
    uint8_t h[24];
    if (!take(r, h, r->wide ? 24 : 16, true))
        return r->state;
    f->caplen = get32(r, h + 8);
    f->len = get32(r, h + 12);
    if (r->minor < 3 || (r->minor == 3 && f->caplen > f->len)) { /* they were swapped then */
        uint32_t kept = f->len;
        f->len = f->caplen;
        f->caplen = kept;
    }
    if (f->caplen > BYTES_MAX)
        return broken(r, "a packet of %u bytes can't be", f->caplen);
    if (!make_room(r, f->caplen + 1) || !take(r, r->body, f->caplen, false))
        return -1;
    uint64_t part = get32(r, h + 4);
    f->wall = join_time(get32(r, h), (int64_t)(r->resolution == 9 ? part : part * TD_US));
    f->timed = true;
    f->bytes = r->body;
    return hand_out(r, 0, f);
}

/* ---- pcapng ---- */

/* The options that begin at *at of the n bytes b: one a call; false: there is none any more. */
static bool next_option(const struct capture_reader *r, const uint8_t *b, size_t n, size_t *at,
                        uint16_t *code, const uint8_t **value, uint16_t *len)
{
    if (n < 4 || *at > n - 4)
        return false;
    *code = get16(r, b + *at);
    *len = get16(r, b + *at + 2);
    *value = b + *at + 4;
    if (*code == OPTION_END || *len > n - *at - 4)
        return false;
    *at += 4 + (((size_t)*len + 3) & ~(size_t)3);
    if (*at > n)
        *at = n;
    return true;
}

static int section(struct capture_reader *r)
{
    uint8_t h[8];
    if (!take(r, h, sizeof(h), false))
        return -1;
    r->big_endian = true;
    if (get32(r, h + 4) != SECTION_ORDER) {
        r->big_endian = false;
        if (get32(r, h + 4) != SECTION_ORDER)
            return broken(r, "a section's header has no byte order");
    }
    uint32_t total = get32(r, h);
    uint8_t version[4];
    if (total < 28 || total % 4 != 0)
        return broken(r, "a section's header of %u bytes can't be", total);
    if (!take(r, version, sizeof(version), false))
        return -1;
    if (get16(r, version) != 1)
        return broken(r, "pcapng of version %u.%u; 1.x can be read", get16(r, version), get16(r, version + 2));
    r->nifs = 0;
    return skip(r, total - 16) ? 1 : -1;
}

static bool interface_block(struct capture_reader *r, const uint8_t *b, size_t n)
{
    enum { NAME = 2, DESCRIPTION = 3, RESOLUTION = 9, FCS = 13, OFFSET = 14 };
    struct interface *i = n < 8 ? NULL : add_interface(r);
    uint16_t code, len;
    const uint8_t *value;
    if (i == NULL) {
        if (r->state == 1)
            (void)broken(r, "an interface's block of %zu bytes is too short", n);
        return false;
    }
    i->info.link = get16(r, b);
    i->info.snaplen = get32(r, b + 4);
    for (size_t at = 8; next_option(r, b, n, &at, &code, &value, &len);) {
        if (code == NAME)
            (void)snprintf(i->info.name, sizeof(i->info.name), "%.*s", (int)len, (const char *)value);
        else if (code == RESOLUTION && len == 1)
            i->resolution = value[0];
        else if (code == FCS && len == 1)
            i->fcs = value[0];
        else if (code == OFFSET && len == 8)
            i->offset = (int64_t)get64(r, value);
    }
    return true;
}

/* Comments, direction and number. */
static bool packet_options(struct capture_reader *r, const uint8_t *b, size_t n, struct capture_frame *f)
{
    enum { FLAGS = 2, NUMBER = 5 };
    size_t used = 0;
    uint16_t code, len;
    const uint8_t *value;
    for (size_t at = 0; next_option(r, b, n, &at, &code, &value, &len);) {
        if (code == FLAGS && len == 4) {
            uint32_t dir = get32(r, value) & 3;
            f->dir = dir == 1 ? CAPTURE_IN : dir == 2 ? CAPTURE_OUT : CAPTURE_UNKNOWN;
        } else if (code == NUMBER && len == 8) {
            f->number = get64(r, value);
        } else if (code == OPTION_COMMENT && used + len + 2 < COMMENT_MAX) {
            if (r->comment == NULL && (r->comment = malloc(COMMENT_MAX)) == NULL) {
                (void)broken(r, "out of memory");
                return false;
            }
            if (used > 0)
                r->comment[used++] = '\n';
            memcpy(r->comment + used, value, len);
            used += len;
            r->comment[used] = '\0';
            f->comment = r->comment;
        }
    }
    return true;
}

static int packet_block(struct capture_reader *r, uint32_t type, const uint8_t *b, size_t n, struct capture_frame *f)
{
    size_t fixed = type == BLOCK_SIMPLE ? 4 : 20;
    uint32_t at = 0;
    if (n < fixed)
        return broken(r, "a packet's block of %zu bytes is too short", n);
    if (type == BLOCK_PACKET)
        at = get32(r, b);
    else if (type == BLOCK_PACKET_OLD)
        at = get16(r, b);
    if (at >= r->nifs)
        return broken(r, "a packet of interface %u, and there are %u", at, r->nifs);
    const struct interface *i = &r->ifs[at];
    if (type == BLOCK_SIMPLE) {
        uint32_t room = (uint32_t)(n - fixed);
        f->len = get32(r, b);
        f->caplen = i->info.snaplen != 0 && f->len > i->info.snaplen ? i->info.snaplen : f->len;
        f->caplen = f->caplen < room ? f->caplen : room;
    } else {
        f->wall = time_of(i, (uint64_t)get32(r, b + 4) << 32 | get32(r, b + 8));
        f->timed = true;
        f->caplen = get32(r, b + 12);
        f->len = get32(r, b + 16);
    }
    if (f->caplen > BYTES_MAX || f->caplen > n - fixed)
        return broken(r, "a packet of %u bytes in a block of %zu", f->caplen, n);
    f->bytes = b + fixed;
    size_t options = fixed + (((size_t)f->caplen + 3) & ~(size_t)3);
    if (type != BLOCK_SIMPLE && options < n && !packet_options(r, b + options, n - options, f))
        return -1;
    return hand_out(r, at, f);
}

/* Those of other makers aren't for us; ours are whoever's wants them. */
static void custom_block(struct capture_reader *r, const uint8_t *b, size_t n)
{
    if (r->custom == NULL || n < 4 || get32(r, b) != PCAPNG_PEN)
        return;
    while (n > 4 && b[n - 1] == 0)
        n--;
    r->custom(r->custom_ctx, (const char *)b + 4, n - 4);
}

/* The next block. 1: a packet; 0: another block, or the end (r->state); -1. */
static int pcapng_block(struct capture_reader *r, struct capture_frame *f)
{
    uint8_t h[8], tail[4];
    if (!take(r, h, 4, true))
        return r->state;
    uint32_t type = get32(r, h);
    if (type == MAGIC_SECTION) /* the same number in either order */
        return section(r) < 0 ? -1 : 0;
    if (!take(r, h + 4, 4, false))
        return -1;
    uint32_t total = get32(r, h + 4);
    if (total < 12 || total % 4 != 0)
        return broken(r, "a block of %u bytes can't be", total);
    uint32_t n = total - 12;
    bool known = type == BLOCK_INTERFACE || type == BLOCK_PACKET || type == BLOCK_PACKET_OLD || type == BLOCK_SIMPLE ||
                 (type == BLOCK_CUSTOM && total <= CUSTOM_MAX);
    if (known && total > BLOCK_MAX)
        return broken(r, "a block of %u bytes can't be", total);
    if (known ? !make_room(r, n) || !take(r, r->body, n, false) : !skip(r, n))
        return -1;
    if (!take(r, tail, sizeof(tail), false))
        return -1;
    if (get32(r, tail) != total)
        return broken(r, "a block says %u bytes at its beginning and %u at its end", total, get32(r, tail));
    if (!known)
        return 0;
    if (type == BLOCK_CUSTOM) {
        custom_block(r, r->body, n);
        return 0;
    }
    if (type == BLOCK_INTERFACE)
        return interface_block(r, r->body, n) ? 0 : -1;
    return packet_block(r, type, r->body, n, f);
}

/* ---- opening ---- */

/* Reads the first bytes, and with them what kind of file it is. */
static bool begin(struct capture_reader *r)
{
    uint8_t m[4];
    size_t got = fread(m, 1, 2, r->file);
    if (got == 2 && m[0] == 0x1f && m[1] == 0x8b) {
        r->gzip = true;
        if (inflateInit2(&r->z, 16 + MAX_WBITS) != Z_OK)
            return false;
        r->in[0] = m[0];
        r->in[1] = m[1];
        r->z.next_in = r->in;
        r->z.avail_in = 2;
        got = source_read(r, m, 4);
    } else if (got == 2) {
        got += fread(m + 2, 1, 2, r->file);
    }
    if (got == 0)
        return broken(r, ferror(r->file) ? "it can't be read: %s" : "it is empty", strerror(errno)) > 0;
    if (got < 4)
        return broken(r, "%zu bytes are no capture file: pcap and pcapng can be read, also compressed with gzip", got) > 0;
    for (int big = 0; big < 2; big++) {
        r->big_endian = big;
        uint32_t magic = get32(r, m);
        if (magic == MAGIC_SECTION) {
            r->ng = true;
            return section(r) > 0;
        }
        if (magic == MAGIC_US || magic == MAGIC_NS || magic == MAGIC_US_LONG)
            return pcap_begin(r, magic);
    }
    return broken(r, "not a capture file (it begins with %02x %02x %02x %02x): pcap and pcapng can be read, also "
                     "compressed with gzip", m[0], m[1], m[2], m[3]) > 0;
}

struct capture_reader *capture_open_stream(FILE *f, const char *name, char *msg, size_t msg_size)
{
    struct capture_reader *r = calloc(1, sizeof *r);
    char *copy = strdup(name);
    if (r == NULL || copy == NULL) {
        (void)snprintf(msg, msg_size, "%s: out of memory", name);
        free(r);
        free(copy);
        if (f != stdin)
            (void)fclose(f);
        return NULL;
    }
    r->file = f;
    r->name = copy;
    r->state = 1;
    if (!begin(r)) {
        (void)snprintf(msg, msg_size, "%s: %s", name, r->state == -1 ? r->why : "out of memory");
        capture_close(r);
        return NULL;
    }
    return r;
}

struct capture_reader *capture_open(const char *path, char *msg, size_t msg_size)
{
    if (strcmp(path, "-") == 0)
        return capture_open_stream(stdin, "standard input", msg, msg_size);
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        (void)snprintf(msg, msg_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    return capture_open_stream(f, path, msg, msg_size);
}

int capture_next(struct capture_reader *r, struct capture_frame *f, char *msg, size_t msg_size)
{
    while (r->state == 1) {
        *f = (struct capture_frame){0};
        if ((r->ng ? pcapng_block(r, f) : pcap_record(r, f)) == 1)
            return 1;
    }
    if (r->state < 0)
        (void)snprintf(msg, msg_size, "%s: breaks off after %llu frame%s: %s", r->name,
                       (unsigned long long)r->frames, r->frames == 1 ? "" : "s", r->why);
    return r->state;
}

void capture_on_custom(struct capture_reader *r, capture_custom *fn, void *ctx)
{
    r->custom = fn;
    r->custom_ctx = ctx;
}

const struct capture_if *capture_interface(const struct capture_reader *r, uint32_t iface)
{
    return iface < r->nifs ? &r->ifs[iface].info : NULL;
}

uint64_t capture_frames(const struct capture_reader *r)
{
    return r->frames;
}

void capture_close(struct capture_reader *r)
{
    if (r == NULL)
        return;
    if (r->gzip)
        (void)inflateEnd(&r->z);
    if (r->file != stdin)
        (void)fclose(r->file);
    free(r->name);
    free(r->ifs);
    free(r->body);
    free(r->comment);
    free(r);
}
