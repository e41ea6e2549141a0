package filter_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/topology/policy"
)

// text writes rulesets for people: each filter with where it is met, each rule in one line.
func text(t *testing.T, set filter.Ruleset) string {
	t.Helper()
	var b strings.Builder
	for _, f := range set.Filters {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
		again, err := policy.DecodeFilter(f.Encode())
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(f.Encode(), again.Encode()); diff != "" {
			t.Errorf("%s is not itself once decoded: %s", f.Name, diff)
		}
		b.WriteString(f.Name)
		for _, a := range f.Attached {
			b.WriteString(" @" + a.Hook.String())
			if a.Bridged {
				b.WriteString(" bridged")
			}
			if a.Interface != "" {
				b.WriteString(" of " + a.Interface)
			}
			b.WriteString(" " + strconv.Itoa(a.Priority))
			if a.Order != 0 && a.Order != a.Priority {
				b.WriteString(" (" + strconv.Itoa(a.Order) + ")")
			}
		}
		b.WriteString(", else " + f.Default.String() + "\n")
		for i := range f.Rules {
			b.WriteString("  " + f.Rules[i].String() + "\n")
		}
	}
	for _, l := range set.Rest {
		b.WriteString("! " + l.String() + " (" + l.Why + ")\n")
	}
	return b.String()
}

// ruleOf reads one rule of a chain X of a table, and writes what is understood of it.
func ruleOf(t *testing.T, family policy.Family, table, rule string) string {
	t.Helper()
	set := filter.IPTables(family, "f", []byte("*"+table+"\n:POSTROUTING ACCEPT\n:X - [0:0]\n:other - [0:0]\n-A "+rule+"\nCOMMIT\n"))
	var lines []string
	for _, f := range set.Filters {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
		for i := range f.Rules {
			if f.Rules[i].Place.Line > 0 {
				lines = append(lines, f.Rules[i].String())
			}
		}
	}
	if len(set.Rest) > 0 && table != "filter" {
		t.Error(set.Rest)
	}
	return strings.Join(lines, "\n")
}

func TestIPTables_rules(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"-s 192.0.2.0/24 -d 198.51.100.7/32 -j ACCEPT":           "permit source 192.0.2.0/24, destination 198.51.100.7",
		"-s 192.0.2.1 -j DROP":                                   "deny source 192.0.2.1",
		"! -s 192.0.2.0/255.255.255.0 -j DROP":                   "deny source not 192.0.2.0/24",
		"-s ! 192.0.2.0/24 -j DROP":                              "deny source not 192.0.2.0/24",
		"-s 10.0.1.0/255.0.255.0 -j DROP":                        "deny source 10.0.1.0&255.0.255.0",
		"-s 0.0.0.0/0 -j RETURN":                                 "return",
		"-p tcp -m tcp --dport 22 -j ACCEPT":                     "permit protocol 6, destinationPort 22",
		"-p tcp -m tcp ! --sport 1024:65535 -j DROP":             "deny protocol 6, sourcePort not 1024-65535",
		"-p udp -m udp --sport :1023 --dport 53: -j ACCEPT":      "permit protocol 17, sourcePort 0-1023, destinationPort 53-65535",
		"-p sctp -m sctp --dport 3868 -j ACCEPT":                 "permit protocol 132, destinationPort 3868",
		"! -p tcp -j DROP":                                       "deny protocol not 6",
		"-p all -j DROP":                                         "deny",
		"-p 89 -j ACCEPT":                                        "permit protocol 89",
		"-p tcp -m multiport --dports 22,80:90 -j ACCEPT":        "permit protocol 6, destinationPort 22 80-90",
		"-p tcp -m multiport ! --dports 22,80 -j DROP":           "deny protocol 6, destinationPort not 22 80",
		"-p tcp -m multiport --ports 22 -j ACCEPT":               "permit protocol 6, sourcePort 22\npermit protocol 6, destinationPort 22",
		"-p tcp -m multiport ! --ports 22 -j ACCEPT":             "permit protocol 6, sourcePort not 22, destinationPort not 22",
		"-p icmp -m icmp --icmp-type 8 -j ACCEPT":                "permit protocol 1, icmpType 8",
		"-p icmp -m icmp --icmp-type 3/4 -j ACCEPT":              "permit protocol 1, icmpType 3, icmpCode 4",
		"-p icmp -m icmp --icmp-type any -j ACCEPT":              "permit protocol 1",
		"-p icmp -m icmp --icmp-type echo-reply -j ACCEPT":       "permit protocol 1, icmpType 0",
		"-p icmp -m icmp ! --icmp-type 3/4 -j ACCEPT":            "permit protocol 1 [uncertain: all but ICMP type and code 3/4]",
		"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP":  "deny protocol 6, tcpFlags 0x2&0x17",
		"-p tcp -m tcp ! --syn -j DROP":                          "deny protocol 6, tcpFlags not 0x2&0x17",
		"-p tcp -m tcp --tcp-flags ALL NONE -j DROP":             "deny protocol 6, tcpFlags 0x0&0x3f",
		"-p tcp -m tcp --tcp-flags SYN SYN,ACK -j DROP":          "deny protocol 6, protocol not 0-255",
		"-m state --state RELATED,ESTABLISHED -j ACCEPT":         "permit state 2 1",
		"-m conntrack ! --ctstate NEW -j ACCEPT":                 "permit state not 0",
		"-m conntrack --ctstate DNAT -j ACCEPT":                  "permit [uncertain: --ctstate DNAT]",
		"-i eth0 ! -o docker0 -j ACCEPT":                         "permit in eth0, out not docker0",
		"-i vif+ -j ACCEPT":                                      "permit in vif*",
		"-m physdev --physdev-in vnet0 -j ACCEPT":                "permit inPort vnet0",
		"-m physdev --physdev-is-bridged -j ACCEPT":              "permit [uncertain: --physdev-is-bridged]",
		"-m mark --mark 0x1 -j ACCEPT":                           "permit mark 0x1&0xffffffff",
		"-m mark ! --mark 0x4000/0x4000 -j ACCEPT":               "permit mark not 0x4000&0x4000",
		"-m addrtype --dst-type LOCAL -j DROP":                   "deny destinationType 1",
		"-m addrtype --src-type BLACKHOLE -j DROP":               "deny [uncertain: --src-type BLACKHOLE]",
		"-m mac --mac-source 02:00:5E:00:53:01 -j ACCEPT":        "permit sourceMAC 02:00:5e:00:53:01",
		"-m iprange --src-range 192.0.2.3-192.0.2.9 -j ACCEPT":   "permit source 192.0.2.3-192.0.2.9",
		"-m iprange ! --dst-range 192.0.2.3-192.0.2.9 -j ACCEPT": "permit destination not 192.0.2.3-192.0.2.9",
		"-f -j DROP":                                  "deny fragment 2",
		"! -f -j ACCEPT":                              "permit fragment not 2",
		"-m dscp --dscp 0x2e -j DROP":                 "deny dscp 46",
		"-m tos --tos 0x10/0x3f -j DROP":              "deny dscp 0x4&0xf [uncertain: --tos 0x10/0x3f]",
		"-s 192.0.2.1 -m limit --limit 2/min -j DROP": "deny source 192.0.2.1 [uncertain: match limit --limit 2/min]",
		"-m recent --set --name a --mask 255.255.255.255 --rsource -j DROP": "deny [uncertain: match recent --set --name a --mask 255.255.255.255 --rsource]",
		"-m set ! --match-set bad src -m tcp -p tcp --dport 1 -j DROP":      "deny protocol 6, destinationPort 1 [uncertain: match set ! --match-set bad src]",
		"-m time --timestart 06:59 --timestop 23:59 -j DROP":                "deny [uncertain: match time --timestart 06:59 --timestop 23:59]",
		"-m connmark --mark 0x1 -j ACCEPT":                                  "permit [uncertain: match connmark --mark 0x1]",
		"-p tcp -m frobnicate --hard 3 -j ACCEPT":                           "permit protocol 6 [uncertain: match frobnicate --hard 3] [unparsed: -m frobnicate: no such match is known]",
		"-p tcp --frob 3 -j ACCEPT":                                         "permit protocol 6 [unparsed: --frob 3]",
		"-p tcp --dport ssh -j ACCEPT":                                      `permit protocol 6 [unparsed: --dport ssh: "ssh" is no number up to 65535]`,
		"-j other":                                                          "jump iptables filter other",
		"-g other":                                                          "goto iptables filter other",
		"-j missing":                                                        "continue [unparsed: there is no chain iptables filter missing]",
		"-j FROB --deep 1":                                                  "0 [unparsed: target FROB]",
		"-s 192.0.2.1":                                                      "continue source 192.0.2.1",
		"-j REJECT --reject-with icmp-host-prohibited":                      "reject",
		`-j LOG --log-prefix "-x [drop] \"no\" " --log-level 4`:             "continue",
		"-j NFLOG --nflog-group 5":                                          "continue",
		"-j NFQUEUE --queue-num 1":                                          "0 [unparsed: target NFQUEUE]",
		`-m comment --comment "let \"it\" in" -j ACCEPT`:                    "permit",
		`-m comment --comment "open`:                                        "",
	} {
		if got := ruleOf(t, policy.IPv4, "filter", "X "+rule); got != want {
			t.Errorf("%s\n got %s\nwant %s", rule, got, want)
		}
	}
}

func TestIPTables_translations(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"nat X -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.7:8080": "permit protocol 6, destinationPort 80; destination := 192.0.2.7; destinationPort := 8080",
		"nat X -j DNAT --to-destination 192.0.2.7-192.0.2.9 --persistent":        "permit; destination := 192.0.2.7-192.0.2.9",
		"nat X -p tcp -j DNAT --to-destination :8080":                            "permit protocol 6; destinationPort := 8080",
		"nat X -j SNAT --to-source 198.51.100.1":                                 "permit; source := 198.51.100.1",
		"nat X -p udp -j SNAT --to-source 198.51.100.1:1000-2000":                "permit protocol 17; source := 198.51.100.1; sourcePort := 1000-2000",
		"nat X -s 10.0.0.0/8 ! -o eth1 -j MASQUERADE":                            "permit source 10.0.0.0/8, out not eth1; source := own",
		"nat X -p tcp -j MASQUERADE --to-ports 1024-65535":                       "permit protocol 6; source := own; sourcePort := 1024-65535",
		"nat X -p tcp -j REDIRECT --to-ports 3128":                               "permit protocol 6; destination := own; destinationPort := 3128",
		"nat POSTROUTING -s 10.0.1.0/24 -j NETMAP --to 192.0.2.0/24":             "permit source 10.0.1.0/24; source := 192.0.2.0",
		"nat X -j SNAT --to-source 198.51.100.1:frob":                            `permit; source := 0.0.0.0/0; destination := 0.0.0.0/0; sourcePort := 0-65535; destinationPort := 0-65535 [unparsed: target SNAT: "frob" is no number up to 65535]`,
		"mangle X -j MARK --set-xmark 0x1/0xffffffff":                            "continue; mark := 1",
		"mangle X -j MARK --set-xmark 0x100/0xff00":                              "continue; mark := 256",
		"mangle X -j MARK --set-xmark 0x5/0x0":                                   "continue; mark := 0-4294967295",
		"mangle X -j CONNMARK --restore-mark":                                    "continue; mark := 0-4294967295",
		"mangle X -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu":                    "continue protocol 6, tcpFlags 0x2&0x17",
		"mangle X -j DSCP --set-dscp 0x2e":                                       "continue; dscp := 46",
		"raw X -p udp --dport 53 -j NOTRACK":                                     "continue protocol 17, destinationPort 53; state := 4",
		"raw X -p udp --dport 53 -j CT --notrack":                                "continue protocol 17, destinationPort 53; state := 4",
		"mangle X -j TPROXY --on-port 1":                                         "0; source := 0.0.0.0/0; destination := 0.0.0.0/0; sourcePort := 0-65535; destinationPort := 0-65535 [unparsed: target TPROXY]",
	} {
		table, rule, _ := strings.Cut(rule, " ")
		set := filter.IPTables(policy.IPv4, "f", []byte("*"+table+"\n:POSTROUTING ACCEPT\n:X - [0:0]\n-A "+rule+"\nCOMMIT\n"))
		var got []string
		for _, f := range set.Filters {
			for i := range f.Rules {
				if f.Rules[i].Place.Line > 0 {
					got = append(got, f.Rules[i].String())
				}
			}
		}
		if g := strings.Join(got, "\n"); g != want {
			t.Errorf("%s\n got %s\nwant %s", rule, g, want)
		}
	}
}

func TestIPTables_family6(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"-s 2001:db8::/32 -j ACCEPT":                                         "permit source 2001:db8::/32",
		"-p ipv6-icmp -m icmp6 --icmpv6-type 134 -j ACCEPT":                  "permit protocol 58, icmpType 134",
		"-p ipv6-icmp -m icmp6 --icmpv6-type neighbour-solicitation -j DROP": "deny protocol 58, icmpType 135",
		"-s 192.0.2.1 -j DROP":                                               `deny [unparsed: -s 192.0.2.1: "192.0.2.1" is no address of this family]`,
		"-j DNAT --to-destination [2001:db8::1]:80":                          "permit; destination := 2001:db8::1; destinationPort := 80",
		"-j DNAT --to-destination 2001:db8::1-2001:db8::9":                   "permit; destination := 2001:db8::1-2001:db8::9",
		"-m rpfilter --invert -j DROP":                                       "deny [uncertain: match rpfilter --invert]",
	} {
		if got := ruleOf(t, policy.IPv6, "filter", "X "+rule); got != want {
			t.Errorf("%s\n got %s\nwant %s", rule, got, want)
		}
	}
}

// The chains of netfilter, in the order in which a packet meets them; accept of one is not accept of the next.
func TestIPTables_chains(t *testing.T) {
	t.Parallel()
	set := filter.IPTables(policy.IPv4, "save", []byte(`# Generated by iptables-save v1.8.9 (nf_tables) on Sun Nov 22 01:00:00 2026
*raw
:PREROUTING ACCEPT [1:60]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
[3:180] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
# Completed on Sun Nov 22 01:00:00 2026
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
-A NOWHERE -j ACCEPT
-I FORWARD -j ACCEPT
COMMIT
# Warning: iptables-legacy tables present, use iptables-legacy-save to see them
*frob
:FROB ACCEPT [0:0]
`))
	golden(t, "testdata/iptables-chains.txt", text(t, set))
	if understood, unparsed := set.Count(); understood != 5 || unparsed != 0 {
		t.Errorf("%d understood, %d not", understood, unparsed)
	}
}
