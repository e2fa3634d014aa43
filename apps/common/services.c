/* common/services.c: names of well-known services. A table instead of getservbyname(): the daemon
 * has one thread, and the C library may ask other programs for a name. */
#include "common/services.h"

#include <string.h>

static const struct {
    const char *name;
    uint16_t port;
} services[] = {
    {"tcpmux", 1},        {"echo", 7},           {"discard", 9},       {"systat", 11},
    {"daytime", 13},      {"netstat", 15},       {"qotd", 17},         {"chargen", 19},
    {"ftp-data", 20},     {"ftp", 21},           {"ssh", 22},          {"telnet", 23},
    {"smtp", 25},         {"mail", 25},          {"time", 37},         {"whois", 43},
    {"domain", 53},       {"dns", 53},           {"bootps", 67},       {"bootpc", 68},
    {"tftp", 69},         {"gopher", 70},        {"finger", 79},       {"http", 80},
    {"www", 80},          {"kerberos", 88},      {"pop3", 110},        {"sunrpc", 111},
    {"nntp", 119},        {"ntp", 123},          {"netbios-ns", 137},  {"netbios-dgm", 138},
    {"netbios-ssn", 139}, {"imap2", 143},        {"imap", 143},        {"snmp", 161},
    {"snmp-trap", 162},   {"bgp", 179},          {"irc", 194},         {"ldap", 389},
    {"https", 443},       {"microsoft-ds", 445}, {"submissions", 465}, {"syslog", 514},
    {"printer", 515},     {"submission", 587},   {"ipp", 631},         {"ldaps", 636},
    {"domain-s", 853},    {"rsync", 873},        {"imaps", 993},       {"pop3s", 995},
    {"socks", 1080},      {"openvpn", 1194},     {"mqtt", 1883},       {"radius", 1812},
    {"nfs", 2049},        {"mysql", 3306},       {"sip", 5060},        {"mdns", 5353},
    {"postgresql", 5432}, {"x11", 6000},         {"redis", 6379},      {"http-alt", 8080},
};

uint16_t service_port(const char *name)
{
    for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
        if (strcmp(services[i].name, name) == 0)
            return services[i].port;
    return 0;
}
