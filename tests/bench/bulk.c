/* tests/bench/bulk.c: the load that `make bench` puts on each peer, over kernel sockets.
 *
 *     bulk serve SINK SOURCE ECHO [CC]  a kernel peer: discards, sends, echoes on these three ports
 *     bulk send ADDR PORT SECONDS    sends as fast as it goes; prints bits a second
 *     bulk recv ADDR PORT SECONDS    receives; prints bits a second
 *     bulk rr   ADDR PORT SECONDS    one byte there, one back; prints transactions a second
 *     bulk put ADDR PORT BYTES [CC]  sends so much, and waits until the other end has closed: bits a second
 *     bulk get ADDR PORT BYTES [CC]  receives so much
 *     bulk hold ADDR PORT COUNT      opens COUNT idle connections, prints "ready", waits for EOF on stdin
 *
 * The congestion control is set per socket (cubic, if not said), because a machine's default may be another and
 * changes results threefold. All loops end by a deadline. The same client against every peer, so
 * what differs is the stack on the other side. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char buffer[262144];

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const char *control = "cubic";

static void set_control(int s, const char *name)
{
    if (setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) != 0)
        die(name);
}

static int connect_to(const char *addr, const char *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, addr, &sa.sin_addr) != 1) {
        fprintf(stderr, "bulk: not an IPv4 address: %s\n", addr);
        exit(2);
    }
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        die("socket");
    set_control(s, control);
    if (connect(s, (struct sockaddr *)&sa, sizeof sa) != 0)
        die("connect");
    return s;
}

enum service { SINK, SOURCE, ECHO };

static _Noreturn void serve_one(int s, enum service what)
{
    for (;;) {
        ssize_t n = what == SOURCE ? (ssize_t)sizeof buffer : recv(s, buffer, sizeof buffer, 0);
        if (n <= 0)
            _exit(0);
        if (what != SINK && send(s, buffer, (size_t)n, MSG_NOSIGNAL) < 0)
            _exit(0);
    }
}

static _Noreturn void serve(char **ports)
{
    struct pollfd listeners[3];
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(ports[i]))};
        int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
        (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        set_control(s, control);
        if (bind(s, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(s, 1024) != 0)
            die("bind");
        listeners[i] = (struct pollfd){.fd = s, .events = POLLIN};
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        if (poll(listeners, 3, 1000) < 0)
            die("poll");
        for (int i = 0; i < 3; i++) {
            if (!(listeners[i].revents & POLLIN))
                continue;
            int s = accept(listeners[i].fd, NULL, NULL);
            if (s < 0)
                continue;
            pid_t parent = getpid();
            if (fork() == 0) {
                /* The bench ends its servers by their pid: children must not outlive theirs. */
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() != parent)
                    _exit(0);
                serve_one(s, (enum service)i);
            }
            close(s);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}

static int measure(const char *mode, const char *addr, const char *port, double seconds)
{
    int s = connect_to(addr, port), one = 1;
    double start = now(), end = start + seconds, t = start;
    uint64_t n = 0;
    if (strcmp(mode, "rr") == 0)
        (void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while ((t = now()) < end) {
        ssize_t got;
        if (strcmp(mode, "send") == 0) {
            got = send(s, buffer, sizeof buffer, MSG_NOSIGNAL);
        } else if (strcmp(mode, "recv") == 0) {
            got = recv(s, buffer, sizeof buffer, 0);
        } else {
            if (send(s, "x", 1, MSG_NOSIGNAL) != 1)
                die("send");
            got = recv(s, buffer, 1, 0);
        }
        if (got <= 0)
            die(mode);
        n += (uint64_t)got;
    }
    printf("%.0f\n", strcmp(mode, "rr") == 0 ? (double)n / (t - start) : (double)n * 8 / (t - start));
    return 0;
}

/* A given number of bytes; what counts is the time from the handshake until the last has arrived. */
static int transfer(bool put, const char *addr, const char *port, uint64_t bytes)
{
    int s = connect_to(addr, port);
    double start = now();
    for (uint64_t n = 0; n < bytes;) {
        size_t k = bytes - n < sizeof buffer ? (size_t)(bytes - n) : sizeof buffer;
        ssize_t got = put ? send(s, buffer, k, MSG_NOSIGNAL) : recv(s, buffer, k, 0);
        if (got <= 0)
            die(put ? "send" : "recv");
        n += (uint64_t)got;
    }
    if (put && (shutdown(s, SHUT_WR) != 0 || recv(s, buffer, 1, 0) != 0))
        die("the end of file");
    printf("%.0f\n", (double)bytes * 8 / (now() - start));
    return 0;
}

static int hold(const char *addr, const char *port, int count)
{
    struct rlimit rl = {65536, 65536};
    (void)setrlimit(RLIMIT_NOFILE, &rl);
    for (int i = 0; i < count; i++)
        (void)connect_to(addr, port);
    puts("ready");
    fflush(stdout);
    while (read(0, buffer, sizeof buffer) > 0)
        ;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6)
        control = argv[5];
    if ((argc == 5 || argc == 6) && strcmp(argv[1], "serve") == 0)
        serve(argv + 2);
    if ((argc == 5 || argc == 6) && (strcmp(argv[1], "put") == 0 || strcmp(argv[1], "get") == 0))
        return transfer(strcmp(argv[1], "put") == 0, argv[2], argv[3], strtoull(argv[4], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2], argv[3], atoi(argv[4]));
    if (argc == 5 && (strcmp(argv[1], "send") == 0 || strcmp(argv[1], "recv") == 0 || strcmp(argv[1], "rr") == 0))
        return measure(argv[1], argv[2], argv[3], atof(argv[4]));
    fputs("usage: bulk serve SINK SOURCE ECHO [CC] | bulk send|recv|rr ADDR PORT SECONDS | bulk put|get ADDR PORT BYTES [CC] | "
          "bulk hold ADDR PORT COUNT\n",
          stderr);
    return 2;
}
