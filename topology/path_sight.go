package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Whether an initiator sees a logical unit behind a target port is not told by others who see it there: masking is per initiator. It is told by the
// mappings of the unit where an array gave them, else by what the initiator's own host said.

// sight tells why an initiator does not see a unit behind a target port (fault), or why that is not known (doubt); both empty: it does. What may be seen is
// no way if the host's own device mapper says that it failed.
func sight(unit, initiator, target Node) (fault, doubt string) {
	if fault, doubt = visible(unit, initiator, target); fault != "" {
		return fault, doubt
	}
	fault, failing := failed(unit, initiator)
	return fault, cmp.Or(doubt, failing)
}

// failed asks the path states of the initiator's host: a fault where every path that may be this one failed, a doubt where some of them did. A path's first
// number is that of the host's adapter (H:C:T:L); which target port it leads to is not said.
func failed(unit, initiator Node) (fault, doubt string) {
	owner, ok := initiator.Owner()
	if !ok {
		return "", ""
	}
	adapter, mine := strings.CutPrefix(initiator.Text(AttrDeviceName), "host")
	var good, bad int
	var last string
	for _, v := range unit.Values(AttrPathState) {
		words := strings.Fields(v.String())
		if len(words) < 5 || !slices.ContainsFunc(owner.Values(AttrHandle), func(h Value) bool { return EscapeID(h.String()) == words[0] || h.String() == words[0] }) {
			continue
		}
		if h, _, _ := strings.Cut(words[1], ":"); mine && h != adapter {
			continue
		}
		if words[3] == "active" && (words[4] == "ready" || words[4] == "ghost") {
			good++
		} else {
			bad++
			last = strings.Join(words[1:], " ")
		}
	}
	switch {
	case bad == 0:
		return "", ""
	case good == 0:
		return fmt.Sprintf("%s has no working path to %s there: %s", owner.Name(), unit.Name(), last), ""
	}
	return "", fmt.Sprintf("a path of %s to %s has failed (%s), and it may be this one", owner.Name(), unit.Name(), last)
}

// visible is sight without a look at whether the path works.
func visible(unit, initiator, target Node) (fault, doubt string) {
	if len(unit.In(MapsUnit)) > 0 {
		return masked(unit, initiator, target), ""
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
		return "", ""
	}
	return witnessed(unit, target, owner)
}

// witnessed asks the readings of a host whether it sees a unit behind a target port. Where the very table in which others list it was read of this
// host to its end, its silence is an answer.
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

// masked tells why an initiator does not see a unit behind a target port, where mappings of the unit are known (SNIA SMI-S masking and
// mapping); "" if it does.
func masked(unit, initiator, target Node) string {
	for _, m := range unit.In(MapsUnit) {
		targets := m.From.Out(MapsTarget)
		if leadsTo(m.From.Out(MapsInitiator), initiator) && (len(targets) == 0 || leadsTo(targets, target)) {
			return ""
		}
	}
	return fmt.Sprintf("no mapping of %s admits %s at %s", unit.Name(), initiator.Name(), target.Name())
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
