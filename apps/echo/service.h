/* echo/service.h: what the small services have in common.
 *
 * A service is a line of this table: what to do with a connection that may be readable or writable,
 * and what to answer to a datagram. service.c does the rest: options, sockets, limits, time-outs.
 */
#ifndef ECHO_SERVICE_H
#define ECHO_SERVICE_H

#include "common/app.h"

#include <sys/queue.h>

#define SERVICE_BUFFER (64U * 1024U)

struct service;

struct service_conn {
    TAILQ_ENTRY(service_conn) all;
    struct service *v;
    int s;
    bool eof;    /* the client's FIN has come */
    bool ending; /* ours is sent */
    td_time moved;
    uint64_t count; /* bytes sent: where chargen's pattern stands */
    uint8_t *held;  /* bytes that could not be sent yet, or NULL */
    size_t held_at, held_len;
};

enum service_step {
    SERVICE_AGAIN, /* something was done: go on */
    SERVICE_WAIT,  /* the socket said -EAGAIN */
    SERVICE_FIN,   /* all is said: send FIN, read to the client's, close */
    SERVICE_END,   /* close now */
};

struct service_class {
    const struct app_class *app;
    uint16_t port;
    /* One step of a connection. */
    enum service_step (*step)(struct service_conn *c);
    /* Answers a datagram of len bytes in buf (SERVICE_BUFFER large) in place; the length of the
     * answer, -1: none. */
    int64_t (*answer)(struct service *v, uint8_t *buf, size_t len);
    bool hoards; /* no connection is ever closed, however long it is idle */
};

struct service {
    const struct service_class *class;
    struct app_host host;
    td_ip4 addr;
    uint16_t port;
    int tcp, udp; /* handles; -1: not served */
    TAILQ_HEAD(service_conns, service_conn) conns;
    uint32_t count;
    uint64_t connections, datagrams, bytes;
    uint64_t pattern; /* chargen: state of its lengths */
    uint8_t *buffer;
};

int service_start(const struct service_class *class, const struct app_host *host, int argc,
                  char **argv, void **instance, char *msg, size_t msg_size);
void service_stop(void *instance);
void service_tick(void *instance, td_time now);
void service_status(void *instance, char *dst, size_t size);

/* For step functions. Sends len bytes; what the socket doesn't take is held and goes first next
 * time. */
enum service_step service_send(struct service_conn *c, const uint8_t *p, size_t len);
/* Sends what is held. SERVICE_AGAIN: nothing is held (any more). */
enum service_step service_send_held(struct service_conn *c);
/* Reads and throws away. SERVICE_END on the client's FIN or an error. */
enum service_step service_drain(struct service_conn *c);

#endif
