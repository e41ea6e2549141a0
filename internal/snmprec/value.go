package snmprec

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// Kind is the type of a value as it was on the wire (RFC 2578 section 7.1, RFC 3416 section 3).
type Kind uint8

// The kinds. Absent is the zero value: nobody has answered.
const (
	Absent Kind = iota
	Integer32
	OctetString
	Null
	ObjectIdentifier
	IPAddress
	Counter32
	Gauge32
	TimeTicks
	Opaque
	Counter64
	NoSuchObject
	NoSuchInstance
	EndOfMIBView
)

// String is the name that net-snmp prints for the kind.
func (k Kind) String() string {
	switch k {
	case Absent:
		return "absent"
	case Integer32:
		return "INTEGER"
	case OctetString:
		return "STRING"
	case Null:
		return "NULL"
	case ObjectIdentifier:
		return "OID"
	case IPAddress:
		return "IpAddress"
	case Counter32:
		return "Counter32"
	case Gauge32:
		return "Gauge32"
	case TimeTicks:
		return "Timeticks"
	case Opaque:
		return "Opaque"
	case Counter64:
		return "Counter64"
	case NoSuchObject:
		return "noSuchObject"
	case NoSuchInstance:
		return "noSuchInstance"
	case EndOfMIBView:
		return "endOfMibView"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is one typed value. It is immutable and comparable with ==. The zero Value is absent.
type Value struct {
	kind Kind
	num  uint64 // numbers; Integer32 as two's complement
	str  string // octets; packed sub-identifiers for ObjectIdentifier
}

// Varbind is an object identifier with its value (RFC 3416 section 3).
type Varbind struct {
	OID   OID
	Value Value
}

// IntegerValue is an INTEGER. Devices send more than 32 bits now and then, so it is kept whole.
func IntegerValue(v int64) Value { return Value{kind: Integer32, num: uint64(v)} }

// StringValue is an OCTET STRING with these octets.
func StringValue(octets string) Value { return Value{kind: OctetString, str: octets} }

// BytesValue is an OCTET STRING; the octets are copied.
func BytesValue(octets []byte) Value { return StringValue(string(octets)) }

// OIDValue is an OBJECT IDENTIFIER.
func OIDValue(v OID) Value { return Value{kind: ObjectIdentifier, str: v.packed} }

// AddrValue is an IpAddress: four octets by the standard, sixteen on some devices, none for the zero Addr.
func AddrValue(v netip.Addr) Value { return Value{kind: IPAddress, str: string(v.AsSlice())} }

// Counter32Value is a Counter32.
func Counter32Value(v uint32) Value { return Value{kind: Counter32, num: uint64(v)} }

// Gauge32Value is a Gauge32, which is also Unsigned32 on the wire.
func Gauge32Value(v uint32) Value { return Value{kind: Gauge32, num: uint64(v)} }

// TimeTicksValue is a TimeTicks, in hundredths of a second.
func TimeTicksValue(v uint32) Value { return Value{kind: TimeTicks, num: uint64(v)} }

// Counter64Value is a Counter64.
func Counter64Value(v uint64) Value { return Value{kind: Counter64, num: v} }

// OpaqueValue is an Opaque with these octets, the inner BER tag included.
func OpaqueValue(octets string) Value { return Value{kind: Opaque, str: octets} }

// NullValue is NULL: some agents answer it, and every request carries it.
func NullValue() Value { return Value{kind: Null} }

// ExceptionValue is one of NoSuchObject, NoSuchInstance and EndOfMIBView; any other kind gives the absent value.
func ExceptionValue(k Kind) Value {
	switch k {
	case NoSuchObject, NoSuchInstance, EndOfMIBView:
		return Value{kind: k}
	default:
		return Value{}
	}
}

// Kind is the type of the value.
func (v Value) Kind() Kind { return v.kind }

// Present reports whether the device has the object: there is a value, and it is neither an exception nor NULL.
func (v Value) Present() bool {
	switch v.kind {
	case Absent, Null, NoSuchObject, NoSuchInstance, EndOfMIBView:
		return false
	default:
		return true
	}
}

// Int returns a number of any numeric kind; false when the kind is not numeric or it exceeds 63 bits.
func (v Value) Int() (int64, bool) {
	switch v.kind {
	case Integer32:
		return int64(v.num), true
	case Counter32, Gauge32, TimeTicks, Counter64:
		return int64(v.num), v.num <= math.MaxInt64
	default:
		return 0, false
	}
}

// Uint returns a number of any numeric kind; false when the kind is not numeric or it is negative.
func (v Value) Uint() (uint64, bool) {
	switch v.kind {
	case Integer32:
		return v.num, v.num <= math.MaxInt64
	case Counter32, Gauge32, TimeTicks, Counter64:
		return v.num, true
	default:
		return 0, false
	}
}

// Text returns the octets of an OCTET STRING as they are: neither trimmed nor checked for UTF-8.
func (v Value) Text() (string, bool) { return v.str, v.kind == OctetString }

// Octets returns a copy of the octets of an OCTET STRING, Opaque or IpAddress.
func (v Value) Octets() ([]byte, bool) {
	switch v.kind {
	case OctetString, Opaque, IPAddress:
		return []byte(v.str), true
	default:
		return nil, false
	}
}

// OID returns an OBJECT IDENTIFIER.
func (v Value) OID() (OID, bool) {
	if v.kind != ObjectIdentifier {
		return OID{}, false
	}
	return OID{v.str}, true
}

// Addr returns an IpAddress of four or sixteen octets.
func (v Value) Addr() (netip.Addr, bool) {
	if v.kind != IPAddress {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice([]byte(v.str))
}

// Duration returns TimeTicks as a duration.
func (v Value) Duration() (time.Duration, bool) {
	const tick = 10 * time.Millisecond
	return time.Duration(v.num) * tick, v.kind == TimeTicks
}

// String is the kind and the value in the manner of net-snmp: `INTEGER: 1`, `Hex-STRING: 00 01`.
func (v Value) String() string {
	switch v.kind {
	case Integer32, Counter32, Gauge32, TimeTicks, Counter64:
		if n, ok := v.Int(); ok {
			return v.kind.String() + ": " + strconv.FormatInt(n, 10)
		}
		return v.kind.String() + ": " + strconv.FormatUint(v.num, 10)
	case OctetString:
		if printable(v.str) {
			return "STRING: " + strconv.Quote(v.str)
		}
		return "Hex-STRING: " + spacedHex(v.str)
	case ObjectIdentifier:
		return "OID: ." + OID{v.str}.String()
	case IPAddress:
		if a, ok := v.Addr(); ok {
			return "IpAddress: " + a.String()
		}
		return "IpAddress: " + spacedHex(v.str)
	case Opaque:
		return "Opaque: " + spacedHex(v.str)
	default:
		return v.kind.String()
	}
}

// String is the line that "snmpwalk -On" prints.
func (vb Varbind) String() string { return "." + vb.OID.String() + " = " + vb.Value.String() }

// FloatValue is the Opaque that carries a 32-bit float (draft-perkins-opaque-01, net-snmp's "Opaque: Float").
func FloatValue(f float32) Value {
	return OpaqueValue(string(binary.BigEndian.AppendUint32([]byte{0x9f, 0x78, 4}, math.Float32bits(f))))
}

// DoubleValue is the Opaque that carries a 64-bit float.
func DoubleValue(f float64) Value {
	return OpaqueValue(string(binary.BigEndian.AppendUint64([]byte{0x9f, 0x79, 8}, math.Float64bits(f))))
}

func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' && c != '\n' && c != '\r' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}

func spacedHex(s string) string {
	if s == "" {
		return ""
	}
	text := make([]byte, 0, 3*len(s))
	for i := range len(s) {
		text = append(hex.AppendEncode(text, []byte{s[i]}), ' ')
	}
	return string(text[:len(text)-1])
}
