/* dev/tap.h: a Linux TAP device as an interface of a stack. */
#ifndef DEV_TAP_H
#define DEV_TAP_H

#include "tapdeck/stack.h"

struct tap;

struct tap_config {
    const char *name;       /* of the kernel's side, "tap0"; %d allowed */
    const char *stack_name; /* of the stack's side, "eth0" */
    struct td_mac mac;      /* of the stack's side; zero: random */
    uint32_t mtu;           /* both sides; 0 = 1500 */
    uint32_t
        txqueuelen; /* the kernel's transmit queue, frames; 0 = 4000 (see the trap in dev/tap.c) */
    bool persist;   /* leave the device when the daemon ends */
};
/* Opens /dev/net/tun (non-blocking), makes or attaches to the device, adds an interface to st and
 * brings it up. NULL: *err is -errno and msg says in one sentence what is wrong and what helps. */
struct tap *tap_open(struct td_stack *st, const struct tap_config *c, int *err, char *msg,
                     size_t msg_size);
void tap_close(struct tap *t); /* removes the interface from its stack */
int tap_fd(const struct tap *t);
const char *tap_name(const struct tap *t); /* as the kernel named it */
uint32_t tap_ifindex(const struct tap *t); /* the stack's */
/* fd is readable: reads at most `budget` frames into the stack at `now`. Returns how many. */
int tap_readable(struct tap *t, td_time now, int budget);
/* Changes the MTU on both sides; 0, or -errno and a sentence. */
int tap_set_mtu(struct tap *t, uint32_t mtu, char *msg, size_t msg_size);
/* What went less than well when it was opened, a sentence, or NULL (a transmit queue that couldn't
 * be lengthened for want of permission). */
const char *tap_warning(const struct tap *t);
struct tap_stats {
    uint64_t rx_frames, rx_nomem, rx_errors; /* read; lost for want of memory; read() failed */
    uint64_t tx_frames, tx_lost, tx_busy;    /* written; the kernel's side refused them; EAGAIN */
};
struct tap_stats tap_stats(const struct tap *t);
/* True while a write returned EAGAIN: the loop should wait for writability and then call
 * tap_writable. */
bool tap_wants_write(const struct tap *t);
void tap_writable(struct tap *t);
/* Stands between the device and the stack. in: a frame has come; true: it was taken over (p is the gate's), false: it
 * goes on to the stack. out: may this frame (borrowed) leave now? False: the device is busy, until td_if_ready is
 * called for its interface. NULL: none. g must stay. */
struct tap_gate {
    bool (*in)(void *ctx, struct pkt *p);
    bool (*out)(void *ctx, const struct pkt *p);
    void *ctx;
};
void tap_set_gate(struct tap *t, const struct tap_gate *g);
/* Gives the stack a frame that came earlier, as tap_readable would have done. Consumes p. */
void tap_input(struct tap *t, struct pkt *p, td_time now);

/* ---- below an interface: the device alone, for a wire between two of them ---- */
/* Opens, makes or attaches to c->name (may be NETNS:NAME: in that named network namespace), sets
 * MTU and queue length, brings the kernel's side up. The file descriptor (non-blocking), or -errno
 * and a sentence. name: as the kernel named it; *mtu: the kernel's side's. */
int tap_open_fd(const struct tap_config *c, char name[16], uint32_t *mtu, char *msg,
                size_t msg_size);
/* Writes one frame (borrowed): 0, -EAGAIN, or -errno (lost). */
int tap_write_fd(int fd, const struct pkt *p);

#endif
