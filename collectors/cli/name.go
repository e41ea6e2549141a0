package cli

import (
	"strings"
	"unicode"
)

// iosNames are the ifNames of IOS (RFC 2863), whose configurations write the ifDescr: GigabitEthernet1/1 is Gi1/1. Filters and keys have the ifName, as SNMP has it.
// Source: recordings of ifXTable of IOS and IOS-XE devices.
var iosNames = map[string]string{ //nolint:gochecknoglobals // read-only table
	"AppGigabitEthernet": "Ap", "BVI": "BV", "Ethernet": "Et", "FastEthernet": "Fa", "FortyGigabitEthernet": "Fo", "GigabitEthernet": "Gi", "HundredGigE": "Hu",
	"Loopback": "Lo", "Null": "Nu", "Port-channel": "Po", "Serial": "Se", "TenGigabitEthernet": "Te", "Tunnel": "Tu", "TwentyFiveGigE": "Twe", "Vlan": "Vl",
}

// nxosNames are the words that tables of NX-OS shorten: Eth1/1 is Ethernet1/1, which is the ifName, too.
var nxosNames = map[string]string{"Eth": "Ethernet", "Lo": "loopback", "Po": "port-channel"} //nolint:gochecknoglobals // read-only table

// inDialect gives the ifName of an interface as the texts of a platform write it.
func inDialect(dialect, name string) string {
	i := strings.IndexFunc(name, unicode.IsDigit)
	if i <= 0 {
		return name
	}
	names := map[string]map[string]string{"ios": iosNames, "nxos": nxosNames}[dialect]
	if word, ok := names[name[:i]]; ok {
		return word + name[i:]
	}
	return name
}
