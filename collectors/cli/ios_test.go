package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
	"github.com/throughline-dc/throughline/topology/policy"
)

// config reads a configuration of a test.
func config(t *testing.T, answer, text string) *cli.Config {
	t.Helper()
	c, err := cli.ReadConfig(answer, "r1.cfg", collectors.Device{Handle: "r1"}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Filters {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
	for _, f := range c.Facts() {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
	return c
}

// ruleTexts gives the rules of a filter, one line each.
func ruleTexts(c *cli.Config, name string) []string {
	for _, f := range c.Filters {
		if f.Name != name {
			continue
		}
		texts := []string{}
		for i := range f.Rules {
			texts = append(texts, f.Rules[i].String())
		}
		return texts
	}
	return nil
}

// Each entry of an extended list, and what it comes to.
func TestIOS_entries(t *testing.T) {
	t.Parallel()
	const fragments = " [uncertain: later fragments at a permit that looks into the first]"
	for entry, want := range map[string][]string{
		"permit ip any any":   {"permit"},
		"permit tcp any any":  {"permit protocol 6"},
		"deny 17 any any":     {"deny protocol 17"},
		"permit 255 any any":  {"permit protocol 255"},
		"deny ip any any log": {"deny"},
		"deny tcp host 192.0.2.1 192.0.2.0 0.0.0.255 log-input": {"deny protocol 6, source 192.0.2.1, destination 192.0.2.0/24"},
		"deny ip 192.0.2.0 0.0.16.255 any":                      {"deny source 192.0.2.0&255.255.239.0"},
		"deny ip 192.0.2.77 255.255.255.255 192.0.2.77 0.0.0.0": {"deny destination 192.0.2.77"},
		"deny ip 192.0.2.77 0.0.0.255 any":                      {"deny source 192.0.2.0/24"},
		"deny tcp any eq www any":                               {"deny protocol 6, sourcePort 80"},
		"deny tcp any neq 22 23 any":                            {"deny protocol 6, sourcePort not 22 23"},
		"deny udp any any range netbios-ns netbios-ss":          {"deny protocol 17, destinationPort 137-139"},
		"deny udp any any range 20 10":                          {"deny protocol 17, destinationPort 10-20"},
		"deny udp any gt 1023 any lt 1024":                      {"deny protocol 17, sourcePort 1024-65535, destinationPort 0-1023"},
		"deny tcp any any established":                          {"deny protocol 6, tcpFlags 0x10&0x10 0x4&0x4"},
		"deny tcp any any match-all +syn -ack":                  {"deny protocol 6, tcpFlags 0x2&0x12"},
		"deny tcp any any match-any +syn -ack log":              {"deny protocol 6, tcpFlags 0x2&0x2 0x0&0x10"},
		"deny tcp any any syn":                                  {"deny protocol 6, tcpFlags 0x2&0x2"},
		"deny icmp any any echo":                                {"deny protocol 1, icmpType 8"},
		"deny icmp any any 3 4":                                 {"deny protocol 1, icmpType 3, icmpCode 4"},
		"deny icmp any any 3":                                   {"deny protocol 1, icmpType 3"},
		"deny icmp any any packet-too-big log":                  {"deny protocol 1, icmpType 3, icmpCode 4"},
		"permit tcp any any eq 22 fragments":                    {"permit protocol 6, destinationPort 22, fragment 2"},
		"deny ip any any fragments":                             {"deny fragment 2"},
		"deny ip any any dscp ef":                               {"deny dscp 46"},
		"deny ip any any precedence critical":                   {"deny dscp 40-47"},
		"deny ip any any tos min-delay":                         {"deny dscp 0x4&0x7 [uncertain: the last bit of tos min-delay]"},
		"permit ip any any time-range NIGHT":                    {"permit [uncertain: time range NIGHT]"},
		"permit tcp any any reflect OUT timeout 30":             {"permit protocol 6"},
		"evaluate OUT":                                          {"permit [uncertain: sessions of reflexive list OUT]"},
		"dynamic DOOR timeout 5 permit ip any any":              {"permit [uncertain: dynamic list DOOR]"},
		"permit tcp any host 192.0.2.1 eq 22":                   {"permit protocol 6, destinationPort 22, destination 192.0.2.1", "permit protocol 6, destination 192.0.2.1, fragment 2"},
		"permit tcp any any established":                        {"permit protocol 6, tcpFlags 0x10&0x10 0x4&0x4", "permit protocol 6, fragment 2" + fragments},
		"permit icmp any any echo-reply":                        {"permit protocol 1, icmpType 0", "permit protocol 1, fragment 2" + fragments},
		"permit tcp any any eq nonsense":                        {"permit protocol 6 [unparsed: port nonsense]"},
		"deny tcp host 192.0.2.1 any ttl eq 5":                  {"deny protocol 6, source 192.0.2.1 [unparsed: option ttl]"},
		"permit tcp object-group NOBODY any":                    {"permit protocol 6 [unparsed: an address group that is not defined]"},
		"deny esp any any eq 5":                                 {"deny protocol 50 [unparsed: ports of a protocol that has none]"},
		"deny tcp any":                                          {"deny protocol 6 [unparsed: address ]"},
		"deny udp any any established":                          {"deny protocol 17 [unparsed: established of a protocol other than TCP]"},
		"deny tcp any lt 0 any":                                 {"deny protocol 6 [unparsed: no port is less than 0]"},
		"permit banana any any":                                 {"permit [unparsed: protocol banana]"},
		"20 permit ip 192.0.2.0 255.255.255.0 any extra-words":  {"permit source 0.0.0.0&0.0.0.255 [unparsed: option extra-words]"},
		"remark permit ip any any":                              {},
		"banana":                                                {"0 [unparsed: no entry of an access list]"},
	} {
		c := config(t, "ios-config", "ip access-list extended X\n "+entry+"\nend\n")
		if diff := cmp.Diff(want, ruleTexts(c, "X")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", entry, diff)
		}
		lost := len(want) > 0 && strings.Contains(want[0], "[unparsed")
		if l := c.Lines[1]; (l.State == cli.Unparsed) != lost || lost && l.Why == "" {
			t.Errorf("%s: the line is %d, %q", entry, l.State, l.Why)
		}
	}
}

func TestIOS_missingLists(t *testing.T) {
	t.Parallel()
	c := config(t, "ios-config", `interface Vlan10
 ip access-group 101 in
 ip access-group EMPTY out
ip access-list extended EMPTY
end
`)
	for _, f := range c.Filters {
		if f.Missing == "" || f.Default != policy.Permit || len(f.Attached) != 1 {
			t.Errorf("%s: %+v", f.Name, f)
		}
	}
	if len(c.Filters) != 2 {
		t.Errorf("%d filters", len(c.Filters))
	}
}
