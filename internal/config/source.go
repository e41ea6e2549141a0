package config

import (
	"cmp"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/throughline-dc/throughline/collectors"
)

func snmpKeys() []string {
	return []string{
		"source", "address", "version", "allow_v2c", "credential", "user", "auth", "priv", "priv_credential", "context",
		"port", "timeout", "retries", "repetitions", "in_flight",
	}
}

func libvirtKeys() []string { return []string{"source", "uri", "folder", "user", "credential"} }

const minPassphrase = 8 // octets (RFC 3414 section 11.2)

// snmpSettings reads what a source or the defaults say; what neither says is zero.
type snmpSettings struct {
	access           collectors.SNMPAccess
	credential, priv collectors.Secret
	port             int
}

func (r *reader) snmpSettings(o *object) (s snmpSettings) {
	if o == nil {
		return s
	}
	a := &s.access
	var err error
	if text := o.text("version"); text != "" {
		if a.Version, err = collectors.ParseSNMPVersion(text); err != nil {
			o.add(o.valueAt("version"), "3, or 2c with allow_v2c: true", "a version of SNMP that is not spoken")
		}
	}
	if text := o.text("auth"); text != "" {
		if a.Auth, err = collectors.ParseSNMPAuth(text); err != nil {
			o.add(o.valueAt("auth"), "SHA-224, SHA-256, SHA-384 or SHA-512; MD5 and SHA-1 are refused", "not an authentication protocol")
		}
	}
	if text := o.text("priv"); text != "" {
		if a.Priv, err = collectors.ParseSNMPPriv(text); err != nil {
			o.add(o.valueAt("priv"), "AES, AES-192, AES-256, AES-192-C or AES-256-C; DES is refused", "not a privacy protocol")
		}
	}
	a.AllowV2c = o.flag("allow_v2c")
	a.User, a.ContextName = o.printable("user"), o.printable("context")
	s.credential, s.priv = r.vault.use(o, "credential"), r.vault.use(o, "priv_credential")
	s.port = o.number("port", 1, 65535)
	a.Timeout = o.duration("timeout", 10*time.Millisecond, time.Minute)
	if a.Retries = o.number("retries", 0, 10); o.has("retries") && a.Retries == 0 {
		a.Retries = -1
	}
	a.Repetitions = o.number("repetitions", 1, 500)
	a.InFlight = o.number("in_flight", 1, 64)
	return s
}

// readSNMP gives the address and access of a device that is read over SNMP: its own settings, else the defaults.
func (r *reader) readSNMP(o *object, d *device) (string, any) {
	if o == nil {
		return "", nil
	}
	own, shared := r.snmpSettings(o), r.snmp
	a := own.access
	a.Version = cmp.Or(a.Version, shared.access.Version, collectors.SNMPv3)
	a.ContextName = cmp.Or(a.ContextName, shared.access.ContextName)
	a.Timeout = cmp.Or(a.Timeout, shared.access.Timeout)
	a.Retries = cmp.Or(a.Retries, shared.access.Retries)
	a.Repetitions = cmp.Or(a.Repetitions, shared.access.Repetitions)
	a.InFlight = cmp.Or(a.InFlight, shared.access.InFlight)
	credential := orElse(own.credential, shared.credential)
	if credential.IsZero() && !o.has("credential") && !r.snmpKeys.has("credential") {
		o.add(o.at, "credential names one of credentials", "the source snmp has no credential")
	}
	if a.Version == collectors.SNMPv2c {
		a.Community = credential
		checkV2c(o, a)
		a.User, a.Auth, a.Priv = "", 0, 0
	} else {
		a.User = cmp.Or(a.User, shared.access.User)
		a.Auth = cmp.Or(a.Auth, shared.access.Auth, collectors.SNMPAuthSHA256)
		a.Priv = cmp.Or(a.Priv, shared.access.Priv, collectors.SNMPPrivAES)
		a.AuthKey, a.PrivKey = credential, orElse(own.priv, shared.priv, credential)
		checkV3(o, a)
	}
	address := cmp.Or(readAddress(o), d.address)
	if address == "" && !o.has("address") {
		o.add(o.at, "address says where the device is", "the source snmp needs an address")
	}
	return withPort(address, cmp.Or(own.port, shared.port, 161)), a
}

func checkV2c(o *object, a collectors.SNMPAccess) {
	if !a.AllowV2c {
		o.add(o.valueAt("version"), "use version 3, or add allow_v2c: true to this source",
			"SNMPv2c sends the community in the clear, and this device has no waiver")
	}
	for _, key := range []string{"user", "auth", "priv", "priv_credential", "context"} {
		if o.has(key) {
			o.add(o.of(key), "", "%q is of SNMPv3, this source speaks 2c", key)
		}
	}
}

func checkV3(o *object, a collectors.SNMPAccess) {
	if a.User == "" && !o.has("user") {
		hint := "user is the security name"
		if a.AllowV2c {
			hint = "or version: 2c, which allow_v2c permits"
		}
		o.add(o.at, hint, "SNMPv3 needs a user")
	}
	for _, k := range []struct {
		key    string
		secret collectors.Secret
	}{{"credential", a.AuthKey}, {"priv_credential", a.PrivKey}} {
		if n := len(k.secret.Reveal()); n > 0 && n < minPassphrase {
			o.add(o.of(k.key), "", "an SNMPv3 passphrase has at least %d octets, this %s has fewer", minPassphrase, k.key)
			return
		}
	}
}

// libvirtSettings reads what a source or the defaults say.
func (r *reader) libvirtSettings(o *object) (a collectors.LibvirtAccess) {
	if o != nil {
		a.User, a.Password = o.printable("user"), r.vault.use(o, "credential")
	}
	return a
}

// readLibvirt gives the address and access of a hypervisor, or of a folder of recordings.
func (r *reader) readLibvirt(o *object, _ *device) (string, any) {
	if o == nil {
		return "", nil
	}
	a, shared := r.libvirtSettings(o), r.libvirt
	a.User, a.Password = cmp.Or(a.User, shared.User), orElse(a.Password, shared.Password)
	a.URI, a.Folder = o.printable("uri"), o.text("folder")
	switch {
	case o.has("uri") && o.has("folder"):
		o.add(o.of("folder"), "", "a source is read either at its uri or from its folder")
	case o.has("uri"):
		checkURI(o, a.URI)
	case o.has("folder") && a.Folder != "":
		if !filepath.IsAbs(a.Folder) {
			a.Folder = filepath.Join(r.folder, a.Folder)
		}
		if info, err := os.Stat(a.Folder); err != nil || !info.IsDir() {
			o.add(o.valueAt("folder"), "a name without a slash at its begin is relative to the inventory", "there is no folder of this name")
		}
	case !o.has("folder"):
		o.add(o.at, "uri: qemu+tls://host/system, or folder: of recordings", "the source libvirt needs a uri or a folder")
	}
	return cmp.Or(a.URI, a.Folder), a
}

func checkURI(o *object, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		o.add(o.valueAt("uri"), "such as qemu:///system or qemu+tls://host/system", "not a libvirt connection URI")
		return
	}
	if _, has := u.User.Password(); has {
		o.add(o.valueAt("uri"), "use user and credential", "a password has no place in a URI")
	}
}
