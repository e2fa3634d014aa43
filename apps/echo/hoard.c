/* echo/hoard.c: a server with a leak, for exercises.
 *
 * It takes connections and reads what comes, but never notices that a client has closed: its stack
 * has acknowledged the FIN, told the application (a read of 0 bytes), and waits in CLOSE-WAIT for a
 * close that never comes. No timer ends that state (RFC 9293 3.6), so each client leaves one
 * behind, until the handles or the CONNS_MAX connections of service.c are used up and newcomers
 * wait in the backlog. Stopping the application closes them, as the end of a process would.
 */
#include "echo/service.h"

#include <errno.h>

static enum service_step hoard_step(struct service_conn *c)
{
    int64_t n = td_recv(c->v->host.st, c->s, c->v->buffer, SERVICE_BUFFER, 0);
    if (n > 0)
        return SERVICE_AGAIN;
    return n == 0 || n == -EAGAIN ? SERVICE_WAIT
                                  : SERVICE_END; /* 0: the FIN, and this is the leak */
}

static int64_t hoard_answer(struct service *v, uint8_t *buf, size_t len)
{
    (void)v;
    (void)buf;
    (void)len;
    return -1;
}

static const struct service_class hoard_class = {
    .app = &app_hoard, .port = 9000, .step = hoard_step, .answer = hoard_answer, .hoards = true};

static int hoard_start(const struct app_host *host, int argc, char **argv, void **instance,
                       char *msg, size_t msg_size)
{
    return service_start(&hoard_class, host, argc, argv, instance, msg, msg_size);
}

const struct app_class app_hoard = {
    .name = "hoard",
    .usage = "hoard [-a ADDR] [-p PORT] [-t] [-u]",
    .doc = "A server with a leak, for exercises: it never closes a connection (CLOSE-WAIT).",
    .start = hoard_start,
    .stop = service_stop,
    .tick = service_tick,
    .status = service_status,
};
