package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Whether an initiator sees a logical unit behind a target port is not told by others who see it there: masking is per initiator. It is told by the
// mappings of the unit where an array gave them, else by what the initiator's own host said.

// sight tells why an initiator does not see a unit behind a target port (fault), or why that is not known (doubt); both empty: it does. What may be seen is
// no way if the host itself, its device mapper or its initiator, says that it failed.
func sight(unit, initiator, target Node) (fault, doubt string) {
	if fault, doubt = visible(unit, initiator, target); fault != "" {
		return fault, doubt
	}
	fault, failing := failed(unit, initiator, target)
	return fault, cmp.Or(doubt, failing)
}

// How a path is, as its host says; the worse counts where two of its commands say it.
const (
	pathWorks = iota + 1
	pathUnsure
	pathBroken
)

// pathState is one value of AttrPathState.
type pathState struct {
	adapter, address, target, text string
	is                             int
}

// readPathState reads a value that one of the handles has said. It is none of theirs, or none at all, if ok is false.
func readPathState(v Value, handles []Value) (p pathState, ok bool) {
	words := strings.Fields(v.String())
	if len(words) < 5 || !slices.ContainsFunc(handles, func(h Value) bool { return EscapeID(h.String()) == words[0] || h.String() == words[0] }) {
		return pathState{}, false
	}
	p = pathState{address: words[1], text: strings.Join(words[1:5], " "), is: pathBroken}
	p.adapter, _, _ = strings.Cut(p.address, ":")
	if len(words) > 5 {
		p.target = words[5]
	}
	switch upper, lower := words[3], words[4]; {
	case upper == "active" && (lower == "ready" || lower == "ghost"), upper == "LOGGED_IN" && lower == "running":
		p.is = pathWorks
	case (upper == "LOGGED_IN" || upper == "unknown") && (lower == "running" || lower == "unknown"):
		p.is = pathUnsure
	}
	return p, true
}

// failed asks the path states of the initiator's host: a fault where every path that may be this one failed, a doubt where some of them did, or where the host
// does not know. A path's first number is that of the host's adapter (H:C:T:L); which target port it leads to is said of iSCSI alone.
func failed(unit, initiator, target Node) (fault, doubt string) {
	owner, ok := initiator.Owner()
	if !ok {
		return "", ""
	}
	adapter, mine := strings.CutPrefix(initiator.Text(AttrDeviceName), "host")
	var states []pathState
	worst, leads := map[string]int{}, map[string]string{} // by address
	for _, v := range unit.Values(AttrPathState) {
		p, ok := readPathState(v, owner.Values(AttrHandle))
		if !ok || mine && p.adapter != adapter {
			continue
		}
		states = append(states, p)
		worst[p.address] = max(worst[p.address], p.is)
		leads[p.address] = cmp.Or(p.target, leads[p.address])
	}
	var count [pathBroken + 1]int
	var last [pathBroken + 1]string
	for _, p := range states {
		if to := leads[p.address]; to != "" && to != target.Key().ID {
			continue
		}
		count[worst[p.address]]++
		last[p.is] = p.text
	}
	switch {
	case count[pathBroken] > 0 && count[pathWorks]+count[pathUnsure] == 0:
		return fmt.Sprintf("%s has no working path to %s there: %s", owner.Name(), unit.Name(), last[pathBroken]), ""
	case count[pathBroken] > 0:
		return "", fmt.Sprintf("a path of %s to %s has failed (%s), and it may be this one", owner.Name(), unit.Name(), last[pathBroken])
	case count[pathUnsure] > 0:
		return "", fmt.Sprintf("%s does not know whether its path to %s works: %s", owner.Name(), unit.Name(), last[pathUnsure])
	}
	return "", ""
}

// visible is sight without a look at whether the path works.
func visible(unit, initiator, target Node) (fault, doubt string) {
	if doubt := unproven(unit, target); doubt != "" {
		return "", doubt
	}
	if len(unit.In(MapsUnit)) > 0 {
		return masked(unit, initiator, target)
	}
	owner, ok := initiator.Owner()
	switch {
	case !ok:
		return "", "no source says whose initiator " + initiator.Name() + " is, nor which units it sees"
	case owner.Kind() == VM:
		// A guest that opens its sessions itself takes them along; its disks say which units they are for.
		if !slices.ContainsFunc(unit.In(StoredOn), func(e Edge) bool { disk, ok := e.From.Owner(); return ok && disk == owner }) {
			return fmt.Sprintf("%s has no disk on %s", owner.Name(), unit.Name()), ""
		}
		if unit.Key().numbered() && len(unit.Out(IdentifiedAs)) == 0 {
			return "", fmt.Sprintf("no array says that it has %s, and whom it admits there: collect it", target.Name())
		}
		return "", ""
	}
	return witnessed(unit, target, owner)
}

// unproven tells why nobody knows what is behind a target port: several devices claim it; or one does and was read, but does not say which of its units is the
// one that an initiator knows by its number there.
func unproven(unit, target Node) string {
	var owners []string
	for o := range target.Subjects(Contains) {
		if o.Kind().Device() {
			owners = append(owners, o.Name())
		}
	}
	switch {
	case len(owners) > 1:
		return fmt.Sprintf("%s is claimed by %s: which of them it is, nobody says", target.Name(), strings.Join(owners, " and "))
	case len(owners) == 1 && unit.Key().numbered() && len(unit.In(MapsUnit)) == 0 && len(unit.Out(IdentifiedAs)) == 0:
		return fmt.Sprintf("%s does not say that it has a unit of this number at %s, or not which one", owners[0], target.Name())
	}
	return ""
}

// witnessed asks the readings of a host whether it sees a unit behind a target port. Where the very table in which others list it was read of this
// host to its end, its silence is an answer, unless the unit has a name that this host cannot know it by.
func witnessed(unit, target, host Node) (fault, doubt string) {
	var handles []string
	for _, v := range host.Values(AttrHandle) {
		handles = append(handles, v.String())
	}
	readings := target.witnesses(Exports, unit)
	for _, r := range readings {
		if slices.Contains(handles, r.Device) {
			return "", ""
		}
	}
	if unit.Key().numbered() {
		return "", fmt.Sprintf("%s is a number that another initiator knows it by, and no designator tells whether %s sees the same unit at %s", unit.Name(), host.Name(), target.Name())
	}
	for _, r := range readings {
		for _, h := range handles {
			own := ReadingKey{Device: h, Source: r.Source, Table: r.Table}
			if _, complete := host.s.Reading(own); complete {
				return fmt.Sprintf("%s does not see %s at %s: its %s were read to the end and do not have it", host.Name(), unit.Name(), target.Name(), r.Table), ""
			}
		}
	}
	return "", fmt.Sprintf("no reading of %s says that it sees %s at %s", host.Name(), unit.Name(), target.Name())
}

// witnesses lists the readings that state a relation to a peer.
func (n Node) witnesses(rel Rel, peer Node) []Reading {
	var rs []Reading
	for _, e := range n.s.row(n.n).out {
		if e.rel == rel && e.peer == peer.n {
			rs = append(rs, *n.s.reading(e.reading))
		}
	}
	return rs
}

// masked tells why an initiator does not see a unit behind a target port, or why that is not known, where mappings of the unit are known (SNIA SMI-S masking and
// mapping); both empty: it does.
func masked(unit, initiator, target Node) (fault, doubt string) {
	cause := ""
	for _, m := range unit.In(MapsUnit) {
		if targets := m.From.Out(MapsTarget); len(targets) > 0 && !leadsTo(targets, target) {
			continue
		}
		if leadsTo(m.From.Out(MapsInitiator), initiator) {
			why, open := misspelt(m.From, initiator)
			if why == "" {
				return "", ""
			}
			if open {
				doubt = cmp.Or(doubt, why)
			}
			cause = cmp.Or(cause, ": "+why)
		}
		admits, unsure := admitsFrom(m.From.Values(AttrInitiatorAddress), initiator, target)
		if admits {
			return "", ""
		}
		doubt = cmp.Or(doubt, unsure)
		cause = cmp.Or(cause, outside(m.From, initiator, target))
	}
	if doubt != "" {
		return "", doubt
	}
	return fmt.Sprintf("no mapping of %s admits %s at %s%s", unit.Name(), initiator.Name(), target.Name(), cause), ""
}

// outside tells from where an initiator logs in, of a mapping that admits others by address.
func outside(mapping, initiator, target Node) string {
	portal, ok := portalOf(target)
	if !ok || len(mapping.Values(AttrInitiatorAddress)) == 0 {
		return ""
	}
	var from []string
	for _, a := range sources(initiator, portal.Addr()) {
		from = append(from, a.String())
	}
	return ": it logs in from " + strings.Join(from, " or ") + ", and other addresses are admitted"
}

// misspelt tells that a mapping has the name of an initiator in other letters than the initiator itself, where the array tells upper from lower case although
// RFC 3722 does not; open: or may have, since it is not known how the initiator writes it, or its sources differ. It is "" if both write it alike.
func misspelt(mapping, initiator Node) (why string, open bool) {
	admitted := slices.DeleteFunc(mapping.Values(AttrInitiatorName), func(v Value) bool { return strings.ToLower(v.String()) != initiator.Key().ID })
	if len(admitted) == 0 {
		return "", false
	}
	spelt := initiator.Values(AttrIQN)
	alike := 0
	for _, v := range spelt {
		if slices.Contains(admitted, v) {
			alike++
		}
	}
	switch {
	case len(spelt) == 0:
		return fmt.Sprintf("the array admits %s and tells upper from lower case, and no source says how the initiator writes its name", valueList(admitted)), true
	case alike == len(spelt):
		return "", false
	}
	return fmt.Sprintf("the array admits %s and tells upper from lower case; the initiator is said to call itself %s", valueList(admitted), valueList(spelt)), alike > 0
}

// admitsFrom reports whether a mapping by address admits an initiator at a portal: all that an initiator is known to reach it from are among the addresses. If but
// some are, or none is known, that is in doubt.
func admitsFrom(networks []Value, initiator, target Node) (admits bool, doubt string) {
	if len(networks) == 0 {
		return false, ""
	}
	_, end, _ := strings.Cut(target.Key().ID, ",")
	portal, err := netip.ParseAddrPort(end)
	if err != nil {
		return false, fmt.Sprintf("no source says at which address %s is, and units are masked by address", target.Name())
	}
	admitted := func(a netip.Addr) bool {
		return slices.ContainsFunc(networks, func(v Value) bool { return v.Prefix().Contains(a) })
	}
	if slices.ContainsFunc(networks, func(v Value) bool { return v.Prefix().Bits() == 0 && v.Prefix().Contains(portal.Addr()) }) {
		return true, "" // everybody
	}
	froms := sources(initiator, portal.Addr())
	good := 0
	for _, a := range froms {
		if admitted(a) {
			good++
		}
	}
	switch {
	case len(froms) == 0:
		return false, fmt.Sprintf("units are masked by address, and no source says from which one %s reaches %s", initiator.Name(), target.Name())
	case good == len(froms):
		return true, ""
	case good > 0:
		return false, fmt.Sprintf("units are masked by address, and not all from which %s may reach %s are admitted", initiator.Name(), target.Name())
	}
	return false, ""
}

// sources gives the addresses from which an initiator reaches a portal: those of its host in the portal's subnet, since a packet to a neighbour leaves with the
// address of the interface there. Where the portal is behind a router, nobody knows.
func sources(initiator Node, portal netip.Addr) []netip.Addr {
	host, ok := initiator.Owner()
	if ok && host.Kind() == VM { // its disks are opened by the program that runs it
		host, ok = host.First(RunsOn)
	}
	if !ok {
		return nil
	}
	var found []netip.Addr
	for i := range host.Objects(Contains) {
		if !i.Kind().Interface() {
			continue
		}
		for _, v := range i.Values(AttrAddress) {
			if p := v.Prefix(); !p.IsSingleIP() && p.Contains(portal) {
				found = append(found, p.Addr())
			}
		}
	}
	return found
}

func leadsTo(es []Edge, n Node) bool {
	return slices.ContainsFunc(es, func(e Edge) bool { return e.To == n })
}

// elsewhere tells that a volume or pool is a thing of another host than the one at hand, which has no part in it.
func (w *storageWalker) elsewhere(n Node) string {
	if n.Kind() != Volume && n.Kind() != StoragePool || w.host.IsZero() {
		return ""
	}
	id, _, _ := strings.Cut(n.Key().ID, "/")
	owner, ok := n.s.Node(Key{Host, id})
	if !ok || owner == w.host {
		return ""
	}
	return fmt.Sprintf("%s %s is of host %s; %s does not have it", n.Kind(), n.Name(), owner.Name(), w.host.Name())
}
