package collectors

import (
	"cmp"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const redacted = "[redacted]"

// Secret is a password, passphrase or community. However it is printed, logged or encoded, it shows as "[redacted]", or as "[none]" when
// there is none; only Reveal gives the text. Secrets are compared by Equal, not by ==.
type Secret struct {
	reveal func() string // a function, since printers and comparers look into unexported fields without asking methods, and follow pointers
}

// NewSecret takes the text in. The empty text is the same as the zero Secret: none.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// Reveal gives the text, for the one call that sends or derives something from it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal compares two secrets in a time that does not depend on where they differ.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String gives a placeholder.
func (s Secret) String() string {
	if s.IsZero() {
		return "[none]"
	}
	return redacted
}

// GoString gives a placeholder.
func (s Secret) GoString() string { return s.String() }

// Format prints a placeholder, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText gives a placeholder; JSON and YAML use it, too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON gives a placeholder as JSON text.
func (s Secret) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, s.String()), nil }

// LogValue gives a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Confidential is implemented by the Access of a source that has secrets, so that texts from below can be cleaned of them.
type Confidential interface {
	// Secrets lists them all; none of them needs to be set.
	Secrets() []Secret
}

// Secrets lists the secrets of the device's access.
func (d Device) Secrets() []Secret {
	if c, ok := d.Access.(Confidential); ok {
		return c.Secrets()
	}
	return nil
}

// Redact replaces every secret in the text, also where it is quoted or escaped for a URL: libraries like to repeat in their errors what
// they were given.
func Redact(text string, secrets ...Secret) string {
	var forms []string
	for _, s := range secrets {
		if s.IsZero() {
			continue
		}
		plain := s.Reveal()
		quoted := strconv.Quote(plain)
		forms = append(forms, plain, quoted[1:len(quoted)-1], url.QueryEscape(plain), url.PathEscape(plain))
	}
	// The longest first, so that of a secret that contains another nothing is left over.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range slices.Compact(forms) {
		pairs = append(pairs, f, redacted)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
