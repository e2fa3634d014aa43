/* tests of apps/tapdeckd/cmd_link.c and cmd_bridge.c, and of what `ip` shows of links and labels.
 */
#include "console.h"

#include "link/link.h"

static void setup(void)
{
    con_open(3);
}

static const struct netif *nif(const char *name)
{
    return netif_by_index(con.st, td_if_index(con.st, name));
}

static void heard(const char *port, uint8_t station)
{
    uint8_t f[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 6, 0, 0, 0, 0, station, 8, 0};

    ck_assert_int_eq(
        td_stack_input_bytes(con.st, td_if_index(con.st, port), f, sizeof f, td_stack_now(con.st)),
        0);
}

START_TEST(a_vlan)
{
    con_done("ip link add link eth0 name eth0.10 type vlan id 10");
    con_done("ip link set eth0.10 up");
    con_done("ip link show eth0.10");
    con_says("5: eth0.10@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP "
             "mode DEFAULT");
    con_says("link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n");
    con_done("ip -d link show eth0.10");
    con_says("maxmtu 1500 \n    vlan protocol 802.1Q id 10 <REORDER_HDR> numtxqueues 1");
    con_done("ip -br link show eth0.10");
    con_says("eth0.10@eth0     UP ");
    json_t *list = con_json("ip -d link show eth0.10"), *o = json_array_get(list, 0);
    ck_assert_str_eq(json_string_value(json_object_get(o, "link")), "eth0");
    o = json_object_get(o, "linkinfo");
    ck_assert_str_eq(json_string_value(json_object_get(o, "info_kind")), "vlan");
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(o, "info_data"), "id")),
                     10);
    json_decref(list);
    con_done("ip link set eth0 down");
    con_done("ip link show eth0.10");
    con_says("<BROADCAST,MULTICAST,M-DOWN>");
    con_says("state DOWN");
    con_refused("ip link set eth0.10 up",
                "can't be up while eth0 below it is down: `ip link set eth0 up` first");
    con_done("ip link set eth0 up");
    con_refused("ip link set eth0.10 mtu 1501", "can't be larger than that of eth0 below it, 1500");
    con_done("ip link add link eth0.10 name q mtu 1400 address 02:00:00:00:00:99 type vlan id 20 "
             "protocol 802.1Q");
    con_done("ip link del eth0.10");
    ck_assert_uint_eq(td_if_index(con.st, "q"), 0);
}
END_TEST

START_TEST(a_bridge)
{
    con_done("ip link add name br0 type bridge ageing_time 1000 fdb_max_learned 5");
    con_done("ip link set br0 up");
    con_done("ip link show br0");
    con_says("<NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN");
    con_done("ip link set eth1 master br0");
    con_done("ip link set eth2 master br0 mtu 1400");
    con_done("ip link show br0");
    con_says("<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP");
    con_says("02:00:00:00:00:02");
    con_done("ip -d link show eth1");
    con_says("qdisc pfifo master br0 state UP");
    con_says("promiscuity 1");
    con_says("bridge_slave state forwarding hairpin off learning on flood on isolated off");
    con_done("ip -d link show br0");
    con_says(
        "bridge ageing_time 1000 stp_state 0 vlan_filtering 0 fdb_n_learned 0 fdb_max_learned 5");
    heard("eth1", 1);
    td_stack_tick(con.st, 10 * TD_SEC);
    con_done("ip link set br0 type bridge ageing_time 30000");
    td_stack_tick(con.st, 12 * TD_SEC);
    con_done("bridge fdb show br br0");
    con_says("06:00:00:00:00:01 dev eth1 master br0 \n");
    con_says("02:00:00:00:00:02 dev eth1 master br0 permanent\n");
    con_done("bridge -s fdb show dev eth1");
    con_says("06:00:00:00:00:01 used 11/11 master br0");
    con_done("ip link show master br0");
    con_silent("eth0");
    con_says("eth1");
    con_done("ip link show type bridge");
    con_silent("eth1:");
    con_says("br0:");
    con_done("ip link set eth1 nomaster");
    con_done("bridge fdb show");
    con_silent("eth1");
    con_done("ip link del br0 type bridge");
    con_done("bridge fdb");
    ck_assert_str_eq(con.out, "");
    ck_assert_ptr_null(netif_master(nif("eth2")));
}
END_TEST

START_TEST(stations)
{
    con_done("ip link add br0 up type bridge");
    con_done("ip link set eth0 master br0");
    con_done("bridge fdb add 06:00:00:00:00:07 dev eth0 master static");
    con_done("bridge fdb add 06:00:00:00:00:08 dev eth0 sticky");
    con_done("bridge fdb replace 06:00:00:00:00:09 dev eth0 dynamic");
    con_done("bridge fdb add 06:00:00:00:00:0a dev br0 self");
    con_done("bridge fdb show");
    con_says("06:00:00:00:00:07 dev eth0 master br0 static\n");
    con_says("06:00:00:00:00:08 dev eth0 sticky master br0 static\n");
    con_says("06:00:00:00:00:09 dev eth0 master br0 \n");
    con_says("06:00:00:00:00:0a dev br0 master br0 permanent\n");
    json_t *list = con_json("bridge -s fdb show br br0"), *o;
    ck_assert_uint_eq(json_array_size(list), 5);
    o = json_array_get(list, 2);
    ck_assert_str_eq(json_string_value(json_object_get(o, "mac")), "06:00:00:00:00:08");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(o, "flags"), 0)), "sticky");
    ck_assert_int_eq(json_integer_value(json_object_get(o, "used")), 0);
    json_decref(list);
    con_done("bridge fdb flush dev br0");
    con_done("bridge fdb");
    con_silent("06:00:00:00:00:09");
    con_done("bridge fdb del 06:00:00:00:00:07 dev eth0");
    con_refused("bridge fdb del 06:00:00:00:00:07 dev eth0", "isn't known behind eth0");
    con_refused("bridge fdb del 02:00:00:00:00:01 dev eth0", "own address");
    con_refused("bridge fdb add 06:00:00:00:00:07 dev eth1", "no port of a bridge");
    con_refused("bridge fdb add 06:00:00:00:00:07 dev br0 static", "permanent");
    con_refused("bridge fdb add 01:00:00:00:00:07 dev eth0", "no station's address");
    con_refused("bridge fdb add 01:00 dev eth0", "is not a MAC address");
    con_refused("bridge fdb add 06:00:00:00:00:07", "which port?");
    con_refused("bridge fdb add", "missing after");
    con_refused("bridge fdb add 06:00:00:00:00:07 dev eth0 vlan 3", "'vlan' doesn't belong");
    con_refused("bridge fdb flush dev eth1", "neither a bridge nor a port");
    con_refused("bridge fdb flush", "bridge fdb flush dev X");
    con_refused("bridge fdb show at eth0", "'at'");
    con_refused("bridge vlan", "every port passes every tag");
    con_refused("bridge", "bridge fdb");
    con_refused("bridge -x fdb", "-j, -s and -d");
}
END_TEST

START_TEST(ports)
{
    con_done("ip link add br0 type bridge");
    con_done("ip link set eth0 master br0");
    con_done("bridge link set dev eth0 hairpin on learning off");
    ck_assert_uint_eq(bridge_port_flags(nif("eth0")), TD_PORT_HAIRPIN | TD_PORT_FLOOD);
    con_done("bridge link");
    con_says("2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 master br0 state forwarding \n");
    con_silent("hairpin");
    con_done("bridge -d link");
    con_says("mtu 1500 master br0 state forwarding \n    hairpin on learning off flood on "
             "isolated off\n");
    json_t *list = con_json("bridge -d link show dev eth0");
    ck_assert(json_is_true(json_object_get(json_array_get(list, 0), "hairpin")));
    json_decref(list);
    con_done("ip link set eth0 type bridge_slave hairpin off isolated on");
    ck_assert_uint_eq(bridge_port_flags(nif("eth0")), TD_PORT_ISOLATED | TD_PORT_FLOOD);
    con_refused("bridge link set dev eth1 flood on", "no port of a bridge");
    con_refused("bridge link set dev eth0 flood maybe", "write on or off");
    con_refused("bridge link set flood on", "which port?");
    con_refused("bridge link set dev eth0 colour red", "'colour'");
    con_refused("ip link set eth1 type bridge_slave flood on", "eth1 is no port of a bridge");
    con_refused("ip link set eth1 type bridge ageing_time 1", "eth1 is no bridge");
    con_refused("ip link set eth1 type vlan", "nothing to be set");
}
END_TEST

START_TEST(a_dummy)
{
    con_done("ip link add d0 mtu 9000 up type dummy");
    con_done("ip addr add 192.0.2.1/32 dev d0");
    con_done("ip -d -s link show d0");
    con_says("<BROADCAST,NOARP,UP,LOWER_UP> mtu 9000 qdisc noqueue state UNKNOWN");
    con_says("    dummy numtxqueues");
    con_says("    TX: ");
    con_done("ip addr show d0");
    con_says("inet 192.0.2.1/32 scope global d0");
    con_done("ip route add 198.51.100.0/24 dev d0");
    con_done("ip link del d0");
    con_done("ip route");
    con_silent("198.51.100.0");
}
END_TEST

START_TEST(flags_and_several_words_at_once)
{
    con_done("ip link set eth0 promisc on arp off mtu 1300");
    con_done("ip link show eth0");
    con_says("<BROADCAST,MULTICAST,NOARP,PROMISC,UP,LOWER_UP> mtu 1300");
    con_done("ip link set eth0 promisc off arp on multicast off");
    con_done("ip link show eth0");
    con_says("<BROADCAST,UP,LOWER_UP>");
    con_done("ip link add br0 type bridge");
    con_done("ip link add link eth1 name v up type vlan id 5");
    /* a line with something wrong in it changes nothing, wherever in it that is */
    con_refused("ip link set v down mtu 1200 promisc on master eth0", "eth0 is no bridge");
    con_refused("ip link set v down mtu 1200 promisc perhaps", "write on or off");
    con_refused("ip link set v promisc on mtu 1501 up", "can't be larger");
    con_refused("ip link set lo mtu 1000 promisc on master br0", "it has no Ethernet");
    ck_assert_uint_eq(nif("lo")->mtu, 65535);
    ck_assert_uint_eq(nif("lo")->flags & TD_IF_PROMISC, 0);
    ck_assert(netif_is_up(nif("v")));
    ck_assert_uint_eq(nif("v")->mtu, 1500);
    ck_assert_uint_eq(nif("v")->flags & TD_IF_PROMISC, 0);
}
END_TEST

START_TEST(what_is_refused)
{
    con_done("ip link add link eth0 name eth0.10 type vlan id 10");
    con_done("ip link add br0 type bridge");
    con_refused("ip link add link eth0 name x type vlan id 0", "write 1 to 4094");
    con_refused("ip link add link eth0 name x type vlan id 4095", "write 1 to 4094");
    con_refused("ip link add link eth0 name x type vlan id ten", "write 1 to 4094");
    con_refused("ip link add link eth0 name x type vlan", "which VLAN?");
    con_refused("ip link add name x type vlan id 3", "which interface carries the VLAN?");
    con_refused("ip link add link eth0 name x type vlan id 10",
                "VLAN 10 of eth0 is eth0.10 already");
    con_refused("ip link add link eth0 name eth0.10 type vlan id 11",
                "there is an interface eth0.10 already");
    con_refused("ip link add link eth0 name x type vlan id 3 protocol 802.1ad",
                "VLANs here are 802.1Q");
    con_refused("ip link add link lo name x type vlan id 3", "lo can't carry a VLAN");
    con_refused("ip link add link eth0 name x mtu 1501 type vlan id 3",
                "larger than that of eth0 below it");
    con_refused("ip link add link eth9 name x type vlan id 3", "there is no interface 'eth9'");
    con_refused("ip link add link eth0 name a/b type vlan id 3", "is not a name for an interface");
    con_refused("ip link add link eth0 sixteen-letters- type vlan id 3", "too long");
    con_refused("ip link add x y type dummy", "'y'");
    con_refused("ip link add x", "what is it to be?");
    con_refused("ip link add type dummy", "which name?");
    con_refused("ip link add x type gre", "vlan, bridge or dummy");
    con_refused("ip link add link eth0 x type bridge", "leave `link` out");
    con_refused("ip link add x type bridge stp_state 1", "takes no part in the spanning tree");
    con_refused("ip link add x type bridge vlan_filtering 1", "passes every VLAN");
    con_refused("ip link add x type bridge ageing_time soon", "'soon' is not a number");
    con_refused("ip link add x type bridge colour 1", "'colour'");
    con_refused("ip link add x type dummy size 1", "'size'");
    con_refused("ip link add x address 00:00:00:00:00:00 type dummy", "all zero");
    con_refused("ip link add link br0 name v type vlan id 1 up", "'up'");
    con_refused("ip link set br0 master br0", "br0 can't be a port there");
    con_refused("ip link del lo", "lo can't be removed");
    con_refused("ip link del", "which interface?");
    con_refused("ip link del eth0 eth1", "takes one interface");
    con_refused("ip link del eth7", "there is no interface 'eth7'");
    con_refused("ip link show type gre", "'gre' is not a type");
    con_done("ip link set eth1 down");
    con_refused("ip link add link eth1 name v up type vlan id 1",
                "can't be up while eth1 below it is down");
    ck_assert_uint_eq(td_if_index(con.st, "x"), 0);
    ck_assert_uint_eq(td_if_index(con.st, "v"), 0);
}
END_TEST

START_TEST(several_addresses_with_labels)
{
    con_done("ip addr add 10.0.0.1/24 dev eth0");
    con_done("ip addr add 10.0.0.2/24 dev eth0 label eth0:web");
    con_done("ip addr add 10.1.0.1/24 brd - dev eth0");
    con_done("ip addr add 10.2.0.1/24 brd 10.2.0.127 dev eth0");
    con_done("ip addr show eth0");
    con_says("inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0\n");
    con_says("inet 10.0.0.2/24 brd 10.0.0.255 scope global secondary eth0:web\n");
    con_says("inet 10.1.0.1/24 scope global eth0\n");
    con_says("inet 10.2.0.1/24 brd 10.2.0.127 scope global eth0\n");
    json_t *list = con_json("ip addr show eth0");
    json_t *a = json_array_get(json_object_get(json_array_get(list, 0), "addr_info"), 3); /* the last */
    ck_assert(json_is_true(json_object_get(a, "secondary")));
    ck_assert_str_eq(json_string_value(json_object_get(a, "label")), "eth0:web");
    json_decref(list);
    con_done("ip route get 10.0.0.2");
    con_says("local 10.0.0.2 dev lo");
    con_done("ip addr del 10.0.0.1/24 dev eth0"); /* the second takes the subnet over */
    con_done("ip addr show eth0");
    con_silent("secondary");
    con_done("ip route get 10.0.0.9");
    con_says("src 10.0.0.2");
    con_refused("ip addr add 10.0.0.3/24 dev eth0 label web", "write eth0:web");
    con_refused("ip addr add 10.0.0.3/24 dev eth0 label eth0web", "can't be the label");
    con_refused("ip addr add 10.0.0.3/24 dev eth0 label eth0:much-too-long", "too long");
    con_refused("ip addr add 10.0.0.3/24 dev eth0 brd here", "not a broadcast address");
    con_refused("ip addr del 10.0.0.2/24 dev eth0 label eth0:web", "'label'");
    con_refused("ip addr flush", "which interface?");
    con_done("ip addr flush dev eth0");
    ck_assert_ptr_null(nif("eth0")->addrs);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("links");
    TCase *t = tcase_create("links");

    tcase_add_checked_fixture(t, setup, con_close);
    tcase_add_test(t, a_vlan);
    tcase_add_test(t, a_bridge);
    tcase_add_test(t, stations);
    tcase_add_test(t, ports);
    tcase_add_test(t, a_dummy);
    tcase_add_test(t, flags_and_several_words_at_once);
    tcase_add_test(t, what_is_refused);
    tcase_add_test(t, several_addresses_with_labels);
    suite_add_tcase(s, t);
    return s;
}

CHECK_MAIN(suite)
