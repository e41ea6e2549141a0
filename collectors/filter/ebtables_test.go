package filter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/filter"
)

func TestEBTables_rules(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"-s 2:0:5e:0:53:1 -j DROP":                                              "deny sourceMAC 02:00:5e:00:53:01",
		"-d Multicast -j ACCEPT":                                                "permit destinationMAC 01:00:00:00:00:00&01:00:00:00:00:00",
		"-d BGA -j ACCEPT":                                                      "permit destinationMAC 01:80:c2:00:00:00",
		"! -s 52:54:00:00:00:00/ff:ff:ff:00:00:00 -j DROP":                      "deny sourceMAC not 52:54:00:00:00:00&ff:ff:ff:00:00:00",
		"-p IPv4 -i vnet0 --logical-in br0 -j ACCEPT":                           "permit etherType 0x800, vlan 0, inPort vnet0, in br0",
		"-p ! IPv4 -j DROP":                                                     "deny [uncertain: all but frames of type 0x800]",
		"-p 802_1Q --vlan-id 10 --vlan-encap 0806 -j ACCEPT":                    "permit vlan not 0, vlan 10, etherType 0x806",
		"-p 802_1Q --vlan-encap 2054 -j ACCEPT":                                 "permit vlan not 0, etherType 0x2054",
		"-p LENGTH -j DROP":                                                     "deny [uncertain: -p LENGTH]",
		"-p ARP --arp-opcode 1 ! --arp-ip-src 192.0.2.1 -j DROP":                "deny etherType 0x806, vlan 0, arpOperation 1, arpSender not 192.0.2.1",
		"-p IPv4 --ip-src 192.0.2.0/24 --ip-proto udp --ip-dport 53 -j ACCEPT":  "permit etherType 0x800, vlan 0, source 192.0.2.0/24, protocol 17, destinationPort 53",
		"-p IPv6 --ip6-proto ipv6-icmp --ip6-icmp-type 133:136/0:255 -j ACCEPT": "permit etherType 0x86dd, vlan 0, protocol 58, icmpType 133-136",
		"-p IPv4 --ip-tos 0x3f -j ACCEPT":                                       "permit etherType 0x800, vlan 0, dscp 15 [uncertain: ECN 3]",
		"--log-level info --log-prefix \"x\" -j CONTINUE":                       "continue",
		"-j mark --mark-set 0x1 --mark-target CONTINUE":                         "continue; mark := 1",
		"-j mark --mark-or 0x1":                                                 "permit; mark := 1",
		"-j X":                                                                  "jump ebtables nat X",
		"-j dnat --to-dst 02:00:5e:00:53:01":                                    "0; source := 0.0.0.0/0; destination := 0.0.0.0/0; source := ::/0; destination := ::/0; sourcePort := 0-65535; destinationPort := 0-65535 [unparsed: target dnat]",
		"--frob 1 -j DROP":                                                      "deny [unparsed: --frob 1]",
	} {
		set := filter.EBTables("f", []byte("*nat\n:PREROUTING ACCEPT\n:X RETURN\n-A PREROUTING "+rule+"\nCOMMIT\n"))
		if got := set.Filters[0].Rules[0].String(); got != want || len(set.Rest) > 0 {
			t.Errorf("%s\n got %s\nwant %s %v", rule, got, want, set.Rest)
		}
	}
}

// A chain of a user has a policy: what falls off its end is accepted, unless it says otherwise.
func TestEBTables_chains(t *testing.T) {
	t.Parallel()
	set := filter.EBTables("save", []byte("*nat\n:PREROUTING ACCEPT\n:POSTROUTING DROP\n:libvirt-I-vnet0 ACCEPT\n:back RETURN\n-A PREROUTING -i vnet0 -j libvirt-I-vnet0\n# Completed on Sun Nov 22 02:39:11 2026\n*filter\n:FORWARD ACCEPT\n"))
	want := `ebtables nat PREROUTING @prerouting bridged -300, else permit
  jump ebtables nat libvirt-I-vnet0 inPort vnet0
ebtables nat POSTROUTING @postrouting bridged 300, else deny
ebtables nat libvirt-I-vnet0, else permit
ebtables nat back, else return
ebtables filter FORWARD @forward bridged -200, else permit
`
	if diff := cmp.Diff(want, text(t, set)); diff != "" {
		t.Error(diff)
	}
}

func FuzzEBTables(f *testing.F) {
	f.Add([]byte("*nat\n:PREROUTING ACCEPT\n:x RETURN\n-A PREROUTING -p IPv6 --ip6-icmp-type 1:2/3:4 -s Broadcast -j mark --mark-and 1\n-A x ! -d 1:2:3:4:5:6/ff:ff:ff:0:0:0 --ip-tos ff -j x\nCOMMIT\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		set := filter.EBTables("fuzz", raw)
		meaningful(t, set)
		if strings.Count(string(raw), "\n") == 0 && len(set.Filters) > 0 {
			t.Fatal("filters without lines")
		}
	})
}
