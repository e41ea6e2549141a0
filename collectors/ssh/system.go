package ssh

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/topology"
)

// The tables that the collector itself looks at.
const (
	tableSystem  = "uname"
	tablePath    = "search-path"
	tableRelease = "os-release"
)

// system is what the machine says of itself.
type system struct {
	kernel, node, machine string            // of uname
	release               map[string]string // variables of os-release, and those of SONiC's version file
	hardware              map[string]string // DMI, by the name of the file
	forwards              []string          // "ipv4", "ipv6", and "ipv4 off" where it does not
	nested                string            // "Y" or "1" where guests may have guests, "N" or "0" where not; "" where KVM is not loaded
	swtpm                 bool              // guests can have a TPM that is emulated
}

// systemTables are the commands that tell which machine this is. The first of them is sent alone: it shows that commands are run at all, and its answer, one
// line, tells what the login shell prints before every answer. The second tells where commands are searched.
func systemTables() []table {
	return []table{
		{name: tableSystem, line: "uname -snrm", parse: parseUname, tell: tellUname},
		{name: tablePath, line: "printenv PATH", may: true, parse: parsePath, tell: func(*sheet, *words) {}},
		{
			name: tableRelease, line: "grep . /etc/os-release /etc/sonic/sonic_version.yml", may: true,
			parse: parseRelease, tell: tellRelease,
		},
		{
			name: "dmi", line: "grep . /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name", may: true,
			parse: parseHardware, tell: tellModel,
		},
		{
			name: "dmi-identity", line: "grep . /sys/class/dmi/id/product_uuid /sys/class/dmi/id/product_serial", may: true, root: true,
			parse: parseHardware, tell: tellIdentity,
		},
		{
			name: "ip-forward", line: "grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding", may: true,
			parse: parseForwarding, tell: tellForwarding,
		},
		{
			name: "kvm", line: "sh -c 'grep -H \"\" " + kvmIntel + " " + kvmAMD + "; ls " + swtpm + "'", may: true, parse: parseKVM, tell: tellKVM,
		},
	}
}

// parseUname reads "SYSTEM NODE RELEASE MACHINE" (POSIX uname; the order is fixed).
func parseUname(s *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	fields := strings.Fields(string(raw))
	if len(fields) != 4 {
		return 0, nil, fmt.Errorf("%w: not the four words of uname -snrm", collectors.ErrMalformed)
	}
	s.kernel, s.node, s.machine = topology.Text([]byte(fields[0])), topology.Text([]byte(fields[1])), topology.Text([]byte(fields[3]))
	return 1, nil, nil
}

// parsePath reads nothing: it is the session that wants to know.
func parsePath(_ *sheet, raw []byte) (int, []collectors.Unparsed, error) {
	if bytes.Count(bytes.TrimSpace(raw), []byte("\n")) > 0 {
		return 0, nil, fmt.Errorf("%w: a search path is one line", collectors.ErrMalformed)
	}
	return 1, nil, nil
}

func tellUname(s *sheet, say *words) {
	if s.node != "(none)" { // Linux for a name that was never set
		say.Text(s.device, topology.AttrSysName, s.node)
	}
	say.Text(s.device, topology.AttrArch, s.machine)
}

// shown yields the lines of a grep over several files, or of one file alone: where they are from ("" for one file alone), and what they hold.
func shown(raw []byte) func(yield func(where, text string) bool) {
	return func(yield func(where, text string) bool) {
		for line := range bytes.Lines(raw) {
			text := topology.Text(bytes.TrimRight(line, "\r\n"))
			where := ""
			if path, rest, ok := strings.Cut(text, ":"); ok && strings.HasPrefix(path, "/") {
				where, text = path, rest
			}
			if text = strings.TrimSpace(text); text != "" && !yield(where, text) {
				return
			}
		}
	}
}

// parseRelease reads os-release(5), and the version file of SONiC, which calls itself Debian otherwise.
func parseRelease(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error) {
	s.release = map[string]string{}
	for where, text := range shown(raw) {
		if strings.HasPrefix(text, "#") || text == "---" {
			continue
		}
		rows++
		name, value, ok := strings.Cut(text, "=")
		if strings.HasSuffix(where, ".yml") {
			if name, value, ok = strings.Cut(text, ":"); ok {
				name = "sonic_" + strings.TrimSpace(name)
			}
		}
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			unparsed = append(unparsed, collectors.Unparsed{Where: where, Text: text, Why: "no variable"})
			continue
		}
		s.release[name] = unquote(strings.TrimSpace(value))
	}
	if rows > 0 && len(s.release) == 0 {
		return rows, unparsed, fmt.Errorf("%w: not one variable", collectors.ErrMalformed)
	}
	if s.asked == 0 {
		s.device.Kind = s.kind()
	}
	return rows, unparsed, nil
}

// unquote takes quotes and the backslashes of a shell's double quotes away.
func unquote(text string) string {
	for _, q := range []string{`"`, `'`} {
		if inner, ok := strings.CutPrefix(text, q); ok {
			if inner, ok = strings.CutSuffix(inner, q); ok {
				if q == `"` {
					inner = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\$`, `$`, "\\`", "`").Replace(inner)
				}
				return inner
			}
		}
	}
	return text
}

// kind tells what a machine is by the system that it runs, in the words of os-release.
func (s *sheet) kind() topology.Kind {
	switches := []string{"cumulus-linux", "cumulus", "sonic", "dent", "dentos", "openswitch", "onl", "opennetworklinux", "picos", "opx", "ops"}
	ids := append(strings.Fields(s.release["ID_LIKE"]), s.release["ID"])
	switch {
	case s.release["sonic_build_version"] != "":
		return topology.Switch
	case slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(switches, strings.ToLower(id)) }):
		return topology.Switch
	case strings.EqualFold(s.release["ID"], "vyos"):
		return topology.Router
	}
	return topology.Host
}

func tellRelease(s *sheet, say *words) {
	version := s.release["PRETTY_NAME"]
	if v := s.release["sonic_build_version"]; v != "" {
		version = v
	}
	if version == "" {
		version = strings.TrimSpace(s.release["NAME"] + " " + s.release["VERSION"])
	}
	say.Text(s.device, topology.AttrVersion, version)
}

// parseHardware reads files of /sys/class/dmi/id, each of one line (DMTF DSP0134, system information).
func parseHardware(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error) {
	if s.hardware == nil {
		s.hardware = map[string]string{}
	}
	for where, text := range shown(raw) {
		rows++
		name, ok := strings.CutPrefix(where, "/sys/class/dmi/id/")
		if !ok {
			unparsed = append(unparsed, collectors.Unparsed{Where: where, Text: text, Why: "not a file of /sys/class/dmi/id"})
			continue
		}
		s.hardware[name] = text
	}
	return rows, unparsed, nil
}

func tellModel(s *sheet, say *words) {
	say.Text(s.device, topology.AttrVendor, meant(s.hardware["sys_vendor"]))
	say.Text(s.device, topology.AttrModel, meant(s.hardware["product_name"]))
}

func tellIdentity(s *sheet, say *words) {
	say.Text(s.device, topology.AttrSerial, meant(s.hardware["product_serial"]))
	if uuid, err := topology.ParseUUID(s.hardware["product_uuid"]); err == nil && unique(uuid) {
		say.Text(s.device, topology.AttrUUID, uuid)
	}
}

// meant gives "" for what makers of boards leave in fields that somebody else was to fill.
func meant(text string) string {
	nothing := []string{
		"to be filled by o.e.m.", "default string", "system serial number", "system manufacturer", "system product name", "not specified", "not applicable",
		"none", "unknown", "0", "123456789", "0123456789", "o.e.m.", "oem", "n/a", "empty", "invalid", "not available", "undefined",
	}
	if slices.Contains(nothing, strings.ToLower(text)) {
		return ""
	}
	return text
}

// unique reports that a UUID can be one machine's own: boards that were never given one show all the same digits or a counting row, as libvirt knows, too.
func unique(uuid string) bool {
	if uuid == "03000200-0400-0500-0006-000700080009" || uuid == "00020003-0004-0005-0006-000700080009" {
		return false
	}
	digits := strings.ReplaceAll(uuid, "-", "")
	return strings.Trim(digits, digits[:1]) != ""
}

// off is behind the word of what a machine could do, and says that it does not.
const off = " off"

// parseForwarding reads the switches of the kernel (Documentation/networking/ip-sysctl). For IPv6, 2 is forwarding with router advertisements taken in.
func parseForwarding(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error) {
	for where, text := range shown(raw) {
		rows++
		family := "ipv4"
		if strings.Contains(where, "/ipv6/") {
			family = "ipv6"
		}
		switch text {
		case "0":
			s.forwards = append(s.forwards, family+off)
		case "1", "2":
			s.forwards = append(s.forwards, family)
		default:
			unparsed = append(unparsed, collectors.Unparsed{Where: where, Text: text, Why: "neither on nor off"})
		}
	}
	return rows, unparsed, nil
}

func tellForwarding(s *sheet, say *words) {
	for _, family := range s.forwards {
		say.Set(s.device, topology.AttrForwarding, topology.TextValue(family))
	}
}

// What KVM gives guests (Linux, Documentation/virt/kvm/x86/running-nested-guests), and the program by which libvirt emulates TPMs.
const (
	kvmIntel = "/sys/module/kvm_intel/parameters/nested"
	kvmAMD   = "/sys/module/kvm_amd/parameters/nested"
	swtpm    = "/usr/bin/swtpm"
)

// parseKVM reads the parameter of the module that is loaded, and whether the program is there.
func parseKVM(s *sheet, raw []byte) (rows int, unparsed []collectors.Unparsed, err error) {
	for where, text := range shown(raw) {
		rows++
		switch {
		case (where == kvmIntel || where == kvmAMD) && slices.Contains([]string{"Y", "N", "1", "0"}, text):
			s.nested = text
		case text == swtpm:
			s.swtpm = true
		default:
			unparsed = append(unparsed, collectors.Unparsed{Where: where, Text: text, Why: "neither Y nor N, nor a program"})
		}
	}
	return rows, unparsed, nil
}

func tellKVM(s *sheet, say *words) {
	if s.nested != "" {
		say.Set(s.device, topology.AttrNested, topology.BoolValue(s.nested == "Y" || s.nested == "1"))
	}
	if s.swtpm {
		say.Text(s.device, topology.AttrTPMBackend, "emulator")
	}
}
