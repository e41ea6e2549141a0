package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/topology"
)

func sortBy[T any, K cmp.Ordered](rows []T, key func(T) K) {
	slices.SortStableFunc(rows, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

func (a *app) showCommand() *cobra.Command {
	var names []string
	for _, k := range topology.Kinds() {
		names = append(names, k.String())
	}
	views := []string{"neighbors", "conflicts", "stale", "gaps", "readings", "revisions"}
	cmd := &cobra.Command{
		Use: "show KIND | neighbors | conflicts | stale | gaps | readings | revisions", Short: "List what the graph holds",
		Args:      exactly(1, "one kind of node, or neighbors, conflicts, stale, gaps, readings, revisions"),
		ValidArgs: append(views, names...),
		Long: `List the nodes of a kind, or one of these views:

  neighbors  who every port hears by LLDP or CDP, and who that is
  conflicts  where sources disagree, and identifiers that several nodes share
  stale      readings older than --max-age: what they say counts as unknown
  gaps       neighbours in no inventory, tables that could not be read, VMs with half a rail; each with the reason
  readings   every table that was read, when, and whether to its end
  revisions  the history that is kept

Kinds: ` + strings.Join(names, ", ") + exits(exitOK, exitFailed, exitUsage, exitNothing),
		RunE: func(cmd *cobra.Command, args []string) error { return a.show(cmd.Context(), args[0]) },
	}
	a.limitsFlag(cmd)
	return cmd
}

func (a *app) show(ctx context.Context, what string) error {
	if what == "revisions" {
		return a.showRevisions(ctx)
	}
	views := map[string]func(*topology.Snapshot) error{
		"neighbors": a.showNeighbors, "conflicts": a.showConflicts, "stale": a.showStale, "gaps": a.showGaps, "readings": a.showReadings,
	}
	view, ok := views[what]
	if !ok {
		kind, ok := kindOf(what)
		if !ok {
			return exitWith(exitUsage, "show %q: no such kind or view; throughline show --help lists them", what)
		}
		view = func(s *topology.Snapshot) error { return a.showKind(s, kind) }
	}
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	return view(s)
}

// kindOf reads the name of a kind, in the plural too: switches.
func kindOf(what string) (topology.Kind, bool) {
	what = strings.ToLower(what)
	for _, ending := range []string{"", "s", "es"} {
		if k, err := topology.ParseKind(strings.TrimSuffix(what, ending)); err == nil {
			return k, true
		}
	}
	return 0, false
}

// columns are what a person wants to see of a kind besides name and key.
var columns = map[topology.Kind][]topology.Attr{ //nolint:gochecknoglobals // read-only table
	topology.Host:          {topology.AttrHypervisor, topology.AttrCPUs, topology.AttrMemoryBytes, topology.AttrVersion},
	topology.VM:            {topology.AttrState, topology.AttrCPUs, topology.AttrMemoryBytes},
	topology.VNIC:          {topology.AttrMAC, topology.AttrSource, topology.AttrVID, topology.AttrAddress},
	topology.VDisk:         {topology.AttrDeviceType, topology.AttrSourceType, topology.AttrSource, topology.AttrFormat},
	topology.Switch:        {topology.AttrModel, topology.AttrChassisID, topology.AttrMgmtAddress},
	topology.Router:        {topology.AttrModel, topology.AttrMgmtAddress},
	topology.Firewall:      {topology.AttrModel, topology.AttrMgmtAddress},
	topology.Port:          {topology.AttrState, topology.AttrSpeedBits, topology.AttrMTU, topology.AttrPVID, topology.AttrTagged, topology.AttrIfAlias},
	topology.NIC:           {topology.AttrState, topology.AttrSpeedBits, topology.AttrMTU, topology.AttrMAC},
	topology.LAG:           {topology.AttrState, topology.AttrSpeedBits, topology.AttrPVID, topology.AttrTagged, topology.AttrDistributed},
	topology.VLAN:          {topology.AttrVID, topology.AttrState},
	topology.Network:       {topology.AttrState, topology.AttrForwardMode, topology.AttrBridge},
	topology.Neighbor:      {topology.AttrProtocol, topology.AttrNeighborChassis, topology.AttrNeighborPort, topology.AttrSysName},
	topology.StoragePool:   {topology.AttrState, topology.AttrPoolType, topology.AttrPath, topology.AttrCapacityBytes, topology.AttrAvailableBytes},
	topology.Volume:        {topology.AttrPath, topology.AttrFormat, topology.AttrCapacityBytes},
	topology.InitiatorPort: {topology.AttrState, topology.AttrWWPN, topology.AttrIQN, topology.AttrFabricWWN},
	topology.LogicalUnit:   {topology.AttrDesignator, topology.AttrCapacityBytes},
}

func (a *app) showKind(s *topology.Snapshot, kind topology.Kind) error {
	nodes := slices.Collect(s.Nodes(kind))
	if nodes == nil {
		nodes = []topology.Node{}
	}
	return a.print(nodes, func(w io.Writer) error {
		if len(nodes) == 0 {
			_, err := fmt.Fprintf(w, "no %s is known\n", kind)
			return err
		}
		head := []string{"name", "of"}
		for _, c := range columns[kind] {
			head = append(head, c.String())
		}
		rows := make([][]string, len(nodes))
		for i, n := range nodes {
			rows[i] = []string{n.Name(), ownerName(n)}
			for _, c := range columns[kind] {
				rows[i] = append(rows[i], valueText(n, c))
			}
		}
		sortBy(rows, func(r []string) string { return r[1] + "\x00" + natural(r[0]) })
		printTable(w, head, rows)
		return nil
	})
}

// natural makes Eth10 sort after Eth9: numbers are padded.
func natural(s string) string {
	var b, num strings.Builder
	flush := func() {
		fmt.Fprintf(&b, "%0*s", min(12, max(12, num.Len())), num.String())
		num.Reset()
	}
	for _, r := range s {
		if r >= '0' && r <= '9' {
			num.WriteRune(r)
			continue
		}
		if num.Len() > 0 {
			flush()
		}
		b.WriteRune(r)
	}
	if num.Len() > 0 {
		flush()
	}
	return b.String()
}

func ownerName(n topology.Node) string {
	if host, ok := n.First(topology.RunsOn); ok {
		return host.Name()
	}
	var names []string
	for o, ok := n.Owner(); ok && len(names) < 4; o, ok = o.Owner() {
		names = append([]string{o.Name()}, names...)
	}
	return strings.Join(names, " ")
}

// valueText words a value with its unit.
func valueText(n topology.Node, attr topology.Attr) string {
	var texts []string
	for _, v := range n.Values(attr) {
		switch attr {
		case topology.AttrSpeedBits:
			texts = append(texts, bits(v.Int()))
		case topology.AttrMemoryBytes, topology.AttrCapacityBytes, topology.AttrAvailableBytes:
			texts = append(texts, octets(v.Int()))
		default:
			texts = append(texts, v.String())
		}
		if !attr.Multi() {
			break
		}
	}
	return strings.Join(texts, " ")
}

type neighborRow struct {
	Device   string       `json:"device"`
	Port     string       `json:"port"`
	Protocol string       `json:"protocol"`
	Chassis  string       `json:"chassis"`
	FarPort  string       `json:"farPort"`
	SysName  string       `json:"sysName"`
	Is       string       `json:"is,omitempty"`
	Key      topology.Key `json:"key"`
}

func (a *app) showNeighbors(s *topology.Snapshot) error {
	rows := []neighborRow{}
	for n := range s.Nodes(topology.Neighbor) {
		for _, e := range n.In(topology.HasNeighbor) {
			r := neighborRow{
				ownerName(e.From), e.From.Name(), n.Text(topology.AttrProtocol), n.Text(topology.AttrNeighborChassis),
				n.Text(topology.AttrNeighborPort), n.Text(topology.AttrSysName), "", n.Key(),
			}
			if is, ok := n.First(topology.IdentifiedAs); ok {
				r.Is = strings.TrimSpace(ownerName(is) + " " + is.Name())
			}
			rows = append(rows, r)
		}
	}
	sortBy(rows, func(r neighborRow) string { return r.Device + "\x00" + natural(r.Port) })
	return a.print(rows, func(w io.Writer) error {
		cells := make([][]string, len(rows))
		for i, r := range rows {
			is := r.Is
			if is == "" {
				is = "(not collected)"
			}
			cells[i] = []string{r.Device, r.Port, r.Protocol, r.SysName, r.Chassis, r.FarPort, is}
		}
		printTable(w, []string{"device", "port", "by", "hears", "chassis", "port", "which is"}, cells)
		return nil
	})
}

type conflictRow struct {
	Kind  string          `json:"kind"`
	Facts []topology.Fact `json:"facts"`
}

func (a *app) showConflicts(s *topology.Snapshot) error {
	rows := []conflictRow{}
	for _, c := range s.Conflicts() {
		rows = append(rows, conflictRow{string(c.Kind), c.Facts})
	}
	now := a.when(s)
	return a.print(rows, func(w io.Writer) error {
		if len(rows) == 0 {
			fmt.Fprintln(w, "no conflicts")
		}
		for _, r := range rows {
			fmt.Fprintf(w, "%s\n", map[string]string{
				"value": "two values", "relation": "two ends", "identifier": "one identifier, several nodes",
			}[r.Kind])
			for _, f := range r.Facts {
				fmt.Fprintf(w, "    %s\n        %s\n", printable(factText(s, f)), printable(evidence(s, f.Reading, f.Confidence, now)))
			}
		}
		return nil
	})
}

func factText(s *topology.Snapshot, f topology.Fact) string {
	subject := title(s, f.Subject)
	if f.Rel != 0 {
		return subject + " " + f.Rel.String() + " " + title(s, f.Object)
	}
	return subject + " " + f.Attr.String() + " = " + f.Value.String()
}

// title names a node for people: its kind, its owner and its name.
func title(s *topology.Snapshot, k topology.Key) string {
	n, ok := s.Node(k)
	if !ok {
		return k.String()
	}
	return report.Title(n)
}

func evidence(s *topology.Snapshot, k topology.ReadingKey, confidence uint8, now time.Time) string {
	r, _ := s.Reading(k)
	return fmt.Sprintf("%s by %s, %s, %s old, confidence %d", k.Device, k.Source, k.Table, age(now.Sub(r.Time)), confidence)
}

func (a *app) showStale(s *topology.Snapshot) error {
	return a.printReadings(s, s.StaleReadings(a.limits(), a.when(s)), "nothing is older than "+a.maxAge.String())
}

func (a *app) showReadings(s *topology.Snapshot) error {
	return a.printReadings(s, s.Readings(), "nothing was read")
}

func (a *app) printReadings(s *topology.Snapshot, rs []topology.Reading, none string) error {
	now := a.when(s)
	return a.print(rs, func(w io.Writer) error {
		if len(rs) == 0 {
			_, err := fmt.Fprintln(w, none)
			return err
		}
		rows := make([][]string, len(rs))
		for i, r := range rs {
			state := "complete"
			if r.Partial {
				state = "partial"
			}
			rows[i] = []string{r.Device, r.Source.String(), r.Table, age(now.Sub(r.Time)), strconv.Itoa(r.Rows), state, r.Reason}
		}
		sortBy(rows, func(r []string) string { return r[0] + "\x00" + r[1] + "\x00" + r[2] })
		printTable(w, []string{"device", "source", "table", "age", "rows", "state", "reason"}, rows)
		return nil
	})
}

type gapRow struct {
	Kind   string `json:"kind"` // neighbor, table, rail
	Where  string `json:"where"`
	Reason string `json:"reason"`
}

func (a *app) showGaps(s *topology.Snapshot) error {
	rows := gaps(s)
	return a.print(rows, func(w io.Writer) error {
		if len(rows) == 0 {
			_, err := fmt.Fprintln(w, "no gaps")
			return err
		}
		cells := make([][]string, len(rows))
		for i, r := range rows {
			cells[i] = []string{r.Kind, r.Where, r.Reason}
		}
		printTable(w, []string{"gap", "where", "reason"}, cells)
		return nil
	})
}

func gaps(s *topology.Snapshot) []gapRow {
	rows := neighborGaps(s)
	for _, r := range s.Readings() {
		if r.Partial {
			rows = append(rows, gapRow{"table", strings.TrimSpace(r.Device + " " + r.Source.String() + " " + r.Table), r.Reason})
		}
	}
	for vm := range s.Nodes(topology.VM) {
		for _, rail := range vm.Rails() {
			if reason, half := railGap(rail); half {
				rows = append(rows, gapRow{"rail", report.Title(rail.From) + ", " + rail.Name, reason})
			}
		}
	}
	sortBy(rows, func(r gapRow) string { return r.Kind + "\x00" + natural(r.Where) })
	return rows
}

// neighborGaps lists the neighbours that nobody has collected: those in no inventory, and those of the inventory that did not let themselves be read.
func neighborGaps(s *topology.Snapshot) []gapRow {
	rows := []gapRow{}
	unread := map[string]string{} // by the name in the inventory, why
	for _, r := range s.Readings() {
		if r.Partial && r.Table == collectors.SessionTable {
			unread[strings.ToLower(r.Device)] = r.Reason
		}
	}
	for n := range s.Nodes(topology.Neighbor) {
		if _, known := n.First(topology.IdentifiedAs); known {
			continue
		}
		who := cmp.Or(n.Text(topology.AttrSysName), n.Text(topology.AttrNeighborChassis), "a device without a name")
		reason := fmt.Sprintf("hears %s, port %s, which is in no inventory", who, n.Text(topology.AttrNeighborPort))
		if why, listed := unread[strings.ToLower(who)]; listed {
			reason = fmt.Sprintf("hears %s, port %s, which is in the inventory but was not read to its end: %s", who, n.Text(topology.AttrNeighborPort), why)
		}
		if addr := n.Text(topology.AttrMgmtAddress); addr != "" {
			reason += "; its management address is " + addr
		}
		for _, e := range n.In(topology.HasNeighbor) {
			rows = append(rows, gapRow{"neighbor", report.Title(e.From), reason})
		}
	}
	return rows
}

// railGap tells why a rail has no complete path.
func railGap(r topology.Rail) (string, bool) {
	for _, p := range r.Paths {
		if p.Complete {
			return "", false
		}
	}
	if len(r.Paths) == 0 {
		return "nothing is known of it", true
	}
	return r.Paths[0].Gap, true
}

func (a *app) showRevisions(ctx context.Context) error {
	r, err := a.openReader(ctx)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // read only: nothing can be lost
	infos, err := r.Revisions(ctx, time.Time{})
	if err != nil {
		return err
	}
	type row struct {
		Revision topology.Revision `json:"revision"`
		Time     time.Time         `json:"time"`
		Added    int               `json:"factsAdded"`
		Removed  int               `json:"factsRemoved"`
		Renewed  int               `json:"readingsRenewed"`
	}
	docs := make([]row, len(infos))
	for i, v := range infos {
		docs[i] = row{v.Revision, v.Time, v.Added, v.Removed, v.Renewed}
	}
	return a.print(docs, func(w io.Writer) error {
		rows := make([][]string, len(infos))
		for i, v := range infos {
			rows[i] = []string{
				"@" + strconv.FormatUint(uint64(v.Revision), 10), v.Time.Local().Format(time.DateTime),
				strconv.Itoa(v.Added), strconv.Itoa(v.Removed), strconv.Itoa(v.Renewed),
			}
		}
		printTable(w, []string{"revision", "time", "facts added", "removed", "readings renewed"}, rows)
		return nil
	})
}
