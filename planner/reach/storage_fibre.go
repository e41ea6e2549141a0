package reach

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/throughline-dc/throughline/topology"
)

// fibrePath adds the steps of a path through a Fibre Channel fabric: both logged in, one fabric, a zone in force that both are in. Where the host says that it is logged
// in to the target now (I_T nexus), or that it is not, this stands for what nobody has said of the fabric; where the two contradict each other, nobody knows.
func (n *Network) fibrePath(p *StoragePath) {
	s := p.Initiator.Snapshot()
	one, _ := topology.ParseWWN(p.Initiator.Key().ID)
	two, _ := topology.ParseWWN(p.Target.Key().ID)
	initiator, target := portOf(s, one), portOf(s, two)
	if faces := initiator.faces(); len(faces) == 1 {
		p.begins = faces[0].Key().ID
	}
	way, known := n.crossed[[2]topology.WWN{one, two}]
	if !known {
		way.steps, way.medium = n.crossing(initiator, target)
		n.crossed[[2]topology.WWN{one, two}] = way
	}
	steps, medium, verdict := way.steps, way.medium, Yes
	for _, s := range steps {
		verdict = both(verdict, s.Verdict)
	}
	p.Medium = medium
	seen, unseen := n.nexus(p.Initiator, p.Target), n.unseen(p.Initiator, p.Target)
	switch {
	case verdict == NotKnown && seen != "":
		p.Medium = cmp.Or(medium, p.Initiator.Text(topology.AttrFabricWWN))
		p.step("login", Yes, seen)
	case verdict == NotKnown && unseen != "":
		p.step("login", No, unseen)
	case verdict == Yes && unseen != "":
		p.Steps = append(p.Steps, steps...)
		p.step("login", NotKnown, unseen+", although nothing of the fabric speaks against it")
	case verdict == No && seen != "":
		for _, s := range steps {
			if s.Verdict == No {
				s.Verdict, s.Text = NotKnown, s.Text+"; but "+seen
			}
			p.Steps = append(p.Steps, s)
		}
	default:
		p.Steps = append(p.Steps, steps...)
	}
}

// crossed is a way through a fabric, which is the same for all units.
type crossed struct {
	steps  []StorageStep
	medium string
}

// nexus words that the host of an initiator sees it logged in to a target; "" if nobody has seen that, or not lately.
func (n *Network) nexus(initiator, target topology.Node) string {
	for _, e := range initiator.Out(topology.Nexus) {
		if e.To == target && e.Confidence > topology.ConfidenceConfigured && !e.Reading.Partial && n.old(e.Reading) == "" && e.Reading.Source != topology.SourcePlan {
			return fmt.Sprintf("%s is logged in to %s, as %s %s of %s says", initiator.Name(), target.Name(), e.Reading.Source, e.Reading.Table, e.Reading.Device)
		}
	}
	return ""
}

// unseen words that the host of an initiator said to the end to which targets it is logged in, and this one is not among them; "" if it did not.
func (n *Network) unseen(initiator, target topology.Node) string {
	host, ok := initiator.Owner()
	if !ok {
		return ""
	}
	handles := texts(host.Values(topology.AttrHandle))
	var by topology.Reading
	for _, e := range initiator.Out(topology.Nexus) {
		r := e.Reading
		broken := r.ReadingKey
		broken.Partial = true
		later, broke := n.Reading(broken)
		switch {
		case e.To == target:
			return ""
		case r.Partial || !slices.Contains(handles, r.Device) || n.old(r) != "" || broke && !later.Time.Before(r.Time):
		default:
			by = r
		}
	}
	if by.Source == 0 {
		return ""
	}
	return fmt.Sprintf("%s is not logged in to %s: %s %s of %s was read to the end and does not have it", initiator.Name(), target.Name(), by.Source, by.Table, by.Device)
}

// crossing is the way from one port to another through the fabric that both are logged in to, and the name of that fabric.
func (n *Network) crossing(a, b nport) ([]StorageStep, string) {
	as, bs := n.segments(a), n.segments(b)
	switch {
	case len(as) == 0 && len(bs) == 0:
		return []StorageStep{n.loggedOut(a), n.loggedOut(b)}, ""
	case len(as) == 0: // wherever it is: the other one is there, and the zones there count
		return append(n.absent(bs, a), n.zoneStep(a, b, bs)), fabricName(bs[0].fabric)
	case len(bs) == 0:
		return append(n.absent(as, b), n.zoneStep(a, b, as)), fabricName(as[0].fabric)
	}
	at, with := as[0], bs[0]
	joined, why := n.joined(at, with)
	for _, x := range as {
		for _, y := range bs {
			if is, text := n.joined(x, y); both(is, joined) != is {
				joined, why, at, with = is, text, x, y
			}
		}
	}
	if joined == No {
		if routed := n.routed(as, bs, a, b); routed != "" {
			return []StorageStep{{"fabric", NotKnown, routed}}, ""
		}
		return []StorageStep{{"login", Yes, at.why}, {"login", Yes, with.why}, {"fabric", No, why}}, ""
	}
	if joined == NotKnown { // what the name server does not have that has one of them, no link leads to
		for _, missing := range [][]StorageStep{n.absent(as, b), n.absent(bs, a)} {
			if missing[1].Verdict == No {
				return missing, ""
			}
		}
	}
	steps := []StorageStep{loginStep(a, as, at), loginStep(b, bs, with)}
	if why != "" {
		steps = append(steps, StorageStep{"fabric", joined, why})
	}
	steps = append(steps, n.zoneStep(a, b, append(slices.Clone(as), bs...)))
	return steps, fabricName(with.fabric)
}

// loginStep is the login of a port in a segment, of those in which it is said to be.
func loginStep(p nport, all []segment, at segment) StorageStep {
	for _, s := range all {
		if virtual(s.fabric) != virtual(at.fabric) {
			return StorageStep{"login", NotKnown, fmt.Sprintf("%s is said to be in %s and in %s", p.wwpn, fabricName(at.fabric), fabricName(s.fabric))}
		}
		if s.face.IsZero() {
			continue
		}
		if why := topology.Stopped(s.face); why != "" {
			return StorageStep{"login", NotKnown, fmt.Sprintf("%s is said to be logged in at %s, and that says: %s", p.wwpn, where(s.face), why)}
		}
	}
	switch faces := p.faces(); {
	case len(faces) > 1:
		return StorageStep{"login", NotKnown, fmt.Sprintf("%s is said to be logged in at %s and at %s", p.wwpn, where(faces[0]), where(faces[1]))}
	case at.doubt != "":
		return StorageStep{"login", NotKnown, at.doubt}
	}
	return StorageStep{"login", Yes, p.wwpn.String() + " is " + at.why}
}

// zoneStep asks the zones of all switches that know one of two ports. In one fabric they are the same (FC-SW merge): where two switches say different things, nobody
// knows; one that nobody has read says nothing. Zones that do not see a port logged in contradict who does.
func (n *Network) zoneStep(a, b nport, in []segment) StorageStep {
	step := StorageStep{"zone", NotKnown, ""}
	for _, s := range in {
		z := n.zoning(s.fabric)
		for _, p := range []nport{a, b} {
			if z.saysOf(p) == No {
				return StorageStep{"zone", NotKnown, fmt.Sprintf("the zones of %s do not see %s logged in, although others do", fabricName(s.fabric), p.wwpn)}
			}
		}
		switch verdict, text := z.Zoned(a.wwpn, b.wwpn); {
		case step.Verdict == NotKnown && (verdict != NotKnown || step.Text == ""):
			step.Verdict, step.Text = verdict, text
		case verdict != NotKnown && verdict != step.Verdict:
			return StorageStep{"zone", NotKnown, fmt.Sprintf("the zones of %s differ from those of another switch", fabricName(s.fabric))}
		}
	}
	return step
}

// loggedOut is what is known of a port that no switch has a login of.
func (n *Network) loggedOut(p nport) StorageStep {
	for _, face := range p.faces() {
		return StorageStep{"login", NotKnown, fmt.Sprintf("%s is logged in at %s, and no source says to which fabric: collect that switch", p.wwpn, where(face))}
	}
	return StorageStep{"login", NotKnown, fmt.Sprintf("no source has a login of %s: collect the FC switch at its other end", p.wwpn)}
}

// absent is what is known of a port that is in none of the fabrics that another is in, or of which no link leads there. A name server that was read whole has all that
// are logged in there.
func (n *Network) absent(as []segment, b nport) []StorageStep {
	for _, x := range as {
		if x.doubt == "" && n.lists(x.fabric, b) == No {
			return []StorageStep{{"login", Yes, x.why}, {"login", No, fmt.Sprintf("%s is not logged in to %s", b.wwpn, fabricName(x.fabric))}}
		}
	}
	return []StorageStep{{"login", Yes, as[0].why}, n.loggedOut(b)}
}

// lists tells whether the name server of a switch has a port: NotKnown if it was not read whole. That a switch has a name server that was read is seen by whom it has.
func (n *Network) lists(fabric topology.Node, p nport) Verdict {
	verdict := NotKnown
	for _, e := range fabric.In(topology.MemberOf) {
		switch e.From.Kind() {
		case topology.InitiatorPort, topology.TargetPort, topology.FCPort:
		default:
			continue
		}
		if _, err := topology.ParseWWN(e.From.Key().ID); err != nil {
			continue // a port of the switch
		}
		switch {
		case slices.Contains(p.nodes, e.From):
			return Yes
		case n.old(e.Reading) != "" || e.Reading.Partial:
			return NotKnown
		}
		verdict = No
	}
	if verdict == NotKnown {
		return n.zoning(fabric).saysOf(p)
	}
	return verdict
}

// routed tells that two ports of different fabrics are in a zone of which the members are of several: what routes between the fabrics, nobody reads.
func (n *Network) routed(as, bs []segment, a, b nport) string {
	for _, s := range append(slices.Clone(as), bs...) {
		for _, zone := range n.zoning(s.fabric).Zones {
			if zone.Routed && len(zone.find(a)) > 0 && len(zone.find(b)) > 0 {
				return fmt.Sprintf("zone %s of %s holds both, and is one of inter-VSAN routing: what that does is not read", zone.Node.Name(), fabricName(s.fabric))
			}
		}
	}
	return ""
}
