package snmprec

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseSnmprec reads the .snmprec text of snmpsim and LibreNMS: one varbind per line, "OID|TAG|VALUE".
//
// TAG is the BER tag in decimal; a suffix x means that VALUE is hexadecimal, a suffix e that it has backslash
// escapes. VALUE may hold further bars. Lines that do not begin with a digit are noise. Lines with an unknown tag or an
// impossible value are skipped and reported, lines may come in any order, and the first of a repeated identifier is
// kept. Octet strings that the recorder cut after 16 octets and continued as hexadecimal text are restored.
//
// The error is [ErrNoVarbind], when nothing could be read.
func ParseSnmprec(raw []byte) (Recording, error) {
	var rec Recording
	line := 0
	for text := range strings.Lines(string(raw)) {
		line++
		text = strings.TrimRight(text, "\r\n")
		if text == "" || text[0] < '0' || text[0] > '9' {
			continue
		}
		vb, repaired, err := parseSnmprecLine(text)
		if err != nil {
			rec.skip(line, err.Error())
			continue
		}
		if repaired {
			rec.Repaired++
		}
		rec.Varbinds = append(rec.Varbinds, vb)
	}
	err := rec.finish()
	return rec, err
}

func parseSnmprecLine(text string) (vb Varbind, repaired bool, err error) {
	name, rest, ok := strings.Cut(text, "|")
	tag, value, ok2 := strings.Cut(rest, "|")
	if !ok || !ok2 {
		return Varbind{}, false, fmt.Errorf("%q is not OID|TAG|VALUE", clip(text))
	}
	oid, err := parseServableOID(name)
	if err != nil {
		return Varbind{}, false, err
	}
	number := strings.TrimRight(tag, "xe")
	switch suffix := tag[len(number):]; suffix {
	case "":
	case "x":
		octets, err := hex.DecodeString(strings.ReplaceAll(value, " ", ""))
		if err != nil {
			return Varbind{}, false, fmt.Errorf("value of .%s is no hexadecimal text: %q", oid, clip(value))
		}
		value = string(octets)
	case "e":
		value, err = unescape(value)
		if err != nil {
			return Varbind{}, false, fmt.Errorf("value of .%s: %w", oid, err)
		}
	default:
		return Varbind{}, false, fmt.Errorf("tag %q of .%s is unknown", clip(tag), oid)
	}
	octets := len(tag) > len(number)
	if number == "4" && octets {
		value, repaired = restoreCut(value)
	}
	v, err := snmprecValue(number, value, octets)
	if err != nil {
		return Varbind{}, false, fmt.Errorf("value of .%s: %w", oid, err)
	}
	return Varbind{oid, v}, repaired, nil
}

// snmprecValue makes the value of a tag. octets says that text holds octets, not their printed form.
func snmprecValue(tag, text string, octets bool) (Value, error) {
	switch tag {
	case "2":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%q is no INTEGER", clip(text))
		}
		return IntegerValue(n), nil
	case "4":
		return StringValue(text), nil
	case "5":
		return NullValue(), nil
	case "6":
		oid, err := ParseOID(strings.TrimSuffix(text, ".")) // some recorders leave a dot at the end
		if err != nil {
			return Value{}, err
		}
		return OIDValue(oid), nil
	case "64":
		return addrValue(text, octets)
	case "65", "66", "67":
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return Value{}, fmt.Errorf("%q is no number below 2^32", clip(text))
		}
		switch tag {
		case "65":
			return Counter32Value(uint32(n)), nil
		case "66":
			return Gauge32Value(uint32(n)), nil
		default:
			return TimeTicksValue(uint32(n)), nil
		}
	case "68":
		if octets {
			return OpaqueValue(text), nil
		}
		return opaqueValue(text)
	case "70":
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%q is no Counter64", clip(text))
		}
		return Counter64Value(n), nil
	default:
		return Value{}, fmt.Errorf("tag %q is unknown", clip(tag))
	}
}

func addrValue(text string, octets bool) (Value, error) {
	if octets {
		if a, ok := netip.AddrFromSlice([]byte(text)); ok {
			return AddrValue(a), nil
		}
		return Value{}, fmt.Errorf("IpAddress of %d octets", len(text))
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return Value{}, fmt.Errorf("%q is no IpAddress", clip(text))
	}
	return AddrValue(a), nil
}

// opaqueValue reads the text "Float: 0.08" that net-snmp prints for an Opaque; other text is kept as octets.
func opaqueValue(text string) (Value, error) {
	number, isFloat := strings.CutPrefix(text, "Float: ")
	if !isFloat {
		return OpaqueValue(text), nil
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 32)
	if err != nil {
		return Value{}, fmt.Errorf("%q is no Float", clip(text))
	}
	return FloatValue(float32(f)), nil
}

// restoreCut undoes a fault of a recorder that reads net-snmp's Hex-STRING, which wraps after 16 octets: it took the
// first line as octets and the rest (a line feed, then lines of "0A 1B ..." as text) as octets again.
func restoreCut(octets string) (string, bool) {
	const lineOctets = 16
	if len(octets) <= lineOctets+2 || octets[lineOctets] != '\n' {
		return octets, false
	}
	rest, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "").Replace(octets[lineOctets:]))
	if err != nil || len(rest) == 0 {
		return octets, false
	}
	return octets[:lineOctets] + string(rest), true
}

// unescape reads backslash escapes: \xNN, \n, \r, \t, \\ and a backslash before any other character.
func unescape(text string) (string, error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		i++
		if i == len(text) {
			return "", fmt.Errorf("%q ends within an escape", clip(text))
		}
		switch text[i] {
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'x':
			if i+2 >= len(text) {
				return "", fmt.Errorf("%q ends within an escape", clip(text))
			}
			n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				return "", fmt.Errorf("%q is no escape", clip(text[i-1:i+3]))
			}
			out = append(out, byte(n))
			i += 2
		default:
			out = append(out, text[i])
		}
	}
	return string(out), nil
}

// parseServableOID reads an identifier that an agent can serve.
func parseServableOID(text string) (OID, error) {
	oid, err := ParseOID(text)
	if err != nil {
		return OID{}, err
	}
	if !oid.Sendable() {
		return OID{}, fmt.Errorf("%q is no object identifier that can be sent", clip(text))
	}
	return oid, nil
}
