package cli

import "regexp"

// What is not understood is stated with its text, and the text of a configuration may hold secrets. Those that are understood, or known to change nothing, are
// stated by what they mean alone.

var (
	// announced is a word behind which configurations write secrets, and all that stands behind it.
	announced = regexp.MustCompile(`(?i)(^|[\s-])(pass|password|passwd|passphrase|secret|key|keys|key-string|hex-key|psk|pre-shared-key|shared-secret|community|communities|` +
		`md5|sha\d*|sha-\d+|hmac\S*|authentication|auth|auth-password|priv|priv-password|encrypted|cipher|ascii|hash|pin|token|credential|credentials|certificate|login|user|username)\s+\S.*$`)
	// secretive is a word that is a secret by its form: crypt(3), type 7 and other encodings, keys.
	secretive = regexp.MustCompile(`^"?(\$[0-9A-Za-z]{1,3}\$\S+|[0-9A-Fa-f]{12,}|[A-Za-z0-9+/=_.!]{24,})"?$`)
	word      = regexp.MustCompile(`\S+`)
	portName  = regexp.MustCompile(`^[A-Za-z]+[0-9]+(/[0-9]+)*(\.[0-9]+)?$`)
)

const hidden = "[hidden]"

// withoutSecrets gives a line that nobody understood as it may be kept and shown: what may be a secret is left out of it. It rather leaves out too much.
func withoutSecrets(line string) string {
	if m := announced.FindStringSubmatchIndex(line); m != nil {
		line = line[:m[5]] + " " + hidden
	}
	return word.ReplaceAllStringFunc(line, func(w string) string {
		if secretive.MatchString(w) && !portName.MatchString(w) {
			return hidden
		}
		return w
	})
}
