package topology

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MAC is an EUI-48 hardware address (IEEE 802) in the low 48 bits. Its canonical text is six pairs of lower-case
// hexadecimal digits joined by colons, 00:00:5e:00:53:01.
type MAC uint64

// ParseMAC reads the notations that devices print: 00:00:5e:00:53:01, 00-00-5e-00-53-01, 0000.5e00.5301, 0000-5e00-5301, 00005e-005301,
// 00005e005301, and net-snmp's octets without leading zeros, 0:0:5e:0:53:1; in either case.
func ParseMAC(text string) (MAC, error) {
	octets, ok := hexOctets(text, 6)
	if !ok {
		return 0, syntaxError("MAC", text, "want 6 octets of hexadecimal")
	}
	return MAC(octets), nil
}

// MACFromBytes takes the 6 octets of an SNMP PhysAddress or an LLDP chassis ID.
func MACFromBytes(b []byte) (MAC, bool) {
	if len(b) != 6 {
		return 0, false
	}
	var m MAC
	for _, o := range b {
		m = m<<8 | MAC(o)
	}
	return m, true
}

// String gives the canonical text.
func (m MAC) String() string { return colons(uint64(m), 6) }

// Group reports whether the I/G bit is set: a multicast or broadcast address, which identifies no interface.
func (m MAC) Group() bool { return m>>40&1 == 1 }

// Usable reports whether the address can identify one interface: neither zero, nor group, nor one that gateways share: VRRP
// 00:00:5e:00:01:xx and 02:xx (RFC 9568 7.3), HSRP 00:00:0c:07:ac:xx (RFC 2281), its version 2 00:00:0c:9f:fx:xx and, for IPv6,
// 00:05:73:a0:0x:xx, GLBP 00:07:b4:00:xx:xx (Cisco).
func (m MAC) Usable() bool {
	switch {
	case m == 0, m.Group():
		return false
	case m>>8 == 0x00005e0001, m>>8 == 0x00005e0002, m>>8 == 0x00000c07ac, m>>12 == 0x00000c9ff, m>>12 == 0x000573a00, m>>16 == 0x0007b400:
		return false
	}
	return true
}

// WWN is a World Wide Name of Fibre Channel (T11 FC-FS Name_Identifier), 64 bits. Whether it is an N_Port_Name (WWPN) or
// a Node_Name (WWNN) is said by the attribute or key that holds it. Canonical text: eight lower-case pairs with colons.
type WWN uint64

// ParseWWN reads 21:00:00:24:ff:00:00:01, 21-00-00-24-ff-00-00-01, 2100.0024.ff00.0001, 21000024ff000001 and 0x21000024ff000001, in either case.
func ParseWWN(text string) (WWN, error) {
	digits := text
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		digits = text[2:]
	}
	octets, ok := hexOctets(digits, 8)
	if !ok {
		return 0, syntaxError("WWN", text, "want 8 octets of hexadecimal")
	}
	return WWN(octets), nil
}

// String gives the canonical text.
func (w WWN) String() string { return colons(uint64(w), 8) }

// hexOctets reads n octets: n groups of one or two digits, or groups of whole octets that together are exactly 2n digits, all joined alike.
func hexOctets(text string, n int) (uint64, bool) {
	if len(text) > 3*n {
		return 0, false
	}
	groups := []string{text}
	if i := strings.IndexAny(text, ":-."); i >= 0 {
		groups = strings.Split(text, text[i:i+1])
	}
	if len(groups) == n {
		for i, g := range groups {
			if len(g) == 1 {
				groups[i] = "0" + g
			}
		}
	}
	width := 2 * n / len(groups)
	if slices.ContainsFunc(groups, func(g string) bool { return len(g) != width }) {
		return 0, false
	}
	b, err := hex.DecodeString(strings.Join(groups, ""))
	if err != nil || len(b) != n || width%2 != 0 {
		return 0, false
	}
	var v uint64
	for _, o := range b {
		v = v<<8 | uint64(o)
	}
	return v, true
}

func colons(v uint64, n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 3*n)
	for i := n - 1; i >= 0; i-- {
		o := byte(v >> (8 * i))
		b = append(b, digits[o>>4], digits[o&15], ':')
	}
	return string(b[:len(b)-1])
}

// IQN is an iSCSI name (RFC 7143 section 4.2.7): iqn., eui. or naa. form, lower case.
type IQN string

// ParseIQN checks the form and folds to lower case (RFC 3722 stringprep maps upper to lower case).
func ParseIQN(text string) (IQN, error) {
	s := strings.ToLower(text)
	if len(text) > 223 || len(s) > 223 {
		return "", syntaxError("iSCSI name", text, "longer than 223 octets")
	}
	if !utf8.ValidString(text) {
		return "", syntaxError("iSCSI name", text, "not UTF-8")
	}
	for _, r := range s {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("\"'<>&\\", r) {
			return "", syntaxError("iSCSI name", text, "blank or forbidden character")
		}
	}
	switch {
	case strings.HasPrefix(s, "iqn."):
		rest := s[4:]
		if len(rest) < 8 || !digits(rest[:4]) || rest[4] != '-' || !digits(rest[5:7]) || rest[7] != '.' || len(rest) == 8 {
			return "", syntaxError("iSCSI name", text, "want iqn.YYYY-MM.authority[:name]")
		}
	case strings.HasPrefix(s, "eui."):
		if !hexDigits(s[4:], 16) {
			return "", syntaxError("iSCSI name", text, "want eui. and 16 hexadecimal digits")
		}
	case strings.HasPrefix(s, "naa."):
		if !hexDigits(s[4:], 16) && !hexDigits(s[4:], 32) {
			return "", syntaxError("iSCSI name", text, "want naa. and 16 or 32 hexadecimal digits")
		}
	default:
		return "", syntaxError("iSCSI name", text, "want iqn., eui. or naa.")
	}
	return IQN(s), nil
}

// NQN is an NVMe qualified name (NVM Express base specification 2.0, 4.5): at most 223 octets of UTF-8. Names are compared octet by octet, so
// case is kept.
type NQN string

// ParseNQN checks nqn.YYYY-MM.authority[:name]; the name of discovery, nqn.2014-08.org.nvmexpress.discovery, has no colon.
func ParseNQN(text string) (NQN, error) {
	rest, ok := strings.CutPrefix(text, "nqn.")
	if !ok || len(text) > 223 || len(rest) < 9 || !digits(rest[:4]) || rest[4] != '-' || !digits(rest[5:7]) || rest[7] != '.' {
		return "", syntaxError("NQN", text, "want nqn.YYYY-MM.authority:name, at most 223 octets")
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", syntaxError("NQN", text, "not UTF-8, or a blank or control character")
	}
	return NQN(text), nil
}

// VID is a VLAN identifier (IEEE 802.1Q): 1 to 4094. 0 in the model means "VLAN not known".
type VID uint16

// ParseVID reads a decimal VID.
func ParseVID(text string) (VID, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < 1 || n > 4094 {
		return 0, syntaxError("VID", text, "want 1 to 4094")
	}
	return VID(n), nil
}

// LUN is a logical unit number (T10 SAM) in its flat decimal form; it names a unit only inside one mapping.
type LUN uint64

// ParseLUN reads decimal, or 0x and hexadecimal.
func ParseLUN(text string) (LUN, error) {
	number, base := text, 10
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X") {
		number, base = text[2:], 16
	}
	n, err := strconv.ParseUint(number, base, 64)
	if err != nil {
		return 0, syntaxError("LUN", text, "want a number")
	}
	return LUN(n), nil
}

// ParseDesignator canonicalises a logical unit's designator (T10 SPC, VPD page 83h) to naa.6…, eui.… or uuid.…. It accepts what udev
// and multipath call it (wwn-0x6…, scsi-36… and 36…, where 3 is the designator type NAA and 2 is EUI-64, nvme-eui.…, nvme-uuid.…,
// dm-uuid-mpath-36…) and arrays' bare digits, with 0x, or in pairs with colons, which are NAA.
func ParseDesignator(text string) (string, error) {
	s := strings.ToLower(text)
	for _, prefix := range []string{"wwn-", "scsi-", "nvme-", "dm-uuid-mpath-"} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			s = rest
			break
		}
	}
	typ := "naa"
	switch name, rest, named := strings.Cut(s, "."); {
	case named:
		typ, s = name, rest
	case strings.HasPrefix(s, "0x"):
		s = s[2:]
	case len(s) == 17 || len(s) == 25 || len(s) == 33: // as udev's ID_SERIAL: designator type, then the designator
		if typ = map[byte]string{'2': "eui", '3': "naa"}[s[0]]; typ == "" {
			return "", syntaxError("designator", text, "want the type digit 2 or 3")
		}
		s = s[1:]
	case strings.Contains(s, ":"):
		s = strings.Join(pairs(s), "")
	}
	if typ == "uuid" {
		id, err := ParseUUID(s)
		s = strings.ReplaceAll(id, "-", "")
		if err != nil {
			return "", syntaxError("designator", text, "want a UUID after uuid.")
		}
		return "uuid." + s, nil
	}
	// NAA 2, 3 and 5 have 8 octets and NAA 6 has 16; an EUI-64 based one has 8, 12 or 16.
	naa := typ == "naa" && s != "" && (hexDigits(s, 16) && strings.Contains("235", s[:1]) || hexDigits(s, 32) && s[0] == '6')
	eui := typ == "eui" && (hexDigits(s, 16) || hexDigits(s, 24) || hexDigits(s, 32))
	if !naa && !eui {
		return "", syntaxError("designator", text, "want an NAA, EUI-64 or UUID designator in hexadecimal")
	}
	return typ + "." + s, nil
}

// pairs splits "60:05:07" at its colons; nil if the parts are not all pairs.
func pairs(text string) []string {
	parts := strings.Split(text, ":")
	if slices.ContainsFunc(parts, func(p string) bool { return len(p) != 2 }) {
		return nil
	}
	return parts
}

// ParseUUID canonicalises a UUID (RFC 9562) to 8-4-4-4-12 lower-case digits; it accepts 32 digits without hyphens, braces, and urn:uuid:.
func ParseUUID(text string) (string, error) {
	s := strings.TrimPrefix(strings.ToLower(text), "urn:uuid:")
	if n := len(s); n > 2 && s[0] == '{' && s[n-1] == '}' {
		s = s[1 : n-1]
	}
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if !hexDigits(s, 32) {
		return "", syntaxError("UUID", text, "want 32 hexadecimal digits")
	}
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], nil
}

func digits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func hexDigits(s string, n int) bool {
	return len(s) == n && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f')
	}) < 0
}
