package topology

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// MAC is an EUI-48 hardware address (IEEE 802) in the low 48 bits. Its canonical text is six pairs of lower-case
// hexadecimal digits joined by colons, 00:00:5e:00:53:01.
type MAC uint64

// ParseMAC reads the notations that devices print: 00:00:5e:00:53:01, 00-00-5e-00-53-01, 0000.5e00.5301,
// 00005e005301, and net-snmp's octets without leading zeros, 0:0:5e:0:53:1.
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

// Usable reports whether the address can identify one interface: neither zero, nor group, nor a well-known
// shared address (VRRP 00:00:5e:00:01:xx and 02:xx, RFC 9568; HSRP 00:00:0c:07:ac:xx and 00:00:0c:9f:fx:xx).
func (m MAC) Usable() bool {
	switch {
	case m == 0, m.Group():
		return false
	case m>>8 == 0x00005e0001, m>>8 == 0x00005e0002, m>>8 == 0x00000c07ac, m>>12 == 0x00000c9ff:
		return false
	}
	return true
}

// WWN is a World Wide Name of Fibre Channel (T11 FC-FS Name_Identifier), 64 bits. Whether it is an N_Port_Name (WWPN) or
// a Node_Name (WWNN) is said by the attribute or key that holds it. Canonical text: eight lower-case pairs with colons.
type WWN uint64

// ParseWWN reads 21:00:00:24:ff:00:00:01, 2100-0024-ff00-0001, 210000 24ff000001 without blanks, and a 0x prefix.
func ParseWWN(text string) (WWN, error) {
	octets, ok := hexOctets(strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X"), 8)
	if !ok {
		return 0, syntaxError("WWN", text, "want 8 octets of hexadecimal")
	}
	return WWN(octets), nil
}

// String gives the canonical text.
func (w WWN) String() string { return colons(uint64(w), 8) }

// hexOctets reads n octets: n groups of one or two digits, or groups that together are exactly 2n digits.
func hexOctets(text string, n int) (uint64, bool) {
	groups := strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '-' || r == '.' })
	if len(text) > 3*n || strings.Count(text, ":")+strings.Count(text, "-")+strings.Count(text, ".") != len(groups)-1 {
		return 0, false // an empty group, or trailing separators
	}
	if len(groups) == n {
		for i, g := range groups {
			if len(g) == 1 {
				groups[i] = "0" + g
			}
		}
	} else if len(groups) > 1 && 2*n%len(groups) != 0 {
		return 0, false
	}
	width := 2 * n / max(len(groups), 1)
	for _, g := range groups {
		if len(g) != width {
			return 0, false
		}
	}
	b, err := hex.DecodeString(strings.Join(groups, ""))
	if err != nil || len(b) != n {
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

// ParseIQN checks the form and folds to lower case (RFC 3722 stringprep maps ASCII upper to lower case).
func ParseIQN(text string) (IQN, error) {
	s := strings.ToLower(text)
	if len(s) > 223 {
		return "", syntaxError("iSCSI name", text, "longer than 223 octets")
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

// NQN is an NVMe qualified name (NVM Express base specification, section "NVMe Qualified Names"): at most 223 octets.
type NQN string

// ParseNQN checks nqn.YYYY-MM.authority:name, the form with the reserved domain nqn.2014-08.org.nvmexpress included.
func ParseNQN(text string) (NQN, error) {
	s := strings.ToLower(text)
	rest, ok := strings.CutPrefix(s, "nqn.")
	if !ok || len(s) > 223 || len(rest) < 9 || !digits(rest[:4]) || rest[4] != '-' || !digits(rest[5:7]) || rest[7] != '.' {
		return "", syntaxError("NQN", text, "want nqn.YYYY-MM.authority:name")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", syntaxError("NQN", text, "blank or control character")
	}
	return NQN(s), nil
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
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return 0, syntaxError("LUN", text, "want a number")
	}
	return LUN(n), nil
}

// ParseDesignator canonicalises a logical unit's designator (T10 SPC, VPD page 83h) to naa.6…, eui.… or uuid.…: it accepts
// the forms of udev and multipath: wwn-0x6…, 0x6…, scsi-36… (type digit 3), 36…, naa.6….
func ParseDesignator(text string) (string, error) {
	s := strings.ToLower(text)
	for _, prefix := range []string{"wwn-", "scsi-", "dm-uuid-mpath-"} {
		s = strings.TrimPrefix(s, prefix)
	}
	typ := "naa."
	switch {
	case strings.HasPrefix(s, "naa."):
		s = s[4:]
	case strings.HasPrefix(s, "eui."), strings.HasPrefix(s, "uuid."):
		typ, s, _ = strings.Cut(s, ".")
		typ += "."
	case strings.HasPrefix(s, "0x"):
		s = s[2:]
	case len(s) == 33 || len(s) == 17: // udev's ID_SERIAL: designator type, then the designator
		switch s[0] {
		case '3':
		case '2':
			typ = "eui."
		default:
			return "", syntaxError("designator", text, "unknown type digit")
		}
		s = s[1:]
	}
	if typ == "uuid." {
		s = strings.ReplaceAll(s, "-", "")
	}
	if !hexDigits(s, 16) && !hexDigits(s, 32) || typ == "uuid." && len(s) != 32 {
		return "", syntaxError("designator", text, "want 16 or 32 hexadecimal digits")
	}
	return typ + s, nil
}

// ParseUUID canonicalises a UUID (RFC 9562) to 8-4-4-4-12 lower-case digits.
func ParseUUID(text string) (string, error) {
	s := strings.ToLower(strings.ReplaceAll(strings.Trim(text, "{}"), "-", ""))
	if !hexDigits(s, 32) {
		return "", syntaxError("UUID", text, "want 32 hexadecimal digits")
	}
	return fmt.Sprintf("%s-%s-%s-%s-%s", s[:8], s[8:12], s[12:16], s[16:20], s[20:]), nil
}

func digits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func hexDigits(s string, n int) bool {
	return len(s) == n && strings.IndexFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f')
	}) < 0
}
