package config

import "slices"

// Keys lists every key that an inventory may have.
func Keys() []string {
	keys := append(snmpKeys(), libvirtKeys()...)
	keys = append(keys, sshKeys()...)
	keys = append(keys, hopKeys()...)
	keys = append(keys, topKeys()...)
	keys = append(keys, deviceKeys()...)
	keys = append(keys, "file", "age_file", "age", "default", "tables", "snmp", "libvirt", "ssh", "from", "to", "device", "port")
	slices.Sort(keys)
	return slices.Compact(keys)
}

// PolicyKeys lists every key that a policy may have.
func PolicyKeys() []string {
	keys := append(policyKeys(), "default", "tables", "network", "storage", "min_speed", "networks", "concurrent", "post_copy", "name", "rule", "vms", "hosts", "soft", "reason", "until",
		"from", "to", "protocol", "ports", "objects", "check", "vm", "host", "expires", "rail", "host_ports", "ways", "hops", "exclusive")
	slices.Sort(keys)
	return slices.Compact(keys)
}
