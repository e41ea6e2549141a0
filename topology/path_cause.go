package topology

import "strings"

// Cause tells what kind of thing a hop's fault is, or its doubt where nothing is at fault: who is asked to mend it, and with which command.
type Cause uint8

// The causes.
const (
	NoCause    Cause = iota // there is neither fault nor doubt
	Down                    // the node's state: no signal, or switched off
	Tree                    // spanning tree
	Membership              // the VLANs that a port carries
	Database                // the VLANs that a device has, and whether they are active there
	Native                  // the VLAN of frames without a tag, or frames with one where none is meant to be
	Kept                    // ports that pass less than their VLANs say: isolated, locked, other tags than those of customers
	Cabling                 // what is at the other end of a cable
	Gateway                 // which interface routes, and whether it does
)

// Cause gives the kind of the hop's fault, else of its doubt.
func (h Hop) Cause() Cause {
	if h.Fault == "" && h.Doubt == "" {
		return NoCause
	}
	var fault, doubt string
	device, owned := h.Node.Owner()
	if owned {
		fault, doubt = bridged(device, h.VID)
	}
	switch {
	case h.Fault != "":
		return faultCause(h, fault)
	case h.Doubt == doubt:
		return Database
	case strings.Contains(h.Doubt, " isolated ") || strings.Contains(h.Doubt, " is locked:") || strings.HasPrefix(h.Doubt, "the tags of "):
		return Kept
	case strings.Contains(h.Doubt, " is cabled to"):
		return Cabling
	case strings.Contains(h.Doubt, "without a tag") || strings.Contains(h.Doubt, "without one"):
		return Native
	}
	if _, ported := vlanHolder(h.Node); h.Rel == 0 && !ported && owned && device.Kind().Device() && device.Kind() != Host {
		return Gateway
	}
	return Membership
}

func faultCause(h Hop, ofDevice string) Cause {
	switch {
	case h.Fault == stopped(h.Node):
		return Down
	case strings.HasPrefix(h.Fault, "spanning tree"):
		return Tree
	case h.Fault == ofDevice:
		return Database
	case strings.Contains(h.Fault, "without a tag") || strings.Contains(h.Fault, "has no tag on"):
		return Native
	}
	return Membership
}

// VLANHolder gives the interface whose VLAN membership counts for a port: the aggregate that it is in, or itself. It is false if nobody says it of either.
func VLANHolder(port Node) (Node, bool) { return vlanHolder(port) }

// Carries reports whether an interface has a VLAN, with a tag or without.
func Carries(n Node, vid VID) bool { return carries(n, vid) }
