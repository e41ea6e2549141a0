package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Both ends of a session can be asked: the array, which lists its sessions by name and address, and the host, whose kernel lists its connections to portals.
// What one was not read for to its end at the last attempt proves nothing, neither that there is a session nor that there is none.

// sighting is what one end says of a session.
type sighting uint8

const (
	unread sighting = iota // it was never asked
	stale                  // it was, and not to its end at the last attempt
	unsure                 // not which one it is, or not whether there are enough
	none
	seen
)

// sessionOf judges the session of a VM's own initiator with a target port, which the program that runs the VM on the host holds.
func sessionOf(initiator, target, vm, host Node) (fault, doubt string) {
	if planned(vm) {
		return "", foreseen(target, host)
	}
	array, listed := arraySees(initiator, target, host)
	here, counted := hostSees(target, host)
	switch {
	case array == stale:
		return "", listed
	case here == stale:
		return "", counted
	case array == seen && here == seen, array == seen && here == unread, array == unread && here == seen, array == unsure && here == seen:
		return "", ""
	case array == none && (here == none || here == unsure) && !running(vm):
		return "", vm.Name() + " does not run: whether it can log in is seen when it starts"
	case array == none && (here == none || here == unsure):
		return listed + ", and " + counted, ""
	case array == none && here == seen, array == seen && here == none:
		return "", listed + ", but " + counted
	case here == none, here == unsure:
		return "", counted
	case array == unread:
		return "", fmt.Sprintf("no source has seen a session of %s to %s: collect the array, or the host by SSH", initiator.Name(), target.Name())
	}
	return "", listed
}

// planned reports that a VM is where a change-set that is being simulated puts it.
func planned(vm Node) bool {
	es := vm.Out(RunsOn)
	return len(es) > 0 && es[0].Reading.Source == SourcePlan
}

// foreseen tells what speaks against that a session can be opened from a host: that another one from there to the same portal stands speaks for it.
func foreseen(target, host Node) (doubt string) {
	_, end := splitTarget(target)
	if have, told := connections(host, end); told == seen && have > 0 {
		return ""
	}
	return fmt.Sprintf("no connection of %s to %s is known: whether it can log in there is not proven", host.Name(), end)
}

// running reports that the program which runs a VM is there, by libvirt's words (virDomainState).
func running(vm Node) bool {
	switch vm.Text(AttrState) {
	case "running", "active", "idle", "paused", "in shutdown", "pmsuspended":
		return true
	}
	return false
}

// arraySees asks the array for a session of an initiator with a target port from a host.
func arraySees(initiator, target, host Node) (sighting, string) {
	said, ok := target.Evidence(AttrSessions)
	switch {
	case !ok:
		return unread, ""
	case !target.s.latest(said.Reading):
		return stale, fmt.Sprintf("the sessions of %s were not all read when that was last tried", said.Reading.Device)
	}
	iqn, end := splitTarget(target)
	at, _ := portalOf(target)
	from := sources(initiator, at.Addr())
	listed := slices.ContainsFunc(slices.Collect(initiator.About(AttrSessionFrom)), func(f Fact) bool {
		words := strings.Fields(f.Value.String())
		if len(words) != 2 || words[0] != iqn || f.Reading != said.Reading {
			return false
		}
		a, err := netip.ParseAddr(words[1])
		return err == nil && slices.Contains(from, a)
	})
	array := said.Reading.Device
	switch proven := slices.ContainsFunc(initiator.witnesses(Nexus, target), func(r Reading) bool { return r.Device == array && target.s.latest(r.ReadingKey) }); {
	case len(from) == 0:
		return unsure, fmt.Sprintf("no source says from which address %s reaches %s", host.Name(), end)
	case !listed:
		return none, fmt.Sprintf("%s lists no session of %s from %s", array, initiator.Name(), host.Name())
	case !proven:
		return unsure, fmt.Sprintf("%s has a session of %s from %s, and no source says that it is at %s", array, initiator.Name(), host.Name(), end)
	}
	return seen, fmt.Sprintf("%s lists a session of %s from %s", array, initiator.Name(), host.Name())
}

// hostSees asks a host for its connections to a portal. Which disk has which of them is not said, so there have to be enough for all that are reached by it.
func hostSees(target, host Node) (sighting, string) {
	_, end := splitTarget(target)
	have, told := connections(host, end)
	if told == stale {
		return stale, fmt.Sprintf("the connections of %s were not all read when that was last tried", host.Name())
	}
	if told != seen {
		return unread, ""
	}
	need := 0
	for vm := range host.Subjects(RunsOn) {
		for disk := range vm.Objects(Contains) {
			if slices.Contains(emulated(disk), end) {
				need++
			}
		}
	}
	switch {
	case have <= 0:
		return none, fmt.Sprintf("%s has no connection to %s", host.Name(), end)
	case have < need:
		return unsure, fmt.Sprintf("%s has %d connections to %s, and the disks of its VMs need %d", host.Name(), have, end, need)
	}
	return seen, fmt.Sprintf("%s has %d connections to %s", host.Name(), have, end)
}

// connections counts those of a host to a portal that are none of its own initiators, if all were seen: a host lists those to iSCSI's own ports.
func connections(host Node, end string) (have int, told sighting) {
	said, ok := host.Evidence(AttrSessions)
	at, err := netip.ParseAddrPort(end)
	switch {
	case !ok, err != nil, at.Port() != iscsiPort && at.Port() != iscsiSystemPort:
		return 0, unread
	case !host.s.latest(said.Reading):
		return 0, stale
	}
	for f := range host.About(AttrSessionTo) {
		words := strings.Fields(f.Value.String())
		if len(words) == 3 && words[1] == end && f.Reading == said.Reading {
			n, _ := strconv.Atoi(words[2]) // 0 of what is no number
			have += n
		}
	}
	for i := range host.Objects(Contains) {
		if i.Kind() != InitiatorPort {
			continue
		}
		for t := range i.Objects(Nexus) {
			if _, other := splitTarget(t); other == end {
				have--
			}
		}
	}
	return have, seen
}

// emulated gives the ends of the portals over which the program that runs a VM reaches a disk; none if it is not by iSCSI.
func emulated(disk Node) []string {
	if disk.Kind() != VDisk || disk.Text(AttrProtocol) != "iscsi" {
		return nil
	}
	var ends []string
	for _, v := range disk.Values(AttrSourceHost) {
		ends = append(ends, portalText(v.String()))
	}
	return ends
}

// latest reports that a table was read to its end when that was last tried.
func (s *Snapshot) latest(k ReadingKey) bool {
	whole, ok := s.Reading(k)
	if !ok || k.Partial {
		return false
	}
	k.Partial = true
	part, broke := s.Reading(k)
	return !broke || part.Time.Before(whole.Time)
}
