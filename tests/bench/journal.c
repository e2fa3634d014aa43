/* tests/bench/journal.c: what the journal costs: one bulk transfer between two stacks in this
 * process, in virtual time, for scripts/journal-cost.sh.
 *
 *     journal LEVEL MEGABYTES      LEVEL as tapdeck.journal.level
 *
 * prints a line: segments with text that were sent, events, and the processor's nanoseconds for the
 * transfer. MTU 1500, no offloads. The cable copies bytes, as a TAP device does, 32 frames a turn;
 * a turn is 50 us. Under callgrind the instructions of two lengths, divided by the segments between
 * them, are those of a segment and its share of acknowledgments on both hosts. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/stack.h"
#include "tapdeck/socket.h"
#include "tapdeck/stack.h"

#define FRAMES 4096 /* a cable's */
#define BATCH  32

struct host {
    struct td_stack *st;
    uint32_t ifindex;
    struct host *peer;
    uint8_t (*frame)[1600]; /* that have been sent, a ring */
    uint16_t len[FRAMES];
    unsigned first, last;
    uint64_t texts;
};

static uint8_t buffer[65536];

static int transmit(void *dev, const struct pkt *p)
{
    struct host *h = dev;
    if (h->last - h->first == FRAMES || p->len > sizeof h->frame[0])
        return -ENOBUFS;
    unsigned at = h->last++ % FRAMES;
    (void)pkt_read(p, 0, h->frame[at], p->len);
    h->len[at] = (uint16_t)p->len;
    h->texts += p->len > 200;
    return 0;
}
static const struct td_device_ops cable = {.transmit = transmit};

static void host_make(struct host *h, unsigned number, const char *level)
{
    struct td_stack_config c = {.now = TD_SEC};
    struct td_if_config eth = {.name = "eth0",
                               .mac = {{2, 0, 0, 0, 0, (uint8_t)number}},
                               .mtu = 1500,
                               .flags = TD_IF_UP | TD_IF_BROADCAST,
                               .ops = &cable,
                               .dev = h};
    memset(c.seed, (int)number, sizeof c.seed);
    h->st = td_stack_new(&c);
    h->frame = calloc(FRAMES, sizeof *h->frame);
    if (h->st == NULL || h->frame == NULL || td_if_add(h->st, &eth, &h->ifindex) != 0 ||
        td_addr_add(h->st, h->ifindex, TD_IP4(10, 0, 0, number), 24) != 0 ||
        td_knob_set(h->st, "tapdeck.journal.level", level) != 0) {
        fprintf(stderr, "journal: a host could not be made\n");
        exit(2);
    }
}

/* Up to BATCH frames of h arrive at its peer. */
static void deliver(struct host *h, td_time now)
{
    for (unsigned n = 0; h->first != h->last && n < BATCH; n++, h->first++)
        (void)td_stack_input_bytes(h->peer->st, h->peer->ifindex, h->frame[h->first % FRAMES],
                                   h->len[h->first % FRAMES], now);
}

static void turn(struct host *h, td_time now)
{
    deliver(h->peer, now);
    td_stack_tick(h->st, now);
    td_stack_flush(h->st, now);
}

static double cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

int main(int argc, char **argv)
{
    static struct host a, b;
    if (argc != 3) {
        fprintf(stderr, "usage: journal LEVEL MEGABYTES\n");
        return 2;
    }
    uint64_t left = (uint64_t)atoi(argv[2]) << 20, want = left, got = 0;
    host_make(&a, 1, argv[1]);
    host_make(&b, 2, argv[1]);
    a.peer = &b;
    b.peer = &a;
    td_time now = TD_SEC;
    struct sockaddr_in at = td_sockaddr(TD_IP4(10, 0, 0, 2), 9);
    int l = td_socket(b.st, AF_INET, SOCK_STREAM, 0), s = td_socket(a.st, AF_INET, SOCK_STREAM, 0),
        r = -1;
    if (td_bind(b.st, l, (struct sockaddr *)&at, sizeof at) != 0 || td_listen(b.st, l, 1) != 0 ||
        td_connect(a.st, s, (struct sockaddr *)&at, sizeof at) != -EINPROGRESS)
        return 2;
    double begin = cpu_ns();
    while (got < want && now < 1000 * TD_SEC) {
        int64_t n = 1;
        now += 50 * TD_US;
        while (left > 0 &&
               (n = td_send(a.st, s, buffer, left < sizeof buffer ? left : sizeof buffer,
                            MSG_DONTWAIT)) > 0)
            left -= (uint64_t)n;
        turn(&a, now);
        turn(&b, now);
        if (r < 0)
            r = td_accept(b.st, l, NULL, NULL);
        while (r >= 0 && (n = td_recv(b.st, r, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            got += (uint64_t)n;
    }
    begin = cpu_ns() - begin;
    printf("%llu %llu %.0f\n", (unsigned long long)a.texts,
           (unsigned long long)(a.st->journal.next_seq + b.st->journal.next_seq - 2), begin);
    td_stack_free(a.st);
    td_stack_free(b.st);
    free(a.frame);
    free(b.frame);
    return got == want ? 0 : 1;
}
