package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/throughline-dc/throughline/internal/report"
	"github.com/throughline-dc/throughline/planner/reach"
	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

func (a *app) reachCommand() *cobra.Command {
	var proto, port, on string
	cmd := &cobra.Command{
		Use: "reach FROM TO", Short: "Tell whether packets get from one place to another, and the replies back, and by which rules", Args: exactly(2, "FROM and TO"),
		Long: `Follow packets from FROM to TO and the replies back: VLANs and bridges, gateways and routes, and every filter on the way. The answer is yes, no or
unknown for a protocol and port; without them, what gets through. It is yes only if the packets arrive whatever choice the devices make among
equal ways, and nothing on the way is unknown; what a guest's own firewall does is not looked at.

FROM and TO are VMs, hosts or interfaces, as in throughline path, or one of them "any": then all VMs are asked, one line for each.

TO may be storage: a logical unit, disk, volume, pool, target port or array. Then the answer is path by path whether FROM sees it: logins, zones in force and links of
each fabric, or the way to the portal and back, and whom the array shows the unit. With --on HOST, as if the VM ran there, and what it would lose.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		Example: "  throughline reach web-07 db-01 --proto tcp --port 443\n  throughline reach web-07 db-01\n  throughline reach any db-01 --port 22\n  throughline reach web-07 naa.600005e0000000060000000000000008 --on r02-h01",
		RunE: func(cmd *cobra.Command, args []string) error {
			flow, err := flowOf(proto, port)
			if err != nil {
				return err
			}
			if flow.Protocol == nil {
				if done, err := a.reachStorage(cmd.Context(), args[0], args[1], on); done || err != nil {
					return err
				}
			}
			if args[0] == args[1] && args[0] != "any" {
				return exitWith(exitUsage, "FROM and TO are the same")
			}
			if on != "" {
				return exitWith(exitUsage, "--on HOST goes with storage: throughline path shows the way of packets from there")
			}
			return a.reach(cmd.Context(), args[0], args[1], flow)
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.AddCommand(a.reachDiffCommand())
	a.limitsFlag(cmd)
	cmd.Flags().StringVar(&on, "on", "", "of storage: as if the VM ran on this `HOST`")
	cmd.Flags().StringVar(&proto, "proto", "", "ask about this `PROTOCOL`: tcp, udp, icmp ..., or its number (with --port: tcp)")
	cmd.Flags().StringVar(&port, "port", "", "ask about this destination `PORT`, or a range 8000-8080")
	return cmd
}

// explainCommand follows one packet. What it says of the packet, it says of that one alone.
func (a *app) explainCommand() *cobra.Command {
	var proto, port, from string
	cmd := &cobra.Command{
		Use: "explain FROM TO --proto PROTOCOL", Short: "Follow one packet and its reply, rule by rule", Args: exactly(2, "FROM and TO"),
		Long: `Follow one packet from FROM to TO, and the reply to it, hop by hop and rule by rule, each with its file and line: what decided, or what is not known.` +
			exits(exitOK, exitFailed, exitUsage, exitNothing, exitSeveral),
		Example: "  throughline explain web-07 db-01 --proto tcp --port 5432 --from-port 40000\n  throughline explain web-07 db-01 --proto icmp",
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "any") {
				return exitWith(exitUsage, "explain is about one packet: name FROM and TO; throughline reach takes any")
			}
			if proto == "" && port == "" {
				return exitWith(exitUsage, "which packet? give --proto, and --port where the protocol has ports")
			}
			flow, err := flowOf(proto, port)
			if err != nil {
				return err
			}
			if p := *flow.Protocol; flow.Ports == nil && (p == 6 || p == 17) {
				return exitWith(exitUsage, "which packet? %s has ports: give --port", reach.ProtocolName(uint64(p)))
			}
			source, err := rangeOf("--from-port", cmp.Or(from, "49152"))
			if err != nil {
				return err
			}
			if flow.From = &source; source.Lo != source.Hi || flow.Ports != nil && flow.Ports.Lo != flow.Ports.Hi {
				return exitWith(exitUsage, "explain is about one packet: give single ports")
			}
			return a.reach(cmd.Context(), args[0], args[1], flow)
		},
		ValidArgsFunction: a.completeNames,
	}
	cmd.Flags().StringVar(&proto, "proto", "", "`PROTOCOL` of the packet: tcp, udp, icmp ..., or its number (with --port: tcp)")
	cmd.Flags().StringVar(&port, "port", "", "destination `PORT`; of ICMP the type")
	cmd.Flags().StringVar(&from, "from-port", "", "source `PORT` (default 49152)")
	a.limitsFlag(cmd)
	return cmd
}

func flowOf(proto, port string) (reach.Flow, error) {
	var flow reach.Flow
	if port != "" && proto == "" {
		proto = "tcp"
	}
	if proto != "" {
		n, ok := reach.ParseProtocol(proto)
		if !ok {
			return flow, exitWith(exitUsage, "--proto %q: want tcp, udp, icmp ..., or a number up to 255", proto)
		}
		flow.Protocol = &n
	}
	if port == "" {
		return flow, nil
	}
	r, err := rangeOf("--port", port)
	flow.Ports = &r
	return flow, err
}

func rangeOf(flag, text string) (policy.Range, error) {
	lo, hi, ranged := strings.Cut(text, "-")
	if !ranged {
		hi = lo
	}
	from, err := strconv.ParseUint(lo, 10, 16)
	to, err2 := strconv.ParseUint(hi, 10, 16)
	if err != nil || err2 != nil || to < from {
		return policy.Range{}, exitWith(exitUsage, "%s %q: want a port, or a range such as 8000-8080", flag, text)
	}
	return policy.FromTo(from, to), nil
}

type reachView struct {
	From     string            `json:"from"`
	To       string            `json:"to"`
	Flow     string            `json:"flow"`
	Verdict  reach.Verdict     `json:"verdict"`
	Revision topology.Revision `json:"revision"`
	Time     time.Time         `json:"time"`
	Why      string            `json:"why,omitempty"`
	Answers  []answerView      `json:"answers"`
}

type answerView struct {
	Source  string        `json:"source"`
	Target  string        `json:"target"`
	Verdict reach.Verdict `json:"verdict"`
	Forward directionView `json:"forward"`
	Return  directionView `json:"return"`
}

type directionView struct {
	Verdict reach.Verdict `json:"verdict"`
	Passes  []string      `json:"passes,omitempty"` // protocols and ports that arrive for certain
	May     []string      `json:"mayPass,omitempty"`
	Packet  string        `json:"packet"` // the one that is followed below
	Steps   []stepView    `json:"steps"`
	End     string        `json:"end"`
	Unknown []string      `json:"unknown,omitempty"`
	Narrow  string        `json:"narrow,omitempty"` // where large packets do not fit
	Loses   string        `json:"loses,omitempty"`  // where a part arrives: a packet of the rest, and what becomes of it
}

type stepView struct {
	Device string   `json:"device,omitempty"`
	Kind   string   `json:"kind"` // frames, route, filter, unknown
	Text   string   `json:"text"`
	Rules  []string `json:"rules,omitempty"`
}

func (a *app) reach(ctx context.Context, from, to string, flow reach.Flow) error {
	s, err := a.snapshot(ctx)
	if err != nil {
		return err
	}
	sources, err := a.reachEnds(s, from)
	if err != nil {
		return err
	}
	targets, err := a.reachEnds(s, to)
	if err != nil {
		return err
	}
	net := reach.NewNetwork(s, a.limits(), a.when(s))
	if from != "any" && to != "any" {
		v, err := reachOne(ctx, s, net, sources[0], targets[0], flow)
		if err != nil {
			return err
		}
		return a.print(v, func(w io.Writer) error { writeReach(w, v); return nil })
	}
	all := reachAllView{Flow: flow.String(), Revision: s.Revision(), Time: s.Time(), Pairs: []reachView{}}
	for _, source := range sources {
		for _, target := range targets {
			if source == target {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			v, err := reachOne(ctx, s, net, source, target, flow)
			if err != nil {
				return err
			}
			all.Pairs = append(all.Pairs, v)
		}
	}
	return a.print(all, func(w io.Writer) error { writeReachAll(w, all); return nil })
}

// reachEnds gives what was named, or all VMs.
func (a *app) reachEnds(s *topology.Snapshot, what string) ([]topology.Node, error) {
	if what == "any" {
		return slices.SortedFunc(s.Nodes(topology.VM), func(a, b topology.Node) int { return strings.Compare(a.Name(), b.Name()) }), nil
	}
	n, err := a.findOne(s, what)
	return []topology.Node{n}, err
}

type reachAllView struct {
	Flow     string            `json:"flow"`
	Revision topology.Revision `json:"revision"`
	Time     time.Time         `json:"time"`
	Pairs    []reachView       `json:"pairs"`
}

// writeReachAll is a line for each pair, and for each pair of addresses where they fare differently.
func writeReachAll(w io.Writer, all reachAllView) {
	var rows [][]string
	for _, v := range all.Pairs {
		alike := !slices.ContainsFunc(v.Answers, func(a answerView) bool { return a.Verdict != v.Verdict })
		if len(v.Answers) == 0 || alike {
			note := v.Why
			if len(v.Answers) > 0 {
				note = v.Answers[0].note()
			}
			rows = append(rows, []string{v.From, v.To, strings.ToUpper(string(v.Verdict)), note})
			continue
		}
		for _, answer := range v.Answers {
			source, _, _ := strings.Cut(answer.Source, " ")
			target, _, _ := strings.Cut(answer.Target, " ")
			rows = append(rows, []string{v.From + " " + source, v.To + " " + target, strings.ToUpper(string(answer.Verdict)), answer.note()})
		}
	}
	fmt.Fprintf(w, "%s, at revision @%d\n\n", all.Flow, all.Revision)
	printTable(w, []string{"FROM", "TO", "ARRIVES", "WHAT, OR WHY"}, rows)
}

// note is what passes for certain, or why nothing does, or what is not known: in a few words.
func (a answerView) note() string {
	for _, way := range []struct {
		name string
		directionView
	}{{"", a.Forward}, {"back: ", a.Return}} {
		switch {
		case way.Verdict == reach.No:
			return way.name + way.End
		case way.Verdict == reach.NotKnown && len(way.Unknown) > 0:
			return way.name + way.Unknown[0]
		case way.Verdict == reach.Some:
			return way.name + cmp.Or(strings.Join(way.Passes, ", "), "a part") + "; " + way.Loses
		}
	}
	return strings.Join(a.Forward.Passes, ", ")
}

// questionLimit is how long one question may take; then its answer is unknown.
const questionLimit = 30 * time.Second

func reachOne(ctx context.Context, s *topology.Snapshot, net *reach.Network, source, target topology.Node, flow reach.Flow) (reachView, error) {
	v := reachView{From: report.Title(source), To: report.Title(target), Flow: flow.String(), Revision: s.Revision(), Time: s.Time(), Verdict: reach.NotKnown, Answers: []answerView{}}
	for _, f := range reach.Endpoints(source) {
		for _, t := range reach.Endpoints(target) {
			if f.Addr.Is4() != t.Addr.Is4() {
				continue
			}
			limited, done := context.WithTimeout(ctx, questionLimit)
			answer, err := net.Between(limited, f, t, flow)
			done()
			if err != nil {
				return v, err
			}
			v.Answers = append(v.Answers, viewOf(answer))
		}
	}
	switch {
	case len(reach.Endpoints(source)) == 0:
		v.Why = "no source says which address " + source.Name() + " has"
	case len(reach.Endpoints(target)) == 0:
		v.Why = "no source says which address " + target.Name() + " has"
	case len(v.Answers) == 0:
		v.Why = "the two have no addresses of one family"
	}
	var all []reach.Verdict
	for _, answer := range v.Answers {
		all = append(all, answer.Verdict)
	}
	v.Verdict = reach.Joined(all...)
	return v, nil
}

const maxServices = 20 // that are listed

func viewOf(answer reach.Answer) answerView {
	return answerView{
		Source: fmt.Sprintf("%s (%s)", answer.From.Addr, answer.From.Node.Name()), Target: fmt.Sprintf("%s (%s)", answer.To.Addr, answer.To.Node.Name()),
		Verdict: answer.Verdict, Forward: viewOfWay(answer.Forward), Return: viewOfWay(answer.Return),
	}
}

func viewOfWay(d reach.Direction) directionView {
	h := d.Headers
	v := directionView{Verdict: d.Verdict, Unknown: d.Doubts, Steps: []stepView{}}
	if d.Narrow != nil {
		v.Narrow = d.Narrow.String()
	}
	if d.Must != d.Asked {
		v.Passes = h.Services(d.Must, maxServices)
	}
	if may := h.Minus(d.May, d.Must); may != d.Asked {
		v.May = h.Services(may, maxServices)
	}
	if lost, ok := h.Witness(h.Minus(d.Asked, d.Must)); ok && d.Verdict == reach.Some {
		_, end, why := h.Trace(d.Leg, lost)
		v.Loses = h.PacketText(lost) + ": " + endText(end, why)
	}
	p, ok := h.Witness(telling(d))
	if !ok {
		v.End = d.Leg.Why
		return v
	}
	v.Packet = h.PacketText(p)
	steps, last, why := h.Trace(d.Leg, p)
	for _, s := range steps {
		if step := stepOf(s); !slices.ContainsFunc(v.Steps, func(o stepView) bool { return step.Kind == "unknown" && reflect.DeepEqual(o, step) }) {
			v.Steps = append(v.Steps, step)
		}
	}
	v.End = endText(last, why)
	return v
}

func endText(end reach.End, why string) string {
	switch end {
	case reach.Delivered:
		return "delivered"
	case reach.Dropped:
		return "lost: " + why
	default:
		return "unknown: " + why
	}
}

// telling is the packets of which one tells most: those that do not arrive where none does, else those that do.
func telling(d reach.Direction) packet.Set {
	switch {
	case d.Verdict == reach.No:
		return d.Asked
	case d.Must != packet.Empty:
		return d.Must
	default:
		return d.May
	}
}

func stepOf(s reach.Traced) stepView {
	v := stepView{}
	if !s.Device.IsZero() {
		v.Device = s.Device.Name()
	}
	switch {
	case s.Filter != nil:
		v.Kind, v.Text = "filter", s.Filter.Dialect+" "+s.Filter.Name
		for _, h := range s.Hits {
			v.Rules = append(v.Rules, hitText(h))
		}
	case s.Route != "":
		v.Kind, v.Text = "route", s.Route
	case len(s.Hops) > 0:
		v.Kind, v.Text = "frames", hopsText(s.Hops)
	default:
		v.Kind = "unknown"
	}
	if s.Doubt != "" {
		v.Rules = append(v.Rules, "? "+s.Doubt)
	}
	return v
}

func hitText(h reach.Hit) string {
	if h.Rule == nil && h.Filter.Missing != "" {
		return h.Words()
	}
	verdict := "drops"
	if h.Passed {
		verdict = "permits"
	}
	if h.Unsure {
		verdict = "may decide"
	}
	if h.Rule == nil {
		return fmt.Sprintf("%s: its end %s what no rule decides", h.Filter.Name, verdict)
	}
	return verdict + " " + h.Words()
}

// hopsText is a way of frames in one line: by device, the interfaces that they cross.
func hopsText(hops []topology.Hop) string {
	var words []string
	last := topology.Node{}
	for _, h := range hops {
		owner, ok := h.Node.Owner()
		if ok && owner.Kind() == topology.Network {
			owner, ok = owner.Owner()
		}
		switch name := h.Node.Name(); {
		case ok && owner == last:
			words[len(words)-1] += ", " + name
		case ok:
			words = append(words, owner.Name()+" "+name)
		default:
			words = append(words, name)
		}
		last = owner
	}
	return strings.Join(words, " > ")
}

func writeReach(w io.Writer, v reachView) {
	fmt.Fprintf(w, "%s to %s, %s: %s\n", printable(v.From), printable(v.To), v.Flow, strings.ToUpper(string(v.Verdict)))
	if v.Why != "" {
		fmt.Fprintf(w, "%s\n", printable(v.Why))
	}
	for _, answer := range v.Answers {
		fmt.Fprintf(w, "\n%s to %s: %s\n", printable(answer.Source), printable(answer.Target), answer.Verdict)
		writeWay(w, "there", answer.Forward)
		writeWay(w, "back", answer.Return)
	}
}

func writeWay(w io.Writer, name string, v directionView) {
	fmt.Fprintf(w, "\n%s: %s\n", name, v.Verdict)
	if len(v.Passes) > 0 {
		fmt.Fprintf(w, "  passes     %s\n", strings.Join(v.Passes, ", "))
	}
	if len(v.May) > 0 {
		fmt.Fprintf(w, "  may pass   %s\n", strings.Join(v.May, ", "))
	}
	if v.Loses != "" {
		fmt.Fprintf(w, "  not all    %s\n", printable(v.Loses))
	}
	for _, u := range v.Unknown {
		fmt.Fprintf(w, "  ? %s\n", printable(u))
	}
	if v.Narrow != "" {
		fmt.Fprintf(w, "  ! %s\n", printable(v.Narrow))
	}
	if v.Packet == "" {
		if v.End != "" && !slices.Contains(v.Unknown, v.End) {
			fmt.Fprintf(w, "  %s\n", printable(v.End))
		}
		return
	}
	fmt.Fprintf(w, "  packet     %s\n", v.Packet)
	for _, s := range v.Steps {
		fmt.Fprintf(w, "  %-9s  %s\n", s.Kind, printable(strings.TrimSpace(prefixed(s.Device, s.Text))))
		for _, r := range s.Rules {
			fmt.Fprintf(w, "             %s\n", printable(r))
		}
	}
	fmt.Fprintf(w, "  %s\n", printable(v.End))
}

func prefixed(device, text string) string {
	if device == "" {
		return text
	}
	return device + ": " + text
}
