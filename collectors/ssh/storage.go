package ssh

// storage is what the commands of the host itself said: Open vSwitch, filters, queueing, disks and their paths, sysfs.
type storage struct{}

// hostTables are the commands of the host itself.
func hostTables() []table { return nil }
