/* echo/echo.c: the echo service, RFC 862: what comes goes back, over TCP and UDP. */
#include "echo/service.h"

#include <errno.h>

static enum service_step echo_step(struct service_conn *c)
{
    enum service_step held = service_send_held(c);
    if (held != SERVICE_AGAIN)
        return held;
    if (c->eof)
        return SERVICE_FIN; /* all that came before the client's FIN has been echoed */
    uint8_t *buffer = c->v->buffer;
    int64_t n = td_recv(c->v->host.st, c->s, buffer, SERVICE_BUFFER, 0);
    if (n == -EAGAIN)
        return SERVICE_WAIT;
    if (n < 0)
        return SERVICE_END;
    if (n == 0) {
        c->eof = true;
        return SERVICE_AGAIN;
    }
    return service_send(c, buffer, (size_t)n);
}

static int64_t echo_answer(struct service *v, uint8_t *buf, size_t len)
{
    (void)v;
    (void)buf;
    return (int64_t)len;
}

static const struct service_class echo_class = {
    .app = &app_echo, .port = 7, .step = echo_step, .answer = echo_answer};

static int echo_start(const struct app_host *host, int argc, char **argv, void **instance,
                      char *msg, size_t msg_size)
{
    return service_start(&echo_class, host, argc, argv, instance, msg, msg_size);
}

const struct app_class app_echo = {
    .name = "echo",
    .usage = "echo [-a ADDR] [-p PORT] [-t] [-u]",
    .doc = "Sends back what comes, over TCP and UDP (RFC 862).",
    .start = echo_start,
    .stop = service_stop,
    .tick = service_tick,
    .status = service_status,
};
