package policy

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Addr is the Word of an address of a family as an address.
func (w Word) Addr(f Family) netip.Addr {
	if f == IPv4 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(w.Lo))))
	}
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, w.Hi), w.Lo)))
}

// wordText writes a value as people do: addresses and MAC addresses in their form, masks of flags in hexadecimal, all else as a number.
func wordText(field Field, family Family, w Word, hex bool) string {
	switch {
	case address(field):
		return w.Addr(family).String()
	case isMAC(field):
		var b strings.Builder
		for shift := 40; shift >= 0; shift -= 8 {
			fmt.Fprintf(&b, ":%02x", byte(w.Lo>>shift))
		}
		return b.String()[1:]
	case hex || field == EtherType:
		return "0x" + strconv.FormatUint(w.Lo, 16)
	}
	return strconv.FormatUint(w.Lo, 10)
}

// rangeText writes values as value, prefix/length, low-high or value&mask.
func rangeText(field Field, family Family, r Range) string {
	word := func(w Word) string { return wordText(field, family, w, r.Mask != Word{}) }
	switch {
	case r.Mask != Word{}:
		return word(r.Lo) + "&" + word(r.Mask)
	case r.Lo == r.Hi:
		return word(r.Lo)
	case address(field):
		from := r.Lo.Addr(family)
		for bits := range from.BitLen() {
			if p := netip.PrefixFrom(from, bits); PrefixRange(p) == r {
				return p.String()
			}
		}
	}
	return word(r.Lo) + "-" + word(r.Hi)
}

func parseWord(field Field, family Family, text string) (Word, error) {
	switch {
	case address(field):
		a, err := netip.ParseAddr(text)
		if err == nil && a.Is4() != (family == IPv4) {
			err = fmt.Errorf("%s is of the other family", text)
		}
		return AddrWord(a), err
	case isMAC(field):
		n, err := strconv.ParseUint(strings.ReplaceAll(text, ":", ""), 16, 48)
		return Num(n), err
	}
	n, err := strconv.ParseUint(text, 0, 64)
	return Num(n), err
}

func parseRange(field Field, family Family, text string) (r Range, err error) {
	if address(field) && strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err == nil && (p.Addr().Is4() != (family == IPv4) || p != p.Masked()) {
			err = fmt.Errorf("%s is of the other family, or no prefix", text)
		}
		if err != nil {
			return Range{}, err
		}
		return PrefixRange(p), nil
	}
	first, second, masked := strings.Cut(text, "&")
	if !masked {
		first, second, _ = strings.Cut(text, "-")
	}
	if r.Lo, err = parseWord(field, family, first); err != nil {
		return Range{}, err
	}
	switch r.Hi = r.Lo; {
	case masked:
		r.Hi = Word{}
		r.Mask, err = parseWord(field, family, second)
		if err == nil && r.Mask == (Word{}) {
			err = fmt.Errorf("%s: an empty mask", text)
		}
	case second != "":
		r.Hi, err = parseWord(field, family, second)
	}
	return r, err
}

// termText is Term and Assignment as JSON has them.
type termText struct {
	Field  Field    `json:"field"`
	Family string   `json:"family,omitzero"`
	Not    bool     `json:"not,omitzero"`
	Of     []string `json:"of,omitzero"`
	Keep   string   `json:"keep,omitzero"`
	Own    bool     `json:"own,omitzero"`
}

func (t *Term) texts() []string {
	of := t.Names
	for _, r := range t.Of {
		of = append(of[:len(of):len(of)], rangeText(t.Field, t.Family, r))
	}
	return of
}

// MarshalJSON writes values as people do.
func (t Term) MarshalJSON() ([]byte, error) {
	return json.Marshal(termText{Field: t.Field, Family: familyText(t.Field, t.Family), Not: t.Not, Of: t.texts()})
}

// UnmarshalJSON reads them.
func (t *Term) UnmarshalJSON(raw []byte) error {
	var x termText
	if err := json.Unmarshal(raw, &x); err != nil {
		return err
	}
	*t = Term{Field: x.Field, Family: familyOf(x.Family), Not: x.Not}
	if interfaces(t.Field) {
		t.Names = x.Of
		return nil
	}
	return parseRanges(x, t.Family, &t.Of)
}

func parseRanges(x termText, family Family, to *[]Range) error {
	for _, text := range x.Of {
		r, err := parseRange(x.Field, family, text)
		if err != nil {
			return fmt.Errorf("value %q of %s: %w", text, x.Field, err)
		}
		*to = append(*to, r)
	}
	return nil
}

// MarshalJSON writes values as people do.
func (a Assignment) MarshalJSON() ([]byte, error) {
	t := Term{Field: a.Field, Family: a.Family, Of: a.To}
	x := termText{Field: a.Field, Family: familyText(a.Field, a.Family), Of: t.texts(), Own: a.Own}
	if a.Keep != (Word{}) {
		x.Keep = wordText(a.Field, a.Family, a.Keep, true)
	}
	return json.Marshal(x)
}

// UnmarshalJSON reads them.
func (a *Assignment) UnmarshalJSON(raw []byte) (err error) {
	var x termText
	if err := json.Unmarshal(raw, &x); err != nil {
		return err
	}
	*a = Assignment{Field: x.Field, Family: familyOf(x.Family), Own: x.Own}
	if x.Keep != "" {
		if a.Keep, err = parseWord(a.Field, a.Family, x.Keep); err != nil {
			return fmt.Errorf("kept bits %q of %s: %w", x.Keep, x.Field, err)
		}
	}
	return parseRanges(x, a.Family, &a.To)
}

func familyText(field Field, f Family) string {
	switch {
	case address(field) && f == IPv4:
		return "ipv4"
	case address(field) && f == IPv6:
		return "ipv6"
	}
	return ""
}

func familyOf(text string) Family {
	switch text {
	case "ipv4":
		return IPv4
	case "ipv6":
		return IPv6
	}
	return 0
}

func interfaces(f Field) bool {
	return f == InInterface || f == OutInterface || f == InPort || f == OutPort
}

// String is a rule in one line, for people: permit source 10.0.0.0/8, destinationPort 80 443.
func (r *Rule) String() string {
	var b strings.Builder
	b.WriteString(r.Verdict.String())
	if r.Target != "" {
		b.WriteString(" " + r.Target)
	}
	comma := ""
	for _, t := range r.Match {
		b.WriteString(comma + " " + t.Field.String())
		if t.Not {
			b.WriteString(" not")
		}
		b.WriteString(" " + strings.Join(t.texts(), " "))
		comma = ","
	}
	for _, a := range r.Set {
		t := Term{Field: a.Field, Family: a.Family, Of: a.To}
		b.WriteString("; " + a.Field.String() + " := " + strings.Join(t.texts(), " "))
		if a.Own {
			b.WriteString("own")
		}
	}
	if r.Uncertain != "" {
		b.WriteString(" [uncertain: " + r.Uncertain + "]")
	}
	if r.Unparsed != "" {
		b.WriteString(" [unparsed: " + r.Unparsed + "]")
	}
	return b.String()
}
