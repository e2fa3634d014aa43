/* tapdeck/decode.c: packets as text.
 *
 * Theory of operation. tcpdump knows how to read every protocol there is, so packets are given to
 * it (-r -, as pcap over a pipe) and its text is passed on. Two things are added: what a pcap file
 * can't hold (interface and direction, where packets of several are shown), and under each packet
 * the journal's reasons. For that, one must know which lines are which packet's, and a packet may
 * be printed as any number of lines with anything in them (-A prints payload as it is). tcpdump is
 * therefore told to begin each packet with its time in seconds (-tt), which is known here to the
 * last digit: the line that begins with the next packet's time begins the next packet. The time as
 * the user wants it is then put in its place.
 *
 * When packets come slowly, the reasons for one must not wait for the next: behind each packet goes
 * then a marker, a frame with a time that no packet has, and what tcpdump prints for it is the end
 * of the packet before, and thrown away.
 *
 * tcpdump reads and writes at its own pace: a thread takes what it writes, while whoever has the
 * packets gives them. What waits between the two is bounded by the pipes.
 */
#include "tapdeck/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"
#include "dev/pcapng.h"

#define SECOND      INT64_C(1000000000)
#define MARKER_TIME INT64_C(1999983000) /* in 1970 */

extern char **environ;

struct expected { /* a packet whose text will come */
    struct expected *next;
    char stamp[40];   /* as -tt prints it, with the blank behind it */
    char before[128]; /* instead of that */
    char comments[];  /* a line each */
};

struct decoder {
    struct decode_options o;
    pid_t child;
    FILE *to;       /* its standard input */
    int from, errs; /* what it writes */
    pthread_t thread;
    pthread_mutex_t lock;
    struct expected *first, **last;
    bool unread; /* nobody reads our output */
    bool begun;
    char marker[40];
    uint64_t number;
    int64_t time_before, time_first;
    uint16_t link;
    uint64_t other_links;
};

/* ---- times ---- */

static size_t fraction(bool nano, int64_t wall, char *dst, size_t size)
{
    int64_t part = wall % SECOND;
    int n = nano ? snprintf(dst, size, ".%09lld ", (long long)part)
                 : snprintf(dst, size, ".%06lld ", (long long)part / 1000);
    return n > 0 ? (size_t)n : 0;
}

static void epoch(bool nano, int64_t wall, char *dst, size_t size)
{
    int n = snprintf(dst, size, "%lld", (long long)(wall / SECOND));
    (void)fraction(nano, wall, dst + n, size - (size_t)n);
}

void decode_time_text(enum decode_time how, bool nano, int64_t wall, int64_t before, int64_t first,
                      char *dst, size_t size)
{
    time_t t = (time_t)(wall / SECOND);
    struct tm tm = {0};
    int64_t since = how == DECODE_DELTA ? before : first;
    size_t n = 0;
    dst[0] = '\0';
    switch (how) {
    case DECODE_NO_TIME:
        return;
    case DECODE_EPOCH:
        epoch(nano, wall, dst, size);
        return;
    case DECODE_CLOCK:
    case DECODE_DATE:
        (void)localtime_r(&t, &tm);
        n = strftime(dst, size, how == DECODE_DATE ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
        break;
    default: {
        bool negative = wall < since;
        wall = negative ? since - wall : wall - since;
        t = (time_t)(wall / SECOND);
        int k = snprintf(dst, size, "%s%02lld:%02lld:%02lld", negative ? "-" : " ",
                         (long long)t / 3600, (long long)t / 60 % 60, (long long)t % 60);
        n = k > 0 ? (size_t)k : 0;
    }
    }
    if (n < size)
        (void)fraction(nano, wall, dst + n, size - n);
}

/* ---- what tcpdump writes ---- */

struct printer {
    struct decoder *d;
    struct expected *now; /* the packet whose text is coming; NULL: none, or the marker's */
    FILE *in;
    char *line;
    size_t room;
};

static void tell_why(const struct decoder *d, const struct expected *e)
{
    const char *s = e->comments;
    while (d->o.why && *s != '\0') {
        size_t n = strcspn(s, "\n");
        (void)fprintf(d->o.out, "    # why: %.*s\n", (int)n, s);
        s += n + (s[n] == '\n');
    }
}

static void flush(const struct decoder *d)
{
    if (d->o.lines)
        (void)fflush(d->o.out);
}

/* The packet's text has ended. */
static void packet_over(struct printer *p)
{
    struct decoder *d = p->d;
    if (p->now == NULL)
        return;
    tell_why(d, p->now);
    free(p->now);
    p->now = NULL;
    flush(d);
    if (ferror(d->o.out)) {
        pthread_mutex_lock(&d->lock);
        d->unread = true;
        pthread_mutex_unlock(&d->lock);
    }
}

/* The packet that begins with this line, or NULL. */
static struct expected *packet_begins(struct printer *p)
{
    struct decoder *d = p->d;
    pthread_mutex_lock(&d->lock);
    struct expected *e = d->first;
    if (e != NULL && strncmp(p->line, e->stamp, strlen(e->stamp)) == 0) {
        d->first = e->next;
        if (d->first == NULL)
            d->last = &d->first;
    } else {
        e = NULL;
    }
    pthread_mutex_unlock(&d->lock);
    return e;
}

static void *print(void *ctx)
{
    struct printer p = {.d = ctx};
    struct decoder *d = ctx;
    p.in = fdopen(d->from, "r");
    while (p.in != NULL && getline(&p.line, &p.room, p.in) > 0) {
        struct expected *e = packet_begins(&p);
        if (e != NULL) {
            packet_over(&p);
            p.now = e;
            (void)fprintf(d->o.out, "%s%s", e->before, p.line + strlen(e->stamp));
            flush(d);
        } else if (strncmp(p.line, d->marker, strlen(d->marker)) == 0) {
            packet_over(&p);
        } else if (p.now != NULL) {
            (void)fputs(p.line, d->o.out);
            flush(d);
        }
    }
    packet_over(&p);
    (void)fflush(d->o.out);
    free(p.line);
    if (p.in != NULL)
        (void)fclose(p.in);
    return NULL;
}

/* ---- giving it packets ---- */

/* A word of an argument vector that nobody will change. */
static char *word(const char *s)
{
    return (char *)(uintptr_t)s;
}

/* As root tcpdump becomes another user before it reads. In a user namespace (`unshare -Ur`) there
 * is no other, and it would give up: there it gets a namespace of its own, in which it isn't root.
 */
static bool only_root(void)
{
    char word[8] = "";
    FILE *f = geteuid() == 0 ? fopen("/proc/self/setgroups", "re") : NULL;
    if (f == NULL)
        return false;
    size_t n = fread(word, 1, sizeof word - 1, f);
    (void)fclose(f);
    return n >= 4 && strncmp(word, "deny", 4) == 0;
}

static int spawn(struct decoder *d, int in, int out, int errs)
{
    char *argv[32];
    unsigned n = 0;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t defaults, none;
    if (only_root()) {
        argv[n++] = word("unshare");
        argv[n++] = word("--user");
    }
    argv[n++] = word("tcpdump");
    argv[n++] = word("-r");
    argv[n++] = word("-");
    argv[n++] = word("-tt");
    argv[n++] = word("-l");
    if (d->o.nano)
        argv[n++] = word("--nano");
    for (unsigned i = 0; d->o.flags[i] != NULL && n < 31; i++)
        argv[n++] = d->o.flags[i];
    argv[n] = NULL;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, errs, STDERR_FILENO);
    /* In a group of its own: Ctrl-C ends the capture, and that ends it. */
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    int err = posix_spawnp(&d->child, argv[0], &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return err;
}

static int start(struct decoder *d)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, errs[2] = {-1, -1};
    int err = pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(errs, O_CLOEXEC) < 0
                  ? errno
                  : spawn(d, in[0], out[1], errs[1]);
    if (in[0] >= 0)
        (void)close(in[0]);
    if (out[0] >= 0)
        (void)close(out[1]);
    if (errs[0] >= 0)
        (void)close(errs[1]);
    d->from = out[0];
    d->errs = errs[0];
    d->to = in[1] >= 0 ? fdopen(in[1], "w") : NULL;
    if (err == 0 && d->to == NULL)
        err = ENOMEM;
    return err;
}

static void begin(struct decoder *d)
{
    struct pcapng_buf w = {0};
    pcap_header(&w, d->link, PCAPNG_SNAPLEN);
    (void)fwrite(w.b, 1, w.len, d->to);
    pcapng_buf_free(&w);
    d->begun = true;
}

struct decoder *decode_open(const struct decode_options *o, uint16_t link, char *msg,
                            size_t msg_size)
{
    struct decoder *d = calloc(1, sizeof *d);
    sigset_t all, old;
    if (d == NULL) {
        (void)snprintf(msg, msg_size, "out of memory");
        return NULL;
    }
    d->o = *o;
    d->link = link;
    d->last = &d->first;
    d->from = d->errs = -1;
    pthread_mutex_init(&d->lock, NULL);
    epoch(o->nano, MARKER_TIME, d->marker, sizeof d->marker);
    int err = start(d);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (err == 0)
        err = pthread_create(&d->thread, NULL, print, d);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err == 0)
        return d;
    (void)snprintf(msg, msg_size,
                   err == ENOENT
                       ? "tcpdump, which makes the text, is not installed: apt-get install tcpdump"
                       : "tcpdump can't be started: %s",
                   strerror(err));
    if (d->to != NULL)
        (void)fclose(d->to);
    if (d->from >= 0)
        (void)close(d->from);
    if (d->errs >= 0)
        (void)close(d->errs);
    pthread_mutex_destroy(&d->lock);
    free(d);
    return NULL;
}

static void give(struct decoder *d, int64_t wall, const uint8_t *bytes, uint32_t caplen,
                 uint32_t len)
{
    struct pcapng_buf w = {0};
    const struct pcapng_packet p = {
        .wall = (td_time)wall, .caplen = caplen, .len = len, .data = bytes};
    pcap_packet(&w, &p);
    if (!w.failed)
        (void)fwrite(w.b, 1, w.len, d->to);
    pcapng_buf_free(&w);
}

static void expect(struct decoder *d, const struct capture_frame *f, int64_t wall,
                   const char *interface)
{
    static const char *const directions[] = {
        [CAPTURE_UNKNOWN] = "?", [CAPTURE_IN] = "In", [CAPTURE_OUT] = "Out"};
    const char *comment = d->o.why && f->comment != NULL ? f->comment : "";
    struct expected *e = malloc(sizeof *e + strlen(comment) + 1);
    size_t n = 0;
    if (e == NULL)
        return;
    *e = (struct expected){0};
    memcpy(e->comments, comment, strlen(comment) + 1);
    epoch(d->o.nano, wall, e->stamp, sizeof e->stamp);
    d->number++;
    if (d->number == 1)
        d->time_before = d->time_first = wall;
    if (d->o.number)
        n = (size_t)snprintf(e->before, sizeof e->before, "%5llu  ", (unsigned long long)d->number);
    decode_time_text(d->o.time, d->o.nano, wall, d->time_before, d->time_first, e->before + n,
                     sizeof e->before - n);
    d->time_before = wall;
    n = strlen(e->before);
    if (d->o.interfaces)
        (void)snprintf(e->before + n, sizeof e->before - n, "%-5.40s %-3s ",
                       interface != NULL ? interface : "?",
                       directions[f->dir <= CAPTURE_OUT ? f->dir : CAPTURE_UNKNOWN]);
    pthread_mutex_lock(&d->lock);
    *d->last = e;
    d->last = &e->next;
    pthread_mutex_unlock(&d->lock);
}

bool decode_packet(struct decoder *d, const struct capture_frame *f, const char *interface)
{
    static const uint8_t nothing[14] = {[12] = 0x90};
    if (f->link != d->link) {
        d->other_links++;
        return true;
    }
    if (!d->begun)
        begin(d);
    /* What pcap can't say as a time is said as its beginning. */
    int64_t wall = f->wall < 0 || f->wall / SECOND > UINT32_MAX ? 0 : f->wall;
    expect(d, f, wall, interface);
    give(d, wall, f->bytes, f->caplen, f->len);
    if (d->o.why && d->o.lines)
        give(d, MARKER_TIME, nothing, sizeof nothing, sizeof nothing);
    pthread_mutex_lock(&d->lock);
    bool unread = d->unread;
    pthread_mutex_unlock(&d->lock);
    return (!d->o.lines || fflush(d->to) == 0) && !ferror(d->to) && !unread;
}

/* What it said on standard error, less what is only about how it reads. */
static void complaints(int fd, char *msg, size_t msg_size)
{
    FILE *f = fdopen(fd, "r");
    char *line = NULL;
    size_t room = 0;
    msg[0] = '\0';
    while (f != NULL && getline(&line, &room, f) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "reading from file", 17) != 0 && strstr(line, "dropped privs") == NULL &&
            msg[0] == '\0')
            (void)snprintf(msg, msg_size, "%.300s", line);
    }
    free(line);
    if (f != NULL)
        (void)fclose(f);
    else
        (void)close(fd);
}

int decode_close(struct decoder *d, char *msg, size_t msg_size)
{
    int status = 0;
    if (d == NULL)
        return 0;
    if (!d->begun)
        begin(d);
    (void)fclose(d->to);
    (void)pthread_join(d->thread, NULL);
    complaints(d->errs, msg, msg_size);
    while (waitpid(d->child, &status, 0) < 0 && errno == EINTR)
        continue;
    while (d->first != NULL) {
        struct expected *e = d->first;
        d->first = e->next;
        free(e);
    }
    bool bad = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (bad && msg[0] == '\0')
        (void)snprintf(msg, msg_size, "tcpdump, which makes the text, ended before all was read");
    if (!bad && d->other_links > 0)
        (void)snprintf(msg, msg_size, "%llu packets of other link types are left out",
                       (unsigned long long)d->other_links);
    else if (!bad)
        msg[0] = '\0';
    pthread_mutex_destroy(&d->lock);
    free(d);
    return bad ? -EIO : 0;
}
