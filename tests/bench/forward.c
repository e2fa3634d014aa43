/* tests/bench/forward.c: datagrams a second through a router, for `make bench` (scripts/forward.sh).
 *
 *     forward blast ADDR PORT SIZE SECONDS  sends UDP of SIZE octets of payload as fast as the kernel takes them
 *     forward sink PORT SECONDS             counts what arrives within SECONDS of the first: datagrams a second
 *     forward memory SIZE SECONDS           our router alone: frames from memory in, frames out counted and forgotten
 *     forward wire SIZE SECONDS             a host, a router, a host in one process, on simulated wires in virtual time;
 *                                           a second is one of the machine's
 *
 * All loops end by a deadline. What is counted is what came out at the far end, so a router that drops what it can't
 * carry is measured by what it carries. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dev/sim.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#define BATCH 64

static uint8_t buffer[BATCH][2048];

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

/* ---- through the kernel's sockets ---- */

static void batch_init(struct mmsghdr *m, struct iovec *io, size_t size)
{
    for (unsigned i = 0; i < BATCH; i++) {
        io[i] = (struct iovec){buffer[i], size};
        memset(&m[i], 0, sizeof m[i]);
        m[i].msg_hdr.msg_iov = &io[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
}

static int blast(const char *addr, const char *port, size_t size, double seconds)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct mmsghdr m[BATCH];
    struct iovec io[BATCH];

    if (inet_pton(AF_INET, addr, &to.sin_addr) != 1 || size > sizeof buffer[0]) {
        fprintf(stderr, "forward: write `forward blast ADDR PORT SIZE SECONDS`, SIZE up to 2048\n");
        return 2;
    }
    if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to) != 0)
        die("blast");
    batch_init(m, io, size);
    for (double end = now() + seconds; now() < end;)
        if (sendmmsg(s, m, BATCH, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED && errno != EHOSTUNREACH)
            die("sendmmsg");
    return 0;
}

static int sink(const char *port, double seconds)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int s = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
    struct timeval wait = {.tv_sec = 5};
    struct mmsghdr m[BATCH];
    struct iovec io[BATCH];
    uint64_t count = 0;
    double first = 0, last = 0;

    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) != 0)
        die("sink");
    (void)setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    (void)setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    batch_init(m, io, sizeof buffer[0]);
    for (;;) {
        int n = recvmmsg(s, m, BATCH, MSG_WAITFORONE, NULL);
        if (n <= 0)
            break;
        last = now();
        if (count == 0)
            first = last;
        count += (uint64_t)n;
        if (last - first >= seconds)
            break;
    }
    if (count < 2 || last <= first) {
        fprintf(stderr, "forward: nothing arrived\n");
        return 1;
    }
    printf("%.0f\n", (double)count / (last - first));
    return 0;
}

/* ---- our router, in memory ---- */

#define A TD_IP4(10, 1, 0, 2)
#define B TD_IP4(10, 2, 0, 2)
#define MAC_OF(n) ((struct td_mac){{2, 0, 0, 0, 0, (n)}})

static uint64_t left_router;

static int count_frame(void *dev, const struct pkt *p)
{
    (void)dev;
    (void)p;
    left_router++;
    return 0;
}
static const struct td_device_ops counter = {.transmit = count_frame};

static int memory(size_t size, double seconds)
{
    struct td_stack_config c = {.now = TD_SEC};
    struct td_stack *st = td_stack_new(&c);
    struct eth_hdr e = {.dst = MAC_OF(1), .src = MAC_OF(11), .type = ETHERTYPE_IPV4};
    struct ipv4_hdr h = {.hlen = 20, .total_len = (uint16_t)(28 + size), .ttl = 64, .proto = 17, .src = A, .dst = B};
    td_time t = TD_SEC;
    uint32_t in = 0;
    uint8_t f[2048] = {0};

    if (st == NULL || size > 1472)
        return 2;
    for (uint8_t i = 1; i < 3; i++) {
        struct td_if_config nif = {.mac = MAC_OF(i), .flags = TD_IF_UP | TD_IF_BROADCAST, .ops = &counter};
        uint32_t index;
        (void)snprintf(nif.name, sizeof nif.name, "eth%u", i);
        if (td_if_add(st, &nif, &index) != 0 || td_addr_add(st, index, TD_IP4(10, i, 0, 1), 24) != 0 ||
            td_neigh_add(st, index, TD_IP4(10, i, 0, 2), MAC_OF(10 + i), TD_NEIGH_PERMANENT) != 0)
            return 2;
        in = i == 1 ? index : in;
    }
    if (td_knob_set(st, "net.ipv4.ip_forward", "1") != 0)
        return 2;
    size_t n = eth_emit(&e, f);
    n += ipv4_emit(&h, f + n) + 8 + size;
    double begin = now(), end = begin + seconds;
    while (now() < end) {
        for (unsigned i = 0; i < BATCH; i++)
            (void)td_stack_input_bytes(st, in, f, n, t);
        td_stack_flush(st, t);
        t += 10 * TD_US;
        td_stack_tick(st, t);
    }
    printf("%.0f\n", (double)left_router / (now() - begin));
    td_stack_free(st);
    return left_router > 0 ? 0 : 1;
}

static int over_wires(size_t size, double seconds)
{
    struct sim *w = sim_new(1, TD_SEC);
    struct td_stack *a = sim_host(w, TD_PROFILE_LINUX), *router = sim_host(w, TD_PROFILE_LINUX),
                    *b = sim_host(w, TD_PROFILE_LINUX);
    uint32_t ai, r1, r2, bi;
    struct sim_wire *left = sim_join(w, a, "eth0", &ai, router, "left", &r1, 1500),
                    *right = sim_join(w, router, "right", &r2, b, "eth0", &bi, 1500);
    struct td_netem line = {.delay = 100 * TD_US, .limit = 10000};
    struct td_route way = {.gateway = TD_IP4(10, 1, 0, 1)}, back = {.gateway = TD_IP4(10, 2, 0, 1)};
    uint64_t arrived = 0;

    if (sim_impair(left, &line, &line) != 0 || sim_impair(right, &line, &line) != 0 || td_addr_add(a, ai, A, 24) != 0 ||
        td_addr_add(router, r1, TD_IP4(10, 1, 0, 1), 24) != 0 || td_addr_add(router, r2, TD_IP4(10, 2, 0, 1), 24) != 0 ||
        td_addr_add(b, bi, B, 24) != 0 || td_knob_set(router, "net.ipv4.ip_forward", "1") != 0 ||
        td_route_add(a, &way, false) != 0 || td_route_add(b, &back, false) != 0)
        return 2;
    int s = td_socket(a, AF_INET, SOCK_DGRAM, 0), to = td_socket(b, AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = td_sockaddr(0, 9);
    if (s < 0 || to < 0 || td_bind(b, to, (struct sockaddr *)&here, sizeof here) != 0)
        return 2;
    double begin = now(), end = begin + seconds;
    while (now() < end) {
        for (unsigned i = 0; i < BATCH; i++)
            (void)td_sendto(a, s, buffer[0], size, 0, B, 9);
        td_stack_flush(a, sim_now(w));
        sim_run(w, sim_now(w) + 300 * TD_US, NULL, NULL);
        while (td_recv(b, to, buffer[1], sizeof buffer[1], MSG_DONTWAIT) >= 0)
            arrived++;
    }
    printf("%.0f\n", (double)arrived / (now() - begin));
    sim_free(w);
    return arrived > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "blast") == 0)
        return blast(argv[2], argv[3], (size_t)atoi(argv[4]), atof(argv[5]));
    if (argc == 4 && strcmp(argv[1], "sink") == 0)
        return sink(argv[2], atof(argv[3]));
    if (argc == 4 && strcmp(argv[1], "memory") == 0)
        return memory((size_t)atoi(argv[2]), atof(argv[3]));
    if (argc == 4 && strcmp(argv[1], "wire") == 0)
        return over_wires((size_t)atoi(argv[2]), atof(argv[3]));
    fprintf(stderr, "usage: forward blast ADDR PORT SIZE SECONDS | sink PORT SECONDS | memory SIZE SECONDS | "
                    "wire SIZE SECONDS\n");
    return 2;
}
