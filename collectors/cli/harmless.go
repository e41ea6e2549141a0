package cli

import (
	"cmp"
	"slices"
)

// Why statements change nothing that is asked: what may flow through the device, and by which way.
const (
	structure  = "it is the form of the configuration, no statement"
	words      = "words for people"
	management = "how the device itself is managed, named, watched or timed: no packet of others is asked for it"
	routing    = "what routing came to is read from the forwarding table: a statement of how alone proves no route"
	multicast  = "about multicast, of which nothing is asked"
	counting   = "it counts or reports, and lets pass what would pass"
	physical   = "of the link itself: whether it is up is read where it runs"
	tree       = "of the spanning tree: what it came to is read as the state of its ports"
	replies    = "about messages that the device itself sends"
	dhcp       = "it hands requests for addresses on: addresses that machines have are read from them"
	standby    = "which device is active among those that share an address is not taken from what is configured: either may be"
	unapplied  = "it does something only where another statement applies it, and that one is told there"
	forwarding = "how fast packets are forwarded, not which"
	queueing   = "in what order packets leave, not which"
)

// iosHarmless is the list of statements that change nothing, at the top and beneath what has lines beneath. It is tested: harmless_test.go has an example of each.
func iosHarmless() []statement {
	return harmless(map[scope]map[string][]string{
		top: {
			structure: {"end", "end! ...", "Building configuration...", "Current configuration ...", "boot-start-marker", "boot-end-marker", "exit"},
			words:     {"banner ..."},
			management: {
				"aaa ...", "no aaa ...", "username ...", "enable ...", "service ...", "no service ...", "clock ...", "ntp ...", "logging ...", "no logging ...",
				"snmp-server ...", "tacacs-server ...", "radius-server ...", "tacacs ...", "radius ...", "license ...", "boot ...", "hw-module ...",
				"ip ssh ...", "ip http ...", "no ip http ...", "ip domain ...", "ip domain-name ...", "ip domain-lookup ...", "no ip domain ...", "no ip domain-lookup ...",
				"ip name-server ...", "ip tftp ...", "ip ftp ...", "ip scp ...", "line con ...", "line aux ...", "line NUMBER ...", "privilege ...", "alias ...",
				"archive ...", "memory ...", "no scheduler ...", "scheduler ...", "platform console ...", "no platform punt-keepalive ...", "subscriber templating",
				"virtual-service ...", "diagnostic ...", "redundancy ...", "mmi ...", "no mmi ...", "ip tcp path-mtu-discovery ...", "ip tcp synwait-time ...", "ip tcp window-size ...", "ip tcp selective-ack", "ip tcp timestamp", "ip tcp mss ...", "ip tcp chunk-size ...", "ip tcp queuemax ...", "ip tcp ecn", "cdp ...", "no cdp ...", "lldp ...", "no lldp ...",
				"multilink bundle-name ...", "ipv6 ioam ...", "call-home ...", "file ...", "exception ...", "security ...", "monitor ...",
				"ip default-gateway ...", "ip icmp rate-limit ...", "no ip icmp rate-limit ...", "no ip bootp server", "ip rcmd ...", "no ip rcmd ...", "power ...",
				"transceiver ...", "vlan access-log ...", "vlan internal ...", "event ...", "errdisable ...", "environment ...", "parser ...",
			},
			routing: {
				"router ...", "ip prefix-list ...", "ipv6 prefix-list ...", "ip as-path ...", "ip community-list ...", "ip extcommunity-list ...", "ip default-network ...",
				"ip classless", "no ip classless", "ip subnet-zero", "ip bgp-community ...", "ipv6 router ...",
			},
			unapplied: {
				"route-map ...", "class-map ...", "policy-map ...", "crypto ...", "no crypto ...", "time-range ...", "track ...", "ip sla ...", "key ...",
			},
			multicast:  {"ip multicast-routing ...", "ip pim ...", "ip igmp ...", "no ip igmp ...", "ip msdp ...", "ip mroute ...", "ip dvmrp ..."},
			counting:   {"ip flow-export ...", "ip flow-cache ...", "flow ...", "mls netflow ...", "mls flow ...", "ip accounting ...", "mls nde ...", "ip access-list log-update ...", "ip access-list logging ..."},
			tree:       {"spanning-tree ...", "no spanning-tree ..."},
			dhcp:       {"ip dhcp ...", "no ip dhcp ...", "service dhcp", "ip forward-protocol ...", "no ip forward-protocol ...", "ip bootp ..."},
			forwarding: {"ip cef ...", "no ip cef ...", "ipv6 cef ...", "no ipv6 cef ...", "mls cef ...", "mls ip ...", "port-channel load-balance ...", "fabric ..."},
			queueing:   {"mls qos ...", "qos ..."},
			replies:    {"no ip source-route", "ip source-route", "no ip finger", "ip finger"},
			dhcpVTP:    {"vtp ..."},
			"translations end sooner or later: those that are configured are made anew": {"ip nat translation ..."},
		},
		inVRF: {
			routing:   {"rd ...", "route-target ...", "export ...", "import ...", "maximum routes ...", "vpn ...", "address-family ..."},
			structure: {"exit-address-family"},
			words:     {"description ..."},
		},
		inLine: {
			management: {
				"login ...", "no login", "password ...", "transport ...", "exec-timeout ...", "length ...", "width ...", "privilege ...", "logging ...", "session-timeout ...",
				"session-limit ...", "history ...", "stopbits ...", "speed ...", "exec ...", "no exec", "authorization ...", "accounting ...", "escape-character ...",
				"absolute-timeout ...", "location ...", "rotary ...", "terminal-type ...", "monitor", "autocommand ...", "no activation-character", "refuse-message ...",
			},
		},
	})
}

const dhcpVTP = "VLANs that come from elsewhere are not in the configuration: those that there are, are read where the device lists them"

// iosHarmlessInterface is that list for interfaces.
func iosHarmlessInterface() []statement {
	return harmless(map[scope]map[string][]string{inInterface: {
		management: {"no cdp enable", "cdp enable", "no lldp transmit", "no lldp receive", "lldp transmit", "lldp receive", "no mop ...", "mop ...", "no keepalive", "keepalive ...", "logging event ...", "no logging event ...", "no snmp trap ...", "snmp trap ...", "snmp ...", "ip rcmd ..."},
		replies:    {"no ip redirects", "ip redirects", "no ip unreachables", "ip unreachables", "no ip mask-reply", "no ipv6 redirects", "ipv6 nd ...", "no ip information-reply"},
		"hosts are taken to send to their gateway, not to rely on a router that answers for others": {"no ip proxy-arp", "ip proxy-arp", "no ip local-proxy-arp"},
		"a packet to all hosts of a network beyond a router is not asked for":                       {"no ip directed-broadcast"},
		"the unit of the sessions' own segments: it fits into what passes":                          {"ip tcp adjust-mss ..."},
		"an aggregate is read where it runs: how its members are agreed on is not asked":            {"channel-protocol ...", "lacp ..."},
		dhcp:       {"ip helper-address ...", "ipv6 dhcp relay ...", "ip dhcp relay ..."},
		multicast:  {"ip pim ...", "ip igmp ...", "no ip igmp ...", "ip cgmp ...", "ip dvmrp ...", "ip multicast ...", "ip mroute-cache", "no ip mroute-cache", "ipv6 mld ...", "ipv6 pim ..."},
		counting:   {"ip flow ...", "ip accounting ...", "load-interval ...", "ip nbar protocol-discovery", "ip route-cache flow"},
		forwarding: {"ip route-cache ...", "no ip route-cache ...", "ip load-sharing ..."},
		routing:    {"ip ospf ...", "ipv6 ospf ...", "ip rip ...", "ip eigrp ...", "no ip eigrp ...", "ip split-horizon ...", "no ip split-horizon ...", "isis ...", "ip router ...", "bandwidth ...", "delay ...", "ip hello-interval ...", "ip hold-time ...", "ip summary-address ...", "ip bandwidth-percent ...", "ip authentication ...", "bfd ..."},
		physical:   {"speed ...", "duplex ...", "media-type ...", "negotiation ...", "no negotiation ...", "flowcontrol ...", "carrier-delay ...", "udld ...", "mdix ...", "clock rate ...", "hold-queue ...", "power ...", "link debounce ...", "dampening ...", "arp timeout ...", "link-flap ..."},
		tree:       {"spanning-tree ...", "no spanning-tree ..."},
		queueing:   {"mls qos ...", "no mls qos ...", "wrr-queue ...", "priority-queue ...", "rcv-queue ...", "srr-queue ...", "queue-limit ...", "tx-ring-limit ...", "fair-queue", "no fair-queue", "auto qos ..."},
		standby: {
			"standby GROUP timers|priority|preempt|authentication|track|name|version|follow|mac-address|redirect ...", "standby use-bia ...", "standby version|delay|redirect|timers|priority|preempt|authentication|track|name ...",
			"vrrp GROUP timers|priority|preempt|authentication|track|description|shutdown|advertise ...", "no vrrp GROUP preempt", "no standby ...",
			"glbp GROUP timers|priority|preempt|authentication|name|load-balancing|weighting|forwarder ...",
		},
	}})
}

// harmless makes statements of a list by scope and reason.
func harmless(list map[scope]map[string][]string) []statement {
	var all []statement
	for in, byWhy := range list {
		for why, forms := range byWhy {
			for _, f := range forms {
				all = append(all, statement{in: in, form: f, why: why})
			}
		}
	}
	slices.SortFunc(all, func(a, b statement) int { return cmp.Or(cmp.Compare(a.in, b.in), cmp.Compare(a.form, b.form)) })
	return all
}
