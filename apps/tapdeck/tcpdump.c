/* tapdeck/tcpdump.c: `tcpdump`: what our interfaces see, in tcpdump's words.
 *
 * The frames are the daemon's (`capture stream`), filtered there by the expression; they come as
 * pcapng. From there they go
 *
 *     -w FILE   into a file, block by block, with tcpdump's rotation; or to standard output
 *     else      through the real tcpdump, which makes the text (decode.c); --why adds the journal's
 * reasons
 *
 * -r reads a file instead, of any tool, and needs no daemon.
 *
 * The daemon's output comes in the main thread, which also hears Ctrl-C; text is made in another,
 * behind a pipe. So a terminal that is slow, or stopped with Ctrl-S, holds up neither: the daemon
 * counts what it couldn't send.
 */
#include "tapdeck/tcpdump.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/args.h"
#include "common/filter.h"
#include "common/parse.h"
#include "dev/pcapng.h"
#include "tapdeck/local.h"

#define LETTERS    "AC:DG:KNOQ:SUW:Xc:ehi:lnpqr:s:tuvw:x#"

/* A word of an argument vector that nobody will change. */
static char *word(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* ---- words ---- */

static bool words_number(const char *what, const char *text, uint64_t least, uint64_t most,
                         uint64_t *out, char *msg, size_t msg_size)
{
    if (parse_u64(text, most, out) && *out >= least)
        return true;
    (void)snprintf(msg, msg_size, "'%s' is not %s: write %llu to %llu", text, what,
                   (unsigned long long)least, (unsigned long long)most);
    return false;
}

static bool add_flag(struct tcpdump_options *o, const char *flag)
{
    unsigned n = 0;
    while (o->decode.flags[n] != NULL)
        n++;
    if (n + 1 < sizeof o->decode.flags / sizeof o->decode.flags[0])
        o->decode.flags[n] = word(flag);
    return true;
}

static bool direction(struct tcpdump_options *o, const char *value, char *msg, size_t msg_size)
{
    o->no_in = strcasecmp(value, "out") == 0;
    o->no_out = strcasecmp(value, "in") == 0;
    if (o->no_in || o->no_out || strcasecmp(value, "inout") == 0)
        return true;
    (void)snprintf(msg, msg_size, "'%s' is not a direction: write in, out or inout", value);
    return false;
}

static bool one_letter(struct tcpdump_options *o, int c, const char *value, char *msg,
                       size_t msg_size)
{
    static const char *const flags[128] = {
        ['A'] = "-A", ['K'] = "-K", ['N'] = "-N", ['O'] = "-O", ['S'] = "-S", ['X'] = "-X",
        ['e'] = "-e", ['n'] = "-n", ['q'] = "-q", ['u'] = "-u", ['v'] = "-v", ['x'] = "-x"};
    uint64_t n = 0;
    switch (c) {
    case 'C':
        if (!words_number("a size in millions of bytes", value, 1, 1000000, &n, msg, msg_size))
            return false;
        o->write.size = n * 1000000;
        return true;
    case 'G':
        if (!words_number("a number of seconds", value, 1, 31536000, &n, msg, msg_size))
            return false;
        o->write.seconds = (uint32_t)n;
        return true;
    case 'W':
        if (!words_number("a number of files", value, 1, 100000, &n, msg, msg_size))
            return false;
        o->write.files = (uint32_t)n;
        return true;
    case 'c':
        return words_number("a number of packets", value, 1, UINT64_MAX, &o->count, msg, msg_size);
    case 's':
        if (!words_number("a number of bytes of each packet (0: all)", value, 0, 262144, &n, msg,
                          msg_size))
            return false;
        o->snaplen = (uint32_t)n;
        return true;
    case 'Q':
        return direction(o, value, msg, msg_size);
    case 'D':
        return o->list = true;
    case 'U':
        return o->each = true;
    case '#':
        return o->decode.number = true;
    case 'i':
        o->interface = value;
        return true;
    case 'r':
        o->read = value;
        return true;
    case 'w':
        o->write.path = value;
        return true;
    case 't':
        if (o->decode.time < DECODE_SINCE_FIRST)
            o->decode.time++;
        return true;
    case 'l': /* always */
    case 'p': /* there is nothing to be promiscuous about */
        return true;
    default:
        return add_flag(o, flags[c & 127]);
    }
}

/* Words that begin with two dashes. 1: it was one, 0: it isn't, -1: a bad one. */
static int long_word(struct tcpdump_options *o, const char *word, char *msg, size_t msg_size)
{
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
        return 0;
    if (strcmp(word, "--why") == 0)
        o->decode.why = true;
    else if (strcmp(word, "--pcap") == 0)
        o->pcap = true;
    else if (strcmp(word, "--nano") == 0)
        o->decode.nano = true;
    else if (strcmp(word, "--micro") == 0)
        o->decode.nano = false;
    else if (strcmp(word, "--number") == 0)
        o->decode.number = true;
    else if (strcmp(word, "--list-interfaces") == 0)
        o->list = true;
    else {
        (void)snprintf(msg, msg_size, "there is no option '%s': `help tcpdump` lists them", word);
        return -1;
    }
    return 1;
}

static bool make_sense(struct tcpdump_options *o, char *msg, size_t msg_size)
{
    const struct dump_config *w = &o->write;
    size_t n = w->path != NULL ? strlen(w->path) : 0;
    if (w->path == NULL && (w->size > 0 || w->seconds > 0 || w->files > 0))
        (void)snprintf(msg, msg_size, "-C, -G and -W are about files: say which with -w");
    else if (w->seconds > 0 && strchr(w->path, '%') == NULL)
        (void)snprintf(
            msg, msg_size,
            "with -G the file's name needs a time in it, such as '%%H%%M%%S' (strftime(3)): "
            "each file would replace the one before");
    else if (w->files > 0 && w->size == 0 && w->seconds == 0)
        (void)snprintf(msg, msg_size, "-W needs -C or -G: it says how many files they make");
    else if (o->read != NULL && o->interface != NULL)
        (void)snprintf(
            msg, msg_size,
            "-i and -r exclude each other: packets come from an interface or from a file");
    else if (w->path != NULL && strcmp(w->path, "-") == 0 && (w->size > 0 || w->seconds > 0))
        (void)snprintf(msg, msg_size, "-C and -G need a file: standard output is one");
    else {
        o->pcap = o->pcap || (n >= 5 && strcmp(w->path + n - 5, ".pcap") == 0);
        o->write.each = o->each || (w->path != NULL && strcmp(w->path, "-") == 0);
        return true;
    }
    return false;
}

bool tcpdump_words(int argc, char **argv, struct tcpdump_options *o, char *msg, size_t msg_size)
{
    struct args a;
    struct text expression = {0};
    int c = 0, is_long;
    *o = (struct tcpdump_options){0};
    args_init(&a, argc, argv, LETTERS);
    for (;;) {
        bool fresh = a.rest == NULL || *a.rest == '\0';
        if (fresh && a.index < argc &&
            (is_long = long_word(o, argv[a.index], msg, msg_size)) != 0) {
            if (is_long < 0) {
                c = '?';
                break;
            }
            a.index++;
            continue;
        }
        c = args_next(&a, msg, msg_size);
        if (c == -1 && a.index >= argc)
            break;
        if (c == '?' || (c != -1 && !one_letter(o, c, a.value, msg, msg_size))) {
            c = '?';
            break;
        }
        if (c == -1)
            text_printf(&expression, "%s%s", expression.len > 0 ? " " : "", argv[a.index++]);
    }
    o->expression = expression.s != NULL ? expression.s : strdup("");
    return c == -1 && o->expression != NULL && make_sense(o, msg, msg_size);
}

void tcpdump_free(struct tcpdump_options *o)
{
    free(o->expression);
}

/* ---- to a file ---- */

static uint32_t le32(const char *s)
{
    const unsigned char *b = (const unsigned char *)s;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void split_put(struct tcpdump_split *s, enum sniff_piece piece, const void *bytes, size_t n,
                      td_time wall)
{
    if (s->file != NULL && !dump_put(s->file, piece, bytes, n, wall))
        s->broken = true;
}

static void split_pcap(struct tcpdump_split *s, const char *b, size_t len, td_time wall)
{
    struct pcapng_buf w = {0};
    struct pcapng_packet p = {
        .wall = wall, .caplen = le32(b + 20), .len = le32(b + 24), .data = (const uint8_t *)b + 28};
    if (!s->begun) {
        pcap_header(&w, 1, PCAPNG_SNAPLEN);
        split_put(s, SNIFF_HEADER, w.b, w.len, wall);
        s->begun = true;
        w.len = 0;
    }
    if (p.caplen + 32 <= len)
        pcap_packet(&w, &p);
    if (w.len > 0)
        split_put(s, SNIFF_PACKET, w.b, w.len, wall);
    pcapng_buf_free(&w);
}

/* An interface's statistics: options of eight bytes behind an interface and a time. */
static void split_statistics(struct tcpdump_split *s, const char *b, size_t len)
{
    for (size_t at = 20; at + 12 <= len - 4;) {
        unsigned code = (unsigned char)b[at], n = (unsigned char)b[at + 2];
        uint64_t v = (uint64_t)le32(b + at + 8) << 32 | le32(b + at + 4);
        s->stats.seen += code == PCAPNG_ISB_SEEN ? v : 0;
        s->stats.accepted += code == PCAPNG_ISB_ACCEPTED ? v : 0;
        s->stats.lost += code == PCAPNG_ISB_LOST ? v : 0;
        s->stats.written += code == PCAPNG_ISB_WRITTEN ? v : 0;
        at += 4 + n;
    }
}

static void split_block(struct tcpdump_split *s, const char *b, size_t len)
{
    uint32_t type = le32(b);
    if (type == PCAPNG_STATISTICS)
        split_statistics(s, b, len);
    bool packet = type == PCAPNG_PACKET && len >= 32;
    td_time wall = packet ? (td_time)le32(b + 12) << 32 | le32(b + 16) : 0;
    if (s->pcap) {
        if (packet)
            split_pcap(s, b, len, wall);
        return;
    }
    split_put(s,
              packet                      ? SNIFF_PACKET
              : type == PCAPNG_STATISTICS ? SNIFF_END
                                          : SNIFF_HEADER,
              b, len, wall);
}

void tcpdump_split(struct tcpdump_split *s, const char *bytes, size_t n)
{
    size_t done = 0;
    text_add(&s->in, bytes, n);
    while (!s->broken && s->in.len - done >= 8) {
        size_t len = le32(s->in.s + done + 4);
        if (len < 12 || len > 1 << 24)
            s->broken = true;
        else if (s->in.len - done < len)
            break;
        else
            split_block(s, s->in.s + done, len);
        done += s->broken ? 0 : len;
    }
    text_consume(&s->in, done);
}

static ssize_t split_write(void *ctx, const char *bytes, size_t n)
{
    struct tcpdump_split *s = ctx;
    if (!s->broken)
        tcpdump_split(s, bytes, n);
    if (s->on != NULL && !s->broken)
        s->broken = fwrite(bytes, 1, n, s->on) != n || fflush(s->on) != 0;
    if (s->broken && interrupts == 0)
        interrupts = 1; /* as Ctrl-C would: the daemon is told to stop */
    return (ssize_t)n;
}

/* What tcpdump says at its end. */
static void sum(const struct tcpdump_split *split)
{
    const struct {
        uint64_t n;
        const char *what;
    } lines[] = {{split->stats.written, "captured"},
                 {split->stats.accepted, "received by filter"},
                 {split->stats.lost, "dropped by the daemon"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        (void)fprintf(stderr, "%llu packet%s %s\n", (unsigned long long)lines[i].n,
                      lines[i].n == 1 ? "" : "s", lines[i].what);
}

static int to_file(struct session *s, struct tcpdump_options *o, int argc, char **words)
{
    char err[1024] = "";
    struct tcpdump_split split = {.pcap = o->pcap};
    (void)fflush(s->out);
    if (strcmp(o->write.path, "-") == 0 && isatty(STDOUT_FILENO))
        return session_fail(
            s, EXIT_USAGE,
            "packets are no text for a terminal: write `-w FILE`, or `-w - | wireshark -k -i -`");
    split.file = dump_open(&o->write, err, sizeof err);
    if (split.file == NULL)
        return session_fail(s, EXIT_USAGE, "%s", err);
    FILE *to = fopencookie(&split, "w", (cookie_io_functions_t){.write = split_write});
    if (to == NULL) {
        (void)dump_close(split.file);
        return session_fail(s, EXIT_FAILED, "out of memory");
    }
    int status = session_run(s, argc, words, false, to, err, sizeof err);
    (void)fclose(to);
    bool over = dump_over(split.file);
    int failed = dump_close(split.file);
    text_free(&split.in);
    if (split.stats.seen > 0 || err[0] == '\0')
        sum(&split);
    if (err[0] != '\0' && failed == 0 && !over)
        return session_fail(s, status, "%s", err);
    if (failed != 0)
        return session_fail(s, EXIT_FAILED, "%s is incomplete: %s", o->write.path,
                            strerror(-failed));
    return over ? EXIT_DONE : status;
}

/* ---- as text ---- */

struct reading {
    const struct tcpdump_options *o;
    struct decoder *decoder;
    pthread_t main;
    struct capture_reader *from;
    FILE *stream;          /* from the daemon: opened where it is read; NULL: `from` is open */
    struct bpf_insn *code; /* of a file's packets; NULL: all */
    uint64_t packets;
    bool json; /* instead of text */
    int status;
    char msg[512];
};

static bool wanted(const struct reading *r, const struct capture_frame *f)
{
    if ((r->o->no_in && f->dir == CAPTURE_IN) || (r->o->no_out && f->dir == CAPTURE_OUT))
        return false;
    return r->code == NULL || bpf_filter(r->code, f->bytes, f->len, f->caplen) != 0;
}

/* Takes every packet that comes and gives it to `fn`. */
static void read_all(struct reading *r,
                     bool (*fn)(struct reading *r, void *ctx, const struct capture_frame *f),
                     void *ctx)
{
    struct capture_frame f;
    int rc = 0;
    while (interrupts == 0 || r->stream != NULL) {
        rc = capture_next(r->from, &f, r->msg, sizeof r->msg);
        if (rc <= 0)
            break;
        if (r->stream == NULL && !wanted(r, &f))
            continue;
        if (!fn(r, ctx, &f) || (++r->packets == r->o->count && r->o->count > 0))
            break;
    }
    if (rc < 0)
        r->status = EXIT_FAILED;
}

static bool text_packet(struct reading *r, void *ctx, const struct capture_frame *f)
{
    const struct capture_if *i = capture_interface(r->from, f->iface);
    (void)ctx;
    if (r->decoder == NULL) {
        struct decode_options o = r->o->decode;
        o.interfaces = capture_interface(r->from, 1) != NULL; /* several: each packet says which */
        r->decoder = decode_open(&o, f->link, r->msg, sizeof r->msg);
    }
    if (r->decoder == NULL) {
        r->status = EXIT_FAILED;
        return false;
    }
    return decode_packet(r->decoder, f, i != NULL && i->name[0] != '\0' ? i->name : NULL);
}

static bool json_packet(struct reading *r, void *ctx, const struct capture_frame *f)
{
    const struct capture_if *i = capture_interface(r->from, f->iface);
    (void)ctx;
    decode_json(f, i != NULL && i->name[0] != '\0' ? i->name : NULL, r->o->decode.out);
    return fflush(r->o->decode.out) == 0; /* each packet at once; nobody reads it: that is the end */
}

/* The main thread waits for the daemon, which may have nothing to send: as if somebody had pressed
 * Ctrl-C. */
static void wake(pthread_t thread)
{
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler != SIG_DFL &&
        now.sa_handler != SIG_IGN)
        (void)pthread_kill(thread, SIGINT);
}

static void *as_text(void *ctx)
{
    struct reading *r = ctx;
    char msg[512] = "";
    if (r->stream != NULL)
        r->from = capture_open_stream(r->stream, "the daemon's stream", msg, sizeof msg);
    if (r->from != NULL) /* else nothing came: whoever sends says why */
        read_all(r, r->json ? json_packet : text_packet, NULL);
    capture_close(
        r->from); /* with a stream: the main thread's pipe breaks, if it isn't at its end */
    if (decode_close(r->decoder, msg, sizeof msg) != 0)
        r->status = EXIT_FAILED;
    if (msg[0] != '\0' && r->msg[0] == '\0')
        (void)snprintf(r->msg, sizeof r->msg, "%s", msg);
    if (r->stream != NULL && interrupts == 0)
        wake(r->main);
    return NULL;
}

static int to_text(struct session *s, struct tcpdump_options *o, int argc, char **words)
{
    char err[1024] = "";
    int ends[2];
    pthread_t thread;
    sigset_t all, old;
    struct reading r = {.o = o, .json = s->json};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    o->decode.out = s->out;
    o->decode.lines = true;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return session_fail(s, EXIT_FAILED, "no pipe can be made: %s", strerror(errno));
    r.main = pthread_self();
    struct tcpdump_split split = {.on = fdopen(ends[1], "w")};
    FILE *to = fopencookie(&split, "w", (cookie_io_functions_t){.write = split_write});
    r.stream = fdopen(ends[0], "r");
    if (split.on == NULL || to == NULL || r.stream == NULL)
        return session_fail(s, EXIT_FAILED, "out of memory");
    r.decoder = r.json ? NULL : decode_open(&o->decode, 1, err, sizeof err);
    if (r.decoder == NULL && !r.json) {
        (void)fclose(to);
        (void)fclose(split.on);
        (void)fclose(r.stream);
        return session_fail(s, EXIT_FAILED, "%s", err);
    }
    sigaction(SIGPIPE, &ignore, &before);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&thread, NULL, as_text, &r);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    int status =
        failed != 0 ? EXIT_FAILED : session_run(s, argc, words, false, to, err, sizeof err);
    (void)fclose(to);
    (void)fclose(split.on);
    text_free(&split.in);
    if (failed == 0)
        (void)pthread_join(thread, NULL);
    if (split.stats.seen > 0 || err[0] == '\0')
        sum(&split);
    sigaction(SIGPIPE, &before, NULL);
    clearerr(s->out);
    if (r.status != EXIT_DONE)
        return session_fail(s, r.status, "%s", r.msg);
    if (err[0] != '\0')
        return session_fail(s, status, "%s", err);
    return status;
}

/* ---- from a file ---- */

struct copying {
    struct pcapng_buf w;
    struct dumpfile *file;
    unsigned interfaces;
    bool pcap;
};

static bool put(struct copying *c, enum sniff_piece piece, int64_t wall)
{
    bool ok = !c->w.failed &&
              (c->w.len == 0 || dump_put(c->file, piece, c->w.b, c->w.len, (td_time)wall));
    c->w.len = 0;
    return ok;
}

static bool copy_packet(struct reading *r, void *ctx, const struct capture_frame *f)
{
    struct copying *c = ctx;
    struct pcapng_packet p = {.interface = f->iface,
                              .wall = f->wall < 0 ? 0 : (td_time)f->wall,
                              .caplen = f->caplen,
                              .len = f->len,
                              .data = f->bytes,
                              .id = f->number};
    const struct capture_if *i;
    if (r->o->snaplen != 0 && p.caplen > r->o->snaplen)
        p.caplen = r->o->snaplen;
    p.direction = f->dir == CAPTURE_IN    ? PCAPNG_DIR_IN
                  : f->dir == CAPTURE_OUT ? PCAPNG_DIR_OUT
                                          : PCAPNG_DIR_UNKNOWN;
    if (c->pcap && c->interfaces == 0) {
        pcap_header(&c->w, f->link, PCAPNG_SNAPLEN);
        c->interfaces = 1;
    }
    if (!c->pcap && c->interfaces == 0)
        pcapng_section(&c->w, NULL, NULL, "tapdeck " TAPDECK_VERSION);
    for (; !c->pcap && c->interfaces <= f->iface; c->interfaces++) {
        i = capture_interface(r->from, c->interfaces);
        pcapng_interface(&c->w,
                         &(struct pcapng_interface){.name = i != NULL ? i->name : NULL,
                                                    .linktype = i != NULL ? i->link : f->link,
                                                    .snaplen = PCAPNG_SNAPLEN});
    }
    if (!put(c, SNIFF_HEADER, f->wall))
        return false;
    for (const char *s = f->comment; s != NULL && *s != '\0' && p.ncomments < PCAPNG_COMMENTS;) {
        size_t n = strcspn(s, "\n");
        p.comment[p.ncomments].s = s;
        p.comment[p.ncomments++].len = n;
        s += n + (s[n] == '\n');
    }
    if (c->pcap)
        pcap_packet(&c->w, &p);
    else
        pcapng_packet(&c->w, &p);
    return put(c, SNIFF_PACKET, f->wall);
}

static int file_to_file(struct session *s, struct reading *r)
{
    struct copying c = {.pcap = r->o->pcap};
    char err[512];
    c.file = dump_open(&r->o->write, err, sizeof err);
    if (c.file == NULL)
        return session_fail(s, EXIT_USAGE, "%s", err);
    read_all(r, copy_packet, &c);
    int failed = dump_close(c.file);
    pcapng_buf_free(&c.w);
    capture_close(r->from);
    if (failed != 0)
        return session_fail(s, EXIT_FAILED, "%s is incomplete: %s", r->o->write.path,
                            strerror(-failed));
    return r->status;
}

/* The expression for packets of a file, whatever their link type; false: msg. */
static bool file_filter(struct reading *r, const char *expression, char *msg, size_t msg_size)
{
    if (*expression == '\0')
        return true;
    r->code = filter_program(expression, msg, msg_size);
    return r->code != NULL;
}

static int from_file(struct session *s, struct tcpdump_options *o)
{
    struct reading r = {.o = o, .json = s->json};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    char msg[512] = "";
    int status;
    o->decode.out = s->out;
    o->decode.why = true; /* what the file has to say */
    if (!file_filter(&r, o->expression, msg, sizeof msg) ||
        (r.from = capture_open(o->read, msg, sizeof msg)) == NULL) {
        free(r.code);
        return session_fail(s, EXIT_USAGE, "%s", msg);
    }
    interrupts = 0;
    sigaction(SIGPIPE, &ignore, &before);
    if (o->write.path != NULL) {
        status = file_to_file(s, &r);
    } else {
        (void)as_text(&r);
        status = r.status;
        clearerr(s->out);
    }
    sigaction(SIGPIPE, &before, NULL);
    free(r.code);
    if (r.msg[0] != '\0')
        return session_fail(s, status, "%s", r.msg);
    return status;
}

/* ---- the command ---- */

static int list(struct session *s)
{
    char err[1024] = "", *words[] = {word("capture"), word("interfaces")};
    int status = session_run(s, 2, words, s->json, s->out, err, sizeof err);
    return err[0] != '\0' ? session_fail(s, status, "%s", err) : status;
}

static int live(struct session *s, struct tcpdump_options *o)
{
    char count[24], snaplen[16], *words[16];
    int n = 0;
    words[n++] = word("capture");
    words[n++] = word("stream");
    words[n++] = word("-v");
    if (o->interface != NULL) {
        words[n++] = word("dev");
        words[n++] = word(o->interface);
    }
    if (o->count > 0) {
        (void)snprintf(count, sizeof count, "%llu", (unsigned long long)o->count);
        words[n++] = word("-c");
        words[n++] = count;
    }
    if (o->snaplen > 0) {
        (void)snprintf(snaplen, sizeof snaplen, "%u", o->snaplen);
        words[n++] = word("-s");
        words[n++] = snaplen;
    }
    if (o->no_in || o->no_out) {
        words[n++] = word("-Q");
        words[n++] = word(o->no_in ? "out" : "in");
    }
    if (o->expression[0] != '\0') {
        words[n++] = word("--");
        words[n++] = o->expression;
    }
    words[n] = NULL;
    o->decode.interfaces = o->interface != NULL && strcmp(o->interface, "any") == 0;
    return o->write.path != NULL ? to_file(s, o, n, words) : to_text(s, o, n, words);
}

static int tcpdump_main(struct session *s, int argc, char **argv)
{
    struct tcpdump_options o;
    char msg[512] = "";
    int status;
    if (!tcpdump_words(argc, argv, &o, msg, sizeof msg))
        status = session_fail(s, EXIT_USAGE, "%s", msg);
    else if (o.list)
        status = list(s);
    else if (o.read != NULL)
        status = from_file(s, &o);
    else
        status = live(s, &o);
    tcpdump_free(&o);
    return status;
}

const struct local_command local_tcpdump = {
    .name = "tcpdump",
    .usage = "tcpdump [-AeKlnNOpqStuUvxX#] [--why] [--nano] [-i {IFACE | any}] [-c N] [-s N] [-Q "
             "{in | out | inout}] "
             "[-w FILE] [--pcap] [-C N] [-G SECONDS] [-W N] [EXPR...]\n"
             "tcpdump -r FILE [-AeKlnNOpqStuUvxX#] [--nano] [-c N] [-Q {in | out | inout}] [-w "
             "FILE] [EXPR...]\n"
             "tcpdump -D",
    .doc = "the frames of an interface as text, or into a file: tcpdump, with the reasons for each "
           "packet",
    .more = "tcpdump's own options and expressions (tcpdump(1), pcap-filter(7)); the real tcpdump "
            "makes the text.\n"
            "  -i     an interface of the stack's; any: all, each packet with its interface and "
            "direction\n"
            "  --why  under each packet what the journal says about it: why it was dropped, sent, "
            "sent again\n"
            "  -w     into a file as pcapng, with the reasons as comments (*.pcap or --pcap: plain "
            "pcap); -: standard output\n"
            "  -C -G -W   further files by millions of bytes, by seconds, so many; -U: each packet "
            "at once\n"
            "  -r     from a file (-: standard input); its comments are printed under the packets. "
            "Needs no daemon\n"
            "  -D     lists the interfaces\n"
            "`tapdeck -j tcpdump` prints an object for each packet, with its bytes and reasons.\n"
            "Frames are seen where Linux's tcpdump sees them: behind the impairments on the way "
            "out, in front of them on\n"
            "the way in. To stop: Ctrl-C.\n"
            "Examples:\n"
            "  tcpdump -ni eth0 --why tcp port 80\n"
            "  tcpdump -nn -e -i any -c 10 not arp\n"
            "  tcpdump -w - | wireshark -k -i -\n"
            "  tcpdump -w /tmp/a.pcapng -C 10 -W 4\n"
            "  tcpdump -nr /tmp/a.pcapng 'tcp[tcpflags] & tcp-rst != 0'",
    .fn = tcpdump_main,
};
