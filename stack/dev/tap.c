/* dev/tap.c: a Linux TAP device as an interface of a stack.
 *
 * Theory of operation. /dev/net/tun gives a program one end of a virtual Ethernet cable; the kernel
 * has the other end as an interface (tap0). What the kernel sends there, read() returns, one frame
 * a call; what we write() there, the kernel receives, in our thread and at once. Frames are whole
 * Ethernet frames without FCS and without any prefix (IFF_NO_PI).
 *
 * Reading: tap_readable() takes up to `budget` frames, each straight into the head of a packet that
 * has headroom for nothing (it is on its way up) and size for the largest frame the kernel's side
 * can send. A short frame is copied into a packet of its own size, so that a queue of
 * acknowledgements doesn't pin a queue of 1,700-byte blocks; the large packet is kept for the next
 * frame. The same where the device takes jumbo frames and gets ordinary ones.
 *
 * Writing: writev() of the head and the payload slices, nothing is copied together first. EAGAIN
 * means the kernel's side is full: the frame stays in the interface's queue discipline, and the
 * loop waits for writability. EIO means that the kernel's side is down: the frame is lost, as it is
 * on a cable nobody holds.
 *
 * The trap of the transmit queue. Towards us the kernel queues frames in the device's ring, 1000
 * frames by default, and when it is full it drops without telling the sender. A receive window
 * larger than the ring (1000 × 1460 bytes = 1.4 MB) invites a sender to overflow it whenever we are
 * not scheduled for a moment; throughput then falls to a tenth. So the queue is made 4000 frames
 * long when the device is opened. This needs CAP_NET_ADMIN, which the user of somebody else's
 * persistent device may not have: then the device is used as it is and tap_warning() says so.
 *
 * This module doesn't touch the kernel side's addresses: whoever wants to talk to the stack gives
 * the kernel an address himself.
 */
#include "dev/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/pkt.h"
#include "core/stack.h"

#define TAP_QUEUE   4000
#define LINK_ROOM   22  /* Ethernet header and two 802.1Q tags */
#define SMALL_FRAME 256 /* frames up to this size, and up to a quarter of the largest, are copied */
#define MAX_IOV     64

struct tap {
    struct td_stack *st;
    int fd;
    char name[IFNAMSIZ];
    uint32_t ifindex;
    uint32_t frame_max; /* bytes a read must have room for */
    struct pkt *spare;  /* for the next frame */
    bool wants_write;
    const struct tap_gate *gate;
    struct tap_stats stats;
    char warning[256];
};

static int fail(char *msg, size_t msg_size, int err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static int fail(char *msg, size_t msg_size, int err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, msg_size, fmt, ap);
    va_end(ap);
    return -err;
}

/* ---- opening ---- */

static int open_tun(char *msg, size_t size)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return fail(msg, size, errno,
                    "/dev/net/tun is missing, so no TAP device can be made: load the driver with "
                    "`modprobe tun` (`tapdeck doctor` looks further)");
    case EACCES:
    case EPERM:
        return fail(
            msg, size, errno,
            "no permission to open /dev/net/tun: use sudo, or let every user open it (`sudo "
            "chmod 0666 /dev/net/tun`) and work in `unshare -Urn`");
    default:
        return fail(msg, size, errno, "/dev/net/tun can't be opened: %s", strerror(errno));
    }
}

/* TUNSETIFF: makes the device, or attaches to the one of that name. */
static int attach(int fd, const struct tap_config *c, const char *name, struct ifreq *ifr,
                  char *msg, size_t size)
{
    memset(ifr, 0, sizeof(*ifr));
    if (*name == '\0' || strlen(name) >= IFNAMSIZ || strpbrk(name, "/ :") != NULL)
        return fail(
            msg, size, EINVAL,
            "'%s' is not a name for an interface: 1 to %d characters without '/', ':' or blanks",
            name, IFNAMSIZ - 1);
    memcpy(ifr->ifr_name, name, strlen(name));
    ifr->ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(fd, TUNSETIFF, ifr) < 0) {
        switch (errno) {
        case EBUSY:
            return fail(msg, size, EBUSY,
                        "the TAP device %s is in use by another program: choose another name, or "
                        "end that program",
                        name);
        case ENOTTY:
            return fail(msg, size, ENOTTY,
                        "/dev/net/tun is something else than the driver of TAP devices: "
                        "`tapdeck doctor` looks further");
        case EPERM:
            return fail(msg, size, EPERM,
                        "no permission to make or use the TAP device %s: use sudo, or a network "
                        "namespace of your own with `unshare -Urn`",
                        name);
        case EINVAL:
        case EEXIST:
            return fail(
                msg, size, EEXIST,
                "there is already an interface %s and it is no TAP device: choose another name",
                name);
        default:
            return fail(msg, size, errno, "the TAP device %s can't be made: %s", name,
                        strerror(errno));
        }
    }
    if (c->persist && ioctl(fd, TUNSETPERSIST, 1) < 0)
        return fail(msg, size, errno, "the TAP device %s can't be made persistent: %s",
                    ifr->ifr_name, strerror(errno));
    return 0;
}

/* An ioctl about the kernel's side of `name`. */
static int kernel_ioctl(const char *name, unsigned long request, struct ifreq *ifr)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        return -errno;
    memset(ifr->ifr_name, 0, sizeof(ifr->ifr_name));
    memcpy(ifr->ifr_name, name, strlen(name));
    int err = ioctl(s, request, ifr) < 0 ? -errno : 0;
    close(s);
    return err;
}

static int kernel_mtu(const char *name, uint32_t mtu, char *msg, size_t size)
{
    struct ifreq ifr = {0};
    int err = kernel_ioctl(name, SIOCGIFMTU, &ifr);
    if (err == 0 && ifr.ifr_mtu == (int)mtu)
        return 0;
    ifr.ifr_mtu = (int)mtu;
    err = kernel_ioctl(name, SIOCSIFMTU, &ifr);
    if (err == -EPERM)
        return fail(msg, size, EPERM,
                    "no permission to set the MTU of %s to %u: use sudo, or set it with `ip link "
                    "set %s mtu %u` first",
                    name, mtu, name, mtu);
    return err == 0 ? 0
                    : fail(msg, size, -err, "the MTU of %s can't be set to %u: %s", name, mtu,
                           strerror(-err));
}

static int kernel_up(const char *name, char *msg, size_t size)
{
    struct ifreq ifr = {0};
    int err = kernel_ioctl(name, SIOCGIFFLAGS, &ifr);
    if (err == 0 && (ifr.ifr_flags & IFF_UP))
        return 0;
    ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
    if (err == 0)
        err = kernel_ioctl(name, SIOCSIFFLAGS, &ifr);
    if (err == -EPERM)
        return fail(msg, size, EPERM,
                    "no permission to bring %s up: use sudo, or `ip link set %s up` first", name,
                    name);
    return err == 0 ? 0 : fail(msg, size, -err, "%s can't be brought up: %s", name, strerror(-err));
}

/* Sets the transmit queue's length through rtnetlink: the ioctl for it asks for the capability in
 * the first user namespace, this one in the namespace that owns the device, which is what a user
 * has after `unshare -Urn`. */
static int set_queue(unsigned ifindex, uint32_t frames)
{
    struct {
        struct nlmsghdr h;
        struct ifinfomsg link;
        struct rtattr attr;
        uint32_t frames;
    } ask = {
        .h = {.nlmsg_len = sizeof(ask),
              .nlmsg_type = RTM_NEWLINK,
              .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex},
        .attr = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_TXQLEN},
        .frames = frames,
    };
    struct {
        struct nlmsghdr h;
        struct nlmsgerr e;
        char rest[256];
    } answer = {0};
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (s < 0)
        return -errno;
    int err = 0;
    if (send(s, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask) ||
        recv(s, &answer, sizeof(answer), 0) < 0)
        err = -errno;
    else if (answer.h.nlmsg_type == NLMSG_ERROR)
        err = answer.e.error;
    close(s);
    return err;
}

static void kernel_queue(const char *name, uint32_t frames, char *warning, size_t size)
{
    struct ifreq ifr = {0};
    int err = kernel_ioctl(name, SIOCGIFTXQLEN, &ifr);
    if (err == 0 && ifr.ifr_qlen >= (int)frames)
        return;
    int had = ifr.ifr_qlen;
    err = set_queue(if_nametoindex(name), frames);
    if (err < 0 && warning != NULL)
        snprintf(
            warning, size,
            "the transmit queue of %s stays at %d frames (%s): receive windows beyond %d bytes may "
            "overflow it; `ip link set %s txqueuelen %u` mends it",
            name, had, strerror(-err), had * 1460, name, frames);
}

static int open_device(const struct tap_config *c, const char *name, char out[IFNAMSIZ],
                       uint32_t *mtu, char *warning, size_t warning_size, char *msg, size_t size)
{
    struct ifreq ifr;
    int fd = open_tun(msg, size);
    if (fd < 0)
        return fd;
    int err = attach(fd, c, name, &ifr, msg, size);
    if (err == 0) {
        memcpy(out, ifr.ifr_name, IFNAMSIZ);
        out[IFNAMSIZ - 1] = '\0';
        *mtu = c->mtu ? c->mtu : 1500;
        err = kernel_mtu(out, *mtu, msg, size);
    }
    if (err == 0) {
        /* Before it is up: the ring has this size from the first frame on. */
        kernel_queue(out, c->txqueuelen ? c->txqueuelen : TAP_QUEUE, warning, warning_size);
        err = kernel_up(out, msg, size);
    }
    if (err < 0) {
        close(fd);
        return err;
    }
    return fd;
}

/* Enters the network namespace `ip netns` calls `name`; the old one's descriptor, or -errno. */
static int enter_netns(const char *name, size_t len, char *msg, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "/run/netns/%.*s", (int)len, name);
    int there = open(path, O_RDONLY | O_CLOEXEC);
    if (there < 0)
        return fail(msg, size, errno, "there is no network namespace '%.*s': `ip netns` lists them",
                    (int)len, name);
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (here < 0 || setns(there, CLONE_NEWNET) < 0) {
        int err = errno;
        close(there);
        if (here >= 0)
            close(here);
        return fail(msg, size, err, "the network namespace '%.*s' can't be entered: %s", (int)len,
                    name, strerror(err));
    }
    close(there);
    return here;
}

int tap_open_fd(const struct tap_config *c, char name[16], uint32_t *mtu, char *msg,
                size_t msg_size)
{
    const char *colon = strchr(c->name, ':');
    if (colon == NULL)
        return open_device(c, c->name, name, mtu, NULL, 0, msg, msg_size);
    int here = enter_netns(c->name, (size_t)(colon - c->name), msg, msg_size);
    if (here < 0)
        return here;
    int fd = open_device(c, colon + 1, name, mtu, NULL, 0, msg, msg_size);
    if (setns(here, CLONE_NEWNET) < 0 && fd >= 0) {
        close(fd);
        fd = fail(msg, msg_size, errno, "the way back to the first network namespace is closed: %s",
                  strerror(errno));
    }
    close(here);
    return fd;
}

/* ---- transmit ---- */

int tap_write_fd(int fd, const struct pkt *p)
{
    struct iovec iov[MAX_IOV];
    int n = 0;
    ssize_t wrote;
    if (p->head_len > 0)
        iov[n++] = (struct iovec){p->data, p->head_len};
    if ((size_t)p->nslices + (size_t)n <= MAX_IOV) {
        for (unsigned i = 0; i < p->nslices; i++) {
            const struct pkt_slice *s = &p->slices[i];
            iov[n++] = (struct iovec){s->block->bytes + s->off, s->len};
        }
        do
            wrote = n == 1 ? write(fd, iov[0].iov_base, iov[0].iov_len) : writev(fd, iov, n);
        while (wrote < 0 && errno == EINTR);
    } else {
        /* More pieces than an iovec of ours has: no frame of an ordinary MTU gets here. */
        uint8_t *whole = malloc(p->len);
        if (whole == NULL || !pkt_read(p, 0, whole, p->len)) {
            free(whole);
            return -ENOMEM;
        }
        wrote = write(fd, whole, p->len);
        int err = errno;
        free(whole);
        errno = err;
    }
    if (wrote >= 0)
        return 0;
    return errno == EAGAIN ? -EAGAIN : -errno;
}

static int tap_transmit(void *dev, const struct pkt *p)
{
    struct tap *t = dev;
    if (t->gate != NULL && !t->gate->out(t->gate->ctx, p))
        return -EAGAIN;
    int err = tap_write_fd(t->fd, p);
    if (err == -EAGAIN) {
        t->wants_write = true;
        t->stats.tx_busy++;
        return -EAGAIN;
    }
    if (err < 0)
        t->stats.tx_lost++;
    else
        t->stats.tx_frames++;
    return 0;
}

static const struct td_device_ops tap_ops = {.transmit = tap_transmit};

/* ---- the interface ---- */

struct tap *tap_open(struct td_stack *st, const struct tap_config *c, int *err, char *msg,
                     size_t msg_size)
{
    struct tap *t = calloc(1, sizeof(*t));
    uint32_t mtu = 0;
    if (t == NULL) {
        *err = fail(msg, msg_size, ENOMEM, "out of memory");
        return NULL;
    }
    t->st = st;
    t->fd = open_device(c, c->name, t->name, &mtu, t->warning, sizeof(t->warning), msg, msg_size);
    if (t->fd < 0) {
        *err = t->fd;
        free(t);
        return NULL;
    }
    struct td_if_config ic = {
        .mac = c->mac,
        .mtu = mtu,
        .flags = TD_IF_UP | TD_IF_BROADCAST | TD_IF_MULTICAST,
        .ops = &tap_ops,
        .dev = t,
    };
    const char *name = c->stack_name ? c->stack_name : t->name;
    snprintf(ic.name, sizeof(ic.name), "%s", name);
    t->frame_max = mtu + LINK_ROOM;
    *err = strlen(name) < sizeof(ic.name) ? td_if_add(st, &ic, &t->ifindex) : -EINVAL;
    if (*err < 0) {
        if (*err == -EEXIST)
            fail(msg, msg_size, EEXIST,
                 "the stack already has an interface %s: choose another name after `as`", name);
        else
            fail(msg, msg_size, -*err, "the stack doesn't take an interface %s: %s", name,
                 strerror(-*err));
        close(t->fd);
        free(t);
        return NULL;
    }
    return t;
}

void tap_close(struct tap *t)
{
    if (t == NULL)
        return;
    td_if_del(t->st, t->ifindex);
    pkt_free(t->spare);
    close(t->fd);
    free(t);
}

int tap_set_mtu(struct tap *t, uint32_t mtu, char *msg, size_t msg_size)
{
    int err = kernel_mtu(t->name, mtu, msg, msg_size);
    if (err < 0)
        return err;
    err = td_if_set_mtu(t->st, t->ifindex, mtu);
    if (err < 0)
        return fail(msg, msg_size, -err, "the stack doesn't take an MTU of %u: %s", mtu,
                    strerror(-err));
    if (mtu + LINK_ROOM > t->frame_max)
        t->frame_max = mtu + LINK_ROOM;
    return 0;
}

int tap_fd(const struct tap *t)
{
    return t->fd;
}

const char *tap_name(const struct tap *t)
{
    return t->name;
}

uint32_t tap_ifindex(const struct tap *t)
{
    return t->ifindex;
}

const char *tap_warning(const struct tap *t)
{
    return t->warning[0] ? t->warning : NULL;
}

struct tap_stats tap_stats(const struct tap *t)
{
    return t->stats;
}

/* Takes a frame off the kernel that there is no memory for: it must not stay at the head of its
 * queue, or the loop would spin on it. */
static bool discard_frame(struct tap *t)
{
    uint8_t byte[1];
    if (read(t->fd, byte, sizeof(byte)) < 0)
        return false;
    t->stats.rx_nomem++;
    return true;
}

/* A frame filled the room to its last byte: it was cut if the kernel side's MTU was raised behind
 * our back. IP will drop it as too short; the next ones have room. */
static void grow_frames(struct tap *t)
{
    struct ifreq ifr = {0};
    if (kernel_ioctl(t->name, SIOCGIFMTU, &ifr) == 0 &&
        (uint32_t)ifr.ifr_mtu + LINK_ROOM > t->frame_max)
        t->frame_max = (uint32_t)ifr.ifr_mtu + LINK_ROOM;
}

void tap_set_gate(struct tap *t, const struct tap_gate *g)
{
    t->gate = g;
}

void tap_input(struct tap *t, struct pkt *p, td_time now)
{
    td_stack_input(t->st, t->ifindex, p, now);
}

int tap_readable(struct tap *t, td_time now, int budget)
{
    struct mem *mem = td_stack_mem(t->st);
    int frames = 0;
    while (frames < budget) {
        struct pkt *p = t->spare;
        t->spare = NULL;
        uint8_t *room = NULL;
        if (p != NULL && p->len < t->frame_max) {
            pkt_free(p);
            p = NULL;
        }
        if (p == NULL) {
            p = pkt_alloc(mem, 0, t->frame_max);
            room = p != NULL ? pkt_put(p, t->frame_max) : NULL;
        } else {
            room = p->data;
        }
        if (room == NULL) {
            pkt_free(p);
            if (!discard_frame(t))
                break;
            frames++;
            continue;
        }
        ssize_t n;
        do
            n = read(t->fd, room, t->frame_max);
        while (n < 0 && errno == EINTR);
        if (n <= 0) {
            if (n < 0 && errno != EAGAIN)
                t->stats.rx_errors++;
            t->spare = p;
            break;
        }
        frames++;
        t->stats.rx_frames++;
        if ((uint32_t)n == t->frame_max)
            grow_frames(t);
        if (n <= SMALL_FRAME || (uint32_t)n <= t->frame_max / 4) {
            struct pkt *small = pkt_from_bytes(mem, 0, room, (uint32_t)n);
            if (small != NULL) {
                t->spare = p;
                p = small;
            }
        }
        if (p->len != (uint32_t)n)
            pkt_trim(p, (uint32_t)n);
        if (t->gate == NULL || !t->gate->in(t->gate->ctx, p))
            tap_input(t, p, now);
    }
    return frames;
}

bool tap_wants_write(const struct tap *t)
{
    return t->wants_write;
}

void tap_writable(struct tap *t)
{
    t->wants_write = false;
    td_if_ready(t->st, t->ifindex);
}

