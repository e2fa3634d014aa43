/* tapdeckd/server.c: the control socket.
 *
 * A daemon's name is its own while it holds the lock on NAME.lock; whoever holds the lock may
 * remove a NAME.sock that a dead daemon left behind. (Asking the socket itself would leave a gap
 * between the question and the answer in which two daemons could both believe the name to be free.)
 *
 * Each client has an input of at most one request line, an output queue with a high-water mark, and
 * its runs. Output is moved from the runs into the queue while there is room below the mark; a run
 * whose client doesn't read is not stepped, so a stopped console costs the daemon a bounded amount
 * of memory however long the table it asked for. Input for a run is asked for ("want") as the run takes
 * it; a client that sends more than that is not read until the run has caught up.
 *
 * Nobody who can reach the socket can hold the loop or the stack up. Clients and commands have a bounded time of each
 * turn (CONSOLE_TURN): lines that came, output to be packed and sent, wait for the next one, and each client has had its
 * turn before any has another. A client that reads nothing although there is something to read is dropped
 * after `stall`. When all places are taken, or the process has no descriptor left, the newcomer gets the place of one that has
 * asked for nothing yet, else of the one that runs nothing and has been silent for longest (a console connects
 * again when it is used); when all of them run something, it is told so and closed. The socket's mode keeps other users out;
 * the kernel is asked all the same who has connected, and only this user and root are served.
 */
#include "tapdeckd/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX   64
#define RUNS_A_CLIENT 16
#define CLIENT_HIGH   262144 /* bytes queued for one client before its runs wait */
#define READ_A_TURN   65536  /* bytes taken from one client before the others have their turn */
#define ACCEPT_A_TURN 16

struct client {
    struct client *next;
    struct server *server;
    struct source *source;
    struct text in, out;
    unsigned runs;
    bool read_closed; /* it will send no more; what runs may finish */
    bool discarding;  /* the rest of a line that was too long */
    bool gone;
    bool streams; /* it has said that it knows notes: then it may hear news, too */
    bool asked;   /* it has sent a whole line */
    uint32_t watching;
    uint64_t round;   /* the server's, in which it was served last */
    td_time heard;    /* real time: when its last line came, or it */
    td_time stuck;    /* since when it takes nothing; 0: it does */
};

struct server {
    int fd, lock;
    char path[108], lock_path[112];
    struct loop *loop;
    struct member *member;
    struct source *source;
    struct client *clients;
    unsigned nclients;
    uint64_t round; /* each client is served once in it */
    uint64_t turn;  /* the loop's, in which clients were served last */
    int spare;      /* a descriptor kept for the time when there is none: one can still be accepted, and told */
    uint64_t changes, hits; /* of the members' time, as clients know it */
    bool more; /* as server_pump last found: some have something to do at once */
};

/* ---- the name ---- */

/* Locks path; the descriptor, or -1 with *pid of who has it (0 unknown). */
static int take_lock(const char *path, long *pid)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            char text[32] = "";
            ssize_t n = read(fd, text, sizeof(text) - 1);
            *pid = n > 0 ? strtol(text, NULL, 10) : 0;
            close(fd);
            errno = EADDRINUSE;
            return -1;
        }
        /* The holder before us may have removed the file between our open and our lock. */
        struct stat a, b;
        if (fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
            a.st_dev == b.st_dev) {
            char text[32];
            int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
            if (ftruncate(fd, 0) == 0 && write(fd, text, (size_t)n) != n)
                (void)0; /* only the sentence of a second daemon is poorer for it */
            return fd;
        }
        close(fd);
    }
}

struct server *server_open(const char *name, int *status, char *msg, size_t msg_size)
{
    char dir[256];
    *status = EXIT_USAGE;
    if (!run_dir_make(dir, sizeof(dir), msg, msg_size))
        return NULL;
    struct server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->fd = s->lock = s->spare = -1;
    s->round = 1;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (snprintf(s->path, sizeof(s->path), "%s/%s.sock", dir, name) >= (int)sizeof(s->path) ||
        snprintf(s->lock_path, sizeof(s->lock_path), "%s/%s.lock", dir, name) >=
            (int)sizeof(s->lock_path)) {
        snprintf(msg, msg_size,
                 "the path %s/%s.sock is too long for a socket (107 bytes): set TAPDECK_RUN to a "
                 "shorter directory",
                 dir, name);
        goto fail;
    }
    memcpy(sa.sun_path, s->path, sizeof(sa.sun_path));
    long pid = 0;
    s->lock = take_lock(s->lock_path, &pid);
    if (s->lock < 0 && errno == EADDRINUSE) {
        snprintf(msg, msg_size,
                 "a daemon named '%s' is running already (process %ld): choose another name with "
                 "-n, or end that one with `tapdeck -n %s shutdown`",
                 name, pid, name);
        goto fail;
    }
    if (s->lock < 0) {
        snprintf(msg, msg_size, "%s can't be made: %s", s->lock_path, strerror(errno));
        goto fail;
    }
    unlink(s->path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177); /* the socket is made with mode 0600, not given it afterwards */
    int err =
        s->fd < 0 || bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s->fd, 128) < 0;
    umask(old);
    if (err) {
        snprintf(msg, msg_size, "the control socket %s can't be made: %s", s->path,
                 strerror(errno));
        goto fail;
    }
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return s;
fail:
    if (s->fd >= 0)
        close(s->fd);
    if (s->lock >= 0)
        close(s->lock);
    free(s);
    return NULL;
}

const char *server_path(const struct server *s)
{
    return s->path;
}

/* ---- clients ---- */

static void client_close(struct client *c)
{
    struct server *s = c->server;
    for (struct run *r = s->member->deck->runs, *next; r != NULL; r = next) {
        next = r->next;
        if (r->owner == c)
            run_free(r);
    }
    close(c->source->fd);
    loop_unwatch(s->loop, c->source);
    struct client **at = &s->clients;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    s->nclients--;
    s->loop->stats.clients--;
    text_free(&c->in);
    text_free(&c->out);
    free(c);
}

static struct run *client_run_of(const struct client *c, long long id)
{
    struct run *r = c->server->member->deck->runs;
    while (r != NULL && (r->owner != c || r->id != id))
        r = r->next;
    return r;
}

static void client_start(struct client *c, const struct request *q)
{
    if (c->runs >= RUNS_A_CLIENT) {
        control_write_end(&c->out, q->id, EXIT_FAILED, "too many commands are running for this client");
        return;
    }
    struct run *r = run_start(c->server->member->deck, q->argc, q->argv, q->json, q->tty);
    r->owner = c;
    r->id = q->id;
    r->streams = q->streams;
    c->streams = c->streams || q->streams;
    c->runs++;
}

static void client_request(struct client *c, const char *line, size_t len)
{
    struct request q;
    char msg[512];
    if (!control_parse_request(line, len, &q, msg, sizeof(msg))) {
        control_write_end(&c->out, q.id, EXIT_USAGE, msg);
        return;
    }
    struct run *r = client_run_of(c, q.id);
    if (q.cancel || q.has_hold || q.input) { /* for one that was over before the word arrived: nothing */
        if (r != NULL && q.cancel)
            run_interrupt(r);
        else if (r != NULL && q.has_hold)
            r->held = q.hold;
        else if (r != NULL)
            run_input(r, q.in.s, q.in.len, q.eof);
    } else if (r != NULL) {
        control_write_end(&c->out, q.id, EXIT_USAGE,
                          "a command with this \"id\" is still running: choose another number");
    } else {
        client_start(c, &q);
    }
    control_free_request(&q);
}

/* No more is taken from it for now: it doesn't read the answers, or sends faster than its command takes. */
static bool client_must_wait(const struct client *c)
{
    if (c->out.len > CLIENT_HIGH || c->gone)
        return true;
    for (const struct run *r = c->server->member->deck->runs; r != NULL; r = r->next)
        if (r->owner == c && run_input_full(r))
            return true;
    return false;
}

/* It has closed its sending direction: that is the end of its commands' input. */
static void client_input_ends(struct client *c)
{
    for (struct run *r = c->server->member->deck->runs; r != NULL; r = r->next)
        if (r->owner == c)
            run_input(r, NULL, 0, true);
}

static void client_collect(struct client *c);

/* Does what the complete lines ask for, while there is room for the answers and time in this turn. */
static void client_lines(struct client *c)
{
    const char *nl;
    size_t done = 0;
    while (done < c->in.len && !client_must_wait(c) && !console_over(c->server->loop) &&
           (nl = memchr(c->in.s + done, '\n', c->in.len - done)) != NULL) {
        size_t at = done, n = (size_t)(nl - (c->in.s + done));
        done += n + 1;
        c->asked = true;
        if (n > 0)
            client_request(c, c->in.s + at, n);
        client_collect(c);
    }
    if (done > 0) {
        c->heard = monotonic_now();
        text_consume(&c->in, done);
    }
    if (c->read_closed && c->in.len == 0)
        client_input_ends(c);
}

static bool client_has_line(const struct client *c)
{
    return c->in.len > 0 && memchr(c->in.s, '\n', c->in.len) != NULL;
}

/* Takes in n bytes from the client. */
static void client_bytes(struct client *c, const char *buf, size_t n)
{
    if (c->discarding) {
        const char *nl = memchr(buf, '\n', n);
        if (nl == NULL)
            return;
        c->discarding = false;
        n -= (size_t)(nl + 1 - buf);
        buf = nl + 1;
    }
    text_add(&c->in, buf, n);
    client_lines(c);
    if (c->in.len > REQUEST_MAX && memchr(c->in.s, '\n', c->in.len) == NULL) {
        control_write_end(&c->out, -1, EXIT_USAGE, "a request line has at most 65536 bytes");
        text_consume(&c->in, c->in.len);
        c->discarding = true;
    }
}

static void client_read(struct client *c)
{
    char buf[16384];
    /* What isn't taken now waits in its socket, and the loop comes back to it. */
    for (size_t taken = 0; taken < READ_A_TURN && c->in.len <= REQUEST_MAX && !client_must_wait(c) &&
                           !console_over(c->server->loop);
         taken += sizeof(buf)) {
        ssize_t n = read(c->source->fd, buf, sizeof(buf));
        if (n == 0) {
            c->read_closed = true;
            if (c->in.len > 0) /* a last line without its newline */
                text_puts(&c->in, "\n");
            client_lines(c);
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            c->gone = true;
        if (n <= 0)
            break;
        client_bytes(c, buf, (size_t)n);
    }
}

static void client_event(struct loop *l, struct source *s, uint32_t events)
{
    struct client *c = s->ctx;
    bool mine = console_enter(l);
    if (events & (EPOLLIN | EPOLLRDHUP) && !c->read_closed)
        client_read(c);
    /* Both directions are closed: nobody is there to read. */
    if (events & (EPOLLHUP | EPOLLERR))
        c->gone = true;
    if (mine)
        console_leave(l);
}

/* ---- newcomers ---- */

/* Says one sentence to a connection that isn't served, and closes it. */
static void turn_away(int fd, const char *why)
{
    struct text t = {0};
    control_write_end(&t, -1, EXIT_FAILED, why);
    ssize_t ignored = send(fd, t.s, t.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    close(fd);
    text_free(&t);
}

/* Who uses a place least: one that never asked for anything before one that runs nothing, and of these the one
 * that was silent for longest. NULL: all run something. */
static struct client *least_used(const struct server *s)
{
    struct client *least = NULL;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->runs > 0 || c->gone || c->out.len > 0)
            continue;
        if (least == NULL || c->asked < least->asked || (c->asked == least->asked && c->heard < least->heard))
            least = c;
    }
    return least;
}

/* Closes one that uses its place least; false: there is none. */
static bool make_room(struct server *s)
{
    struct client *c = least_used(s);
    if (c == NULL)
        return false;
    control_write_end(&c->out, -1, EXIT_FAILED, "the daemon has closed this connection: others wanted its place");
    ssize_t ignored = send(c->source->fd, c->out.s, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    s->loop->stats.evicted++;
    client_close(c);
    return true;
}

/* Ours, or root's. */
static bool may_command(int fd)
{
    struct ucred who;
    socklen_t n = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && (who.uid == geteuid() || who.uid == 0);
}

bool server_admit(struct server *s, int fd)
{
    struct loop_stats *stats = &s->loop->stats;
    if (!may_command(fd)) {
        stats->strangers++;
        turn_away(fd, "this daemon is another user's: it takes commands from that user and from root");
        return false;
    }
    if (s->nclients >= CLIENTS_MAX && !make_room(s)) {
        stats->refused++;
        turn_away(fd, "too many clients are connected to this daemon, and all of them run something");
        return false;
    }
    struct client *c = calloc(1, sizeof(*c));
    if (c != NULL) {
        c->server = s;
        c->watching = EPOLLIN | EPOLLRDHUP;
        c->heard = monotonic_now();
        c->source = loop_watch(s->loop, fd, c->watching, client_event, c);
    }
    if (c == NULL || c->source == NULL) {
        free(c);
        stats->refused++;
        turn_away(fd, "there is no memory for another client");
        return false;
    }
    c->next = s->clients;
    s->clients = c;
    s->nclients++;
    stats->clients++;
    stats->accepted++;
    return true;
}

/* There is no descriptor for the connection that waits: without this the loop would spin on it. */
static void accept_without_descriptor(struct server *s)
{
    if (s->spare >= 0)
        close(s->spare);
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && make_room(s)) { /* its descriptor is free now */
        s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        server_admit(s, fd);
        return;
    }
    if (fd >= 0) {
        s->loop->stats.refused++;
        turn_away(fd, "this daemon has no descriptor left for another client");
    }
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_event(struct loop *l, struct source *src, uint32_t events)
{
    (void)events;
    struct server *s = src->ctx;
    bool mine = console_enter(l);
    for (int i = 0; i < ACCEPT_A_TURN && !console_over(l); i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            accept_without_descriptor(s);
        if (fd < 0)
            break;
        server_admit(s, fd);
    }
    if (mine)
        console_leave(l);
}

/* The length of the next piece of output: up to a line's end, and never half a character. */
static size_t chunk_length(const struct text *t)
{
    if (t->len <= CHUNK_MAX)
        return t->len;
    const char *nl = memrchr(t->s, '\n', CHUNK_MAX);
    if (nl != NULL)
        return (size_t)(nl - t->s) + 1;
    size_t n = CHUNK_MAX;
    while (n > CHUNK_MAX - 4 && ((unsigned char)t->s[n] & 0xc0) == 0x80)
        n--;
    return n;
}

/* Moves what a run has written into its client's queue, as far as there is room. */
static void client_take(struct client *c, struct run *r, struct text *t)
{
    size_t done = 0;
    while (done < t->len && c->out.len < CLIENT_HIGH && !r->held) {
        struct text rest = {.s = t->s + done, .len = t->len - done};
        size_t n = chunk_length(&rest);
        if (!r->streams)
            control_write_out(&c->out, r->id, rest.s, n);
        else if (t == &r->notes)
            control_write_note(&c->out, r->id, rest.s, n);
        else
            control_write_bytes(&c->out, r->id, rest.s, n);
        done += n;
    }
    if (done > 0)
        text_consume(t, done);
}

static void client_collect(struct client *c)
{
    for (struct run *r = c->server->member->deck->runs, *next; r != NULL; r = next) {
        next = r->next;
        if (r->owner != c)
            continue;
        client_take(c, r, &r->notes);
        client_take(c, r, &r->out);
        size_t want = run_input_wanted(r);
        if (want > 0)
            control_write_want(&c->out, r->id, want);
        if (r->status != RUN_MORE && r->out.len == 0 && r->notes.len == 0) {
            if (deck_paused(r->deck))
                control_write_end_paused(&c->out, r->id, r->status, r->err);
            else
                control_write_end(&c->out, r->id, r->status, r->err);
            c->runs--;
            run_free(r);
        }
    }
}

static void client_write(struct client *c)
{
    size_t done = 0;
    bool had = c->out.len > 0;
    while (done < c->out.len) {
        ssize_t n = send(c->source->fd, c->out.s + done, c->out.len - done, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                c->gone = true;
            break;
        }
        done += (size_t)n;
    }
    text_consume(&c->out, done);
    if (c->out.len == 0)
        c->stuck = 0;
    else if (done > 0 || (had && c->stuck == 0))
        c->stuck = monotonic_now();
    uint32_t want = (c->read_closed || client_must_wait(c) ? 0 : EPOLLIN | EPOLLRDHUP) |
                    (c->out.len > 0 ? EPOLLOUT : 0);
    if (want != c->watching) {
        c->watching = want;
        loop_change(c->server->loop, c->source, want);
    }
}

bool server_clogged(const struct run *r)
{
    const struct client *c = r->owner;
    return r->out.len + r->notes.len >= RUN_OUT_HIGH || (c != NULL && c->out.len >= CLIENT_HIGH);
}

/* Clients at a prompt hear that time was paused or goes on; those that run something hear it there. */
static void tell_news(struct server *s)
{
    const struct deck_time *t = s->member->deck->time;
    char note[sizeof(t->hit) + 64] = "";
    if (t == NULL || (t->changes == s->changes && t->hits == s->hits))
        return;
    if (t->hits != s->hits && t->hit_deck != NULL)
        snprintf(note, sizeof(note), "%s%s%s; time is paused", t->hit_deck != s->member->deck ? t->hit_deck->name : "",
                 t->hit_deck != s->member->deck ? ": " : "", t->hit);
    s->changes = t->changes;
    s->hits = t->hits;
    for (struct client *c = s->clients; c != NULL; c = c->next)
        if (c->streams && c->runs == 0 && c->out.len < CLIENT_HIGH)
            control_write_news(&c->out, t->mode != TIME_FLOWING, note[0] != '\0' ? note : NULL);
}

td_time server_deadline(const struct server *s)
{
    td_time at = TD_NEVER;
    for (const struct client *c = s->clients; c != NULL; c = c->next)
        if (c->stuck != 0 && c->stuck + s->loop->stall < at)
            at = c->stuck + s->loop->stall;
    return at;
}

static void client_serve(struct client *c)
{
    client_collect(c);
    client_write(c);
    client_lines(c);
    if (c->out.len > 0)
        client_write(c);
    if (c->stuck != 0 && monotonic_now() >= c->stuck + c->server->loop->stall) {
        fprintf(stderr, "tapdeckd: a client that has read nothing for %llu s was dropped, with %zu bytes for it\n",
                (unsigned long long)(c->server->loop->stall / TD_SEC), c->out.len);
        c->server->loop->stats.stalled++;
        c->gone = true;
    }
}

bool server_pump(struct server *s)
{
    bool more = false, left = false, over = false;
    tell_news(s);
    if (s->clients == NULL)
        return false;
    if (console_over(s->loop) && s->turn == s->loop->stats.turns)
        return s->more; /* one was served in this turn */
    s->turn = s->loop->stats.turns;
    bool mine = console_enter(s->loop);
    for (struct client *c = s->clients, *next; c != NULL; c = next) {
        next = c->next;
        if (!c->gone && c->round != s->round) {
            if (!over) {
                c->round = s->round;
                client_serve(c);
                over = console_over(s->loop);
            } else {
                left = true; /* has its turn when the loop goes round again */
            }
        }
        if (c->gone || (c->read_closed && c->runs == 0 && c->out.len == 0 && c->in.len == 0))
            client_close(c);
    }
    if (!left)
        s->round++;
    for (const struct client *c = s->clients; c != NULL; c = c->next)
        more = more || (client_has_line(c) && !client_must_wait(c));
    for (const struct run *r = s->member->deck->runs; r != NULL; r = r->next)
        more = more || (r->status == RUN_MORE && r->ready && !server_clogged(r));
    if (mine)
        console_leave(s->loop);
    s->more = more || left;
    return s->more;
}

void server_start(struct server *s, struct member *m)
{
    s->loop = m->loop;
    s->member = m;
    m->server = s;
    s->source = loop_watch(s->loop, s->fd, EPOLLIN, accept_event, s);
}

void server_stop_accepting(struct server *s)
{
    if (s->fd < 0)
        return;
    unlink(s->path);
    unlink(s->lock_path);
    if (s->source != NULL)
        loop_unwatch(s->loop, s->source);
    s->source = NULL;
    close(s->fd);
    s->fd = -1;
}

void server_close(struct server *s)
{
    if (s == NULL)
        return;
    server_stop_accepting(s);
    while (s->clients != NULL)
        client_close(s->clients);
    close(s->lock);
    if (s->spare >= 0)
        close(s->spare);
    if (s->member != NULL)
        s->member->server = NULL;
    free(s);
}
