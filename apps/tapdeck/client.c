/* tapdeck/client.c: a connection to a daemon's control socket, and one command over it.
 *
 * The daemon is looked for in the same list of directories in which it puts its socket, and the
 * first that answers is taken: a socket that a dead daemon left is passed over. While a command
 * runs the client waits for the socket and for SIGINT together (ppoll with the signal let through
 * only there, so none is lost between looking and waiting); an interrupt is sent on as a cancel,
 * and the command's last words, such as ping's summary, still come.
 *
 * A command that reads (nc) asks for input; only then is standard input looked at, and no more is read
 * from it than was asked for. Nothing is written to the daemon without waiting for its answers too: it
 * may have stopped reading because we don't.
 *
 * Who reads our output may be slow (a pipe into a pager that a person reads). Then the daemon, which drops
 * clients that read nothing for too long, is asked to hold the command's output, and we go on listening.
 */
#include "tapdeck/client.h"
#include "tapdeck/output.h"
#include "tapdeck/rules.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HOLD_AT 65536 /* bytes that wait for the reader of the output before the daemon is asked to hold the rest */

volatile sig_atomic_t interrupts;

static void on_interrupt(int sig)
{
    (void)sig;
    interrupts++;
}

void client_catch_interrupts(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &sa, NULL); /* without SA_RESTART: waiting ends */
}

int client_connect(struct client *c, const char *name, char *msg, size_t msg_size)
{
    char dir[256], denied[512] = "", closed[256] = "";
    memset(c, 0, sizeof(*c));
    for (unsigned n = 0; run_dir_candidate(n, dir, sizeof(dir)); n++) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        if (snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s.sock", dir, name) >=
            (int)sizeof(sa.sun_path))
            continue;
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0)
            break;
        if (connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)) == 0) {
            c->next_id = 1;
            c->input = -1;
            return EXIT_DONE;
        }
        int err = errno;
        /* A directory that can't be looked into may be empty. */
        if (access(dir, F_OK) == 0 && access(dir, X_OK) < 0)
            memcpy(closed, dir, sizeof(closed));
        else if (err == EACCES || err == EPERM)
            snprintf(denied, sizeof(denied), "%s", sa.sun_path);
        close(c->fd);
    }
    c->fd = -1;
    if (denied[0] != '\0') {
        snprintf(msg, msg_size,
                 "no permission to use %s: the daemon '%s' belongs to another user (sudo?)", denied,
                 name);
        return EXIT_NO_DAEMON;
    }
    bool named = strcmp(name, DEFAULT_NAME) != 0;
    int n = snprintf(
        msg, msg_size,
        named ? "no daemon named '%s' is running: start one with `sudo tapdeckd -n %s -f "
                "scripts/demo.conf` (`tapdeckd --help`)"
              : "no daemon is running: start one with `sudo tapdeckd -f scripts/demo.conf` "
                "(`tapdeckd --help`)",
        name, name);
    if (closed[0] != '\0' && n > 0 && (size_t)n < msg_size)
        snprintf(msg + n, msg_size - (size_t)n, "; if it is another user's, in %s, use sudo",
                 closed);
    return EXIT_NO_DAEMON;
}

void client_end(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    text_free(&c->in);
}

bool client_listen(struct client *c, char *note, size_t note_size)
{
    struct text line = {0};
    char buf[4096];
    bool any = false;
    ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
    note[0] = '\0';
    if (n > 0)
        text_add(&c->in, buf, (size_t)n);
    while (take_line(&c->in, &line)) {
        struct reply r;
        if (!control_parse_reply(line.s, line.len, &r))
            continue;
        if (r.id == CONTROL_NEWS) {
            any = true;
            c->paused = r.paused;
            if (r.note != NULL)
                snprintf(note, note_size, "%s", r.note);
        }
        control_free_reply(&r);
    }
    text_free(&line);
    return any;
}

/* What one command has to do with the daemon. */
struct conversation {
    struct client *c;
    long long id;
    FILE *out;
    struct output output; /* of `get -o` */
    bool unwritable;      /* its output can't be written: it is cancelled */
    struct text late;     /* what `out` hasn't taken yet */
    bool reader_gone;     /* because nobody reads it any more */
    bool held;            /* the daemon was asked to keep the rest for now */
    struct text send; /* not yet taken by the daemon */
    size_t credit;    /* so much input it wants */
    bool input_over;
    int status;
    char *err;
    size_t err_size;
};

/* Sends what the daemon takes now. False: it has gone away. */
static bool send_some(struct conversation *v)
{
    size_t done = 0;
    while (done < v->send.len) {
        ssize_t n = send(v->c->fd, v->send.s + done, v->send.len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            break;
        done += (size_t)n;
    }
    text_consume(&v->send, done);
    return true;
}

/* Reads what the command was promised. */
static void read_input(struct conversation *v)
{
    char buf[INPUT_MAX];
    size_t room = v->credit < sizeof(buf) ? v->credit : sizeof(buf);
    ssize_t n = v->c->input >= 0 ? read(v->c->input, buf, room) : 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    v->input_over = n <= 0;
    v->credit -= n > 0 ? (size_t)n : 0;
    control_write_input(&v->send, v->id, buf, n > 0 ? (size_t)n : 0, v->input_over);
}

/* Where output goes, if it may have to wait for its reader (a pipe); else -1. */
static int slow_output(const struct conversation *v)
{
    return v->output.path == NULL ? fileno(v->out) : -1;
}

/* Writes what has come: all of it, or as far as that needs no waiting. */
static void write_output(struct conversation *v, bool wait)
{
    struct pollfd pfd = {.fd = slow_output(v), .events = POLLOUT};
    size_t done = 0;
    while (done < v->late.len && !v->unwritable) {
        if (!wait && pfd.fd >= 0 && poll(&pfd, 1, 0) <= 0)
            break;
        size_t n = v->late.len - done < PIPE_BUF ? v->late.len - done : PIPE_BUF; /* so much fits if anything does */
        int err = output_write(&v->output, v->out, v->late.s + done, n);
        done += n;
        if (err == 0)
            continue;
        v->unwritable = true;
        v->reader_gone = err == EPIPE; /* as in `ping ADDR | head`: the person has seen enough */
        if (!v->reader_gone)
            output_complaint(&v->output, err, v->err, v->err_size);
        control_write_cancel(&v->send, v->id);
    }
    text_consume(&v->late, v->unwritable ? v->late.len : done);
    bool hold = v->late.len > (v->held ? 0 : HOLD_AT);
    if (hold != v->held)
        control_write_hold(&v->send, v->id, hold);
    v->held = hold;
}

/* Takes a reply. True: the command is over. */
static bool take_reply(struct conversation *v, const struct reply *r)
{
    if (r->out != NULL && !v->unwritable)
        text_add(&v->late, r->out, r->out_len);
    write_output(v, r->end);
    if (r->note != NULL && !v->c->quiet) {
        fflush(v->out);
        fputs(r->note, stderr);
    }
    v->credit += r->want;
    if (r->err != NULL && !v->unwritable)
        snprintf(v->err, v->err_size, "%s", r->err);
    if (r->end) {
        v->status = r->status;
        v->c->paused = r->paused;
    }
    return r->end;
}

/* Takes the replies that have come. True: the command is over. */
static bool take_replies(struct conversation *v)
{
    struct text line = {0};
    bool over = false;
    while (!over && take_line(&v->c->in, &line)) {
        struct reply r;
        if (!control_parse_reply(line.s, line.len, &r)) {
            snprintf(v->err, v->err_size, "the daemon sent something that is not the control protocol");
            v->status = EXIT_FAILED;
            over = true;
            break;
        }
        if (r.id == v->id || r.id == -1)
            over = take_reply(v, &r);
        control_free_reply(&r);
    }
    text_free(&line);
    return over;
}

/* The daemon takes nothing more: it may have said why before it closed. */
static bool last_words(struct conversation *v)
{
    char buf[4096];
    ssize_t n = recv(v->c->fd, buf, sizeof(buf), MSG_DONTWAIT);
    if (n > 0) {
        text_add(&v->c->in, buf, (size_t)n);
        take_replies(v);
    }
    return false;
}

/* Waits for the daemon, the input or a signal, and does what is to be done. False: it is over. */
static bool converse(struct conversation *v, const sigset_t *waiting)
{
    char buf[65536];
    if (v->credit > 0 && !v->input_over && v->c->input < 0)
        read_input(v); /* nothing, and its end */
    if (!send_some(v))
        return last_words(v);
    bool wants_input = v->credit > 0 && !v->input_over && v->send.len == 0;
    struct pollfd pfd[3] = {
        {.fd = v->c->fd, .events = (short)(v->send.len > 0 ? POLLIN | POLLOUT : POLLIN)},
        {.fd = wants_input ? v->c->input : -1, .events = POLLIN},
        {.fd = v->late.len > 0 ? slow_output(v) : -1, .events = POLLOUT},
    };
    if (ppoll(pfd, 3, NULL, waiting) <= 0)
        return true;
    if (pfd[1].revents != 0)
        read_input(v);
    if (pfd[2].revents != 0)
        write_output(v, false);
    if ((pfd[0].revents & ~POLLOUT) == 0)
        return true;
    ssize_t n = read(v->c->fd, buf, sizeof(buf));
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    text_add(&v->c->in, buf, (size_t)n);
    return !take_replies(v);
}

/* One Ctrl-C may arrive as two signals: timeout(1) sends it to the program and to its group. */
#define ONE_INTERRUPT_MS 200

static long long milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int client_run(struct client *c, int argc, char *const *argv, bool json, bool tty, FILE *out,
               char *err, size_t err_size)
{
    struct conversation v = {.c = c,
                             .id = c->next_id++,
                             .out = out,
                             .status = EXIT_NO_DAEMON,
                             .err = err,
                             .err_size = err_size};
    sigset_t block, old;
    int cancelled = 0;
    long long first = 0;
    err[0] = '\0';
    struct rules_request rules;
    if (!rules_request(argc, argv, &rules, err, err_size))
        return EXIT_USAGE;
    output_request(argc, argv, &v.output);
    if (rules.argv != NULL) {
        argc = rules.argc;
        argv = rules.argv;
    } else if (v.output.argv != NULL) {
        argc = v.output.argc;
        argv = v.output.argv;
    }
    control_write_request(&v.send, v.id, argc, argv, json, tty);
    interrupts = 0;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigprocmask(SIG_BLOCK, &block, &old);
    while (cancelled < 2 && converse(&v, &old)) {
        if (interrupts <= cancelled)
            continue;
        if (cancelled == 1 && milliseconds() - first < ONE_INTERRUPT_MS) {
            interrupts = 1;
            continue;
        }
        first = milliseconds();
        if (++cancelled == 1)
            control_write_cancel(&v.send, v.id);
    }
    if (cancelled == 2) { /* it doesn't listen: leave it */
        snprintf(err, err_size, "interrupted");
        v.status = EXIT_FAILED;
    } else {
        write_output(&v, true);
    }
    if (!output_end(&v.output, err, err_size) || (v.unwritable && !v.reader_gone))
        v.status = EXIT_FAILED;
    if (v.status == EXIT_NO_DAEMON && err[0] == '\0')
        snprintf(err, err_size, "the daemon has gone away");
    fflush(out);
    sigprocmask(SIG_SETMASK, &old, NULL);
    text_free(&v.send);
    text_free(&v.late);
    rules_request_end(&rules);
    return v.status;
}
