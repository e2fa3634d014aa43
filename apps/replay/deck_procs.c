/* replay/deck_procs.c: the processes of a tape, as the console keeps them (deck_procs.h). */
#include "replay/deck_procs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int reap(pid_t pid)
{
    int status = 0;
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* It is gone, but may have forked, and told so, before that: those go too. */
static void forget(struct proc *p)
{
    static char body[DECK_BODY + 1];
    struct deck_message m;
    int fd;
    while (deck_receive(p->fd, &m, body, &fd)) {
        if (fd < 0)
            continue;
        (void)close(fd);
        (void)reap(m.pid);
    }
    (void)close(p->fd);
    *p = (struct proc){.fd = -1};
}

int proc_end(struct proc *p)
{
    if (p->pid <= 0)
        return 0;
    int status = reap(p->pid);
    forget(p);
    return status;
}

int proc_gone(struct proc *p)
{
    int status = 0;
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < 1000; i++) {
        pid_t pid = waitpid(p->pid, &status, WNOHANG);
        if (pid == p->pid) {
            forget(p);
            return status;
        }
        if (pid < 0 && errno != EINTR)
            break;
        (void)nanosleep(&moment, NULL);
    }
    return proc_end(p);
}

bool proc_alive(struct proc *p)
{
    int status;
    if (p->pid <= 0)
        return false;
    if (waitpid(p->pid, &status, WNOHANG) == 0)
        return true;
    forget(p);
    return false;
}

static void close_all(const struct reel *r)
{
    if (r->root.pid > 0)
        (void)close(r->root.fd);
    if (r->head.pid > 0)
        (void)close(r->head.fd);
    for (unsigned i = 0; i < r->nchecks; i++)
        (void)close(r->check[i].fd);
}

bool reel_make_root(struct reel *r, char *msg, size_t msg_size)
{
    int pair[2] = {-1, -1};
    pid_t pid = -1, console = getpid();
    if (r->root.pid > 0)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
        (void)fflush(NULL); /* no sentence twice */
        pid = fork();
    }
    if (pid == 0) {
        (void)close(pair[0]);
        close_all(r);
        deck_serve(r->tape, r->shared, pair[1], console);
    }
    if (pid < 0) {
        (void)snprintf(msg, msg_size, "no process can be made for the tape: %s", strerror(errno));
        if (pair[0] >= 0) {
            (void)close(pair[0]);
            (void)close(pair[1]);
        }
        return false;
    }
    (void)close(pair[1]);
    r->root = (struct proc){.pid = pid, .fd = pair[0]};
    return true;
}

static void share_checkpoints(struct reel *r)
{
    for (unsigned i = 0; i < r->nchecks; i++)
        r->shared->have[i] = r->check[i].place.step;
    r->shared->n = r->nchecks;
}

void reel_add_checkpoint(struct reel *r, struct proc p)
{
    if (p.place.step % r->shared->every != 0) {
        (void)proc_end(&p);
        return;
    }
    unsigned at = r->nchecks++;
    for (; at > 0 && r->check[at - 1].place.step > p.place.step; at--)
        r->check[at] = r->check[at - 1];
    r->check[at] = p;
    while (r->nchecks > DECK_CHECKPOINTS) {
        unsigned kept = 0;
        r->shared->every *= 2;
        for (unsigned i = 0; i < r->nchecks; i++) {
            if (r->check[i].place.step % r->shared->every == 0)
                r->check[kept++] = r->check[i];
            else
                (void)proc_end(&r->check[i]);
        }
        r->nchecks = kept;
    }
    share_checkpoints(r);
}

void reel_drop_checkpoint(struct reel *r, unsigned i)
{
    (void)proc_end(&r->check[i]);
    for (r->nchecks--; i < r->nchecks; i++)
        r->check[i] = r->check[i + 1];
    share_checkpoints(r);
}

bool reel_make_room(struct reel *r)
{
    if (r->nchecks == 0)
        return false;
    reel_drop_checkpoint(r, r->nchecks - 1);
    return true;
}

bool proc_copy(struct reel *r, const struct proc *of, struct proc *made, int *error)
{
    struct deck_message m = {.kind = ORDER_FORK};
    int fd = -1;
    *error = -1;
    if (!deck_send(of->fd, &m, NULL, -1) || !deck_receive(of->fd, &m, r->body, &fd))
        return false;
    *error = m.error;
    if (m.error != 0 || fd < 0) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    *made = (struct proc){.pid = m.pid, .fd = fd, .place = m.place};
    return true;
}
