package ssh_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
)

// statements lists what one answer states of a switch, in a canonical order.
func statements(t *rapid.T, table, raw string) []string {
	d := collectors.Device{Handle: "x", Kind: topology.Switch, Source: topology.SourceSSH}
	observations, unparsed := ssh.Replay(d, map[string][]byte{table: []byte(raw)}, time.Unix(0, 0))
	if len(unparsed) > 0 || len(observations) != 1 || observations[0].Reading.Partial {
		t.Fatalf("%s\nis not understood: %v %v", raw, unparsed, observations)
	}
	var all []string
	for _, f := range observations[0].Facts {
		all = append(all, f.String())
	}
	slices.Sort(all)
	return all
}

// agree checks that both forms of an answer state what is true.
func agree(t *rapid.T, table, asJSON, asText string, want []string) {
	slices.Sort(want)
	want = slices.Compact(want)
	for _, raw := range []string{asJSON, asText} {
		if got := statements(t, table, raw); !slices.Equal(got, want) {
			t.Fatalf("%s\nstates %q\nand not %q", raw, got, want)
		}
	}
}

func toJSON(t *rapid.T, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func attribute(k topology.Key, a topology.Attr, v topology.Value) string {
	return topology.Attribute(k, a, v).String()
}

func portOf(name string) topology.Key {
	return topology.PartKey(topology.Port, topology.DeviceKey(topology.Switch, "x"), name)
}

// A list of VLANs, whole or in ranges, as JSON or as text, means the same set.
func TestBridgeVLAN_property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type vlan struct {
			VLAN  int      `json:"vlan"`
			End   int      `json:"vlanEnd,omitempty"`
			Flags []string `json:"flags,omitempty"`
		}
		tagged, untagged := map[topology.VID]bool{}, map[topology.VID]bool{}
		var list []vlan
		var lines []string
		next := 1
		pvid := 0
		for range rapid.IntRange(1, 6).Draw(t, "ranges") {
			from := rapid.IntRange(next, next+500).Draw(t, "from")
			to := rapid.IntRange(from, from+100).Draw(t, "to")
			plain := rapid.Bool().Draw(t, "untagged")
			next = to + 1
			v := vlan{VLAN: from}
			text := strconv.Itoa(from)
			if to > from {
				v.End, text = to, fmt.Sprintf("%d-%d", from, to)
			}
			set := tagged
			if plain {
				set, v.Flags, text = untagged, append(v.Flags, "Egress Untagged"), text+" Egress Untagged"
			}
			if plain && pvid == 0 && to == from {
				pvid, v.Flags, text = from, append(v.Flags, "PVID"), fmt.Sprint(from, " PVID Egress Untagged")
			}
			for id := from; id <= to; id++ {
				set[topology.VID(id)] = true
			}
			list, lines = append(list, v), append(lines, text)
		}
		k := portOf("swp1")
		want := []string{attribute(k, topology.AttrTagged, topology.VIDsValue(setOf(tagged))), attribute(k, topology.AttrUntagged, topology.VIDsValue(setOf(untagged)))}
		if pvid != 0 {
			want = append(want, attribute(k, topology.AttrPVID, topology.IntValue(pvid)))
		}
		device := topology.DeviceKey(topology.Switch, "x")
		for _, id := range setOf(tagged).Union(setOf(untagged)).All() {
			v := topology.PartKey(topology.VLAN, device, fmt.Sprint(id))
			want = append(want, topology.Relate(device, topology.Contains, v).String(), attribute(v, topology.AttrVID, topology.IntValue(id)))
		}
		agree(t, "bridge-vlan", toJSON(t, []any{map[string]any{"ifname": "swp1", "vlans": list}}), "port\tvlan ids\nswp1\t "+strings.Join(lines, "\n\t ")+"\n\n", want)
		agree(t, "bridge-vlan", toJSON(t, map[string]any{"swp1": list}), "port              vlan-id  \nswp1              "+strings.Join(lines, "\n                  ")+"\n", want)
	})
}

func setOf(ids map[topology.VID]bool) topology.VIDSet {
	var all []topology.VID
	for id := range ids {
		all = append(all, id)
	}
	return topology.VIDs(all...)
}

// An entry of a forwarding database, as JSON or as text, means the same.
func TestBridgeFDB_property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []map[string]any
		var text strings.Builder
		var want []string
		for range rapid.IntRange(1, 8).Draw(t, "entries") {
			mac := topology.MAC(rapid.Uint64Range(0, 1<<48-1).Draw(t, "mac"))
			dev := rapid.SampledFrom([]string{"swp1", "vni24", "bond0.30"}).Draw(t, "dev")
			vid := rapid.IntRange(0, 4094).Draw(t, "vid")
			state := rapid.SampledFrom([]string{"", "permanent", "static", "stale"}).Draw(t, "state")
			flags := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"offload", "extern_learn", "sticky", "router"}), func(f string) string { return f }).Draw(t, "flags")
			to := rapid.SampledFrom([]string{"", "192.0.2.1", "2001:db8::1"}).Draw(t, "dst")
			row := map[string]any{"mac": mac.String(), "ifname": dev, "flags": flags, "state": state}
			fmt.Fprintf(&text, "%s dev %s ", mac, dev)
			if to != "" {
				row["dst"] = to
				fmt.Fprintf(&text, "dst %s ", to)
			}
			if vid > 0 {
				row["vlan"] = vid
				fmt.Fprintf(&text, "vlan %d ", vid)
			}
			fmt.Fprintf(&text, "%s master br0 %s\n", strings.Join(flags, " "), state)
			list = append(list, row)
			e := topology.FDBEntry{VID: topology.VID(vid), MAC: mac, Status: topology.FDBLearned}
			switch {
			case state == "static":
				e.Status = topology.FDBStatic
			case state == "permanent" && mac.Group():
				e.Status = topology.FDBOther
			case state == "permanent":
				e.Status = topology.FDBSelf
			}
			if to != "" {
				want = append(want, attribute(portOf(dev), topology.AttrTunnelEntry, topology.TextValue(mac.String()+" "+to)))
			} else {
				want = append(want, attribute(portOf(dev), topology.AttrLearned, topology.FDBValue(e)))
			}
		}
		agree(t, "bridge-fdb", toJSON(t, list), text.String(), want)
	})
}

// An entry of the neighbour cache is stated if, and only if, somebody answered or it was set.
func TestIPNeigh_property(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list []map[string]any
		var text strings.Builder
		var want []string
		for range rapid.IntRange(1, 8).Draw(t, "entries") {
			addr := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.200", "2001:db8::1", "fe80::1"}).Draw(t, "addr")
			mac := topology.MAC(rapid.Uint64Range(1, 1<<40-1).Draw(t, "mac")) // no group
			state := rapid.SampledFrom([]string{"REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP", "FAILED", "INCOMPLETE"}).Draw(t, "state")
			router := rapid.Bool().Draw(t, "router")
			row := map[string]any{"dst": addr, "dev": "swp1", "state": []string{state}}
			fmt.Fprintf(&text, "%s dev swp1 ", addr)
			if state != "FAILED" && state != "INCOMPLETE" {
				row["lladdr"] = mac.String()
				fmt.Fprintf(&text, "lladdr %s ", mac)
				want = append(want, attribute(portOf("swp1"), topology.AttrARP, topology.TextValue(addr+" "+mac.String())))
			}
			if router {
				row["router"] = nil
				text.WriteString("router ")
			}
			fmt.Fprintf(&text, "%s \n", state)
			list = append(list, row)
		}
		agree(t, "ip-neigh", toJSON(t, list), text.String(), want)
	})
}

// A route with any number of next hops, in one line or in several, as JSON or as text, has each of its ways.
func TestIPRoute_property(t *testing.T) {
	t.Parallel()
	device := topology.DeviceKey(topology.Switch, "x")
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::/0"}).Draw(t, "prefix")
		six := strings.Contains(prefix, ":")
		metric := rapid.IntRange(0, 5000).Draw(t, "metric")
		table := rapid.SampledFrom([]string{"", "100"}).Draw(t, "table")
		protocol := rapid.SampledFrom([][2]string{{"", "static"}, {"kernel", "local"}, {"bgp", "bgp"}, {"186", "bgp"}, {"zebra", ""}}).Draw(t, "protocol")
		destination := strings.TrimSuffix(prefix, "/32")
		switch {
		case strings.HasSuffix(prefix, "/0"):
			destination = "default"
		case six:
			destination = prefix
		}
		row := map[string]any{"dst": destination, "flags": []string{}}
		line := destination
		if table != "" {
			row["table"], line = table, line+" table "+table
		}
		if protocol[0] != "" {
			row["protocol"], line = protocol[0], line+" proto "+protocol[0]
		}
		if metric > 0 {
			row["metric"], line = metric, line+" metric "+strconv.Itoa(metric)
		}
		if six {
			row["pref"] = "medium"
		}
		vrf := "default"
		if table != "" {
			vrf = "table " + table
		}
		var want []string
		var hops []map[string]any
		var below string
		many := rapid.Bool().Draw(t, "many")
		for i := range rapid.IntRange(1, 4).Draw(t, "hops") {
			via := fmt.Sprintf("192.0.2.%d", 10+i)
			if six {
				via = fmt.Sprintf("fe80::%d", 1+i)
			}
			hops = append(hops, map[string]any{"gateway": via, "dev": "swp1", "weight": 1, "flags": []string{"onlink"}})
			below += "\n\tnexthop via " + via + " dev swp1 weight 1 onlink "
			k := topology.PartKey(topology.Route, device, vrf, prefix, via)
			want = append(want, topology.Relate(device, topology.Contains, k).String(), topology.Relate(k, topology.RoutesVia, portOf("swp1")).String(),
				attribute(k, topology.AttrMetric, topology.IntValue(metric)))
			for a, text := range map[topology.Attr]string{topology.AttrPrefix: prefix, topology.AttrNextHop: via, topology.AttrProtocol: protocol[1]} {
				if v, err := topology.ParseValue(a.Type(), text); err == nil && text != "" {
					want = append(want, attribute(k, a, v))
				}
			}
			if !many {
				row["gateway"], row["dev"], row["flags"] = via, "swp1", []string{"onlink"}
				below, hops = " via "+via+" dev swp1 onlink", nil
				break
			}
		}
		if hops != nil {
			row["nexthops"] = hops
		}
		if six {
			line += " pref medium"
		}
		agree(t, "ip-route", toJSON(t, []any{row}), line+below+"\n", want)
	})
}
