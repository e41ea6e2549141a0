package ssh

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors/shell"
	"github.com/throughline-dc/throughline/topology"
)

// storage is what the commands of the host itself said: Open vSwitch, filters, queueing, disks and their paths, sysfs.
type storage struct {
	ovs     openVSwitch
	filters map[string]filterText // by table
	queues  []queue
	nics    map[string]*sysfsNIC // by name
	scsi    scsi
	maps    []multipathMap
	disks   []disk
	mounts  []mount

	connections []shell.Connection
	connected   bool // all of them were read
}

// hostTables are the commands of the host itself. Lines that need a shell of known grammar, or that put several commands in one, are handed to sh,
// whatever shell the user has.
func hostTables() []table {
	return slices.Concat(ovsTables(), filterTables(), []table{qdiscTable(), sysfsNetTable(), sysfsSCSITable(), iscsiTable(), multipathTable(), lsblkTable(), mountsTable(), connectionsTable()})
}

// tally counts the rows of an answer, and keeps those that are not understood.
type tally struct{ shell.Tally }

// lines is shell.Lines without blanks after the last word.
func lines(raw []byte) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for where, l := range shell.Lines(raw) {
			if !yield(where, strings.TrimRight(l, " \t\r")) {
				return
			}
		}
	}
}

// unsigned reads an unsigned decimal number.
func unsigned(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0
}

// port gives the key of an interface, whichever of ip link, Open vSwitch and sysfs knows best what it is.
func (s *sheet) port(name string) topology.Key {
	k := s.interfaceKey(name)
	return topology.PartKey(max(k.Kind, s.portKind(name)), s.device, name)
}

// portKind tells what an interface is as Open vSwitch and sysfs know it: a LAG if it is a bond, a NIC if there is hardware behind it.
func (s *sheet) portKind(name string) topology.Kind {
	nic := s.nics[name]
	switch {
	case s.ovs.bonded[name], nic != nil && nic.bond != nil:
		return topology.LAG
	case nic != nil && nic.hardware && s.device.Kind == topology.Host:
		return topology.NIC
	}
	return topology.Port
}

// volume gives a file or device of the host, and states its path.
func (s *sheet) volume(say *words, path string) topology.Key {
	v := topology.PartKey(topology.Volume, s.device, path)
	say.Text(v, topology.AttrPath, path)
	return v
}

// unit gives a logical unit by its designator.
func unit(say *words, designator string) topology.Key {
	u := topology.Key{Kind: topology.LogicalUnit, ID: designator}
	say.Text(u, topology.AttrDesignator, designator)
	return u
}

// handle is the name of the device in the inventory.
func (s *sheet) handle() string {
	h, _, _ := s.device.Local()
	return h
}

// sortedKeys gives the keys of a map in order, so that the same answer is always told in the same order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
