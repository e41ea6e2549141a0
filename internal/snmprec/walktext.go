package snmprec

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// ParseWalk reads the text that "snmpwalk -On" prints: ".OID = TYPE: value".
//
// A STRING may run over several lines, with or without quotes; a Hex-STRING wraps after 16 octets. A MAC address that
// net-snmp printed by its display hint ("STRING: 2:0:5e:0:53:1", no leading zeros) becomes six octets again. Enumerations
// are read by their number: "INTEGER: up(1)". "No Such Object", "No Such Instance" and "No more variables" lines are no
// varbinds and are left out silently; other lines that are not understood are reported.
//
// The error is [ErrNoVarbind], when nothing could be read.
func ParseWalk(raw []byte) (Recording, error) {
	var rec Recording
	var open walkLine
	flush := func() {
		if open.number == 0 {
			return
		}
		v, there, err := parseWalkValue(open.value.String())
		switch {
		case err != nil:
			rec.skip(open.number, fmt.Sprintf("value of .%s: %v", open.oid, err))
		case there:
			rec.Varbinds = append(rec.Varbinds, Varbind{open.oid, v})
		}
		open = walkLine{}
	}
	number := 0
	for text := range strings.Lines(string(raw)) {
		number++
		text = strings.TrimRight(text, "\r\n")
		oid, value, isVarbind := cutWalkLine(text)
		switch {
		case isVarbind:
			flush()
			open.number, open.oid = number, oid
			open.value.WriteString(value)
		case open.number != 0:
			open.value.WriteByte('\n')
			open.value.WriteString(text)
		case text != "":
			rec.skip(number, fmt.Sprintf("%q is not .OID = TYPE: value", clip(text)))
		}
	}
	flush()
	err := rec.finish()
	return rec, err
}

// walkLine is the varbind that further lines may continue; number 0 is none.
type walkLine struct {
	number int
	oid    OID
	value  strings.Builder
}

// cutWalkLine splits ".1.3.6 = rest". A line inside a quoted string that looks like one is taken for one: net-snmp does
// not escape line feeds, so nothing can tell them apart.
func cutWalkLine(text string) (OID, string, bool) {
	if !strings.HasPrefix(text, ".") {
		return OID{}, "", false
	}
	name, value, ok := strings.Cut(text, " =")
	if !ok || (value != "" && value[0] != ' ') {
		return OID{}, "", false
	}
	oid, err := parseServableOID(name)
	if err != nil {
		return OID{}, "", false
	}
	return oid, strings.TrimPrefix(value, " "), true
}

// parseWalkValue reads "TYPE: value"; there is false for the lines that say that there is no value.
func parseWalkValue(text string) (v Value, there bool, err error) {
	if rest, wrong := strings.CutPrefix(text, "Wrong Type (should be "); wrong {
		_, text, _ = strings.Cut(rest, "): ")
	}
	bare := strings.TrimSpace(text)
	if bare == `""` || bare == "" {
		return StringValue(""), true, nil
	}
	if bare == "NULL" {
		return NullValue(), true, nil
	}
	for _, absent := range [...]string{"No Such Object", "No Such Instance", "No more variables left"} {
		if strings.HasPrefix(bare, absent) {
			return Value{}, false, nil
		}
	}
	kind, value, ok := strings.Cut(text, ":")
	if !ok {
		return Value{}, false, fmt.Errorf("%q has no type", clip(text))
	}
	v, err = walkValue(kind, strings.TrimPrefix(value, " "))
	return v, err == nil, err
}

func walkValue(kind, text string) (Value, error) {
	switch kind {
	case "STRING":
		return walkString(text), nil
	case "Hex-STRING", "BITS":
		return walkHex(text)
	case "INTEGER":
		n, err := strconv.ParseInt(leadingNumber(text), 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%q is no INTEGER", clip(text))
		}
		return IntegerValue(n), nil
	case "Counter32", "Gauge32", "Unsigned32", "UInteger32", "Timeticks":
		n, err := strconv.ParseUint(leadingNumber(text), 10, 32)
		if err != nil {
			return Value{}, fmt.Errorf("%q is no number below 2^32", clip(text))
		}
		switch kind {
		case "Counter32":
			return Counter32Value(uint32(n)), nil
		case "Timeticks":
			return TimeTicksValue(uint32(n)), nil
		default:
			return Gauge32Value(uint32(n)), nil
		}
	case "Counter64":
		n, err := strconv.ParseUint(leadingNumber(text), 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%q is no Counter64", clip(text))
		}
		return Counter64Value(n), nil
	case "OID":
		oid, err := ParseOID(strings.TrimSpace(text))
		if err != nil {
			return Value{}, err
		}
		return OIDValue(oid), nil
	case "IpAddress":
		return addrValue(strings.TrimSpace(text), false)
	case "Network Address":
		octets, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
		if err != nil {
			return Value{}, fmt.Errorf("%q is no Network Address", clip(text))
		}
		return addrValue(string(octets), true)
	case "Opaque":
		return opaqueValue(text)
	default:
		return Value{}, fmt.Errorf("type %q is unknown", clip(kind))
	}
}

// walkString takes the quotes and their escapes off, or turns the display form of a MAC address into its octets.
func walkString(text string) Value {
	if body, quoted := strings.CutPrefix(strings.TrimRight(text, " "), `"`); quoted {
		if body, quoted = strings.CutSuffix(body, `"`); quoted {
			return StringValue(strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(body))
		}
	}
	if mac, ok := displayedMAC(text); ok {
		return StringValue(mac)
	}
	return StringValue(text)
}

// displayedMAC reads the display hint "1x:" of PhysAddress and MacAddress (RFC 2579): six groups, none with a leading
// zero. Text with a leading zero somewhere was text on the device, too.
func displayedMAC(text string) (string, bool) {
	const groups = 6
	parts := strings.Split(strings.TrimRight(text, " "), ":")
	if len(parts) != groups {
		return "", false
	}
	octets := make([]byte, 0, groups)
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 16, 8)
		if err != nil || strconv.FormatUint(n, 16) != part {
			return "", false
		}
		octets = append(octets, byte(n))
	}
	return string(octets), true
}

// walkHex reads "00 1E 58 ...", over several lines; BITS ends with the names of the set bits, "[0] ..." or "name(0)".
func walkHex(text string) (Value, error) {
	const octetDigits = 2
	var octets []byte
	for field := range strings.FieldsSeq(text) {
		b, err := hex.DecodeString(field)
		if err != nil || len(field) != octetDigits {
			if len(octets) > 0 && (strings.HasPrefix(field, "[") || strings.HasSuffix(field, ")")) {
				break
			}
			return Value{}, fmt.Errorf("%q is no octet", clip(field))
		}
		octets = append(octets, b...)
	}
	return BytesValue(octets), nil
}

// leadingNumber finds the number in "5", "up(1)", "(126853) 0:21:08.53" and "5 units".
func leadingNumber(text string) string {
	text = strings.TrimSpace(text)
	if open := strings.IndexByte(text, '('); open >= 0 {
		if end := strings.IndexByte(text[open:], ')'); end > 0 {
			return text[open+1 : open+end]
		}
	}
	number, _, _ := strings.Cut(text, " ")
	return number
}
