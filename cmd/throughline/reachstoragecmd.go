package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/topology"
)

// storageView is the answer of reach where TO is storage: one for each VM or host, and each logical unit.
type storageView struct {
	From     string            `json:"from"`
	To       string            `json:"to"`
	On       string            `json:"on,omitempty"` // where the VM would run
	Missing  []string          `json:"missing,omitempty"`
	Revision topology.Revision `json:"revision"`
	Time     time.Time         `json:"time"`
	Answers  []unitView        `json:"answers"`
}

type unitView struct {
	From    string           `json:"from"`
	Unit    string           `json:"unit"`
	Verdict reach.Verdict    `json:"verdict"`
	Why     string           `json:"why,omitempty"`
	Certain reach.Redundancy `json:"certain"`
	May     reach.Redundancy `json:"may"`
	Paths   []pathToUnit     `json:"paths"`
	// Of a VM on another host: what it loses and gains, and who else sees the unit.
	Lost    []string `json:"lost,omitempty"`
	Opened  []string `json:"opened,omitempty"`
	Sharing []string `json:"sharing,omitempty"`
}

type pathToUnit struct {
	Initiator  string              `json:"initiator"`
	Medium     string              `json:"medium,omitempty"` // fabric or subnet
	Target     string              `json:"target"`
	Controller string              `json:"controller,omitempty"`
	Verdict    reach.Verdict       `json:"verdict"`
	Steps      []reach.StorageStep `json:"steps"`
}

// storageKinds are what reach takes for TO and is no end of packets.
var storageKinds = []topology.Kind{ //nolint:gochecknoglobals // read-only table
	topology.LogicalUnit, topology.Volume, topology.VDisk, topology.StoragePool, topology.TargetPort, topology.Array,
}

// storageEnd finds the storage that somebody named, if that is what was named: no VM, host or interface answers to the same word.
func (a *app) storageEnd(s *topology.Snapshot, what string) (topology.Node, bool, error) {
	ms := wholeVMs(s.Find(what))
	ends := slices.DeleteFunc(slices.Clone(ms), func(m topology.Match) bool { return !slices.Contains(storageKinds, m.Node.Kind()) })
	if len(ends) == 0 || len(ends) < len(ms) {
		return topology.Node{}, false, nil
	}
	first := reach.Units(ends[0].Node)
	for _, m := range ends[1:] {
		if !slices.Equal(reach.Units(m.Node), first) {
			return topology.Node{}, true, a.several(s, what, ends)
		}
	}
	return ends[0].Node, true, nil
}

// reachStorage answers where TO is storage. It says false where TO is something else.
func (a *app) reachStorage(ctx context.Context, from, to, on string) (bool, error) {
	s, err := a.snapshot(ctx)
	if err != nil {
		return true, err
	}
	end, is, err := a.storageEnd(s, to)
	if !is || err != nil {
		return is, err
	}
	v := storageView{From: from, To: report.Title(end), Revision: s.Revision(), Time: s.Time(), Answers: []unitView{}}
	net := reach.NewNetwork(s, a.limits(), a.when(s))
	switch {
	case from == "any" && on != "":
		return true, exitWith(exitUsage, "--on HOST goes with one VM")
	case from == "any":
		err = sharersView(ctx, net, end, &v)
	default:
		err = a.oneToStorage(ctx, net, end, on, &v)
	}
	if err != nil {
		return true, err
	}
	return true, a.print(v, func(w io.Writer) error { writeStorage(w, v); return nil })
}

func sharersView(ctx context.Context, net *reach.Network, end topology.Node, v *storageView) error {
	for _, unit := range reach.Units(end) {
		all, err := net.Sharers(ctx, unit)
		if err != nil {
			return err
		}
		for _, answer := range all {
			v.Answers = append(v.Answers, viewOfUnit(answer))
		}
	}
	return nil
}

func (a *app) oneToStorage(ctx context.Context, net *reach.Network, end topology.Node, on string, v *storageView) error {
	node, err := a.findOne(net.Snapshot, v.From)
	if err != nil {
		return err
	}
	v.From = report.Title(node)
	then := net
	if on != "" {
		moved, missing, err := a.moved(net.Snapshot, node, on)
		if err != nil {
			return err
		}
		host, _ := moved.First(topology.RunsOn)
		v.On, v.Missing = report.Title(host), missing
		then = reach.NewNetwork(moved.Snapshot(), a.limits(), a.when(net.Snapshot))
	}
	for _, unit := range reach.Units(end) {
		if on == "" {
			answer, err := net.Storage(ctx, node, unit)
			if err != nil {
				return err
			}
			v.Answers = append(v.Answers, viewOfUnit(answer))
			continue
		}
		c, err := reach.CompareStorage(ctx, net, then, node.Key(), unit.Key())
		if err != nil {
			return err
		}
		u := viewOfUnit(c.After)
		u.Lost, u.Opened = pathTexts(c.Lost), pathTexts(c.Opened)
		for _, other := range c.Sharing {
			u.Sharing = append(u.Sharing, fmt.Sprintf("%s: %s", report.Title(other.From), other.Verdict))
		}
		v.Answers = append(v.Answers, u)
	}
	return nil
}

func pathTexts(paths []reach.StoragePath) []string {
	var all []string
	for _, p := range paths {
		all = append(all, pathText(viewOfPath(p)))
	}
	return all
}

func viewOfUnit(a reach.StorageAnswer) unitView {
	v := unitView{From: report.Title(a.From), Unit: report.Title(a.Unit), Verdict: a.Verdict, Why: a.Why, Certain: a.Must, May: a.May, Paths: []pathToUnit{}}
	for _, p := range a.Paths {
		v.Paths = append(v.Paths, viewOfPath(p))
	}
	return v
}

func viewOfPath(p reach.StoragePath) pathToUnit {
	return pathToUnit{Initiator: portText(p.Initiator), Medium: p.Medium, Target: portText(p.Target), Controller: p.Controller, Verdict: p.Verdict, Steps: p.Steps}
}

// portText names a port by whose it is and by the name with which it logs in.
func portText(port topology.Node) string {
	if owner, ok := port.Owner(); ok {
		return owner.Name() + " " + port.Key().ID
	}
	return port.Key().ID
}

func pathText(p pathToUnit) string {
	words := []string{p.Initiator, p.Medium, p.Target}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " > ")
}

func writeStorage(w io.Writer, v storageView) {
	for _, m := range v.Missing {
		fmt.Fprintf(w, "X %s\n", printable(m))
	}
	switch {
	case len(v.Answers) == 0:
		fmt.Fprintf(w, "%s to %s, at revision @%d: nobody is known to see it, or no unit of it is known\n", printable(v.From), printable(v.To), v.Revision)
	case len(v.Answers) > 1 || v.From == "any":
		writeUnits(w, v)
	default:
		writeUnit(w, v, v.Answers[0])
	}
}

// writeUnits is a line for each answer.
func writeUnits(w io.Writer, v storageView) {
	fmt.Fprintf(w, "%s to %s, at revision @%d\n\n", printable(v.From), printable(v.To), v.Revision)
	var rows [][]string
	for _, u := range v.Answers {
		note := u.Why
		for _, p := range u.Paths {
			if note == "" && p.Verdict == u.Verdict && u.Verdict != reach.Yes {
				note = whyNot(p)
			}
		}
		rows = append(rows, []string{u.From, u.Unit, strings.ToUpper(string(u.Verdict)), fmt.Sprintf("%d of %d", u.Certain.Paths, u.May.Paths), note})
	}
	printTable(w, []string{"FROM", "UNIT", "REACHED", "PATHS", "WHY"}, rows)
}

func whyNot(p pathToUnit) string {
	for _, s := range p.Steps {
		if s.Verdict == p.Verdict {
			return s.Text
		}
	}
	return ""
}

func writeUnit(w io.Writer, v storageView, u unitView) {
	on := ""
	if v.On != "" {
		on = ", on " + v.On
	}
	fmt.Fprintf(w, "%s%s to %s: %s\n", printable(u.From), printable(on), printable(u.Unit), strings.ToUpper(string(u.Verdict)))
	if u.Why != "" {
		fmt.Fprintf(w, "%s\n", printable(u.Why))
	}
	fmt.Fprintf(w, "for certain: %s\n", redundancyText(u.Certain))
	if u.May != u.Certain {
		fmt.Fprintf(w, "perhaps:     %s\n", redundancyText(u.May))
	}
	for _, p := range u.Paths {
		fmt.Fprintf(w, "\n%-8s %s\n", p.Verdict, printable(pathText(p)))
		for _, s := range p.Steps {
			fmt.Fprintf(w, "  %-8s %-8s %s\n", s.Kind, s.Verdict, printable(s.Text))
		}
	}
	for _, part := range []struct {
		title string
		lines []string
	}{{"lost", u.Lost}, {"opened", u.Opened}, {"others who may see it then, and did not", u.Sharing}} {
		if len(part.lines) > 0 {
			fmt.Fprintf(w, "\n%s:\n", part.title)
		}
		for _, l := range part.lines {
			fmt.Fprintf(w, "  %s\n", printable(l))
		}
	}
}

func redundancyText(r reach.Redundancy) string {
	if r.Paths == 0 {
		return "no path"
	}
	text := fmt.Sprintf("%s over %s, %s and %s", plural(r.Paths, "path"), plural(r.Initiators, "initiator port"), plural(r.Media, "fabric or subnet"), plural(r.Targets, "target port"))
	if r.Controllers == 0 {
		return text + "; of which controllers, nobody says"
	}
	return text + " of " + plural(r.Controllers, "controller")
}

// plural writes a number of things; of a word of several kinds each gets the plural.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, strings.ReplaceAll(what, " or ", "s or "))
}
