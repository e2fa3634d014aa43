/* common/services.h: names of well-known services (RFC 6335), those that students meet. */
#ifndef APPS_COMMON_SERVICES_H
#define APPS_COMMON_SERVICES_H

#include "tapdeck/types.h"

/* Port of a service by its name in /etc/services: "http" is 80. 0: not in the list. No file is
 * read. */
uint16_t service_port(const char *name);

#endif
