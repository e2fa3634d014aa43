/* echo/discard.c: the discard service, RFC 863: what comes is thrown away, over TCP and UDP. */
#include "echo/service.h"

static int64_t discard_answer(struct service *v, uint8_t *buf, size_t len)
{
    (void)v;
    (void)buf;
    (void)len;
    return -1;
}

static const struct service_class discard_class = {
    .app = &app_discard, .port = 9, .step = service_drain, .answer = discard_answer};

static int discard_start(const struct app_host *host, int argc, char **argv, void **instance,
                         char *msg, size_t msg_size)
{
    return service_start(&discard_class, host, argc, argv, instance, msg, msg_size);
}

const struct app_class app_discard = {
    .name = "discard",
    .usage = "discard [-a ADDR] [-p PORT] [-t] [-u]",
    .doc = "Throws away what comes, over TCP and UDP (RFC 863).",
    .start = discard_start,
    .stop = service_stop,
    .tick = service_tick,
    .status = service_status,
};
