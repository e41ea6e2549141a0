//go:build linux && cgo && libvirt_dlopen

package libvirt_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/filter"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// ownFilter is a network filter of several chains and layers, for the vNIC web7.
var ownFilter = map[string]string{
	"own": `<filter name='own' chain='ipv4'>
  <rule action='return' direction='out'><ip srcmacaddr='$MAC' srcipaddr='$IP'/></rule>
  <rule action='drop' direction='out'/>
</filter>`,
	"web": `<filter name='web'>
  <filterref filter='own'/>
  <rule action='accept' direction='inout' priority='-5'><mac protocolid='arp'/></rule>
  <rule action='accept' direction='in' priority='100'><tcp dstportstart='443' dstportend='444'/></rule>
  <rule action='accept' direction='out' priority='100'><udp-ipv6 dstipaddr='2001:db8::' dstipmask='32'/></rule>
  <rule action='accept' direction='out' priority='100'><icmp type='8'/></rule>
  <rule action='drop' direction='inout' priority='1000'><all/></rule>
</filter>`,
}

// TestLive_networkFilters: what the collector says of a vNIC's network filter is what libvirt put into the kernel.
func TestLive_networkFilters(t *testing.T) {
	t.Parallel()
	l, on, _ := host(t)
	file := func(name, text string) string {
		l.Node.WriteFile(t, "/run/live/"+name, 0o600, text)
		return l.Node.Path("/run/live/" + name)
	}
	for _, name := range []string{"own", "web"} {
		l.Virsh(t, "nwfilter-define", file(name+".xml", ownFilter[name]))
	}
	l.Virsh(t, "attach-device", on.Name, file("nic.xml", `<interface type='bridge'><mac address='02:00:5e:00:53:77'/><source bridge='br0'/><target dev='web7'/>
  <filterref filter='web'><parameter name='IP' value='192.0.2.77'/></filterref></interface>`))
	observations, err := client(t).Collect(t.Context(), hypervisor(l.URI))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]*policy.Filter{}
	for _, o := range observations {
		for _, f := range o.Facts {
			if f.Attr != topology.AttrRules {
				continue
			}
			p, err := policy.DecodeFilter(f.Value.String())
			if err != nil {
				t.Fatal(err)
			}
			said[p.Name] = p
		}
	}
	sets := []filter.Ruleset{
		filter.EBTables("ebtables", []byte(l.Node.Run(t, "ebtables-save"))), filter.IPTables(policy.IPv4, "iptables", []byte(l.Node.Run(t, "iptables-save"))),
		filter.IPTables(policy.IPv6, "ip6tables", []byte(l.Node.Run(t, "ip6tables-save"))),
	}
	done := map[string]*policy.Filter{}
	for _, s := range sets {
		if len(s.Rest) > 0 {
			t.Error(s.Rest)
		}
		for _, f := range s.Filters {
			done[f.Name] = f
		}
	}
	for kernel, own := range map[string]string{
		"ebtables nat libvirt-I-web7": "out frames", "ebtables nat I-web7-ipv4": "out frames ipv4", "ebtables nat libvirt-O-web7": "in frames",
		"iptables filter FI-web7": "out packets", "iptables filter HI-web7": "out packets", "iptables filter FO-web7": "in packets",
		"ip6tables filter FI-web7": "out packets", "ip6tables filter FO-web7": "in packets",
	} {
		f, ok := said["nwfilter web of web1 02:00:5e:00:53:77 "+own]
		if !ok || done[kernel] == nil {
			t.Fatalf("no filter %s, or no chain %s", own, kernel)
		}
		if diff := cmp.Diff(plainRules(done[kernel], kernel), plainRules(f, kernel)); diff != "" {
			t.Errorf("%s: -kernel +said\n%s", kernel, diff)
		}
	}
}

// plainRules writes rules so that both grammars write them alike: terms in order; chains by what they are for; of packets those of the family of the chain, without
// naming it. To return from a chain in which iptables asks libvirt is to be let through.
func plainRules(f *policy.Filter, kernel string) []string {
	var out []string
	for i := range f.Rules {
		r := &f.Rules[i]
		ether, packets := map[string]uint64{"iptables": 0x0800, "ip6tables": 0x86dd}[strings.Fields(kernel)[0]]
		verdict := r.Verdict.String()
		switch {
		case r.Place.Line == 0 && r.Verdict != policy.Jump:
			continue // what no definition says
		case r.Verdict == policy.Jump:
			verdict = "jump"
		case packets && r.Verdict == policy.Return:
			verdict = policy.Permit.String()
		}
		words := []string{verdict}
		other := false
		for _, t := range r.Match {
			if t.Field == policy.EtherType && packets {
				other = !t.Of[0].Has(policy.Num(ether))
				continue
			}
			one := policy.Rule{Match: []policy.Term{t}}
			words = append(words, one.String())
		}
		if !other {
			slices.Sort(words[1:])
			out = append(out, strings.Join(words, ","))
		}
	}
	return out
}
