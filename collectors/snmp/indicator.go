package snmp

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

// Some tables have a change indicator: an object with the value of sysUpTime at the last change of the table. While it stands still the table
// need not be read again. What that proves is little, and a table that is skipped by mistake shows a stale fact as a fresh one, so it is relied on
// only under all of these conditions:
//
//   - The standard says that it covers every column that is read here. ifTableLastChange tells of rows that come and go and not of what is in
//     them (RFC 2863), so ifTable is read every time. ifStackLastChange covers the whole stack (RFC 2863), entLastChangeTime rows that are
//     created, modified or deleted (RFC 6933), and so do lldpStatsRemTablesLastChangeTime (IEEE 802.1AB) and cdpGlobalLastChange.
//   - The device has it, as a time between its start and now. Zero stands for "no change since the start" and is what agents answer that do
//     not keep the object, so zero is no evidence; and times after now come from agents that count from elsewhere.
//   - It was asked for before the table was walked, and the walk saw the end of every column.
//   - It was already some seconds old then: a second change within the same tick would not show, and some agents tick in whole seconds.
//   - The device has been running since: its sysUpTime went on just as our clock did (not back, as after a restart, and not from 2^32 to 0,
//     as after 497 days), and it is still the same engine with the same name and description.
//   - The table itself was read within Options.Rely, so that an indicator that is stuck is found out.
//
// What is remembered of a skipped table are its rows, so that names of interfaces that changed in other tables are in what is made of them.

// Indicator is a single object that stands still as long as a table does.
type Indicator struct {
	OID  snmprec.OID // with its instance
	Name string
}

// lldpIndicators of the first or second MIB: the time of the last change, and the counters of what changed, which catch an agent that forgets
// to set the time when a neighbour is gone.
func (v lldpVersion) indicators() []Indicator {
	prefix := "lldpStats"
	if v == lldpV2 {
		prefix = "lldpV2Stats"
	}
	return []Indicator{
		{v.objects(2, 1, 0), prefix + "RemTablesLastChangeTime"},
		{v.objects(2, 2, 0), prefix + "RemTablesInserts"},
		{v.objects(2, 3, 0), prefix + "RemTablesDeletes"},
		{v.objects(2, 5, 0), prefix + "RemTablesAgeouts"},
	}
}

// In hundredths of a second, as sysUpTime counts.
const (
	youngest = 60_00 // a device that has run for less than that may have restarted unnoticed
	settled  = 2_00  // age of a change after which no other can have the same time
)

// signs are what the device said of its time and its changes, and when it was asked.
type signs struct {
	asked time.Time
	said  Scalars
}

func (g signs) uptime() (uint32, bool) {
	v := g.said[sysUpTime()]
	n, ok := v.Uint()
	return uint32(n), ok && v.Kind() == snmprec.TimeTicks
}

// stamps gives the indicators of a table; false where they are no evidence.
func (g signs) stamps(s subject) ([]snmprec.Value, bool) {
	if len(s.Indicators) == 0 {
		return nil, false
	}
	values := make([]snmprec.Value, len(s.Indicators))
	for i, n := range s.Indicators {
		values[i] = g.said[n.OID]
	}
	changed, isTime := values[0].Uint()
	now, ok := g.uptime()
	return values, ok && isTime && values[0].Kind() == snmprec.TimeTicks && now >= youngest && changed > 0 && changed+settled <= uint64(now)
}

// remembered is what is kept of a device from one reading to the next.
type remembered struct {
	signs    signs
	identity []Scalars
	tables   map[string]keptTable
}

// keptTable is a table that was read to its end.
type keptTable struct {
	stamps []snmprec.Value // asked for before it
	read   time.Time
	rows   []byte // packed
}

func newRemembered(as told, now signs) *remembered {
	return &remembered{signs: now, identity: []Scalars{as[readSystem].scalars, as[readEngine].scalars}, tables: map[string]keptTable{}}
}

// continues tells whether the device is the one that was read last and has been running since.
func (r *remembered) continues(last *remembered) bool {
	if last == nil || !slices.EqualFunc(r.identity, last.identity, maps.Equal[Scalars, Scalars]) {
		return false
	}
	then, ok := last.signs.uptime()
	now, ok2 := r.signs.uptime()
	elapsed := r.signs.asked.Sub(last.signs.asked)
	if !ok || !ok2 || elapsed < 0 {
		return false
	}
	// Clocks of devices drift, and answers take their time. The slack stays below the youngest uptime, so that no restart fits into it.
	const tick = 10 * time.Millisecond
	slack := min(5*time.Second+elapsed/100, youngest*tick/2)
	off := time.Duration(int64(now)-int64(then))*tick - elapsed
	return off.Abs() <= slack
}

// standing gives the table as it was read last, if the device proves that it has not changed since and it was read not long ago.
func (r *remembered) standing(s subject, last *remembered, rely time.Duration) (keptTable, Rows, bool) {
	kept, known := last.tables[s.Name]
	stamps, evident := r.signs.stamps(s)
	if !known || !evident || !slices.Equal(stamps, kept.stamps) || r.signs.asked.Sub(kept.read) >= rely {
		return keptTable{}, Rows{}, false
	}
	rows, err := unpackRows(s.Table(), kept.rows)
	return kept, rows, err == nil
}

// keep remembers a table that was walked after the signs were asked for.
func (r *remembered) keep(s subject, a answer) {
	if stamps, ok := r.signs.stamps(s); ok && a.result.Complete {
		r.tables[s.Name] = keptTable{stamps: stamps, read: a.time, rows: packRows(s.Table(), a.rows)}
	}
}

func packRows(table Table, rows Rows) []byte {
	varbinds := make([]snmprec.Varbind, 0, rows.Len())
	for _, column := range table.Columns {
		for _, cell := range rows.Column(column) {
			varbinds = append(varbinds, snmprec.Varbind{OID: snmprec.NewOID(column).Join(cell.Index), Value: cell.Value})
		}
	}
	return snmprec.Pack(varbinds)
}

func unpackRows(table Table, packed []byte) (Rows, error) {
	varbinds, err := snmprec.Unpack(packed)
	if err != nil {
		return Rows{}, err
	}
	columns := make(map[uint32][]Cell, len(table.Columns))
	for _, vb := range varbinds {
		column := vb.OID.At(0)
		columns[column] = append(columns[column], Cell{Index: vb.OID.After(1), Value: vb.Value})
	}
	return NewRows(columns), nil
}

// wanted lists the objects to ask for before anything else: all indicators of a device that is new, later those that it has.
func (r *remembered) wanted() []snmprec.OID {
	wanted := []snmprec.OID{sysUpTime()}
	for _, s := range subjects() {
		for _, n := range s.Indicators {
			if !slices.Contains(wanted, n.OID) && (r == nil || r.signs.said[n.OID].Present()) {
				wanted = append(wanted, n.OID)
			}
		}
	}
	return wanted
}

// memory holds what is remembered of all devices.
type memory struct {
	mu      sync.Mutex
	devices map[place]*remembered
}

// place is where a device was read.
type place struct{ handle, address string }

// take gives what is remembered of a device and forgets it: a reading that fails leaves nothing behind that was not proven.
func (m *memory) take(d collectors.Device) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := place{d.Handle, d.Address}
	last := m.devices[at]
	delete(m.devices, at)
	return last
}

func (m *memory) put(d collectors.Device, r *remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices[place{d.Handle, d.Address}] = r
}
