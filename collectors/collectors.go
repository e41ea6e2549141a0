// Package collectors is the contract of everything that reads devices, and the runner that reads many of them politely.
//
// A collector is named after how it reads (libvirt, snmp, ssh …). It never writes to a device and never touches the graph: it turns
// answers into observations, and says of every table whether it saw the end of it.
package collectors

import (
	"context"
	"errors"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// Device is one row of the inventory for one source: what to read and how to get in.
type Device struct {
	Handle  string        // the inventory's name; unique
	Kind    topology.Kind // what the operator says it is; 0: the collector finds out
	Address string        // host, host:port, URI or folder, as the source understands it
	Source  topology.Source
	Access  any // the source's own settings and credentials, parsed and checked by the inventory: SNMPAccess, LibvirtAccess …

	Deadline time.Duration // how long one reading may take; 0: as the runner says
}

// Collector reads one device.
type Collector interface {
	// Collect reads all tables of the device. Partial success is normal: what was read is returned beside an error for what was not.
	// Every table that was attempted has an observation; one that was not read to its end has a partial reading with the reason.
	// The error wraps one of the sentinels below where it applies. When ctx ends, Collect returns within a second with what it has.
	// It keeps to the device's budget. It is called for several devices at once, never twice at once for one.
	Collect(ctx context.Context, d Device) ([]topology.Observation, error)
}

// Prober is a Collector that can try the login alone, with one harmless read.
type Prober interface {
	// Probe returns nil when the device answered and let us in. The text says what answered.
	Probe(ctx context.Context, d Device) (answer string, err error)
}

// Sentinels for what the runner and its users tell apart.
var (
	// ErrUnreachable: nothing answered in time, or the connection was refused.
	ErrUnreachable = errors.New("unreachable")
	// ErrDenied: the device answered and refused the credentials, or a privilege is missing.
	ErrDenied = errors.New("denied")
	// ErrUnsupported: this build or machine lacks what the source needs.
	ErrUnsupported = errors.New("not supported here")
	// ErrMalformed: what came back is not the protocol or format that was expected.
	ErrMalformed = errors.New("malformed answer")
)

// Unparsed is a piece of an answer that a parser did not understand: kept and shown, never dropped.
type Unparsed struct {
	Where string // file and line, OID, or path in the document
	Text  string
	Why   string
}

// NewReading begins a reading of one table, taken now as the caller's clock says.
func NewReading(d Device, table, command string, now time.Time) topology.Reading {
	return topology.Reading{
		ReadingKey: topology.ReadingKey{Device: d.Handle, Source: d.Source, Table: table},
		Command:    command,
		Time:       now.UTC().Truncate(time.Millisecond),
	}
}
