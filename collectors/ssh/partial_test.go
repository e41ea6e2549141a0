package ssh_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/reconcile"
)

// sweep reads a host once more, and gives the graph after it and the readings by table.
func sweep(t *testing.T, prev *topology.Snapshot, at time.Time, answers map[string]string) (*topology.Snapshot, map[string]topology.Observation) {
	t.Helper()
	raw := map[string][]byte{}
	for table, answer := range answers {
		raw[table] = []byte(answer)
	}
	observations, _ := ssh.Replay(hostDevice(), raw, at)
	result, err := reconcile.Reconcile(prev, observations, reconcile.Policy{}, at)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]topology.Observation{}
	for _, o := range observations {
		tables[o.Reading.Table] = o
	}
	return result.Next, tables
}

// What rows said that are not understood any more is not over: their reading is partial, and so are those that need it, but all say what they know.
func TestObserve_rowsNotUnderstood(t *testing.T) {
	t.Parallel()
	const bridge = "2: br0: <UP,LOWER_UP> mtu 1500 state UP\n    link/ether 02:00:00:00:00:02 brd ff:ff:ff:ff:ff:ff\n    bridge forward_delay 1500 vlan_filtering 1\n"
	const uplink = "3: eth3: <UP,LOWER_UP> mtu 1500 master br0 state UP\n    link/ether 02:00:00:00:00:03 brd ff:ff:ff:ff:ff:ff\n"
	const other = "4: eth4: <UP,LOWER_UP> mtu 9000 master br0 state UP\n    link/ether 02:00:00:00:00:04 brd ff:ff:ff:ff:ff:ff\n"
	const members = "port\tvlan ids\neth3\t 110\n\t 120\n\neth4\t 110\n\n"
	before := map[string]string{
		"ip-link": bridge + uplink + other, "bridge-vlan": members, "ip-route": "default via 192.0.2.1 dev eth3\n198.51.100.0/24 via 192.0.2.2 dev eth3\n",
	}
	now := time.Unix(1000, 0).UTC()
	snap, tables := sweep(t, topology.Empty(), now, before)
	for name, o := range tables {
		if o.Reading.Partial {
			t.Errorf("%s is partial: %s", name, o.Reading.Reason)
		}
	}
	for _, c := range []struct {
		table, old, odd string
		partial         []string
		kept, said      string // by the graph of what was not seen again, and by the readings of what they know
	}{
		{"ip-link", uplink, strings.Replace(uplink, ": <", " <", 1), []string{"ip-link", "bridge-vlan", "ip-route"}, "virtualswitch:@hv1/br0 SupportedBy nic:@hv1/eth3", "nic:@hv1/eth4 tagged=110"},
		{"ip-link", "state UP\n    link/ether 02:00:00:00:00:03", "state UP\n    frobnicate 1\n    link/ether 02:00:00:00:00:03", []string{"ip-link", "bridge-vlan", "ip-route"}, "nic:@hv1/eth3 mtu=1500", "nic:@hv1/eth3 tagged=110,120"},
		{"bridge-vlan", "\t 120", "\t 5000", []string{"bridge-vlan"}, "nic:@hv1/eth3 tagged=110,120", "nic:@hv1/eth3 mtu=1500"},
		{"ip-route", "198.51.100.0/24 via", "198.51.100.0/24 by", []string{"ip-route"}, "route:@hv1/default/198.51.100.0%2F24/192.0.2.2 RoutesVia nic:@hv1/eth3", "route:@hv1/default/0.0.0.0%2F0/192.0.2.1 RoutesVia nic:@hv1/eth3"},
	} {
		answers := map[string]string{}
		for name, answer := range before {
			answers[name] = answer
			if name == c.table {
				answers[name] = strings.Replace(answer, c.old, c.odd, 1)
			}
		}
		if answers[c.table] == before[c.table] {
			t.Fatalf("%s has no %q", c.table, c.old)
		}
		after, tables := sweep(t, snap, now.Add(time.Hour), answers)
		said := map[string]bool{}
		for name, o := range tables {
			if want := slices.Contains(c.partial, name); o.Reading.Partial != want || want && o.Reading.Reason == "" {
				t.Errorf("%q: %s is partial: %t, %q", c.odd, name, o.Reading.Partial, o.Reading.Reason)
			}
			for _, f := range o.Facts {
				said[f.String()] = true
			}
		}
		if !said[c.said] {
			t.Errorf("%q: not stated: %s", c.odd, c.said)
		}
		if !slices.Contains(factsOf(after), strings.ReplaceAll(c.kept, "@", "")) {
			t.Errorf("%q: not kept: %s\nof %s", c.odd, c.kept, strings.Join(factsOf(after), "\n"))
		}
		again, _ := sweep(t, after, now.Add(2*time.Hour), before)
		if !slices.Equal(factsOf(again), factsOf(snap)) {
			t.Errorf("%q: once all is understood again, the graph is another one", c.odd)
		}
	}
}

// A command that failed says nothing, and nor do those that need it.
func TestObserve_needsWhatFailed(t *testing.T) {
	t.Parallel()
	observations, _ := ssh.Replay(hostDevice(), map[string][]byte{"ip-link": []byte("no answer"), "bridge-vlan": []byte("eth3\t 110\n")}, time.Unix(0, 0))
	for _, o := range observations {
		if !o.Reading.Partial || len(o.Facts) > 0 {
			t.Errorf("%s: partial %t, with %d facts", o.Reading.Table, o.Reading.Partial, len(o.Facts))
		}
	}
}

func factsOf(s *topology.Snapshot) []string {
	var all []string
	for f := range s.Facts() {
		all = append(all, f.String())
	}
	slices.Sort(all)
	return all
}

// A filter is one text, with what is not understood of it: another one takes its place, and does not join it.
func TestObserve_textsNotUnderstood(t *testing.T) {
	t.Parallel()
	for table, answer := range map[string]string{
		"iptables-save": "# Warning: other tables present\n*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n",
		"nft":           `{"nftables": [{"wormhole": {"family": "inet"}}, {"table": {"family": "inet", "name": "f22"}}]}`,
		"ovs-flows":     "bridge br0\npriority=0,actions=NORMAL\nwhat is 22\n",
	} {
		now := time.Unix(1000, 0).UTC()
		snap := topology.Empty()
		for i, port := range []string{"22", "23"} {
			var tables map[string]topology.Observation
			snap, tables = sweep(t, snap, now.Add(time.Duration(i)*time.Hour), map[string]string{table: strings.ReplaceAll(answer, "22", port)})
			if r := tables[table].Reading; r.Partial || r.Reason == "" {
				t.Errorf("%s is partial: %t, %q", table, r.Partial, r.Reason)
			}
		}
		var texts []string
		for n := range snap.Nodes(topology.FilterText) {
			texts = append(texts, n.Text(topology.AttrText))
		}
		if len(texts) != 1 || !strings.Contains(texts[0], "23") {
			t.Errorf("%s: the filters are %q", table, texts)
		}
	}
}
