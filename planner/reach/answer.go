package reach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/planner/reach/packet"
	"github.com/throughline-dc/throughline/topology"
	"github.com/throughline-dc/throughline/topology/policy"
)

// Verdict is the answer to whether packets arrive.
type Verdict string

// The verdicts. Some: a part of what was asked arrives for certain, and a part does not or may not.
const (
	Yes      Verdict = "yes"
	No       Verdict = "no"
	Some     Verdict = "some"
	NotKnown Verdict = "unknown"
)

// Flow is what is asked about: a protocol and ports. The zero Flow is everything.
type Flow struct {
	Protocol *uint8        // IANA number
	Ports    *policy.Range // destination ports; of ICMP the types
	From     *policy.Range // source ports; none: those that need no privilege
}

// Endpoint is an address, and the vNIC or interface that has it.
type Endpoint struct {
	Node topology.Node
	Addr netip.Addr
}

// Endpoints gives the addresses of a VM, device or interface, without those that are of one link or of the node alone.
func Endpoints(n topology.Node) []Endpoint {
	var all []Endpoint
	add := func(n topology.Node) {
		for _, p := range addressesOf(n) {
			if a := p.Addr(); !a.IsLinkLocalUnicast() && !a.IsLoopback() {
				all = append(all, Endpoint{n, a})
			}
		}
	}
	add(n)
	for _, e := range n.Out(topology.Contains) {
		if e.To.Kind() == topology.VNIC || e.To.Kind().Interface() {
			add(e.To)
		}
	}
	return all
}

// Answer tells whether packets of a flow get from one address to another, and replies back.
type Answer struct {
	From, To Endpoint
	Forward  Direction
	Return   Direction // of the replies as they leave who answers
	Verdict  Verdict

	Translation *Translation // what becomes of the packets there, if one device translates them all alike
	Limit       string       // why the question was given up: it took too long, or too much memory; then the verdict is unknown
}

// Direction is one way of an answer.
type Direction struct {
	Verdict Verdict
	Leg     *Leg
	Asked   packet.Set // packets as they leave the sender
	Must    packet.Set // of those: arrive for certain
	May     packet.Set // of those: arrive if what is not known is favourable
	Headers *Headers
	Doubts  []string // what is not known, where that decides
	Narrow  *Narrow  // where large packets do not fit; it changes no verdict
}

// Between answers for one pair of addresses of one family. A question that does not end within the deadline of the context, or within the memory that one may
// take, is unknown (Limit); the error is that of a context that was cancelled.
func (n *Network) Between(ctx context.Context, from, to Endpoint, flow Flow) (Answer, error) {
	return n.between(ctx, headersFor(from.Addr), from, to, flow)
}

// headersFor makes the space of an address's family.
func headersFor(a netip.Addr) *Headers { return NewHeaders(familyOf(a), Orders[0], 0) }

func familyOf(a netip.Addr) policy.Family {
	if a.Is4() {
		return policy.IPv4
	}
	return policy.IPv6
}

func (n *Network) between(ctx context.Context, h *Headers, from, to Endpoint, flow Flow) (Answer, error) {
	a := Answer{From: from, To: to}
	err := h.within(ctx, func() {
		opens := h.explorer(ctx, n, nil)
		a.Forward = h.direction(opens.from(from, to.Addr), h.asked(from.Addr, to.Addr, flow))
		if a.Forward.May == packet.Empty {
			a.Return = Direction{Verdict: No, Headers: h, Leg: ended(Dropped, "nothing arrives that could be answered")}
			return
		}
		a.Return = n.returned(ctx, h, &a, opens)
		a.Forward.Narrow = a.Forward.Leg.narrow(from.Node)
		if t := a.Translation; t == nil || t.Destination == to.Addr { // else somebody else answers
			a.Return.Narrow = a.Return.Leg.narrow(to.Node)
		}
	})
	why, err := givenUp(err)
	if err != nil {
		return a, fmt.Errorf("from %s to %s: %w", from.Addr, to.Addr, err)
	}
	if why != "" {
		unknown := Direction{Verdict: NotKnown, Leg: ended(Unknown, why), Headers: h, Doubts: []string{why}}
		return Answer{From: from, To: to, Forward: unknown, Return: unknown, Verdict: NotKnown, Limit: why}, nil
	}
	a.Verdict = both(a.Forward.Verdict, a.Return.Verdict)
	return a, nil
}

// errReplies ends a question whose replies are too many to make.
var errReplies = fmt.Errorf("what arrives is in more than %d pieces", maxReplies)

// memory is what one question may take, in intervals of its sets: some 200 MB. What is then done with its answer may take more.
const memory = 1 << 24

// within makes sets until a context ends, or the memory of a question.
func (h *Headers) within(ctx context.Context, do func()) error {
	h.Watch(func() error {
		if _, intervals := h.Size(); intervals > memory {
			return &packet.OverflowError{Budget: memory}
		}
		return ctx.Err()
	})
	defer h.Watch(nil)
	return cmp.Or(h.Try(do), ctx.Err()) // what was looked for while nobody waited is not whole
}

// givenUp words an error that is no error but a limit: then there is an answer, and it is unknown.
func givenUp(err error) (why string, _ error) {
	var over *packet.OverflowError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the question took longer than it may", nil
	case errors.As(err, &over):
		return "the question takes too much memory: " + over.Error(), nil
	case errors.Is(err, errReplies):
		return err.Error(), nil
	}
	return "", err
}

// translators names the filters that may give packets other addresses on their way.
func translators(nats []Step) string {
	var names []string
	for _, s := range nats {
		if name := fmt.Sprintf("%s of %s", s.Filter.Name, s.Device.Name()); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", or ")
}

// explorer makes one for packets of the space. Where many questions are asked, ways are those of others that are plugged in alike, too: nobody is shown them.
func (h *Headers) explorer(ctx context.Context, n *Network, there *Leg) *explorer {
	x := n.explorer(ctx, there)
	x.brief = h.memo != nil
	return x
}

// explorer makes an explorer. There is the way of the packets to which these are the replies, nil for packets that open connections.
func (n *Network) explorer(ctx context.Context, there *Leg) *explorer {
	x := &explorer{Network: n, ctx: ctx, made: map[place]*Leg{}, inside: map[place]bool{}}
	x.holds = func(topology.Node) sessions { return opening }
	if there == nil {
		return x
	}
	lost, crossed := there.lost(), there.crossed()
	x.holds = func(d topology.Node) sessions {
		switch {
		case crossed.always[d.Key()] && !x.device(d).untracks:
			return held
		case lost, crossed.some[d.Key()]:
			return perhaps
		}
		return unheld
	}
	return x
}

// both is the verdict of two directions that are both needed.
func both(a, b Verdict) Verdict {
	order := []Verdict{No, NotKnown, Some, Yes}
	return order[min(slices.Index(order, a), slices.Index(order, b))]
}

func (h *Headers) direction(l *Leg, asked packet.Set) Direction {
	d := Direction{Leg: l, Asked: asked, Headers: h}
	d.Must, d.May = h.Intersect(asked, h.Arriving(l, Must)), h.Intersect(asked, h.Arriving(l, May))
	switch {
	case d.Must == asked && asked != packet.Empty:
		d.Verdict = Yes
	case d.May == packet.Empty:
		d.Verdict = No
	case d.Must == packet.Empty && d.May == asked, d.Must == packet.Empty:
		d.Verdict = NotKnown
	default:
		d.Verdict = Some
	}
	if d.Must != d.May {
		d.Doubts = doubts(l)
		if len(d.Doubts) == 0 {
			d.Doubts = []string{"not by all of several ways (gateways, equal routes, links, addresses of a pool) packets arrive" + l.firstEnd()}
		}
	}
	return d
}

// firstEnd says where the first of the ways ends on which all is dropped; "" if filters alone make the difference.
func (l *Leg) firstEnd() string {
	for l := range l.All() {
		if l.End == Dropped && l.Why != "" {
			return ": " + l.Why
		}
	}
	return ""
}

const (
	syn = 2
	ack = 16
	// Those who open connections take ports that need no privilege.
	firstPort, lastPort = 1024, 65535
)

// asked is the packets of a flow as they leave the sender: the first one of a connection. They are whole, and nobody has marked them or taken them out of tracking.
func (h *Headers) asked(source, target netip.Addr, flow Flow) packet.Set {
	box := packet.Box{
		h.term(fieldSource, policy.PrefixRange(netip.PrefixFrom(source, source.BitLen()))),
		h.term(fieldDestination, policy.PrefixRange(netip.PrefixFrom(target, target.BitLen()))),
		h.term(fieldFragment, policy.Is(policy.FragmentNone)), h.term(fieldMark, policy.Is(0)), h.term(fieldDSCP, policy.Is(0)), h.term(fieldUntracked, policy.Is(0)),
	}
	isICMP := false
	if flow.Protocol != nil {
		box = append(box, h.protocols(uint64(*flow.Protocol)))
		isICMP = *flow.Protocol == icmp || *flow.Protocol == icmpv6
	}
	if flow.Ports != nil && isICMP {
		box = append(box, h.term(fieldSourcePort, *flow.Ports)) // where ICMP has its type
	} else if flow.Ports != nil {
		box = append(box, h.term(fieldDestinationPort, *flow.Ports))
	}
	from := policy.FromTo(firstPort, lastPort)
	if flow.From != nil {
		from = *flow.From
	}
	all := h.Intersect(h.Box(box, packet.Full), h.Valid)
	opens := h.Box(packet.Box{h.protocols(tcp), h.term(fieldFlags, policy.Is(syn)), h.term(fieldSourcePort, from)}, packet.Full)
	datagrams := h.Box(packet.Box{h.protocols(udp, dccp, sctp, udplite), h.term(fieldSourcePort, from)}, packet.Full)
	asks := h.Box(packet.Box{h.isICMP(), h.term(fieldSourcePort, echo(h.Family))}, packet.Full)
	if isICMP && flow.Ports != nil {
		asks = h.Box(packet.Box{h.isICMP()}, packet.Full)
	}
	others := h.Minus(packet.Full, h.Box(packet.Box{h.protocols(tcp, udp, dccp, sctp, udplite, icmp, icmpv6)}, packet.Full))
	return h.Intersect(all, h.Union(h.Union(opens, datagrams), h.Union(asks, others)))
}

// echo is the type of an echo request (RFC 792, RFC 4443).
func echo(f policy.Family) policy.Range {
	if f == policy.IPv6 {
		return policy.Is(128)
	}
	return policy.Is(8)
}

const maxReplies = 4096 // boxes of packets whose replies are made one by one

// replies is the first replies to packets: addresses and ports change places, TCP acknowledges, an echo request is answered. To other messages of ICMP there are none.
func (h *Headers) replies(to packet.Set) packet.Set {
	boxes, whole := h.Boxes(to, maxReplies)
	if !whole {
		h.GiveUp(errReplies)
	}
	var all packet.Set
	for _, b := range boxes {
		all = h.Union(all, h.repliesTo(b))
	}
	isTCP := h.Box(packet.Box{h.protocols(tcp)}, packet.Full)
	answers := h.Box(packet.Box{h.protocols(tcp), h.term(fieldFlags, policy.Is(syn|ack))}, packet.Full)
	return h.Intersect(h.Valid, h.Union(h.Minus(all, isTCP), h.Intersect(all, answers)))
}

// repliesTo is the replies to the packets of one box, of TCP with any flags.
func (h *Headers) repliesTo(b []*packet.Values) packet.Set {
	var ends, ports, same packet.Box
	put := func(to *packet.Box, from, field string) {
		if v := b[h.at[from]]; v != nil {
			*to = append(*to, h.term(field, *v))
		}
	}
	put(&ends, fieldSource, fieldDestination)
	put(&ends, fieldDestination, fieldSource)
	put(&ports, fieldSourcePort, fieldDestinationPort)
	put(&ports, fieldDestinationPort, fieldSourcePort)
	for _, field := range []string{fieldProtocol, fieldFragment, fieldDSCP, fieldMark, fieldUntracked} {
		put(&same, field, field)
	}
	isICMP := h.Box(packet.Box{h.isICMP()}, packet.Full)
	all := h.Minus(h.Box(slices.Concat(ends, ports, same), packet.Full), isICMP)
	if kind := b[h.at[fieldSourcePort]]; kind != nil && !kind.Has(echo(h.Family).Lo) {
		return all
	}
	answer := policy.Is(0)
	if h.Family == policy.IPv6 {
		answer = policy.Is(129)
	}
	echoed := packet.Box{h.isICMP(), h.term(fieldSourcePort, answer), h.term(fieldDestinationPort, policy.Is(0))}
	return h.Union(all, h.Box(slices.Concat(ends, same, echoed), packet.Full))
}

// doubts lists what is not known on a way, each once, in the order of the way.
func doubts(l *Leg) []string {
	var all []string
	add := func(text string) {
		if text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	for l := range l.All() {
		for i := range l.Steps {
			l.Steps[i].doubts(add)
		}
		if l.End == Unknown {
			add(l.Why)
		}
	}
	return all
}

// doubts says what is not known at a step.
func (s *Step) doubts(say func(string)) {
	say(s.Doubt)
	if s.Filter == nil {
		return
	}
	if s.Filter.Missing != "" {
		place := ""
		if len(s.Filter.Attached) > 0 && s.Filter.Attached[0].Place.Line > 0 {
			place = s.Filter.Attached[0].Place.String() + ": "
		}
		say(s.Device.Name() + ": " + place + s.Filter.Missing)
	}
	for _, r := range s.Filter.Rules {
		if r.Uncertain != "" && !ofFragments(r) {
			say(fmt.Sprintf("%s %s: %q may match, or not (%s)", s.Filter.Name, r.Place, r.Text, r.Uncertain))
		}
		if r.Unparsed != "" {
			say(fmt.Sprintf("%s %s: %q was not understood (%s)", s.Filter.Name, r.Place, r.Text, r.Unparsed))
		}
	}
}

// ofFragments tells that a rule is about later fragments alone, of which nobody asks: asked are whole packets.
func ofFragments(r policy.Rule) bool {
	later := policy.Is(policy.FragmentLater)
	return slices.ContainsFunc(r.Match, func(t policy.Term) bool {
		return t.Field == policy.Fragment && !t.Not && !slices.ContainsFunc(t.Of, func(of policy.Range) bool { return of != later })
	})
}

// String words a flow: tcp 443.
func (f Flow) String() string {
	if f.Protocol == nil {
		return "everything"
	}
	text := ProtocolName(uint64(*f.Protocol))
	if f.Ports != nil {
		text += " " + span(f.Ports)
	}
	return text
}

// Joined is the verdict of several questions together, as of all addresses of two machines: yes if all are, no if all are; some if any arrives, in part at
// least; else nobody knows.
func Joined(all ...Verdict) Verdict {
	switch {
	case len(all) == 0:
		return NotKnown
	case !slices.ContainsFunc(all, func(v Verdict) bool { return v != all[0] }):
		return all[0]
	case slices.Contains(all, Yes), slices.Contains(all, Some):
		return Some
	}
	return NotKnown
}
