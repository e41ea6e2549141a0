package topology_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

// hostile is what devices, files and people put where an identifier is wanted.
func hostile() []string {
	return []string{
		"", " ", ":", "-", ".", ":::::", "0", "-1", "+1", "1_0", "0x", "0X", "0x0X21000024ff000001", "\x00", "\xff\xfe", "ÄÖÜ", "০১", "１２",
		"00:00:5e:00:53", "00:00:5e:00:53:01:02", "00:00:5e:00:53:0g", "00:00:5e:00:53:001", ":00:00:5e:00:53:01", "00:00:5e:00:53:01:",
		"00:00-5e:00:53:01", "000.05e.005.301", "0:0:0:0:5:e:0:0:5:3:0:1", "00 00 5e 00 53 01", "00:00:5e:00:53:01\n",
		strings.Repeat("0", 13), strings.Repeat("f", 17), "{", "{}", "}{",
		"iqn.", "iqn.2026-01.", "iqn.2026-1.a", "iqn.20260-1.a", "iqn.2026-01-a", "iqn.2026-01.a b", "iqn.2026-01.a\tb", "iqn.2026-01.<a>",
		"iqn.2026-01." + strings.Repeat("a", 212), "eui.", "eui.02004567A425678", "eui.02004567A425678DD", "naa.", "naa.600", "naa.z",
		"nqn.", "nqn.2026-01.", "nqn.2026-01.a b", "NQN.2014-08.org.nvmexpress.discovery", "nqn.2026-01." + strings.Repeat("a", 212),
		"uuid.", "t10.ATA", "wwn-", "scsi-", "scsi-SATA_disk", "scsi-1IET_00010001", "wwn-scsi-36000000000000000000000000000001",
		"18000000000000000000000000000000f", "0x80000000000000000000000000000000", "naa.1000000000000000",
		"60:05:07:68:0c:80:02:7b:28:00:00:00:00:00:00:0", "1000000000000000", "5000000000000000000000000000000f",
		"11111111-2222-3333-4444-55555555555", "1-1111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-55555555555g",
	}
}

// accepted checks that each notation gives the canonical text, that this is a fixpoint, and that nothing hostile is accepted, except what is
// listed itself.
func accepted(t *testing.T, parse func(string) (string, error), notations map[string]string) {
	t.Helper()
	for text, want := range notations {
		got, err := parse(text)
		if err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
		if again, err := parse(want); err != nil || again != want {
			t.Errorf("canonical %q is read as %q (%v)", want, again, err)
		}
	}
	for _, text := range append(hostile(), strings.Repeat("a", 1<<20), strings.Repeat(":", 1<<20)) {
		got, err := parse(text)
		if _, listed := notations[text]; listed {
			continue
		}
		if !errors.Is(err, topology.ErrSyntax) {
			t.Errorf("%.60q is read as %q (%v), want a syntax error", text, got, err)
		}
	}
}

func textOf[T fmt.Stringer](parse func(string) (T, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		v, err := parse(text)
		if err != nil {
			return "", err
		}
		return v.String(), nil
	}
}

func plain[T ~string](parse func(string) (T, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		v, err := parse(text)
		return string(v), err
	}
}

func number[T ~uint16 | ~uint64](parse func(string) (T, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		v, err := parse(text)
		return fmt.Sprint(v), err
	}
}

func TestParseMAC(t *testing.T) {
	t.Parallel()
	accepted(t, textOf(topology.ParseMAC), map[string]string{
		"00:00:5e:00:53:01": "00:00:5e:00:53:01", // IEEE 802; EOS, Junos, Linux
		"00:00:5E:00:53:01": "00:00:5e:00:53:01",
		"00-00-5E-00-53-01": "00:00:5e:00:53:01", // IEEE 802-2014 8.1: the standard's own; Windows
		"0000.5e00.5301":    "00:00:5e:00:53:01", // IOS, NX-OS
		"0000-5e00-5301":    "00:00:5e:00:53:01", // Comware, VRP
		"00005e-005301":     "00:00:5e:00:53:01", // ProCurve
		"00005e005301":      "00:00:5e:00:53:01",
		"0:0:5e:0:53:1":     "00:00:5e:00:53:01", // net-snmp STRING: PhysAddress (DISPLAY-HINT 1x:)
		"ff:ff:ff:ff:ff:ff": "ff:ff:ff:ff:ff:ff",
	})
}

func TestMACFromBytes(t *testing.T) {
	t.Parallel()
	m, ok := topology.MACFromBytes([]byte{0x00, 0x00, 0x5e, 0x00, 0x53, 0x01})
	if !ok || m.String() != "00:00:5e:00:53:01" {
		t.Errorf("6 octets are %s, %t", m, ok)
	}
	for _, n := range []int{0, 5, 7, 8} {
		if m, ok := topology.MACFromBytes(make([]byte, n)); ok {
			t.Errorf("%d octets are taken for %s", n, m)
		}
	}
}

func TestMAC_usable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"00:00:5e:00:53:01": true,
		"02:00:00:00:00:01": true,  // locally administered
		"00:00:00:00:00:00": false, // none
		"ff:ff:ff:ff:ff:ff": false, // broadcast
		"01:80:c2:00:00:0e": false, // group: LLDP
		"00:00:5e:00:01:0a": false, // VRRP for IPv4
		"00:00:5e:00:02:0a": false, // VRRP for IPv6
		"00:00:0c:07:ac:0a": false, // HSRP
		"00:00:0c:9f:f0:0a": false, // HSRP version 2
		"00:00:0c:9f:e0:0a": true,
		"00:05:73:a0:00:0a": false, // HSRP for IPv6
		"00:05:73:a0:10:0a": true,
		"00:07:b4:00:01:02": false, // GLBP
		"00:07:b4:01:01:02": true,
	} {
		m, err := topology.ParseMAC(text)
		if err != nil || m.Usable() != want {
			t.Errorf("%s is usable: %t (%v), want %t", text, m.Usable(), err, want)
		}
	}
}

func TestParseWWN(t *testing.T) {
	t.Parallel()
	const want = "21:00:00:24:ff:00:00:01"
	accepted(t, textOf(topology.ParseWWN), map[string]string{
		want:                      want, // Brocade, MDS (T11 FC-FS Name_Identifier)
		"21:00:00:24:FF:00:00:01": want,
		"21-00-00-24-ff-00-00-01": want,
		"2100.0024.ff00.0001":     want,
		"2100-0024-ff00-0001":     want,
		"21000024ff000001":        want, // libvirt <wwpn>
		"0x21000024ff000001":      want, // /sys/class/fc_host/host*/port_name
		"0X21000024FF000001":      want,
		"1000000000000000":        "10:00:00:00:00:00:00:00",
		"21:0:0:24:ff:0:0:1":      want, // net-snmp without leading zeros
	})
}

func TestParseIQN(t *testing.T) {
	t.Parallel()
	long := "iqn.2026-01." + strings.Repeat("a", 211)
	accepted(t, plain(topology.ParseIQN), map[string]string{
		"iqn.2001-04.com.example:storage:diskarrays-sn-a8675309": "iqn.2001-04.com.example:storage:diskarrays-sn-a8675309", // RFC 7143 4.2.7.4
		"iqn.2001-04.com.example":                                "iqn.2001-04.com.example",
		"IQN.1998-01.COM.VMware:Host-1":                          "iqn.1998-01.com.vmware:host-1", // RFC 3722: upper maps to lower case
		"eui.02004567A425678D":                                   "eui.02004567a425678d",          // RFC 7143 4.2.7.5
		"naa.52004567BA64678D":                                   "naa.52004567ba64678d",          // RFC 7143 4.2.7.6
		"naa.1000000000000000":                                   "naa.1000000000000000",          // no logical unit has it, a node may
		"naa.62004567BA64678D0123456789ABCDEF":                   "naa.62004567ba64678d0123456789abcdef",
		long:                                                     long,
	})
}

func TestParseNQN(t *testing.T) {
	t.Parallel()
	long := "nqn.2026-01." + strings.Repeat("a", 211)
	accepted(t, plain(topology.ParseNQN), map[string]string{
		"nqn.2014-08.org.nvmexpress.discovery":                                 "nqn.2014-08.org.nvmexpress.discovery",
		"nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6": "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		// Compared octet by octet: case is part of the name.
		"nqn.2014-08.com.example:NVMe.host.sys.XYZ": "nqn.2014-08.com.example:NVMe.host.sys.XYZ",
		long: long,
	})
}

func TestParseVID(t *testing.T) {
	t.Parallel()
	accepted(t, number(topology.ParseVID), map[string]string{"1": "1", "4094": "4094", "0120": "120"})
	for _, text := range []string{"0", "4095", "65536", "0x10", "1.0", " 1"} {
		if v, err := topology.ParseVID(text); err == nil {
			t.Errorf("%q is VLAN %d", text, v)
		}
	}
}

func TestParseLUN(t *testing.T) {
	t.Parallel()
	accepted(t, number(topology.ParseLUN), map[string]string{
		"0": "0", "255": "255", "0x4001000000000000": "4611967493404098560", "010": "10", "18446744073709551615": "18446744073709551615",
		// Numbers among the hostile, too:
		strings.Repeat("0", 13): "0", "1000000000000000": "1000000000000000",
	})
	for _, text := range []string{"18446744073709551616", "0x1_0", "0b1", "0o7", "0x+1", "ff"} {
		if v, err := topology.ParseLUN(text); err == nil {
			t.Errorf("%q is number %d", text, v)
		}
	}
}

func TestParseDesignator(t *testing.T) {
	t.Parallel()
	const naa6, naa5 = "naa.600507680c80027b2800000000000001", "naa.5000c50015ea71ad"
	accepted(t, topology.ParseDesignator, map[string]string{
		naa6:                                              naa6,
		"naa.600507680C80027B2800000000000001":            naa6, // ESXi
		"wwn-0x600507680c80027b2800000000000001":          naa6, // udev by-id
		"0x600507680c80027b2800000000000001":              naa6, // udev ID_WWN_WITH_EXTENSION
		"scsi-3600507680c80027b2800000000000001":          naa6, // udev by-id: type 3, NAA (scsi_id(8))
		"3600507680c80027b2800000000000001":               naa6, // ID_SERIAL, multipath
		"dm-uuid-mpath-3600507680c80027b2800000000000001": naa6,
		"600507680C80027B2800000000000001":                naa6, // Spectrum Virtualize vdisk_UID
		"60:05:07:68:0c:80:02:7b:28:00:00:00:00:00:00:01": naa6, // Unity
		naa5:                                             naa5,
		"wwn-0x5000c50015ea71ad":                         naa5,
		"35000c50015ea71ad":                              naa5,
		"5000c50015ea71ad":                               naa5,                   // libvirt <wwn>
		"naa.2000000000000001":                           "naa.2000000000000001", // IEEE Extended
		"naa.3333333000000000":                           "naa.3333333000000000", // locally assigned: scsi_debug
		"2001b4d20001b4d20":                              "eui.001b4d20001b4d20", // type 2, EUI-64
		"scsi-20123456789abcdef00000123":                 "eui.0123456789abcdef00000123",
		"eui.0025388b01234567":                           "eui.0025388b01234567",
		"nvme-eui.0025388b01234567":                      "eui.0025388b01234567", // udev by-id
		"eui.36344730526035700025384300000001":           "eui.36344730526035700025384300000001",
		"nvme-uuid.f81d4fae-7dec-11d0-a765-00a0c91e6bf6": "uuid.f81d4fae7dec11d0a76500a0c91e6bf6",
		"uuid.F81D4FAE7DEC11D0A76500A0C91E6BF6":          "uuid.f81d4fae7dec11d0a76500a0c91e6bf6",
	})
}

func TestParseUUID(t *testing.T) {
	t.Parallel()
	const want = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
	accepted(t, topology.ParseUUID, map[string]string{
		want:                                            want, // RFC 9562 section 4
		"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6":          want,
		"f81d4fae7dec11d0a76500a0c91e6bf6":              want,
		"{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}":        want, // registry form
		"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6": want,
		"5000000000000000000000000000000f":              "50000000-0000-0000-0000-00000000000f", // what is no designator is a UUID
		"18000000000000000000000000000000":              "18000000-0000-0000-0000-000000000000",
	})
}

// fixpoint is the property of every parser of identifiers: what it accepts has one canonical text, which it reads as itself.
func fixpoint(f *testing.F, parse func(string) (string, error), seeds ...string) {
	f.Helper()
	for _, s := range append(hostile(), seeds...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		canonical, err := parse(text)
		if err != nil {
			if !errors.Is(err, topology.ErrSyntax) {
				t.Fatalf("%q: %v is no syntax error", text, err)
			}
			return
		}
		if again, err := parse(canonical); err != nil || again != canonical {
			t.Fatalf("%q is %q, which is read as %q (%v)", text, canonical, again, err)
		}
	})
}

func FuzzParseMAC(f *testing.F) {
	fixpoint(f, textOf(topology.ParseMAC), "0:0:5e:0:53:1", "0000.5e00.5301", "00005e-005301")
}

func FuzzParseWWN(f *testing.F) {
	fixpoint(f, textOf(topology.ParseWWN), "0x21000024ff000001", "2100-0024-ff00-0001")
}

func FuzzParseIQN(f *testing.F) {
	fixpoint(f, plain(topology.ParseIQN), "IQN.2001-04.com.Example:a", "eui.02004567A425678D", "iqn.2001-04.K.İ")
}

func FuzzParseNQN(f *testing.F) {
	fixpoint(f, plain(topology.ParseNQN), "nqn.2014-08.org.nvmexpress.discovery")
}

func FuzzParseVID(f *testing.F) { fixpoint(f, number(topology.ParseVID), "120") }

func FuzzParseLUN(f *testing.F) { fixpoint(f, number(topology.ParseLUN), "0x10", "010") }

func FuzzParseDesignator(f *testing.F) {
	fixpoint(f, topology.ParseDesignator, "wwn-0x600507680c80027b2800000000000001", "scsi-20123456789abcdef00000123",
		"60:05:07:68:0c:80:02:7b:28:00:00:00:00:00:00:01")
}

func FuzzParseUUID(f *testing.F) {
	fixpoint(f, topology.ParseUUID, "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}", "urn:uuid:f81d4fae7dec11d0a76500a0c91e6bf6")
}
