package topology

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ValueType is the type of an attribute's value.
type ValueType uint8

// The value types.
const (
	TypeText ValueType = iota + 1
	TypeInt            // int64; the unit is in the attribute's name or description
	TypeBool
	TypeMAC
	TypeWWN
	TypeAddr   // IPv4 or IPv6 address
	TypePrefix // address with prefix length; the host bits are kept
	TypeVIDs   // set of VLAN IDs, "10,20-29"
	TypeFDB    // forwarding database entry, "VID MAC status"
)

// Value is one value of an attribute: comparable, immutable, with one canonical text. The zero Value is "nothing".
type Value struct {
	typ ValueType
	num uint64
	str string
}

// TextValue holds text; octets that are not UTF-8 are escaped (see Text).
func TextValue(s string) Value { return Value{typ: TypeText, str: Text([]byte(s))} }

// IntValue holds a number.
func IntValue[T ~int | ~int64 | ~int32 | ~uint8 | ~uint16 | ~uint32 | ~uint64](n T) Value {
	return Value{typ: TypeInt, num: uint64(n)}
}

// BoolValue holds a truth value.
func BoolValue(b bool) Value {
	v := Value{typ: TypeBool}
	if b {
		v.num = 1
	}
	return v
}

// MACValue holds a hardware address.
func MACValue(m MAC) Value { return Value{typ: TypeMAC, num: uint64(m)} }

// WWNValue holds a World Wide Name.
func WWNValue(w WWN) Value { return Value{typ: TypeWWN, num: uint64(w)} }

// AddrValue holds an address; IPv4 mapped into IPv6 is unmapped.
func AddrValue(a netip.Addr) Value { return Value{typ: TypeAddr, str: a.Unmap().String()} }

// PrefixValue holds an address with its prefix length.
func PrefixValue(p netip.Prefix) Value { return Value{typ: TypePrefix, str: p.String()} }

// VIDsValue holds a set of VLANs.
func VIDsValue(s VIDSet) Value { return Value{typ: TypeVIDs, str: s.String()} }

// FDBValue holds a forwarding database entry.
func FDBValue(e FDBEntry) Value {
	return Value{typ: TypeFDB, num: uint64(e.Status&15)<<60 | uint64(e.VID&0xfff)<<48 | uint64(e.MAC)}
}

// Type tells the type; 0 for the zero Value.
func (v Value) Type() ValueType { return v.typ }

// Textual reports whether values of the type are kept as text, and not as 64 bits.
func (t ValueType) Textual() bool { return textual(t) }

// Bits gives the value of a type that is not kept as text, as a Record holds it.
func (v Value) Bits() uint64 { return v.num }

// IsZero reports whether there is no value.
func (v Value) IsZero() bool { return v.typ == 0 }

// Int gives the number of TypeInt, 0 otherwise.
func (v Value) Int() int64 {
	if v.typ != TypeInt {
		return 0
	}
	return int64(v.num)
}

// Bool gives the truth value of TypeBool.
func (v Value) Bool() bool { return v.typ == TypeBool && v.num == 1 }

// MAC gives the address of TypeMAC, 0 otherwise.
func (v Value) MAC() MAC {
	if v.typ != TypeMAC {
		return 0
	}
	return MAC(v.num)
}

// WWN gives the name of TypeWWN, 0 otherwise.
func (v Value) WWN() WWN {
	if v.typ != TypeWWN {
		return 0
	}
	return WWN(v.num)
}

// Addr gives the address of TypeAddr or TypePrefix; it is invalid otherwise.
func (v Value) Addr() netip.Addr {
	if v.typ == TypePrefix {
		return v.Prefix().Addr()
	}
	a, _ := netip.ParseAddr(v.str)
	return a
}

// Prefix gives the prefix of TypePrefix; it is invalid otherwise.
func (v Value) Prefix() netip.Prefix {
	if v.typ != TypePrefix {
		return netip.Prefix{}
	}
	p, _ := netip.ParsePrefix(v.str)
	return p
}

// VIDs gives the set of TypeVIDs.
func (v Value) VIDs() VIDSet {
	s, _ := ParseVIDSet(v.str)
	return s
}

// FDB gives the entry of TypeFDB.
func (v Value) FDB() FDBEntry {
	return FDBEntry{VID: VID(v.num >> 48 & 0xfff), MAC: MAC(v.num & (1<<48 - 1)), Status: FDBStatus(v.num >> 60)}
}

// String gives the canonical text, which ParseValue reads back.
func (v Value) String() string {
	switch v.typ {
	case TypeInt:
		return strconv.FormatInt(int64(v.num), 10)
	case TypeBool:
		return strconv.FormatBool(v.num == 1)
	case TypeMAC:
		return MAC(v.num).String()
	case TypeWWN:
		return WWN(v.num).String()
	case TypeFDB:
		return v.FDB().String()
	default:
		return v.str
	}
}

// Compare orders values of one type: numbers by size, others by text.
func (v Value) Compare(o Value) int {
	if v.typ == TypeInt && o.typ == TypeInt {
		switch a, b := int64(v.num), int64(o.num); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	if v.typ == o.typ {
		switch v.typ {
		case TypeMAC, TypeWWN: // texts of one length
			return cmp.Compare(v.num, o.num)
		case TypeFDB:
			return v.FDB().compare(o.FDB())
		default:
		}
	}
	return strings.Compare(v.String(), o.String())
}

// ParseValue reads the canonical text of a value of the given type.
func ParseValue(typ ValueType, text string) (Value, error) {
	switch typ {
	case TypeText:
		return TextValue(text), nil
	case TypeInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Value{}, syntaxError("number", text, "want a decimal integer")
		}
		return IntValue(n), nil
	case TypeBool:
		if text != "true" && text != "false" {
			return Value{}, syntaxError("truth value", text, "want true or false")
		}
		return BoolValue(text == "true"), nil
	case TypeMAC:
		m, err := ParseMAC(text)
		return MACValue(m), err
	case TypeWWN:
		w, err := ParseWWN(text)
		return WWNValue(w), err
	case TypeAddr:
		a, err := netip.ParseAddr(text)
		if err != nil {
			return Value{}, syntaxError("address", text, "want an IPv4 or IPv6 address")
		}
		return AddrValue(a), nil
	case TypePrefix:
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return Value{}, syntaxError("prefix", text, "want ADDRESS/LENGTH")
		}
		return PrefixValue(p), nil
	case TypeVIDs:
		s, err := ParseVIDSet(text)
		return VIDsValue(s), err
	case TypeFDB:
		e, err := ParseFDBEntry(text)
		return FDBValue(e), err
	}
	return Value{}, fmt.Errorf("%w: value type %d", ErrSchema, typ)
}

// canonical reports whether ParseValue reads the value's text back: it does not where a collector put in what its type cannot hold, an
// invalid address or a MAC of more than 48 bits.
func (v Value) canonical() bool {
	if !utf8.ValidString(v.str) {
		return false // an IPv6 zone may hold anything
	}
	switch v.typ {
	case TypeText, TypeInt, TypeWWN:
		return true
	case TypeBool, TypeMAC, TypeFDB:
		return inRange(v.typ, v.num)
	default:
		back, err := ParseValue(v.typ, v.String())
		return err == nil && back == v
	}
}

// FDBStatus tells how a bridge came to an entry (dot1qTpFdbStatus, RFC 4363).
type FDBStatus uint8

// The values of dot1qTpFdbStatus; Static is added for entries that dot1qStaticUnicastTable or a CLI shows.
const (
	FDBOther FDBStatus = iota + 1
	FDBInvalid
	FDBLearned
	FDBSelf
	FDBMgmt
	FDBStatic
)

var fdbStatusNames = [...]string{"unknown", "other", "invalid", "learned", "self", "mgmt", "static"} //nolint:gochecknoglobals // read-only table

// FDBEntry is one row of a bridge's forwarding database. VID 0: the table does not say the VLAN (dot1dTpFdbTable).
type FDBEntry struct {
	VID    VID
	MAC    MAC
	Status FDBStatus
}

// String gives "VID MAC status".
func (e FDBEntry) String() string {
	return strconv.Itoa(int(e.VID)) + " " + e.MAC.String() + " " + e.Status.name()
}

func (s FDBStatus) name() string {
	if int(s) < len(fdbStatusNames) {
		return fdbStatusNames[s]
	}
	return fdbStatusNames[0]
}

// compare orders entries by text, without making it.
func (e FDBEntry) compare(o FDBEntry) int {
	if e.VID != o.VID {
		var a, b [5]byte
		return bytes.Compare(strconv.AppendUint(a[:0], uint64(e.VID), 10), strconv.AppendUint(b[:0], uint64(o.VID), 10))
	}
	return cmp.Or(cmp.Compare(e.MAC, o.MAC), strings.Compare(e.Status.name(), o.Status.name()))
}

// ParseFDBEntry is the inverse of String.
func ParseFDBEntry(text string) (FDBEntry, error) {
	f := strings.Split(text, " ")
	if len(f) != 3 {
		return FDBEntry{}, syntaxError("FDB entry", text, "want VID MAC status")
	}
	vid, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || vid > 4094 {
		return FDBEntry{}, syntaxError("FDB entry", text, "VID out of range")
	}
	mac, err := ParseMAC(f[1])
	status := slices.Index(fdbStatusNames[:], f[2])
	if err != nil || status < 0 {
		return FDBEntry{}, syntaxError("FDB entry", text, "MAC or status not understood")
	}
	return FDBEntry{VID(vid), mac, FDBStatus(status)}, nil
}

// VIDSet is a set of VLAN IDs as sorted, disjoint, non-adjacent inclusive ranges. Most ports of a bridge carry the same set,
// so it is kept as one interned text and not as one relation per VLAN.
type VIDSet struct{ ranges []vidRange }

type vidRange struct{ lo, hi VID }

// VIDs builds a set; IDs outside 1 to 4094 are left out.
func VIDs(ids ...VID) VIDSet {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	var s VIDSet
	for _, v := range ids {
		if v >= 1 && v <= 4094 {
			s.push(v, v)
		}
	}
	return s
}

// VIDRange is the set from lo to hi.
func VIDRange(lo, hi VID) VIDSet {
	lo, hi = max(lo, 1), min(hi, 4094)
	if lo > hi {
		return VIDSet{}
	}
	return VIDSet{[]vidRange{{lo, hi}}}
}

// push appends a range that begins at or after the last one's begin.
func (s *VIDSet) push(lo, hi VID) {
	if n := len(s.ranges); n > 0 && lo <= s.ranges[n-1].hi+1 {
		s.ranges[n-1].hi = max(s.ranges[n-1].hi, hi)
		return
	}
	s.ranges = append(s.ranges, vidRange{lo, hi})
}

// Has tells membership.
func (s VIDSet) Has(v VID) bool {
	_, found := slices.BinarySearchFunc(s.ranges, v, func(r vidRange, v VID) int {
		switch {
		case v < r.lo:
			return 1
		case v > r.hi:
			return -1
		}
		return 0
	})
	return found
}

// Len counts the members.
func (s VIDSet) Len() int {
	n := 0
	for _, r := range s.ranges {
		n += int(r.hi-r.lo) + 1
	}
	return n
}

// All lists the members in order.
func (s VIDSet) All() []VID {
	ids := make([]VID, 0, s.Len())
	for _, r := range s.ranges {
		for v := r.lo; v <= r.hi; v++ {
			ids = append(ids, v)
		}
	}
	return ids
}

// Union gives s ∪ o.
func (s VIDSet) Union(o VIDSet) VIDSet {
	all := append(slices.Clone(s.ranges), o.ranges...)
	slices.SortFunc(all, func(a, b vidRange) int { return int(a.lo) - int(b.lo) })
	var u VIDSet
	for _, r := range all {
		u.push(r.lo, r.hi)
	}
	return u
}

// Minus gives s without the members of o.
func (s VIDSet) Minus(o VIDSet) VIDSet {
	var d VIDSet
	for _, r := range s.ranges {
		lo := r.lo
		for _, cut := range o.ranges {
			if cut.hi < lo || cut.lo > r.hi {
				continue
			}
			if cut.lo > lo {
				d.push(lo, cut.lo-1)
			}
			lo = cut.hi + 1
		}
		if lo <= r.hi {
			d.push(lo, r.hi)
		}
	}
	return d
}

// Intersect gives s ∩ o.
func (s VIDSet) Intersect(o VIDSet) VIDSet { return s.Minus(s.Minus(o)) }

// String gives "10,20-29"; the empty set is "".
func (s VIDSet) String() string {
	var b strings.Builder
	for i, r := range s.ranges {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(r.lo)))
		if r.hi > r.lo {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(int(r.hi)))
		}
	}
	return b.String()
}

// ParseVIDSet reads "10,20-29" in any order.
func ParseVIDSet(text string) (VIDSet, error) {
	var s VIDSet
	if text == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		lo, err := ParseVID(from)
		hi := lo
		if err == nil && isRange {
			hi, err = ParseVID(to)
		}
		if err != nil || hi < lo {
			return VIDSet{}, syntaxError("VLAN set", text, "want VIDs and ranges of them, as in 10,20-29")
		}
		s.ranges = append(s.ranges, vidRange{lo, hi})
	}
	return VIDSet{}.Union(s), nil
}

// inRange reports whether the bits can be a value of a type that is not kept as text.
func inRange(typ ValueType, bits uint64) bool {
	return (typ != TypeBool || bits <= 1) && (typ != TypeMAC || bits>>48 == 0) &&
		(typ != TypeFDB || bits>>60 < uint64(len(fdbStatusNames)) && bits>>48&0xfff <= 4094)
}
