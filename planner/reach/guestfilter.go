package reach

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// elsewhere tells why the rules of a network filter that a vNIC had on one host may not be those that it has on another one: libvirt makes them anew there, of what that
// host has defined under the name. "" is that both have defined the same, and hand it the same frames.
func (n *Network) elsewhere(vnic, filter, was, host topology.Node) (doubt string) {
	name := cmp.Or(vnic.Text(topology.AttrFilterRef), filter.Name())
	attrs := []topology.Attr{topology.AttrNetworkFilter, topology.AttrBridgeCalls}
	if why := cmp.Or(n.stale(was, attrs...), n.stale(host, attrs...)); why != "" {
		return why
	}
	names := []string{name}
	for i := 0; i < len(names); i++ {
		part, of := names[i], "the network filter of "+vnic.Name()
		if i > 0 {
			of = fmt.Sprintf("which %s, %s, refers to", name, of)
		}
		here, there := definition(was, part), definition(host, part)
		switch {
		case there == "" || here == "":
			return fmt.Sprintf("what %s, %s, does on %s is not known", part, of, host.Name())
		case here != there:
			return fmt.Sprintf("%s, %s, is another one on %s than on %s", part, of, host.Name(), was.Name())
		}
		for _, included := range strings.Fields(here)[2:] {
			if !slices.Contains(names, included) {
				names = append(names, included)
			}
		}
	}
	here, there := bridgeCalls(was), bridgeCalls(host) // rules for packets are met only where the bridge hands them over
	if here == "" || there == "" || here != there {
		return fmt.Sprintf("whether frames of %s meet %s, its network filter, on %s as on %s is not known: whether bridged frames meet filters of packets (br_netfilter)", vnic.Name(), name, host.Name(), was.Name())
	}
	return ""
}

// bridgeCalls is whether bridged frames meet the filters of packets on a host; "" where nobody says.
func bridgeCalls(host topology.Node) string {
	var all []string
	for _, v := range host.Values(topology.AttrBridgeCalls) {
		all = append(all, v.String())
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// definition is what a host has defined as a network filter: "NAME DIGEST INCLUDED…"; "" where no source says, or several say otherwise.
func definition(host topology.Node, name string) string {
	found := ""
	for _, v := range host.Values(topology.AttrNetworkFilter) {
		words := strings.Fields(v.String())
		if len(words) < 2 || words[0] != name {
			continue
		}
		if found != "" {
			return ""
		}
		found = v.String()
	}
	return found
}
