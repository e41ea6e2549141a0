package snmp

import (
	"slices"
	"sync"

	"github.com/throughline-dc/throughline/internal/snmprec"
)

// The reads that others refer to by name.
const (
	readSystem    = "system"
	readEngine    = "snmpEngine"
	readHost      = "hrSystem"
	readIf        = "ifTable"
	readIfX       = "ifXTable"
	readBase      = "dot1dBase"
	readBasePort  = "dot1dBasePortTable"
	readCurrent   = "dot1qVlanCurrentTable"
	readStatic    = "dot1qVlanStaticTable"
	readVTP       = "vtpVlanTable"
	readTrunk     = "vlanTrunkPortTable"
	readAddr      = "ipAddrTable"
	readAddress   = "ipAddressTable"
	readLLDPLocal = "lldpLocalSystemData"
	readLLDPPort  = "lldpLocPortTable"
	readForward   = "ipForward"
)

// Read is one table, or one group of single objects, that every device is asked for. Its name is the name of the reading.
type Read struct {
	Name    string      // as the MIB calls it: "ifTable"
	MIB     string      // module and the document that defines it: "IF-MIB (RFC 2863)"
	OID     snmprec.OID // the conceptual row, or what the single objects have in common
	Objects []Object
	Scalar  bool // single objects: each has the one instance 0
	Long    bool // thousands of rows are to be expected, see Table
	// Indicators stand still as long as the table does, all of them; the first is the time of its last change. None: it is always read.
	Indicators []Indicator
}

// Object is a column or a single object.
type Object struct {
	ID   uint32 // sub-identifier below the Read's OID
	Name string // as the MIB calls it: "ifDescr"
}

// Table tells a Walker what to read; it is for tables.
func (r Read) Table() Table {
	t := Table{Name: r.Name, Entry: r.OID, Long: r.Long}
	for _, o := range r.Objects {
		t.Columns = append(t.Columns, o.ID)
	}
	return t
}

// Instances lists the identifiers of single objects.
func (r Read) Instances() []snmprec.OID {
	oids := make([]snmprec.OID, len(r.Objects))
	for i, o := range r.Objects {
		oids[i] = r.OID.Append(o.ID, 0)
	}
	return oids
}

// Reads lists everything that a device is asked for, in this order. Nothing else is sent, and nothing is ever set.
func Reads() []Read {
	var reads []Read
	for _, s := range subjects() {
		reads = append(reads, s.Read)
	}
	return reads
}

// subject is a Read and what it means.
type subject struct {
	Read
	// needs is what else must have been read for the statements of this one to be whole: what names its ports, say. When it is
	// incomplete, so is what is said here.
	needs []need
	// count is the single object with the number of rows, where an agent has one: a table of too many rows is left alone.
	count func(told) (rows int64, ok bool)
	// promised is the number of rows that the device says it has. When it then shows none, something hides them from this user, and
	// nothing may be concluded from their absence.
	promised func(told) (rows int64, ok bool)
	state    func(*device, *report)
}

// nothing is what those reads state that only help to understand others.
func nothing(*device, *report) {}

// subjects lists the reads in the order in which they are sent: what names the parts of the device comes first.
// They are built once, and nobody changes them.
var subjects = sync.OnceValue(func() []subject { //nolint:gochecknoglobals // read-only table
	return slices.Concat(
		systemMIB(), ifMIB(), ipMIB(), bridgeMIB(), stpMIB(), vlanMIB(), ciscoVLANMIB(), fdbMIB(), lagMIB(), lldpMIB(), cdpMIB(),
		entityMIB(), routeMIB(),
	)
})

// need is a Read, or some columns of it.
type need struct {
	read    Read
	columns []uint32 // none: all of it
}

func (n need) met(as told) bool {
	result := as[n.read.Name].result
	if result.Complete || len(n.columns) == 0 {
		return result.Complete
	}
	_, asked := as[n.read.Name]
	return asked && !slices.ContainsFunc(n.columns, func(c uint32) bool { return !result.ColumnComplete(n.read.Table(), c) })
}

// naming is what the names of interfaces are made of, bridging what those of the ports of a bridge are made of.
func naming(more ...need) []need {
	return append([]need{{ifTableRead(), []uint32{ifDescr, ifType}}, {ifXTableRead(), []uint32{ifName}}}, more...)
}

func bridging(more ...need) []need { return append(naming(need{read: basePortRead()}), more...) }

// Where the MIBs are in the tree (RFC 2578, RFC 1213, IEEE 802.1AB-2005, IEEE 802.1AX).

func mib2(ids ...uint32) snmprec.OID { return snmprec.NewOID(1, 3, 6, 1, 2, 1).Append(ids...) }

func ciscoMgmt(ids ...uint32) snmprec.OID {
	return snmprec.NewOID(1, 3, 6, 1, 4, 1, 9, 9).Append(ids...)
}

func lldpObjects(ids ...uint32) snmprec.OID {
	return snmprec.NewOID(1, 0, 8802, 1, 1, 2, 1).Append(ids...)
}

func lagObjects(ids ...uint32) snmprec.OID {
	return snmprec.NewOID(1, 2, 840, 10006, 300, 43, 1).Append(ids...)
}
