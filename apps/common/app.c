/* apps/common/app.c: the list of applications the daemon can start. */
#include "common/app.h"

const struct app_class *const app_classes[] = {
    &app_httpd, &app_echo, &app_discard, &app_chargen, &app_daytime, &app_hoard, NULL,
};
