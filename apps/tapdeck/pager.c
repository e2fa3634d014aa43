/* tapdeck/pager.c: output that is longer than the screen is shown by $PAGER.
 *
 * A process of its own stands between the command and the terminal. It keeps what comes until it
 * knows: a command that ends within a screenful is printed as it is; more than a screenful starts
 * the pager ($PAGER, else `less -FRX` when there is a less); and output that trickles (a command
 * that is still running HOLD_MS after its first output) is passed on as it comes, since someone
 * watches it. It takes everything at once and keeps it, so that the daemon never waits for a person
 * who reads: what the pager hasn't taken lies in memory, up to KEEP_MAX.
 */
#include "tapdeck/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"

#define HOLD_MS  200
#define KEEP_MAX ((size_t)256 << 20)

void screen_size(unsigned *rows, unsigned *columns)
{
    struct winsize w = {0};
    for (int fd = 0; fd <= 2 && (w.ws_row == 0 || w.ws_col == 0); fd++)
        if (ioctl(fd, TIOCGWINSZ, &w) < 0)
            w.ws_row = 0;
    *rows = w.ws_row > 1 ? w.ws_row : 24;
    *columns = w.ws_col > 1 ? w.ws_col : 80;
}

unsigned rows_taken(const char *text, size_t n, unsigned columns, unsigned enough)
{
    unsigned rows = 0, column = 0;
    for (size_t i = 0; i < n && rows < enough; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            rows++;
            column = 0;
        } else if (c == '\033' && i + 1 < n && text[i + 1] == '[') { /* a colour takes no room */
            for (i += 2; i < n && (text[i] < '@' || text[i] > '~'); i++)
                ;
        } else if (c == '\t') {
            column = (column | 7) + 1;
        } else if (c >= ' ' && (c & 0xc0) != 0x80) { /* a character, not its continuation */
            if (++column > columns) {
                rows++;
                column = 1;
            }
        }
    }
    return rows + (column > 0);
}

/* The command, or NULL: no pager is wanted or there is none. */
static const char *pager_command(void)
{
    const char *own = getenv("PAGER"), *path = getenv("PATH");
    if (own != NULL)
        return *own != '\0' && strcmp(own, "cat") != 0 ? own : NULL;
    char file[512];
    for (const char *p = path != NULL ? path : "/usr/bin:/bin"; *p != '\0';) {
        size_t n = strcspn(p, ":");
        if (n + sizeof("/less") <= sizeof(file)) {
            memcpy(file, p, n);
            memcpy(file + n, "/less", sizeof("/less"));
            if (access(file, X_OK) == 0)
                return "less -FRX";
        }
        p += n + (p[n] == ':');
    }
    return NULL;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        bytes += done;
        n -= (size_t)done;
    }
}

/* A read into t. False: the end. */
static bool take(int fd, struct text *t)
{
    char buf[65536];
    ssize_t n = read(fd, buf, sizeof(buf));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0)
        return false;
    text_add(t, buf, (size_t)n);
    return true;
}

/* Starts the pager: its process, and the descriptor that feeds it. */
static pid_t start_pager(const char *command, int *feed)
{
    int fd[2];
    if (pipe2(fd, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGPIPE, SIG_DFL);
        dup2(fd[0], STDIN_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(fd[0]);
    if (pid < 0)
        close(fd[1]);
    *feed = fd[1];
    return pid;
}

/* From the command to the pager, at the pager's pace, until both are done. */
static void feed_pager(const char *command, int from, struct text *kept)
{
    int feed;
    pid_t pid = start_pager(command, &feed);
    if (pid < 0) {
        do {
            write_all(STDOUT_FILENO, kept->s, kept->len);
            text_consume(kept, kept->len);
        } while (take(from, kept));
        return;
    }
    fcntl(feed, F_SETFL, O_NONBLOCK);
    bool more = true;
    while (feed >= 0 && (more || kept->len > 0)) {
        struct pollfd p[2] = {
            {.fd = more && kept->len < KEEP_MAX ? from : -1, .events = POLLIN},
            {.fd = feed, .events = kept->len > 0 ? POLLOUT : 0},
        };
        if (poll(p, 2, -1) < 0)
            continue;
        if (p[0].revents != 0)
            more = take(from, kept);
        ssize_t n = 0;
        if (p[1].revents & POLLOUT)
            n = write(feed, kept->s, kept->len);
        if (n > 0)
            text_consume(kept, (size_t)n);
        if ((p[1].revents & POLLERR) != 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close(feed); /* the person has left: the rest isn't wanted, nor the command's work */
            feed = -1;
        }
    }
    close(from);
    if (feed >= 0)
        close(feed);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void stand_between(const char *command, int from)
{
    struct text kept = {0};
    unsigned rows, columns;
    int64_t until = -1;
    signal(SIGINT, SIG_IGN); /* the command's business, and the pager's */
    signal(SIGPIPE, SIG_IGN);
    screen_size(&rows, &columns);
    for (;;) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        int64_t left = until < 0 ? -1 : until - now_ms();
        if (until >= 0 && left <= 0)
            break;
        int got = poll(&p, 1, (int)left);
        if (got < 0 || (got > 0 && take(from, &kept))) {
            if (until < 0 && kept.len > 0)
                until = now_ms() + HOLD_MS;
            /* One row is the prompt's. */
            if (rows_taken(kept.s, kept.len, columns, rows) >= rows) {
                feed_pager(command, from, &kept);
                text_free(&kept);
                return;
            }
        } else if (got > 0) {
            write_all(STDOUT_FILENO, kept.s, kept.len);
            text_free(&kept);
            return;
        }
    }
    do {
        write_all(STDOUT_FILENO, kept.s, kept.len);
        text_consume(&kept, kept.len);
    } while (take(from, &kept));
    text_free(&kept);
}

int pager_begin(struct pager *p)
{
    const char *command = isatty(STDOUT_FILENO) ? pager_command() : NULL;
    int fd[2];
    p->pid = -1;
    if (command == NULL || pipe2(fd, O_CLOEXEC) < 0)
        return -1;
    p->pid = fork();
    if (p->pid == 0) {
        close(fd[1]);
        stand_between(command, fd[0]);
        _exit(0);
    }
    close(fd[0]);
    if (p->pid < 0) {
        close(fd[1]);
        return -1;
    }
    return fd[1];
}

void pager_end(struct pager *p)
{
    while (p->pid > 0 && waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    p->pid = -1;
}
