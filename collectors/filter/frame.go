package filter

import (
	"fmt"
	"strings"

	"github.com/throughline-dc/throughline/topology/policy"
)

// What rules on frames look at: ebtables, and the network filters of libvirt that become rules of it.

// macTerm adds a term on a MAC address under a mask.
func (d *draft) macTerm(field policy.Field, not bool, value, mask uint64) {
	if mask == allMAC {
		d.term(field, not, policy.Is(value))
		return
	}
	d.masked(field, not, value&mask, mask) // ebtables(8): the address is taken under the mask
}

// macText reads ADDRESS or ADDRESS/MASK, and the names of ebtables(8).
func macText(text string) (value, mask uint64, err error) {
	switch strings.ToLower(text) {
	case "unicast":
		return 0, 1 << 40, nil
	case "multicast":
		return 1 << 40, 1 << 40, nil
	case "broadcast":
		return allMAC, allMAC, nil
	case "bga":
		return bridgeGroup, allMAC, nil
	}
	head, tail, masked := strings.Cut(text, "/")
	mask = allMAC
	if value, err = mac(head); err == nil && masked {
		mask, err = mac(tail)
	}
	return value, mask, err
}

// bridgeGroup is where bridges talk to each other (IEEE 802.1D).
const bridgeGroup = 0x0180c2000000

// frameType adds the terms on the type of the frame, before its tags: one with a tag is of type 8100.
func (d *draft) frameType(not bool, n uint64) {
	tagged := n == 0x8100 || n == 0x88a8
	switch {
	case tagged:
		d.term(policy.VLANTag, !not, policy.Is(0))
	case not:
		d.unsure("all but frames of type 0x%x", n)
	default:
		d.term(policy.EtherType, false, policy.Is(n))
		d.term(policy.VLANTag, false, policy.Is(0))
	}
}

// tosByte is ebtables' match on the whole octet: DSCP, and ECN behind it, which the model does not hold.
func (d *draft) tosByte(not bool, n uint64) {
	d.unsure("ECN %d", n&3)
	if !not {
		d.term(policy.DSCP, false, policy.Is(n>>2))
	}
}

// icmpRanges reads TYPE[:TYPE][/CODE[:CODE]].
func (d *draft) icmpRanges(text string, not bool) error {
	head, tail, coded := strings.Cut(text, "/")
	kind, err := span(head, ":", 255)
	if err != nil {
		return err
	}
	code := policy.FromTo(0, 255)
	if coded {
		if code, err = span(tail, ":", 255); err != nil {
			return err
		}
	}
	if not && code != policy.FromTo(0, 255) && kind != policy.FromTo(0, 255) {
		d.unsure("all but ICMP type and code %s", text)
		return nil
	}
	whole := policy.FromTo(0, 255)
	if kind != whole || code == whole && not {
		d.term(policy.ICMPType, not, kind)
	}
	if code != whole {
		d.term(policy.ICMPCode, not, code)
	}
	return nil
}

// beyond notes a match on what the model does not hold, in the words of ebtables.
func (d *draft) beyond(not bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if not {
		text = "! " + text
	}
	d.unsure("%s", text)
}
