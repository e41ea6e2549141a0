package collectors

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/topology"
)

// SNMPAccess is the Access of a device that is read over SNMP. Address is HOST or HOST:PORT; without a port it is 161.
type SNMPAccess struct {
	Version SNMPVersion // SNMPv3, unless the device has the waiver

	// AllowV2c is the operator's waiver: the community crosses the network in the clear. Without it SNMPv2c is never spoken.
	AllowV2c  bool
	Community Secret // SNMPv2c (RFC 3584)

	User        string // SNMPv3 security name (RFC 3414)
	Auth        SNMPAuth
	AuthKey     Secret // passphrase, at least 8 octets; the key is derived from it (RFC 3414 appendix A.2)
	Priv        SNMPPriv
	PrivKey     Secret // passphrase, at least 8 octets
	ContextName string // SNMPv3 context (RFC 3411), "" almost everywhere

	Timeout     time.Duration // of one request; 0: the collector's default
	Retries     int           // after the first try of one request; 0: the collector's default, -1: none
	Repetitions int           // most repetitions of one GETBULK that may be learned; 0: the collector's default
	InFlight    int           // most requests under way at once that may be learned; 0: the collector's default
}

// Secrets lists the community and the passphrases.
func (a SNMPAccess) Secrets() []Secret { return []Secret{a.Community, a.AuthKey, a.PrivKey} }

// SNMPVersion is a version of the protocol.
type SNMPVersion uint8

// The versions. SNMPv1 is not spoken: it has neither GETBULK nor 64-bit counters.
const (
	SNMPv2c SNMPVersion = 2
	SNMPv3  SNMPVersion = 3
)

// String gives "2c" or "3".
func (v SNMPVersion) String() string {
	if v == SNMPv2c {
		return "2c"
	}
	return strconv.Itoa(int(v))
}

// ParseSNMPVersion is the inverse of String.
func ParseSNMPVersion(text string) (SNMPVersion, error) {
	switch text {
	case "2c":
		return SNMPv2c, nil
	case "3":
		return SNMPv3, nil
	}
	return 0, fmt.Errorf("%w: want 3 or 2c", topology.ErrSyntax)
}

// SNMPAuth is an authentication protocol of SNMPv3. MD5 and SHA-1 are refused.
type SNMPAuth uint8

// The authentication protocols (RFC 7860).
const (
	SNMPAuthSHA224 SNMPAuth = iota + 1
	SNMPAuthSHA256
	SNMPAuthSHA384
	SNMPAuthSHA512
)

var snmpAuthNames = []string{"none", "SHA-224", "SHA-256", "SHA-384", "SHA-512"} //nolint:gochecknoglobals // read-only table

// String gives the name that inventories use.
func (a SNMPAuth) String() string { return nameAt(snmpAuthNames, uint8(a)) }

// ParseSNMPAuth is the inverse of String; case and the hyphen do not matter.
func ParseSNMPAuth(text string) (SNMPAuth, error) {
	n, err := nameIn(snmpAuthNames, text)
	return SNMPAuth(n), err
}

// SNMPPriv is a privacy protocol of SNMPv3. DES is refused.
type SNMPPriv uint8

// The privacy protocols: RFC 3826, and the two ways in which longer keys were added without a standard.
const (
	SNMPPrivAES     SNMPPriv = iota + 1
	SNMPPrivAES192           // key extended as in draft-blumenthal-aes-usm-04: net-snmp
	SNMPPrivAES256           // likewise
	SNMPPrivAES192C          // key extended as in draft-reeder-snmpv3-usm-3desede-00: Cisco
	SNMPPrivAES256C          // likewise
)

var snmpPrivNames = []string{"none", "AES", "AES-192", "AES-256", "AES-192-C", "AES-256-C"} //nolint:gochecknoglobals // read-only table

// String gives the name that inventories use.
func (p SNMPPriv) String() string { return nameAt(snmpPrivNames, uint8(p)) }

// ParseSNMPPriv is the inverse of String; case and hyphens do not matter.
func ParseSNMPPriv(text string) (SNMPPriv, error) {
	n, err := nameIn(snmpPrivNames, text)
	return SNMPPriv(n), err
}

// LibvirtAccess is the Access of a hypervisor that libvirt reads. One of URI and Folder is set; Address repeats it.
type LibvirtAccess struct {
	URI    string // connection URI, without a password: qemu:///system, qemu+tls://host/system
	Folder string // recordings instead of a live hypervisor: a folder of `virsh dumpxml` files

	User     string // SASL user name, where the transport asks for one
	Password Secret // SASL password
}

// Secrets lists the password.
func (a LibvirtAccess) Secrets() []Secret { return []Secret{a.Password} }

func nameAt(names []string, n uint8) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("protocol(%d)", n)
}

// nameIn finds a name, but never "none": leaving a protection out is said by leaving its key out.
func nameIn(names []string, text string) (int, error) {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "-", "") }
	n := slices.IndexFunc(names[1:], func(name string) bool { return plain(name) == plain(text) })
	if n < 0 {
		return 0, fmt.Errorf("%w: want one of %s", topology.ErrSyntax, strings.Join(names[1:], ", "))
	}
	return n + 1, nil
}

// SSHAccess is the Access of a Linux host or switch that is read by its own commands. Address is HOST or HOST:PORT; without a port it is 22.
type SSHAccess struct {
	User     string
	Password Secret // password, or "" where a key is used
	Key      Secret // private key in OpenSSH's or PEM form
	KeyPass  Secret // passphrase of the key, if it has one
	Agent    bool   // ask the agent at SSH_AUTH_SOCK

	// HostKeys are the fingerprints that the device may show, "SHA256:…" (RFC 4255 digest, base64 without padding); KnownHosts is the file of
	// those that were accepted before (OpenSSH's format). A key that neither names stops the device before any credential is sent.
	HostKeys   []string
	KnownHosts string
	AcceptNew  bool // keep the key of a first contact in KnownHosts and go on

	Jump []SSHHop // hosts to go through, the nearest first; each has host keys and credentials of its own

	Sudo    bool          // send the commands that need it with "sudo -n"
	Timeout time.Duration // of one command; 0: the collector's default
}

// SSHHop is a host on the way to a device.
type SSHHop struct {
	Address string // HOST:PORT
	SSHAccess
}

// Secrets lists the password, the key and its passphrase, and those of all hops.
func (a SSHAccess) Secrets() []Secret {
	all := []Secret{a.Password, a.Key, a.KeyPass}
	for _, hop := range a.Jump {
		all = append(all, hop.Secrets()...)
	}
	return all
}

// SANAccess is the Access of an array that is read by the commands of its own operating system over SSH. Address is HOST or HOST:PORT; without a port it is 22.
type SANAccess struct {
	Dialect string // whose commands: "tgt", the Linux SCSI target framework
	SSHAccess
}

// CLIAccess is the Access of a device whose configuration and answers to show commands somebody else has fetched into files. Address is the name of the first.
type CLIAccess struct{ Files []CLIFile }

// CLIFile is a file that one command printed.
type CLIFile struct {
	Answer string // whose it is: one of CLIAnswers
	Name   string // as people know it: the inventory's word, relative to the folder of the inventory
	Path   string // where it is
}

// CLIAnswers lists the answers that may be in files.
func CLIAnswers() []string {
	return []string{
		"ios-config", "eos-config", "nxos-config", "ios-route", "ios-cef", "eos-route", "nxos-route",
		"mds-zoneset-active", "mds-zone", "mds-zone-status", "mds-device-alias", "mds-flogi", "mds-fcns",
	}
}
