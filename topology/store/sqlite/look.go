package sqlite

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// A look is what one revision did to the readings: an octet lookForm, then deflated (RFC 1951) the number of renewed readings and they, the
// number of forgotten ones and their keys. Numbers are varints, strings have their length before them, sources stand by name.
const lookForm = 1

// maxLook bounds what a look may grow to: some millions of readings.
const maxLook = 1 << 30

func packLook(renew []topology.Reading, forget []topology.ReadingKey) ([]byte, error) {
	var b []byte
	b = binary.AppendUvarint(b, uint64(len(renew)))
	for _, r := range renew {
		b = appendKey(b, r.ReadingKey)
		b = appendString(b, r.Command)
		b = binary.AppendVarint(b, r.Time.UnixMilli())
		b = binary.AppendVarint(b, int64(r.Rows))
		b = appendString(b, r.Reason)
	}
	b = binary.AppendUvarint(b, uint64(len(forget)))
	for _, k := range forget {
		b = appendKey(b, k)
	}
	packed := bytes.NewBuffer([]byte{lookForm})
	w, err := flate.NewWriter(packed, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}

func appendKey(b []byte, k topology.ReadingKey) []byte {
	b = appendString(b, k.Source.String())
	b = appendString(b, k.Device)
	b = appendString(b, k.Table)
	if k.Partial {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// unpackLook is the inverse of packLook. Any input gives a look or an error.
func unpackLook(data []byte) (renew []topology.Reading, forget []topology.ReadingKey, err error) {
	if len(data) == 0 || data[0] != lookForm {
		return nil, nil, errors.New("readings of an unknown form")
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data[1:])), maxLook))
	if err != nil {
		return nil, nil, fmt.Errorf("readings cannot be inflated: %w", err)
	}
	u := &unpacker{rest: plain, text: string(plain)}
	for n := u.uint(); n > 0 && u.err == nil; n-- {
		r := topology.Reading{ReadingKey: u.key(), Command: u.string()}
		r.Time, r.Rows, r.Reason = time.UnixMilli(u.int()).UTC(), int(u.int()), u.string()
		renew = append(renew, r)
	}
	for n := u.uint(); n > 0 && u.err == nil; n-- {
		forget = append(forget, u.key())
	}
	if u.err == nil && len(u.rest) > 0 {
		u.fail()
	}
	return renew, forget, u.err
}

// unpacker takes items off the front; after the first error every item is zero.
type unpacker struct {
	rest []byte
	text string // the whole
	err  error
}

func (u *unpacker) fail() {
	if u.err == nil {
		u.err = fmt.Errorf("readings are damaged %d octets before their end", len(u.rest))
	}
	u.rest = nil
}

func (u *unpacker) uint() uint64 {
	n, size := binary.Uvarint(u.rest)
	if size <= 0 {
		u.fail()
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

func (u *unpacker) int() int64 {
	n := u.uint()
	return int64(n>>1) ^ -int64(n&1)
}

func (u *unpacker) string() string {
	n := u.uint()
	if n > uint64(len(u.rest)) {
		u.fail()
		return ""
	}
	at := len(u.text) - len(u.rest)
	u.rest = u.rest[n:]
	return u.text[at : at+int(n)]
}

func (u *unpacker) key() topology.ReadingKey {
	source, err := topology.ParseSource(u.string())
	if err != nil && u.err == nil {
		u.err = err
	}
	return topology.ReadingKey{Source: source, Device: u.string(), Table: u.string(), Partial: u.uint() == 1}
}
