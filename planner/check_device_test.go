package planner_test

func deviceCases() []checkCase {
	const old = "unknown: what test said of vm web-07 by libvirt capabilities is 2h1m0s old: collect it"
	return []checkCase{
		{code: "DEV-1", name: "none", want: "pass: web-07 has no device of its host"},
		{code: "DEV-1", name: "of the network", changes: "vm:v hostDevice=scsi iscsi iqn.2003-01.example:disk/1", want: "pass: web-07 has no device of its host"},
		{code: "DEV-1", name: "a card", changes: "vm:v hostDevice=pci 0000:06:12.5", want: "block: web-07 has the device pci 0000:06:12.5 of its host"},
		{code: "DEV-1", name: "a port", changes: "vm:v localDevice=serial dev /dev/ttyS0", want: "block: web-07 has the device serial dev /dev/ttyS0: the port is its host's"},
		{
			code: "DEV-1", name: "a file", changes: "vm:v localDevice=serial file /var/log/web.log",
			want: "warn: web-07 writes to a file of its host (serial file /var/log/web.log): what it has written stays behind",
		},
		{code: "DEV-1", name: "long ago", changes: "!vm:v hostDevice=scsi iscsi iqn.2003-01.example:disk/1", also: []string{"CAP-9"}, want: old},
		{code: "DEV-3", name: "none", want: "pass: web-07 has no display or user network that stays behind"},
		{code: "DEV-3", name: "3D", changes: "vm:v localDevice=video virgl", want: "block: web-07 has the device video virgl: the guest's 3D state cannot be taken along"},
		{code: "DEV-3", name: "a clipboard", changes: "vm:v localDevice=clipboard", want: "block: web-07 has the device clipboard: the clipboard's state cannot be taken along"},
		{code: "DEV-3", name: "long ago", changes: "!vm:v localDevice=clipboard", also: []string{"DEV-1", "DEV-4"}, want: old},
		{code: "DEV-4", name: "none", want: "pass: web-07 has no memory that is a device of its host"},
		{code: "DEV-4", name: "persistent memory", changes: "vm:v localDevice=memory nvdimm /dev/pmem0", want: "block: web-07 has the device memory nvdimm /dev/pmem0: its content is its host's"},
		{code: "DEV-4", name: "long ago", changes: "!vm:v localDevice=memory nvdimm /dev/pmem0", also: []string{"DEV-1", "DEV-3"}, want: old},
	}
}
