package cli_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
)

// scopes gives what has to stand above a statement of a scope.
var scopes = map[string]string{
	"": "", "interface": "interface GigabitEthernet1/1\n ", "vrf": "vrf definition X\n ", "line": "line vty 0 4\n ", "vlan": "vlan 7\n ",
	"object group": "object-group network X\n ", "access list": "ip access-list extended X\n ", "vlan access map": "vlan access-map X 10\n ", "hsrp": "interface Vlan1\n hsrp 1\n  ",
}

// scope gives it in the words of a dialect.
func scope(answer, in string) string {
	if in == "vrf" {
		return map[string]string{"ios-config": "vrf definition X\n ", "eos-config": "vrf instance X\n ", "nxos-config": "vrf context X\n "}[answer]
	}
	if in == "access list" && answer != "ios-config" {
		return "ip access-list X\n "
	}
	if in == "object group" && answer == "nxos-config" {
		return "object-group ip address X\n "
	}
	return scopes[in]
}

// example writes a statement of a form.
func example(form string) string {
	var w []string
	for word := range strings.FieldsSeq(form) {
		first, _, _ := strings.Cut(word, "|")
		switch {
		case word == "...":
			w = append(w, "x", "y")
		case strings.IndexFunc(word, unicode.IsLower) < 0 && strings.IndexFunc(word, unicode.IsUpper) >= 0:
			w = append(w, "1")
		default:
			w = append(w, first)
		}
	}
	return strings.Join(w, " ")
}

// Every form of the lists of harmless statements can be met, and says why it is harmless. None is hidden by another statement.
func TestHarmless_everyForm(t *testing.T) {
	t.Parallel()
	for answer, list := range cli.HarmlessForms() {
		for _, h := range list {
			if _, known := scopes[h.In]; !known || h.Why == "" {
				t.Errorf("%s: %q in %q has no reason, or an unknown place", answer, h.Form, h.In)
				continue
			}
			text := scope(answer, h.In) + example(h.Form) + "\n"
			if h.Form == "banner ..." {
				text = "banner login y\nwords y\n"
			}
			c, err := cli.ReadConfig(answer, "f", collectors.Device{Handle: "x"}, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if h.Form == "banner ..." {
				c.Lines = c.Lines[:1]
			}
			if l := c.Lines[len(c.Lines)-1]; l.State != cli.Harmless || l.Why == "" {
				t.Errorf("%s: %q is %d, %q", answer, text, l.State, l.Why)
			}
		}
	}
}

// What may change what flows is on no such list: it is understood, or kept as not understood.
func TestHarmless_neverThese(t *testing.T) {
	t.Parallel()
	for in, statements := range map[string][]string{
		"interface": {
			"shutdown", "ip access-group 101 in", "mac access-group X in", "ipv6 traffic-filter X in", "ip policy route-map X", "ip verify unicast source reachable-via any", "ip verify source",
			"ip nat inside", "service-policy input X", "crypto map X", "zone-member security X", "ip inspect X in", "tunnel source Loopback0", "tunnel mode gre ip", "switchport mode dynamic auto",
			"switchport port-security", "switchport access vlan 7", "switchport trunk allowed vlan 7", "switchport private-vlan mapping 1 2", "switchport vlan mapping 1 2", "switchport block unicast",
			"bridge-group 1", "xconnect 192.0.2.1 1 encapsulation mpls", "rate-limit input 8000 1500 2000 conform-action transmit exceed-action drop", "mpls ip", "storm-control broadcast level 1",
			"encapsulation dot1Q 7", "ip address 192.0.2.1 255.255.255.0", "ip address dhcp", "ip unnumbered Loopback0", "vrf forwarding X", "ip vrf forwarding X", "ip wccp web-cache redirect in",
			"dot1x pae authenticator", "authentication port-control auto", "standby 1 ip 192.0.2.1", "channel-group 1 mode on", "ip directed-broadcast", "mac-address 0000.5e00.5301",
			"ip vrf sitemap X", "ppp authentication chap", "mtu 1400", "ip mtu 1400", "ip arp inspection limit rate 1", "cts manual", "macsec", "pvc 1/1", "frame-relay interface-dlci 1",
		},
		"": {
			"ip tcp intercept list 101",
			"ip route 0.0.0.0 0.0.0.0 192.0.2.1", "ip local policy route-map X", "ip nat inside source list 1 interface Vlan1 overload", "ip nat outside source static 192.0.2.1 192.0.2.2",
			"access-list 101 permit ip any any", "access-list 700 permit 0000.5e00.5301 0000.0000.0000", "ip access-list extended X", "vlan filter X vlan-list 1", "vlan 7", "no ip routing",
			"ip dhcp snooping vlan 7", "ip arp inspection vlan 7", "arp 192.0.2.1 0000.5e00.5301 ARPA", "mac address-table static 0000.5e00.5301 vlan 7 drop", "zone-pair security X source A destination B",
			"bridge irb", "firewall transparent", "mls rate-limit all ttl-failure 100", "vlan dot1q tag native", "ip wccp web-cache", "system default switchport", "l2vpn", "mpls label protocol ldp",
			"platform qos x", "ip inspect name X tcp", "object-group network X", "vrf definition X", "interface Vlan7",
		},
		"line": {"access-class 1 in", "ipv6 access-class X in"},
		"vrf":  {"ip route 0.0.0.0/0 192.0.2.1", "mystery"},
		"vlan": {"private-vlan isolated", "remote-span", "state suspend", "shutdown"},
	} {
		for _, s := range statements {
			for _, answer := range []string{"ios-config", "eos-config", "nxos-config"} {
				if in == "line" && answer != "ios-config" {
					continue // the other two manage logins elsewhere
				}
				c, err := cli.ReadConfig(answer, "f", collectors.Device{Handle: "x"}, []byte(scope(answer, in)+s+"\n"))
				if err != nil {
					t.Fatal(err)
				}
				if l := c.Lines[len(c.Lines)-1]; l.State == cli.Harmless || l.State == cli.Blank {
					t.Errorf("%s: %q passes for harmless: %s", answer, s, l.Why)
				}
			}
		}
	}
}
