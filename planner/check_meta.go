package planner

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// metaChecks ask whether the answer itself can be relied on, and whether a move is made now. They come last: some of them look at what the others found.
func metaChecks() []Check {
	return []Check{
		{
			Code: "META-1", Asks: "Is all that the answer rests on young enough?", Facts: "times of all readings of the VM, both hosts, and the devices on its ways",
			Mends: "collect the tables that are named", run: (*finder).ages, sums: true,
		},
		{
			Code: "META-2", Asks: "Do all sources agree about the VM, both hosts, and what is on its ways?", Facts: "all that every source says of them",
			Mends: "find out which source is right, and correct the other", run: (*finder).conflicts,
		},
		{
			Code: "META-3", Asks: "Is anything allowed to be changed now?", Facts: "windows and freezes (policy)", Mends: "wait until the next window, or until the freeze ends", run: (*finder).calendar,
		},
		{
			Code: "META-4", Asks: "If the target fails, is there room for its VMs on the other hosts of its rack?",
			Facts: "memory and processors of the hosts of the rack and of their VMs (libvirt), racks (inventory)", Mends: "choose a host of another rack, or add room",
			run: (*finder).spare,
		},
		{
			Code: "META-5", Asks: "Can the VM come back?", Facts: "those of all checks, of the snapshot after the move", Mends: "as the check says that stands in the way back", run: (*finder).wayBack, sums: true,
		},
		{
			Code: "META-6", Asks: "How long does the memory take at least, and do both ends send frames of one size?",
			Facts: "memory of the VM (libvirt); addresses, speeds and MTUs of the hosts' interfaces (SSH); the networks of moves (policy); how fast the guest writes is seen when the move is made",
			Mends: "move over a faster interface, or set one MTU on both", run: (*finder).transfer,
		},
	}
}

// nearLimit is the part of its limit, in tenths, from which a reading is nearly too old: a move takes its time, too.
const nearLimit = 9

// maxNamed is how many things of a kind a sentence names.
const maxNamed = 6

// list joins the first of some words.
func list(words []string) string {
	if n := len(words) - maxNamed; n > 0 {
		words = append(slices.Clone(words[:maxNamed]), fmt.Sprintf("and %d more", n))
	}
	return strings.Join(words, ", ")
}

// ages sums up the readings that the other checks rest on, those of what is on the ways, and those of both hosts.
func (f *finder) ages() {
	rests := f.restsOn()
	var beside []Evidence
	for _, n := range f.involved() {
		for r := range n.Readings() {
			if !slices.ContainsFunc(rests, func(o Evidence) bool { return o.ReadingKey == r.ReadingKey }) {
				beside = f.with(beside, f.evidenceOf(r))
			}
		}
	}
	f.evidence = rests
	old, near, oldest := f.sorted(rests)
	if len(old) > 0 {
		f.unknown("too old for the answer to rest on: "+list(old)+": collect them", f.vm)
	}
	alsoOld, _, _ := f.sorted(beside)
	if len(near) > 0 || len(alsoOld) > 0 {
		f.warn("nearly too old, or beside what the answer rests on: "+list(append(near, alsoOld...)), f.vm)
	}
	if len(f.found) == 0 {
		f.pass(fmt.Sprintf("all that the answer rests on is younger than its limits; the oldest is %s old", oldest.Round(time.Second)), f.vm)
	}
}

// restsOn lists the readings that the other checks have named, and those of the ways.
func (f *finder) restsOn() (all []Evidence) {
	for _, found := range f.plan.Findings {
		for _, e := range found.Evidence {
			all = f.with(all, e)
		}
	}
	for _, r := range slices.Concat(f.rails().before, f.rails().after) {
		for _, p := range r.Paths {
			for _, h := range p.Hops {
				all = f.with(all, f.evidenceOf(h.Reading))
			}
		}
	}
	return all
}

// with adds a reading that is not there yet. That of a plan is none.
func (*finder) with(all []Evidence, e Evidence) []Evidence {
	if e.Source == 0 || e.Source == topology.SourcePlan || slices.ContainsFunc(all, func(o Evidence) bool { return o.ReadingKey == e.ReadingKey }) {
		return all
	}
	return append(all, e)
}

// sorted names the readings that are too old and those that nearly are, the oldest first.
func (f *finder) sorted(all []Evidence) (old, near []string, oldest time.Duration) {
	all = slices.SortedStableFunc(slices.Values(all), func(a, b Evidence) int {
		return cmp.Or(cmp.Compare(b.Age, a.Age), a.Compare(b.ReadingKey))
	})
	for _, e := range all {
		limit := f.policy.Ages.For(e.Table)
		text := fmt.Sprintf("%s %s %s (%s, limit %s)", e.Device, e.Source, e.Table, e.Age.Round(time.Second), limit)
		switch {
		case e.Stale:
			old = append(old, text)
		case e.Age*10 > limit*nearLimit:
			near = append(near, text)
		}
		oldest = max(oldest, e.Age)
	}
	return old, near, oldest
}

// involved lists the VM, its parts, both hosts, and what is on its ways as they are and as they would be, each once.
func (m *move) involved() []topology.Node {
	all := []topology.Node{m.vm, m.target}
	seen := map[topology.Key]bool{m.vm.Key(): true, m.target.Key(): true}
	add := func(k topology.Key) {
		if n, ok := m.s.Node(k); ok && !seen[k] {
			seen[k] = true
			all = append(all, n)
		}
	}
	add(m.source.Key())
	for part := range m.vm.Objects(topology.Contains) {
		add(part.Key())
	}
	for _, r := range slices.Concat(m.rails().before, m.rails().after) {
		for _, p := range r.Paths {
			for _, h := range p.Hops {
				add(h.Node.Key())
				if owner, ok := h.Node.Owner(); ok {
					add(owner.Key())
				}
			}
		}
	}
	return all
}

// labels are attributes in which sources may differ as they like: nothing is decided by them.
var labels = []topology.Attr{ //nolint:gochecknoglobals // read-only table
	topology.AttrName, topology.AttrDescription, topology.AttrVendor, topology.AttrModel, topology.AttrSerial, topology.AttrVersion, topology.AttrLocation, topology.AttrSysName,
	topology.AttrSysDescr, topology.AttrIfName, topology.AttrIfDescr, topology.AttrIfAlias, topology.AttrIfType, topology.AttrDriver, topology.AttrDeviceName, topology.AttrPlatform,
}

// conflicts tells what sources say against each other: of equal weight, nobody knows; else the weaker is not believed.
func (f *finder) conflicts() {
	for _, n := range f.involved() {
		for _, c := range n.Conflicts() {
			believed, other := c.Facts[0], c.Facts[min(1, len(c.Facts)-1)]
			if slices.Contains(labels, believed.Attr) {
				continue
			}
			if i := slices.IndexFunc(c.Facts, func(o topology.Fact) bool { return !sameClaim(believed, o) }); i > 0 {
				other = c.Facts[i]
			}
			if other.Confidence <= topology.ConfidenceConfigured || f.elsewhere(n, believed, other) { // nobody says that it is in force
				continue
			}
			f.disagree(n, c.Kind, believed, other)
		}
	}
	if len(f.found) == 0 {
		f.pass("no source contradicts another about anything that is involved", f.vm)
	}
}

// elsewhere tells whether what contradicts is only what a host has of a VM that runs on another one.
func (f *finder) elsewhere(n topology.Node, believed, other topology.Fact) bool {
	home := home(n)
	return home != "" && other.Reading.Source == believed.Reading.Source && (believed.Reading.Device == home) != (other.Reading.Device == home)
}

func sameClaim(a, b topology.Fact) bool {
	return a.Attr == b.Attr && a.Value == b.Value && a.Rel == b.Rel && a.Subject == b.Subject && a.Object == b.Object
}

func (f *finder) disagree(n topology.Node, kind topology.ConflictKind, believed, other topology.Fact) {
	for _, fact := range []topology.Fact{believed, other} {
		if r, ok := f.s.Reading(fact.Reading); ok && !slices.ContainsFunc(f.evidence, func(e Evidence) bool { return e.ReadingKey == r.ReadingKey }) {
			f.evidence = append(f.evidence, f.evidenceOf(r))
		}
	}
	text := fmt.Sprintf("of %s %s, %s %s says %s, and %s %s says %s",
		n.Kind(), n.Name(), believed.Reading.Device, believed.Reading.Source, claim(believed), other.Reading.Device, other.Reading.Source, claim(other))
	if kind == topology.ConflictIdentifier || believed.Confidence == other.Confidence && believed.Reading.Source == other.Reading.Source {
		f.unknown(text+": which is right, nobody knows", n)
		return
	}
	f.warn(text+": the first is believed", n)
}

// claim words a fact without its subject.
func claim(f topology.Fact) string {
	if f.Rel != 0 {
		return fmt.Sprintf("%s %s", f.Rel, f.Object)
	}
	return fmt.Sprintf("%s %s", f.Attr, f.Value)
}

// calendar looks up whether moves are made now, and whether something that is involved is frozen.
func (f *finder) calendar() {
	open := len(f.policy.Windows) == 0
	var next *Window
	for i, w := range f.policy.Windows {
		open = open || w.Open(f.now)
		if w.From.After(f.now) && (next == nil || w.From.Before(next.From)) {
			next = &f.policy.Windows[i]
		}
	}
	switch {
	case open:
	case next != nil:
		f.block(fmt.Sprintf("no window is open; the next one, %s, opens at %s", next.Name, next.From.Format(time.RFC3339)), f.vm)
	default:
		f.block("no window is open, and the policy names none to come", f.vm)
	}
	for i := range f.policy.Freezes {
		if z := &f.policy.Freezes[i]; z.Holds(f.now) {
			f.frozen(z)
		}
	}
	if len(f.found) == 0 {
		f.pass("nothing forbids to change anything now", f.vm)
	}
}

// frozen looks for what a freeze names. Where a way is not known, what is on it is not, either.
func (f *finder) frozen(z *Freeze) {
	for _, n := range f.involved() {
		is := z.Objects.Has(n)
		if k := n.Kind(); k == topology.VM || k == topology.Host {
			var known bool
			if is, known = f.among(z.Objects, n); !known {
				return
			}
		}
		if !is {
			continue
		}
		until := "the policy is changed"
		if !z.Until.IsZero() {
			until = z.Until.Format(time.RFC3339)
		}
		f.block(fmt.Sprintf("%s is frozen until %s: %s (%s)", n.Name(), until, z.Reason, z.Name), n)
		return
	}
	for _, r := range slices.Concat(f.rails().before, f.rails().after) {
		for _, p := range r.Paths {
			if p.Gap != "" {
				f.unknown(fmt.Sprintf("whether the ways of %s cross what is frozen (%s) is not known: %s", f.vm.Name(), z.Name, p.Gap), r.From, f.vm)
				return
			}
		}
	}
}

// spare asks whether the other hosts of the target's rack have room for its VMs, with the one that comes. That they have not stops no move, so that not to know it is a
// warning, too. The rest of the estate is what a drain looks at.
func (f *finder) spare() {
	target, _ := f.after.Snapshot().Node(f.target.Key())
	rack, ok := target.First(topology.MountedIn)
	if !ok {
		for range f.s.Nodes(topology.Rack) {
			f.warn("no source says in which rack "+f.target.Name()+" is: whether one host there may fail is not known", f.target)
			return
		}
		f.idle("no racks are known: there is none that has to have a host to spare", f.target)
		return
	}
	after := &Planner{s: f.after.Snapshot(), policy: f.policy, now: f.now}
	var rooms []Room
	for host := range rack.Subjects(topology.MountedIn) {
		if host.Kind() == topology.Host && host != target {
			if host.Key() == f.source.Key() {
				rooms = append(rooms, after.room(host))
				continue
			}
			was, _ := host.On(f.s) // the move leaves it as it is
			rooms = append(rooms, f.roomOf(was))
		}
	}
	if len(rooms) == 0 {
		f.warn(fmt.Sprintf("%s is the only host of rack %s: if it fails, its VMs have no place there", f.target.Name(), rack.Name()), f.target)
		return
	}
	verdict, text := fit(after.needs(target), rooms)
	f.say(min(verdict, Warn), fmt.Sprintf("if %s of rack %s fails, %s", f.target.Name(), rack.Name(), text), []topology.Node{f.target})
}

// wayBack makes all other checks of the way from the target to the source, in the snapshot after the move. What stands in the way there is a warning, unless it
// does so on the way there, too; what the policy itself forbids the source is meant so.
func (f *finder) wayBack() {
	if f.source.IsZero() || f.source == f.target || f.plan.Verdict == Block {
		f.idle("it is asked once nothing stands in the way there", f.vm)
		return
	}
	back := &Planner{s: f.after.Snapshot(), policy: f.policy, now: f.now, net: f.then}
	for _, l := range f.lanes() {
		if l.then.Snapshot() == back.s { // where it goes is where it comes from
			back.remember(l.then, l.next)
		}
	}
	checks := slices.DeleteFunc(slices.Clone(f.checks), func(c Check) bool {
		return c.When != Before || c.sums || strings.HasPrefix(c.Code, "META-") || strings.HasPrefix(c.Code, "POL-") || c.Code == "HOST-3" || f.objects(c.Code)
	})
	plan, err := back.migrate(f.ctx, f.vm.Key(), f.source.Key(), checks)
	if err != nil {
		f.unknown("the way back could not be asked for: "+err.Error(), f.vm)
		return
	}
	for _, found := range objections(plan) {
		f.warn(fmt.Sprintf("on the way back from %s to %s, %s says %s: %s", f.target.Name(), f.source.Name(), found.Code, found.Verdict, found.Text), f.nodes(found.Objects)...)
	}
	if len(f.found) == 0 {
		f.pass("nothing else stands in the way back to "+f.source.Name(), f.source)
	}
}

// longMove is how long memory may take at the speed of the wire before that is worth a word: what the guest writes meanwhile has to be sent again.
const longMove = 10 * time.Minute

// transfer computes the least time that the memory takes over the slowest interface that moves go through.
func (f *finder) transfer() {
	switch {
	case f.source.IsZero():
		f.unknown("no source says where "+f.vm.Name()+" runs", f.vm)
		return
	case f.source == f.target:
		f.idle("nothing is sent", f.vm)
		return
	}
	memory, ok := f.number(f.vm, topology.AttrMemoryBytes)
	if !ok {
		return
	}
	all := slices.Concat(ends(f.source), ends(f.target))
	nets := f.policy.Channel.Networks
	if len(nets) == 0 {
		nets = common(all)
	}
	all = slices.DeleteFunc(all, func(e end) bool {
		return !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(e.prefix.Addr()) })
	})
	var slowest int64
	for _, e := range all {
		bits, ok := f.bits(e.at, 0)
		if !ok || !f.rests(e.at, e.fact) {
			return
		}
		if slowest == 0 || bits > 0 && bits < slowest {
			slowest = bits
		}
	}
	if slowest == 0 {
		f.unknown(fmt.Sprintf("over which interfaces %s would go from %s to %s is not known", f.vm.Name(), f.source.Name(), f.target.Name()), f.source, f.target)
		return
	}
	for _, e := range all[1:] {
		one, says := all[0].at.Int(topology.AttrMTU)
		other, also := e.at.Int(topology.AttrMTU)
		if says && also && one != other {
			f.warn(fmt.Sprintf("%s has an MTU of %d, %s has %d: large frames may be lost between them", all[0].words(), one, e.words(), other), e.at, all[0].at)
		}
	}
	least := time.Duration(float64(memory) * 8 / float64(slowest) * float64(time.Second)).Round(time.Second)
	text := fmt.Sprintf("%s over %s take %s at least, and longer the more the guest writes", gibibytes(memory), rate(slowest), max(least, time.Second))
	if least > longMove {
		f.warn(text, f.vm)
	} else {
		f.pass(text, f.vm)
	}
}

// objects tells whether a check found something already.
func (m *move) objects(code string) bool {
	return slices.ContainsFunc(m.plan.Findings, func(f Finding) bool { return f.Code == code && f.Found > Warn })
}

func (m *move) nodes(keys []topology.Key) []topology.Node {
	var all []topology.Node
	for _, k := range keys {
		if n, ok := m.s.Node(k); ok {
			all = append(all, n)
		}
	}
	return all
}
