/* socket/sockets.h: the socket layer as door/ uses it. Same meaning as tapdeck/socket.h; these are
 * the undispatched calls. */
#ifndef SOCKET_SOCKETS_H
#define SOCKET_SOCKETS_H

#include "core/stack.h"
#include "tapdeck/socket.h"

int sockets_init(struct td_stack *st);
void sockets_done(struct td_stack *st);
/* End of flush: runs the applications' notifications. True when some ran (they may have made calls). */
bool sockets_notify(struct td_stack *st);

int socket_open(struct td_stack *st, int domain, int type, int protocol, uint32_t owner);
uint32_t socket_owner(const struct td_stack *st); /* td_socket_owner's number */
void socket_set_owner(struct td_stack *st, uint32_t owner);
int socket_destroy(struct td_stack *st, const struct td_ends *which);
int socket_bind(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len);
int socket_listen(struct td_stack *st, int s, int backlog);
int socket_accept(struct td_stack *st, int s, struct sockaddr *sa, socklen_t *len);
int socket_connect(struct td_stack *st, int s, const struct sockaddr *sa, socklen_t len);
int64_t socket_sendmsg(struct td_stack *st, int s, const struct msghdr *m, int flags);
int64_t socket_recvmsg(struct td_stack *st, int s, struct msghdr *m, int flags);
int socket_shutdown(struct td_stack *st, int s, int how);
int socket_close(struct td_stack *st, int s);
int socket_dup(struct td_stack *st, int s);
int socket_setopt(struct td_stack *st, int s, int level, int name, const void *v, socklen_t len);
int socket_getopt(struct td_stack *st, int s, int level, int name, void *v, socklen_t *len);
int socket_getname(struct td_stack *st, int s, bool peer, struct sockaddr *sa, socklen_t *len);
int socket_ioctl(struct td_stack *st, int s, unsigned long request, int *out);
int socket_poll(struct td_stack *st, int s);
int socket_set_notify(struct td_stack *st, int s, td_notify *fn, void *ctx);
uint32_t socket_id(struct td_stack *st, int s);

#endif
