package libvirt

import (
	"errors"
	"fmt"
	"net/url"
)

// checkURI refuses what must not reach libvirt: a password, which would be seen in process lists and logs, and the switches that turn the
// checking of host keys and certificates off.
func checkURI(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("the connection URI cannot be read") // the cause would repeat it, password and all
	}
	if _, secret := u.User.Password(); secret {
		return fmt.Errorf("connection URI for %s: a password does not belong into it", u.Host)
	}
	for _, name := range []string{"no_verify", "no_sanity"} {
		if v := u.Query().Get(name); v != "" && v != "0" {
			return fmt.Errorf("connection URI %s: %s turns the checking of its identity off", u.Redacted(), name)
		}
	}
	return nil
}
