// Package snmprec holds what an SNMP agent holds: object identifiers, typed values, and recordings of
// whole agents (.snmprec files and the text of "snmpwalk -On").
//
// It is plain data without any protocol: the collector, the simulated agent and every parser of a
// recording share it, so that a recorded device and a live one give the same values.
package snmprec

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxOIDLen is the longest object identifier that SNMP allows (RFC 2578 section 3.5).
const MaxOIDLen = 128

// subIDBytes is the width of one packed sub-identifier.
const subIDBytes = 4

// OID is an object identifier. It is immutable and comparable: it may be a map key, and == is equality.
// The zero value is the empty identifier, which comes before every other.
type OID struct {
	// Big-endian 32-bit words: the order of the bytes is then the order of the identifiers.
	packed string
}

// NewOID returns the identifier with these sub-identifiers.
func NewOID(ids ...uint32) OID { return OID{}.Append(ids...) }

// ParseOID reads the dotted form, with or without a leading dot: "1.3.6.1.2.1" or ".1.3.6.1.2.1".
func ParseOID(text string) (OID, error) {
	// A walk parses every identifier that it gets, so nothing is allocated but the result.
	var packed [MaxOIDLen * subIDBytes]byte
	length, digits, id := 0, 0, uint64(0)
	rest := strings.TrimPrefix(text, ".")
	for i := 0; i <= len(rest); i++ {
		switch {
		case i < len(rest) && rest[i] >= '0' && rest[i] <= '9':
			digits++
			if id = id*10 + uint64(rest[i]-'0'); id > math.MaxUint32 {
				return OID{}, fmt.Errorf("%q is no object identifier: a number is not below 2^32", clip(text))
			}
		case i < len(rest) && rest[i] != '.':
			return OID{}, fmt.Errorf("%q is no object identifier: it has a %q", clip(text), rest[i])
		case digits == 0:
			return OID{}, fmt.Errorf("%q is no object identifier: a number is missing", clip(text))
		case length == len(packed):
			return OID{}, fmt.Errorf("%q is no object identifier: it has more than %d numbers", clip(text), MaxOIDLen)
		default:
			binary.BigEndian.PutUint32(packed[length:], uint32(id))
			length += subIDBytes
			digits, id = 0, 0
		}
	}
	return OID{string(packed[:length])}, nil
}

// Append returns the identifier with more sub-identifiers at its end.
func (o OID) Append(ids ...uint32) OID {
	packed := make([]byte, len(o.packed), len(o.packed)+subIDBytes*len(ids))
	copy(packed, o.packed)
	for _, id := range ids {
		packed = binary.BigEndian.AppendUint32(packed, id)
	}
	return OID{string(packed)}
}

// Join returns the identifier with another one (an index, say) at its end.
func (o OID) Join(tail OID) OID { return OID{o.packed + tail.packed} }

// Len is the number of sub-identifiers.
func (o OID) Len() int { return len(o.packed) / subIDBytes }

// At returns sub-identifier i, counted from 0; it panics when i is out of range, like an index expression.
func (o OID) At(i int) uint32 {
	return binary.BigEndian.Uint32([]byte(o.packed[i*subIDBytes : (i+1)*subIDBytes]))
}

// IDs returns all sub-identifiers as a new slice.
func (o OID) IDs() []uint32 {
	ids := make([]uint32, o.Len())
	for i := range ids {
		ids[i] = o.At(i)
	}
	return ids
}

// Prefix returns the first n sub-identifiers, or the whole identifier when it has fewer.
func (o OID) Prefix(n int) OID { return OID{o.packed[:min(max(n, 0), o.Len())*subIDBytes]} }

// After returns what follows the first n sub-identifiers; it is empty when there are no more.
func (o OID) After(n int) OID { return OID{o.packed[min(max(n, 0), o.Len())*subIDBytes:]} }

// HasPrefix reports whether the identifier begins with p; every identifier begins with itself.
func (o OID) HasPrefix(p OID) bool { return strings.HasPrefix(o.packed, p.packed) }

// Compare orders identifiers as GETNEXT does (RFC 3416 section 4.2.2): -1, 0 or +1.
func (o OID) Compare(p OID) int { return strings.Compare(o.packed, p.packed) }

// IsZero reports whether the identifier is empty.
func (o OID) IsZero() bool { return o.packed == "" }

// Sendable reports whether BER can carry the identifier: it has at least two sub-identifiers, the first at most 2, and the
// second below 40 unless the first is 2 (X.690 section 8.19).
func (o OID) Sendable() bool {
	const lastRoot, lastSecond = 2, 39
	return o.Len() >= 2 && (o.At(0) == lastRoot || (o.At(0) < lastRoot && o.At(1) <= lastSecond))
}

// String is the dotted form without a leading dot.
func (o OID) String() string {
	text := make([]byte, 0, 3*o.Len())
	for i := range o.Len() {
		if i > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendUint(text, uint64(o.At(i)), 10)
	}
	return string(text)
}

// clip shortens hostile input for an error message.
func clip(text string) string {
	const limit = 80
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "..."
}
