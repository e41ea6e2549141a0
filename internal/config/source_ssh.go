package config

import (
	"cmp"
	"encoding/base64"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/throughline-dc/throughline/collectors"
)

func sshKeys() []string {
	return []string{
		"source", "address", "user", "credential", "key", "key_credential", "agent", "host_keys", "known_hosts", "jump", "sudo", "port", "timeout",
	}
}

// hopKeys are those of a jump host: a login of its own, and nothing of what is done behind it.
func hopKeys() []string {
	return []string{"address", "user", "credential", "key", "key_credential", "agent", "host_keys", "port"}
}

const knownHosts = "known_hosts" // beside the inventory, unless it says otherwise

// sshSettings reads what a source or the defaults say; what neither says is zero.
type sshSettings struct {
	access collectors.SSHAccess
	port   int
}

func (r *reader) sshSettings(o *object) (s sshSettings) {
	if o == nil {
		return s
	}
	s.access, s.port = r.sshLogin(o)
	a := &s.access
	a.KnownHosts = r.path(o.text("known_hosts"))
	a.Sudo = o.flag("sudo")
	a.Timeout = o.duration("timeout", time.Second, 10*time.Minute)
	for _, n := range o.items("jump") {
		hop := newObject(o.findings, n, "a jump host", hopKeys()...)
		if hop == nil {
			continue
		}
		access, port := r.sshLogin(hop)
		checkLogin(hop, "a jump host", access)
		if !hop.has("address") {
			hop.add(hop.at, "address says where it is", "a jump host needs an address")
		}
		a.Jump = append(a.Jump, collectors.SSHHop{Address: withPort(readAddress(hop), cmp.Or(port, 22)), SSHAccess: access})
	}
	return s
}

// sshLogin reads who we are and which host keys are right.
func (r *reader) sshLogin(o *object) (a collectors.SSHAccess, port int) {
	a.User = o.printable("user")
	a.Password, a.Key, a.KeyPass = r.vault.use(o, "credential"), r.vault.useKey(o, "key"), r.vault.use(o, "key_credential")
	a.Agent = o.flag("agent")
	if o.has("key_credential") && !o.has("key") {
		o.add(o.of("key_credential"), "add key", "a passphrase without a private key")
	}
	for _, n := range o.items("host_keys") {
		fingerprint, _ := textOf(n)
		digest, isSHA256 := strings.CutPrefix(fingerprint, "SHA256:")
		if raw, err := base64.RawStdEncoding.DecodeString(digest); !isSHA256 || err != nil || len(raw) != 32 {
			o.add(placeOf(n), "as ssh-keygen -l -f FILE prints it: SHA256: and 43 letters", "not the fingerprint of a host key")
			continue
		}
		a.HostKeys = append(a.HostKeys, fingerprint)
	}
	return a, o.number("port", 1, 65535)
}

func checkLogin(o *object, what string, a collectors.SSHAccess) {
	if a.User == "" && !o.has("user") {
		o.add(o.at, "", "%s needs a user", what)
	}
	if a.Password.IsZero() && a.Key.IsZero() && !a.Agent && !givesLogin(o) {
		o.add(o.at, "credential for a password, key for a private key, or agent: true", "%s has no way to log in", what)
	}
}

// givesLogin reports that an object says how to log in, be it right or wrong.
func givesLogin(o *object) bool {
	return slices.ContainsFunc([]string{"credential", "key", "agent"}, o.has)
}

// path makes the name of a file relative to the folder of the inventory.
func (r *reader) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.folder, name)
}

// sanKeys are those of ssh, since arrays are read by commands, too, and whose commands.
func sanKeys() []string { return append(sshKeys(), "dialect") }

func (r *reader) readSSH(o *object, d *device) (string, any) {
	if o == nil {
		return "", nil
	}
	address, a := r.login(o, d, "ssh")
	return address, a
}

// readSAN gives the address and access of an array. How to log in may be said once, in the defaults of ssh.
func (r *reader) readSAN(o *object, d *device) (string, any) {
	if o == nil {
		return "", nil
	}
	const tgt = "tgt" // tgtadm(8)
	dialect := o.text("dialect")
	if dialect != tgt && (dialect != "" || !o.has("dialect")) {
		at := o.at
		if o.has("dialect") {
			at = o.valueAt("dialect")
		}
		o.add(at, "dialect: tgt, the Linux SCSI target framework", "the source san needs the dialect of the array's commands")
	}
	address, a := r.login(o, d, "san")
	return address, collectors.SANAccess{Dialect: dialect, SSHAccess: a}
}

// login gives the address and access of a device that is read over SSH: its own settings, else the defaults. One that says a way to log in uses no other.
func (r *reader) login(o *object, d *device, source string) (string, collectors.SSHAccess) {
	own, shared := r.sshSettings(o), r.ssh
	a := own.access
	a.User = cmp.Or(a.User, shared.access.User)
	if !givesLogin(o) {
		a.Password, a.Key, a.KeyPass, a.Agent = shared.access.Password, shared.access.Key, shared.access.KeyPass, shared.access.Agent
	}
	if !givesLogin(o) && givesLogin(r.sshKeys) {
		if a.User == "" {
			o.add(o.at, "", "the source %s needs a user", source)
		}
	} else {
		checkLogin(o, "the source "+source, a)
	}
	a.KnownHosts = cmp.Or(a.KnownHosts, shared.access.KnownHosts, r.path(knownHosts))
	a.Timeout = cmp.Or(a.Timeout, shared.access.Timeout)
	if !o.has("sudo") {
		a.Sudo = shared.access.Sudo
	}
	if !o.has("jump") {
		a.Jump = shared.access.Jump
	}
	a.Jump = slices.Clone(a.Jump)
	for i := range a.Jump { // accepted and looked up in one file
		a.Jump[i].KnownHosts = a.KnownHosts
	}
	address := cmp.Or(readAddress(o), d.address)
	if address == "" && !o.has("address") {
		o.add(o.at, "address says where the device is", "the source %s needs an address", source)
	}
	if host, _, err := net.SplitHostPort(address); err == nil && own.port != 0 && !o.has("address") {
		address = net.JoinHostPort(host, strconv.Itoa(own.port)) // the device's address has the port of another source
	}
	return withPort(address, cmp.Or(own.port, shared.port, 22)), a
}
