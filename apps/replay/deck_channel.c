/* replay/deck_channel.c: messages with a descriptor, between the console and the tape's processes
 * (deck_internal.h). */
#include "replay/deck_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

union control { /* aligned as the kernel wants it */
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool deck_send(int channel, const struct deck_message *head, const void *body, int fd)
{
    struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)head, .iov_len = sizeof(*head)},
                           {.iov_base = (void *)(uintptr_t)body, .iov_len = head->len}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = head->len > 0 ? 2 : 1};
    union control c;
    memset(&c, 0, sizeof(c));
    if (fd >= 0) {
        m.msg_control = c.bytes;
        m.msg_controllen = sizeof(c.bytes);
        c.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
    }
    for (;;) {
        ssize_t n = sendmsg(channel, &m, MSG_NOSIGNAL);
        if (n >= 0 || errno != EINTR)
            return n >= 0;
    }
}

bool deck_receive(int channel, struct deck_message *head, char *body, int *fd)
{
    struct iovec iov[2] = {{.iov_base = head, .iov_len = sizeof(*head)},
                           {.iov_base = body, .iov_len = DECK_BODY}};
    union control c;
    struct msghdr m = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = c.bytes, .msg_controllen = sizeof(c.bytes)};
    ssize_t n;
    *fd = -1;
    do {
        n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < (ssize_t)sizeof(*head))
        return false;
    const struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(h), sizeof(*fd));
    head->len = (uint32_t)((size_t)n - sizeof(*head));
    body[head->len] = '\0';
    return true;
}
