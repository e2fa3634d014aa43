/* tapdeck/client.c: a connection to a daemon's control socket, and one command over it.
 *
 * The daemon is looked for in the same list of directories in which it puts its socket, and the
 * first that answers is taken: a socket that a dead daemon left is passed over. While a command
 * runs the client waits for the socket and for SIGINT together (ppoll with the signal let through
 * only there, so none is lost between looking and waiting); an interrupt is sent on as a cancel,
 * and the command's last words, such as ping's summary, still come.
 */
#include "tapdeck/client.h"
#include "tapdeck/rules.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    text_free(&c->in);
}

static bool send_all(struct client *c, const struct text *t)
{
    for (size_t done = 0; done < t->len;) {
        ssize_t n = send(c->fd, t->s + done, t->len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Takes the replies that have come. True: the command `id` is over with *status. */
static bool take_replies(struct client *c, long long id, FILE *out, int *status, char *err,
                         size_t err_size)
{
    struct text line = {0};
    bool over = false;
    while (!over && take_line(&c->in, &line)) {
        struct reply r;
        if (!control_parse_reply(line.s, line.len, &r)) {
            snprintf(err, err_size, "the daemon sent something that is not the control protocol");
            *status = EXIT_FAILED;
            over = true;
            break;
        }
        if (r.id == id || r.id == -1) {
            if (r.out != NULL)
                fwrite(r.out, 1, r.out_len, out);
            if (r.err != NULL)
                snprintf(err, err_size, "%s", r.err);
            if (r.end) {
                *status = r.status;
                over = true;
            }
        }
        control_free_reply(&r);
    }
    text_free(&line);
    return over;
}

int client_run(struct client *c, int argc, char *const *argv, bool json, bool tty, FILE *out,
               char *err, size_t err_size)
{
    struct text request = {0};
    long long id = c->next_id++;
    sigset_t block, old;
    int status = EXIT_NO_DAEMON, cancelled = 0;
    err[0] = '\0';
    struct rules_request rules;
    if (!rules_request(argc, argv, &rules, err, err_size))
        return EXIT_USAGE;
    control_write_request(&request, id, rules.argv != NULL ? rules.argc : argc, rules.argv != NULL ? rules.argv : argv,
                          json, tty);
    interrupts = 0;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigprocmask(SIG_BLOCK, &block, &old);
    bool alive = send_all(c, &request);
    while (alive) {
        struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
        char buf[65536];
        if (interrupts > cancelled) {
            if (++cancelled > 1) { /* it doesn't listen: leave it */
                snprintf(err, err_size, "interrupted");
                status = EXIT_FAILED;
                break;
            }
            text_consume(&request, request.len);
            control_write_cancel(&request, id);
            alive = send_all(c, &request);
            continue;
        }
        fflush(out);
        if (ppoll(&pfd, 1, NULL, &old) <= 0)
            continue;
        ssize_t n = read(c->fd, buf, sizeof(buf));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text_add(&c->in, buf, (size_t)n);
        if (take_replies(c, id, out, &status, err, err_size)) {
            alive = false;
            break;
        }
    }
    if (status == EXIT_NO_DAEMON && err[0] == '\0')
        snprintf(err, err_size, "the daemon has gone away");
    fflush(out);
    sigprocmask(SIG_SETMASK, &old, NULL);
    text_free(&request);
    rules_request_end(&rules);
    return status;
}
