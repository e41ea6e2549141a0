package snmprec

import (
	"encoding/binary"
	"errors"
)

// errPacked says that octets are not what Pack wrote.
var errPacked = errors.New("no packed varbinds")

// Pack writes varbinds in as few octets as is cheap: a sorted table takes about a fifth of the memory of its varbinds. The form is for
// keeping within one process; no document defines it.
//
// Each varbind is: how many sub-identifiers it shares with the one before, how many follow, these; the kind; the number; the length of the
// octets, these. All numbers are varints.
func Pack(varbinds []Varbind) []byte {
	var b []byte
	var before OID
	for _, vb := range varbinds {
		shared := 0
		for shared < min(before.Len(), vb.OID.Len()) && before.At(shared) == vb.OID.At(shared) {
			shared++
		}
		b = binary.AppendUvarint(b, uint64(shared))
		b = binary.AppendUvarint(b, uint64(vb.OID.Len()-shared))
		for i := shared; i < vb.OID.Len(); i++ {
			b = binary.AppendUvarint(b, uint64(vb.OID.At(i)))
		}
		b = append(b, byte(vb.Value.kind))
		b = binary.AppendUvarint(b, vb.Value.num)
		b = binary.AppendUvarint(b, uint64(len(vb.Value.str)))
		b = append(b, vb.Value.str...)
		before = vb.OID
	}
	return append([]byte(nil), b...) // without the spare room of growing
}

// Unpack is the inverse of Pack.
func Unpack(packed []byte) ([]Varbind, error) {
	var varbinds []Varbind
	var before OID
	c := packedCursor{rest: packed}
	for len(c.rest) > 0 {
		oid := before.Prefix(int(c.number(uint64(before.Len()))))
		for range c.number(MaxOIDLen) {
			oid = oid.Append(uint32(c.number(1<<32 - 1)))
		}
		v := Value{kind: Kind(c.octets(1)[0]), num: c.number(1<<64 - 1)}
		v.str = string(c.octets(c.number(uint64(len(c.rest)))))
		if c.failed {
			return nil, errPacked
		}
		varbinds = append(varbinds, Varbind{OID: oid, Value: v})
		before = oid
	}
	return varbinds, nil
}

// packedCursor reads packed numbers and octets; after a fault it gives zeros.
type packedCursor struct {
	rest   []byte
	failed bool
}

// number reads a varint of at most limit.
func (c *packedCursor) number(limit uint64) uint64 {
	n, size := binary.Uvarint(c.rest)
	if c.failed || size <= 0 || n > limit {
		c.failed = true
		return 0
	}
	c.rest = c.rest[size:]
	return n
}

func (c *packedCursor) octets(n uint64) []byte {
	if c.failed || n > uint64(len(c.rest)) {
		c.failed = true
		return make([]byte, 1)
	}
	octets := c.rest[:n]
	c.rest = c.rest[n:]
	return octets
}
