package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/topology"
)

func (a *app) pathCommand() *cobra.Command {
	var rail, on string
	cmd := &cobra.Command{
		Use: "path WHAT [PEER]", Short: "Show the whole path of a VM, host or port, to its network and to its storage",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return exitWith(exitUsage, "want WHAT, or WHAT and PEER")
			}
			return nil
		},
		Long: `Show both rails hop by hop, with VLAN, MTU, speed, state, evidence and age, all equal alternatives and how many of them are independent.
Where the middle is not known, it says so and which device would have to be collected.

WHAT is a VM, host or port: by name, UUID, MAC, IP address, WWPN, IQN, designator of a logical unit, DEVICE/PORT, or key. Where several things
answer, they are listed and none is chosen. With PEER, the way between two VMs is shown up to where they meet. With --on HOST, the rails are
shown as they would be if the VM ran there, plugged into the networks and bridges of the same names: nothing is moved.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		Example: "  throughline path web-07\n  throughline path 52:54:00:12:34:56 --rail network\n  throughline path leaf1/Ethernet7\n  throughline path web-07 db-01\n  throughline path web-07 --on r2h3",
		RunE: func(cmd *cobra.Command, args []string) error {
			if rail != "" && rail != "network" && rail != "storage" {
				return exitWith(exitUsage, "--rail %q: want network or storage", rail)
			}
			if on != "" && len(args) == 2 {
				return exitWith(exitUsage, "--on HOST goes with one VM")
			}
			if rail == "storage" && len(args) == 2 {
				return exitWith(exitUsage, "between two VMs there is only the network rail")
			}
			return a.path(cmd.Context(), args, rail, on)
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().StringVar(&on, "on", "", "show the rails as if the VM ran on this `HOST`")
	a.limitsFlag(cmd)
	cmd.Flags().StringVar(&rail, "rail", "", "only this `RAIL`: network or storage")
	return cmd
}

// completeNames offers the names of VMs and hosts to the shell.
func (a *app) completeNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.snapshot(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for n := range s.Nodes(topology.VM, topology.Host) {
		names = append(names, n.Name())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) path(ctx context.Context, args []string, rail, on string) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	node, err := a.findOne(s, args[0])
	if err != nil {
		return err
	}
	var missing []string
	if on != "" {
		if node, missing, err = a.moved(s, node, on); err != nil {
			return err
		}
		s = node.Snapshot()
	}
	if len(args) == 2 {
		peer, err := a.findOne(s, args[1])
		if err != nil {
			return err
		}
		return a.pathBetween(s, node, peer)
	}
	rails := slices.DeleteFunc(node.Rails(), func(r topology.Rail) bool { return rail != "" && r.Name != rail })
	v := pathView{Of: report.Title(node), Key: node.Key(), Revision: s.Revision(), Time: s.Time(), Missing: missing, Rails: []railView{}}
	for _, r := range rails {
		v.Rails = append(v.Rails, a.railView(s, r))
	}
	return a.print(v, func(w io.Writer) error {
		writeHead(w, s, node)
		for _, m := range missing {
			fmt.Fprintf(w, "X %s\n", printable(m))
		}
		if len(rails) == 0 {
			fmt.Fprintf(w, "\nno %srail is known that begins at %s\n", strings.TrimLeft(rail+" ", " "), printable(report.Title(node)))
		}
		for _, r := range v.Rails {
			writeRail(w, r)
		}
		return nil
	})
}

// moved gives the VM as it would be on another host, and what the host lacks in words.
func (a *app) moved(s *topology.Snapshot, vm topology.Node, on string) (topology.Node, []string, error) {
	host, err := a.findOne(s, on)
	if err != nil {
		return topology.Node{}, nil, err
	}
	if vm.Kind() != topology.VM || host.Kind() != topology.Host {
		return topology.Node{}, nil, exitWith(exitUsage, "--on wants a VM and a host, not a %s and a %s", vm.Kind(), host.Kind())
	}
	return movedTo(s, vm, host)
}

func movedTo(s *topology.Snapshot, vm, host topology.Node) (topology.Node, []string, error) {
	cs, missing, err := s.MoveVM(vm.Key(), host.Key())
	if err != nil {
		return topology.Node{}, nil, err
	}
	then, err := s.With(cs)
	if err != nil {
		return topology.Node{}, nil, err
	}
	n, _ := then.Node(vm.Key())
	return n, missing, nil
}

// findOne resolves what somebody typed to one node that has rails; parts of a VM or host count as themselves.
func (a *app) findOne(s *topology.Snapshot, what string) (topology.Node, error) {
	ms := wholeVMs(s.Find(what))
	// A name that a VM or device has is meant before the same word on one of its parts (a disk path, an interface alias).
	for _, wanted := range [][]topology.Kind{
		{topology.VM, topology.Host},
		{topology.VNIC, topology.VDisk, topology.Port, topology.NIC, topology.LAG, topology.InitiatorPort, topology.LogicalUnit, topology.Volume},
	} {
		some := slices.DeleteFunc(slices.Clone(ms), func(m topology.Match) bool { return !slices.Contains(wanted, m.Node.Kind()) })
		switch {
		case len(some) == 1:
			return some[0].Node, nil
		case len(some) > 1:
			return topology.Node{}, a.several(s, what, some)
		}
	}
	if len(ms) > 0 {
		return topology.Node{}, exitWith(exitNothing, "%q is of kind %s: name a VM, host, port, disk, initiator port or logical unit; for a device, DEVICE/PORT", what, ms[0].Node.Kind())
	}
	return topology.Node{}, exitWith(exitNothing, "nothing answers to %q: throughline show vm lists the VMs, throughline show host the hosts", what)
}

// wholeVMs takes a VM for its vNIC or disk where that was found by a MAC, an address or a path: the key alone means the part.
func wholeVMs(ms []topology.Match) []topology.Match {
	var whole []topology.Match
	for _, m := range ms {
		if kind := m.Node.Kind(); m.Attr != 0 && (kind == topology.VNIC || kind == topology.VDisk) {
			if vm, ok := m.Node.Owner(); ok && vm.Kind() == topology.VM {
				m.Node = vm
			}
		}
		if !slices.ContainsFunc(whole, func(o topology.Match) bool { return o.Node == m.Node }) {
			whole = append(whole, m)
		}
	}
	return whole
}

func (a *app) several(_ *topology.Snapshot, what string, ms []topology.Match) error {
	type row struct {
		Key  topology.Key `json:"key"`
		Name string       `json:"name"`
		Of   string       `json:"of,omitempty"`
		By   string       `json:"by,omitempty"`
	}
	rows := make([]row, len(ms))
	for i, m := range ms {
		rows[i] = row{Key: m.Node.Key(), Name: m.Node.Name(), Of: ownerName(m.Node)}
		if m.Attr != 0 {
			rows[i].By = m.Attr.String()
		}
	}
	err := a.print(rows, func(w io.Writer) error {
		cells := make([][]string, len(rows))
		for i, r := range rows {
			cells[i] = []string{r.Name, r.Of, r.By, r.Key.String()}
		}
		printTable(w, []string{"name", "of", "by", "key"}, cells)
		return nil
	})
	if err != nil {
		return err
	}
	return exitWith(exitSeveral, "%d things answer to %q: name one by its key", len(ms), what)
}

type pathView struct {
	Of       string            `json:"of"`
	Key      topology.Key      `json:"key"`
	Revision topology.Revision `json:"revision"`
	Time     time.Time         `json:"time"`
	Missing  []string          `json:"missing,omitempty"` // what the host of --on lacks
	Rails    []railView        `json:"rails"`
}

type railView struct {
	Rail        string    `json:"rail"`
	From        string    `json:"from"`
	Independent int       `json:"independentPaths"`
	More        int       `json:"morePaths,omitempty"` // beyond those listed
	Paths       []wayView `json:"paths"`
}

type wayView struct {
	Complete bool      `json:"complete"`
	Faulty   bool      `json:"faulty"`
	Stale    bool      `json:"stale,omitempty"` // a hop rests on a stale reading
	Gap      string    `json:"gap,omitempty"`
	Hops     []hopView `json:"hops"`
}

type hopView struct {
	Key        topology.Key    `json:"key"`
	Title      string          `json:"title"`
	By         string          `json:"by,omitempty"`
	VID        topology.VID    `json:"vid,omitempty"`
	Tagged     bool            `json:"tagged,omitempty"`
	Properties []string        `json:"properties,omitempty"`
	Evidence   string          `json:"evidence,omitempty"`
	Confidence uint8           `json:"confidence,omitempty"`
	Age        string          `json:"age,omitempty"`
	Stale      bool            `json:"stale,omitempty"`
	Fault      string          `json:"fault,omitempty"`
	Doubt      string          `json:"doubt,omitempty"`
	Facts      []topology.Fact `json:"facts,omitempty"`
}

func (a *app) railView(s *topology.Snapshot, r topology.Rail) railView {
	v := railView{Rail: r.Name, From: report.Title(r.From), Independent: r.Independent, More: r.More, Paths: []wayView{}}
	for _, p := range r.Paths {
		way := wayView{Complete: p.Complete, Faulty: p.Faulty(), Gap: p.Gap}
		for _, h := range p.Hops {
			hop := a.hopView(s, h)
			way.Hops = append(way.Hops, hop)
			way.Stale = way.Stale || hop.Stale
		}
		v.Paths = append(v.Paths, way)
	}
	return v
}

func (a *app) hopView(s *topology.Snapshot, h topology.Hop) hopView {
	v := hopView{
		Key: h.Node.Key(), Title: report.Title(h.Node), VID: h.VID, Tagged: h.Tagged, Properties: properties(h.Node),
		Fault: h.Fault, Doubt: h.Doubt,
	}
	reading := h.Reading
	if h.Rel != 0 {
		v.By, v.Confidence = h.Rel.String(), h.Confidence
	} else {
		for f := range h.Node.Facts() {
			reading, _ = s.Reading(f.Reading)
			break
		}
	}
	if reading.Source != 0 {
		now := a.when(s)
		v.Evidence = strings.TrimSpace(reading.Device + " " + reading.Source.String() + " " + reading.Table)
		v.Age = age(now.Sub(reading.Time))
		v.Stale = a.limits().Stale(reading, now)
		for _, r := range underneath(s, h.Node) {
			if a.limits().Stale(r, now) && !v.Stale {
				v.Stale = true
				v.Evidence += " over " + r.Device + " " + r.Table + " of " + age(now.Sub(r.Time))
			}
		}
	}
	return v
}

// underneath lists the readings that the state and VLANs of a hop come from: what is said of it is as old as the oldest of them.
func underneath(s *topology.Snapshot, n topology.Node) []topology.Reading {
	var rs []topology.Reading
	nodes := []topology.Node{n}
	for _, e := range n.In(topology.SupportedBy) {
		if e.From.Kind() == topology.LAG {
			nodes = append(nodes, e.From)
		}
	}
	for _, n := range nodes {
		for _, attr := range []topology.Attr{topology.AttrState, topology.AttrPVID, topology.AttrTagged, topology.AttrUntagged, topology.AttrSTPState} {
			if f, ok := n.Evidence(attr); ok {
				if r, ok := s.Reading(f.Reading); ok {
					rs = append(rs, r)
				}
			}
		}
	}
	return rs
}

// properties words what matters at a hop.
func properties(n topology.Node) []string {
	var ps []string
	add := func(label string, attr topology.Attr) {
		if t := valueText(n, attr); t != "" {
			ps = append(ps, strings.TrimSpace(label+" "+t))
		}
	}
	add("", topology.AttrState)
	switch n.Kind() {
	case topology.VNIC:
		add("mac", topology.AttrMAC)
		add("", topology.AttrAddress)
		add("mtu", topology.AttrMTU)
	case topology.Port, topology.NIC, topology.LAG:
		add("", topology.AttrSpeedBits)
		add("mtu", topology.AttrMTU)
		add("", topology.AttrAddress)
	case topology.VDisk:
		add("", topology.AttrDeviceType)
		add("", topology.AttrSourceType)
		add("cache", topology.AttrCache)
	case topology.Volume:
		if n.Name() != n.Text(topology.AttrPath) {
			add("", topology.AttrPath)
		}
		add("", topology.AttrFormat)
		add("", topology.AttrCapacityBytes)
	case topology.StoragePool:
		add("", topology.AttrPoolType)
		add("", topology.AttrPath)
		add("free", topology.AttrAvailableBytes)
	case topology.LogicalUnit:
		if n.Name() != n.Text(topology.AttrDesignator) {
			add("", topology.AttrDesignator)
		}
		add("", topology.AttrCapacityBytes)
	case topology.InitiatorPort:
		add("wwpn", topology.AttrWWPN)
		add("fabric", topology.AttrFabricWWN)
	}
	return ps
}

func writeHead(w io.Writer, s *topology.Snapshot, n topology.Node) {
	fmt.Fprintf(w, "%s", printable(report.Title(n)))
	if state := n.Text(topology.AttrState); state != "" {
		fmt.Fprintf(w, ", %s", printable(state))
	}
	if host, ok := n.First(topology.RunsOn); ok {
		fmt.Fprintf(w, " on host %s", printable(host.Name()))
	}
	if others := n.Claims(topology.RunsOn); len(others) > 1 {
		fmt.Fprintf(w, " (%d hosts claim it: throughline show conflicts)", len(others))
	}
	fmt.Fprintf(w, "\nrevision @%d of %s\n", s.Revision(), s.Time().Local().Format(time.DateTime))
}

// pathBetween shows the network way from one node to another: up from each to the device where they first meet.
func (a *app) pathBetween(s *topology.Snapshot, from, to topology.Node) error {
	m := topology.Between(from, to)
	v := betweenView{From: report.Title(from), To: report.Title(to), Revision: s.Revision(), Meet: m.Meet, Routed: m.Routed, Gap: m.Gap, Equal: m.Equal, Broken: m.Broken}
	for _, h := range m.Hops {
		v.Hops = append(v.Hops, a.hopView(s, h))
	}
	return a.print(v, func(w io.Writer) error {
		writeHead(w, s, from)
		fmt.Fprintf(w, "\nNetwork path from %s to %s", printable(v.From), printable(v.To))
		switch {
		case m.Gap != "":
			fmt.Fprintf(w, ": not known to its end\n")
		case m.Routed:
			fmt.Fprintf(w, ": routed at %s (what its filters let through is not looked at)\n", printable(m.Meet))
		default:
			fmt.Fprintf(w, ": within one VLAN, they meet at %s\n", printable(m.Meet))
		}
		if m.Equal > 1 {
			fmt.Fprintf(w, "This is one of %d equal ways.\n", m.Equal)
		}
		if m.Broken > 0 {
			fmt.Fprintf(w, "%d ways up from the two are BROKEN: throughline path shows them for each.\n", m.Broken)
		}
		t := &treeWriter{seen: map[string]int{}}
		for _, h := range v.Hops {
			t.write(&branch{hop: h}, "  ", "")
		}
		writeLines(w, t.lines)
		if m.Gap != "" {
			fmt.Fprintf(w, "      ?  %s\n", printable(m.Gap))
		}
		return nil
	})
}

type betweenView struct {
	From     string            `json:"from"`
	To       string            `json:"to"`
	Revision topology.Revision `json:"revision"`
	Equal    int               `json:"equalWays"`
	Broken   int               `json:"brokenWays"`
	Meet     string            `json:"meet,omitempty"`
	Routed   bool              `json:"routed"`
	Gap      string            `json:"gap,omitempty"`
	Hops     []hopView         `json:"hops"`
}
