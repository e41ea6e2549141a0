package filter_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/filter"
)

// defined reads definitions by name.
func defined(t *testing.T, definitions ...string) map[string]*filter.NWFilter {
	t.Helper()
	out := map[string]*filter.NWFilter{}
	for _, d := range definitions {
		f, err := filter.ParseNWFilter("xml", []byte(d))
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = f
	}
	return out
}

// A filter that refers to others: frames go from the root chain into those of their protocols, in the order of priorities; what falls off a chain's end is accepted.
func TestInstantiate_chains(t *testing.T) {
	t.Parallel()
	filters := defined(t, `<filter name='clean' chain='root'>
  <filterref filter='no-mac-spoofing'/>
  <filterref filter='no-ip-spoofing'/>
  <filterref filter='no-arp-spoofing'/>
  <rule action='drop' direction='inout' priority='1000'/>
  <rule action='accept' direction='in' priority='-900'><mac protocolid='0x88cc'/></rule>
</filter>`, `<filter name='no-mac-spoofing' chain='mac' priority='-800'>
  <rule action='return' direction='out' priority='-350'><mac srcmacaddr='$MAC'/></rule>
  <rule action='drop' direction='out' priority='-300'/>
</filter>`, `<filter name='no-ip-spoofing' chain='ipv4-ip' priority='-710'>
  <rule action='return' direction='out'><ip srcipaddr='0.0.0.0' protocol='udp'/></rule>
  <rule action='return' direction='out'><ip srcipaddr='$IP'/></rule>
  <rule action='drop' direction='out'/>
</filter>`, `<filter name='no-arp-spoofing' chain='arp'>
  <rule action='accept' direction='out'><arp opcode='Request' arpsrcipaddr='$IP' arpsrcmacaddr='02:00:5e:00:53:01' gratuitous='true'/></rule>
  <rule action='drop' direction='inout'/>
</filter>`)
	nic := filter.VNIC{Name: "web vnet0", Interface: "vnet0", Filter: "clean", Parameters: map[string][]string{"MAC": {"02:00:5e:00:53:01"}, "IP": {"192.0.2.7", "192.0.2.8"}}}
	golden(t, "testdata/nwfilter-chains.txt", text(t, filter.Instantiate(filters, nic)))
}

// instance is the rules for packets, and those for frames, of a filter with these rules.
func instance(t *testing.T, parameters map[string][]string, rules string) string {
	t.Helper()
	return text(t, filter.Instantiate(defined(t, `<filter name='f'>`+rules+`</filter>`), filter.VNIC{Name: "v", Filter: "f", Parameters: parameters}))
}

const (
	outFrames  = "nwfilter v out frames @ingress 0, else permit\n"
	outPackets = "nwfilter v out packets @ingress 1, else permit\n"
	inPackets  = "nwfilter v in packets @egress 0, else permit\n"
	called     = "  permit [uncertain: where net.bridge.bridge-nf-call-iptables is 0, what a bridge forwards does not come here]\n"
	inFrames   = "nwfilter v in frames @egress 1, else permit\n"
)

func TestInstantiate_rules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, rules string
		parameters  map[string][]string
		want        string
	}{
		{"answers pass", `<rule action='accept' direction='in'><tcp dstportstart='22'/></rule>`, nil, outFrames + outPackets +
			called + "  permit etherType 0x800, protocol 6, sourcePort 22, state 1\n" + inPackets + called + "  permit etherType 0x800, protocol 6, destinationPort 22, state 0 1\n" + inFrames},
		{"without a look at states", `<rule action='accept' direction='out' statematch='false'><udp-ipv6 dstportstart='53' dstportend='54'/></rule>`, nil, outFrames + outPackets +
			called + "  permit etherType 0x86dd, protocol 17, destinationPort 53-54\n" + inPackets + called + "  permit etherType 0x86dd, protocol 17, sourcePort 53-54\n" + inFrames},
		{"drop has no state", `<rule action='reject' direction='inout'><all/></rule>`, nil, outFrames + outPackets + called + "  reject etherType 0x800\n" + inPackets + called + "  reject etherType 0x800\n" + inFrames},
		{"the sooner first", `<rule action='drop' direction='out' priority='900'><all/></rule><rule action='accept' direction='out' priority='-1'><icmp type='8'/></rule>`, nil, outFrames +
			outPackets + called + "  permit etherType 0x800, protocol 1, icmpType 8, state 0 1\n  deny etherType 0x800\n" + inPackets + called + "  deny etherType 0x800\n" + inFrames},
		{
			"an address that libvirt learns", `<rule action='drop' direction='out'><ip match='no' srcipaddr='$IP'/></rule>`, map[string][]string{"MAC": {"02:00:5e:00:53:01"}}, outFrames +
				"  deny etherType 0x800, vlan 0 [uncertain: the value of IP is not known: libvirt learns it, or gets it otherwise]\n" + outPackets + inPackets + inFrames,
		},
		{
			"lists of different lengths", `<rule action='drop' direction='out'><ip srcipaddr='$IP' srcportstart='$P'/></rule>`,
			map[string][]string{"IP": {"192.0.2.1", "192.0.2.2"}, "P": {"1"}},
			outFrames + "  deny [uncertain: the value of IP, P is not known: libvirt learns it, or gets it otherwise] [unparsed: lists that go together differ in length]\n" + outPackets + inPackets + inFrames,
		},
		{"an unknown protocol", `<rule action='accept' direction='out'><quic dstportstart='1'/></rule>`, nil, outFrames + outPackets +
			called + "  permit etherType 0x800, destinationPort 1, state 0 1 [unparsed: protocol quic]\n" + inPackets + called + "  permit etherType 0x800, sourcePort 1, state 1 [unparsed: protocol quic]\n" + inFrames},
		{"an unknown attribute", `<rule action='drop' direction='out'><mac colour='red'/></rule>`, nil, outFrames + "  deny [unparsed: colour='red']\n" + outPackets + inPackets + inFrames},
		{"an unknown action", `<rule action='ponder' direction='out'/>`, nil, outFrames + `  0 [unparsed: action "ponder"]` + "\n" + outPackets + inPackets + inFrames},
		{"the bridges' own protocol", `<rule action='drop' direction='out'><stp/></rule>`, nil, outFrames + "  deny destinationMAC 01:80:c2:00:00:00\n" + outPackets + inPackets + inFrames},
		{"a tag of the guest", `<rule action='drop' direction='out'><vlan vlanid='0x64' encap-protocol='arp'/></rule>`, nil, outFrames +
			"  deny vlan not 0, vlan 100, etherType 0x806 [uncertain: libvirt writes the type behind the tag in decimal, which ebtables takes in hexadecimal]\n" +
			outPackets + inPackets + inFrames},
		{"what nobody knows may be any rule", `<frob x='1'/><rule action='drop' direction='out'/>`, nil, outFrames + "  permit [unparsed: no such element of a filter is known]\n  deny\n" +
			outPackets + called + "  permit [unparsed: no such element of a filter is known]\n" + inPackets + called + "  permit [unparsed: no such element of a filter is known]\n" + inFrames +
			"  permit [unparsed: no such element of a filter is known]\n! xml:1: <frob x='1'/> (no such element of a filter is known)\n"},
		{"nobody's filter", `<filterref filter='gone'/>`, nil, outFrames + `  permit [unparsed: filter "gone" is not known]` + "\n" + outPackets + called + `  permit [unparsed: filter "gone" is not known]` + "\n" +
			inPackets + called + `  permit [unparsed: filter "gone" is not known]` + "\n" + inFrames + `  permit [unparsed: filter "gone" is not known]` + "\n"},
		{"one that refers to itself", `<filterref filter='f'/>`, nil, outFrames + `  permit [unparsed: filter "f" refers to itself]` + "\n" + outPackets + called + `  permit [unparsed: filter "f" refers to itself]` + "\n" +
			inPackets + called + `  permit [unparsed: filter "f" refers to itself]` + "\n" + inFrames + `  permit [unparsed: filter "f" refers to itself]` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, instance(t, c.parameters, c.rules)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseNWFilter_malformed(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "<filter/>", "<filter name='a'>", "<network name='a'/>", "<filter name='a'/><filter name='b'/>", "<!DOCTYPE x><filter name='a'/>", "<filter name='a' priority='x'/>"} {
		if _, err := filter.ParseNWFilter("xml", []byte(raw)); !errors.Is(err, filter.ErrMalformed) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// FuzzNWFilter: whatever a definition says, its filters have a meaning.
func FuzzNWFilter(f *testing.F) {
	f.Add([]byte(`<filter name='f' chain='ipv4-x'><filterref filter='f'><parameter name='IP' value='192.0.2.1'/></filterref><rule action='drop' direction='inout'><ip srcipaddr='$IP[@1]'/></rule></filter>`))
	f.Add([]byte(`<filter name='f'><rule action='accept' direction='in'><tcp flags='SYN/ALL' srcportstart='$A' state='NEW'/></rule><rule action='drop' direction='out'><stp type='1'/></rule></filter>`))
	f.Add([]byte(`<filter name='f'><rule action='accept' direction='out'><all ipset='x' ipsetflags='src,dst' connlimit-above='3' srcipfrom='192.0.2.1' srcipto='192.0.2.2'/></rule></filter>`))
	seeds(f, func(raw []byte) { f.Add(raw) }, "libvirt/nwfilter-fw/*.xml")
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := filter.ParseNWFilter("fuzz", raw)
		if err != nil {
			return
		}
		meaningful(t, filter.Instantiate(map[string]*filter.NWFilter{d.Name: d}, filter.VNIC{Name: "v", Filter: d.Name, Parameters: map[string][]string{"IP": {"192.0.2.1", "192.0.2.2"}, "A": {"1"}}}))
	})
}
