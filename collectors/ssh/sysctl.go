package ssh

import (
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// kernelSwitches are those of /proc/sys/net that decide what becomes of packets beside routes and filters (Documentation/networking/ip-sysctl).
type kernelSwitches struct {
	faces   map[string]map[string]string // by interface ("all" among them) and file
	bridged map[string]string            // files of /proc/sys/net/bridge, which is there where br_netfilter is loaded
}

// The directories, each with the files that are read of it.
const (
	conf4  = "/proc/sys/net/ipv4/conf/"
	conf6  = "/proc/sys/net/ipv6/conf/"
	bridge = "/proc/sys/net/bridge/bridge-nf-"
	every  = "all"
)

func sysctlNet() table {
	return table{
		name: "sysctl-net", may: true, needs: []string{"ip-link"}, parse: parseSysctlNet, tell: tellSysctlNet, prints: "the switches of every interface",
		line: sysfsLine(conf4+"*/forwarding", conf4+"*/rp_filter", conf6+"*/force_forwarding",
			bridge+"call-iptables", bridge+"call-ip6tables", bridge+"filter-vlan-tagged"),
	}
}

// parseSysctlNet reads files of one number each.
func parseSysctlNet(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	var t tally
	s.switches = kernelSwitches{faces: map[string]map[string]string{}, bridged: map[string]string{}}
	for where, l := range lines(raw) {
		if l == "" {
			continue
		}
		t.Rows++
		if why := s.switches.read(l); why != "" {
			t.Miss(where, l, why)
		}
	}
	if s.switches.faces[every]["forwarding"] == "" {
		return 0, nil, shell.Malformed("what holds for all interfaces is not said")
	}
	return t.Rows, t.Left, nil
}

// read reads "/proc/sys/net/ipv4/conf/eth0/forwarding:1". Names of interfaces hold no slashes, and may hold colons.
func (k *kernelSwitches) read(l string) (why string) {
	path, value, found := cutLast(l, ":")
	if !found || len(value) != 1 || value < "0" || value > "2" {
		return "no switch with its value"
	}
	if file, ok := strings.CutPrefix(path, bridge); ok {
		k.bridged[file] = value
		return ""
	}
	for _, dir := range []string{conf4, conf6} {
		rest, ok := strings.CutPrefix(path, dir)
		name, file, inside := strings.Cut(rest, "/")
		if !ok || !inside {
			continue
		}
		if k.faces[name] == nil {
			k.faces[name] = map[string]string{}
		}
		k.faces[name][file] = value
		return ""
	}
	return "no file that was asked for"
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// enslaved tells that what comes in by an interface is routed by another one, if at all: it is a member of a bridge or bond.
func (s *sheet) enslaved(name string) bool {
	l, _ := s.link(name)
	m, known := s.link(l.master)
	return l.master != "" && (!known || m.kind != "vrf")
}

// tellSysctlNet states of interfaces what differs from the device's forwarding, and which of them look at the way back to the source (rp_filter: the greater of the
// interface's and that of all holds); of the device whether its bridges call the filters of routed packets.
func tellSysctlNet(s *sheet, say *words) {
	all := s.switches.faces[every]
	if all == nil {
		return
	}
	for _, name := range sortedKeys(s.switches.faces) {
		face := s.switches.faces[name]
		if _, there := s.link(name); name == every || name == "default" || !there && len(s.links) > 0 {
			continue
		}
		k := s.port(name)
		say.contains(s, k)
		if on := face["forwarding"]; on != "" && (on == "0") != (all["forwarding"] == "0") {
			say.Text(k, topology.AttrForwarding, "ipv4"+map[string]string{"0": off}[on])
		}
		if face["force_forwarding"] == "1" {
			say.Text(k, topology.AttrForwarding, "ipv6")
		}
		if mode := max(face["rp_filter"], all["rp_filter"]); mode > "0" && !s.enslaved(name) {
			say.Text(k, topology.AttrPolicyRule, map[string]string{"1": "rpf strict", "2": "rpf loose"}[mode])
		}
	}
	if len(s.switches.bridged) == 0 {
		say.Text(s.device, topology.AttrBridgeCalls, "none")
	}
	for _, f := range [][2]string{{"call-iptables", "ipv4"}, {"call-ip6tables", "ipv6"}, {"filter-vlan-tagged", "vlan"}} {
		if value := s.switches.bridged[f[0]]; value != "" {
			say.Text(s.device, topology.AttrBridgeCalls, f[1]+map[string]string{"0": off}[value])
		}
	}
}
