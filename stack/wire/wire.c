/* Reading and writing headers: what all of them share.
 *
 * Theory of operation. A frame from the network is a claim, not a fact: every length in it may lie.
 * So the rest of the stack never looks into raw bytes. It asks a function of this folder, which
 * checks what has to be checked and hands out a struct in host byte order, or one of the reasons
 * below. Whoever reads such a struct needs no further test before he uses a field; whoever gets a
 * reason drops the frame and writes the reason's name into the journal.
 *
 * The files stand for themselves: eth, arp, ipv4, icmp, udp, tcp, and the checksum they share. None
 * of them keeps state, allocates, or reads beyond the length it was told.
 */
#include "wire/wire.h"

const char *wire_status_name(enum wire_status s)
{
    switch (s) {
    case WIRE_OK:
        return "ok";
    case WIRE_SHORT:
        return "short";
    case WIRE_BAD_VERSION:
        return "bad version";
    case WIRE_BAD_LENGTH:
        return "bad length";
    case WIRE_BAD_CHECKSUM:
        return "bad checksum";
    case WIRE_BAD_OPTION:
        return "bad option";
    case WIRE_BAD_TYPE:
        return "bad type";
    }
    return "unknown";
}
